// test_inflate.c - gzip written by libdeflate's other half and by zlib's rules.

#include "ingest/parse/inflate.h"
#include "tests/support/check.h"

#include <libdeflate.h>

// gzip of "sanct" written by another program (python3, mtime 0).
#define SANCT_GZIP "1f8b08000000000002ff2b4ecc4b2e01000f963ba005000000"

static struct inflater *inflater;

static int open_inflater(void **state)
{
    (void)state;
    return inflater_new(&inflater, NULL) ? 0 : -1;
}

static int close_inflater(void **state)
{
    (void)state;
    inflater_free(inflater);
    inflater_free(NULL);
    return 0;
}

static void append_gzip(struct buffer *out, struct bytes plain)
{
    struct libdeflate_compressor *compressor = libdeflate_alloc_compressor(6);
    size_t bound = libdeflate_gzip_compress_bound(compressor, plain.len);

    assert_true(buffer_reserve(out, bound));
    out->len += libdeflate_gzip_compress(compressor, plain.data, plain.len,
                                         out->data + out->len, bound);
    libdeflate_free_compressor(compressor);
}

static void accepts_and_rejects(void **state)
{
    static const struct {
        const char *name, *hex;
        const char *error; // NULL: accepted, as `plain`
        const char *plain;
    } cases[] = {
        {"one member", SANCT_GZIP, NULL, "sanct"},
        {"two members", SANCT_GZIP SANCT_GZIP, NULL, "sanctsanct"},
        {"nothing", "", "gzip: 0 bytes that are none", NULL},
        {"no gzip", "00112233", "gzip: 4 bytes that are none", NULL},
        {"trailing byte", SANCT_GZIP "00", "gzip: 1 bytes that are none", NULL},
        {"trailing magic", SANCT_GZIP "1f8b", "gzip: damaged or cut off", NULL},
        {"bad CRC", "1f8b08000000000002ff2b4ecc4b2e01000f963ba105000000",
         "gzip: damaged or cut off", NULL},
        {"bad length", "1f8b08000000000002ff2b4ecc4b2e01000f963ba006000000",
         "gzip: damaged or cut off", NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct bytes gzip = from_hex(cases[i].hex);
        struct buffer out = {0};
        struct err err = {0};

        test_case = cases[i].name;
        CHECK(inflate_gzip(inflater, &out, gzip, 100, &err) ==
              (cases[i].error == NULL));
        CHECK(strcmp(err.text, cases[i].error ? cases[i].error : "") == 0);
        if (cases[i].plain != NULL) {
            CHECK(bytes_equal_text(buffer_bytes(&out), cases[i].plain));
        }
        buffer_cleanup(&out);
        free((void *)(uintptr_t)gzip.data);
    }
}

static void rejects_every_truncation(void **state)
{
    struct bytes whole = from_hex(SANCT_GZIP);
    struct buffer out = {0};

    (void)state;
    for (size_t len = 0; len < whole.len; len++) {
        struct bytes cut = heap_copy(bytes_of(whole.data, len));

        CHECK(!inflate_gzip(inflater, &out, cut, 100, NULL));
        free((void *)(uintptr_t)cut.data);
    }
    free((void *)(uintptr_t)whole.data);
    buffer_cleanup(&out);
}

// A megabyte of zeros in a thousand bytes: the limit holds to the byte.
static void bounds_a_bomb(void **state)
{
    enum { LEN = 1 << 20 };
    uint8_t *zeros = calloc(1, LEN);
    struct buffer gzip = {0}, out = {0};
    struct err err = {0};

    (void)state;
    append_gzip(&gzip, bytes_of(zeros, LEN));
    CHECK(gzip.len < 2000);
    CHECK(inflate_gzip(inflater, &out, buffer_bytes(&gzip), LEN, &err));
    CHECK(out.len == LEN);
    CHECK(!inflate_gzip(inflater, &out, buffer_bytes(&gzip), LEN - 1, &err));
    CHECK(strcmp(err.text, "gzip: more than 1048575 bytes") == 0);
    CHECK(out.size <= LEN);
    buffer_cleanup(&out);

    // A second member beyond the limit counts as well.
    append_gzip(&gzip, bytes_from_text("x"));
    CHECK(!inflate_gzip(inflater, &out, buffer_bytes(&gzip), LEN, &err));
    CHECK(strcmp(err.text, "gzip: more than 1048576 bytes") == 0);
    CHECK(inflate_gzip(inflater, &out, buffer_bytes(&gzip), LEN + 1, &err));
    CHECK(out.len == LEN + 1);
    buffer_cleanup(&gzip);
    buffer_cleanup(&out);
    free(zeros);
}

// "sanct" as raw deflate, and the CRC-32 that gzip has of it.
static void inflates_raw(void **state)
{
    struct bytes raw = from_hex("2b4ecc4b2e0100");
    struct buffer out = {0};
    struct err err = {0};

    (void)state;
    test_case = "raw";
    CHECK(inflate_raw(inflater, &out, raw, 5, &err));
    CHECK(bytes_equal_text(buffer_bytes(&out), "sanct"));
    CHECK(inflate_crc32(buffer_bytes(&out)) == 0xa03b960f);
    CHECK(inflate_crc32(bytes_of(NULL, 0)) == 0);
    for (size_t len = 0; len < 9; len++) {
        CHECK(inflate_raw(inflater, &out, raw, len, &err) == (len == 5));
    }
    CHECK(strcmp(err.text, "deflate: damaged or cut off") == 0);
    for (size_t len = 0; len < raw.len; len++) {
        struct bytes cut = heap_copy(bytes_of(raw.data, len));

        CHECK(!inflate_raw(inflater, &out, cut, 5, NULL));
        free((void *)(uintptr_t)cut.data);
    }
    buffer_cleanup(&out);
    free((void *)(uintptr_t)raw.data);

    test_case = "nothing, and a byte behind the end";
    raw = from_hex("0300 00");
    CHECK(inflate_raw(inflater, &out, bytes_of(raw.data, 2), 0, NULL));
    CHECK(out.len == 0);
    CHECK(!inflate_raw(inflater, &out, raw, 0, NULL));
    buffer_cleanup(&out);
    free((void *)(uintptr_t)raw.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_and_rejects),
        cmocka_unit_test(rejects_every_truncation),
        cmocka_unit_test(bounds_a_bomb),
        cmocka_unit_test(inflates_raw),
    };

    return cmocka_run_group_tests(tests, open_inflater, close_inflater);
}
