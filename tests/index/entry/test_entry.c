// test_entry.c - whole entries: real ones of both protocols, and broken ones.

#include "tests/support/check.h"

#include <jansson.h>

#include <openssl/bytestring.h>
#include <openssl/digest.h>
#include <openssl/evp.h>

#include "index/base/text.h"
#include "index/entry/entry.h"
#include "index/entry/merkle.h"
#include "tests/support/make_der.h"

static bool has_term(const struct entry *entry, enum term_kind kind,
                     const char *text, uint32_t via)
{
    for (size_t i = 0; i < entry->names.num_terms; i++) {
        const struct term *term = &entry->names.terms[i];

        if (term->kind == kind && bytes_equal_text(term->value, text) &&
            (term->via & via) == via) {
            return true;
        }
    }
    return false;
}

static bool append_base64(struct buffer *out, const json_t *text)
{
    return text_parse_base64(
        out, bytes_of(json_string_value(text), json_string_length(text)));
}

static struct bytes read_exact(const char *path)
{
    struct bytes raw = read_file(path);
    struct bytes exact = heap_copy(raw);

    free((void *)raw.data);
    return exact;
}

static bool same_hash(bool has_a, const struct sha256_hash *a, bool has_b,
                      const struct sha256_hash *b)
{
    return has_a == has_b && (!has_a || sha256_equal(a, b));
}

static bool same_terms(const struct term_list *a, const struct term_list *b)
{
    bool same = a->num_terms == b->num_terms;

    for (size_t i = 0; same && i < a->num_terms; i++) {
        same = a->terms[i].kind == b->terms[i].kind &&
               a->terms[i].via == b->terms[i].via &&
               bytes_equal(a->terms[i].value, b->terms[i].value);
    }
    return same;
}

// What is understood piece by piece is what is understood at once, and nothing
// is there before it was asked for.
static void check_parts(const struct entry *whole, struct arena *arena)
{
    struct entry entry;

    assert_true(entry_understand_parts(&entry, &whole->bytes, 0, arena));
    assert_false(entry.has_certificate_sha256 || entry.has_tbs_sha256 ||
                 entry.has_spki_sha256 || entry.names.num_terms > 0);
    for (unsigned part = ENTRY_NAMES; part != 0; part >>= 1) {
        assert_true(entry_understand_more(&entry, part, arena));
    }
    assert_int_equal(entry.parts, ENTRY_ALL);
    assert_int_equal(entry.flags, whole->flags);
    assert_string_equal(entry.reason, whole->reason);
    assert_true(sha256_equal(&entry.leaf_hash, &whole->leaf_hash));
    assert_true(
        same_hash(entry.has_certificate_sha256, &entry.certificate_sha256,
                  whole->has_certificate_sha256, &whole->certificate_sha256));
    assert_true(same_hash(entry.has_tbs_sha256, &entry.tbs_sha256,
                          whole->has_tbs_sha256, &whole->tbs_sha256));
    assert_true(same_hash(entry.has_spki_sha256, &entry.spki_sha256,
                          whole->has_spki_sha256, &whole->spki_sha256));
    assert_true(same_terms(&entry.names, &whole->names));
}

// ------------------------------------------------------ a static log's tiles

static json_t *next_names(struct bytes *tile)
{
    const uint8_t *end = memchr(tile->data, '\n', tile->len);
    json_t *row;

    assert_non_null(end);
    row = json_loadb((const char *)tile->data, (size_t)(end - tile->data),
                     JSON_ALLOW_NUL, NULL);
    (void)bytes_skip(tile, (size_t)(end - tile->data) + 1);
    return row;
}

static void check_names_row(const struct entry *entry, const json_t *row)
{
    const json_t *name;
    size_t i;

    assert_true((json_int_t)entry->leaf.timestamp_ms ==
                json_integer_value(json_object_get(row, "Timestamp")));
    json_array_foreach(json_object_get(row, "DNS"), i, name)
    {
        test_case = json_string_value(name);
        CHECK(has_term(entry, TERM_DNS, test_case, VIA_SAN_DNS));
    }
    json_array_foreach(json_object_get(row, "IP"), i, name)
    {
        uint8_t octets[16];
        size_t len;
        struct bytes text = bytes_from_text(json_string_value(name));
        bool found = false;

        test_case = json_string_value(name);
        CHECK(names_parse_ip(text, octets, &len));
        for (size_t k = 0; k < entry->names.num_terms; k++) {
            found |=
                (entry->names.terms[k].via & VIA_SAN_IP) != 0 &&
                bytes_equal(entry->names.terms[k].value, bytes_of(octets, len));
        }
        CHECK(found);
    }
    test_case = "";
}

