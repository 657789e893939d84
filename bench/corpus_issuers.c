// corpus_issuers.c - see corpus_parts.h.

#include <assert.h>
#include <stdio.h>

#include "bench/corpus_parts.h"
#include "tests/support/der_write.h"

static const struct certgen_name roots[CORPUS_ROOTS] = {
    {"US", NULL, NULL, "Open Web Research Group", "OWRG Root X2"},
    {"US", NULL, NULL, "Northwind Trust LLC", "Northwind Root R4"},
    {"GB", NULL, NULL, "Harbour CA Limited", "Harbour Public Root E46"},
};

static const struct {
    struct certgen_name name;
    const char *host;
    unsigned root, weight; // of 100
    enum fixed_key_kind kind;
    enum key_id key_id;
    bool validated;
    int64_t days;
} issuers[CORPUS_ISSUERS] = {
    {{"US", NULL, NULL, "Lattice Encrypt", "E7"},
     "e7.lattice.example",
     0,
     24,
     FIXED_KEY_P384,
     KEY_ID_SHA256,
     false,
     90},
    {{"US", NULL, NULL, "Lattice Encrypt", "E8"},
     "e8.lattice.example",
     0,
     22,
     FIXED_KEY_P384,
     KEY_ID_SHA256,
     false,
     90},
    {{"US", NULL, NULL, "Northwind Trust LLC", "WE1"},
     "we1.northwind.example",
     1,
     16,
     FIXED_KEY_P256,
     KEY_ID_SHA1,
     false,
     90},
    {{"GB", NULL, NULL, "Harbour CA Limited", "Harbour ECC DV Secure CA 2"},
     "harbour-ecc.example",
     2,
     8,
     FIXED_KEY_P384,
     KEY_ID_SHA1,
     false,
     90},
    {{"US", NULL, NULL, "Bluecloud Inc", "Bluecloud TLS Issuing ECC CA 4"},
     "ecc4.bluecloud.example",
     2,
     5,
     FIXED_KEY_P256,
     KEY_ID_SHA1,
     false,
     90},
    {{"US", NULL, NULL, "Lattice Encrypt", "R12"},
     "r12.lattice.example",
     0,
     9,
     FIXED_KEY_RSA2048,
     KEY_ID_SHA256,
     false,
     90},
    {{"US", NULL, NULL, "Lattice Encrypt", "R13"},
     "r13.lattice.example",
     0,
     8,
     FIXED_KEY_RSA2048,
     KEY_ID_SHA256,
     false,
     90},
    {{"US", NULL, NULL, "Amazonia", "Amazonia RSA 2048 M04"},
     "m04.amazonia.example",
     1,
     4,
     FIXED_KEY_RSA2048,
     KEY_ID_SHA1,
     false,
     199},
    {{"GB", "Greater Manchester", "Salford", "Harbour CA Limited",
      "Harbour RSA Domain Validation Secure Server CA"},
     "harbour.example",
     2,
     3,
     FIXED_KEY_RSA2048,
     KEY_ID_SHA1,
     false,
     199},
    {{"BE", NULL, NULL, "Meridian nv-sa", "Meridian RSA OV SSL CA 2025"},
     "ov.meridian.example",
     2,
     1,
     FIXED_KEY_RSA2048,
     KEY_ID_SHA1,
     true,
     199},
};

static size_t extension_open(struct buffer *out, struct bytes oid,
                             size_t *value)
{
    size_t whole = der_open(out, DER_SEQUENCE);

    der_put(out, DER_OID, oid);
    *value = der_open(out, DER_OCTET_STRING);
    return whole;
}

static void put_before(struct buffer *out, bool is_rsa)
{
    static const char ecdsa[] = "\x30\x0e\x06\x03\x55\x1d\x0f\x01\x01\xff\x04"
                                "\x04\x03\x02\x07\x80";
    static const char rsa[] = "\x30\x0e\x06\x03\x55\x1d\x0f\x01\x01\xff\x04"
                              "\x04\x03\x02\x05\xa0";
    // serverAuth and clientAuth; then basicConstraints, critical, no CA; then
    // the beginning of subjectKeyIdentifier.
    static const char rest[] =
        "\x30\x1d\x06\x03\x55\x1d\x25\x04\x16\x30\x14\x06\x08\x2b\x06\x01\x05"
        "\x05\x07\x03\x01\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x02"
        "\x30\x0c\x06\x03\x55\x1d\x13\x01\x01\xff\x04\x02\x30\x00"
        "\x30\x1d\x06\x03\x55\x1d\x0e\x04\x16\x04\x14";

    buffer_append(out, is_rsa ? OID(rsa) : OID(ecdsa));
    buffer_append(out, OID(rest));
}

