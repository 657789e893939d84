// test_log_form.c - poison and SCT list cut out, nothing else touched.

#include "tests/support/check.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/pem.h>

#include "index/entry/cert.h"
#include "index/entry/entry.h"
#include "index/entry/log_form.h"
#include "tests/support/make_der.h"

#define POISON "3013 060a2b06010401d679020403 0101ff 0402 0500 "
#define POISON_ODD "300e 060a2b06010401d679020403 0400 "
#define SCTS "3012 060a2b06010401d679020402 0404 04020000 "
#define CA "3009 0603551d13 0402 3000 "
#define BER "3080 0603551d13 0402 3000 0000 "

// A TBSCertificate of one INTEGER before [3]: all that matters here.
static const struct {
    const char *name;
    const char *tbs;
    const char *expected; // NULL: cannot be taken apart
} cases[] = {
    {"no extensions", "3003 020101", "3003 020101"},
    {"nothing to remove", "3012 020101 a30d 300b" CA,
     "3012 020101 a30d 300b" CA},
    {"nothing to remove, lengths that are no DER",
     "308116 020101 a380 3080" CA "0000 0000",
     "308116 020101 a380 3080" CA "0000 0000"},
    {"poison first", "3027 020101 a322 3020" POISON CA,
     "3012 020101 a30d 300b" CA},
    {"poison last", "3027 020101 a322 3020" CA POISON,
     "3012 020101 a30d 300b" CA},
    {"poison between", "3032 020101 a32d 302b" CA POISON CA,
     "301d 020101 a318 3016" CA CA},
    {"SCT list", "3026 020101 a321 301f" CA SCTS, "3012 020101 a30d 300b" CA},
    {"both, and twice", "304b 020101 a346 3044" POISON CA SCTS POISON_ODD,
     "3012 020101 a30d 300b" CA},
    {"poison of another value, not critical",
     "3022 020101 a31d 301b" POISON_ODD CA, "3012 020101 a30d 300b" CA},
    {"poison alone", "301c 020101 a317 3015" POISON, "3003 020101"},
    {"no extension at all stays", "3007 020101 a302 3000",
     "3007 020101 a302 3000"},
    {"what is kept stays BER", "3029 020101 a324 3022" BER POISON,
     "3014 020101 a30f 300d" BER},
    {"indefinite lengths around",
     "3080 020101 a380 3080" CA POISON "0000 0000 0000",
     "3012 020101 a30d 300b" CA},
    {"elements after [3]", "302b 020101 a322 3020" POISON CA "8402 abcd",
     "3016 020101 a30d 300b" CA "8402 abcd"},
    {"bytes behind the list", "3029 020101 a324 3020" POISON CA "0500",
     "3014 020101 a30f 300b" CA "0500"},
    {"trailing byte", "3003 020101 00", NULL},
    {"list broken", "3012 020101 a30d 300b 30ff 0603551d13 0402 3000", NULL},
    {"[3] is empty", "3005 020101 a300", NULL},
    {"element too long", "3003 02ff 01", NULL},
    {"nothing", "", NULL},
};

static struct bytes join(struct buffer *out, const struct log_form *form)
{
    for (size_t i = 0; i < form->num_pieces; i++) {
        buffer_append(out, form->pieces[i]);
    }
    return buffer_bytes(out);
}

static void removes_and_touches_nothing_else(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct bytes tbs = from_hex(cases[i].tbs);
        struct buffer out = {0}, collected = {0};
        struct sha256_hash hash, expected_hash;
        struct log_form form;

        test_case = cases[i].name;
        CHECK(make_log_form(&out, tbs) == (cases[i].expected != NULL));
        CHECK(log_form_sha256(tbs, &hash) == (cases[i].expected != NULL));
        if (cases[i].expected != NULL) {
            struct bytes expected = from_hex(cases[i].expected);

            CHECK(bytes_equal(buffer_bytes(&out), expected));
            expected_hash = sha256(expected);
            CHECK(sha256_equal(&hash, &expected_hash));
            CHECK(log_form_equals(tbs, expected));
            CHECK(log_form_collect(&form, tbs));
            CHECK(bytes_equal(join(&collected, &form), expected));
            for (size_t len = 0; len < expected.len; len++) {
                CHECK(!log_form_equals(tbs, bytes_of(expected.data, len)));
            }
            free((void *)expected.data);
        } else {
            CHECK(out.len == 0);
            CHECK(!log_form_collect(&form, tbs));
        }
        buffer_cleanup(&out);
        buffer_cleanup(&collected);
        free((void *)tbs.data);
    }
}

// Kept and removed by turns: more pieces than are collected, hashed all the
// same.
static void hashes_any_number_of_pieces(void **state)
{
    struct bytes tbs = from_hex(
        "3081cb 020101 a381c5 3081c2" CA POISON CA POISON_ODD CA POISON_ODD CA
            POISON_ODD CA POISON_ODD CA POISON_ODD CA POISON_ODD);
    struct bytes expected =
        from_hex("3054 020101 a34f 304d" CA CA CA CA CA CA CA);
    struct sha256_hash hash, expected_hash = sha256(expected);
    struct log_form form;

    (void)state;
    CHECK(!log_form_collect(&form, tbs));
    CHECK(log_form_sha256(tbs, &hash));
    CHECK(sha256_equal(&hash, &expected_hash));
    free((void *)tbs.data);
    free((void *)expected.data);
}

