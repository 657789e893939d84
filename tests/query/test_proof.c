// test_proof.c - audit paths made from spans, against the RFC's definition.

#include "tests/support/check.h"

#include "query/proof.h"
#include "tests/support/hash_tree.h"

enum { SIZE_MAX_TRIED = 40 };

static void plant(struct hash_tree *tree, uint64_t size)
{
    hash_tree_init(tree, size);
    for (uint64_t i = 0; i < size; i++) {
        uint8_t leaf[8];

        bytes_put_uint(leaf, i, 8);
        tree->levels[0][i] = hash_tree_leaf(bytes_of(leaf, sizeof leaf));
    }
    hash_tree_build(tree);
}

// The right-hand siblings of leaf end - 1, from the leaf up: of its audit path
// those that lie on the right.
static void right_of(struct merkle_proof *out, const struct hash_tree *tree,
                     uint64_t start, uint64_t end, uint64_t leaf)
{
    uint64_t half = 1;

    if (end - start == 1) return;
    while (half * 2 < end - start) {
        half *= 2;
    }
    if (leaf < start + half) {
        right_of(out, tree, start, start + half, leaf);
        out->nodes[out->num_nodes++] = hash_tree_range(tree, start + half, end);
    } else {
        right_of(out, tree, start + half, end, leaf);
    }
}

static void check_span(const struct hash_tree *tree, uint64_t first,
                       uint64_t end, uint64_t size)
{
    struct merkle_frontier left = {0};
    struct merkle_proof right = {0};

    for (uint64_t i = 0; i < first; i++) {
        merkle_append(&left, &tree->levels[0][i]);
    }
    right_of(&right, tree, 0, size, end - 1);
    for (uint64_t index = first; index < end; index++) {
        struct sha256_hash wanted[HASH_TREE_PATH_MAX];
        size_t num = hash_tree_path(tree, index, size, wanted);
        struct merkle_proof path;

        CHECK(proof_path(&path, index, size, &left, &tree->levels[0][first],
                         end - first, &right));
        CHECK(path.num_nodes == num);
        CHECK(memcmp(path.nodes, wanted, num * sizeof *wanted) == 0);
    }
}

static void every_entry_of_every_span_is_proven(void **state)
{
    struct hash_tree tree = {0};

    (void)state;
    plant(&tree, SIZE_MAX_TRIED);
    for (uint64_t size = 1; size <= SIZE_MAX_TRIED; size++) {
        for (uint64_t first = 0; first < size; first++) {
            for (uint64_t end = first + 1; end <= size; end++) {
                check_span(&tree, first, end, size);
            }
        }
    }
    hash_tree_cleanup(&tree);
}

static void refuses_lists_that_do_not_fit(void **state)
{
    struct hash_tree tree = {0};
    struct merkle_frontier left = {0};
    struct merkle_proof right = {0}, path;

    (void)state;
    plant(&tree, 16);
    merkle_append(&left, &tree.levels[0][0]);
    right_of(&right, &tree, 0, 16, 4);
    CHECK(proof_path(&path, 2, 16, &left, &tree.levels[0][1], 4, &right));
    CHECK(!proof_path(&path, 0, 16, &left, &tree.levels[0][1], 4, &right));
    CHECK(!proof_path(&path, 5, 16, &left, &tree.levels[0][1], 4, &right));
    CHECK(!proof_path(&path, 2, 16, &left, &tree.levels[0][1], 0, &right));
    CHECK(!proof_path(&path, 2, 4, &left, &tree.levels[0][1], 4, &right));
    right.num_nodes--;
    CHECK(!proof_path(&path, 2, 16, &left, &tree.levels[0][1], 4, &right));
    hash_tree_cleanup(&tree);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_entry_of_every_span_is_proven),
        cmocka_unit_test(refuses_lists_that_do_not_fit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