static void understands_navigli_tile(const char *number, uint64_t first)
{
    char path[128];
    struct bytes data, hashes, names, rest, rest_names;
    struct arena arena = {0};
    size_t num = 0;

    (void)snprintf(path, sizeof path, "static/navigli2025h2/tile/data/%s",
                   number);
    data = rest = read_exact(test_data(path));
    (void)snprintf(path, sizeof path, "static/navigli2025h2/tile/0/%s", number);
    hashes = read_exact(test_data(path));
    (void)snprintf(path, sizeof path, "static/navigli2025h2/tile/names/%s",
                   number);
    names = rest_names = read_exact(test_data(path));
    while (rest.len > 0) {
        struct entry_bytes bytes = {.index = first + num};
        struct entry entry;
        struct buffer log_form = {0};
        struct cert precert;
        json_t *row = next_names(&rest_names);

        assert_true(entry_parse_tile_leaf(&bytes, &rest, &arena, NULL));
        assert_int_equal(bytes.index, first + num);
        assert_true(entry_understand(&entry, &bytes, &arena));
        assert_memory_equal(entry.leaf_hash.bytes, hashes.data + 32 * num, 32);
        assert_int_equal(entry.leaf.type, LEAF_PRECERT);
        assert_true(entry.tbs_from_precert);
        assert_int_equal(entry.flags & ~0xffffu, 0);
        assert_true(entry.cert.is_whole && entry.has_tbs_sha256);
        assert_true(
            cert_parse(&precert, bytes.precert, CERT_FORM_CERTIFICATE, NULL));
        assert_true(precert.has_poison && !entry.cert.has_poison);
        assert_true(cert_log_form(&log_form, &precert));
        assert_true(
            bytes_equal(buffer_bytes(&log_form), entry.leaf.certificate));
        check_names_row(&entry, row);
        check_parts(&entry, &arena);
        buffer_cleanup(&log_form);
        json_decref(row);
        arena_reset(&arena);
        num++;
    }
    assert_int_equal(num, 256);
    assert_int_equal(rest_names.len, 0);
    free((void *)data.data);
    free((void *)hashes.data);
    free((void *)names.data);
    arena_cleanup(&arena);
}

static void understands_navigli(void **state)
{
    (void)state;
    SKIP_WITHOUT_DATA();
    understands_navigli_tile("000", 0);
    understands_navigli_tile("001", 256);
}

static void rejects_every_truncation_of_a_tile_leaf(void **state)
{
    struct arena arena = {0};
    struct entry_bytes bytes;
    struct bytes data, rest;
    size_t whole;

    (void)state;
    SKIP_WITHOUT_DATA();
    data = rest = read_exact(test_data("static/navigli2025h2/tile/data/000"));
    assert_true(entry_parse_tile_leaf(&bytes, &rest, &arena, NULL));
    whole = data.len - rest.len;
    for (size_t len = 0; len < whole; len++) {
        struct bytes cut = heap_copy(bytes_of(data.data, len)), view = cut;

        assert_false(entry_parse_tile_leaf(&bytes, &view, &arena, NULL));
        assert_true(view.data == cut.data && view.len == len);
        free((void *)cut.data);
    }
    free((void *)data.data);
    arena_cleanup(&arena);
}

// ------------------------------------------------- answers of RFC 6962 logs

struct answer {
    json_t *root;
    const json_t *entries;
};

static struct answer open_answer(const char *path)
{
    struct answer answer;

    answer.root = json_load_file(test_data(path), 0, NULL);
    assert_non_null(answer.root);
    answer.entries = json_object_get(answer.root, "entries");
    return answer;
}

// Finds a log's key in the log lists; false: not there.
static bool find_log_key(const json_t *node, const char *id, struct buffer *key)
{
    const json_t *child, *log_id;
    const char *name;
    size_t i;

    json_array_foreach((json_t *)node, i, child)
    {
        if (find_log_key(child, id, key)) return true;
    }
    log_id = json_object_get(node, "log_id");
    if (log_id != NULL && strcmp(json_string_value(log_id), id) == 0) {
        return append_base64(key, json_object_get(node, "key"));
    }
    json_object_foreach((json_t *)node, name, child)
    {
        if (find_log_key(child, id, key)) return true;
    }
    return false;
}

