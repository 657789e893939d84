// proof.h - an inclusion proof from our own nodes.
//
// A chunk is stored with the frontier before it and the right-hand siblings
// from its end to the head that it was proven under (merkle.h, "span"); with
// the leaf hashes of the chunk that is the audit path of each of its entries.
//
// Lifetime  valid as {0}; proof_cleanup() frees it.
// Result    pure but for proof_next.  ERR_NOT_FOUND: the entry is not held.
// Limit     32 bytes for each entry of the chunk.

#pragma once

#include "index/index.h"

struct proof {
    uint64_t index; // the entry's
    struct sha256_hash leaf;
    struct head head; // `served` is the proof's own copy
    struct merkle_proof path;
    struct chunk_info chunk;
    struct buffer served;
    struct sha256_hash *leaves; // of the chunk
    uint64_t num_leaves;        // known so far
};

// proof_begin finds the chunk that holds entry `index` of a log.
MUST_USE bool proof_begin(struct proof *proof, struct snapshot *snapshot,
                          uint32_t log, uint64_t index, struct err *err);

// proof_next reads some of the chunk's leaves; with `*done` the path is there
// and leads to the head's root.  Another snapshot each time is as good.
MUST_USE bool proof_next(struct proof *proof, struct snapshot *snapshot,
                         bool *done, struct err *err);

// proof_path makes the audit path of leaf `index` in a tree of `size` leaves
// from a span that begins at left->size and has `num_leaves`.  False when the
// lists do not fit.
MUST_USE bool proof_path(struct merkle_proof *path, uint64_t index,
                         uint64_t size, const struct merkle_frontier *left,
                         const struct sha256_hash *leaves, uint64_t num_leaves,
                         const struct merkle_proof *right);

// proof_cleanup frees it.
void proof_cleanup(struct proof *proof);
