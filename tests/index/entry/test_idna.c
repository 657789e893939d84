// test_idna.c - what is punycode, and where conversion begins and ends.
//
// The tails were drawn at random and judged by Python's punycode codec and by
// a second reading of RFC 3492 section 6.2, which agreed on all of them.

#include "tests/support/check.h"

#include "index/entry/idna.h"

static void knows_punycode(void **state)
{
    static const struct {
        bool is_valid;
        const char *tails; // a blank between them
    } rows[] = {
        {true, "8ix4ea j7yaek ctbr4y1z2ixg i5n 0ovbrku8gnrs e44f e0jbs10h cyv "
               "r6pctaeg8cm sqjcvuxiy 37y9g6r1p 1q7t9va uxqty rpul1g fvn2r "
               "hc7mul 3w0s00c 7s8voeshpc hvi 84dwomh hkpria5zdrp 771d4ua ich "
               "e4c bcher-kva BCHER-KVA -tda"},
        {false, "q9om4894zj 1t06yw8 ubyidv3ww r5bdbxq3tulx bit6 uvo2 vfwi0s7 "
                "jma4619oc 6m1 da4hk6tpb780 03bpn8re1 1ibux9 d9uleplp3zq "
                "k074jzjkg 1y5en5zi uhre1h27qg7 x2sqgv87 ljlx3hg jv09tl34tle "
                "grrydic4 rp6wvz28ew5 cfvnem1o5ugc emkz54e81 l3cqxx27xz "
                "bo71ixmv kj211hvu g941l8 0h072o8h r8820113d nn2266521 "
                "6n507521e bcher- bcher-kv ib9b tda_ tda*"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const char *at = rows[i].tails;

        while (*at != 0) {
            size_t len = strcspn(at, " ");
            struct bytes tail = heap_copy(bytes_of(at, len));

            test_case = at;
            CHECK(idna_is_punycode(tail) == rows[i].is_valid);
            at += len + (at[len] == ' ');
            free((void *)(uintptr_t)tail.data);
        }
    }
    test_case = "empty";
    CHECK(!idna_is_punycode(bytes_of(NULL, 0)));
}

static void check_name(struct bytes name, enum idna_reading reading,
                       struct bytes want)
{
    struct bytes exact = heap_copy(name);
    struct buffer out = {0};

    CHECK(idna_append_name(&out, exact, reading));
    CHECK(bytes_equal(buffer_bytes(&out), want));
    buffer_cleanup(&out);
    free((void *)(uintptr_t)exact.data);
}

static void reads_each_label_alone(void **state)
{
    static const struct {
        enum idna_reading reading;
        const char *name, *want;
    } rows[] = {
        {IDNA_UTF8, "a.b", "a.b"},
        {IDNA_UTF8, "", ""},
        {IDNA_UTF8, "..", ".."},
        {IDNA_UTF8, "\xc3\xbc", "xn--tda"},
        {IDNA_UTF8, "\xc3\xbc.", "xn--tda."},
        {IDNA_UTF8, ".\xc3\xbc", ".xn--tda"},
        {IDNA_UTF8, "\xfc.\xc3\xbc", "xn--tda.xn--tda"},
        {IDNA_LATIN1, "\xfc.b", "xn--tda.b"},
        {IDNA_UTF8, "\xc2\xad.b", "\xc2\xad.b"}, // maps to nothing: kept
        {IDNA_UTF8, "a\x01\xc3\xbc.b", "a\x01\xc3\xbc.b"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        test_case = rows[i].name;
        check_name(bytes_from_text(rows[i].name), rows[i].reading,
                   bytes_from_text(rows[i].want));
    }
    // libidn2 would stop at the NUL.
    test_case = "NUL";
    check_name(bytes_of("\xc3\xbc\0x", 4), IDNA_UTF8,
               bytes_of("\xc3\xbc\0x", 4));
}

static void converts_whole_labels_of_the_tail(void **state)
{
    static const char label[] = "front.aa\xc3\xbcz";

    (void)state;
    // The tail begins at every place of this label and then behind it; in the
    // last round the label is all in it.
    for (size_t in_tail = 0; in_tail < sizeof label; in_tail++) {
        struct buffer name = {0}, want = {0};
        bool is_whole = in_tail >= strlen("aa\xc3\xbcz");

        test_case = "boundary";
        buffer_append_text(&name, label);
        buffer_append_text(&want, is_whole ? "front.xn--aaz-ioa" : label);
        while (name.len < sizeof label - 1 + IDNA_TAIL_LEN_MAX - in_tail - 3) {
            buffer_append_text(&name, ".");
            buffer_append_text(&want, ".");
        }
        buffer_append_text(&name, ".\xc3\xbc");
        buffer_append_text(&want, ".xn--tda");
        check_name(buffer_bytes(&name), IDNA_UTF8, buffer_bytes(&want));
        buffer_cleanup(&name);
        buffer_cleanup(&want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_punycode),
        cmocka_unit_test(reads_each_label_alone),
        cmocka_unit_test(converts_whole_labels_of_the_tail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
