// merkle.h - the Merkle tree of RFC 6962 section 2.1: hashes, frontier, proofs.
//
// A frontier is a tree of `size` leaves collapsed to the roots of its complete
// subtrees, largest first: one for each bit set in `size`.  It is all that
// appending needs.
//
// A span is how a contiguous range of leaves [first, end) is proven to lie in
// a tree of n leaves: the frontier before `first`, the leaves themselves, and
// the right-hand siblings that lead from `end` to the root.  Every kind of
// proof that a log gives (consistency, audit path, hash tiles) comes down to
// these two lists, and a span stored with its chunk proves it again from the
// disk alone.
//
// Result    pure functions; a proof that does not hold is `false`, no error.

#pragma once

#include "index/base/sha256.h"

enum {
    MERKLE_DEPTH_MAX = 64,
    // An audit path has at most one node a level on either side.
    MERKLE_PROOF_MAX = 64,
};

struct merkle_frontier {
    uint64_t size;
    struct sha256_hash nodes[MERKLE_DEPTH_MAX]; // popcount(size) are meant
};

struct merkle_proof {
    size_t num_nodes;
    struct sha256_hash nodes[MERKLE_PROOF_MAX];
};

// merkle_leaf_hash is SHA-256(0x00 || leaf).
struct sha256_hash merkle_leaf_hash(struct bytes leaf);

// merkle_leaf_pieces gives what merkle_leaf_hash hashes, for sha256_many.
enum { MERKLE_LEAF_PIECES = 2 };
void merkle_leaf_pieces(struct bytes pieces[MERKLE_LEAF_PIECES],
                        struct bytes leaf);

// merkle_node_hash is SHA-256(0x01 || left || right).
struct sha256_hash merkle_node_hash(const struct sha256_hash *left,
                                    const struct sha256_hash *right);

// merkle_append adds one leaf hash.
void merkle_append(struct merkle_frontier *frontier,
                   const struct sha256_hash *leaf);

// merkle_append_subtree adds the root of a complete subtree of 2^level leaves;
// false when the size is no multiple of 2^level.
MUST_USE bool merkle_append_subtree(struct merkle_frontier *frontier,
                                    const struct sha256_hash *root,
                                    unsigned level);

// merkle_append_many adds leaf hashes, a whole level of nodes at a time.
void merkle_append_many(struct merkle_frontier *frontier,
                        const struct sha256_hash *leaves, size_t num);

// merkle_root is the root of the frontier's tree; of no leaves SHA-256("").
struct sha256_hash merkle_root(const struct merkle_frontier *frontier);

// merkle_span_root folds a frontier at `end` (= frontier->size > 0) with the
// right-hand siblings up to a tree of `size` leaves; false when their number
// is not exactly what these two sizes need.
MUST_USE bool merkle_span_root(const struct merkle_frontier *frontier,
                               const struct merkle_proof *right, uint64_t size,
                               struct sha256_hash *root);

// merkle_consistency_split takes a consistency proof from `first` (> 0) to
// `second` (> first) leaves apart: the frontier at `first` that it speaks of,
// and the right-hand siblings for merkle_span_root.  Of a power of two the
// proof leaves that frontier out, and it is `first_root` then.  False when the
// proof's length cannot be.
MUST_USE bool merkle_consistency_split(const struct merkle_proof *consistency,
                                       uint64_t first, uint64_t second,
                                       const struct sha256_hash *first_root,
                                       struct merkle_frontier *left,
                                       struct merkle_proof *right);

// merkle_audit_split takes an audit path of leaf `index` in a tree of `size`
// apart: the frontier before the complete aligned subtree of 2^level leaves
// that holds `index`, and the right-hand siblings from its end on.  The first
// `level` nodes of the path are inside the subtree and dropped.
MUST_USE bool merkle_audit_split(const struct merkle_proof *path,
                                 uint64_t index, uint64_t size, unsigned level,
                                 struct merkle_frontier *left,
                                 struct merkle_proof *right);

// merkle_inclusion_root is the root that an audit path leads to (RFC 9162
// section 2.1.3.2); false when its length does not fit index and size.
MUST_USE bool merkle_inclusion_root(const struct sha256_hash *leaf,
                                    uint64_t index, uint64_t size,
                                    const struct merkle_proof *path,
                                    struct sha256_hash *root);
