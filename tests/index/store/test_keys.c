// test_keys.c - keys against a naive reading of the same names.
//
// The oracle splits a name into its list of labels and compares lists.

#include "tests/support/check.h"

#include "index/base/sha256.h"
#include "index/store/keys.h"

enum { LABELS_MAX = 64 };

static struct bytes view(const char *text)
{
    return bytes_from_text(text);
}

static const struct {
    enum term_kind kind;
    const char *value; // hex
    const char *key;   // hex
} cases[] = {
    {TERM_DNS, "636f6d", "01 636f6d00"},
    {TERM_DNS, "612e62", "01 6200 6100"},
    {TERM_DNS, "2a2e612e62", "01 6200 6100 2a00"},
    {TERM_DNS, "2e62", "01 6200 0100"},
    {TERM_DNS, "612e2e62", "01 6200 0100 6100"},
    {TERM_DNS, "00 2e 01", "01 010200 010100"},
    {TERM_DNS, "61 00 62 01 2e 63", "01 6300 61 0101 62 0102 00"},
    {TERM_DNS, "ff", "01 ff00"},
    {TERM_IPV4, "01010101", "02 01010101"},
    {TERM_IPV6, "20010db8000000000000000000000001",
     "03 20010db8000000000000000000000001"},
    {TERM_IRREGULAR, "", "04"},
    {TERM_IRREGULAR, "612e62", "04 6200 6100"},
    {TERM_CN_TEXT, "41 20 42", "05 41204200"},
    {TERM_CN_TEXT, "41 00 2e", "05 4101012e00"},
    {TERM_IP_OCTETS, "00000000ffffff00", "06 0101010101010101 ffffff 0101 00"},
    {TERM_SERIAL, "", "13 0100"},
    {TERM_SERIAL, "7f01", "13 7f010200"},
    {TERM_SPKI_SHA256,
     "000102030405060708090a0b0c0d0e0f000102030405060708090a0b0c0d0e0f",
     "12 000102030405060708090a0b0c0d0e0f000102030405060708090a0b0c0d0e0f"},
};

static void writes_and_reads_keys(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct bytes value = from_hex(cases[i].value);
        struct bytes want = from_hex(cases[i].key);
        struct buffer key = {0}, back = {0};
        enum term_kind kind;

        test_case = cases[i].key;
        keys_append(&key, cases[i].kind, value);
        CHECK(bytes_equal(buffer_bytes(&key), want));
        CHECK(keys_parse(want, &kind, &back));
        CHECK(kind == cases[i].kind);
        CHECK(bytes_equal(buffer_bytes(&back), value));
        buffer_cleanup(&key);
        buffer_cleanup(&back);
        free((void *)(uintptr_t)value.data);
        free((void *)(uintptr_t)want.data);
    }
}

static void refuses_what_is_no_key(void **state)
{
    static const char *const bad[] = {
        "",
        "00",
        "07",
        "ff00",
        "01 61",
        "01 00",
        "01 0100",
        "01 61 01",
        "01 610100",
        "01 61 0103 00",
        "01 612e00",
        "02 010101",
        "02 0101010101",
        "03 01",
        "05 41",
        "05 4100 4200",
        "10 00",
        "13 00",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct bytes key = from_hex(bad[i]);
        struct buffer value = {0};
        enum term_kind kind;

        test_case = bad[i];
        CHECK(!keys_parse(key, &kind, &value));
        CHECK(value.len == 0);
        buffer_cleanup(&value);
        free((void *)(uintptr_t)key.data);
    }
}

// ------------------------------------------------ against the naive reading

struct labels {
    size_t num;
    struct bytes list[LABELS_MAX]; // rightmost first
};

static void split(struct labels *labels, struct bytes name)
{
    size_t end = name.len;

    labels->num = 0;
    for (size_t i = name.len + 1; i-- > 0;) {
        if (i > 0 && name.data[i - 1] != '.') continue;
        assert_true(labels->num < LABELS_MAX);
        labels->list[labels->num++] = bytes_of(name.data + i, end - i);
        end = i == 0 ? 0 : i - 1;
    }
}

static int compare_labels(const struct labels *a, const struct labels *b)
{
    for (size_t i = 0; i < a->num && i < b->num; i++) {
        int order = bytes_compare(a->list[i], b->list[i]);

        if (order != 0) return order;
    }
    return a->num < b->num ? -1 : a->num > b->num;
}