static void put_after(struct buffer *out, const struct authority *authority)
{
    // domainValidated or organizationValidated.
    static const char policy[] = "\x30\x13\x06\x03\x55\x1d\x20\x04\x0c\x30\x0a"
                                 "\x30\x08\x06\x06\x67\x81\x0c\x01\x02";
    size_t mark[5], value, whole;
    char url[160];

    whole = extension_open(out, OID("\x55\x1d\x23"), &value);
    mark[0] = der_open(out, DER_SEQUENCE);
    der_put(out, DER_CONTEXT | 0, authority_key_id(authority));
    der_close(out, mark[0]);
    der_close(out, value);
    der_close(out, whole);
    whole =
        extension_open(out, OID("\x2b\x06\x01\x05\x05\x07\x01\x01"), &value);
    mark[0] = der_open(out, DER_SEQUENCE);
    mark[1] = der_open(out, DER_SEQUENCE);
    der_put(out, DER_OID, OID("\x2b\x06\x01\x05\x05\x07\x30\x02"));
    (void)snprintf(url, sizeof url, "http://i.%s/", authority->host);
    der_put_text(out, DER_CONTEXT | 6, url);
    der_close(out, mark[1]);
    der_close(out, mark[0]);
    der_close(out, value);
    der_close(out, whole);
    buffer_append(out, OID(policy));
    buffer_append_byte(out, authority->validated ? 2 : 1);
    whole = extension_open(out, OID("\x55\x1d\x1f"), &value);
    (void)snprintf(url, sizeof url, "http://c.%s/42.crl", authority->host);
    mark[0] = der_open(out, DER_SEQUENCE);
    mark[1] = der_open(out, DER_SEQUENCE);
    mark[2] = der_open(out, DER_CONTEXT_CONSTRUCTED | 0);
    mark[3] = der_open(out, DER_CONTEXT_CONSTRUCTED | 0);
    der_put_text(out, DER_CONTEXT | 6, url);
    for (size_t i = 4; i > 0; i--) {
        der_close(out, mark[i - 1]);
    }
    der_close(out, value);
    der_close(out, whole);
}

static void make_pieces(struct corpus *corpus, unsigned number)
{
    struct pieces *pieces = &corpus->pieces[number];
    struct authority *authority = &pieces->authority;
    bool is_rsa = issuers[number].kind == FIXED_KEY_RSA2048;
    struct buffer wrapped = {0};

    pieces->kind = issuers[number].kind;
    pieces->key_id = issuers[number].key_id;
    pieces->days = issuers[number].days;
    authority->name = issuers[number].name;
    authority->host = issuers[number].host;
    authority->validated = issuers[number].validated;
    authority->parent = &corpus->roots[issuers[number].root];
    authority_init(authority, issuers[number].kind, !is_rsa, corpus->seed,
                   issuers[number].host);
    pieces->chain[0] = authority->fingerprint;
    pieces->chain[1] = authority->parent->fingerprint;
    // What stands between an empty TBSCertificate and an empty signature.
    certgen_wrap(&wrapped, OID("\x30\x00"), authority->algorithm, OID(""));
    buffer_append(&pieces->algorithm,
                  bytes_of(wrapped.data + 4, wrapped.len - 4 - 3));
    buffer_cleanup(&wrapped);
    put_before(&pieces->before, is_rsa);
    put_after(&pieces->after, authority);
}

void corpus_make_issuers(struct corpus *corpus)
{
    unsigned at = 0;

    for (size_t i = 0; i < CORPUS_ROOTS; i++) {
        corpus->roots[i].name = roots[i];
        authority_init(&corpus->roots[i], FIXED_KEY_P384, true, corpus->seed,
                       roots[i].common_name);
    }
    for (unsigned i = 0; i < CORPUS_ISSUERS; i++) {
        make_pieces(corpus, i);
        for (unsigned k = 0; k < issuers[i].weight; k++) {
            corpus->by_weight[at++] = (uint8_t)i;
        }
    }
    assert(at == CORPUS_PERCENT);
}

void corpus_free_issuers(struct corpus *corpus)
{
    for (unsigned i = 0; i < CORPUS_ISSUERS; i++) {
        authority_cleanup(&corpus->pieces[i].authority);
        buffer_cleanup(&corpus->pieces[i].algorithm);
        buffer_cleanup(&corpus->pieces[i].before);
        buffer_cleanup(&corpus->pieces[i].after);
    }
    for (size_t i = 0; i < CORPUS_ROOTS; i++) {
        authority_cleanup(&corpus->roots[i]);
    }
}
