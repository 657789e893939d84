// test_cert.c - certificates, read leniently, against BoringSSL and a manifest.

#include "tests/support/check.h"

#include <jansson.h>

#include <openssl/bytestring.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "index/base/text.h"
#include "index/entry/cert.h"
#include "index/entry/der.h"
#include "index/entry/leaf.h"

enum { NAMES_MAX = 20000 };

struct found {
    struct cert_name names[NAMES_MAX];
    size_t num;
};

static struct found found;

static bool collect(void *context, const struct cert_name *name)
{
    struct found *out = context;

    if (out->num < NAMES_MAX) out->names[out->num++] = *name;
    return true;
}

static void find_names(const struct cert *cert)
{
    found.num = 0;
    assert_true(cert_each_name(cert, collect, &found));
}

static bool has_name(enum cert_name_kind kind, struct bytes raw)
{
    for (size_t i = 0; i < found.num; i++) {
        if (found.names[i].kind == kind &&
            bytes_equal(found.names[i].raw, raw)) {
            return true;
        }
    }
    return false;
}

static size_t count_salvaged(void)
{
    size_t num = 0;

    for (size_t i = 0; i < found.num; i++) {
        if (found.names[i].salvaged) num++;
    }
    return num;
}

// ---------------------------------------------------------------- manifest

// The manifest writes each byte as the character of that number.
static void append_octets(struct buffer *out, const json_t *text)
{
    struct bytes rest =
        bytes_of(json_string_value(text), json_string_length(text));
    uint32_t c;

    while (text_utf8_next(&rest, &c)) {
        buffer_append_byte(out, (uint8_t)c);
    }
}

static bool manifest_has_dns(const json_t *text)
{
    struct buffer octets = {0};
    bool held;

    append_octets(&octets, text);
    held = has_name(CERT_NAME_DNS, buffer_bytes(&octets));
    buffer_cleanup(&octets);
    return held;
}

// A common name stands there as its bytes or as the text that they mean.
static bool manifest_has_cn(const json_t *pair)
{
    const json_t *text = json_array_get(pair, 1);
    json_int_t tag = json_integer_value(json_array_get(pair, 0));
    struct buffer utf8 = {0}, octets = {0};
    bool held = false;

    append_octets(&octets, text);
    for (size_t i = 0; i < found.num && !held; i++) {
        const struct cert_name *name = &found.names[i];

        if (name->kind != CERT_NAME_CN || name->tag != tag) continue;
        buffer_reset(&utf8);
        cert_text_utf8(&utf8, name->tag, name->raw);
        held = bytes_equal(name->raw, buffer_bytes(&octets)) ||
               bytes_equal(
                   buffer_bytes(&utf8),
                   bytes_of(json_string_value(text), json_string_length(text)));
    }
    buffer_cleanup(&utf8);
    buffer_cleanup(&octets);
    return held;
}

static bool manifest_has_ip(const json_t *text)
{
    struct buffer hex = {0};
    bool held = false;

    for (size_t i = 0; i < found.num && !held; i++) {
        if (found.names[i].kind != CERT_NAME_IP) continue;
        buffer_reset(&hex);
        text_append_hex(&hex, found.names[i].raw);
        held = bytes_equal_text(buffer_bytes(&hex), json_string_value(text));
    }
    buffer_cleanup(&hex);
    return held;
}

static void check_manifest_row(const json_t *row, const struct cert *cert)
{
    const json_t *item;
    size_t i;

    find_names(cert);
    json_array_foreach(json_object_get(row, "dns"), i, item)
    {
        CHECK(manifest_has_dns(item));
    }
    json_array_foreach(json_object_get(row, "ip"), i, item)
    {
        CHECK(manifest_has_ip(item));
    }
    json_array_foreach(json_object_get(row, "cn"), i, item)
    {
        CHECK(manifest_has_cn(item));
    }
}

static int64_t posix_of(const ASN1_TIME *time)
{
    ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
    int days = 0, seconds = 0;
    bool reads = ASN1_TIME_diff(&days, &seconds, epoch, time) == 1;

    ASN1_TIME_free(epoch);
    return reads ? (int64_t)days * 86400 + seconds : CERT_TIME_UNREADABLE;
}

static bool equals_der(struct bytes ours, unsigned char *theirs, int len)
{
    bool equal = len > 0 && bytes_equal(ours, bytes_of(theirs, (size_t)len));

    OPENSSL_free(theirs);
    return equal;
}

// BoringSSL's general names must come in the same order among ours.
static void check_general_names(const X509 *x509)
{
    GENERAL_NAMES *names =
        X509_get_ext_d2i(x509, NID_subject_alt_name, NULL, NULL);
    size_t at = 0;

    for (size_t i = 0; names != NULL && i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        enum cert_name_kind kind;
        const ASN1_STRING *text = name->d.ia5;

        if (name->type == GEN_DNS) {
            kind = CERT_NAME_DNS;
        } else if (name->type == GEN_EMAIL) {
            kind = CERT_NAME_EMAIL;
        } else if (name->type == GEN_URI) {
            kind = CERT_NAME_URI;
        } else if (name->type == GEN_IPADD) {
            kind = CERT_NAME_IP;
        } else {
            continue;
        }
        while (at < found.num && found.names[at].kind != kind) {
            at++;
        }
        CHECK(at < found.num);
        CHECK(!found.names[at].salvaged);
        CHECK(bytes_equal(found.names[at].raw,
                          bytes_of(ASN1_STRING_get0_data(text),
                                   (size_t)ASN1_STRING_length(text))));
        at++;
    }
    GENERAL_NAMES_free(names);
}

