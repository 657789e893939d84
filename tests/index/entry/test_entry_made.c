// test_entry_made.c - whole entries that were made to be odd or broken.

#include "tests/support/understood.h"

#include "index/entry/merkle.h"
#include "tests/support/check.h"
#include "tests/support/make_der.h"

static const uint8_t key_hash[32] = {7};

// A precertificate entry; `precert` is what was served beside the leaf.
struct made {
    struct buffer leaf;
    struct buffer precert;
    struct arena arena;
    struct entry entry;
};

static void make_leaf(struct buffer *out, enum leaf_type type,
                      struct bytes certificate, struct bytes extensions)
{
    struct leaf leaf = {.timestamp_ms = 1700000000000,
                        .type = type,
                        .certificate = certificate,
                        .extensions = extensions};

    if (type == LEAF_PRECERT) leaf.issuer_key_hash = bytes_of(key_hash, 32);
    leaf_append(out, &leaf);
}

static void understand(struct made *made, uint64_t index)
{
    struct entry_bytes bytes = {.index = index,
                                .leaf = buffer_bytes(&made->leaf),
                                .precert = buffer_bytes(&made->precert)};
    struct sha256_hash expected;

    assert_true(entry_understand(&made->entry, &bytes, &made->arena));
    expected = merkle_leaf_hash(bytes.leaf);
    assert_true(sha256_equal(&made->entry.leaf_hash, &expected));
    understood_check(&made->entry, &made->arena);
}

static void made_cleanup(struct made *made)
{
    buffer_cleanup(&made->leaf);
    buffer_cleanup(&made->precert);
    arena_cleanup(&made->arena);
}

// The extensions of a precertificate: SAN, then what `more` says in hex.
static void make_extensions(struct buffer *out, const char *dns,
                            const char *more)
{
    struct buffer names = {0};

    make_element(&names, 0x82, bytes_from_text(dns));
    make_san(out, buffer_bytes(&names));
    make_hex(out, more);
    buffer_cleanup(&names);
}

#define POISON "3013 060a2b06010401d679020403 0101ff 0402 0500"
#define KEY_ID_1 "300d 0603551d23 0406 30048002 aaaa"
#define KEY_ID_2 "300d 0603551d23 0406 30048002 bbbb"

struct pair {
    const char *name;
    struct make_cert leaf;
    const char *leaf_dns;
    const char *leaf_more;
    struct make_cert precert;
    const char *precert_dns;
    const char *precert_more;
    bool gives_back;
    bool mismatch;
};

static const struct pair pairs[] = {
    {.name = "the same",
     .leaf_dns = "a.example",
     .leaf_more = KEY_ID_1,
     .precert_dns = "a.example",
     .precert_more = KEY_ID_1 POISON,
     .gives_back = true},
    {.name = "a Precertificate Signing Certificate's",
     .leaf_dns = "a.example",
     .leaf_more = KEY_ID_1,
     .precert = {.issuer = "Test Precert CA"},
     .precert_dns = "a.example",
     .precert_more = KEY_ID_2 POISON},
    {.name = "the leaf has no key identifier",
     .leaf_dns = "a.example",
     .leaf_more = "",
     .precert = {.issuer = "Test Precert CA"},
     .precert_dns = "a.example",
     .precert_more = POISON KEY_ID_2},
    {.name = "another name",
     .leaf_dns = "a.example",
     .leaf_more = KEY_ID_1,
     .precert_dns = "b.example",
     .precert_more = KEY_ID_1 POISON,
     .mismatch = true},
    {.name = "another date",
     .leaf_dns = "a.example",
     .leaf_more = KEY_ID_1,
     .precert = {.not_before = "240102000000Z"},
     .precert_dns = "a.example",
     .precert_more = KEY_ID_1 POISON,
     .mismatch = true},
    {.name = "an extension more",
     .leaf_dns = "a.example",
     .leaf_more = "",
     .precert_dns = "a.example",
     .precert_more = POISON "3009 0603551d13 0402 3000",
     .mismatch = true},
    {.name = "an extension less",
     .leaf_dns = "a.example",
     .leaf_more = "3009 0603551d13 0402 3000",
     .precert_dns = "a.example",
     .precert_more = POISON,
     .mismatch = true},
};

