// test_cert_text.c - what is shown of a certificate, against BoringSSL.

#include "tests/support/check.h"

#include <dirent.h>

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "index/entry/cert.h"
#include "tests/support/make_der.h"

// ------------------------------------------------------------------- strings

static const struct {
    const char *name;
    uint8_t tag;
    const char *hex;
    const char *utf8;
} strings[] = {
    {"UTF8String", 0x0c, "62c3bc63",
     "b\xc3\xbc"
     "c"},
    {"Latin-1 in a UTF8String", 0x0c, "62fc63",
     "b\xc3\xbc"
     "c"},
    {"T61String", 0x14, "62fc63",
     "b\xc3\xbc"
     "c"},
    {"UTF-8 in a PrintableString", 0x13, "e88ab1", "\xe8\x8a\xb1"},
    {"BMPString", 0x1e, "006200fc4e2d", "b\xc3\xbc\xe4\xb8\xad"},
    {"BMPString with surrogates", 0x1e, "d83dde00", "\xf0\x9f\x98\x80"},
    {"BMPString with half a pair", 0x1e, "d83d0041",
     "\xef\xbf\xbd"
     "A"},
    {"BMPString of odd length", 0x1e, "616263", "abc"},
    {"UniversalString", 0x1c, "0000006200004e2d", "b\xe4\xb8\xad"},
    {"UniversalString out of range", 0x1c, "00110000", "\xef\xbf\xbd"},
    {"UniversalString of three octets", 0x1c, "616263", "abc"},
    {"none", 0, "616263", "abc"},
    {"empty", 0x0c, "", ""},
};

static void decodes_strings(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(strings); i++) {
        struct bytes raw = from_hex(strings[i].hex);
        struct buffer out = {0};

        test_case = strings[i].name;
        cert_text_utf8(&out, strings[i].tag, raw);
        CHECK(bytes_equal_text(buffer_bytes(&out), strings[i].utf8));
        buffer_cleanup(&out);
        free((void *)raw.data);
    }
}

// --------------------------------------------------------------------- names

static const struct {
    const char *name;
    const char *hex; // content of the Name
    const char *text;
    const char *common_name;
} names[] = {
#define O_TEST_CA "3110 300e 060355040a 0c07 54657374204341 "
#define CN_TEST_CA_1 "3112 3010 0603550403 0c09 546573742043412031 "
    {"issuer of the outside check", O_TEST_CA CN_TEST_CA_1,
     "CN=Test CA 1,O=Test CA", "Test CA 1"},
    {"empty", "", "", ""},
    {"several attributes in an RDN",
     "3114 3008 0603550406 130148 3008 0603550408 130152" O_TEST_CA,
     "O=Test CA,C=H+ST=R", ""},
    {"every short name",
     "310a 3008 0603550407 0c016c 310a 3008 060355040b 0c0175"
     "310a 3008 0603550409 0c0173"
     "3111 300f 060a0992268993f22c640119 160164"
     "3111 300f 060a0992268993f22c640101 0c0169",
     "UID=i,DC=d,STREET=s,OU=u,L=l", ""},
    {"another type, a string", "310a 3008 0603550405 130137", "2.5.4.5=7", ""},
    {"another type, no string", "310a 3008 0603550405 020107",
     "2.5.4.5=#020107", ""},
    {"a BIT STRING", "310c 300a 060355042d 03030001ff", "2.5.4.45=#03030001ff",
     ""},
    {"characters with a meaning",
     "3113 3011 0603550403 0c0a 2c2b223c3e3b5c3d2361",
     "CN=\\,\\+\\\"\\<\\>\\;\\\\=#a", ",+\"<>;\\=#a"},
    {"edges",
     "310d 300b 0603550403 0c04 20612020 310b 3009 0603550403 0c022361",
     "CN=\\#a,CN=\\ a \\ ", " a  "},
    {"NUL", "310c 300a 0603550403 0c03 610062", "CN=a\\00b", NULL},
    {"one blank", "310a 3008 0603550403 0c0120", "CN=\\ ", " "},
    {"broken behind", CN_TEST_CA_1 "31ff", "CN=Test CA 1", "Test CA 1"},
};

