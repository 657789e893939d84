// test_native.c - answers as JSON: byte for byte, and as jansson reads them.

#include "query/shape/native.h"

#include <jansson.h>

#include "index/base/text.h"
#include "tests/support/planted.h"

static struct planted planted;
static struct arena arena;

enum { NOW_S = 1700000000 };

static int open_all(void **state)
{
    struct planted_cert cert = {
        .names = {"example.com", "192.0.2.1", "*.example.com"},
        .common_name = "example.com",
        .serial = 0x01234567,
        .not_before = 1700000000,
        .not_after = 1900000000,
    };

    (void)state;
    planted_open(&planted, 100);
    planted_add(&planted, 0, &cert, true, 1700000000123);
    planted_add(&planted, 0, &cert, false, 1700000001000);
    planted_add(&planted, 1, &cert, false, 1700000002000);
    // What terminals, JSON and format strings could trip over.
    cert.names[0] = "\"quote\\back\x1b[31m%s\n.example";
    cert.names[1] = "b\xfc"
                    "cher.example";
    cert.names[2] = "hostile.example";
    cert.names[3] = "www.example.com";
    cert.common_name = "\x7f</script>\xe2\x80\xae\"\\";
    cert.ca = CA_BIRCH;
    planted_add(&planted, 1, &cert, false, 0);
    (void)planted_append(&planted, 0);
    (void)planted_append(&planted, 1);
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    arena_cleanup(&arena);
    planted_close(&planted);
    return 0;
}

// Answers into `out` and gives the document that jansson reads.
static json_t *answer(struct native *native, struct buffer *out,
                      const char *query)
{
    struct snapshot *snapshot = planted_snapshot(&planted);
    struct filters filters = {0};
    struct question question;
    struct answer *opened;
    struct err err = {0};
    struct bytes what;
    json_error_t error;
    json_t *document;
    bool done = false;

    test_case = query;
    buffer_reset(out);
    CHECK(filters_from_query(&filters, &what, bytes_from_text(query), &arena,
                             &err));
    CHECK(question_parse(&question, &filters, what, "q", &arena, &err));
    CHECK(answer_open(&opened, &question, snapshot, NOW_S * UINT64_C(1000),
                      &err));
    native_begin(native);
    while (!done) {
        if (!native_next(native, opened, snapshot, NOW_S * UINT64_C(1000), out,
                         &done, &err)) {
            fail_msg("%s", err.text);
        }
    }
    answer_close(opened);
    snapshot_close(snapshot);
    arena_reset(&arena);
    document = json_loadb((const char *)out->data, out->len,
                          JSON_REJECT_DUPLICATES, &error);
    if (document == NULL) fail_msg("%s: %s", query, error.text);
    return document;
}

// Log keys are made anew in every run: their ids are named in the golden text.
static void name_ids(struct buffer *out)
{
    struct buffer text = {0};

    for (size_t i = 0; i < PLANTED_LOGS; i++) {
        struct buffer id = {0};
        char *at;

        text_append_base64(&id, sha256_bytes(&planted.logs[i].log.id));
        buffer_append_byte(&id, 0);
        buffer_append_byte(out, 0);
        while ((at = strstr((char *)out->data, (char *)id.data)) != NULL) {
            size_t before = (size_t)(at - (char *)out->data);

            buffer_reset(&text);
            buffer_append(&text, bytes_of(out->data, before));
            buffer_printf(&text, "LOG%zu", i);
            buffer_append_text(&text, at + id.len - 1);
            buffer_reset(out);
            buffer_append(out, buffer_bytes(&text));
            buffer_append_byte(out, 0);
        }
        out->len--;
        buffer_cleanup(&id);
    }
    buffer_cleanup(&text);
}

static void check_text(struct buffer *out, const char *golden)
{
    name_ids(out);
    if (!bytes_equal_text(buffer_bytes(out), golden)) {
        (void)fwrite(out->data, 1, out->len, stderr);
    }
    CHECK(bytes_equal_text(buffer_bytes(out), golden));
}

// The hashes were checked with openssl; the rest is what was planted.
static void writes_this_byte_for_byte(void **state)
{
    static const char golden[] =
#include "tests/query/shape/native_golden.inc"
        ;
    struct native native = {0};
    struct buffer out = {0};

    (void)state;
    json_decref(answer(&native, &out, "q=192.0.2.1"));
    check_text(&out, golden);
    buffer_cleanup(&out);
    native_cleanup(&native);
}

static void writes_an_empty_answer(void **state)
{
    struct native native = {0};
    struct buffer out = {0};

    (void)state;
    json_decref(answer(&native, &out, "q=none%5Cx00.example"));
    check_text(
        &out,
        "{\"query\":\"none\\\\x00.example\",\"issuances\":[],\"count\":0,"
        "\"complete\":true,\"cursor\":null,\"coverage\":\"whole\",\"logs\":["
        "{\"log\":\"amber log\",\"log_id\":\"LOG0\",\"tree_size\":2,"
        "\"verified\":2,\"ranges\":[[0,2]],\"status\":\"complete\","
        "\"head_timestamp\":\"2023-11-14T22:13:20.002Z\",\"unparsed\":0},"
        "{\"log\":\"birch log\",\"log_id\":\"LOG1\",\"tree_size\":2,"
        "\"verified\":2,\"ranges\":[[0,2]],\"status\":\"complete\","
        "\"head_timestamp\":\"2023-11-14T22:13:20.002Z\",\"unparsed\":0}]}");
    buffer_cleanup(&out);
    native_cleanup(&native);
}