static void compares_leaf_and_precertificate(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(pairs); i++) {
        const struct pair *pair = &pairs[i];
        struct buffer leaf_extensions = {0}, extensions = {0}, tbs = {0};
        struct make_cert leaf = pair->leaf, precert = pair->precert;
        struct made made = {0};
        struct sha256_hash hash;

        test_case = pair->name;
        make_extensions(&leaf_extensions, pair->leaf_dns, pair->leaf_more);
        make_extensions(&extensions, pair->precert_dns, pair->precert_more);
        leaf.extensions = buffer_bytes(&leaf_extensions);
        precert.extensions = buffer_bytes(&extensions);
        make_tbs(&tbs, &leaf);
        make_certificate(&made.precert, &precert);
        make_leaf(&made.leaf, LEAF_PRECERT, buffer_bytes(&tbs),
                  (struct bytes){0});
        understand(&made, 5);
        CHECK(made.entry.tbs_from_precert == pair->gives_back);
        CHECK(((made.entry.flags & FLAG_PRECERT_MISMATCH) != 0) ==
              pair->mismatch);
        CHECK((made.entry.flags & FLAG_UNPARSED) == 0);
        CHECK(understood_has(&made.entry, TERM_DNS, "a.example", VIA_SAN_DNS));
        CHECK(understood_has(&made.entry, TERM_DNS, "b.example",
                             VIA_UNAUTHENTICATED) ==
              (strcmp(pair->precert_dns, "b.example") == 0));
        CHECK(!understood_has(&made.entry, TERM_DNS, "a.example",
                              VIA_UNAUTHENTICATED));
        hash = sha256(buffer_bytes(&tbs));
        CHECK(made.entry.has_tbs_sha256 &&
              sha256_equal(&made.entry.tbs_sha256, &hash));
        hash = sha256(buffer_bytes(&made.precert));
        CHECK(made.entry.has_certificate_sha256 &&
              sha256_equal(&made.entry.certificate_sha256, &hash));
        CHECK(bytes_equal(made.entry.issuer_key_hash, bytes_of(key_hash, 32)));
        made_cleanup(&made);
        buffer_cleanup(&leaf_extensions);
        buffer_cleanup(&extensions);
        buffer_cleanup(&tbs);
    }
}

// Two that agree as far as they go and go nowhere are not the same.
static void compares_what_is_whole_only(void **state)
{
    struct bytes tbs = from_hex("3007 020101 3000 30fe");
    struct made made = {0};

    (void)state;
    make_leaf(&made.leaf, LEAF_PRECERT, tbs, (struct bytes){0});
    make_hex(&made.precert, "3009 3007 020101 3000 30ff");
    understand(&made, 0);
    assert_true((made.entry.flags & FLAG_PRECERT_MISMATCH) != 0);
    assert_true((made.entry.flags & FLAG_UNPARSED) != 0);
    assert_string_equal(made.entry.reason,
                        "certificate: issuer cannot be read");
    made_cleanup(&made);
    free((void *)tbs.data);
}

static void joins_final_and_precertificate_by_log_form(void **state)
{
    struct buffer plain = {0}, with_scts = {0}, tbs = {0}, cert = {0};
    struct made made = {0};
    struct sha256_hash hash;

    (void)state;
    make_extensions(&plain, "a.example", "");
    make_extensions(&with_scts, "a.example",
                    "3012 060a2b06010401d679020402 0404 04020000");
    make_tbs(&tbs, &(struct make_cert){.extensions = buffer_bytes(&plain)});
    make_certificate(
        &cert, &(struct make_cert){.extensions = buffer_bytes(&with_scts)});
    make_leaf(&made.leaf, LEAF_X509, buffer_bytes(&cert), (struct bytes){0});
    understand(&made, 0);
    hash = sha256(buffer_bytes(&tbs));
    assert_true(sha256_equal(&made.entry.tbs_sha256, &hash));
    hash = sha256(buffer_bytes(&cert));
    assert_true(sha256_equal(&made.entry.certificate_sha256, &hash));
    made_cleanup(&made);
    buffer_cleanup(&plain);
    buffer_cleanup(&with_scts);
    buffer_cleanup(&tbs);
    buffer_cleanup(&cert);
}

static const struct {
    const char *name;
    const char *extensions;
    uint64_t index;
    bool wrong;
} index_cases[] = {
    {"none", "", 7, false},
    {"right", "0000050000000007", 7, false},
    {"wrong", "0000050000000008", 7, true},
    {"40 bits", "000005ffffffffff", 0xffffffffff, false},
    {"unreadable", "00", 7, true},
    {"another extension", "010000", 7, false},
};

