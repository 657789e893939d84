// fuzz_merkle.c - proofs of any sizes and nodes; true ones hold, others not.
//
// The input gives two sizes of up to 63 bits (a consistency proof of larger
// trees may have 65 nodes) and a seed for nodes.  A pair of sizes takes exactly
// one number of nodes, and what a proof is taken apart into gives its root
// again.

#include <assert.h>

#include "index/entry/merkle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct sha256_hash make_node(struct bytes seed, size_t number)
{
    uint8_t text[2];
    struct sha256_hash node = sha256(seed);

    bytes_put_uint(text, number, sizeof text);
    memcpy(node.bytes, text, sizeof text);
    return node;
}

// Counts the lengths that a consistency proof may have, and folds the one.
static void check_consistency(struct merkle_proof *proof, uint64_t first,
                              uint64_t second)
{
    size_t num_lengths = 0;

    for (size_t len = 0; len <= MERKLE_PROOF_MAX; len++) {
        struct merkle_frontier left;
        struct merkle_proof right;
        struct sha256_hash root;

        proof->num_nodes = len;
        if (!merkle_consistency_split(proof, first, second, &proof->nodes[0],
                                      &left, &right)) {
            continue;
        }
        num_lengths++;
        assert(left.size == first);
        assert(merkle_span_root(&left, &right, second, &root));
    }
    assert(num_lengths == (first > 0 && first < second ? 1 : 0));
}

static void check_inclusion(struct merkle_proof *path, uint64_t index,
                            uint64_t size, unsigned level)
{
    const struct sha256_hash leaf = path->nodes[MERKLE_PROOF_MAX - 1];
    size_t num_lengths = 0;

    for (size_t len = 0; len <= MERKLE_PROOF_MAX; len++) {
        struct merkle_frontier left;
        struct merkle_proof right;
        struct sha256_hash root, again;

        path->num_nodes = len;
        if (!merkle_inclusion_root(&leaf, index, size, path, &root)) continue;
        num_lengths++;
        if (!merkle_audit_split(path, index, size, level, &left, &right)) {
            continue;
        }
        // The aligned subtree's own root is the path's first `level` steps.
        assert(left.size == (index >> level << level));
        again = leaf;
        for (unsigned i = 0; i < level; i++) {
            again = (index >> i & 1) != 0
                        ? merkle_node_hash(&path->nodes[i], &again)
                        : merkle_node_hash(&again, &path->nodes[i]);
        }
        assert(merkle_append_subtree(&left, &again, level));
        assert(merkle_span_root(&left, &right, size, &again));
        assert(sha256_equal(&root, &again));
    }
    assert(num_lengths == (index < size ? 1 : 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes input = bytes_of(data, size);
    struct merkle_proof proof = {0};
    uint64_t first, second, level;

    if (!bytes_read_uint(&input, &first, 8) ||
        !bytes_read_uint(&input, &second, 8) ||
        !bytes_read_uint(&input, &level, 1)) {
        return 0;
    }
    first >>= 1;
    second >>= 1;
    for (size_t i = 0; i < MERKLE_PROOF_MAX; i++) {
        proof.nodes[i] = make_node(input, i);
    }
    check_consistency(&proof, first, second);
    check_inclusion(&proof, first, second, (unsigned)level % 70);
    return 0;
}
