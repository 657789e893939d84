// test_get_entries.c - against jansson and text_parse_base64.

#include "index/base/json.h"
#include "index/base/text.h"
#include "ingest/parse/get_entries.h"
#include "tests/support/check.h"

enum { MAX = 8 };

#define E1 "{\"leaf_input\":\"AAEC\",\"extra_data\":\"/w==\"}"
#define E2 "{\"extra_data\":\"\",\"leaf_input\":\"\"}"

static const struct {
    const char *name;
    const char *text;
    const char *error; // NULL: accepted
} cases[] = {
    {"one", "{\"entries\":[" E1 "]}", NULL},
    {"two", " { \"entries\" : [ " E1 " ,\n" E2 "\t] } \r\n", NULL},
    {"unknown members",
     "{\"a\":[1,-2.5e+3,{\"b\":[[],{}]},\"x\\u00e9\"],\"entries\":[{"
     "\"z\":null,\"leaf_input\":\"AA==\",\"y\":{},\"extra_data\":\"AA==\"}],"
     "\"t\":true,\"f\":false}",
     NULL},
    {"escaped slash",
     "{\"entries\":[{\"leaf_input\":\"\\/\\/8=\",\"extra_data\":\"\"}]}", NULL},
    {"escaped padding and digits",
     "{\"entries\":[{\"leaf_input\":\"\\u0041A\\u003d\\u003D\","
     "\"extra_data\":\"AAAA\"}]}",
     NULL},
    {"escaped name",
     "{\"entr\\u0069es\":[{\"leaf\\u005finput\":\"AAAA\","
     "\"extra_data\":\"AAAA\"}]}",
     NULL},
    {"empty", "", "get-entries: byte 0: empty"},
    {"HTML", "<html>", "get-entries: byte 0: no JSON object"},
    {"byte order mark", "\xef\xbb\xbf{\"entries\":[" E1 "]}",
     "get-entries: byte 0: no JSON object"},
    {"an error in JSON", "{\"error\":\"x\"}",
     "get-entries: byte 13: no member entries"},
    {"no entries", "{\"entries\":[]}", "get-entries: byte 13: no entries"},
    {"entries is no array", "{\"entries\":{}}",
     "get-entries: byte 11: entries is no array"},
    {"more than asked",
     "{\"entries\":[" E2 "," E2 "," E2 "," E2 "," E2 "," E2 "," E2 "," E2 "," E2
     "]}",
     "get-entries: byte 284: more than asked for"},
    {"entries twice", "{\"entries\":[" E2 "],\"entries\":[" E2 "]}",
     "get-entries: byte 57: duplicate member"},
    {"entries twice, once escaped",
     "{\"entries\":[" E2 "],\"\\u0065ntries\":[" E2 "]}",
     "get-entries: byte 62: duplicate member"},
    {"leaf_input twice",
     "{\"entries\":[{\"leaf_input\":\"\",\"leaf_input\":\"\"}]}",
     "get-entries: byte 42: duplicate member"},
    {"extra_data missing", "{\"entries\":[{\"leaf_input\":\"\"}]}",
     "get-entries: byte 29: entry without extra_data"},
    {"leaf_input missing", "{\"entries\":[{\"extra_data\":\"\"}]}",
     "get-entries: byte 29: entry without leaf_input"},
    {"entry is no object", "{\"entries\":[1]}",
     "get-entries: byte 12: entry is no object"},
    {"leaf_input is no string",
     "{\"entries\":[{\"leaf_input\":1,\"extra_data\":\"\"}]}",
     "get-entries: byte 26: string expected"},
    {"base64 with a blank",
     "{\"entries\":[{\"leaf_input\":\"AA ==\",\"extra_data\":\"\"}]}",
     "get-entries: byte 33: bad base64"},
    {"base64 of URLs",
     "{\"entries\":[{\"leaf_input\":\"-_==\",\"extra_data\":\"\"}]}",
     "get-entries: byte 32: bad base64"},
    {"escaped quote inside",
     "{\"entries\":[{\"leaf_input\":\"AA\\\"A\",\"extra_data\":\"\"}]}",
     "get-entries: byte 33: bad base64"},
    {"trailing bytes", "{\"entries\":[" E2 "]}x",
     "get-entries: byte 47: trailing bytes"},
    {"trailing comma", "{\"entries\":[" E2 ",]}",
     "get-entries: byte 46: entry is no object"},
    {"comma missing", "{\"entries\":[" E2 E2 "]}",
     "get-entries: byte 45: ',' or ']' expected"},
    {"lone surrogate", "{\"a\":\"\\ud800\",\"entries\":[" E2 "]}",
     "get-entries: byte 12: lone surrogate"},
    {"control byte", "{\"a\":\"\x01\",\"entries\":[" E2 "]}",
     "get-entries: byte 6: control byte in a string"},
    {"no UTF-8", "{\"a\":\"\xff\",\"entries\":[" E2 "]}",
     "get-entries: byte 6: string is no UTF-8"},
    {"number with leading zero", "{\"a\":01,\"entries\":[" E2 "]}",
     "get-entries: byte 6: ',' expected"},
    {"bad word", "{\"a\":nil,\"entries\":[" E2 "]}",
     "get-entries: byte 5: no JSON value"},
    {"NUL in a name", "{\"\\u0000\":1,\"entries\":[" E2 "]}",
     "get-entries: byte 9: NUL in a member name"},
};

