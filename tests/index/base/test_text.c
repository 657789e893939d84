// test_text.c - hex, base64, times and the escaped form.

#include "tests/support/check.h"

#include "index/base/json.h"
#include "index/base/text.h"

static struct bytes view(const char *text)
{
    return bytes_from_text(text);
}

static void base64_round_trips(void **state)
{
    // RFC 4648 section 10.
    static const struct {
        const char *plain, *base64;
    } cases[] = {{"", ""},
                 {"f", "Zg=="},
                 {"fo", "Zm8="},
                 {"foo", "Zm9v"},
                 {"foob", "Zm9vYg=="},
                 {"fooba", "Zm9vYmE="},
                 {"foobar", "Zm9vYmFy"}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct buffer out = {0}, back = {0};

        test_case = cases[i].plain;
        text_append_base64(&out, view(cases[i].plain));
        CHECK(bytes_equal_text(buffer_bytes(&out), cases[i].base64));
        CHECK(text_parse_base64(&back, view(cases[i].base64)));
        CHECK(bytes_equal_text(buffer_bytes(&back), cases[i].plain));
        buffer_cleanup(&out);
        buffer_cleanup(&back);
    }
}

static void base64_refuses_what_is_not_strict(void **state)
{
    static const char *const cases[] = {"Zg",   "Zg=",     "Zh==",   "Zm9=",
                                        "Z===", "Zm 9v",   "Zm9v\n", "Zm-_",
                                        "=Zg=", "Zg==Zg=="};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct buffer out = {0};

        test_case = cases[i];
        CHECK(!text_parse_base64(&out, view(cases[i])));
        buffer_cleanup(&out);
    }
}

static void writes_every_day(void **state)
{
    enum { DAY = 86400 };

    (void)state;
    test_case = "from 0000-01-01 to 9999-12-31";
    for (int64_t day = -719528; day <= 2932896; day += 13) {
        int64_t seconds = day * DAY + (day & 0xffff), again;
        char shown[TEXT_TIME_LEN_MAX];

        CHECK(text_put_time(shown, seconds) == strlen("0000-01-01T00:00:00Z"));
        CHECK(text_parse_time(&again,
                              bytes_of(shown, strlen("0000-01-01T00:00:00Z"))));
        CHECK(again == seconds);
        if (seconds < 0) continue;
        CHECK(text_put_time_ms(shown, (uint64_t)seconds * 1000 + 987) ==
              strlen("0000-01-01T00:00:00.987Z"));
        CHECK(memcmp(shown + strlen("0000-01-01T00:00:00"), ".987Z", 5) == 0);
        CHECK(text_parse_time(
            &again, bytes_of(shown, strlen("0000-01-01T00:00:00.987Z"))));
        CHECK(again == seconds);
    }
}

static void hex_is_written_of_any_length(void **state)
{
    (void)state;
    for (size_t len = 0; len < 70; len++) {
        struct buffer hex = {0};
        uint8_t *bytes = malloc(len > 0 ? len : 1); // an exact heap block
        uint8_t back[70];

        assert_non_null(bytes);
        for (size_t i = 0; i < len; i++) {
            bytes[i] = (uint8_t)(i * 37 + len);
        }
        text_append_hex(&hex, bytes_of(bytes, len));
        assert_int_equal(hex.len, 2 * len);
        for (size_t i = 0; i < len; i++) {
            char two[3];

            (void)snprintf(two, sizeof two, "%02x", bytes[i]);
            assert_memory_equal(hex.data + 2 * i, two, 2);
        }
        assert_true(text_parse_hex(back, len, buffer_bytes(&hex)));
        free(bytes);
        buffer_cleanup(&hex);
    }
}

static void times_read_and_write(void **state)
{
    static const struct {
        const char *text;
        int64_t seconds;
        const char *shown;
    } cases[] = {
        {"1970-01-01T00:00:00Z", 0, "1970-01-01T00:00:00Z"},
        {"2024-02-18T11:07:33Z", 1708254453, "2024-02-18T11:07:33Z"},
        {"2024-02-29", 1709164800, "2024-02-29T00:00:00Z"},
        {"2024-02-18T12:07:33.5+01:00", 1708254453, "2024-02-18T11:07:33Z"},
        {"1950-01-01T00:00:00Z", -631152000, "1950-01-01T00:00:00Z"},
        {"9999-12-31T23:59:59Z", 253402300799, "9999-12-31T23:59:59Z"},
    };
    static const char *const bad[] = {"",
                                      "2024",
                                      "2024-13-01",
                                      "2023-02-29",
                                      "2024-02-18T11:07:33",
                                      "2024-2-18",
                                      "2024-02-18T24:00:00Z",
                                      "2024-02-18x"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char out[TEXT_TIME_LEN_MAX];
        int64_t seconds;

        test_case = cases[i].text;
        CHECK(text_parse_time(&seconds, view(cases[i].text)));
        CHECK(seconds == cases[i].seconds);
        CHECK(strcmp(text_time_utc(out, seconds), cases[i].shown) == 0);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        int64_t seconds;

        test_case = bad[i];
        CHECK(!text_parse_time(&seconds, view(bad[i])));
    }
}