static void writes_names_as_rfc_4514(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct buffer name = {0}, out = {0};
        size_t at;

        test_case = names[i].name;
        make_hex(&name, names[i].hex);
        make_wrap(&name, 0x30, 0);
        buffer_append_text(&out, "before ");
        at = out.len;
        cert_append_name_rfc4514(&out, buffer_bytes(&name));
        CHECK(bytes_equal_text(bytes_of(out.data + at, out.len - at),
                               names[i].text));
        CHECK(memcmp(out.data, "before ", at) == 0);
        buffer_reset(&out);
        cert_append_common_name(&out, buffer_bytes(&name));
        if (names[i].common_name != NULL) {
            CHECK(bytes_equal_text(buffer_bytes(&out), names[i].common_name));
        }
        buffer_cleanup(&name);
        buffer_cleanup(&out);
    }
}

static const struct {
    const char *name;
    const char *hex; // content of the Name
    const char *text;
    const char *organisation;
} plain_names[] = {
    {"the certificate's order", O_TEST_CA CN_TEST_CA_1,
     "O=Test CA, CN=Test CA 1", "Test CA"},
    {"empty", "", "", ""},
    {"several attributes in an RDN",
     "3114 3008 0603550406 130148 3008 0603550408 130152" O_TEST_CA,
     "C=H + ST=R, O=Test CA", "Test CA"},
    {"six short names, no more",
     "310a 3008 0603550407 0c016c 310a 3008 060355040b 0c0175"
     "310a 3008 0603550409 0c0173",
     "L=l, OU=u, 2.5.4.9=s", ""},
    {"a comma", "310e 300c 060355040a 0c05 612c206222", "O=\"a, b\\\"\"",
     "a, b\""},
    {"a backslash", "310b 3009 060355040a 0c02 615c", "O=\"a\\\\\"", "a\\"},
    {"a blank at an end", "310b 3009 060355040a 0c02 6120", "O=\"a \"", "a "},
    {"a number sign in front and inside",
     "310b 3009 060355040a 0c02 2361 310b 3009 060355040a 0c02 6123",
     "O=\"#a\", O=a#", "#a"},
    {"no string", "310a 3008 0603550405 020107", "2.5.4.5=#020107", ""},
};

static void writes_names_plainly(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(plain_names); i++) {
        struct buffer name = {0}, out = {0};

        test_case = plain_names[i].name;
        make_hex(&name, plain_names[i].hex);
        make_wrap(&name, 0x30, 0);
        cert_append_name_plain(&out, buffer_bytes(&name));
        CHECK(bytes_equal_text(buffer_bytes(&out), plain_names[i].text));
        buffer_reset(&out);
        cert_append_organisation(&out, buffer_bytes(&name));
        CHECK(
            bytes_equal_text(buffer_bytes(&out), plain_names[i].organisation));
        buffer_cleanup(&name);
        buffer_cleanup(&out);
    }
}

// -------------------------------------------------------------- the corpus

static bool append_line(void *context, struct bytes text)
{
    buffer_append(context, text);
    buffer_append_byte(context, '\n');
    return true;
}

static void append_object(struct buffer *out, const ASN1_OBJECT *object)
{
    char text[512];
    int len = OBJ_obj2txt(text, sizeof text, object, 1);

    assert_true(len > 0 && (size_t)len < sizeof text);
    buffer_append(out, bytes_of(text, (size_t)len));
    buffer_append_byte(out, '\n');
}

static void append_purpose(struct buffer *out, const ASN1_OBJECT *object)
{
    static const struct {
        int nid;
        const char *word;
    } words[] = {
        {NID_server_auth, "server-auth\n"},
        {NID_client_auth, "client-auth\n"},
        {NID_code_sign, "code-signing\n"},
        {NID_email_protect, "email-protection\n"},
        {NID_time_stamp, "time-stamping\n"},
        {NID_OCSP_sign, "ocsp-signing\n"},
        {NID_anyExtendedKeyUsage, "any\n"},
    };

    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (OBJ_obj2nid(object) == words[i].nid) {
            buffer_append_text(out, words[i].word);
            return;
        }
    }
    append_object(out, object);
}

static void check_eku(const struct cert *cert, const X509 *x509)
{
    struct cert_lists lists;
    EXTENDED_KEY_USAGE *list =
        X509_get_ext_d2i(x509, NID_ext_key_usage, NULL, NULL);
    struct buffer ours = {0}, theirs = {0};

    if (list == NULL) return;
    for (size_t i = 0; i < sk_ASN1_OBJECT_num(list); i++) {
        append_purpose(&theirs, sk_ASN1_OBJECT_value(list, i));
    }
    cert_find_lists(&lists, cert);
    CHECK(cert_each_eku(&lists, append_line, &ours));
    CHECK(bytes_equal(buffer_bytes(&ours), buffer_bytes(&theirs)));
    sk_ASN1_OBJECT_pop_free(list, ASN1_OBJECT_free);
    buffer_cleanup(&ours);
    buffer_cleanup(&theirs);
}