static void survives_every_truncation(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct bytes tbs = from_hex(cases[i].tbs);

        test_case = cases[i].name;
        for (size_t len = 0; len < tbs.len; len++) {
            struct bytes cut = heap_copy(bytes_of(tbs.data, len));
            struct sha256_hash hash;

            if (cases[i].expected != NULL) {
                CHECK(!log_form_sha256(cut, &hash));
            }
            free((void *)cut.data);
        }
        free((void *)tbs.data);
    }
}

static struct bytes read_pem(const char *path)
{
    struct bytes pem = read_file(test_data(path)), der;
    BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.len);
    char *name = NULL, *header = NULL;
    unsigned char *data = NULL;
    long len = 0;

    assert_int_equal(PEM_read_bio(bio, &name, &header, &data, &len), 1);
    der = heap_copy(bytes_of(data, (size_t)len));
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_free(data);
    BIO_free(bio);
    free((void *)pem.data);
    return der;
}

static const struct {
    const char *final;
    const char *precert;
    const char *issuer;
    const char *proof; // the SCT over the leaf
    bool gives_back;
} pairs[] = {
#define TESTDATA "scts/google-ct-testdata/"
    {TESTDATA "test-embedded-cert.pem", TESTDATA "test-embedded-pre-cert.pem",
     TESTDATA "ca-cert.pem", TESTDATA "test-embedded-pre-cert.proof", true},
    {TESTDATA "test-embedded-with-intermediate-cert.pem",
     TESTDATA "test-embedded-with-intermediate-pre-cert.pem",
     TESTDATA "intermediate-cert.pem",
     TESTDATA "test-embedded-with-intermediate-pre-cert.proof", true},
    {TESTDATA "test-embedded-with-preca-cert.pem",
     TESTDATA "test-embedded-with-preca-pre-cert.pem", TESTDATA "ca-cert.pem",
     TESTDATA "test-embedded-with-preca-pre-cert.proof", false},
    {TESTDATA "test-embedded-with-intermediate-preca-cert.pem",
     TESTDATA "test-embedded-with-intermediate-preca-pre-cert.pem",
     TESTDATA "intermediate-cert.pem",
     TESTDATA "test-embedded-with-intermediate-preca-pre-cert.proof", false},
};

static EVP_PKEY *read_public_key(void)
{
    struct bytes spki = read_pem(TESTDATA "ct-server-key-public.pem");
    CBS cbs;
    EVP_PKEY *key;

    CBS_init(&cbs, spki.data, spki.len);
    key = EVP_parse_public_key(&cbs);
    assert_non_null(key);
    free((void *)spki.data);
    return key;
}

// The SCT of the proof file must hold over the leaf.
static void check_proof(size_t i, struct bytes leaf)
{
    struct bytes proof = read_file(test_data(pairs[i].proof));
    EVP_PKEY *key = read_public_key();
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    struct bytes view = proof, id, extensions, signature;
    uint64_t version, timestamp, algorithms;
    struct buffer message = {0};

    CHECK(bytes_read_uint(&view, &version, 1) &&
          bytes_read_take(&view, &id, 32) &&
          bytes_read_uint(&view, &timestamp, 8) &&
          bytes_read_vector(&view, &extensions, 2) &&
          bytes_read_uint(&view, &algorithms, 2) &&
          bytes_read_vector(&view, &signature, 2));
    buffer_append(&message, leaf);
    bytes_put_uint(message.data + 2, timestamp, 8);
    CHECK(EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, key) == 1);
    CHECK(EVP_DigestVerify(context, signature.data, signature.len, message.data,
                           message.len) == 1);
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
    buffer_cleanup(&message);
    free((void *)proof.data);
}

// RFC 6962's reference certificates: what the log signed is the log form of
// the final certificate, also where a Precertificate Signing Certificate put
// its own name into the precertificate: that is no mismatch.
static void gives_what_the_reference_log_signed(void **state)
{
    (void)state;
    SKIP_WITHOUT_DATA();
    for (size_t i = 0; i < COUNT_OF(pairs); i++) {
        struct bytes final_der = read_pem(pairs[i].final);
        struct bytes precert_der = read_pem(pairs[i].precert);
        struct bytes issuer_der = read_pem(pairs[i].issuer);
        struct buffer tbs = {0}, wire = {0};
        struct arena arena = {0};
        struct cert final, issuer;
        struct sha256_hash key;
        struct entry_bytes bytes = {.precert = precert_der};
        struct entry entry;

        test_case = pairs[i].final;
        CHECK(cert_parse(&final, final_der, CERT_FORM_CERTIFICATE, NULL));
        CHECK(cert_parse(&issuer, issuer_der, CERT_FORM_CERTIFICATE, NULL));
        CHECK(make_log_form(&tbs, final.tbs));
        key = sha256(issuer.spki);
        leaf_append(&wire, &(struct leaf){.type = LEAF_PRECERT,
                                          .issuer_key_hash = sha256_bytes(&key),
                                          .certificate = buffer_bytes(&tbs)});
        check_proof(i, buffer_bytes(&wire));
        bytes.leaf = buffer_bytes(&wire);
        CHECK(entry_understand(&entry, &bytes, &arena));
        CHECK(entry.tbs_from_precert == pairs[i].gives_back);
        CHECK((entry.flags & (FLAG_PRECERT_MISMATCH | FLAG_UNPARSED)) == 0);
        buffer_cleanup(&tbs);
        buffer_cleanup(&wire);
        arena_cleanup(&arena);
        free((void *)final_der.data);
        free((void *)precert_der.data);
        free((void *)issuer_der.data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(removes_and_touches_nothing_else),
        cmocka_unit_test(hashes_any_number_of_pieces),
        cmocka_unit_test(survives_every_truncation),
        cmocka_unit_test(gives_what_the_reference_log_signed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
