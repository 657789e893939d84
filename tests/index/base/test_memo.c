// test_memo.c - what was kept is found, and only that; and it is bounded.

#include "tests/support/check.h"

#include "index/base/memo.h"

static struct bytes number(uint8_t out[4], uint32_t value)
{
    bytes_put_uint(out, value, 4);
    return bytes_of(out, 4);
}

static void finds_what_was_kept_last(void **state)
{
    struct memo memo = {0};
    struct bytes value;

    (void)state;
    CHECK(!memo_find(&memo, 1, bytes_from_text("a"), &value));
    memo_keep(&memo, 1, bytes_from_text("a"), bytes_from_text("one"));
    memo_keep(&memo, 2, bytes_from_text("a"), bytes_from_text("two"));
    memo_keep(&memo, 1, (struct bytes){0}, (struct bytes){0});
    CHECK(memo_find(&memo, 1, bytes_from_text("a"), &value));
    CHECK(bytes_equal_text(value, "one"));
    CHECK(memo_find(&memo, 2, bytes_from_text("a"), &value));
    CHECK(bytes_equal_text(value, "two"));
    CHECK(memo_find(&memo, 1, (struct bytes){0}, &value) && value.len == 0);
    CHECK(!memo_find(&memo, 1, bytes_from_text("b"), &value));
    memo_keep(&memo, 1, bytes_from_text("a"), bytes_from_text("other"));
    CHECK(memo_find(&memo, 1, bytes_from_text("a"), &value));
    CHECK(bytes_equal_text(value, "other"));
    memo_cleanup(&memo);
    CHECK(!memo_find(&memo, 1, bytes_from_text("a"), &value));
    CHECK(memo.bytes == 0);
}

// However many are kept: each found has its own value, memory is bounded.
static void forgets_and_never_mixes(void **state)
{
    static uint8_t large[MEMO_ITEM_MAX];
    struct memo memo = {0};
    uint32_t found = 0;

    (void)state;
    for (uint32_t i = 0; i < 20000; i++) {
        uint8_t key[4], value[4];

        memo_keep(&memo, 1, number(key, i), number(value, ~i));
        if (i % 1000 == 0) {
            memo_keep(&memo, 2, number(key, i),
                      bytes_of(large, sizeof large - 4));
        }
        CHECK(memo.bytes <= MEMO_BYTES_MAX);
    }
    for (uint32_t i = 0; i < 20000; i++) {
        uint8_t key[4], value[4];
        struct bytes held;

        if (!memo_find(&memo, 1, number(key, i), &held)) continue;
        CHECK(bytes_equal(held, number(value, ~i)));
        found++;
    }
    CHECK(found > 0 && found <= MEMO_SLOTS);
    memo_keep(&memo, 3, bytes_from_text("k"), bytes_of(large, sizeof large));
    CHECK(!memo_find(&memo, 3, bytes_from_text("k"), &(struct bytes){0}));
    memo_cleanup(&memo);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_was_kept_last),
        cmocka_unit_test(forgets_and_never_mixes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