static void compares_leaf_index(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(index_cases); i++) {
        struct bytes extensions = from_hex(index_cases[i].extensions);
        struct buffer tbs = {0};
        struct made made = {0};

        test_case = index_cases[i].name;
        make_tbs(&tbs, &(struct make_cert){0});
        make_leaf(&made.leaf, LEAF_PRECERT, buffer_bytes(&tbs), extensions);
        understand(&made, index_cases[i].index);
        CHECK(((made.entry.flags & FLAG_WRONG_LEAF_INDEX) != 0) ==
              index_cases[i].wrong);
        CHECK((made.entry.flags & FLAG_UNPARSED) == 0);
        CHECK(!made.entry.tbs_from_precert);
        CHECK(!made.entry.has_certificate_sha256);
        made_cleanup(&made);
        buffer_cleanup(&tbs);
        free((void *)extensions.data);
    }
}

static void flags_a_bad_date_and_no_more(void **state)
{
    struct made made = {0};
    struct buffer tbs = {0};

    (void)state;
    make_tbs(&tbs, &(struct make_cert){.not_before = "nonsense"});
    make_leaf(&made.leaf, LEAF_PRECERT, buffer_bytes(&tbs), (struct bytes){0});
    understand(&made, 0);
    assert_true((made.entry.flags & FLAG_BAD_DATE) != 0);
    assert_int_equal(made.entry.flags & FLAG_UNPARSED, 0);
    assert_true(made.entry.cert.not_before == CERT_TIME_UNREADABLE);
    assert_true(made.entry.cert.not_after == 1735689600);
    made_cleanup(&made);
    buffer_cleanup(&tbs);
}

static const struct {
    const char *name;
    size_t at;     // octet of the leaf that is changed
    uint8_t value; // to this
    size_t cut;    // octets cut off the end
    const char *more;
    const char *reason;
} broken[] = {
    {"version", 0, 1, 0, "", "leaf: version 1 type 0"},
    {"leaf type", 1, 9, 0, "", "leaf: version 0 type 9"},
    {"entry type", 11, 2, 0, "", "leaf: entry type 2"},
    {"trailing", 0, 0, 0, "ff", "leaf: 1 trailing bytes"},
    {"cut", 0, 0, 1, "", "leaf: extensions truncated"},
    {"no tbs", 47, 0x04, 0, "", "tbsCertificate: not a SEQUENCE"},
    {"tbs too long", 49, 0xff, 0, "",
     "certificate: tbsCertificate: longer than its bytes"},
};

static void salvages_names_of_broken_leaves(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(broken); i++) {
        struct buffer extensions = {0}, tbs = {0};
        struct made made = {0};

        test_case = broken[i].name;
        make_extensions(&extensions, "hidden.example", KEY_ID_1);
        make_tbs(&tbs,
                 &(struct make_cert){.extensions = buffer_bytes(&extensions)});
        make_leaf(&made.leaf, LEAF_PRECERT, buffer_bytes(&tbs),
                  (struct bytes){0});
        made.leaf.data[broken[i].at] = broken[i].value;
        made.leaf.len -= broken[i].cut;
        make_hex(&made.leaf, broken[i].more);
        understand(&made, 0);
        CHECK((made.entry.flags & FLAG_UNPARSED) != 0);
        CHECK(strcmp(made.entry.reason, broken[i].reason) == 0);
        CHECK(understood_has(&made.entry, TERM_DNS, "hidden.example", 0));
        CHECK(understood_has(&made.entry, TERM_DNS, "subject.example", 0));
        made_cleanup(&made);
        buffer_cleanup(&extensions);
        buffer_cleanup(&tbs);
    }
}

