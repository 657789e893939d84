// test_part.c - the subtree roots of a part give the frontier that its leaves
// give one by one.

#include "ingest/part.h"
#include "tests/support/check.h"

enum { MOST = 1024 };

// A part of leaves that hold their index, and nothing else that reads.
static void fill(struct part *part, uint64_t first, unsigned num)
{
    static const struct index_log log = {.number = 1, .keep = KEEP_FULL};
    struct arena arena = {0};

    part_reset(part, &log, first);
    for (unsigned i = 0; i < num; i++) {
        uint8_t leaf[8];
        struct entry_bytes bytes = {.index = first + i,
                                    .leaf = bytes_of(leaf, sizeof leaf)};
        struct entry entry;

        bytes_put_uint(leaf, first + i, sizeof leaf);
        CHECK(entry_understand(&entry, &bytes, &arena));
        CHECK(part_add(part, &entry));
        arena_reset(&arena);
    }
    arena_cleanup(&arena);
    part_finish(part);
}

static struct merkle_frontier grow(uint64_t size)
{
    struct merkle_frontier out = {0};

    while (out.size < size) {
        uint8_t leaf[8];
        struct sha256_hash hash;

        bytes_put_uint(leaf, out.size, sizeof leaf);
        hash = merkle_leaf_hash(bytes_of(leaf, sizeof leaf));
        merkle_append(&out, &hash);
    }
    return out;
}

static void check(struct part *part, uint64_t first, unsigned num)
{
    struct merkle_frontier frontier = grow(first), want = grow(first + num);

    fill(part, first, num);
    for (size_t i = 0; i < part->num_roots; i++) {
        CHECK(merkle_append_subtree(&frontier, &part->roots[i].hash,
                                    part->roots[i].level));
    }
    CHECK(frontier.size == want.size);
    CHECK(memcmp(frontier.nodes, want.nodes,
                 (size_t)__builtin_popcountll(want.size) * SHA256_LEN) == 0);
}

static void roots_are_those_of_the_leaves(void **state)
{
    struct part *part;

    (void)state;
    CHECK(part_new(&part, NULL));
    for (uint64_t first = 0; first < 36; first++) {
        for (unsigned num = 0; num < 36; num++) {
            check(part, first, num);
        }
    }
    // As many roots as there can be, and as few.
    check(part, 1, MOST - 2);
    check(part, 1, MOST);
    CHECK(part->num_roots <= PART_ROOTS_MAX);
    check(part, 4096, 256);
    CHECK(part->num_roots == 1);
    check(part, 4096 - 256, MOST);
    part_free(part);
    part_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(roots_are_those_of_the_leaves),
    };

    (void)setenv("CMOCKA_MESSAGE_OUTPUT", "stdout", 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