static void escapes_what_does_not_print(void **state)
{
    static const struct {
        const char *hex, *shown;
    } cases[] = {
        {"61 2e 62", "a.b"},
        {"6e756c 00 2e", "nul\\x00."},
        {"5c", "\\\\"},
        {"c3bc", "\xc3\xbc"},
        {"fc", "\\xfc"},
        {"1b5b", "\\x1b["},
        {"e280ae", "\\xe2\\x80\\xae"}, // right-to-left override
        {"eda080", "\\xed\\xa0\\x80"}, // a surrogate
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct bytes raw = from_hex(cases[i].hex);
        struct buffer out = {0}, back = {0};

        test_case = cases[i].hex;
        text_append_escaped(&out, raw);
        CHECK(bytes_equal_text(buffer_bytes(&out), cases[i].shown));
        CHECK(text_unescape(&back, buffer_bytes(&out)));
        CHECK(bytes_equal(buffer_bytes(&back), raw));
        free((void *)(uintptr_t)raw.data);
        buffer_cleanup(&out);
        buffer_cleanup(&back);
    }
}

static void pem_has_lines_of_64_characters(void **state)
{
    uint8_t zeros[49] = {0};
    struct buffer out = {0};

    (void)state;
    text_append_pem(&out, bytes_of(zeros, sizeof zeros));
    CHECK(bytes_equal_text(
        buffer_bytes(&out),
        "-----BEGIN CERTIFICATE-----\n"
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"
        "AA==\n"
        "-----END CERTIFICATE-----\n"));
    buffer_cleanup(&out);
}

static void verbatim_strings_read_back(void **state)
{
    static const char text[] = "a\"b\\c\n\x01 \xe2\x80\x94 z";
    struct buffer out = {0};
    struct json *document;
    struct bytes back;

    (void)state;
    buffer_append_byte(&out, '[');
    CHECK(json_append_verbatim(&out, view(text)));
    buffer_append_byte(&out, ']');
    CHECK(json_parse(&document, buffer_bytes(&out), NULL));
    CHECK(json_text(json_at(document, 0), &back));
    CHECK(bytes_equal_text(back, text));
    json_free(document);
    CHECK(!json_append_verbatim(&out, view("\xff")));
    CHECK(!json_append_verbatim(&out, bytes_of("a\0b", 3)));
    buffer_cleanup(&out);
}

// Eight bytes are looked at side by side: each value at each place.
static void strings_are_escaped_wherever_they_must(void **state)
{
    (void)state;
    for (size_t i = 0; i < 256 * 19 * 19; i++) {
        unsigned value = (unsigned)(i / 19 / 19);
        size_t len = i / 19 % 19 + 1, at = i % 19;
        bool is_plain =
            value >= 0x20 && value < 0x7f && value != '"' && value != '\\';
        struct buffer out = {0};
        uint8_t text[19];

        if (at >= len) continue;
        memset(text, 'a' + (int)at, len);
        text[at] = (uint8_t)value;
        json_append_string(&out, bytes_of(text, len));
        CHECK((out.len == len + 2) == is_plain);
        CHECK(!is_plain || memcmp(out.data + 1, text, len) == 0);
        buffer_cleanup(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base64_round_trips),
        cmocka_unit_test(base64_refuses_what_is_not_strict),
        cmocka_unit_test(writes_every_day),
        cmocka_unit_test(hex_is_written_of_any_length),
        cmocka_unit_test(times_read_and_write),
        cmocka_unit_test(escapes_what_does_not_print),
        cmocka_unit_test(pem_has_lines_of_64_characters),
        cmocka_unit_test(verbatim_strings_read_back),
        cmocka_unit_test(strings_are_escaped_wherever_they_must),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
