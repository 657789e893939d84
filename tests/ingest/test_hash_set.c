// test_hash_set.c - fingerprints, once each.

#include "ingest/hash_set.h"
#include "tests/support/check.h"

static struct sha256_hash hash_of(uint32_t number)
{
    return sha256(bytes_of(&number, sizeof number));
}

static void takes_each_once(void **state)
{
    struct hash_set set = {0};

    (void)state;
    for (int round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < 10000; i++) {
            struct sha256_hash hash = hash_of(i);

            assert_true(hash_set_add(&set, &hash) == (round == 0));
        }
    }
    assert_int_equal(set.num, 10000);
    hash_set_cleanup(&set);
    assert_int_equal(set.size, 0);
}

// All begin with the same bytes, as somebody may make them.
static void tells_those_apart_that_collide(void **state)
{
    struct hash_set set = {0};

    (void)state;
    for (int round = 0; round < 2; round++) {
        for (unsigned i = 0; i < 500; i++) {
            struct sha256_hash hash = {{0}};

            hash.bytes[0] = 7;
            hash.bytes[20] = (uint8_t)i;
            hash.bytes[31] = (uint8_t)(i >> 8);
            assert_true(hash_set_add(&set, &hash) == (round == 0));
        }
    }
    hash_set_cleanup(&set);
}

static void the_zero_hash_is_none(void **state)
{
    struct sha256_hash zero = {{0}};
    struct hash_set set = {0};

    (void)state;
    assert_false(hash_set_add(&set, &zero));
    assert_int_equal(set.num, 0);
    hash_set_cleanup(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_each_once),
        cmocka_unit_test(tells_those_apart_that_collide),
        cmocka_unit_test(the_zero_hash_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
