// test_http_text.c - targets, queries, dates and fields of HTTP messages.

#include <time.h>

#include "index/net/http_text.h"
#include "tests/support/check.h"

static const struct {
    const char *target;
    const char *authority, *path, *query; // authority NULL: no target
} targets[] = {
    {"/", "", "/", ""},
    {"/v1/certs?q=a&b=c", "", "/v1/certs", "q=a&b=c"},
    {"/?a?b", "", "/", "a?b"},
    {"*", "", "*", ""},
    {"http://h:80/p?q", "h:80", "/p", "q"},
    {"HTTPS://h", "h", "/", ""},
    {"http://h?q", "h", "/", "q"},
    {"http:///p", NULL, NULL, NULL},
    {"http://h#f", NULL, NULL, NULL},
    {"v1", NULL, NULL, NULL},
    {"", NULL, NULL, NULL},
    {"ftp://h/", NULL, NULL, NULL},
};

static void splits_targets(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(targets); i++) {
        struct bytes target = heap_copy(bytes_from_text(targets[i].target));
        struct bytes authority, path, query;
        bool taken = http_target_split(target, &authority, &path, &query);

        test_case = targets[i].target;
        CHECK(taken == (targets[i].authority != NULL));
        if (taken) {
            CHECK(bytes_equal_text(authority, targets[i].authority));
            CHECK(bytes_equal_text(path, targets[i].path));
            CHECK(bytes_equal_text(query, targets[i].query));
        }
        free((void *)target.data);
    }
}

static void takes_queries_apart(void **state)
{
    struct bytes query = bytes_from_text("&a=1&&b&=c&d=e=f&"), name, value;
    struct buffer out = {0};

    (void)state;
    while (http_query_next(&query, &name, &value)) {
        buffer_printf(&out, "[%.*s:%.*s]", (int)name.len, name.data,
                      (int)value.len, value.data);
    }
    assert_true(bytes_equal_text(buffer_bytes(&out), "[a:1][b:][:c][d:e=f]"));
    buffer_cleanup(&out);
}

static const struct {
    const char *encoded, *strict, *loose; // strict NULL: refused
} escapes[] = {
    {"abc", "abc", "abc"},
    {"%61%62%7A", "abz", "abz"},
    {"a+b%2b", "a b+", "a b+"},
    {"%25.example", "%.example", "%.example"},
    {"%.example.com", NULL, "%.example.com"},
    {"%4", NULL, "%4"},
    {"%", NULL, "%"},
    {"%zz", NULL, "%zz"},
    {"%%41", NULL, "%A"},
    {"%e4%BC", "\xe4\xbc", "\xe4\xbc"},
    {"", "", ""},
};

static void decodes_percent(void **state)
{
    struct buffer plain = {0};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(escapes); i++) {
        struct bytes wire = heap_copy(bytes_from_text(escapes[i].encoded));
        struct buffer out = {0};
        bool taken = http_percent_decode(&out, wire, true);

        test_case = escapes[i].encoded;
        CHECK(taken == (escapes[i].strict != NULL));
        if (taken) {
            CHECK(bytes_equal_text(buffer_bytes(&out), escapes[i].strict));
        }
        buffer_reset(&out);
        http_percent_decode_loosely(&out, wire, true);
        CHECK(bytes_equal_text(buffer_bytes(&out), escapes[i].loose));
        buffer_cleanup(&out);
        free((void *)wire.data);
    }
    assert_true(http_percent_decode(&plain, bytes_from_text("a+b"), false));
    assert_true(bytes_equal_text(buffer_bytes(&plain), "a+b"));
    buffer_cleanup(&plain);
}