static void understands_every_truncation(void **state)
{
    struct buffer extensions = {0}, tbs = {0}, leaf = {0}, precert = {0};
    struct arena arena = {0};

    (void)state;
    make_extensions(&extensions, "a.example", POISON);
    make_tbs(&tbs,
             &(struct make_cert){.extensions = buffer_bytes(&extensions)});
    make_certificate(
        &precert, &(struct make_cert){.extensions = buffer_bytes(&extensions)});
    make_leaf(&leaf, LEAF_PRECERT, buffer_bytes(&tbs), (struct bytes){0});
    for (size_t len = 0; len <= leaf.len; len++) {
        struct bytes cut = heap_copy(bytes_of(leaf.data, len));
        struct bytes cut_precert = heap_copy(
            bytes_of(precert.data, len < precert.len ? len : precert.len));
        struct entry_bytes bytes = {.leaf = cut, .precert = cut_precert};
        struct entry entry;

        assert_true(entry_understand(&entry, &bytes, &arena));
        assert_int_equal((entry.flags & FLAG_UNPARSED) != 0, len < leaf.len);
        free((void *)cut.data);
        free((void *)cut_precert.data);
        arena_reset(&arena);
    }
    arena_cleanup(&arena);
    buffer_cleanup(&extensions);
    buffer_cleanup(&tbs);
    buffer_cleanup(&leaf);
    buffer_cleanup(&precert);
}

// ---------------------------------------------------------------- extra_data

static const struct {
    const char *name;
    enum leaf_type type;
    const char *hex;
    bool unreadable;
    size_t num_chain;
    size_t precert_len;
} extras[] = {
    {"no chain", LEAF_X509, "000000", false, 0, 0},
    {"two certificates", LEAF_X509, "000009 000001aa 000002bbbb", false, 2, 0},
    {"precert, no chain", LEAF_PRECERT, "000001cc 000000", false, 0, 1},
    {"precert and chain", LEAF_PRECERT, "000001cc 000004 000001aa", false, 1,
     1},
    {"unknown type without", LEAF_UNKNOWN, "", false, 0, 0},
    {"unknown type", LEAF_UNKNOWN, "000000", true, 0, 0},
    {"nothing", LEAF_X509, "", true, 0, 0},
    {"trailing byte", LEAF_X509, "00000000", true, 0, 0},
    {"cut certificate", LEAF_X509, "000004 000002aa", true, 0, 0},
    {"cut length", LEAF_X509, "000002 0000", true, 0, 0},
    {"empty certificate", LEAF_X509, "000003 000000", true, 0, 0},
    {"precert alone", LEAF_PRECERT, "000001cc", true, 0, 1},
    {"cut precert", LEAF_PRECERT, "000002cc", true, 0, 0},
};

static void reads_extra_data(void **state)
{
    struct arena arena = {0};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(extras); i++) {
        struct bytes data = from_hex(extras[i].hex), *certificates;
        struct entry_bytes bytes = {.index = 3};

        test_case = extras[i].name;
        CHECK(entry_parse_extra(&bytes, extras[i].type, data, NULL,
                                &certificates, &arena));
        CHECK(bytes.index == 3);
        CHECK(bytes.extra_unreadable == extras[i].unreadable);
        CHECK(bytes.num_chain == extras[i].num_chain);
        CHECK(bytes.precert.len == extras[i].precert_len);
        CHECK(bytes_equal(bytes.extra,
                          extras[i].unreadable ? data : (struct bytes){0}));
        free((void *)data.data);
    }
    arena_cleanup(&arena);
}

// 10^5 certificates: bounded, and said.
static void bounds_the_chain(void **state)
{
    static const size_t nums[] = {ENTRY_CHAIN_MAX, ENTRY_CHAIN_MAX + 1, 100000};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(nums); i++) {
        struct buffer data = {0};
        struct arena arena = {0};
        struct entry_bytes bytes = {0};
        struct entry entry;
        struct bytes *certificates;

        buffer_append_uint(&data, 4 * nums[i], 3);
        for (size_t k = 0; k < nums[i]; k++) {
            buffer_append_uint(&data, 0x1aa, 4);
        }
        assert_true(entry_parse_extra(&bytes, LEAF_X509, buffer_bytes(&data),
                                      NULL, &certificates, &arena));
        assert_int_equal(bytes.extra_unreadable, nums[i] > ENTRY_CHAIN_MAX);
        assert_true(arena.total < 1024 * 1024);
        assert_true(entry_understand(&entry, &bytes, &arena));
        assert_int_equal((entry.flags & FLAG_CHAIN_UNREADABLE) != 0,
                         nums[i] > ENTRY_CHAIN_MAX);
        arena_cleanup(&arena);
        buffer_cleanup(&data);
    }
}

