// test_scan.c - answers taken apart while they stream.

#include "query/scan.h"

#include "tests/support/check.h"

// What came of it: "b:" bytes, "i:" an issuance, "e:N:" the rest.
struct seen {
    struct buffer bytes, parts;
};

static bool on_bytes(void *context, struct bytes bytes, struct err *err)
{
    struct seen *seen = context;

    (void)err;
    buffer_append(&seen->bytes, bytes);
    return true;
}

static bool on_issuance(void *context, struct bytes json, struct err *err)
{
    struct seen *seen = context;

    (void)err;
    buffer_append_text(&seen->parts, "i:");
    buffer_append(&seen->parts, json);
    buffer_append_byte(&seen->parts, ' ');
    return true;
}

static bool on_end(void *context, struct bytes json, uint64_t num,
                   struct err *err)
{
    struct seen *seen = context;

    (void)err;
    buffer_printf(&seen->parts, "e:%u:", (unsigned)num);
    buffer_append(&seen->parts, json);
    buffer_append_byte(&seen->parts, ' ');
    buffer_append_byte(&seen->bytes, '|');
    return true;
}

static const struct {
    const char *text;
    const char *bytes;
    const char *parts;
    const char *error; // NULL: accepted
} cases[] = {
    {"", "", "", NULL},
    {" \n", "", "", NULL},
    {"{\"count\":1}", "{\"count\":1}|", "e:0:{\"count\":1} ", NULL},
    {"{\"query\":\"a\",\"issuances\":[{\"x\":[1,{}]},{\"y\":2}],\"count\":2}",
     "{\"query\":\"a\",\"issuances\":[{\"x\":[1,{}]},{\"y\":2}],\"count\":2}|",
     "i:{\"x\":[1,{}]} i:{\"y\":2} "
     "e:2:{\"query\":\"a\",\"issuances\":[],\"count\":2} ",
     NULL},
    {"{\"a\":1}\n\n {\"b\":2}\r\n", "{\"a\":1}|{\"b\":2}|",
     "e:0:{\"a\":1} e:0:{\"b\":2} ", NULL},
    // Brackets and quotes inside strings are nothing but text.
    {"{\"query\":\"\\\"}]\",\"issuances\":[{\"n\":\"}]\\\\\"}]}",
     "{\"query\":\"\\\"}]\",\"issuances\":[{\"n\":\"}]\\\\\"}]}|",
     "i:{\"n\":\"}]\\\\\"} e:1:{\"query\":\"\\\"}]\",\"issuances\":[]} ", NULL},
    // Only the member of the answer itself is the list.
    {"{\"a\":{\"issuances\":[{}]},\"query\":\"issuances\"}",
     "{\"a\":{\"issuances\":[{}]},\"query\":\"issuances\"}|",
     "e:0:{\"a\":{\"issuances\":[{}]},\"query\":\"issuances\"} ", NULL},
    {"[1]", "", "", "the answer: an object is expected"},
    {"x", "", "", "the answer: an object is expected"},
    {"}", "", "", "the answer: a bracket too many"},
    {"\"a\"", "", "", "the answer: an object is expected"},
};

static void run(size_t i, size_t piece)
{
    struct bytes text = bytes_from_text(cases[i].text), part;
    struct seen seen = {0};
    struct scan scan = {.on_bytes = on_bytes,
                        .on_issuance = on_issuance,
                        .on_end = on_end,
                        .context = &seen};
    struct err err = {0};
    bool ok = true;

    test_case = cases[i].text;
    while (ok && text.len > 0) {
        size_t len = text.len < piece ? text.len : piece;

        CHECK(bytes_read_take(&text, &part, len));
        part = heap_copy(part);
        ok = scan_feed(&scan, part, &err);
        free((void *)part.data);
    }
    CHECK(ok == (cases[i].error == NULL));
    CHECK(strcmp(err.text, cases[i].error ? cases[i].error : "") == 0);
    if (ok) {
        CHECK(scan_is_between(&scan));
        CHECK(bytes_equal_text(buffer_bytes(&seen.bytes), cases[i].bytes));
        CHECK(bytes_equal_text(buffer_bytes(&seen.parts), cases[i].parts));
    }
    scan_cleanup(&scan);
    buffer_cleanup(&seen.bytes);
    buffer_cleanup(&seen.parts);
}

static void takes_answers_apart_in_any_pieces(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        for (size_t piece = 1; piece < 20; piece++) {
            run(i, piece);
        }
        run(i, 1000);
    }
}

static void knows_an_answer_that_breaks_off(void **state)
{
    static const char text[] = "{\"issuances\":[{\"a\":\"b\"}],\"count\":1}";
    struct err err = {0};

    (void)state;
    for (size_t len = 1; len < sizeof text - 1; len++) {
        struct seen seen = {0};
        struct scan scan = {
            .on_bytes = on_bytes, .on_end = on_end, .context = &seen};

        CHECK(scan_feed(&scan, bytes_of(text, len), &err));
        CHECK(!scan_is_between(&scan));
        scan_reset(&scan);
        CHECK(scan_is_between(&scan));
        scan_cleanup(&scan);
        buffer_cleanup(&seen.bytes);
        buffer_cleanup(&seen.parts);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_answers_apart_in_any_pieces),
        cmocka_unit_test(knows_an_answer_that_breaks_off),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
