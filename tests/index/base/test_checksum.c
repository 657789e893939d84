// test_checksum.c - whatever vectors the processor has, the sum is the one that
// XXH3 without any gives.

#include "tests/support/check.h"

#include "index/base/checksum.h"
#include "tests/support/random.h"

#define XXH_VECTOR XXH_SCALAR
#define XXH_INLINE_ALL
#include <xxhash.h>

enum { LEN_MAX = 3 * 4096 + 100 };

static uint64_t plainly(struct bytes key, struct bytes content)
{
    return XXH3_64bits_withSeed(content.data, content.len,
                                XXH3_64bits(key.data, key.len));
}

// Every length of some pages, at any place.
static void test_lengths(void **state)
{
    uint8_t *data = malloc(LEN_MAX + 16);
    struct random random = random_for(1, "checksum", 0);

    (void)state;
    assert_non_null(data);
    random_fill(&random, data, LEN_MAX + 16);
    for (size_t len = 0; len <= LEN_MAX; len++) {
        struct bytes key = bytes_of(data + len % 7, len % 12);
        struct bytes content = heap_copy(bytes_of(data + len % 16, len));

        CHECK(checksum(key, content) == plainly(key, content));
        free((void *)(uintptr_t)content.data);
    }
    free(data);
}

// XXH3-64 of nothing, as its specification gives it, is the seed of no key.
static void test_known(void **state)
{
    (void)state;
    CHECK(XXH3_64bits("", 0) == UINT64_C(0x2d06800538d394c2));
    CHECK(checksum(bytes_of(NULL, 0), bytes_from_text("a")) ==
          XXH3_64bits_withSeed("a", 1, UINT64_C(0x2d06800538d394c2)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
