// test_spool.c - entries come back from the disk as they went.

#include "ingest/reader/spool.h"
#include "tests/support/check.h"

#include <sys/stat.h>
#include <unistd.h>

enum { ENTRIES = 3000, LEN_MAX = 2000 };

static uint8_t noise[LEN_MAX * 4];

// Entry `i`, in lengths that differ, some of them zero.
static struct entry_bytes make(uint64_t i, struct sha256_hash *chain)
{
    struct entry_bytes bytes = {
        .index = i * 1000003,
        .leaf = bytes_of(noise + i % 97, i * 7 % LEN_MAX),
        .precert = bytes_of(noise + i % 89, i % 3 == 0 ? 0 : i * 5 % LEN_MAX),
        .num_chain = i % 4,
        .chain = chain,
        .extra_unreadable = i % 11 == 0,
    };

    for (size_t k = 0; k < bytes.num_chain; k++) {
        memset(chain[k].bytes, (int)(i + k), SHA256_LEN);
    }
    if (bytes.extra_unreadable) bytes.extra = bytes_of(noise, i % 50);
    return bytes;
}

static bool same(const struct entry_bytes *a, const struct entry_bytes *b)
{
    return a->index == b->index && bytes_equal(a->leaf, b->leaf) &&
           bytes_equal(a->precert, b->precert) &&
           bytes_equal(a->extra, b->extra) &&
           a->extra_unreadable == b->extra_unreadable &&
           a->num_chain == b->num_chain &&
           (a->num_chain == 0 ||
            memcmp(a->chain, b->chain, a->num_chain * SHA256_LEN) == 0);
}

static void check_from(struct spool *spool, uint64_t first, uint64_t end)
{
    struct arena arena = {0};
    struct err err = {0};

    for (uint64_t i = first; i < end; i++) {
        struct sha256_hash chain[4];
        struct entry_bytes want = make(i, chain), got;

        arena_reset(&arena);
        CHECK(spool_read(spool, &got, &arena, &err));
        CHECK(same(&got, &want));
    }
    arena_cleanup(&arena);
}

static void gives_back_what_it_took(void **state)
{
    char dir[] = "/tmp/test_spool.XXXXXX", path[64];
    struct spool *spool;
    struct arena arena = {0};
    struct entry_bytes got;
    struct err err = {0};

    (void)state;
    for (size_t i = 0; i < sizeof noise; i++) {
        noise[i] = (uint8_t)(i * 31 >> 3);
    }
    assert_non_null(mkdtemp(dir));
    CHECK(spool_open(&spool, dir, &err));
    for (uint64_t i = 0; i < ENTRIES; i++) {
        struct sha256_hash chain[4];
        struct entry_bytes bytes = make(i, chain);

        CHECK(spool_write(spool, &bytes, &err));
    }
    CHECK(spool_rewind(spool, &err));
    check_from(spool, 0, ENTRIES);
    CHECK(!spool_read(spool, &got, &arena, &err));
    CHECK(err.code == ERR_INDEX && strstr(err.text, "cut off") != NULL);
    CHECK(spool_rewind(spool, &err));
    check_from(spool, 0, 1234);
    CHECK(spool_rewind(spool, &err));
    check_from(spool, 0, ENTRIES);
    spool_close(spool);
    spool_close(NULL);
    // Nothing stays behind.
    (void)snprintf(path, sizeof path, "%s/spool", dir);
    CHECK(access(path, F_OK) != 0);
    CHECK(rmdir(dir) == 0);
}

static void says_where_it_cannot_write(void **state)
{
    struct spool *spool;
    struct err err = {0};

    (void)state;
    CHECK(!spool_open(&spool, "/nonexistent", &err));
    CHECK(err.code == ERR_INDEX);
    CHECK(strcmp(err.text, "/nonexistent/spool: No such file or directory") ==
          0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_back_what_it_took),
        cmocka_unit_test(says_where_it_cannot_write),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
