// test_host.c - lower case, and what is in a name, sixteen bytes at a time.

#include "tests/support/check.h"

#include "index/entry/host.h"

enum { LEN_MAX = 70 };

static uint64_t seed = 1;

static unsigned random_below(unsigned limit)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(seed >> 33) % limit;
}

static bool is_plain(uint8_t c)
{
    return c != 0 && strchr("abcdefghijklmnopqrstuvwxyz"
                            "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.*",
                            c) != NULL;
}

// Checks against one byte at a time; heap blocks catch what is beside them.
static void check(const uint8_t *data, size_t len)
{
    struct bytes text = heap_copy(bytes_of(data, len));
    uint8_t *lower = malloc(len);
    unsigned seen = host_lower(lower, text), expected = 0;
    bool two_hyphens = false;

    for (size_t i = 0; i < len; i++) {
        uint8_t c = data[i];

        CHECK(lower[i] == (c >= 'A' && c <= 'Z' ? c + 32 : c));
        if (!is_plain(c)) expected |= HOST_NOT_PLAIN;
        if (c == '*') expected |= HOST_STAR;
        if (i > 0 && c == '-' && data[i - 1] == '-') two_hyphens = true;
    }
    CHECK((seen & (HOST_NOT_PLAIN | HOST_STAR)) == expected);
    CHECK(host_is_plain(text) == ((expected & HOST_NOT_PLAIN) == 0));
    // It may be said too often, in names of 8 to 15 bytes that are looked at
    // in two halves.
    CHECK(!two_hyphens || (seen & HOST_TWO_HYPHENS) != 0);
    CHECK(two_hyphens || (seen & HOST_TWO_HYPHENS) == 0 || len < 16);
    free(lower);
    free((void *)text.data);
}

static void every_byte_at_every_place(void **state)
{
    uint8_t name[LEN_MAX];

    (void)state;
    for (size_t len = 1; len <= LEN_MAX; len++) {
        memset(name, 'a', sizeof name);
        for (size_t at = 0; at < len; at++) {
            for (unsigned c = 0; c < 256; c++) {
                name[at] = (uint8_t)c;
                check(name, len);
            }
            name[at] = 'a';
        }
        for (size_t at = 1; at < len; at++) {
            name[at - 1] = name[at] = '-';
            check(name, len);
            name[at - 1] = name[at] = 'a';
        }
    }
}

static void random_names(void **state)
{
    static const char letters[] = "abcXYZ019-_.*--";
    uint8_t name[LEN_MAX];

    (void)state;
    for (int round = 0; round < 50000; round++) {
        size_t len = 1 + random_below(LEN_MAX);

        for (size_t i = 0; i < len; i++) {
            name[i] = (uint8_t)letters[random_below(sizeof letters - 1)];
        }
        if (random_below(3) == 0) {
            name[random_below((unsigned)len)] = (uint8_t)random_below(256);
        }
        check(name, len);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_at_every_place),
        cmocka_unit_test(random_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