static void check_policies(const struct cert *cert, const X509 *x509)
{
    struct cert_lists lists;
    CERTIFICATEPOLICIES *list =
        X509_get_ext_d2i(x509, NID_certificate_policies, NULL, NULL);
    struct buffer ours = {0}, theirs = {0};

    if (list == NULL) return;
    for (size_t i = 0; i < sk_POLICYINFO_num(list); i++) {
        append_object(&theirs, sk_POLICYINFO_value(list, i)->policyid);
    }
    cert_find_lists(&lists, cert);
    CHECK(cert_each_policy(&lists, append_line, &ours));
    CHECK(bytes_equal(buffer_bytes(&ours), buffer_bytes(&theirs)));
    CERTIFICATEPOLICIES_free(list);
    buffer_cleanup(&ours);
    buffer_cleanup(&theirs);
}

static void append_uri(struct buffer *out, const GENERAL_NAME *name)
{
    if (name->type != GEN_URI) return;
    append_line(out, bytes_of(ASN1_STRING_get0_data(name->d.ia5),
                              (size_t)ASN1_STRING_length(name->d.ia5)));
}

static void check_crl_urls(const struct cert *cert, const X509 *x509)
{
    struct cert_lists lists;
    CRL_DIST_POINTS *list =
        X509_get_ext_d2i(x509, NID_crl_distribution_points, NULL, NULL);
    struct buffer ours = {0}, theirs = {0};

    if (list == NULL) return;
    for (size_t i = 0; i < sk_DIST_POINT_num(list); i++) {
        const DIST_POINT *point = sk_DIST_POINT_value(list, i);

        if (point->distpoint == NULL || point->distpoint->type != 0) continue;
        for (size_t k = 0;
             k < sk_GENERAL_NAME_num(point->distpoint->name.fullname); k++) {
            append_uri(&theirs, sk_GENERAL_NAME_value(
                                    point->distpoint->name.fullname, k));
        }
    }
    cert_find_lists(&lists, cert);
    CHECK(cert_each_crl_url(&lists, append_line, &ours));
    CHECK(bytes_equal(buffer_bytes(&ours), buffer_bytes(&theirs)));
    CRL_DIST_POINTS_free(list);
    buffer_cleanup(&ours);
    buffer_cleanup(&theirs);
}

static void check_ocsp_urls(const struct cert *cert, const X509 *x509)
{
    struct cert_lists lists;
    AUTHORITY_INFO_ACCESS *list =
        X509_get_ext_d2i(x509, NID_info_access, NULL, NULL);
    struct buffer ours = {0}, theirs = {0};

    if (list == NULL) return;
    for (size_t i = 0; i < sk_ACCESS_DESCRIPTION_num(list); i++) {
        const ACCESS_DESCRIPTION *access = sk_ACCESS_DESCRIPTION_value(list, i);

        if (OBJ_obj2nid(access->method) != NID_ad_OCSP) continue;
        append_uri(&theirs, access->location);
    }
    cert_find_lists(&lists, cert);
    CHECK(cert_each_ocsp_url(&lists, append_line, &ours));
    CHECK(bytes_equal(buffer_bytes(&ours), buffer_bytes(&theirs)));
    AUTHORITY_INFO_ACCESS_free(list);
    buffer_cleanup(&ours);
    buffer_cleanup(&theirs);
}

static void check_key_type(const struct cert *cert, const X509 *x509)
{
    EVP_PKEY *key = X509_get_pubkey((X509 *)x509);
    struct buffer ours = {0}, theirs = {0};

    if (key == NULL) return;
    if (EVP_PKEY_id(key) == EVP_PKEY_RSA) {
        buffer_printf(&theirs, "rsa-%d", EVP_PKEY_bits(key));
    } else if (EVP_PKEY_id(key) == EVP_PKEY_EC) {
        buffer_printf(&theirs, "ecdsa-p%d", EVP_PKEY_bits(key));
    } else if (EVP_PKEY_id(key) == EVP_PKEY_ED25519) {
        buffer_append_text(&theirs, "ed25519");
    }
    cert_append_key_type(&ours, cert->spki);
    if (theirs.len > 0) {
        CHECK(bytes_equal(buffer_bytes(&ours), buffer_bytes(&theirs)));
    }
    EVP_PKEY_free(key);
    buffer_cleanup(&ours);
    buffer_cleanup(&theirs);
}