// Checks one SCT over the log form; false where the log is not in the list.
static bool check_sct(CBS sct, const json_t *list, const struct cert *cert,
                      const struct sha256_hash *issuer_key_hash)
{
    struct buffer message = {0}, key = {0}, id = {0}, tbs = {0};
    CBS log_id, extensions, signature, spki;
    uint64_t timestamp;
    uint16_t algorithms;
    uint8_t version;
    bool known;

    assert_true(CBS_get_u8(&sct, &version) && version == 0 &&
                CBS_get_bytes(&sct, &log_id, 32) &&
                CBS_get_u64(&sct, &timestamp) &&
                CBS_get_u16_length_prefixed(&sct, &extensions) &&
                CBS_get_u16(&sct, &algorithms) &&
                CBS_get_u16_length_prefixed(&sct, &signature));
    text_append_base64(&id, bytes_of(CBS_data(&log_id), 32));
    buffer_append_byte(&id, 0);
    known = find_log_key(list, (const char *)id.data, &key);
    if (known) {
        EVP_MD_CTX *context = EVP_MD_CTX_new();
        EVP_PKEY *pkey;

        assert_true(cert_log_form(&tbs, cert));
        buffer_append_uint(&message, 0, 2);
        buffer_append_uint(&message, timestamp, 8);
        buffer_append_uint(&message, 1, 2);
        buffer_append(&message, sha256_bytes(issuer_key_hash));
        buffer_append_uint(&message, tbs.len, 3);
        buffer_append(&message, buffer_bytes(&tbs));
        buffer_append_uint(&message, CBS_len(&extensions), 2);
        buffer_append(&message,
                      bytes_of(CBS_data(&extensions), CBS_len(&extensions)));
        CBS_init(&spki, key.data, key.len);
        pkey = EVP_parse_public_key(&spki);
        assert_non_null(pkey);
        assert_int_equal(
            EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, pkey), 1);
        assert_int_equal(EVP_DigestVerify(context, CBS_data(&signature),
                                          CBS_len(&signature), message.data,
                                          message.len),
                         1);
        EVP_PKEY_free(pkey);
        EVP_MD_CTX_free(context);
    }
    buffer_cleanup(&message);
    buffer_cleanup(&key);
    buffer_cleanup(&id);
    buffer_cleanup(&tbs);
    return known;
}

static bool count_sct(void *context, const struct cert_sct *sct)
{
    size_t *num = context;

    assert_int_equal(sct->log_id.len, 32);
    assert_true(sct->timestamp_ms > 1262304000000);
    ++*num;
    return true;
}

// Verifies every embedded SCT; returns how many could be.
static size_t check_embedded_scts(const struct cert *cert, const json_t *list,
                                  struct bytes issuer)
{
    static const uint8_t oid[] = {0x2b, 0x06, 0x01, 0x04, 0x01,
                                  0xd6, 0x79, 0x02, 0x04, 0x02};
    struct cert issuer_cert;
    struct sha256_hash issuer_key_hash;
    struct bytes value;
    CBS cbs, octets, scts, sct;
    size_t num = 0, listed = 0, total = 0;
    bool critical;

    if (!cert_find_extension(cert, bytes_of(oid, sizeof oid), &value,
                             &critical)) {
        return 0;
    }
    assert_true(cert_parse(&issuer_cert, issuer, CERT_FORM_CERTIFICATE, NULL));
    assert_true(cert_verify_signature(cert, issuer_cert.spki));
    issuer_key_hash = sha256(issuer_cert.spki);
    CBS_init(&cbs, value.data, value.len);
    assert_true(CBS_get_asn1(&cbs, &octets, CBS_ASN1_OCTETSTRING) &&
                CBS_get_u16_length_prefixed(&octets, &scts));
    while (CBS_len(&scts) > 0) {
        assert_true(CBS_get_u16_length_prefixed(&scts, &sct));
        if (check_sct(sct, list, cert, &issuer_key_hash)) num++;
        total++;
    }
    assert_true(cert_each_sct(cert, count_sct, &listed));
    assert_int_equal(listed, total);
    return num;
}

#define LIVE_2026                                                              \
    "rfc6962/live2026-argon2026h2/"                                            \
    "get-entries-start=1111014090-end=1111014109.json"

static const char *const answers[] = {
    LIVE_2026,
    "rfc6962/argon2020/get-entries-start-10000-end-10000.json",
    "rfc6962/ctgo-logclient/get-entries-precert-and-x509.json",
    "rfc6962/ctgo-four-entries/get-entries-start=0-end=3.json",
};

