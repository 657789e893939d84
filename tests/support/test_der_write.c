// test_der_write.c - what is written, BoringSSL's CBS reads.

#include "tests/support/der_write.h"

#include <openssl/bytestring.h>

#include "tests/support/check.h"

static void lengths_are_minimal_at_every_width(void **state)
{
    static const size_t lengths[] = {0,   1,   126,   127,   128,
                                     255, 256, 65535, 65536, 70000};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(lengths); i++) {
        struct buffer out = {0};
        size_t outer = der_open(&out, DER_SEQUENCE);
        size_t inner = der_open(&out, DER_OCTET_STRING);
        CBS cbs, sequence, octets;

        for (size_t j = 0; j < lengths[i]; j++) {
            buffer_append_byte(&out, (uint8_t)j);
        }
        der_close(&out, inner);
        der_put_small(&out, 5);
        der_close(&out, outer);
        CBS_init(&cbs, out.data, out.len);
        assert_true(CBS_get_asn1(&cbs, &sequence, CBS_ASN1_SEQUENCE));
        assert_int_equal(CBS_len(&cbs), 0);
        assert_true(CBS_get_asn1(&sequence, &octets, CBS_ASN1_OCTETSTRING));
        assert_int_equal(CBS_len(&octets), lengths[i]);
        for (size_t j = 0; j < lengths[i]; j++) {
            assert_int_equal(CBS_data(&octets)[j], (uint8_t)j);
        }
        assert_int_equal(CBS_len(&sequence), 3);
        buffer_cleanup(&out);
    }
}

static void small_numbers_read_back(void **state)
{
    static const uint64_t numbers[] = {0,        1,         127,       128,
                                       255,      256,       32767,     32768,
                                       1u << 31, INT64_MAX, UINT64_MAX};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        struct buffer out = {0};
        uint64_t number;
        CBS cbs;

        der_put_small(&out, numbers[i]);
        CBS_init(&cbs, out.data, out.len);
        assert_true(CBS_get_asn1_uint64(&cbs, &number)); // minimal or refused
        assert_true(number == numbers[i]);
        assert_int_equal(CBS_len(&cbs), 0);
        buffer_cleanup(&out);
    }
}

static const struct {
    const char *name;
    int64_t seconds;
    uint8_t tag;
    const char *text;
} times[] = {
    {"the epoch", 0, 0x17, "700101000000Z"},
    {"before it", -1, 0x17, "691231235959Z"},
    {"first UTCTime", -631152000, 0x17, "500101000000Z"},
    {"before UTCTime", -631152001, 0x18, "19491231235959Z"},
    {"last UTCTime", 2524607999, 0x17, "491231235959Z"},
    {"after UTCTime", 2524608000, 0x18, "20500101000000Z"},
    {"a leap day", 1709164799, 0x17, "240228235959Z"},
    {"no end", 253402300799, 0x18, "99991231235959Z"},
};

static void times_take_the_form_of_their_year(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(times); i++) {
        struct buffer out = {0};

        test_case = times[i].name;
        der_put_time(&out, times[i].seconds);
        CHECK(out.data[0] == times[i].tag);
        CHECK(out.data[1] == strlen(times[i].text));
        CHECK(bytes_equal_text(bytes_of(out.data + 2, out.len - 2),
                               times[i].text));
        buffer_cleanup(&out);
    }
}

static void a_failed_buffer_stays_failed(void **state)
{
    (void)state;
    for (size_t max = 1; max < 298; max++) {
        struct buffer out = {.max = max};
        size_t outer = der_open(&out, DER_SEQUENCE);
        size_t inner = der_open(&out, DER_SEQUENCE);

        for (unsigned i = 0; i < 290; i++) {
            buffer_append_byte(&out, 0);
        }
        der_close(&out, inner);
        der_close(&out, outer);
        assert_false(buffer_ok(&out));
        buffer_cleanup(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lengths_are_minimal_at_every_width),
        cmocka_unit_test(small_numbers_read_back),
        cmocka_unit_test(times_take_the_form_of_their_year),
        cmocka_unit_test(a_failed_buffer_stays_failed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
