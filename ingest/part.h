// part.h - the entries of one piece, encoded: what a worker makes of a body.
//
//   worker: part_reset, part_add ..., part_finish -> reader -> batch, in order
//
// Thread    one at a time.
// Limit     SOURCE_BATCH_MAX entries.

#pragma once

#include "index/entry/merkle.h"
#include "index/store/chunk.h"

enum {
    PART_ROOTS_MAX = 32,
    ISSUERS_SEEN = 256,
};

// A complete aligned subtree of the log's tree.
struct part_root {
    unsigned level;
    struct sha256_hash hash;
};

struct part {
    struct part *next;
    struct chunk *chunk;
    uint64_t first;
    uint64_t num_names;
    struct part_root roots[PART_ROOTS_MAX]; // of its entries, in order
    size_t num_roots;
    struct buffer issuers; // as batch_add_issuer has them
    struct sha256_hash issuers_seen[ISSUERS_SEEN]; // in parts before, too
    bool no_memory;
    size_t body_bytes; // of memory, that the body took
    uint64_t cpu_ns;
};

// part_new makes an empty part; part_free() it and those behind it.
MUST_USE bool part_new(struct part **out, struct err *err);
void part_free(struct part *part);

// part_reset empties it for entries of `log` from `first` on; its issuers
// stay: they are not told twice.
void part_reset(struct part *part, const struct index_log *log, uint64_t first);

// part_add encodes the next entry.  False: no memory.
MUST_USE bool part_add(struct part *part, const struct entry *entry);

// part_finish computes the roots.
void part_finish(struct part *part);

// part_size_bytes is the memory it holds.
size_t part_size_bytes(const struct part *part);
