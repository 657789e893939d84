// test_leaf.c - MerkleTreeLeaf, RFC 6962 section 3.4.

#include "tests/support/check.h"

#include "index/entry/leaf.h"

#define TIME "0000000000000401 "
#define IKH "0101010101010101010101010101010101010101010101010101010101010101 "

static const struct {
    const char *name;
    const char *hex;
    const char *error; // NULL: the leaf is accepted
    enum err_code code;
} cases[] = {
    {"x509", "0000 " TIME "0000 000003 308001 0000", NULL, ERR_NONE},
    {"x509 of no bytes", "0000 " TIME "0000 000000 0000", NULL, ERR_NONE},
    {"precert", "0000 " TIME "0001 " IKH "000002 3000 0000", NULL, ERR_NONE},
    {"leaf_index", "0000 " TIME "0000 000001 30 0008 0000050000000007", NULL,
     ERR_NONE},
    {"opaque extensions", "0000 " TIME "0000 000001 30 0002 ffff", NULL,
     ERR_NONE},
    {"trailing byte", "0000 " TIME "0000 000001 30 0000 ff",
     "leaf: 1 trailing bytes", ERR_MALFORMED},
    {"version 1", "0100 " TIME "0000 000001 30 0000", "leaf: version 1 type 0",
     ERR_UNSUPPORTED},
    {"leaf type 3", "0003 " TIME "0000 000001 30 0000",
     "leaf: version 0 type 3", ERR_UNSUPPORTED},
    {"entry type 2", "0000 " TIME "0002 000001 30 0000", "leaf: entry type 2",
     ERR_UNSUPPORTED},
    {"entry type that unknown ones are kept as",
     "0000 " TIME "ffff 000001 30 0000", "leaf: entry type 65535",
     ERR_UNSUPPORTED},
    {"nothing", "", "leaf: header truncated", ERR_MALFORMED},
    {"certificate longer than the leaf", "0000 " TIME "0000 ffffff 30 0000",
     "leaf: certificate truncated", ERR_MALFORMED},
    {"short key hash", "0000 " TIME "0001 0101",
     "leaf: issuer_key_hash truncated", ERR_MALFORMED},
    {"tbs longer than the leaf", "0000 " TIME "0001 " IKH "000003 3000",
     "leaf: tbs_certificate truncated", ERR_MALFORMED},
    {"extensions longer than the leaf", "0000 " TIME "0000 000001 30 0001",
     "leaf: extensions truncated", ERR_MALFORMED},
};

static void accepts_and_rejects(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct bytes wire = from_hex(cases[i].hex);
        struct err err = {0};
        struct leaf leaf;

        test_case = cases[i].name;
        CHECK(leaf_parse(&leaf, wire, &err) == (cases[i].error == NULL));
        CHECK(strcmp(err.text, cases[i].error ? cases[i].error : "") == 0);
        CHECK(err.code == cases[i].code);
        if (wire.len >= 10) CHECK(leaf.timestamp_ms == 0x401);
        if (cases[i].code == ERR_UNSUPPORTED) CHECK(leaf.type == LEAF_UNKNOWN);
        free((void *)wire.data);
    }
}

// A certificate in pieces, some of them empty, is written as one.
static void check_pieces(const struct leaf *leaf, struct bytes wire)
{
    struct bytes whole = leaf->certificate;

    for (size_t at = 0; at <= whole.len; at++) {
        struct bytes pieces[] = {
            bytes_of(whole.data, at),
            {0},
            bytes_of(whole.data + at, whole.len - at),
        };
        struct buffer out = {0};

        leaf_append_pieces(&out, leaf, pieces, COUNT_OF(pieces));
        CHECK(bytes_equal(buffer_bytes(&out), wire));
        CHECK(leaf_len_pieces(leaf, pieces, COUNT_OF(pieces)) == wire.len);
        buffer_cleanup(&out);
    }
}