static const struct {
    const char *name;
    const char *hex;
    const char *error; // NULL: accepted
    bool unreadable;
} tile_leaves[] = {
    {"x509", "0000000000000001 0000 000001 30 0000 0000", NULL, false},
    {"chain of 31 octets",
     "0000000000000001 0000 000001 30 0000 001f"
     "00000000000000000000000000000000000000000000000000000000000000",
     NULL, true},
    {"entry type 2", "0000000000000001 0002 000001 30 0000 0000",
     "tile: entry type 2 has no known end", false},
    {"cut header", "0000000000000001 00", "tile: header truncated", false},
    {"cut chain", "0000000000000001 0000 000001 30 0000 0001",
     "tile: chain truncated", false},
    {"cut extensions", "0000000000000001 0000 000001 30 0001",
     "tile: extensions truncated", false},
    {"cut certificate", "0000000000000001 0000 000002 30",
     "tile: certificate truncated", false},
};

static void reads_tile_leaves(void **state)
{
    struct arena arena = {0};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(tile_leaves); i++) {
        struct bytes tile = from_hex(tile_leaves[i].hex), view = tile;
        struct entry_bytes bytes = {.index = 9};
        struct err err = {0};

        test_case = tile_leaves[i].name;
        CHECK(entry_parse_tile_leaf(&bytes, &view, &arena, &err) ==
              (tile_leaves[i].error == NULL));
        CHECK(strcmp(err.text,
                     tile_leaves[i].error ? tile_leaves[i].error : "") == 0);
        if (tile_leaves[i].error == NULL) {
            CHECK(view.len == 0 && bytes.index == 9);
            CHECK(bytes.leaf.len == 2 + 16 && bytes.leaf.data[1] == 0);
            CHECK(memcmp(bytes.leaf.data + 2, tile.data, 16) == 0);
            CHECK(bytes.extra_unreadable == tile_leaves[i].unreadable);
        }
        free((void *)tile.data);
    }
    arena_cleanup(&arena);
}

// Memory ends at every byte in turn: said, and nothing lost.
static void says_when_there_is_no_memory(void **state)
{
    static const char hex[] =
        "0000000000000001 0000 000001 30 0000 0020"
        "0000000000000000000000000000000000000000000000000000000000000000";
    struct bytes data = from_hex(hex);
    struct bytes extra = from_hex("000004 000001aa");
    struct buffer extensions = {0}, tbs = {0};
    struct made made = {0};
    bool fails = false, works = false;

    (void)state;
    make_extensions(&extensions, "a.example", KEY_ID_1);
    make_tbs(&tbs,
             &(struct make_cert){.extensions = buffer_bytes(&extensions)});
    make_certificate(&made.precert, &(struct make_cert){0});
    make_leaf(&made.leaf, LEAF_PRECERT, buffer_bytes(&tbs), (struct bytes){0});
    for (size_t max = 1; max < 400000; max += 1 + max / 4) {
        struct entry_bytes bytes = {0},
                           whole = {
                               .leaf = buffer_bytes(&made.leaf),
                               .precert = buffer_bytes(&made.precert),
                           };
        struct arena arena = {.max = max};
        struct bytes tile = data, *certificates;
        struct err err = {0};
        bool reads, understands;

        reads = entry_parse_tile_leaf(&bytes, &tile, &arena, &err);
        assert_true(reads || err.code == ERR_MEMORY);
        assert_int_equal(tile.len, reads ? 0 : data.len);
        (void)!entry_parse_extra(&bytes, LEAF_X509, extra, NULL, &certificates,
                                 &arena);
        understands = entry_understand(&made.entry, &whole, &arena);
        works |= reads && understands;
        fails |= !understands;
        arena_cleanup(&arena);
    }
    assert_true(fails && works);
    made_cleanup(&made);
    buffer_cleanup(&extensions);
    buffer_cleanup(&tbs);
    free((void *)data.data);
    free((void *)extra.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compares_leaf_and_precertificate),
        cmocka_unit_test(compares_what_is_whole_only),
        cmocka_unit_test(joins_final_and_precertificate_by_log_form),
        cmocka_unit_test(compares_leaf_index),
        cmocka_unit_test(flags_a_bad_date_and_no_more),
        cmocka_unit_test(salvages_names_of_broken_leaves),
        cmocka_unit_test(understands_every_truncation),
        cmocka_unit_test(reads_extra_data),
        cmocka_unit_test(bounds_the_chain),
        cmocka_unit_test(reads_tile_leaves),
        cmocka_unit_test(says_when_there_is_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
