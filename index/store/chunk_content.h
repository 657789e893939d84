// chunk_content.h - what is read of a chunk when it is appended.

#pragma once

#include "index/base/buffer.h"
#include "index/store/chunk.h"
#include "index/store/zstd.h"

struct chunk_entry {
    size_t at;          // in bodies: head, then the plain payload
    uint32_t head_len;  // record.h: kind to hashes
    uint32_t plain_len; // of the payload
    uint32_t chain_at;  // in chain_numbers
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
    struct zstd_codec *codec; // NULL until something is compressed

    struct chunk_entry *entries;
    size_t num_entries, size_entries;
    struct buffer bodies;
    struct buffer leaf_hashes; // SHA256_LEN bytes an entry

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
};

// chunk_seal sorts the keys and drops what comes twice: for who puts them into
// a tree.
void chunk_seal(struct chunk *chunk);

// chunk_compress_begin makes ready for chunk_compress.
MUST_USE bool chunk_compress_begin(struct chunk *chunk, struct err *err);

// chunk_compress appends an entry's plain_len and payload as records have
// them, and gives the record's bits.
MUST_USE bool chunk_compress(struct chunk *chunk,
                             const struct chunk_entry *entry,
                             struct buffer *out, uint8_t *bits,
                             struct err *err);

// chunk_swap exchanges what two chunks hold.
void chunk_swap(struct chunk *a, struct chunk *b);
