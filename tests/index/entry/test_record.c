// test_record.c - what is stored of an entry gives the entry back.

#include <dirent.h>

#include "tests/support/check.h"

#include "index/base/checksum.h"
#include "index/base/varint.h"
#include "index/entry/merkle.h"
#include "index/entry/record.h"
#include "tests/support/make_der.h"

static const uint8_t key_bytes[7] = {1, 2, 3, 4, 5, 6, 7};

static struct bytes key(void)
{
    return bytes_of(key_bytes, sizeof key_bytes);
}

// Stores an entry as record.h's table says, without compression.
static struct bytes store(const struct entry *entry, bool facts_only)
{
    struct buffer out = {0}, plain = {0};
    struct record record;
    struct bytes value, content;

    record_of(&record, entry, 70000, facts_only);
    record_append_payload(&plain, &record, entry);
    buffer_append_uint(&out, 0, 8);
    record_append_head(&out, &record);
    varint_append(&out, 3); // a chain
    varint_append(&out, 1);
    varint_append(&out, 300);
    varint_append(&out, 70000);
    varint_append(&out, plain.len);
    buffer_append(&out, buffer_bytes(&plain));
    content = bytes_of(out.data + 8, out.len - 8);
    bytes_put_uint(out.data, checksum(key(), content), 8);
    value = heap_copy(buffer_bytes(&out));
    buffer_cleanup(&out);
    buffer_cleanup(&plain);
    return value;
}

static size_t num_from_precert; // leaves that were built from one

// Reads it back as the index does.
static bool load(struct entry *entry, struct record *record, struct bytes value,
                 struct arena *arena, struct err *err)
{
    struct entry_bytes bytes;

    if (!record_read(record, key(), value, err) ||
        !record_read_payload(&bytes, record, record->payload, arena, err)) {
        return false;
    }
    if (bytes.leaf_from_precert) {
        // It is what would be found by looking.
        bytes.leaf_from_precert = false;
        CHECK(entry_understand(entry, &bytes, arena));
        CHECK(entry->tbs_from_precert);
        bytes.leaf_from_precert = true;
        num_from_precert++;
    }
    CHECK(entry_understand(entry, &bytes, arena));
    if (record->kind == RECORD_FACTS) record_restore(entry, record);
    return true;
}

// ------------------------------------------------------------ comparing

static void check_facts(const struct record *record, const struct entry *entry)
{
    const struct entry_facts *facts = &record->facts;

    CHECK(facts->log == 70000 && facts->index == entry->bytes.index);
    CHECK(facts->timestamp_ms == entry->leaf.timestamp_ms);
    CHECK(facts->type == entry->leaf.type && facts->flags == entry->flags);
    if (entry->cert.der.len != 0) {
        CHECK(facts->not_before == entry->cert.not_before);
        CHECK(facts->not_after == entry->cert.not_after);
    }
    CHECK(facts->has_tbs == entry->has_tbs_sha256);
    if (entry->has_tbs_sha256) {
        CHECK(sha256_equal(&facts->group, &entry->tbs_sha256));
    } else if (entry->leaf.type == LEAF_X509) {
        CHECK(sha256_equal(&facts->group, &entry->certificate_sha256));
    } else {
        CHECK(sha256_equal(&facts->group, &entry->leaf_hash));
    }
}

static void check_names(const struct entry *a, const struct entry *b)
{
    size_t k = 0;

    for (size_t i = 0; i < a->names.num_terms; i++) {
        const struct term *x = &a->names.terms[i], *y;

        // A skeleton does not keep what only a precertificate said.
        if (k == b->names.num_terms) {
            CHECK((x->via & VIA_UNAUTHENTICATED) != 0);
            continue;
        }
        y = &b->names.terms[k++];
        CHECK(x->kind == y->kind && x->via == y->via);
        CHECK(bytes_equal(x->value, y->value));
    }
    CHECK(k == b->names.num_terms);
}

static void check_hashes(const struct entry *a, const struct entry *b)
{
    CHECK(sha256_equal(&a->leaf_hash, &b->leaf_hash));
    CHECK(a->has_certificate_sha256 == b->has_certificate_sha256);
    CHECK(sha256_equal(&a->certificate_sha256, &b->certificate_sha256));
    CHECK(a->has_tbs_sha256 == b->has_tbs_sha256);
    CHECK(sha256_equal(&a->tbs_sha256, &b->tbs_sha256));
    CHECK(a->has_spki_sha256 == b->has_spki_sha256);
    CHECK(sha256_equal(&a->spki_sha256, &b->spki_sha256));
    CHECK(bytes_equal(a->issuer_key_hash, b->issuer_key_hash));
    CHECK(a->tbs_from_precert == b->tbs_from_precert);
    CHECK(a->flags == b->flags);
}

