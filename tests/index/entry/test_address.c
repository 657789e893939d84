// test_address.c - addresses in every spelling, and RFC 5952 text.
//
// The oracle is inet_pton and inet_ntop where they know the spelling.

#include "tests/support/check.h"

#include <arpa/inet.h>

#include "index/entry/names.h"

static const struct {
    const char *text;
    const char *shown; // RFC 5952; NULL: no address
} cases[] = {
    {"1.1.1.1", "1.1.1.1"},
    {"::ffff:1.1.1.1", "1.1.1.1"},
    {"::FFFF:0101:0101", "1.1.1.1"},
    {"0:0:0:0:0:ffff:101:101", "1.1.1.1"},
    {"001.01.1.001", "1.1.1.1"},
    {"010.0.0.1", "10.0.0.1"}, // decimal, not octal
    {" 1.1.1.1\t", "1.1.1.1"},
    {"1.1.1.1.", "1.1.1.1"},
    {"1.1.1.1..", "1.1.1.1"},
    {"[1.1.1.1]", "1.1.1.1"},
    {"2606:4700:4700::1111", "2606:4700:4700::1111"},
    {"2606:4700:4700:0:0:0:0:1111", "2606:4700:4700::1111"},
    {"2606:4700:4700:0000:0000:0000:0000:1111", "2606:4700:4700::1111"},
    {"2606:4700:4700::0.0.17.17", "2606:4700:4700::1111"},
    {"2606:4700:4700::1111.", "2606:4700:4700::1111"},
    {":2606:4700:4700:0:0:0:0:1111", "2606:4700:4700::1111"}, // crt.sh
    {"[2606:4700:4700::1111]", "2606:4700:4700::1111"},
    {"fe80::1%eth0", "fe80::1"},
    {"[fe80::1%25eth0]", "fe80::1"},
    {"2001:DB8::A", "2001:db8::a"},
    {"::", "::"},
    {"::1", "::1"},
    {"1::", "1::"},
    {"1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"},
    {"::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"},
    {"1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"},
    {"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},
    {"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
    {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
    {"::1.2.3.4", "::102:304"},
    {"64:ff9b::1.2.3.4", "64:ff9b::102:304"},
    {"", NULL},
    {".", NULL},
    {"[]", NULL},
    {"1.1.1", NULL},
    {"1.1.1.1.1", NULL},
    {"1.1.1.256", NULL},
    {"1.1.1.0001", NULL},
    {"1..1.1", NULL},
    {".1.1.1.1", NULL},
    {"1.1.1.1x", NULL},
    {"1.1.1.1/32", NULL},
    {"1.1.1.1:443", NULL},
    {"1.1.1.1%eth0", NULL},
    {"-1.1.1.1", NULL},
    {"0x1.1.1.1", NULL},
    {"1.1.1.1\n1", NULL},
    {":", NULL},
    {":1", NULL},
    {":::", NULL},
    {"1:::2", NULL},
    {"1::2::3", NULL},
    {"1:2:3:4:5:6:7", NULL},
    {"1:2:3:4:5:6:7:8:9", NULL},
    {"1:2:3:4:5:6:7:8::", NULL},
    {"1:2:3:4::5:6:7:8", NULL},
    {"1:2:3:4:5:6:7:1.2.3.4", NULL},
    {"12345::", NULL},
    {"g::", NULL},
    {"1:", NULL},
    {"1::2:", NULL},
    {"::1.2.3", NULL},
    {"::1.2.3.4:5", NULL},
    {"[::1", NULL},
    {"[[::1]]", NULL},
    {"[::1]:443", NULL},
    {"bad.cafe", NULL},
    {"cafe", NULL},
};

static void reads_every_spelling(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct bytes text = heap_copy(bytes_from_text(cases[i].text));
        struct buffer shown = {0};
        uint8_t octets[16];
        size_t len;

        test_case = cases[i].text;
        CHECK(names_parse_ip(text, octets, &len) == (cases[i].shown != NULL));
        if (cases[i].shown != NULL) {
            names_append_ip(&shown, bytes_of(octets, len));
            CHECK(bytes_equal_text(buffer_bytes(&shown), cases[i].shown));
        }
        buffer_cleanup(&shown);
        free((void *)(uintptr_t)text.data);
    }
}

static void agrees_with_inet_pton(void **state)
{
    static const char alphabet[] = "0123456789abcdef::::....";
    uint32_t seed = 1;
    size_t num_addresses = 0;

    (void)state;
    for (size_t i = 0; i < 200000; i++) {
        char text[24];
        uint8_t octets[16], want[16];
        size_t len = 0, got_len;
        bool got, is_ipv6;

        do {
            seed = seed * 1664525 + 1013904223;
            text[len++] = alphabet[(seed >> 20) % (sizeof alphabet - 1)];
        } while (len < 18 && (seed >> 12 & 15) != 0);
        text[len] = 0;
        test_case = text;
        got = names_parse_ip(bytes_of(text, len), octets, &got_len);
        is_ipv6 = inet_pton(AF_INET6, text, want) == 1;
        if (is_ipv6) {
            CHECK(got && got_len == 16 && memcmp(octets, want, 16) == 0);
            num_addresses++;
        } else if (inet_pton(AF_INET, text, want) == 1) {
            CHECK(got && got_len == 4 && memcmp(octets, want, 4) == 0);
            num_addresses++;
        }
    }
    CHECK(num_addresses > 100);
}

static void writes_what_inet_ntop_writes(void **state)
{
    uint32_t seed = 7;

    (void)state;
    for (size_t i = 0; i < 20000; i++) {
        struct buffer shown = {0};
        uint8_t octets[16], back[16];
        char want[INET6_ADDRSTRLEN];
        size_t len;

        for (size_t j = 0; j < 16; j++) {
            seed = seed * 1664525 + 1013904223;
            octets[j] = (seed >> 28 & 3) != 0 ? 0 : (uint8_t)(seed >> 16);
        }
        octets[0] = 0x20; // glibc writes ::1.2.3.4 for compatible addresses
        CHECK(inet_ntop(AF_INET6, octets, want, sizeof want) != NULL);
        test_case = want;
        names_append_ip(&shown, bytes_of(octets, 16));
        CHECK(bytes_equal_text(buffer_bytes(&shown), want));
        CHECK(names_parse_ip(buffer_bytes(&shown), back, &len));
        CHECK(len == 16 && memcmp(octets, back, 16) == 0);
        buffer_cleanup(&shown);
    }
}

static void shows_a_mapped_address_that_was_not_unmapped(void **state)
{
    struct bytes octets = from_hex("00000000000000000000ffffcb007109");
    struct buffer shown = {0};

    (void)state;
    test_case = "::ffff:203.0.113.9";
    names_append_ip(&shown, octets);
    CHECK(bytes_equal_text(buffer_bytes(&shown), test_case));
    buffer_cleanup(&shown);
    free((void *)(uintptr_t)octets.data);
}

static void survives_every_truncation(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        for (size_t len = 0; len < strlen(cases[i].text); len++) {
            struct bytes text = heap_copy(bytes_of(cases[i].text, len));
            uint8_t octets[16];
            size_t octets_len;

            test_case = cases[i].text;
            if (names_parse_ip(text, octets, &octets_len)) {
                CHECK(octets_len == 4 || octets_len == 16);
            }
            free((void *)(uintptr_t)text.data);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_spelling),
        cmocka_unit_test(agrees_with_inet_pton),
        cmocka_unit_test(writes_what_inet_ntop_writes),
        cmocka_unit_test(shows_a_mapped_address_that_was_not_unmapped),
        cmocka_unit_test(survives_every_truncation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