static bool is_under(const struct labels *name, const struct labels *zone)
{
    if (name->num < zone->num) return false;
    for (size_t i = 0; i < zone->num; i++) {
        if (!bytes_equal(name->list[i], zone->list[i])) return false;
    }
    return true;
}

static uint32_t next(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 8;
}

// Few different bytes, so that names are often alike.
static struct bytes random_name(uint32_t *seed, uint8_t *room, size_t len_max)
{
    static const uint8_t alphabet[] = {'.', '.', 'a', 'b', 0, 1, 2, 0xff, '-'};
    size_t len = 1 + next(seed) % len_max;

    for (size_t i = 0; i < len; i++) {
        room[i] = alphabet[next(seed) % sizeof alphabet];
    }
    if (len == 1 && room[0] == '.') room[0] = 'a';
    return bytes_of(room, len);
}

static int sign(int order)
{
    return (order > 0) - (order < 0);
}

// The range holds this name's key, and its key with any id behind it.
static bool holds(const struct buffer *first, const struct buffer *end,
                  const struct buffer *key)
{
    static const uint8_t ids[3][7] = {
        {0}, {0, 1, 2, 3, 4, 5, 6}, {0, 255, 255, 255, 255, 255, 255}};
    bool is_in = bytes_compare(buffer_bytes(key), buffer_bytes(first)) >= 0 &&
                 bytes_compare(buffer_bytes(key), buffer_bytes(end)) < 0;

    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        struct buffer full = {0};

        buffer_append(&full, buffer_bytes(key));
        buffer_append(&full, bytes_of(ids[i], 7));
        CHECK((bytes_compare(buffer_bytes(&full), buffer_bytes(first)) >= 0 &&
               bytes_compare(buffer_bytes(&full), buffer_bytes(end)) < 0) ==
              is_in);
        buffer_cleanup(&full);
    }
    return is_in;
}

static void subtrees_are_exact(void **state)
{
    uint32_t seed = 11;

    (void)state;
    test_case = "random pairs";
    for (size_t i = 0; i < 20000; i++) {
        uint8_t room_a[16], room_b[16];
        struct bytes a = random_name(&seed, room_a, 12);
        struct bytes b = random_name(&seed, room_b, 6);
        struct labels labels_a, labels_b;
        struct buffer key_a = {0}, key_b = {0}, back = {0};
        struct buffer first = {0}, below = {0}, end = {0}, end_below = {0};
        enum term_kind kind;

        split(&labels_a, a);
        split(&labels_b, b);
        keys_append(&key_a, TERM_DNS, a);
        keys_append(&key_b, TERM_DNS, b);
        CHECK(sign(compare_labels(&labels_a, &labels_b)) ==
              sign(bytes_compare(buffer_bytes(&key_a), buffer_bytes(&key_b))));
        CHECK(keys_subtree(&first, &end, b, true));
        CHECK(keys_subtree(&below, &end_below, b, false));
        CHECK(bytes_equal(buffer_bytes(&end), buffer_bytes(&end_below)));
        CHECK(holds(&first, &end, &key_a) == is_under(&labels_a, &labels_b));
        CHECK(holds(&below, &end, &key_a) ==
              (is_under(&labels_a, &labels_b) && labels_a.num > labels_b.num));
        CHECK(keys_parse(buffer_bytes(&key_a), &kind, &back));
        CHECK(bytes_equal(buffer_bytes(&back), a) && kind == TERM_DNS);
        buffer_cleanup(&key_a);
        buffer_cleanup(&key_b);
        buffer_cleanup(&back);
        buffer_cleanup(&first);
        buffer_cleanup(&below);
        buffer_cleanup(&end);
        buffer_cleanup(&end_below);
    }
}

static void a_neighbour_is_not_below(void **state)
{
    static const struct {
        const char *name;
        bool is_in, is_below;
    } names[] = {
        {"example.com", true, false},
        {"www.example.com", true, true},
        {"*.example.com", true, true},
        {".example.com", true, true},
        {"a.b.example.com", true, true},
        {"example-cdn.com", false, false},
        {"xexample.com", false, false},
        {"example.com.x", false, false},
        {"com", false, false},
        {"example.co", false, false},
        {"example.comx", false, false},
        {"example\x01.com", false, false},
        {"\xff.example.com", true, true},
        {"\x01.example.com", true, true},
    };
    struct buffer first = {0}, below = {0}, end = {0}, unused = {0};

    (void)state;
    CHECK(keys_subtree(&first, &end, view("example.com"), true));
    CHECK(keys_subtree(&below, &unused, view("example.com"), false));
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct buffer key = {0};

        test_case = names[i].name;
        keys_append(&key, TERM_DNS, view(names[i].name));
        CHECK(holds(&first, &end, &key) == names[i].is_in);
        CHECK(holds(&below, &end, &key) == names[i].is_below);
        buffer_cleanup(&key);
    }
    buffer_cleanup(&first);
    buffer_cleanup(&below);
    buffer_cleanup(&end);
    buffer_cleanup(&unused);
}

