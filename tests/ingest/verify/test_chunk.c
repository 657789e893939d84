// test_chunk.c - positions under a head, against the tree as RFC 6962 defines
// it, written the slow way.

#include "ingest/verify/chunk.h"
#include "ingest/verify/tiles.h"
#include "tests/support/check.h"

enum { LEAVES_MAX = 1300 };

static struct sha256_hash leaves[LEAVES_MAX];

static int make_leaves(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < LEAVES_MAX; i++) {
        leaves[i] = merkle_leaf_hash(bytes_of(&i, sizeof i));
    }
    return 0;
}

// MTH of RFC 6962 section 2.1.
static struct sha256_hash mth(uint64_t first, uint64_t end)
{
    struct sha256_hash left, right;
    uint64_t k = 1;

    if (end - first == 1) return leaves[first];
    while (k * 2 < end - first) {
        k *= 2;
    }
    left = mth(first, first + k);
    right = mth(first + k, end);
    return merkle_node_hash(&left, &right);
}

static bool slow_node(void *context, unsigned level, uint64_t at,
                      struct sha256_hash *out)
{
    uint64_t size = *(const uint64_t *)context;

    if (((at + 1) << level) > size) return false;
    *out = mth(at << level, (at + 1) << level);
    return true;
}

static struct merkle_frontier frontier_at(uint64_t size)
{
    struct merkle_frontier frontier = {0};

    for (uint64_t i = 0; i < size; i++) {
        merkle_append(&frontier, &leaves[i]);
    }
    return frontier;
}

static bool same_frontier(const struct merkle_frontier *a,
                          const struct merkle_frontier *b)
{
    return a->size == b->size &&
           memcmp(a->nodes, b->nodes,
                  (size_t)__builtin_popcountll(a->size) * SHA256_LEN) == 0;
}

static void paths_lead_to_the_root_from_everywhere(void **state)
{
    (void)state;
    for (uint64_t size = 1; size <= 70; size++) {
        struct merkle_frontier whole = frontier_at(size);
        struct sha256_hash want = mth(0, size);

        for (uint64_t position = 1; position <= size; position++) {
            struct merkle_frontier left, ours = frontier_at(position);
            struct merkle_proof right;
            struct sha256_hash root;

            CHECK(span_path(position, &whole, slow_node, &size, &left, &right));
            CHECK(same_frontier(&left, &ours));
            CHECK(merkle_span_root(&left, &right, size, &root));
            CHECK(sha256_equal(&root, &want));
        }
    }
}

static void subtrees_give_what_lies_right_of_a_chunk(void **state)
{
    static const uint64_t starts[] = {0, 1, 7, 8, 13, 16, 100};

    (void)state;
    for (size_t s = 0; s < COUNT_OF(starts); s++) {
        for (uint64_t size = starts[s] + 1; size < starts[s] + 90; size++) {
            enum { LEVEL = 3, WIDTH = 8 };
            uint64_t first = (starts[s] + WIDTH - 1) / WIDTH * WIDTH;
            struct merkle_frontier whole = frontier_at(size);
            struct sha256_hash want = mth(0, size);
            struct subtrees trees;

            subtrees_init(&trees, LEVEL, first);
            for (uint64_t at = first; at + WIDTH <= size; at += WIDTH) {
                struct sha256_hash root = mth(at, at + WIDTH);

                CHECK(subtrees_append(&trees, &root));
            }
            for (uint64_t end = first == 0 ? WIDTH : first; end < size;
                 end += WIDTH) {
                struct merkle_frontier ours = frontier_at(end);
                struct merkle_proof right;
                struct sha256_hash root;

                CHECK(span_path(end, &whole, subtrees_node, &trees, NULL,
                                &right));
                CHECK(merkle_span_root(&ours, &right, size, &root));
                CHECK(sha256_equal(&root, &want));
            }
            subtrees_cleanup(&trees);
        }
    }
}

// ---------------------------------------------------------------- tiles

// A hash tile as CT-PROTOCOLS section 8.2 defines it.
static void make_tile(const struct tile_id *id, struct sha256_hash *out)
{
    uint64_t span = UINT64_C(1) << (8 * id->level);

    for (unsigned i = 0; i < id->width; i++) {
        uint64_t slot = id->tile * 256 + i;

        out[i] = mth(slot * span, (slot + 1) * span);
    }
}

// Fills in what is missing; true when all of it fits.
static bool serve(struct tiles *tiles, uint64_t position, unsigned flip_level,
                  unsigned *num_tiles)
{
    struct sha256_hash hashes[TILE_WIDTH];
    struct tile_id id;

    for (*num_tiles = 0; tiles_need(tiles, position, &id); ++*num_tiles) {
        if (*num_tiles > 16) return false;
        make_tile(&id, hashes);
        if (id.level == flip_level) {
            hashes[id.width - 1].bytes[31] ^= 1;
        }
        if (!tiles_put(tiles, &id, hashes)) return false;
    }
    return true;
}

static void tiles_prove_every_position(void **state)
{
    static const uint64_t sizes[] = {1,   2,   3,   255,  256,  257,
                                     300, 511, 512, 1024, 1280, 1300};

    (void)state;
    for (size_t s = 0; s < COUNT_OF(sizes); s++) {
        uint64_t size = sizes[s];
        struct sha256_hash want = mth(0, size);
        struct tiles *tiles;
        unsigned num_tiles;

        CHECK(tiles_new(&tiles, size, &want));
        for (uint64_t position = 1; position <= size;
             position += position % 7 + 1) {
            struct merkle_frontier left, ours = frontier_at(position);
            struct merkle_proof right;
            struct sha256_hash root;

            CHECK(serve(tiles, position, UINT32_MAX, &num_tiles));
            CHECK(tiles_path(tiles, position, &left, &right));
            CHECK(same_frontier(&left, &ours));
            CHECK(merkle_span_root(&left, &right, size, &root));
            CHECK(sha256_equal(&root, &want));
        }
        tiles_free(tiles);
    }
}

