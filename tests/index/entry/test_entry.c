// test_entry.c - whole entries as logs served them, by both protocols.

#include "tests/support/check.h"

#include <jansson.h>

#include <openssl/bytestring.h>
#include <openssl/digest.h>
#include <openssl/evp.h>

#include "index/base/text.h"
#include "index/entry/merkle.h"
#include "tests/support/make_der.h"
#include "tests/support/understood.h"

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
        CHECK(understood_has(entry, TERM_DNS, test_case, VIA_SAN_DNS));
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
        assert_true(make_log_form(&log_form, precert.tbs));
        assert_true(
            bytes_equal(buffer_bytes(&log_form), entry.leaf.certificate));
        check_names_row(&entry, row);
        understood_check(&entry, &arena);
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

        assert_true(make_log_form(&tbs, cert->tbs));
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
    struct cert_lists lists;
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
    cert_find_lists(&lists, cert);
    assert_true(cert_each_sct(&lists, count_sct, &listed));
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
            CHECK(understood_has(&entry, TERM_DNS, test_case, 0));
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(understands_navigli),
        cmocka_unit_test(rejects_every_truncation_of_a_tile_leaf),
        cmocka_unit_test(understands_answers_and_verifies_embedded_scts),
        cmocka_unit_test(finds_the_domains_that_another_program_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