// ------------------------------------------------ long names

static void append_long(struct buffer *out, size_t len, const char *zone)
{
    for (size_t i = 0; i + 1 + strlen(zone) < len; i++) {
        buffer_append_byte(out, 'a');
    }
    buffer_append_byte(out, '.');
    buffer_append_text(out, zone);
}

static void long_names_are_cut_inside_their_subtree(void **state)
{
    struct buffer first = {0}, end = {0}, other_first = {0}, other_end = {0};

    (void)state;
    CHECK(keys_subtree(&first, &end, view("example.com"), true));
    CHECK(
        keys_subtree(&other_first, &other_end, view("example-cdn.com"), true));
    for (size_t len = 400; len < 480; len++) {
        struct buffer name = {0}, key = {0}, back = {0}, whole = {0};
        struct sha256_hash hash;
        enum term_kind kind;

        test_case = "long";
        append_long(&name, len, "example.com");
        // Kind, two labels, the long one: each of the three closed.
        buffer_append_text(&whole, "\x01");
        buffer_append(&whole, bytes_of("com\0example\0", 12));
        buffer_append(&whole, bytes_of(name.data, len - 12));
        buffer_append_byte(&whole, 0);
        keys_append(&key, TERM_DNS, buffer_bytes(&name));
        if (whole.len < 440) {
            CHECK(bytes_equal(buffer_bytes(&key), buffer_bytes(&whole)));
            CHECK(keys_parse(buffer_bytes(&key), &kind, &back));
            CHECK(bytes_equal(buffer_bytes(&back), buffer_bytes(&name)));
        } else {
            hash = sha256(buffer_bytes(&whole));
            CHECK(key.len == 440);
            CHECK(memcmp(key.data, whole.data, 408) == 0);
            CHECK(memcmp(key.data + 408, hash.bytes, 32) == 0);
            CHECK(!keys_parse(buffer_bytes(&key), &kind, &back));
        }
        CHECK(holds(&first, &end, &key));
        CHECK(!holds(&other_first, &other_end, &key));
        buffer_cleanup(&name);
        buffer_cleanup(&key);
        buffer_cleanup(&back);
        buffer_cleanup(&whole);
    }
    buffer_cleanup(&first);
    buffer_cleanup(&end);
    buffer_cleanup(&other_first);
    buffer_cleanup(&other_end);
}

// What has the length of a cut key is one, whatever it looks like.
static void a_cut_key_is_not_read(void **state)
{
    (void)state;
    for (size_t len = 438; len < 443; len++) {
        struct buffer key = {0}, value = {0};
        enum term_kind kind;

        test_case = "length";
        buffer_append_byte(&key, TERM_DNS);
        while (key.len < len - 1) {
            buffer_append_byte(&key, 'a');
        }
        buffer_append_byte(&key, 0);
        CHECK(keys_parse(buffer_bytes(&key), &kind, &value) == (len < 440));
        buffer_cleanup(&key);
        buffer_cleanup(&value);
    }
}

static void long_names_that_begin_alike_differ(void **state)
{
    struct buffer a = {0}, b = {0}, key_a = {0}, key_b = {0};

    (void)state;
    test_case = "same 440 bytes";
    append_long(&a, 1000000, "example.com");
    append_long(&b, 1000000, "example.com");
    a.data[0] = 'x'; // both reversed lists are alike for 440 bytes and more
    a.data[999000] = b.data[999000] = 'b';
    a.data[980000] = 'c';
    keys_append(&key_a, TERM_DNS, buffer_bytes(&a));
    keys_append(&key_b, TERM_DNS, buffer_bytes(&b));
    CHECK(key_a.len == 440 && key_b.len == 440);
    CHECK(!bytes_equal(buffer_bytes(&key_a), buffer_bytes(&key_b)));
    buffer_cleanup(&a);
    buffer_cleanup(&b);
    buffer_cleanup(&key_a);
    buffer_cleanup(&key_b);
}