// At multiples of 256 no tile of level 0 is asked for beside the edge.
static void whole_chunks_need_no_level_0(void **state)
{
    struct sha256_hash want = mth(0, 1300);
    struct tiles *tiles;
    unsigned num_tiles;
    struct tile_id id;

    (void)state;
    CHECK(tiles_new(&tiles, 1300, &want));
    CHECK(serve(tiles, 0, UINT32_MAX, &num_tiles));
    CHECK(num_tiles == 2); // the edge: levels 1 and 0
    CHECK(!tiles_need(tiles, 512, &id));
    CHECK(tiles_need(tiles, 513, &id) && id.level == 0 && id.tile == 2);
    tiles_free(tiles);
}

static void refuses_a_wrong_tile_at_every_level(void **state)
{
    struct sha256_hash want = mth(0, 1300);

    (void)state;
    for (unsigned level = 0; level < 2; level++) {
        struct tiles *tiles;
        unsigned num_tiles;

        CHECK(tiles_new(&tiles, 1300, &want));
        CHECK(!serve(tiles, 700, level, &num_tiles));
        // It comes right when it is read again.
        CHECK(serve(tiles, 700, UINT32_MAX, &num_tiles));
        // A full tile of level 0 that is wrong fits nothing above it.
        CHECK(level != 0 || !serve(tiles, 300, 0, &num_tiles));
        tiles_free(tiles);
    }
}

// A log grows: only what has changed is asked for, and all of it when that does
// not lead to the new root.
static void takes_over_what_has_not_changed(void **state)
{
    static const uint64_t sizes[] = {1,   255, 256,  257,  300, 511,
                                     512, 520, 1024, 1025, 1300};

    (void)state;
    for (size_t a = 0; a < COUNT_OF(sizes); a++) {
        struct sha256_hash small_root = mth(0, sizes[a]);
        struct tiles *smaller, *tiles, *other;
        unsigned num_tiles, num_edges;

        CHECK(tiles_new(&smaller, sizes[a], &small_root));
        CHECK(serve(smaller, 0, UINT32_MAX, &num_tiles));
        for (size_t b = 0; b < COUNT_OF(sizes); b++) {
            uint64_t size = sizes[b];
            struct sha256_hash want = mth(0, size), wrong = want;
            bool is_kept =
                size > sizes[a] && size / 256 == sizes[a] / 256 && size > 256;

            CHECK(tiles_new(&tiles, size, &want));
            num_edges = (size % 256 > 0 ? 1U : 0U) + (size >= 256 ? 1U : 0U);
            tiles_take_edge(tiles, smaller);
            CHECK(serve(tiles, 0, UINT32_MAX, &num_tiles));
            CHECK(num_tiles == num_edges - is_kept);
            tiles_free(tiles);
            wrong.bytes[0] ^= 1;
            CHECK(tiles_new(&other, size, &wrong));
            tiles_take_edge(other, smaller);
            CHECK(!serve(other, 0, UINT32_MAX, &num_tiles));
            CHECK(!serve(other, 0, UINT32_MAX, &num_tiles));
            CHECK(num_tiles + 1 == num_edges);
            tiles_free(other);
        }
        tiles_free(smaller);
    }
}

// ---------------------------------------------------------------- the rest

static void chunks_end_where_they_should(void **state)
{
    static const struct {
        uint64_t first, width, end, cut, want;
    } cases[] = {
        {0, 4096, 10000, 0, 4096},
        {4096, 4096, 10000, 0, 8192},
        {8192, 4096, 10000, 0, 10000},
        {100, 4096, 10000, 0, 4096},
        {0, 4096, 10, 0, 10},
        {0, 4096, 10000, 300, 300},
        {300, 4096, 10000, 300, 4096},
        {300, 4096, 10000, 301, 301},
        {4095, 4096, 10000, 0, 4096},
        {UINT64_MAX - 5, 4096, UINT64_MAX, 0, UINT64_MAX},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        CHECK(chunk_end(cases[i].first, cases[i].width, cases[i].end,
                        &cases[i].cut, 1) == cases[i].want);
    }
}

static void bisects_to_one_entry(void **state)
{
    (void)state;
    for (uint64_t bad = 100; bad < 612; bad++) {
        struct bisect bisect = {100, 612};
        unsigned steps = 0;
        uint64_t position;

        for (; bisect_next(&bisect, &position); steps++) {
            *(position > bad ? &bisect.bad : &bisect.good) = position;
        }
        CHECK(bisect.good == bad && bisect.bad == bad + 1 && steps <= 9);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_lead_to_the_root_from_everywhere),
        cmocka_unit_test(subtrees_give_what_lies_right_of_a_chunk),
        cmocka_unit_test(tiles_prove_every_position),
        cmocka_unit_test(whole_chunks_need_no_level_0),
        cmocka_unit_test(refuses_a_wrong_tile_at_every_level),
        cmocka_unit_test(takes_over_what_has_not_changed),
        cmocka_unit_test(chunks_end_where_they_should),
        cmocka_unit_test(bisects_to_one_entry),
    };

    return cmocka_run_group_tests(tests, make_leaves, NULL);
}
