// hash_set.h - which fingerprints have been seen.                       (pure)
//
// They are hashes of what a log chose, so their first bytes are as good as any
// to find them by; the one of all zeros is none.

#pragma once

#include "index/base/sha256.h"

// Valid as {0}: empty.
struct hash_set {
    struct sha256_hash *slots; // open addressing; zeros are free
    size_t num, size;
};

// hash_set_add adds one; false when it is there already, or when there is no
// memory.
bool hash_set_add(struct hash_set *set, const struct sha256_hash *hash);

// hash_set_cleanup frees it.
void hash_set_cleanup(struct hash_set *set);
