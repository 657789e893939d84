// check.h - verify and digest: what an index holds, looked at from outside.
//
// Verify looks at every row and its checksum, that chunks, ranges, ids and
// counts agree, that every head's signature holds under its log's key, and
// that each chunk's frontiers and siblings lead to its head's root.  Deep, it
// also makes every leaf hash again from what is stored, leads them to the
// chunk's end, and derives every key again: each must be in the table, and the
// table must hold no other.
//
// Thread    uses the snapshot; nothing is written.
// Limit     memory does not grow with the index, but for 24 bytes a chunk.

#pragma once

#include "index/index.h"

// Called once a fault, with a sentence of one line.
typedef void check_fault(void *context, const char *sentence);

struct check_options {
    bool deep;
    check_fault *fault;
    void *context;
};

// check_verify looks at everything and gives the number of faults.  False:
// there is no memory, or `deep` was asked of an index kept as facts.
MUST_USE bool check_verify(struct snapshot *snapshot,
                           const struct check_options *options,
                           uint64_t *num_faults, struct err *err);

// check_digest hashes the logical content in the order of (log id, index): in
// `authenticated` log id, index, leaf hash and the names that the leaf gives;
// in `unauthenticated`, unless NULL, log id, index, chain and the SHA-256 of
// the precertificate.  Neither depends on how the entries came or are kept.
MUST_USE bool check_digest(struct snapshot *snapshot,
                           struct sha256_hash *authenticated,
                           struct sha256_hash *unauthenticated,
                           struct err *err);