static bool add_sct(void *context, const struct cert_sct *sct)
{
    buffer_append(context, sct->log_id);
    buffer_append_uint(context, sct->timestamp_ms, 8);
    return true;
}

static bool add_text(void *context, struct bytes text)
{
    buffer_append(context, text);
    buffer_append_byte(context, 0);
    return true;
}

// Everything an answer shows of a certificate.
static void show(struct buffer *out, const struct cert *cert)
{
    struct cert_lists lists;
    cert_append_name_rfc4514(out, cert->subject);
    cert_append_name_rfc4514(out, cert->issuer);
    cert_append_common_name(out, cert->subject);
    cert_append_key_type(out, cert->spki);
    cert_append_signature_algorithm(out, cert->signature_algorithm);
    buffer_append(out, cert->serial);
    buffer_append_uint(out, (uint64_t)cert->not_before, 8);
    buffer_append_uint(out, (uint64_t)cert->not_after, 8);
    buffer_append_byte(out, cert->is_ca);
    buffer_append_byte(out, cert->is_whole);
    cert_find_lists(&lists, cert);
    (void)cert_each_eku(&lists, add_text, out);
    (void)cert_each_policy(&lists, add_text, out);
    (void)cert_each_crl_url(&lists, add_text, out);
    (void)cert_each_ocsp_url(&lists, add_text, out);
    (void)cert_each_sct(&lists, add_sct, out);
}

static void check_shown(const struct entry *a, const struct entry *b)
{
    struct buffer x = {0}, y = {0};

    show(&x, &a->cert);
    show(&y, &b->cert);
    CHECK(bytes_equal(buffer_bytes(&x), buffer_bytes(&y)));
    buffer_cleanup(&x);
    buffer_cleanup(&y);
}

static void check_full(const struct entry *entry, struct arena *arena)
{
    struct bytes value = store(entry, false);
    struct record record;
    struct entry again;

    CHECK(load(&again, &record, value, arena, NULL));
    CHECK(record.kind == RECORD_FULL && record.num_chain == 3);
    CHECK(bytes_equal(again.bytes.leaf, entry->bytes.leaf));
    CHECK(bytes_equal(again.bytes.precert, entry->bytes.precert));
    CHECK(bytes_equal(again.bytes.extra, entry->bytes.extra));
    CHECK(again.bytes.extra_unreadable == entry->bytes.extra_unreadable);
    CHECK(again.bytes.index == entry->bytes.index);
    check_facts(&record, entry);
    check_hashes(entry, &again);
    check_names(entry, &again);
    check_shown(entry, &again);
    free((void *)(uintptr_t)value.data);
}

// The share of zeros in a skeleton, in bytes.
static size_t check_facts_only(const struct entry *entry, struct arena *arena)
{
    struct bytes value = store(entry, true);
    struct record record;
    struct entry again;
    size_t blanked = 0;

    CHECK(load(&again, &record, value, arena, NULL));
    check_facts(&record, entry);
    check_hashes(entry, &again);
    check_names(entry, &again);
    check_shown(entry, &again);
    if ((entry->flags & (FLAG_UNPARSED | FLAG_PRECERT_MISMATCH)) != 0) {
        CHECK(record.kind == RECORD_FULL);
        CHECK(bytes_equal(again.bytes.leaf, entry->bytes.leaf));
    } else {
        CHECK(record.kind == RECORD_FACTS);
        CHECK(again.bytes.leaf.len == 0 && again.bytes.precert.len == 0);
        CHECK(again.cert.der.len == entry->cert.der.len);
        for (size_t i = 0; i < entry->cert.der.len; i++) {
            uint8_t was = entry->cert.der.data[i];
            uint8_t kept = again.cert.der.data[i];

            if (kept == was) continue;
            // Zero, or of an RSA key's first byte the highest bit.
            CHECK(kept == 0 || (kept & (kept - 1)) == 0);
            CHECK((kept & ~was) == 0 && kept <= was &&
                  was < 2 * kept + !kept * 256);
            blanked++;
        }
    }
    free((void *)(uintptr_t)value.data);
    return blanked;
}

// ------------------------------------------------------------ made entries

struct made {
    struct buffer leaf;
    struct buffer precert;
    struct entry_bytes bytes;
};