static void check_signature_algorithm(const struct cert *cert, const X509 *x509)
{
    static const struct {
        int nid;
        const char *word;
    } words[] = {
        {NID_sha256WithRSAEncryption, "rsa-sha256"},
        {NID_sha384WithRSAEncryption, "rsa-sha384"},
        {NID_sha512WithRSAEncryption, "rsa-sha512"},
        {NID_sha1WithRSAEncryption, "rsa-sha1"},
        {NID_md5WithRSAEncryption, "rsa-md5"},
        {NID_rsassaPss, "rsa-pss"},
        {NID_ecdsa_with_SHA1, "ecdsa-sha1"},
        {NID_ecdsa_with_SHA256, "ecdsa-sha256"},
        {NID_ecdsa_with_SHA384, "ecdsa-sha384"},
        {NID_ecdsa_with_SHA512, "ecdsa-sha512"},
        {NID_ED25519, "ed25519"},
    };
    const X509_ALGOR *algorithm = X509_get0_tbs_sigalg(x509);
    struct buffer ours = {0};
    int nid = OBJ_obj2nid(algorithm->algorithm);

    cert_append_signature_algorithm(&ours, cert->signature_algorithm);
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (words[i].nid == nid) {
            CHECK(bytes_equal_text(buffer_bytes(&ours), words[i].word));
        }
    }
    CHECK(ours.len > 0);
    buffer_cleanup(&ours);
}

static void check_ca(const struct cert *cert, const X509 *x509)
{
    BASIC_CONSTRAINTS *constraints =
        X509_get_ext_d2i(x509, NID_basic_constraints, NULL, NULL);

    if (constraints == NULL) return;
    CHECK(cert->is_ca == (constraints->ca != 0));
    BASIC_CONSTRAINTS_free(constraints);
}

// Names of plain characters alone read alike under RFC 2253.
static void check_issuer_text(const struct cert *cert, X509 *x509)
{
    BIO *bio = BIO_new(BIO_s_mem());
    struct buffer ours = {0};
    const uint8_t *theirs;
    size_t len;

    assert_true(X509_NAME_print_ex(bio, X509_get_issuer_name(x509), 0,
                                   XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB) >=
                0);
    assert_true(BIO_mem_contents(bio, &theirs, &len));
    cert_append_name_rfc4514(&ours, cert->issuer);
    if (len > 0 && memchr(theirs, '\\', len) == NULL && ours.len > 0 &&
        memmem(theirs, len, "serialNumber=", 13) == NULL &&
        memmem(theirs, len, "emailAddress=", 13) == NULL &&
        memmem(theirs, len, "=#", 2) == NULL &&
        memmem(ours.data, ours.len, "2.5.4.", 6) == NULL &&
        memmem(ours.data, ours.len, "1.", 2) == NULL) {
        CHECK(bytes_equal(buffer_bytes(&ours), bytes_of(theirs, len)));
    }
    BIO_free(bio);
    buffer_cleanup(&ours);
}

static size_t check_folder(const char *folder)
{
    char path[4096];
    struct dirent *item;
    size_t num = 0;
    DIR *dir;

    (void)snprintf(path, sizeof path, "%s", test_data(folder));
    dir = opendir(path);
    assert_non_null(dir);
    while ((item = readdir(dir)) != NULL) {
        char file[4400];
        struct bytes raw;
        struct cert cert;
        const uint8_t *data;
        X509 *x509;

        if (strstr(item->d_name, ".der") == NULL) continue;
        (void)snprintf(file, sizeof file, "%s/%s", path, item->d_name);
        raw = read_file(file);
        data = raw.data;
        x509 = d2i_X509(NULL, &data, (long)raw.len);
        test_case = item->d_name;
        if (x509 != NULL &&
            cert_parse(&cert, raw, CERT_FORM_CERTIFICATE, NULL)) {
            check_eku(&cert, x509);
            check_policies(&cert, x509);
            check_crl_urls(&cert, x509);
            check_ocsp_urls(&cert, x509);
            check_key_type(&cert, x509);
            check_signature_algorithm(&cert, x509);
            check_ca(&cert, x509);
            check_issuer_text(&cert, x509);
            num++;
        }
        X509_free(x509);
        free((void *)raw.data);
        test_case = "";
    }
    (void)closedir(dir);
    return num;
}

