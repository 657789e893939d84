// test_table.c - an answer for a person.

#include "query/shape/table.h"

#include "tests/support/check.h"

static const struct {
    const char *json;
    const char *row; // NULL: refused
} cases[] = {
    {"{\"not_before\":\"2024-02-18T11:07:33Z\","
     "\"not_after\":\"2025-02-17T11:07:33Z\","
     "\"issuer\":{\"name\":\"CN=Fina RDC 2015,O=Fina,C=HR\","
     "\"common_name\":\"Fina RDC 2015\"},"
     "\"matched\":[{\"name\":\"1.1.1.1\",\"via\":\"cn\"},"
     "{\"name\":\"1.1.1.1\",\"via\":\"san-ip\"}],"
     "\"dns_names\":[\"test1.hr\"],\"ip_addresses\":[\"1.1.1.1\"],"
     "\"flags\":[\"ip-in-cn\"],"
     "\"certificates\":[{\"type\":\"precert\"},{\"type\":\"final\"}]}",
     "2024-02-18  2025-02-17  both     Fina RDC 2015                 1.1.1.1,"
     " test1.hr [ip-in-cn]\n"},
    // No common name: the whole name; no matches: all the names.
    {"{\"not_before\":null,\"not_after\":null,\"issuer\":{\"name\":\"O=A\","
     "\"common_name\":\"\"},\"matched\":[],\"dns_names\":[\"a\",\"b\"],"
     "\"ip_addresses\":[],\"flags\":[],\"certificates\":[{\"type\":\"final\"}"
     "]}",
     "unreadable  unreadable  final    O=A                           a, b\n"},
    {"{}", "unreadable  unreadable  ?                                      \n"},
    {"{\"certificates\":[{\"type\":null},{\"type\":\"precert\"},"
     "{\"type\":\"precert\"}]}",
     "unreadable  unreadable  precert                                \n"},
    {"{\"issuer\":{\"common_name\":\"ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGH\"}}",
     "unreadable  unreadable  ?        ABCDEFGHIJKLMNOPQRSTUVWXY...  \n"},
    {"{", NULL},
    {"", NULL},
};

static void writes_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct buffer out = {0};
        struct err err = {0};
        bool ok;

        test_case = cases[i].json;
        ok = table_append_row(&out, bytes_from_text(cases[i].json), &err);
        if (ok && !bytes_equal_text(buffer_bytes(&out), cases[i].row)) {
            print_error("%.*s", (int)out.len, (const char *)out.data);
        }
        CHECK(ok == (cases[i].row != NULL));
        CHECK(!ok || bytes_equal_text(buffer_bytes(&out), cases[i].row));
        buffer_cleanup(&out);
    }
}

// Whatever a certificate holds, a line stays a line of its width.
static void keeps_to_its_width(void **state)
{
    struct buffer json = {0}, out = {0};
    struct err err = {0};

    (void)state;
    test_case = "wide";
    buffer_append_text(&json, "{\"issuer\":{\"common_name\":\"");
    for (int i = 0; i < 100; i++) {
        buffer_append_text(&json, "\xc3\xbc");
    }
    buffer_append_text(&json, "\"},\"matched\":[");
    for (int i = 0; i < 50; i++) {
        buffer_printf(&json, "%s{\"name\":\"n%d.a-rather-long-name.example\"}",
                      i ? "," : "", i);
    }
    buffer_append_text(&json, "]}");
    CHECK(table_append_row(&out, buffer_bytes(&json), &err));
    buffer_append_byte(&out, 0);
    CHECK(strstr((const char *)out.data, "+49\n") != NULL);
    CHECK(strchr((const char *)out.data, '\n') ==
          (const char *)out.data + out.len - 2);
    CHECK(out.len < TABLE_WIDTH + 28); // two octets for each of 25 letters
    buffer_cleanup(&json);
    buffer_cleanup(&out);
}

static void says_how_many(void **state)
{
    struct buffer out = {0};

    (void)state;
    test_case = "summary";
    table_append_head(&out);
    CHECK(bytes_equal_text(buffer_bytes(&out),
                           "NOT BEFORE  NOT AFTER   TYPE     ISSUER           "
                           "             NAMES\n"));
    buffer_reset(&out);
    table_append_summary(&out, bytes_from_text("1.1.1.1"), 1, false, 1234);
    table_append_summary(&out, bytes_from_text("a"), 0, false, 1000);
    table_append_summary(&out, bytes_from_text("a"), 12, true, 7);
    CHECK(bytes_equal_text(buffer_bytes(&out),
                           "1.1.1.1: 1 issuance in 1.234 ms\n"
                           "a: 0 issuances in 1.000 ms\n"
                           "a: 12 issuances, more follow, in 0.007 ms\n"));
    buffer_cleanup(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_rows),
        cmocka_unit_test(keeps_to_its_width),
        cmocka_unit_test(says_how_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
