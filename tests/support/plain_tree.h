// plain_tree.h - a log's tree by the words of the RFCs.
//
// Nothing is kept and nothing is clever, so that those who do it another way
// are checked by it.

#pragma once

#include "tests/support/testlog.h"

// plain_leaf and plain_node are the hashes of RFC 6962 section 2.1.
struct sha256_hash plain_leaf(struct bytes leaf);
struct sha256_hash plain_node(const struct sha256_hash *left,
                              const struct sha256_hash *right);

// plain_root is MTH of the first `num` leaves, by its definition there.
struct sha256_hash plain_root(const struct sha256_hash *leaves, size_t num);

// plain_leaves hashes the first `num` entries of a log; free them.
struct sha256_hash *plain_leaves(struct testlog *log, uint64_t num);

// plain_included is RFC 9162 section 2.1.3.2.
bool plain_included(struct sha256_hash hash, uint64_t index, uint64_t size,
                    const struct sha256_hash *path, size_t num,
                    const struct sha256_hash *root);

// plain_consistent is RFC 9162 section 2.1.4.2; at most 64 hashes in `path`.
bool plain_consistent(uint64_t first, uint64_t second,
                      const struct sha256_hash *root1,
                      const struct sha256_hash *root2,
                      const struct sha256_hash *path, size_t num);
