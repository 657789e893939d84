// test_postings.c - posting lists against the arrays they were made from.

#include "tests/support/check.h"

#include "index/entry/names.h"
#include "index/store/postings.h"
#include "tests/support/random.h"

enum { HITS_MAX = 3000 };

static struct hit hits[HITS_MAX];

// Random ids; `via` says how they are told: all alike, usual or not, or mixed.
static void make_hits(struct random *random, size_t num, uint64_t first,
                      uint64_t step, int via)
{
    uint64_t id = first;

    for (size_t i = 0; i < num; i++) {
        id += (i > 0) + random_below(random, step);
        hits[i] = (struct hit){id, via == 0   ? VIA_SAN_DNS
                                   : via == 1 ? VIA_SALVAGED | VIA_DERIVED
                                   : random_below(random, 8) == 0
                                       ? VIA_UNAUTHENTICATED
                                       : VIA_SAN_DNS | VIA_CN};
    }
}

static void check_list(struct bytes list, uint64_t first, unsigned id_len,
                       size_t num)
{
    struct bytes view = heap_copy(list), rest = view, skipped = view;
    struct postings postings;
    struct hit hit;
    bool found;

    CHECK(postings_skip(&skipped, id_len) && skipped.len == 0);
    CHECK(postings_read(&postings, &rest, first, id_len) && rest.len == 0);
    CHECK(postings.num_left == num);
    for (size_t i = 0; i < num; i++) {
        CHECK(postings_next(&postings, &hit, &found) && found);
        CHECK(hit.id == hits[i].id && hit.via == hits[i].via);
    }
    CHECK(postings_next(&postings, &hit, &found) && !found);
    for (size_t i = 0; i < num; i += 1 + num / 7) {
        rest = view;
        CHECK(postings_read(&postings, &rest, first, id_len));
        CHECK(postings_seek_after(&postings, hits[i].id));
        CHECK(postings_next(&postings, &hit, &found));
        CHECK(found == (i + 1 < num) && (!found || hit.id == hits[i + 1].id));
    }
    free((void *)view.data);
}

static void gives_back_what_was_put(void **state)
{
    static const size_t nums[] = {1, 2, 31, 32, 33, 159, 160, 2500};
    struct random random = random_for(1, "postings", 0);
    struct buffer out = {0};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(nums); i++) {
        for (int via = 0; via < 3; via++) {
            uint64_t first = random_below(&random, UINT64_C(1) << 50);
            uint64_t step = 1 + random_below(&random, 1 << (5 * via));

            make_hits(&random, nums[i], first, step, via);
            buffer_reset(&out);
            assert_int_equal(
                postings_append(&out, SIZE_MAX / 2, first, 7, hits, nums[i]),
                nums[i]);
            check_list(buffer_bytes(&out), first, 7, nums[i]);
        }
    }
    buffer_cleanup(&out);
}

static void fills_the_room_and_no_more(void **state)
{
    struct random random = random_for(1, "room", 0);
    struct buffer out = {0};

    (void)state;
    for (size_t room = 0; room < 600; room++) {
        size_t taken;

        make_hits(&random, 400, 1000, 200, (int)(room % 3));
        buffer_reset(&out);
        taken = postings_append(&out, room, 1000, 3, hits, 400);
        assert_true(out.len <= room);
        // At most the list's own length and a few bytes are left over.
        assert_true(taken == 400 || room < 16 || room - out.len < 8);
        if (taken > 0) check_list(buffer_bytes(&out), 1000, 3, taken);
        if (taken == 0) assert_true(room < 9 && out.len == 0);
    }
    buffer_cleanup(&out);
}

static void costs_nothing_for_a_usual_via(void **state)
{
    struct hit hit = {77, VIA_SAN_DNS | VIA_CN};
    struct buffer out = {0};

    (void)state;
    assert_int_equal(postings_append(&out, 100, 70, 3, &hit, 1), 1);
    assert_int_equal(out.len, 4);
    assert_int_equal(postings_id_len(0), 1);
    assert_int_equal(postings_id_len(256), 1);
    assert_int_equal(postings_id_len(257), 2);
    assert_int_equal(postings_id_len(UINT64_C(1) << 53), 7);
    buffer_cleanup(&out);
}

static bool read_all(struct bytes view)
{
    struct postings postings;
    struct hit hit;
    bool found = true;

    if (!postings_read(&postings, &view, 5, 2) || view.len != 0) return false;
    while (found) {
        if (!postings_next(&postings, &hit, &found)) return false;
    }
    return true;
}

static void refuses_every_truncation(void **state)
{
    struct random random = random_for(1, "cut", 0);
    struct buffer out = {0};

    (void)state;
    for (int via = 0; via < 3; via++) {
        make_hits(&random, 100, 5, 300, via);
        buffer_reset(&out);
        assert_int_equal(postings_append(&out, 4000, 5, 2, hits, 100), 100);
        for (size_t len = 0; len < out.len; len++) {
            struct bytes cut = heap_copy(bytes_of(out.data, len));

            assert_false(read_all(cut));
            free((void *)cut.data);
        }
        assert_true(read_all(buffer_bytes(&out)));
    }
    buffer_cleanup(&out);
}

static void refuses_what_no_list_is(void **state)
{
    static const struct {
        const char *name;
        const char *hex;
    } cases[] = {
        {"number too large", "f8 ffffffffffffffff7f 0000 00"},
        {"via too large", "06 808004 0000"},
        {"rest longer than it is", "08 0000 02 01"},
        {"an id too large", "08 0000 08 ffffffffffffff1f"},
        {"more in the rest than ids", "08 0000 02 01 01"},
        {"fewer", "10 0000 01 01"},
        {"a number longer than it needs", "08 0000 02 8000"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct bytes list = from_hex(cases[i].hex);

        test_case = cases[i].name;
        CHECK(!read_all(list));
        free((void *)list.data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_back_what_was_put),
        cmocka_unit_test(fills_the_room_and_no_more),
        cmocka_unit_test(costs_nothing_for_a_usual_via),
        cmocka_unit_test(refuses_every_truncation),
        cmocka_unit_test(refuses_what_no_list_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