// False where BoringSSL does not read it.
static bool check_with_boringssl(const struct cert *cert)
{
    const uint8_t *data = cert->der.data;
    X509 *x509 = d2i_X509(NULL, &data, (long)cert->der.len);
    unsigned char *der = NULL;
    const ASN1_INTEGER *serial;
    int64_t seconds;
    int len;

    if (x509 == NULL) return false;
    CHECK(cert->is_whole == (cert->reason[0] == '\0'));
    if (cert->is_whole) CHECK(count_salvaged() == 0);
    len = i2d_X509_NAME(X509_get_issuer_name(x509), &der);
    CHECK(equals_der(cert->issuer, der, len));
    der = NULL;
    len = i2d_X509_NAME(X509_get_subject_name(x509), &der);
    CHECK(equals_der(cert->subject, der, len));
    der = NULL;
    len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x509), &der);
    CHECK(equals_der(cert->spki, der, len));
    serial = X509_get0_serialNumber(x509);
    der = NULL;
    len = i2d_ASN1_INTEGER((ASN1_INTEGER *)serial, &der);
    CHECK(len > 2);
    if (cert->serial.len < 0x80) {
        CHECK(bytes_equal(cert->serial, bytes_of(der + 2, (size_t)len - 2)));
    }
    OPENSSL_free(der);
    seconds = posix_of(X509_get0_notBefore(x509));
    if (seconds != CERT_TIME_UNREADABLE) CHECK(cert->not_before == seconds);
    seconds = posix_of(X509_get0_notAfter(x509));
    if (seconds != CERT_TIME_UNREADABLE) CHECK(cert->not_after == seconds);
    check_general_names(x509);
    X509_free(x509);
    return true;
}

static bool visit_text(void *context, struct bytes text)
{
    size_t *sum = context;

    for (size_t i = 0; i < text.len; i++) {
        *sum += text.data[i];
    }
    return true;
}

static bool visit_sct(void *context, const struct cert_sct *sct)
{
    struct bytes id = sct->log_id;

    return visit_text(context, id);
}

// Everything that can be asked of a certificate, for the sanitizers.
static void ask_everything(const struct cert *cert)
{
    struct buffer out = {0};
    size_t sum = 0;

    find_names(cert);
    for (size_t i = 0; i < found.num; i++) {
        cert_text_utf8(&out, found.names[i].tag, found.names[i].raw);
    }
    (void)!cert_log_form(&out, cert);
    cert_append_name_rfc4514(&out, cert->issuer);
    cert_append_name_rfc4514(&out, cert->subject);
    cert_append_common_name(&out, cert->issuer);
    cert_append_key_type(&out, cert->spki);
    cert_append_signature_algorithm(&out, cert->signature_algorithm);
    cert_each_eku(cert, visit_text, &sum);
    cert_each_policy(cert, visit_text, &sum);
    cert_each_crl_url(cert, visit_text, &sum);
    cert_each_ocsp_url(cert, visit_text, &sum);
    cert_each_sct(cert, visit_sct, &sum);
    buffer_cleanup(&out);
}

static bool next_line(struct bytes *text, struct bytes *line)
{
    const uint8_t *end;

    if (text->len == 0) return false;
    end = memchr(text->data, '\n', text->len);
    line->data = text->data;
    line->len = end != NULL ? (size_t)(end - text->data) : text->len;
    return bytes_skip(text, line->len + (end != NULL ? 1 : 0));
}

static struct bytes read_exact(const char *path)
{
    struct bytes raw = read_file(path);
    struct bytes exact = heap_copy(raw);

    free((void *)raw.data);
    return exact;
}

static void reads_every_certificate_of_the_manifest(void **state)
{
    struct bytes manifest, rest, line;
    size_t num = 0, num_boringssl = 0, num_whole = 0;

    (void)state;
    SKIP_WITHOUT_DATA();
    manifest = rest = read_file(test_data("certs/manifest.jsonl"));
    while (next_line(&rest, &line)) {
        json_t *row =
            json_loadb((const char *)line.data, line.len, JSON_ALLOW_NUL, NULL);
        char path[256];
        struct bytes der;
        struct cert cert;

        test_case = json_string_value(json_object_get(row, "file"));
        (void)snprintf(path, sizeof path, "certs/%s", test_case);
        der = read_exact(test_data(path));
        CHECK(cert_parse(&cert, der, CERT_FORM_CERTIFICATE, NULL));
        check_manifest_row(row, &cert);
        if (check_with_boringssl(&cert)) num_boringssl++;
        if (cert.is_whole) num_whole++;
        if (getenv("VERBOSE") != NULL && !cert.is_whole) {
            print_message("%s: %s\n", test_case, cert.reason);
        }
        ask_everything(&cert);
        free((void *)der.data);
        json_decref(row);
        num++;
    }
    test_case = "";
    free((void *)manifest.data);
    print_message("%zu certificates, %zu whole, BoringSSL reads %zu\n", num,
                  num_whole, num_boringssl);
    assert_int_equal(num, 1371);
    assert_true(num_boringssl > 1300);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_certificate_of_the_manifest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