// What jansson and text_parse_base64 make of the same text.
static bool by_jansson(struct bytes text, struct buffer leaves,
                       struct buffer *out)
{
    const struct json *entries;
    struct json *document;
    struct err err;
    bool ok;

    if (!json_parse(&document, text, &err)) return false;
    entries = json_member(document, "entries");
    ok = json_is_array(entries) && json_size(entries) > 0 &&
         json_size(entries) <= MAX;
    for (size_t i = 0; ok && i < json_size(entries); i++) {
        const struct json *entry = json_at(entries, i);

        buffer_reset(&leaves);
        ok = json_base64(json_member(entry, "leaf_input"), &leaves);
        buffer_append_uint(out, leaves.len, 4);
        buffer_append(out, buffer_bytes(&leaves));
        buffer_reset(&leaves);
        ok = ok && json_base64(json_member(entry, "extra_data"), &leaves);
        buffer_append_uint(out, leaves.len, 4);
        buffer_append(out, buffer_bytes(&leaves));
    }
    buffer_cleanup(&leaves);
    json_free(document);
    return ok;
}

static bool by_scanner(struct bytes text, struct buffer *out, struct err *err)
{
    struct bytes copy = heap_copy(text);
    struct get_entry entries[MAX];
    size_t num_entries;
    bool ok = get_entries_parse(entries, MAX, &num_entries,
                                (uint8_t *)(uintptr_t)copy.data, copy.len, err);

    for (size_t i = 0; ok && i < num_entries; i++) {
        buffer_append_uint(out, entries[i].leaf_input.len, 4);
        buffer_append(out, entries[i].leaf_input);
        buffer_append_uint(out, entries[i].extra_data.len, 4);
        buffer_append(out, entries[i].extra_data);
    }
    free((void *)(uintptr_t)copy.data);
    return ok;
}

// Both say the same and give the same.
static void agree(struct bytes text)
{
    struct buffer want = {0}, got = {0};
    struct err err = {0};
    bool ok = by_jansson(text, (struct buffer){0}, &want);

    if (by_scanner(text, &got, &err) != ok) {
        print_error("jansson says %d, the scanner '%s': %.*s\n", ok, err.text,
                    (int)text.len, (const char *)text.data);
        CHECK(false);
    }
    if (ok) CHECK(bytes_equal(buffer_bytes(&got), buffer_bytes(&want)));
    buffer_cleanup(&want);
    buffer_cleanup(&got);
}