static const char *string_at(const json_t *array, size_t index)
{
    return json_string_value(json_array_get(array, index));
}

// Every byte that does not print is \xHH, every backslash two; nothing that a
// terminal obeys gets out.
static void escapes_what_strangers_wrote(void **state)
{
    struct native native = {0};
    struct buffer out = {0};
    json_t *document, *issuance, *names;

    (void)state;
    document = answer(&native, &out, "q=hostile.example");
    for (size_t i = 0; i < out.len; i++) {
        CHECK(out.data[i] >= 0x20 && out.data[i] != 0x7f);
    }
    issuance = json_array_get(json_object_get(document, "issuances"), 0);
    names = json_object_get(issuance, "dns_names");
    CHECK(strcmp(string_at(names, 0),
                 "\"quote\\\\back\\x1b[31m%s\\x0a.example") == 0);
    CHECK(strcmp(string_at(names, 1), "b\\xfccher.example") == 0);
    names = json_object_get(issuance, "common_names");
    CHECK(strcmp(string_at(names, 0), "\\x7f</script>\\xe2\\x80\\xae\"\\\\") ==
          0);
    json_decref(document);
    buffer_cleanup(&out);
    native_cleanup(&native);
}

static void shows_the_fields_asked_for(void **state)
{
    struct native native = {0};
    struct buffer out = {0};

    (void)state;
    for (uint32_t bit = 1; bit <= FIELDS_ALL; bit <<= 1) {
        const char *word = question_field_word(bit);
        json_t *document, *issuance;
        char query[64];

        (void)snprintf(query, sizeof query, "q=192.0.2.1&fields=%s", word);
        document = answer(&native, &out, query);
        issuance = json_array_get(json_object_get(document, "issuances"), 0);
        CHECK(json_object_size(issuance) == 1);
        CHECK(json_object_get(issuance, word) != NULL);
        json_decref(document);
    }
    buffer_cleanup(&out);
    native_cleanup(&native);
}

static void says_where_a_page_was_cut(void **state)
{
    struct native native = {0};
    struct buffer out = {0};
    json_t *document;

    (void)state;
    document = answer(&native, &out, "q=com&subdomains=1&limit=1");
    CHECK(json_is_null(json_object_get(document, "count")));
    CHECK(json_is_false(json_object_get(document, "complete")));
    CHECK(json_is_string(json_object_get(document, "cursor")));
    json_decref(document);
    buffer_cleanup(&out);
    native_cleanup(&native);
}

static bool has_logs(struct native *native, struct buffer *out)
{
    json_t *document = answer(native, out, "q=example.com");
    bool has = json_object_get(document, "logs") != NULL;

    json_decref(document);
    return has;
}

static void streams_logs_when_they_changed(void **state)
{
    struct planted_cert cert = {.names = {"late.example"},
                                .not_after = 1900000000};
    struct native stream = {.stream = true}, single = {0};
    struct buffer out = {0};

    (void)state;
    CHECK(has_logs(&stream, &out));
    CHECK(!has_logs(&stream, &out));
    CHECK(has_logs(&single, &out));
    CHECK(has_logs(&single, &out));
    planted_add(&planted, 0, &cert, false, 1);
    (void)planted_append(&planted, 0);
    CHECK(has_logs(&stream, &out));
    CHECK(!has_logs(&stream, &out));
    buffer_cleanup(&out);
    native_cleanup(&stream);
    native_cleanup(&single);
}

static void writes_counts_and_errors(void **state)
{
    struct buffer out = {0};
    struct err err = {.code = ERR_USAGE};
    char longer[300];

    (void)state;
    test_case = "count";
    native_append_count(&out, bytes_from_text("1.1.1.1"), UINT64_MAX);
    CHECK(bytes_equal_text(
        buffer_bytes(&out),
        "{\"query\":\"1.1.1.1\",\"count\":18446744073709551615}"));
    test_case = "error";
    buffer_reset(&out);
    (void)snprintf(err.text, sizeof err.text, "WHAT: 'x\\y' is bad");
    native_append_line_error(&out, bytes_from_text("a\"b"), &err);
    CHECK(bytes_equal_text(buffer_bytes(&out),
                           "{\"query\":\"a\\\"b\",\"error\":{\"code\":"
                           "\"bad_request\",\"message\":"
                           "\"WHAT: 'x\\\\y' is bad\"}}"));
    test_case = "code";
    buffer_reset(&out);
    err.code = ERR_INDEX;
    native_append_error(&out, &err);
    CHECK(bytes_equal_text(buffer_bytes(&out),
                           "{\"code\":\"index_damaged\",\"message\":"
                           "\"WHAT: 'x\\\\y' is bad\"}"));
    test_case = "long line";
    memset(longer, 'a', sizeof longer);
    buffer_reset(&out);
    native_append_line_error(&out, bytes_of(longer, sizeof longer), &err);
    buffer_append_byte(&out, 0);
    CHECK(strspn((const char *)out.data + strlen("{\"query\":\""), "a") == 256);
    buffer_cleanup(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_this_byte_for_byte),
        cmocka_unit_test(writes_an_empty_answer),
        cmocka_unit_test(escapes_what_strangers_wrote),
        cmocka_unit_test(shows_the_fields_asked_for),
        cmocka_unit_test(says_where_a_page_was_cut),
        cmocka_unit_test(writes_counts_and_errors),
        cmocka_unit_test(streams_logs_when_they_changed),
    };

    return cmocka_run_group_tests(tests, open_all, close_all);
}