static void understand_answer(const struct answer *answer, const json_t *list,
                              size_t *num_scts, size_t *num_precerts)
{
    static struct chain_cache cache;
    struct arena arena = {0};
    const json_t *item;
    size_t i;

    json_array_foreach((json_t *)answer->entries, i, item)
    {
        struct buffer wire = {0}, extra = {0};
        struct bytes *certificates, leaf, data;
        struct entry_bytes bytes = {.index = i};
        struct entry entry;

        assert_true(append_base64(&wire, json_object_get(item, "leaf_input")));
        assert_true(append_base64(&extra, json_object_get(item, "extra_data")));
        bytes.leaf = leaf = heap_copy(buffer_bytes(&wire));
        data = heap_copy(buffer_bytes(&extra));
        assert_true(entry_parse_extra(
            &bytes, leaf.data[11] == 1 ? LEAF_PRECERT : LEAF_X509, data, &cache,
            &certificates, &arena));
        assert_false(bytes.extra_unreadable);
        assert_true(bytes.num_chain > 0);
        for (size_t k = 0; k < bytes.num_chain; k++) {
            struct sha256_hash hash = sha256(certificates[k]);

            assert_true(sha256_equal(&hash, &bytes.chain[k]));
        }
        assert_true(entry_understand(&entry, &bytes, &arena));
        assert_int_equal(entry.flags & ~0xffffu, 0);
        assert_true(entry.has_certificate_sha256 && entry.has_tbs_sha256);
        if (entry.leaf.type == LEAF_PRECERT) {
            struct cert issuer;
            struct sha256_hash key;

            assert_true(entry.tbs_from_precert);
            assert_true(cert_parse(&issuer, certificates[0],
                                   CERT_FORM_CERTIFICATE, NULL));
            key = sha256(issuer.spki);
            assert_true(bytes_equal(entry.issuer_key_hash, sha256_bytes(&key)));
            ++*num_precerts;
        } else {
            *num_scts +=
                check_embedded_scts(&entry.cert, list, certificates[0]);
        }
        assert_true(bytes_equal(bytes.leaf, leaf));
        free((void *)leaf.data);
        free((void *)data.data);
        buffer_cleanup(&wire);
        buffer_cleanup(&extra);
        arena_reset(&arena);
    }
    chain_cache_cleanup(&cache);
    cache = (struct chain_cache){0};
    arena_cleanup(&arena);
}

static void understands_answers_and_verifies_embedded_scts(void **state)
{
    json_t *list;
    size_t num_scts = 0, num_precerts = 0;

    (void)state;
    SKIP_WITHOUT_DATA();
    list = json_load_file(test_data("loglist/all_logs_list-history/84.14.json"),
                          0, NULL);
    assert_non_null(list);
    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        struct answer answer = open_answer(answers[i]);

        understand_answer(&answer, list, &num_scts, &num_precerts);
        json_decref(answer.root);
    }
    print_message("%zu precertificates, %zu embedded SCTs verified\n",
                  num_precerts, num_scts);
    assert_true(num_precerts >= 11);
    assert_true(num_scts > 10);
    json_decref(list);
}

static void finds_the_domains_that_another_program_found(void **state)
{
    struct answer answer;
    struct bytes file, rest;
    struct arena arena = {0};
    const json_t *item, *domain;
    size_t i, k;

    (void)state;
    SKIP_WITHOUT_DATA();
    answer = open_answer(answers[0]);
    file = rest = read_exact(
        test_data("rfc6962/live2026-argon2026h2/expected-domains.jsonl"));
    json_array_foreach((json_t *)answer.entries, i, item)
    {
        json_t *row = next_names(&rest);
        struct buffer wire = {0};
        struct entry_bytes bytes = {.index = i};
        struct entry entry;

        assert_true(append_base64(&wire, json_object_get(item, "leaf_input")));
        bytes.leaf = buffer_bytes(&wire);
        assert_true(entry_understand(&entry, &bytes, &arena));
        json_array_foreach(json_object_get(row, "domains"), k, domain)
        {
            test_case = json_string_value(domain);
            CHECK(has_term(&entry, TERM_DNS, test_case, 0));
        }
        buffer_cleanup(&wire);
        json_decref(row);
        arena_reset(&arena);
    }
    test_case = "";
    free((void *)file.data);
    json_decref(answer.root);
    arena_cleanup(&arena);
}

// ------------------------------------------------------------ broken entries

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
    check_parts(&made->entry, &made->arena);
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
        CHECK(has_term(&made.entry, TERM_DNS, "a.example", VIA_SAN_DNS));
        CHECK(
            has_term(&made.entry, TERM_DNS, "b.example", VIA_UNAUTHENTICATED) ==
            (strcmp(pair->precert_dns, "b.example") == 0));
        CHECK(
            !has_term(&made.entry, TERM_DNS, "a.example", VIA_UNAUTHENTICATED));
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
        CHECK(has_term(&made.entry, TERM_DNS, "hidden.example", 0));
        CHECK(has_term(&made.entry, TERM_DNS, "subject.example", 0));
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
        cmocka_unit_test(understands_navigli),
        cmocka_unit_test(rejects_every_truncation_of_a_tile_leaf),
        cmocka_unit_test(understands_answers_and_verifies_embedded_scts),
        cmocka_unit_test(finds_the_domains_that_another_program_found),
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