static void make(struct made *made, enum leaf_type type, bool differs)
{
    static const uint8_t hash[SHA256_LEN] = {9}, null[] = {5, 0},
                         leaf_index[] = {0, 0, 5, 0, 0, 0, 0, 7};
    struct buffer names = {0}, extensions = {0}, cert = {0};
    struct make_cert what = {0};
    struct leaf leaf = {.timestamp_ms = UINT64_C(1700000000123),
                        .type = type,
                        .extensions = bytes_of(leaf_index, sizeof leaf_index)};

    *made = (struct made){.bytes = {.index = 7}};
    make_element(&names, 0x82, bytes_from_text("a.example"));
    make_san(&extensions, buffer_bytes(&names));
    what.extensions = buffer_bytes(&extensions);
    if (type == LEAF_PRECERT) {
        struct buffer more = {0};

        make_tbs(&cert, &what);
        leaf.issuer_key_hash = bytes_of(hash, sizeof hash);
        if (differs) make_element(&names, 0x82, bytes_from_text("b.example"));
        make_san(&more, buffer_bytes(&names));
        make_extension(&more, "2b06010401d679020403",
                       bytes_of(null, sizeof null));
        what.extensions = buffer_bytes(&more);
        make_certificate(&made->precert, &what);
        buffer_cleanup(&more);
    } else {
        make_certificate(&cert, &what);
    }
    leaf.certificate = buffer_bytes(&cert);
    leaf_append(&made->leaf, &leaf);
    made->bytes.leaf = buffer_bytes(&made->leaf);
    made->bytes.precert = buffer_bytes(&made->precert);
    buffer_cleanup(&names);
    buffer_cleanup(&extensions);
    buffer_cleanup(&cert);
}

static void made_cleanup(struct made *made)
{
    buffer_cleanup(&made->leaf);
    buffer_cleanup(&made->precert);
}

static void every_form_comes_back(void **state)
{
    static const struct {
        const char *name;
        enum leaf_type type;
        bool differs, extra;
        size_t cut; // bytes off the leaf
        uint8_t entry_type;
    } cases[] = {
        {"final", LEAF_X509, false, false, 0, 0},
        {"precertificate", LEAF_PRECERT, false, false, 0, 0},
        {"precertificate of another leaf", LEAF_PRECERT, true, false, 0, 0},
        {"unreadable extra data", LEAF_X509, false, true, 0, 0},
        {"cut leaf", LEAF_X509, false, false, 5, 0},
        {"cut to nothing", LEAF_X509, false, false, SIZE_MAX, 0},
        {"unknown entry type", LEAF_X509, false, true, 0, 77},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct arena arena = {0};
        struct made made;
        struct entry entry;

        test_case = cases[i].name;
        make(&made, cases[i].type, cases[i].differs);
        if (cases[i].entry_type != 0) made.leaf.data[10] = cases[i].entry_type;
        if (cases[i].extra) {
            made.bytes.extra_unreadable = true;
            made.bytes.extra = bytes_from_text("no chain");
        }
        made.bytes.leaf.len -= cases[i].cut < made.bytes.leaf.len
                                   ? cases[i].cut
                                   : made.bytes.leaf.len;
        CHECK(entry_understand(&entry, &made.bytes, &arena));
        check_full(&entry, &arena);
        (void)check_facts_only(&entry, &arena);
        arena_cleanup(&arena);
        made_cleanup(&made);
    }
}

static void a_derived_leaf_is_not_stored(void **state)
{
    struct arena arena = {0};
    struct made same, other;
    struct entry a, b;
    struct bytes stored_a, stored_b;

    (void)state;
    make(&same, LEAF_PRECERT, false);
    make(&other, LEAF_PRECERT, true);
    CHECK(entry_understand(&a, &same.bytes, &arena));
    CHECK(entry_understand(&b, &other.bytes, &arena));
    CHECK(a.tbs_from_precert && !b.tbs_from_precert);
    stored_a = store(&a, false);
    stored_b = store(&b, false);
    CHECK(stored_a.len < same.precert.len + 160);
    CHECK(stored_b.len > other.precert.len + other.leaf.len);
    free((void *)(uintptr_t)stored_a.data);
    free((void *)(uintptr_t)stored_b.data);
    made_cleanup(&same);
    made_cleanup(&other);
    arena_cleanup(&arena);
}

// ------------------------------------------------------------ damage

static void refuses_every_truncation_and_flip(void **state)
{
    struct arena arena = {0};
    struct made made;
    struct entry entry;
    struct bytes value;

    (void)state;
    make(&made, LEAF_PRECERT, false);
    CHECK(entry_understand(&entry, &made.bytes, &arena));
    value = store(&entry, false);
    for (size_t len = 0; len < value.len; len++) {
        struct bytes cut = heap_copy(bytes_of(value.data, len));
        struct record record;
        struct err err = {0};

        CHECK(!record_read(&record, key(), cut, &err));
        CHECK(err.code == ERR_INDEX);
        CHECK(strcmp(err.text, len < 8 ? "index damaged: record: cut short"
                                       : "index damaged: record: checksum "
                                         "differs") == 0);
        free((void *)(uintptr_t)cut.data);
    }
    for (size_t i = 0; i < value.len * 8; i++) {
        uint8_t *at = (uint8_t *)(uintptr_t)value.data + i / 8;
        struct record record;
        struct err err = {0};

        *at ^= (uint8_t)(1 << i % 8);
        CHECK(!record_read(&record, key(), value, &err));
        *at ^= (uint8_t)(1 << i % 8);
    }
    {
        static const uint8_t other[7] = {1, 2, 3, 4, 5, 6, 8};
        struct record record;

        CHECK(
            !record_read(&record, bytes_of(other, sizeof other), value, NULL));
        CHECK(record_read(&record, key(), value, NULL));
    }
    free((void *)(uintptr_t)value.data);
    made_cleanup(&made);
    arena_cleanup(&arena);
}

