// test_der.c - DER, read as BER.

#include "tests/support/check.h"

#include <openssl/bytestring.h>
#include <openssl/mem.h>

#include "index/entry/der.h"

static const struct {
    const char *name;
    const char *hex;
    const char *content; // NULL: refused
    size_t rest_len;
} cases[] = {
    {"empty", "0500", "", 0},
    {"short", "0203 010203 ff", "010203", 1},
    {"long of one octet", "0481 02 0102", "0102", 0},
    {"long of two octets", "0482 0002 0102 00", "0102", 1},
    {"long of four octets", "0484 00000001 aa", "aa", 0},
    {"long of twelve octets", "048c 000000000000000000000001 aa", "aa", 0},
    {"high tag number", "1f8101 01 aa", "aa", 0},
    {"high tag number, wrong class", "ff8101 01 aa", "aa", 0},
    {"indefinite", "3080 0500 0000 ff", "0500", 1},
    {"indefinite of nothing", "3080 0000", "", 0},
    {"indefinite in indefinite", "3080 3080 0101ff 0000 0000",
     "3080 0101ff 0000", 0},
    {"definite in indefinite holds what looks like an end",
     "3080 0402 0000 0000", "0402 0000", 0},
    {"nothing", "", NULL, 0},
    {"tag alone", "30", NULL, 1},
    {"longer than its bytes", "0203 0102", NULL, 4},
    {"cut length", "0482 00", NULL, 3},
    {"length of 2^32", "0485 0100000000 aa", NULL, 8},
    {"length of 2^64", "0489 010000000000000000 aa", NULL, 12},
    {"length of all ones", "0488 ffffffffffffffff aa", NULL, 11},
    {"endless tag number", "1f ffffffffffffffffffff 01 00", NULL, 13},
    {"cut tag number", "1f81", NULL, 2},
    {"indefinite without end", "3080 0500", NULL, 4},
    {"indefinite primitive", "0480 aa 0000", NULL, 5},
    {"indefinite primitive inside", "3080 0480 0000 0000", NULL, 8},
};

static void reads_and_refuses(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct bytes wire = from_hex(cases[i].hex), view = wire;
        bool reads = cases[i].content != NULL;
        struct der der;

        test_case = cases[i].name;
        CHECK(der_read(&view, &der) == reads);
        if (reads) {
            struct bytes content = from_hex(cases[i].content);

            CHECK(der.tag == wire.data[0]);
            CHECK(bytes_equal(der.content, content));
            CHECK(der.whole.data == wire.data);
            CHECK(der.whole.len == wire.len - cases[i].rest_len);
            CHECK(view.len == cases[i].rest_len);
            free((void *)content.data);
        } else {
            CHECK(view.data == wire.data && view.len == wire.len);
        }
        free((void *)wire.data);
    }
}

static void refuses_every_truncation(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct bytes wire = from_hex(cases[i].hex);
        size_t whole = wire.len - cases[i].rest_len;

        test_case = cases[i].name;
        for (size_t len = 0; cases[i].content != NULL && len < whole; len++) {
            struct bytes cut = heap_copy(bytes_of(wire.data, len));
            struct bytes view = cut;
            struct der der;

            CHECK(!der_read(&view, &der));
            free((void *)cut.data);
        }
        free((void *)wire.data);
    }
}

// Whatever BoringSSL reads as DER is read alike.
static void agrees_with_boringssl(void **state)
{
    uint32_t seed = 1;

    (void)state;
    for (size_t round = 0; round < 200000; round++) {
        uint8_t wire[8];
        struct bytes view;
        struct der der;
        CBS cbs, element;
        size_t header_len;

        for (size_t i = 0; i < sizeof wire; i++) {
            seed = seed * 1103515245 + 12345;
            wire[i] = (uint8_t)(seed >> 16);
            if (i == 1 && round % 2 == 0) wire[i] %= 8;
        }
        CBS_init(&cbs, wire, sizeof wire);
        if (!CBS_get_any_asn1_element(&cbs, &element, NULL, &header_len)) {
            continue;
        }
        view = bytes_of(wire, sizeof wire);
        assert_true(der_read(&view, &der));
        assert_int_equal(der.whole.len, CBS_len(&element));
        assert_int_equal(der.content.len, CBS_len(&element) - header_len);
    }
}

// 10^6 levels: no recursion, and linear.
static void reads_deep_nesting(void **state)
{
    enum { DEPTH = 1000000 };
    struct buffer out = {0};
    struct bytes view;
    struct der der;

    (void)state;
    for (size_t i = 0; i < DEPTH; i++) {
        buffer_append_uint(&out, 0x3080, 2);
    }
    view = buffer_bytes(&out);
    assert_false(der_read(&view, &der));
    for (size_t i = 0; i < DEPTH; i++) {
        buffer_append_uint(&out, 0, 2);
    }
    view = buffer_bytes(&out);
    assert_true(der_read(&view, &der));
    assert_int_equal(der.content.len, 4 * DEPTH - 4);
    buffer_cleanup(&out);
}