static void a_long_zone_misses_nothing(void **state)
{
    (void)state;
    for (size_t len = 380; len < 470; len++) {
        struct buffer zone = {0}, name = {0}, key = {0};
        struct buffer first = {0}, end = {0};
        bool is_exact;

        test_case = "long zone";
        append_long(&zone, len, "example.com");
        buffer_append_text(&name, "www.");
        buffer_append(&name, buffer_bytes(&zone));
        keys_append(&key, TERM_DNS, buffer_bytes(&name));
        is_exact = keys_subtree(&first, &end, buffer_bytes(&zone), true);
        CHECK(is_exact == (len + 2 <= 408));
        CHECK(holds(&first, &end, &key));
        buffer_cleanup(&key);
        keys_append(&key, TERM_DNS, buffer_bytes(&zone));
        CHECK(holds(&first, &end, &key));
        buffer_cleanup(&zone);
        buffer_cleanup(&name);
        buffer_cleanup(&key);
        buffer_cleanup(&first);
        buffer_cleanup(&end);
    }
}

// ------------------------------------------------ prefixes

static bool shares_prefix(const uint8_t *a, const uint8_t *b, unsigned len)
{
    for (unsigned i = 0; i < len; i++) {
        unsigned shift = 7 - i % 8;

        if ((a[i / 8] >> shift & 1) != (b[i / 8] >> shift & 1)) return false;
    }
    return true;
}

static void prefixes_are_ranges(void **state)
{
    uint32_t seed = 5;

    (void)state;
    test_case = "random prefixes";
    for (size_t i = 0; i < 60000; i++) {
        size_t len = i % 2 == 0 ? 4 : 16;
        enum term_kind kind = len == 4 ? TERM_IPV4 : TERM_IPV6;
        unsigned prefix_len = next(&seed) % (unsigned)(8 * len + 1);
        uint8_t net[16], address[16];
        struct buffer first = {0}, end = {0}, key = {0};

        for (size_t j = 0; j < len; j++) {
            net[j] = (next(&seed) & 3) == 0 ? 0xff : (uint8_t)next(&seed);
            address[j] = net[j];
        }
        // Most often alike down to near the prefix's end.
        address[next(&seed) % len] ^= (uint8_t)(1u << next(&seed) % 8);
        keys_prefix(&first, &end, bytes_of(net, len), prefix_len);
        keys_append(&key, kind, bytes_of(address, len));
        CHECK(holds(&first, &end, &key) ==
              shares_prefix(net, address, prefix_len));
        buffer_cleanup(&first);
        buffer_cleanup(&end);
        buffer_cleanup(&key);
    }
}

static void a_prefix_of_nothing_is_every_address_of_its_family(void **state)
{
    static const uint8_t all[16] = {255, 255, 255, 255, 255, 255, 255, 255,
                                    255, 255, 255, 255, 255, 255, 255, 255};
    struct buffer first = {0}, end = {0}, key = {0}, other = {0};

    (void)state;
    test_case = "0.0.0.0/0";
    keys_prefix(&first, &end, bytes_of(all, 4), 0);
    keys_append(&key, TERM_IPV4, bytes_of(all, 4));
    keys_append(&other, TERM_IPV6, bytes_of((uint8_t[16]){0}, 16));
    CHECK(holds(&first, &end, &key));
    CHECK(!holds(&first, &end, &other));
    buffer_cleanup(&first);
    buffer_cleanup(&end);
    test_case = "255.255.255.255/32";
    keys_prefix(&first, &end, bytes_of(all, 4), 32);
    CHECK(holds(&first, &end, &key));
    CHECK(!holds(&first, &end, &other));
    buffer_cleanup(&first);
    buffer_cleanup(&end);
    test_case = "/200";
    keys_prefix(&first, &end, bytes_of(all, 4), 200);
    CHECK(bytes_equal(buffer_bytes(&first), buffer_bytes(&key)));
    buffer_cleanup(&first);
    buffer_cleanup(&end);
    buffer_cleanup(&key);
    buffer_cleanup(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_and_reads_keys),
        cmocka_unit_test(refuses_what_is_no_key),
        cmocka_unit_test(subtrees_are_exact),
        cmocka_unit_test(a_neighbour_is_not_below),
        cmocka_unit_test(long_names_are_cut_inside_their_subtree),
        cmocka_unit_test(a_cut_key_is_not_read),
        cmocka_unit_test(long_names_that_begin_alike_differ),
        cmocka_unit_test(a_long_zone_misses_nothing),
        cmocka_unit_test(prefixes_are_ranges),
        cmocka_unit_test(a_prefix_of_nothing_is_every_address_of_its_family),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