// Seconds by `date -u -d … +%s`.
static const struct {
    const char *text;
    int64_t seconds; // INT64_MIN: refused
} dates[] = {
    {"Sun, 06 Nov 1994 08:49:37 GMT", 784111777},
    {"Sunday, 06-Nov-94 08:49:37 GMT", 784111777},
    {"Sun Nov  6 08:49:37 1994", 784111777},
    {"Tue, 24 Nov 2026 07:02:26 UTC", 1795503746},
    {"tue, 24 nov 2026 07:02:26 gmt", 1795503746},
    {"Tue, 24 Nov 2026 09:02:26 +0200", 1795503746},
    {"Tue, 24 Nov 2026 02:02:26 -0500", 1795503746},
    {"24 Nov 2026 07:02:26 Z", 1795503746},
    {" 2026-11-24T07:02:26Z ", 1795503746},
    {"Thu, 29 Feb 2024 23:59:60 GMT", 1709251200},
    {"Thu, 01 Jan 1970 00:00:00 GMT", 0},
    {"Thu, 29 Feb 2023 00:00:00 GMT", INT64_MIN},
    {"Tue, 31 Nov 2026 07:02:26 GMT", INT64_MIN},
    {"Tue, 00 Nov 2026 07:02:26 GMT", INT64_MIN},
    {"Tue, 24 Nov 2026 24:02:26 GMT", INT64_MIN},
    {"Tue, 24 Nov 2026 07:60:26 GMT", INT64_MIN},
    {"Tue, 24 Nov 2026 07:02 GMT", INT64_MIN},
    {"Tue, 24 Nov 2026 GMT", INT64_MIN},
    {"24 Nov 07:02:26 GMT", INT64_MIN},
    {"Tue, 24 Nov 2026 07:02:26 XYZ", INT64_MIN},
    {"Tue, 24 Nov 2026 07:02:26:11 GMT", INT64_MIN},
    {"Tue, 24 Nov Nov 2026 07:02:26 GMT", INT64_MIN},
    {"Tue, 24 Nov 20266 07:02:26 GMT", INT64_MIN},
    {"", INT64_MIN},
    {"soon", INT64_MIN},
    {"-", INT64_MIN},
    {"+", INT64_MIN},
    {"::", INT64_MIN},
    {"--- --- ---", INT64_MIN},
};

static void reads_dates(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(dates); i++) {
        struct bytes text = heap_copy(bytes_from_text(dates[i].text));
        int64_t seconds = 0;
        bool taken = http_parse_date(&seconds, text);

        test_case = dates[i].text;
        CHECK(taken == (dates[i].seconds != INT64_MIN));
        CHECK(!taken || seconds == dates[i].seconds);
        free((void *)text.data);
    }
}

// Oracle: the C library.
static void reads_dates_of_all_days(void **state)
{
    (void)state;
    for (int64_t seconds = 0; seconds < 4102444800;
         seconds += 86399 * 17 + 61) {
        time_t time = (time_t)seconds;
        struct tm tm;
        char written[32];
        int64_t back;

        gmtime_r(&time, &tm);
        strftime(written, sizeof written, "%a, %d %b %Y %H:%M:%S GMT", &tm);
        assert_true(http_parse_date(&back, bytes_from_text(written)));
        assert_int_equal(back, seconds);
    }
}

static const struct {
    const char *text;
    uint64_t ms; // UINT64_MAX: refused
} waits[] = {
    {"0", 0},
    {"120", 120000},
    {" 7 ", 7000},
    {"00010", 10000},
    {"999999999999999999999999999999", 1000000000000},
    {"Tue, 24 Nov 2026 07:02:26 UTC", 26000}, // now: :00
    {"Tue, 24 Nov 2026 07:01:26 GMT", 0},
    {"Tue, 24 Nov 9999 07:01:26 GMT", 1000000000000},
    {"-5", UINT64_MAX},
    {"5 minutes", UINT64_MAX},
    {"", UINT64_MAX},
};

static void reads_retry_after(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(waits); i++) {
        uint64_t ms = 0;
        bool taken = http_parse_retry_after(&ms, bytes_from_text(waits[i].text),
                                            1795503720);

        test_case = waits[i].text;
        CHECK(taken == (waits[i].ms != UINT64_MAX));
        CHECK(!taken || ms == waits[i].ms);
    }
}

static void finds_fields(void **state)
{
    struct bytes fields =
        bytes_from_text("A: 1\r\nb:2 \r\nLIST: x, Gzip;q=1\r\n"
                        "list:y\r\na: 3\r\nempty:\r\n");
    struct bytes value;

    (void)state;
    assert_true(http_field_find(fields, "B", &value));
    assert_true(bytes_equal_text(value, "2"));
    assert_true(http_field_find(fields, "a", &value));
    assert_true(bytes_equal_text(value, "1"));
    assert_true(http_field_find(fields, "empty", &value));
    assert_int_equal(value.len, 0);
    assert_false(http_field_find(fields, "c", &value));
    assert_true(http_list_has(fields, "list", "gzip"));
    assert_true(http_list_has(fields, "List", "y"));
    assert_false(http_list_has(fields, "list", "zip"));
    assert_false(http_list_has(fields, "a", "x"));
    assert_false(http_list_has(bytes_of(NULL, 0), "a", "x"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(splits_targets),
        cmocka_unit_test(takes_queries_apart),
        cmocka_unit_test(decodes_percent),
        cmocka_unit_test(reads_dates),
        cmocka_unit_test(reads_dates_of_all_days),
        cmocka_unit_test(reads_retry_after),
        cmocka_unit_test(finds_fields),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
