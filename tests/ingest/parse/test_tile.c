// test_tile.c - paths as the specification writes them; tiles of a real log.

#include "index/entry/merkle.h"
#include "ingest/parse/tile.h"
#include "tests/support/check.h"

static void writes_paths(void **state)
{
    static const struct {
        int level;
        uint64_t tile;
        unsigned width;
        const char *path;
    } cases[] = {
        {0, 0, 256, "tile/0/000"},
        {0, 999, 256, "tile/0/999"},
        {1, 1000, 256, "tile/1/x001/000"},
        {TILE_DATA, 1234067, 256, "tile/data/x001/x234/067"},
        {0, 1234067, 112, "tile/0/x001/x234/067.p/112"},
        {TILE_DATA, 5, 1, "tile/data/005.p/1"},
        {5, 273, 255, "tile/5/273.p/255"},
        {TILE_DATA, UINT64_MAX / 256, 255,
         "tile/data/x072/x057/x594/x037/x927/935.p/255"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char path[TILE_PATH_MAX];

        test_case = cases[i].path;
        CHECK(tile_path(path, cases[i].level, cases[i].tile, cases[i].width) ==
              path);
        CHECK(strcmp(path, cases[i].path) == 0);
    }
}

static void hash_tiles_have_their_exact_length(void **state)
{
    struct sha256_hash out[3] = {0};
    uint8_t tile[97] = {1};
    struct err err = {0};

    (void)state;
    CHECK(tile_parse_hashes(out, 3, bytes_of(tile, 96), &err));
    CHECK(out[0].bytes[0] == 1);
    CHECK(!tile_parse_hashes(out, 3, bytes_of(tile, 95), &err));
    CHECK(strcmp(err.text, "hash tile: 95 bytes, not 3 hashes") == 0);
    CHECK(!tile_parse_hashes(out, 3, bytes_of(tile, 97), &err));
    CHECK(!tile_parse_hashes(out, 2, bytes_of(tile, 96), &err));
    CHECK(!tile_parse_hashes(out, 1, bytes_of(tile, 0), &err));
}

// Two TileLeafs: an x509_entry without chain, a precert_entry with one issuer.
#define X509 "0000000000000001 0000 000002 3000 0000 0000"
#define IKH "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define PRECERT                                                                \
    "0000000000000002 0001" IKH "000002 3000 0008 0000050000000001"            \
    "000003 300100 0020" IKH

static void counts_entries_exactly(void **state)
{
    static const struct {
        const char *name, *hex;
        unsigned width;
        const char *error;
    } cases[] = {
        {"two", X509 PRECERT, 2, NULL},
        {"one", PRECERT, 1, NULL},
        {"too few", X509, 2, "data tile: 1 entries, not 2"},
        {"none", "", 1, "data tile: 0 entries, not 1"},
        {"too many", X509 X509, 1, "data tile: 19 bytes after 1 entries"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct bytes tile = from_hex(cases[i].hex);
        struct entry_bytes entries[2] = {0};
        struct arena arena = {0};
        struct err err = {0};

        test_case = cases[i].name;
        CHECK(tile_parse_data(entries, cases[i].width, 512, tile, &arena,
                              &err) == (cases[i].error == NULL));
        if (strcmp(err.text, cases[i].error ? cases[i].error : "") != 0) {
            print_error("'%s'\n", err.text);
            CHECK(false);
        }
        if (cases[i].error == NULL) {
            struct entry_bytes *last = &entries[cases[i].width - 1];

            CHECK(last->index == 512 + cases[i].width - 1);
            CHECK(last->num_chain == 1 && last->precert.len == 3);
        }
        arena_cleanup(&arena);
        free((void *)(uintptr_t)tile.data);
    }
}

static void rejects_every_truncation(void **state)
{
    struct bytes whole = from_hex(X509 PRECERT);

    (void)state;
    for (size_t len = 0; len < whole.len; len++) {
        struct bytes cut = heap_copy(bytes_of(whole.data, len));
        struct entry_bytes entries[2] = {0};
        struct arena arena = {0};

        CHECK(!tile_parse_data(entries, 2, 0, cut, &arena, NULL));
        arena_cleanup(&arena);
        free((void *)(uintptr_t)cut.data);
    }
    free((void *)(uintptr_t)whole.data);
}

// The leaves of the data tiles hash to the level-0 tiles beside them.
static void reads_the_navigli_tiles(void **state)
{
    static struct entry_bytes entries[TILE_WIDTH];
    static struct sha256_hash hashes[TILE_WIDTH];

    (void)state;
    SKIP_WITHOUT_DATA();
    for (unsigned t = 0; t < 2; t++) {
        struct arena arena = {0};
        struct bytes data, level0;
        char path[128], name[TILE_PATH_MAX];

        (void)snprintf(path, sizeof path, "static/navigli2025h2/%s",
                       tile_path(name, TILE_DATA, t, TILE_WIDTH));
        data = read_file(test_data(path));
        (void)snprintf(path, sizeof path, "static/navigli2025h2/%s",
                       tile_path(name, 0, t, TILE_WIDTH));
        level0 = read_file(test_data(path));
        CHECK(tile_parse_hashes(hashes, TILE_WIDTH, level0, NULL));
        CHECK(tile_parse_data(entries, TILE_WIDTH, t * TILE_WIDTH, data, &arena,
                              NULL));
        for (size_t i = 0; i < TILE_WIDTH; i++) {
            struct sha256_hash hash = merkle_leaf_hash(entries[i].leaf);

            CHECK(sha256_equal(&hash, &hashes[i]));
        }
        arena_cleanup(&arena);
        free((void *)(uintptr_t)data.data);
        free((void *)(uintptr_t)level0.data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_paths),
        cmocka_unit_test(hash_tiles_have_their_exact_length),
        cmocka_unit_test(counts_entries_exactly),
        cmocka_unit_test(rejects_every_truncation),
        cmocka_unit_test(reads_the_navigli_tiles),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
