// hash_tree.h - a Merkle tree with all its nodes in memory (RFC 6962 section
// 2).
//
// Written from the RFC's recursive definitions, to check those who did it
// another way.
//
// Limit     HASH_TREE_PATH_MAX hashes in a proof.

#pragma once

#include "index/base/sha256.h"

enum { HASH_TREE_LEVELS = 48, HASH_TREE_PATH_MAX = 2 * HASH_TREE_LEVELS };

struct hash_tree {
    uint64_t size;
    struct sha256_hash *levels[HASH_TREE_LEVELS]; // of full subtrees only
};

// hash_tree_leaf is the hash of a leaf.
struct sha256_hash hash_tree_leaf(struct bytes leaf);

// hash_tree_init makes room for `size` leaf hashes, at levels[0]: fill them,
// then hash_tree_build computes the rest.
void hash_tree_init(struct hash_tree *tree, uint64_t size);
void hash_tree_build(struct hash_tree *tree);
void hash_tree_cleanup(struct hash_tree *tree);

// hash_tree_copy copies a built tree into an empty one.
void hash_tree_copy(struct hash_tree *to, const struct hash_tree *from);

// hash_tree_set changes one leaf's hash and all above it.
void hash_tree_set(struct hash_tree *tree, uint64_t index,
                   const struct sha256_hash *hash);

// hash_tree_range is MTH(D[from:to]), from at most to at most size.
struct sha256_hash hash_tree_range(const struct hash_tree *tree, uint64_t from,
                                   uint64_t to);

// hash_tree_path writes PATH(index, D[size]) and returns its length.
size_t hash_tree_path(const struct hash_tree *tree, uint64_t index,
                      uint64_t size,
                      struct sha256_hash out[HASH_TREE_PATH_MAX]);

// hash_tree_consistency writes PROOF(first, D[size]), first above 0 and at
// most size, and returns its length.
size_t hash_tree_consistency(const struct hash_tree *tree, uint64_t first,
                             uint64_t size,
                             struct sha256_hash out[HASH_TREE_PATH_MAX]);