static const struct {
    uint8_t tag;
    const char *text;
    int64_t seconds; // REFUSED
} times[] = {
#define REFUSED INT64_MIN
    {0x17, "700101000000Z", 0},
    {0x17, "491231235959Z", 2524607999},
    {0x17, "500101000000Z", -631152000},
    {0x17, "2401010000Z", 1704067200},
    {0x17, "240101000000", 1704067200},
    {0x17, "240101000000+0100", 1704063600},
    {0x17, "240101000000-0130", 1704072600},
    {0x18, "20240229120000Z", 1709208000},
    {0x18, "20240101000000.5Z", 1704067200},
    {0x18, "2024010100Z", 1704067200},
    {0x18, "00000101000000Z", -62167219200},
    {0x18, "99991231235959Z", 253402300799},
    {0x17, "20240101000000Z", 1704067200}, // not its form
    {0x97, "700101000000Z", 0},            // wrong class
    {0x17, "", REFUSED},
    {0x17, "Z", REFUSED},
    {0x18, "240101000000Z", REFUSED}, // 2401-01-00
    {0x17, "240230000000Z", REFUSED},
    {0x17, "241301000000Z", REFUSED},
    {0x17, "240100000000Z", REFUSED},
    {0x17, "240101240000Z", REFUSED},
    {0x17, "240101006000Z", REFUSED},
    {0x17, "240101000061Z", REFUSED},
    {0x17, "161231235960Z", 1483228800}, // a leap second
    {0x18, "20240101240000Z", REFUSED},
    {0x18, "20240101:00000Z", REFUSED},
    {0x18, "20240101/00000Z", REFUSED},
    {0x18, "2024010100000aZ", REFUSED},
    {0x17, "240101000000Zx", REFUSED},
    {0x17, "240101000000+01", REFUSED},
    {0x17, "240101000000+0160", REFUSED},
    {0x17, "24010100000", REFUSED},
    {0x17, "2401010000 0Z", REFUSED},
    {0x18, "20230229000000Z", REFUSED},
};

static void reads_times(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(times); i++) {
        struct bytes text = heap_copy(bytes_from_text(times[i].text));
        int64_t seconds = REFUSED;

        test_case = times[i].text;
        CHECK(der_parse_time(times[i].tag, text, &seconds) ==
              (times[i].seconds != REFUSED));
        CHECK(seconds == times[i].seconds);
        free((void *)text.data);
    }
}

static const struct {
    const char *hex;
    const char *text;
} oids[] = {
    {"2a8648ce3d030107", "1.2.840.10045.3.1.7"},
    {"2b06010401d679020403", "1.3.6.1.4.1.11129.2.4.3"},
    {"0992268993f22c640119", "0.9.2342.19200300.100.1.25"},
    {"883703", "2.999.3"},
    {"550403", "2.5.4.3"},
    {"00", "0.0"},
    {"81ffffffffffffffff7f", "2.18446744073709551535"},
    {"", "#"},
    {"2a86", "#2a86"},
    {"2affffffffffffffffffff7f", "#2affffffffffffffffffff7f"},
};

static void writes_oids(void **state)
{
    char text[DER_OID_TEXT_MAX];
    uint8_t wide[200];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(oids); i++) {
        struct bytes oid = from_hex(oids[i].hex);
        char *expected = NULL;
        CBS cbs;

        test_case = oids[i].text;
        CHECK(strcmp(der_oid_text(text, oid), oids[i].text) == 0);
        CBS_init(&cbs, oid.data, oid.len);
        if (oid.len > 0) expected = CBS_asn1_oid_to_text(&cbs);
        if (expected != NULL) CHECK(strcmp(text, expected) == 0);
        OPENSSL_free(expected);
        free((void *)oid.data);
    }
    memset(wide, 0x7f, sizeof wide);
    test_case = "longer than its text";
    der_oid_text(text, bytes_of(wide, sizeof wide));
    CHECK(text[0] == '#' && strlen(text) == DER_OID_TEXT_MAX - 1);
}

static void writes_headers_that_boringssl_reads(void **state)
{
    static const size_t lens[] = {0,     1,     0x7f,    0x80,     0xff,
                                  0x100, 65535, 0x10000, 0xffffff, 0x1000000};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(lens); i++) {
        uint8_t *data = calloc(1, lens[i] + DER_HEADER_MAX);
        size_t header_len = der_put_header(data, 0x30, lens[i]), read_len;
        CBS cbs, element;

        CBS_init(&cbs, data, header_len + lens[i]);
        assert_true(CBS_get_any_asn1_element(&cbs, &element, NULL, &read_len));
        assert_int_equal(read_len, header_len);
        assert_int_equal(CBS_len(&cbs), 0);
        free(data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_and_refuses),
        cmocka_unit_test(refuses_every_truncation),
        cmocka_unit_test(agrees_with_boringssl),
        cmocka_unit_test(reads_deep_nesting),
        cmocka_unit_test(reads_times),
        cmocka_unit_test(writes_oids),
        cmocka_unit_test(writes_headers_that_boringssl_reads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
