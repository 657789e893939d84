// test_sort.c - the radix sort against qsort over the same postings.

#include "tests/support/check.h"

#include "index/store/short_key.h"
#include "index/store/sort.h"
#include "tests/support/random.h"

struct posting_copy {
    struct bytes key;
    uint64_t id;
    uint32_t via;
};

static int compare(const void *a, const void *b)
{
    const struct posting_copy *x = a, *y = b;
    int order = bytes_compare(x->key, y->key);

    if (order != 0) return order;
    return x->id < y->id ? -1 : x->id > y->id;
}

// Keys of every kind: short, alike over many bytes, of zeros, prefixes of one
// another.
static size_t make_key(struct random *random, int kind, uint8_t out[64])
{
    size_t len = 1 + random_below(random, 12);

    memset(out, 0, 64);
    switch (kind) {
    case 0: // few different bytes
        for (size_t i = 0; i < len; i++) {
            out[i] = (uint8_t)random_below(random, 2);
        }
        return len;
    case 1: // the same for long
        memset(out, 'a', 40);
        out[20 + random_below(random, 20)] = (uint8_t)random_below(random, 3);
        return 20 + random_below(random, 44);
    case 2: // zeros of many lengths
        return 1 + random_below(random, 60);
    case 3: // kept short: many equal, some of a length that is not
        random_fill(random, out, SHORT_KEY_LEN);
        out[0] = (uint8_t)(TERM_CERT_SHA256 - 1 + random_below(random, 6));
        if (random_below(random, 2) == 0) memset(out + 1, 7, 4);
        return SHORT_KEY_LEN - (random_below(random, 9) == 0);
    case 4: // long ones that come again
        memset(out, (int)random_below(random, 3), 33);
        return 33 - (random_below(random, 9) == 0);
    default:
        random_fill(random, out, 33);
        return 33;
    }
}

static void check_sorted(struct sort *sort, struct posting_copy *copies,
                         size_t num)
{
    const struct hit *hits;
    struct bytes key;
    size_t at = 0, n;
    bool found;
    struct err err = {0};

    qsort(copies, num, sizeof *copies, compare);
    assert_true(sort_finish(sort, &err));
    for (;;) {
        assert_true(sort_next(sort, &key, &hits, &n, &found, &err));
        if (!found) break;
        assert_true(n > 0);
        for (size_t i = 0; i < n; i++) {
            uint32_t via = 0;
            size_t first = at;

            for (; at < num && compare(&copies[first], &copies[at]) == 0;
                 at++) {
                via |= copies[at].via;
            }
            CHECK(first < num && bytes_equal(key, copies[first].key));
            CHECK(hits[i].id == copies[first].id && hits[i].via == via);
        }
        CHECK(at == num || !bytes_equal(key, copies[at].key));
    }
    assert_int_equal(at, num);
}

static void check_one(size_t num, int kind, uint64_t ids)
{
    struct random random = random_for(num, "sort", (uint64_t)kind);
    struct posting_copy *copies = calloc(num + 1, sizeof *copies);
    struct sort sort = {0};
    struct err err = {0};

    assert_non_null(copies);
    // Twice, so that memory that is used again is seen to be.
    for (int round = 0; round < 2; round++) {
        sort_reset(&sort);
        for (size_t i = 0; i < num; i++) {
            uint8_t raw[64];
            size_t len = make_key(
                &random, kind == 6 ? (int)random_below(&random, 6) : kind, raw);

            copies[i] =
                (struct posting_copy){heap_copy(bytes_of(raw, len)),
                                      ids == 0 ? i : random_below(&random, ids),
                                      1u << random_below(&random, 16)};
            assert_true(sort_add(&sort, copies[i].key, copies[i].id,
                                 copies[i].via, &err));
        }
        check_sorted(&sort, copies, num);
        for (size_t i = 0; i < num; i++) {
            free((void *)copies[i].key.data);
        }
    }
    assert_true(sort_size_bytes(&sort) >= num * 2 * sizeof *sort.shorts);
    sort_cleanup(&sort);
    free(copies);
}

static void sorts_as_qsort_does(void **state)
{
    static const size_t nums[] = {0, 1, 2, 24, 25, 100, 3000, 40000};
    static const char *const kinds[] = {"few bytes", "alike",  "zeros", "short",
                                        "again",     "hashes", "mixed"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(nums); i++) {
        for (int kind = 0; kind < 7; kind++) {
            test_case = kinds[kind];
            check_one(nums[i], kind, 0);
            check_one(nums[i], kind, 5); // equal ones become one
            check_one(nums[i], kind, UINT64_C(1) << 53);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sorts_as_qsort_does),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
