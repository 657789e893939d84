// chain_cache.h - chains seen lately and their fingerprints. (pure)
//
// A log sends the same few chains with nearly every entry: a chain that is byte
// for byte one seen before is not hashed again.
//
// Lifetime  valid as {0}; chain_cache_cleanup() frees.
// Limit     CHAIN_CACHE_SLOTS chains of CHAIN_CACHE_LEN_MAX bytes.

#pragma once

#include "index/base/buffer.h"
#include "index/base/sha256.h"

enum {
    CHAIN_CACHE_SLOTS = 64, // a power of two
    CHAIN_CACHE_LEN_MAX = 16 << 10,
};

struct chain_slot {
    struct buffer chain;
    struct buffer hashes;
};

struct chain_cache {
    struct chain_slot slots[CHAIN_CACHE_SLOTS];
};

// chain_cache_find gives the fingerprints of the `num` certificates of `chain`,
// if it holds them.
bool chain_cache_find(const struct chain_cache *cache, struct bytes chain,
                      struct sha256_hash *hashes, size_t num);

// chain_cache_keep remembers a chain and its fingerprints, if there is memory.
void chain_cache_keep(struct chain_cache *cache, struct bytes chain,
                      const struct sha256_hash *hashes, size_t num);

// chain_cache_cleanup frees what it holds.
void chain_cache_cleanup(struct chain_cache *cache);