static void writes_what_it_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct bytes wire = from_hex(cases[i].hex);
        struct buffer out = {0};
        struct leaf leaf;

        test_case = cases[i].name;
        if (cases[i].error == NULL) {
            CHECK(leaf_parse(&leaf, wire, NULL));
            leaf_append(&out, &leaf);
            CHECK(bytes_equal(buffer_bytes(&out), wire));
            check_pieces(&leaf, wire);
            CHECK(leaf_is_written_as(&leaf, wire));
            CHECK(leaf_is_written_as(&leaf, buffer_bytes(&out)));
            for (size_t at = 0; at < out.len; at++) {
                out.data[at] ^= 1;
                CHECK(!leaf_is_written_as(&leaf, buffer_bytes(&out)));
                out.data[at] ^= 1;
                CHECK(!leaf_is_written_as(&leaf, bytes_of(out.data, at)));
            }
            buffer_append_byte(&out, 0);
            CHECK(!leaf_is_written_as(&leaf, buffer_bytes(&out)));
        }
        buffer_cleanup(&out);
        free((void *)wire.data);
    }
}

static void rejects_every_truncation(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct bytes wire = from_hex(cases[i].hex);

        test_case = cases[i].name;
        for (size_t len = 0; cases[i].error == NULL && len < wire.len; len++) {
            struct bytes cut = heap_copy(bytes_of(wire.data, len));
            struct leaf leaf;

            CHECK(!leaf_parse(&leaf, cut, NULL));
            free((void *)cut.data);
        }
        free((void *)wire.data);
    }
}

static void reads_fields_where_they_stand(void **state)
{
    struct bytes wire =
        from_hex("0000 " TIME "0001 " IKH "000002 3000 0008 0000050102030405");
    struct leaf leaf;

    (void)state;
    assert_true(leaf_parse(&leaf, wire, NULL));
    assert_int_equal(leaf.type, LEAF_PRECERT);
    assert_ptr_equal(leaf.issuer_key_hash.data, wire.data + 12);
    assert_int_equal(leaf.issuer_key_hash.len, 32);
    assert_ptr_equal(leaf.certificate.data, wire.data + 47);
    assert_int_equal(leaf.certificate.len, 2);
    assert_ptr_equal(leaf.extensions.data, wire.data + 51);
    assert_int_equal(leaf.extensions.len, 8);
    assert_true(leaf.has_leaf_index);
    assert_true(leaf.leaf_index == 0x0102030405);
    free((void *)wire.data);
}

static const struct {
    const char *name;
    const char *hex;
    bool reads;
    bool has_index;
    uint64_t index;
} extension_cases[] = {
    {"none", "", true, false, 0},
    {"index", "00 0005 000000002a", true, true, 42},
    {"largest index", "00 0005 ffffffffff", true, true, 0xffffffffff},
    {"unknown type first", "07 0001 aa 00 0005 0000000001", true, true, 1},
    {"unknown type alone", "ff 0000", true, false, 0},
    {"index twice", "00 0005 0000000001 00 0005 0000000001", false, false, 0},
    {"unknown type twice", "00 0005 0000000001 07 0000 07 0000", false, false,
     0},
    {"index of four octets", "00 0004 00000001", false, false, 0},
    {"index of six octets", "00 0006 000000000001", false, false, 0},
    {"cut in the length", "00 00", false, false, 0},
    {"cut in the data", "00 0005 00000001", false, false, 0},
    {"cut behind an index", "00 0005 0000000001 07", false, false, 0},
};

static void reads_extensions(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(extension_cases); i++) {
        struct bytes wire = from_hex(extension_cases[i].hex);
        struct leaf leaf = {.has_leaf_index = true, .leaf_index = 99};

        test_case = extension_cases[i].name;
        CHECK(leaf_parse_extensions(&leaf, wire) == extension_cases[i].reads);
        CHECK(leaf.has_leaf_index == extension_cases[i].has_index);
        if (leaf.has_leaf_index) {
            CHECK(leaf.leaf_index == extension_cases[i].index);
        }
        free((void *)wire.data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_and_rejects),
        cmocka_unit_test(writes_what_it_read),
        cmocka_unit_test(rejects_every_truncation),
        cmocka_unit_test(reads_fields_where_they_stand),
        cmocka_unit_test(reads_extensions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