// With a checksum that fits: what is read is bounded all the same.
static void refuses_what_was_written_wrong(void **state)
{
    struct arena arena = {0};
    struct made made;
    struct entry entry;
    struct bytes value;

    (void)state;
    make(&made, LEAF_PRECERT, false);
    CHECK(entry_understand(&entry, &made.bytes, &arena));
    value = store(&entry, false);
    for (size_t len = 8; len < value.len; len++) {
        struct bytes cut = heap_copy(bytes_of(value.data, len));
        struct record record;
        struct entry again;
        struct err err = {0};

        bytes_put_uint((uint8_t *)(uintptr_t)cut.data,
                       checksum(key(), bytes_of(cut.data + 8, len - 8)), 8);
        CHECK(!load(&again, &record, cut, &arena, &err));
        CHECK(err.code == ERR_INDEX);
        free((void *)(uintptr_t)cut.data);
        arena_reset(&arena);
    }
    free((void *)(uintptr_t)value.data);
    made_cleanup(&made);
    arena_cleanup(&arena);
}

// ------------------------------------------------------------ real ones

static size_t check_certificate(const char *path, struct arena *arena)
{
    struct bytes der = read_file(path);
    struct leaf leaf = {.type = LEAF_X509, .certificate = der};
    struct buffer wire = {0};
    struct entry_bytes bytes = {.index = 12345678901};
    struct entry entry;
    size_t blanked;

    leaf_append(&wire, &leaf);
    bytes.leaf = buffer_bytes(&wire);
    CHECK(entry_understand(&entry, &bytes, arena));
    check_full(&entry, arena);
    blanked = check_facts_only(&entry, arena);
    buffer_cleanup(&wire);
    free((void *)(uintptr_t)der.data);
    return blanked;
}

static void real_certificates_come_back(void **state)
{
    static const char *const folders[] = {
        "certs/leaf", "certs/real", "certs/fina", "certs/precert-signing-cert"};
    size_t num = 0, blanked = 0;

    (void)state;
    SKIP_WITHOUT_DATA();
    for (size_t i = 0; i < COUNT_OF(folders); i++) {
        DIR *dir = opendir(test_data(folders[i]));
        struct dirent *file;

        assert_non_null(dir);
        while ((file = readdir(dir)) != NULL) {
            struct arena arena = {0};
            char path[4096];

            if (strstr(file->d_name, ".der") == NULL) continue;
            (void)snprintf(path, sizeof path, "%s/%s", test_data(folders[i]),
                           file->d_name);
            test_case = file->d_name;
            blanked += check_certificate(path, &arena);
            num++;
            arena_cleanup(&arena);
        }
        (void)closedir(dir);
    }
    print_message("%zu certificates, %zu bytes blanked of each\n", num,
                  blanked / num);
    CHECK(num > 1300 && blanked / num > 200);
}

static void real_precertificates_come_back(void **state)
{
    static const char *const tiles[] = {"000", "001"};
    size_t num = 0;

    (void)state;
    SKIP_WITHOUT_DATA();
    for (size_t i = 0; i < COUNT_OF(tiles); i++) {
        char name[128];
        struct bytes data, rest;
        struct arena arena = {0};

        (void)snprintf(name, sizeof name, "static/navigli2025h2/tile/data/%s",
                       tiles[i]);
        data = rest = read_file(test_data(name));
        while (rest.len > 0) {
            struct entry_bytes bytes = {.index = num};
            struct entry entry;

            test_case = name;
            CHECK(entry_parse_tile_leaf(&bytes, &rest, &arena, NULL));
            CHECK(entry_understand(&entry, &bytes, &arena));
            check_full(&entry, &arena);
            (void)check_facts_only(&entry, &arena);
            arena_reset(&arena);
            num++;
        }
        arena_cleanup(&arena);
        free((void *)(uintptr_t)data.data);
    }
    CHECK(num == 512);
    CHECK(num_from_precert > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_comes_back),
        cmocka_unit_test(a_derived_leaf_is_not_stored),
        cmocka_unit_test(refuses_every_truncation_and_flip),
        cmocka_unit_test(refuses_what_was_written_wrong),
        cmocka_unit_test(real_certificates_come_back),
        cmocka_unit_test(real_precertificates_come_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
