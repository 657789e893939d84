// test_filter.c - what is in it is always found, what is not seldom.

#include "tests/support/check.h"

#include "index/store/filter.h"
#include "tests/support/random.h"

static uint64_t hash_of(uint64_t seed, uint64_t number)
{
    uint8_t key[16] = "\001com";

    bytes_put_uint(key + 8, number, 8);
    return filter_hash(seed, bytes_of(key, sizeof key));
}

static bool may_have(const struct buffer *filter, uint64_t hash)
{
    return filter_may_have(filter_line(buffer_bytes(filter), hash), hash);
}

static double false_rate(size_t num, uint64_t seed)
{
    uint64_t *hashes = calloc(num + 1, sizeof *hashes);
    struct buffer filter = {0};
    size_t yes = 0, tried = 200000;

    assert_non_null(hashes);
    for (size_t i = 0; i < num; i++) {
        hashes[i] = hash_of(seed, i);
    }
    filter_append(&filter, hashes, num);
    assert_true(buffer_ok(&filter) && filter.len % FILTER_LINE_LEN == 0);
    for (size_t i = 0; i < num; i++) {
        assert_true(may_have(&filter, hashes[i]));
    }
    for (size_t i = 0; i < tried; i++) {
        yes += may_have(&filter, hash_of(seed, num + i));
    }
    free(hashes);
    buffer_cleanup(&filter);
    return (double)yes / (double)tried;
}

static void is_seldom_wrong(void **state)
{
    (void)state;
    assert_true(false_rate(FILTER_KEYS_MAX, 1) < 0.013);
    assert_true(false_rate(FILTER_KEYS_MAX, UINT64_MAX) < 0.013);
    assert_true(false_rate(1000, 2) < 0.02);
    assert_true(false_rate(1, 3) < 0.001);
    assert_true(false_rate(0, 4) == 0);
}

static void fills_whole_pages(void **state)
{
    static uint64_t hashes[FILTER_KEYS_MAX];
    struct buffer filter = {0};

    (void)state;
    filter_append(&filter, hashes, FILTER_KEYS_MAX);
    // With its checksum and LMDB's head: pages, full.
    assert_int_equal(16 + 8 + FILTER_PAD_LEN + filter.len, 10 * 4096);
    buffer_cleanup(&filter);
}

static void other_seeds_choose_other_bits(void **state)
{
    size_t same = 0;

    (void)state;
    for (uint64_t i = 0; i < 1000; i++) {
        same += hash_of(1, i) == hash_of(2, i);
    }
    assert_int_equal(same, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_seldom_wrong),
        cmocka_unit_test(fills_whole_pages),
        cmocka_unit_test(other_seeds_choose_other_bits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