static void accepts_and_rejects(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct bytes text = bytes_from_text(cases[i].text);
        struct buffer got = {0};
        struct err err = {0};

        test_case = cases[i].name;
        CHECK(by_scanner(text, &got, &err) == (cases[i].error == NULL));
        if (strcmp(err.text, cases[i].error ? cases[i].error : "") != 0) {
            print_error("'%s'\n", err.text);
            CHECK(false);
        }
        agree(text);
        buffer_cleanup(&got);
    }
}

static void rejects_every_truncation(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct bytes text = bytes_from_text(cases[i].text);

        test_case = cases[i].name;
        while (text.len > 0) {
            text.len--;
            agree(text);
        }
    }
}

// Single bytes replaced by what JSON and base64 treat in special ways.
static void agrees_on_changed_bytes(void **state)
{
    static const char with[] = "\"\\/{}[],:=+ A0u\n\x7f\x80\xc3";

    (void)state;
    for (size_t i = 0; i < 6; i++) {
        struct bytes text = heap_copy(bytes_from_text(cases[i].text));
        uint8_t *data = (uint8_t *)(uintptr_t)text.data;

        test_case = cases[i].name;
        for (size_t at = 0; at < text.len; at++) {
            uint8_t was = data[at];

            for (size_t w = 0; w < sizeof with; w++) {
                data[at] = (uint8_t)with[w];
                agree(text);
            }
            data[at] = was;
        }
        free(data);
    }
}

// The one difference to jansson: repeated names that nobody reads.
static void passes_over_repeated_unknown_names(void **state)
{
    struct bytes text =
        bytes_from_text("{\"a\":1,\"a\":2,\"entries\":[" E2 "]}");
    struct buffer got = {0};

    (void)state;
    CHECK(by_scanner(text, &got, NULL));
    CHECK(!by_jansson(text, (struct buffer){0}, &got));
    buffer_cleanup(&got);
}

static void bounds_the_depth(void **state)
{
    (void)state;
    for (size_t depth = GET_ENTRIES_DEPTH_MAX - 1;
         depth <= GET_ENTRIES_DEPTH_MAX + 1; depth++) {
        struct buffer text = {0}, got = {0};

        buffer_append_text(&text, "{\"a\":");
        for (size_t i = 0; i < depth; i++) {
            buffer_append_byte(&text, '[');
        }
        buffer_append_byte(&text, '0');
        for (size_t i = 0; i < depth; i++) {
            buffer_append_byte(&text, ']');
        }
        buffer_append_text(&text, ",\"entries\":[" E1 "]}");
        CHECK(by_scanner(buffer_bytes(&text), &got, NULL) ==
              (depth <= GET_ENTRIES_DEPTH_MAX));
        buffer_cleanup(&text);
        buffer_cleanup(&got);
    }
}

static void reads_recorded_answers(void **state)
{
    static const char *const files[] = {
        "rfc6962/argon2020/get-entries-start-10000-end-10000.json",
        "rfc6962/ctgo-four-entries/get-entries-start=0-end=3.json",
        "rfc6962/ctgo-logclient/get-entries-precert-and-x509.json",
    };

    (void)state;
    SKIP_WITHOUT_DATA();
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        struct bytes text = read_file(test_data(files[i]));
        struct buffer got = {0};

        test_case = files[i];
        CHECK(by_scanner(text, &got, NULL));
        CHECK(got.len > 1000);
        agree(text);
        buffer_cleanup(&got);
        free((void *)(uintptr_t)text.data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_and_rejects),
        cmocka_unit_test(rejects_every_truncation),
        cmocka_unit_test(agrees_on_changed_bytes),
        cmocka_unit_test(passes_over_repeated_unknown_names),
        cmocka_unit_test(bounds_the_depth),
        cmocka_unit_test(reads_recorded_answers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
