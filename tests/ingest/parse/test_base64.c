// test_base64.c - against text_parse_base64, which is written another way.

#include "index/base/text.h"
#include "ingest/parse/base64.h"
#include "tests/support/check.h"

// The beginning and the rest, in place and with a quote and more behind.
static void check_begin(struct bytes text, bool ok, struct bytes want)
{
    static const char behind[] =
        "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    size_t size = text.len + sizeof behind - 1, begun, len;
    uint8_t *copy = malloc(size);

    assert_non_null(copy);
    if (text.len > 0) memcpy(copy, text.data, text.len);
    memcpy(copy + text.len, behind, sizeof behind - 1);
    begun = base64_decode_begin(copy, bytes_of(copy, size));
    CHECK(begun % 4 == 0 && begun <= text.len);
    CHECK(memcmp(copy + text.len, behind, sizeof behind - 1) == 0);
    CHECK(base64_decode(copy + base64_len_max(begun), &len,
                        bytes_of(copy + begun, text.len - begun)) == ok);
    if (ok) {
        len += base64_len_max(begun);
        CHECK(bytes_equal(bytes_of(copy, len), want));
    }
    free(copy);
}

// Decodes with both and compares what they say and give, apart and in place.
static void agree(struct bytes text)
{
    struct buffer want = {0};
    struct bytes copy = heap_copy(text);
    uint8_t *out = malloc(base64_len_max(text.len) + 1);
    bool ok = text_parse_base64(&want, text);
    size_t len;

    assert_non_null(out);
    CHECK(base64_decode(out, &len, text) == ok);
    if (ok) CHECK(bytes_equal(bytes_of(out, len), buffer_bytes(&want)));
    CHECK(base64_decode_portable(out, &len, text) == ok);
    if (ok) CHECK(bytes_equal(bytes_of(out, len), buffer_bytes(&want)));
    check_begin(text, ok, buffer_bytes(&want));
    CHECK(base64_decode((uint8_t *)(uintptr_t)copy.data, &len, copy) == ok);
    if (ok) CHECK(bytes_equal(bytes_of(copy.data, len), buffer_bytes(&want)));
    free(out);
    free((void *)(uintptr_t)copy.data);
    buffer_cleanup(&want);
}

static const struct {
    const char *text;
    const char *hex; // NULL: refused
} cases[] = {
    {"", ""},
    {"AA==", "00"},
    {"AAA=", "0000"},
    {"/+8=", "ffef"},
    {"Zm9vYmFy", "666f6f626172"},
    {"Zm9vYg==", "666f6f62"},
    {"A", NULL},
    {"AA", NULL},
    {"AA=", NULL},
    {"A===", NULL},
    {"====", NULL},
    {"AB==", NULL}, // unused bits
    {"AAB=", NULL},
    {"AA==AAAA", NULL},
    {"A=AA", NULL},
    {"AA=A", NULL},
    {"-_8=", NULL}, // the URL alphabet
    {"Zm9v YmF", NULL},
    {"Zm9v\nYm", NULL},
    {"AA\\/", NULL},
};

static void accepts_and_rejects(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct bytes text = heap_copy(bytes_from_text(cases[i].text));
        struct bytes want = from_hex(cases[i].hex ? cases[i].hex : "");
        uint8_t out[32];
        size_t len;

        test_case = cases[i].text;
        CHECK(base64_decode(out, &len, text) == (cases[i].hex != NULL));
        if (cases[i].hex != NULL) {
            CHECK(bytes_equal(bytes_of(out, len), want));
        }
        agree(text);
        free((void *)(uintptr_t)text.data);
        free((void *)(uintptr_t)want.data);
    }
}

// Every byte at every place of a padded and an unpadded group.
static void agrees_on_every_byte_everywhere(void **state)
{
    static const char *const bases[] = {"QUJDREVG", "QUJDREU=", "QUJDRA=="};

    (void)state;
    for (size_t b = 0; b < COUNT_OF(bases); b++) {
        for (size_t at = 0; at < 8; at++) {
            for (int byte = 0; byte < 256; byte++) {
                uint8_t text[8];

                memcpy(text, bases[b], 8);
                text[at] = (uint8_t)byte;
                agree(bytes_of(text, 8));
            }
        }
    }
}

// The same in blocks: every byte at every place of a long text, at every end.
static void agrees_on_every_byte_of_a_block(void **state)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint8_t text[3 * 64];

    (void)state;
    for (size_t len = 44; len <= 88; len += 4) {
        for (size_t at = 0; at < len; at++) {
            for (int byte = 0; byte < 256; byte++) {
                for (size_t i = 0; i < len; i++) {
                    text[i] = (uint8_t)digits[(i * 7 + at) % 64];
                }
                text[at] = (uint8_t)byte;
                agree(bytes_of(text, len));
            }
        }
    }
}

// As many bytes as there is room for are written, and none more.
static void stays_inside_its_room(void **state)
{
    (void)state;
    for (size_t len = 0; len <= 400; len += 4) {
        uint8_t *text = malloc(len + 1), *out = malloc(len / 4 * 3 + 1);
        size_t out_len;

        memset(text, 'Q', len);
        out[len / 4 * 3] = 0xa5;
        CHECK(base64_decode(out, &out_len, bytes_of(text, len)));
        CHECK(out_len == len / 4 * 3 && out[out_len] == 0xa5);
        free(text);
        free(out);
    }
}

static void gives_back_what_was_encoded(void **state)
{
    uint8_t data[300];
    uint32_t seed = 1;

    (void)state;
    for (size_t i = 0; i < sizeof data; i++) {
        seed = seed * 1103515245 + 12345;
        data[i] = (uint8_t)(seed >> 16);
    }
    for (size_t len = 0; len <= sizeof data; len++) {
        struct buffer text = {0};
        uint8_t out[304];
        size_t out_len;

        text_append_base64(&text, bytes_of(data, len));
        CHECK(base64_decode(out, &out_len, buffer_bytes(&text)));
        CHECK(bytes_equal(bytes_of(out, out_len), bytes_of(data, len)));
        buffer_cleanup(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_and_rejects),
        cmocka_unit_test(agrees_on_every_byte_everywhere),
        cmocka_unit_test(agrees_on_every_byte_of_a_block),
        cmocka_unit_test(stays_inside_its_room),
        cmocka_unit_test(gives_back_what_was_encoded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