static void shows_the_corpus_as_boringssl_does(void **state)
{
    (void)state;
    SKIP_WITHOUT_DATA();
    assert_true(check_folder("certs/leaf") + check_folder("certs/real") > 1300);
    assert_true(check_folder("certs/real-issuers") > 30);
}

// ---------------------------------------------------------------- signatures

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
    const char *cert;
    const char *issuer;
    bool holds;
} signatures[] = {
#define SCTS "scts/google-ct-testdata/"
    {SCTS "test-cert.pem", SCTS "ca-cert.pem", true},
    {SCTS "ca-cert.pem", SCTS "ca-cert.pem", true},
    {SCTS "test-embedded-with-intermediate-cert.pem",
     SCTS "intermediate-cert.pem", true},
    {SCTS "test-embedded-with-preca-pre-cert.pem", SCTS "ca-pre-cert.pem",
     true},
    {SCTS "test-embedded-with-preca-pre-cert.pem", SCTS "ca-cert.pem", false},
    {SCTS "test-cert.pem", SCTS "intermediate-cert.pem", false},
    {SCTS "test-cert.pem", SCTS "test-cert.pem", false},
};

static void verifies_signatures(void **state)
{
    (void)state;
    SKIP_WITHOUT_DATA();
    for (size_t i = 0; i < COUNT_OF(signatures); i++) {
        struct bytes der = read_pem(signatures[i].cert);
        struct bytes issuer_der = read_pem(signatures[i].issuer);
        struct cert cert, issuer;

        test_case = signatures[i].cert;
        CHECK(cert_parse(&cert, der, CERT_FORM_CERTIFICATE, NULL));
        CHECK(cert_parse(&issuer, issuer_der, CERT_FORM_CERTIFICATE, NULL));
        CHECK(cert_verify_signature(&cert, issuer.spki) == signatures[i].holds);
        // Any changed octet of what is signed is seen.
        ((uint8_t *)cert.tbs.data)[cert.tbs.len / 2] ^= 1;
        CHECK(!cert_verify_signature(&cert, issuer.spki));
        CHECK(!cert_verify_signature(&cert, (struct bytes){0}));
        free((void *)der.data);
        free((void *)issuer_der.data);
    }
}

// Each certificate that BoringSSL verifies as signed by its own key.
static void verifies_what_boringssl_verifies(void **state)
{
    char path[4096];
    struct dirent *item;
    size_t num = 0;
    DIR *dir;

    (void)state;
    SKIP_WITHOUT_DATA();
    (void)snprintf(path, sizeof path, "%s", test_data("certs/leaf"));
    dir = opendir(path);
    assert_non_null(dir);
    while ((item = readdir(dir)) != NULL) {
        char file[4400];
        struct bytes raw;
        struct cert cert;
        const uint8_t *data;
        const X509_ALGOR *outer;
        X509 *x509;
        EVP_PKEY *key;

        if (strstr(item->d_name, ".der") == NULL) continue;
        (void)snprintf(file, sizeof file, "%s/%s", path, item->d_name);
        raw = read_file(file);
        data = raw.data;
        x509 = d2i_X509(NULL, &data, (long)raw.len);
        key = x509 != NULL ? X509_get_pubkey(x509) : NULL;
        test_case = item->d_name;
        if (key != NULL &&
            cert_parse(&cert, raw, CERT_FORM_CERTIFICATE, NULL)) {
            bool theirs = X509_verify(x509, key) == 1;
            bool ours = cert_verify_signature(&cert, cert.spki);

            int nid = X509_get_signature_nid(x509);

            // MD5 and PSS with two hashes are not known to us.
            // The unsigned copy of the algorithm does not count for us.
            X509_get0_signature(NULL, &outer, x509);
            CHECK(!ours || theirs ||
                  X509_ALGOR_cmp(outer, X509_get0_tbs_sigalg(x509)) != 0);
            CHECK(ours || !theirs || nid == NID_md5WithRSAEncryption ||
                  nid == NID_rsassaPss);
            if (theirs && ours) num++;
        }
        EVP_PKEY_free(key);
        X509_free(x509);
        free((void *)raw.data);
        test_case = "";
    }
    (void)closedir(dir);
    print_message("%zu verified\n", num);
    assert_true(num > 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decodes_strings),
        cmocka_unit_test(writes_names_as_rfc_4514),
        cmocka_unit_test(writes_names_plainly),
        cmocka_unit_test(shows_the_corpus_as_boringssl_does),
        cmocka_unit_test(verifies_signatures),
        cmocka_unit_test(verifies_what_boringssl_verifies),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
