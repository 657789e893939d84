// chunk.h - where a position lies under a signed head. (pure)
//
// A position is a number of leaves.  It is proven when our own frontier there
// and some right-hand siblings lead to the head's root (merkle_span_root).
// Both lists come down to nodes of the tree: span_path walks from a position
// to the root and asks for the nodes on either side, whoever has them: the
// hash tiles of a static log, or the subtrees of what lies in the spool.
//
// Result    false where a node is not to be had.

#pragma once

#include "index/entry/merkle.h"

// chunk_end is where the chunk that begins at `first` ends: at the next
// multiple of `width` (a power of two), at `end` or at the first of `cuts`
// above it.
uint64_t chunk_end(uint64_t first, uint64_t width, uint64_t end,
                   const uint64_t *cuts, size_t num_cuts);

// A span_node gives the root of a complete subtree: leaves
// [at << level, (at + 1) << level).
typedef bool span_node(void *context, unsigned level, uint64_t at,
                       struct sha256_hash *out);

// span_path gives the frontier at `position` (NULL: not wanted) and the
// right-hand siblings from there to the end of a tree of `whole->size` leaves;
// 0 < position <= size.
MUST_USE bool span_path(uint64_t position, const struct merkle_frontier *whole,
                        span_node *node, void *context,
                        struct merkle_frontier *left,
                        struct merkle_proof *right);

// A row of complete subtrees of 2^level leaves and all that they make up: one
// hash each and as much again, held in memory while their leaves are on disk.
struct subtrees {
    unsigned level;
    uint64_t first; // of the lowest row, in subtrees
    struct {
        struct sha256_hash *nodes;
        uint64_t first;
        size_t num, size;
    } rows[MERKLE_DEPTH_MAX];
};

// subtrees_init begins at leaf `first`, a multiple of 2^level.
void subtrees_init(struct subtrees *trees, unsigned level, uint64_t first);

// subtrees_append adds the next subtree; false: no memory.
MUST_USE bool subtrees_append(struct subtrees *trees,
                              const struct sha256_hash *root);

// subtrees_node is a span_node over struct subtrees.
bool subtrees_node(void *context, unsigned level, uint64_t at,
                   struct sha256_hash *out);

// subtrees_cleanup frees it.
void subtrees_cleanup(struct subtrees *trees);

// A search for the smallest range that does not fit: positions below `good`
// hold, position `bad` does not.
struct bisect {
    uint64_t good, bad;
};

// bisect_next is the position to try; false when the range is one entry.
bool bisect_next(const struct bisect *bisect, uint64_t *position);
