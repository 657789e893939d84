// chunk_content.h - what the tail reads of a chunk when it is appended.

#pragma once

#include "index/base/buffer.h"
#include "index/store/chunk.h"
#include "index/store/zstd.h"

struct chunk_entry {
    size_t at;         // in bodies: head, then the length and the payload
    uint32_t head_len; // record.h: kind to hashes
    uint32_t tail_len; // plain_len and payload
    uint32_t chain_at; // in chain_numbers
    uint32_t num_chain;
    // X509: the issuer's Name, in issuer_names; else empty.
    uint32_t issuer_at;
    uint32_t issuer_len;
};

struct chunk_key {
    uint32_t at; // in key_bytes
    uint16_t len;
    uint16_t via;
    uint32_t entry;
};

struct chunk {
    uint32_t log;
    bool facts_only;
    uint64_t first;
    uint64_t num_unparsed;
    struct bytes dictionary_bytes;
    uint64_t dictionary_sum; // of the bytes that `dictionary` was made from
    struct zstd_dictionary *dictionary;
    struct zstd_codec *codec;

    struct chunk_entry *entries;
    size_t num_entries, size_entries;
    struct buffer bodies;
    struct buffer leaf_hashes; // SHA256_LEN bytes an entry
    struct buffer plain;       // a payload before it is compressed

    struct chunk_key *keys;
    size_t num_keys, size_keys;
    bool sealed; // keys are sorted, none comes twice
    struct buffer key_bytes;

    // Issuers' fingerprints, each once; chains are numbers among them.
    struct sha256_hash *issuers;
    size_t num_issuers, size_issuers;
    uint32_t *slots; // hash table: a number and 1, or 0
    size_t num_slots;
    uint32_t *chain_numbers;
    size_t num_chain_numbers, size_chain_numbers;
    struct buffer issuer_names;

    // Plain payloads, while there is no dictionary.
    struct buffer samples;
    size_t *sample_lens;
    size_t num_samples, size_samples;
};
