// test_packed.c - packed numbers against the list they were made from.

#include "tests/support/check.h"

#include <stdlib.h>

#include "index/store/packed.h"
#include "tests/support/random.h"

enum { ROOM = 4000 };

static struct packed_item items[PACKED_ITEMS_MAX];

static int compare(const void *a, const void *b)
{
    const struct packed_item *x = a, *y = b;

    if (x->number != y->number) return x->number < y->number ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

// Makes numbers of so many bits; gives how many of them fit.
static size_t make(struct random *random, unsigned bits, unsigned id_bits,
                   unsigned num_vias, size_t num, struct buffer *out)
{
    struct packed_builder *builder = calloc(1, sizeof *builder);
    size_t taken = 0;

    assert_non_null(builder);
    for (size_t i = 0; i < num; i++) {
        items[i].number = random_next(random) >> (64 - bits);
        if (i % 5 == 1) items[i].number = items[i - 1].number;
        items[i].id = random_next(random) >> (64 - id_bits);
        items[i].via = (uint32_t)random_below(random, num_vias) * 512;
    }
    qsort(items, num, sizeof *items, compare);
    builder->id_bits = id_bits;
    while (taken < num && packed_add(builder, ROOM, items[taken].number,
                                     items[taken].id, items[taken].via)) {
        taken++;
    }
    packed_append(builder, out);
    assert_true(buffer_ok(out) && out->len <= ROOM);
    free(builder);
    return taken;
}

static void check_walk(struct packed *packed, size_t at, size_t end)
{
    assert_int_equal(packed->next, at);
    for (; at < end; at++) {
        struct packed_item item;

        CHECK(packed_next(packed, &item));
        CHECK(item.number == items[at].number && item.id == items[at].id &&
              item.via == items[at].via);
    }
    assert_int_equal(packed->next, packed->num);
}

static void check_seek(struct bytes content, size_t num, unsigned id_bits,
                       uint64_t number)
{
    struct packed packed;
    size_t at = 0;

    while (at < num && items[at].number < number) {
        at++;
    }
    CHECK(packed_read(&packed, content, num, id_bits));
    CHECK(packed_seek(&packed, number));
    check_walk(&packed, at, num);
}

static void finds_what_was_packed(void **state)
{
    static const unsigned bits[] = {1, 8, 20, 48, 56};
    static const unsigned ids[] = {1, 20, 27, 53, 56};
    static const size_t nums[] = {1, 2, 3, 64, 500, PACKED_ITEMS_MAX};
    struct random random = random_for(1, "packed", 0);

    (void)state;
    for (size_t round = 0;
         round < COUNT_OF(bits) * COUNT_OF(ids) * COUNT_OF(nums); round++) {
        unsigned b = bits[round % COUNT_OF(bits)];
        unsigned id_bits = ids[round / COUNT_OF(bits) % COUNT_OF(ids)];
        struct buffer out = {0};
        size_t num = make(&random, b, id_bits, 1 + (unsigned)round % 2,
                          nums[round / COUNT_OF(bits) / COUNT_OF(ids)], &out);
        struct bytes content = heap_copy(buffer_bytes(&out));
        struct packed packed;

        assert_true(num > 0);
        CHECK(packed_read(&packed, content, num, id_bits));
        check_walk(&packed, 0, num);
        for (size_t i = 0; i < num; i += 1 + num / 50) {
            check_seek(content, num, id_bits, items[i].number);
            check_seek(content, num, id_bits, items[i].number + 1);
            check_seek(content, num, id_bits, random_next(&random) >> (64 - b));
        }
        check_seek(content, num, id_bits, 0);
        check_seek(content, num, id_bits, UINT64_C(1) << 56);
        free((void *)content.data);
        buffer_cleanup(&out);
    }
}

static void takes_six_bytes_of_a_million(void **state)
{
    struct random random = random_for(2, "packed", 0);
    struct buffer out = {0};
    size_t num;

    (void)state;
    // Of 2^48 hashes 2^20 lie 28 bits apart: 1024 of them span 38.
    num = make(&random, 38, 20, 1, PACKED_ITEMS_MAX, &out);
    assert_true(8 * out.len <= num * (28 + 2 + 20) + 8 * 40);
    buffer_cleanup(&out);
}

static void refuses_a_third_via(void **state)
{
    struct packed_builder *builder = calloc(1, sizeof *builder);

    (void)state;
    assert_non_null(builder);
    builder->id_bits = 8;
    assert_true(packed_add(builder, ROOM, 1, 1, 7));
    assert_true(packed_add(builder, ROOM, 1, 2, 0));
    assert_false(packed_add(builder, ROOM, 1, 3, 1));
    assert_true(packed_add(builder, ROOM, 1, 3, 7));
    free(builder);
}

// Cut short or changed, it is refused or read inside its bytes.
static void stays_inside(void **state)
{
    struct random random = random_for(3, "packed", 0);
    struct buffer out = {0};
    size_t num = make(&random, 40, 30, 2, 200, &out);

    (void)state;
    for (size_t len = 0; len < out.len; len++) {
        struct bytes cut = heap_copy(bytes_of(out.data, len));
        struct packed packed;
        struct packed_item item;

        if (packed_read(&packed, cut, num, 30)) {
            while (packed.next < packed.num && packed_next(&packed, &item)) {
            }
            (void)!packed_seek(&packed, items[num / 2].number);
        }
        free((void *)cut.data);
    }
    for (int i = 0; i < 3000; i++) {
        struct bytes copy = heap_copy(buffer_bytes(&out));
        size_t at = random_below(&random, i % 2 == 0 ? 16 : out.len);
        struct packed packed;
        struct packed_item item;

        ((uint8_t *)(uintptr_t)copy.data)[at] = (uint8_t)random_next(&random);
        if (packed_read(&packed, copy, num, 30)) {
            while (packed.next < packed.num && packed_next(&packed, &item)) {
                assert_true(item.number >> PACKED_NUMBER_BITS == 0);
            }
            (void)!packed_seek(&packed, items[num / 2].number);
        }
        free((void *)copy.data);
    }
    buffer_cleanup(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_was_packed),
        cmocka_unit_test(takes_six_bytes_of_a_million),
        cmocka_unit_test(refuses_a_third_via),
        cmocka_unit_test(stays_inside),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
