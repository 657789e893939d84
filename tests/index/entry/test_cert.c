// test_cert.c - certificates, read leniently, against BoringSSL and a manifest.

#include "tests/support/check.h"

#include <jansson.h>
#include <time.h>

#include <openssl/bytestring.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "index/base/text.h"
#include "index/entry/cert.h"
#include "index/entry/der.h"
#include "tests/support/make_der.h"

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

// Later versions of BoringSSL (API 19) read an offset from UTC and leave it
// out.
static bool has_offset(const ASN1_TIME *time)
{
    const uint8_t *text = ASN1_STRING_get0_data(time);

    return memchr(text, '+', (size_t)ASN1_STRING_length(time)) != NULL ||
           memchr(text, '-', (size_t)ASN1_STRING_length(time)) != NULL;
}

static int64_t posix_of(const ASN1_TIME *time)
{
    ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
    int days = 0, seconds = 0;
    bool reads =
        !has_offset(time) && ASN1_TIME_diff(&days, &seconds, epoch, time) == 1;

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
    struct cert_lists lists;
    struct buffer out = {0};
    size_t sum = 0;

    find_names(cert);
    for (size_t i = 0; i < found.num; i++) {
        cert_text_utf8(&out, found.names[i].tag, found.names[i].raw);
    }
    (void)make_log_form(&out, cert->tbs);
    cert_append_name_rfc4514(&out, cert->issuer);
    cert_append_name_rfc4514(&out, cert->subject);
    cert_append_common_name(&out, cert->issuer);
    cert_append_key_type(&out, cert->spki);
    cert_append_signature_algorithm(&out, cert->signature_algorithm);
    cert_find_lists(&lists, cert);
    cert_each_eku(&lists, visit_text, &sum);
    cert_each_policy(&lists, visit_text, &sum);
    cert_each_crl_url(&lists, visit_text, &sum);
    cert_each_ocsp_url(&lists, visit_text, &sum);
    cert_each_sct(&lists, visit_sct, &sum);
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

// --------------------------------------------------- where names may hide

// A name as expected: kind, text, whether only a search finds it.
struct expected {
    enum cert_name_kind kind;
    const char *text;
    bool salvaged;
};

enum { EXPECTED_MAX = 6 };

static const struct {
    const char *name;
    const char *subject;    // hex of the Name's content; "": subject.example
    const char *extensions; // hex
    bool whole;
    struct expected names[EXPECTED_MAX];
} hiding_places[] = {
#define DNS_A "8201 61 "                // a
#define SAN(len) "30" len "0603551d11 " // then OCTET STRING
#define CN_OID "0603550403 "
#define MAIL_OID "06092a864886f70d010901 "
    {"one SAN",
     "",
     SAN("0c") "0405 3003" DNS_A,
     true,
     {{CERT_NAME_CN, "subject.example", false}, {CERT_NAME_DNS, "a", false}}},
    {"critical SAN",
     "",
     SAN("0f") "0101ff 0405 3003" DNS_A,
     true,
     {{CERT_NAME_CN, "subject.example", false}, {CERT_NAME_DNS, "a", false}}},
    {"two SAN extensions",
     "",
     SAN("0c") "0405 3003" DNS_A SAN("0c") "0405 3003 820162",
     true,
     {{CERT_NAME_CN, "subject.example", false},
      {CERT_NAME_DNS, "a", false},
      {CERT_NAME_DNS, "b", false}}},
    {"a zero byte behind the SAN",
     "",
     SAN("0d") "0406 3003" DNS_A "00",
     true,
     {{CERT_NAME_CN, "subject.example", false}, {CERT_NAME_DNS, "a", false}}},
    {"a name behind the SAN",
     "",
     SAN("0f") "0408 3003" DNS_A "820162",
     false,
     {{CERT_NAME_DNS, "a", false}, {CERT_NAME_DNS, "b", true}}},
    {"a name with a control byte behind the SAN",
     "",
     SAN("0f") "0408 3003" DNS_A "820101",
     false,
     {{CERT_NAME_DNS, "a", false}, {CERT_NAME_DNS, "\x01", true}}},
    {"names of every kind",
     "",
     SAN("1b") "0414 3012 8101 65" DNS_A "8601 75 8704 7f000001 880129",
     true,
     {{CERT_NAME_EMAIL, "e", false},
      {CERT_NAME_DNS, "a", false},
      {CERT_NAME_URI, "u", false},
      {CERT_NAME_IP, "\x7f\x00\x00\x01", false},
      {CERT_NAME_OTHER, "\x29", false}}},
    {"UPN",
     "",
     SAN("1e") "0417 3015 a013 060a2b060104018237140203 a005 0c03 614062",
     true,
     {{CERT_NAME_UPN, "a@b", false}}},
    {"SmtpUTF8Mailbox",
     "",
     SAN("1c") "0415 3013 a011 06082b06010505070809 a005 0c03 614062",
     true,
     {{CERT_NAME_SMTP_UTF8, "a@b", false}}},
    {"directoryName",
     "",
     SAN("1a") "0413 3011 a40f 300d 310b 3009" CN_OID "0c02 6162",
     true,
     {{CERT_NAME_DIRECTORY, "ab", false}}},
    {"directoryName without a common name",
     "",
     SAN("1a") "0413 3011 a40f 300d 310b 3009 0603550406 0c02 6162",
     true,
     {{CERT_NAME_OTHER,
       "\x30\x0d\x31\x0b\x30\x09\x06\x03\x55\x04\x06\x0c\x02"
       "ab",
       false}}},
    {"two attributes in one RDN, two RDNs",
     "3114 3008" CN_OID "0c0161 3008" CN_OID "130162 310a 3008" CN_OID "160163",
     "",
     true,
     {{CERT_NAME_CN, "a", false},
      {CERT_NAME_CN, "b", false},
      {CERT_NAME_CN, "c", false}}},
    {"emailAddress",
     "3112 3010" MAIL_OID "1603 614062",
     "",
     true,
     {{CERT_NAME_SUBJECT_EMAIL, "a@b", false}}},
    {"BMPString",
     "310b 3009" CN_OID "1e02 0061",
     "",
     true,
     {{CERT_NAME_CN, "\x00\x61", false}}},
    {"indefinite lengths",
     "3180 3080" CN_OID "0c0161 0000 0000",
     "3080 0603551d11 0407 3080" DNS_A "0000 0000",
     true,
     {{CERT_NAME_CN, "a", false}, {CERT_NAME_DNS, "a", false}}},
    {"non-minimal lengths",
     "",
     "3082 000f 06810355 1d11 048106 308103" DNS_A,
     true,
     {{CERT_NAME_DNS, "a", false}}},
    {"wrong classes all over",
     "",
     "700c 4603551d11 4405 7003" DNS_A,
     true,
     {{CERT_NAME_DNS, "a", false}}},
    {"universal class in the SAN",
     "",
     SAN("0c") "0405 3003 0201 61",
     false,
     {{CERT_NAME_DNS, "a", true}}},
    {"constructed dNSName",
     "",
     SAN("13") "040c 300a a208 160161 2403 040162",
     false,
     {{CERT_NAME_DNS, "a", true}, {CERT_NAME_DNS, "b", true}}},
    {"constructed common name",
     "310d 300b" CN_OID "2c04 0c02 6162",
     "",
     false,
     {{CERT_NAME_CN, "ab", true}}},
    {"explicit wrapper in the SAN",
     "",
     SAN("0e") "0407 3005 a003" DNS_A,
     false,
     {{CERT_NAME_DNS, "a", true}}},
    {"SAN wrapped in an explicit tag",
     "",
     SAN("0e") "0407 a005 3003" DNS_A,
     false,
     {{CERT_NAME_DNS, "a", true}}},
    {"SAN wrapped in a SEQUENCE",
     "",
     SAN("0e") "0407 3005 3003" DNS_A,
     false,
     {{CERT_NAME_DNS, "a", true}}},
    {"SAN in two OCTET STRINGs",
     "",
     SAN("0e") "0407 0405 3003" DNS_A,
     false,
     {{CERT_NAME_DNS, "a", true}}},
    {"constructed OCTET STRING",
     "",
     SAN("0e") "2407 0405 3003" DNS_A,
     false,
     {{CERT_NAME_DNS, "a", true}}},
    {"SAN that is no SEQUENCE",
     "",
     SAN("0a") "0403" DNS_A,
     false,
     {{CERT_NAME_DNS, "a", true}}},
    {"SAN in a SET",
     "",
     SAN("0c") "0405 3103" DNS_A,
     false,
     {{CERT_NAME_DNS, "a", true}}},
    {"SAN without OCTET STRING",
     "",
     SAN("0a") "3003" DNS_A,
     false,
     {{CERT_NAME_DNS, "a", true}}},
    {"SAN longer than its extension",
     "",
     SAN("0c") "0405 30ff" DNS_A,
     false,
     {{CERT_NAME_DNS, "a", true}}},
    {"extension longer than all",
     "",
     SAN("ff") "0405 3003" DNS_A,
     false,
     {{CERT_NAME_DNS, "a", true}}},
    {"name longer than its SAN, then another",
     "",
     SAN("0f") "0408 3006 827f 61" DNS_A,
     false,
     {{CERT_NAME_DNS, "a", true}}},
    {"siblings behind a broken extension",
     "",
     "3002 06ff" SAN("0c") "0405 3003" DNS_A,
     false,
     {{CERT_NAME_DNS, "a", false}}},
    {"a broken RDN before a common name",
     "3103 3001 ff 310a 3008" CN_OID "0c0161",
     "",
     false,
     {{CERT_NAME_CN, "a", false}}},
    {"an RDN that claims too much",
     "310a 3008" CN_OID "0c0161 317f 3008" CN_OID "0c0162",
     "",
     false,
     {{CERT_NAME_CN, "a", true}, {CERT_NAME_CN, "b", true}}},
};

static struct bytes make_hiding_place(size_t i)
{
    struct bytes subject = from_hex(hiding_places[i].subject);
    struct bytes extensions = from_hex(hiding_places[i].extensions);
    struct buffer out = {0};
    struct bytes der;

    make_certificate(&out, &(struct make_cert){.subject = subject,
                                               .extensions = extensions});
    der = heap_copy(buffer_bytes(&out));
    buffer_cleanup(&out);
    free((void *)subject.data);
    free((void *)extensions.data);
    return der;
}

// Text of a table; the octets of zero in it are counted by kind.
static struct bytes expected_bytes(const struct expected *expected)
{
    struct bytes text = bytes_from_text(expected->text);

    if (expected->kind == CERT_NAME_IP) text.len = 4;
    if (text.len == 0) text.len = 2;
    return text;
}

static bool finds(const struct expected *expected)
{
    for (size_t i = 0; i < found.num; i++) {
        if (found.names[i].kind == expected->kind &&
            found.names[i].salvaged == expected->salvaged &&
            bytes_equal(found.names[i].raw, expected_bytes(expected))) {
            return true;
        }
    }
    return false;
}

static void finds_names_wherever_they_hide(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(hiding_places); i++) {
        struct bytes der = make_hiding_place(i);
        struct cert cert;

        test_case = hiding_places[i].name;
        CHECK(cert_parse(&cert, der, CERT_FORM_CERTIFICATE, NULL));
        find_names(&cert);
        CHECK(cert.is_whole == hiding_places[i].whole);
        if (cert.is_whole) CHECK(count_salvaged() == 0);
        for (size_t k = 0; k < EXPECTED_MAX; k++) {
            if (hiding_places[i].names[k].text == NULL) break;
            CHECK(finds(&hiding_places[i].names[k]));
        }
        ask_everything(&cert);
        free((void *)der.data);
    }
}

static void visits_in_certificate_order(void **state)
{
    struct bytes der = make_hiding_place(2);
    struct cert cert;

    (void)state;
    assert_true(cert_parse(&cert, der, CERT_FORM_CERTIFICATE, NULL));
    find_names(&cert);
    assert_int_equal(found.num, 3);
    assert_int_equal(found.names[0].kind, CERT_NAME_CN);
    assert_int_equal(found.names[0].tag, DER_UTF8_STRING);
    assert_true(bytes_equal_text(found.names[1].raw, "a"));
    assert_true(bytes_equal_text(found.names[2].raw, "b"));
    free((void *)der.data);
}

static bool stop_at_once(void *context, const struct cert_name *name)
{
    size_t *num = context;

    (void)name;
    ++*num;
    return false;
}

static void stops_when_told(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(hiding_places); i++) {
        struct bytes der = make_hiding_place(i);
        struct cert cert;
        size_t num = 0;

        test_case = hiding_places[i].name;
        CHECK(cert_parse(&cert, der, CERT_FORM_CERTIFICATE, NULL));
        CHECK(!cert_each_name(&cert, stop_at_once, &num));
        CHECK(num == 1);
        free((void *)der.data);
    }
}

// Every truncation and every changed octet is survived, and whatever is cut
// is said: no certificate is whole without its end.
static void survives_every_truncation_and_change(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(hiding_places); i++) {
        struct bytes der = make_hiding_place(i);
        struct cert cert;

        test_case = hiding_places[i].name;
        for (size_t len = 0; len < der.len; len++) {
            struct bytes cut = heap_copy(bytes_of(der.data, len));

            if (cert_parse(&cert, cut, CERT_FORM_CERTIFICATE, NULL)) {
                CHECK(cert.serial.len == 2);
            }
            CHECK(!cert.is_whole && cert.reason[0] != '\0');
            ask_everything(&cert);
            free((void *)cut.data);
        }
        for (size_t at = 0; at < der.len; at++) {
            uint8_t *octet = (uint8_t *)der.data + at, before = *octet;
            static const uint8_t values[] = {0x00, 0x80, 0x7f, 0xff, 0x84};

            for (size_t k = 0; k < COUNT_OF(values); k++) {
                *octet = values[k];
                (void)!cert_parse(&cert, der, CERT_FORM_CERTIFICATE, NULL);
                CHECK(cert.is_whole == (cert.reason[0] == '\0'));
                ask_everything(&cert);
            }
            *octet = before;
        }
        free((void *)der.data);
    }
}

static const struct {
    const char *name;
    const char *hex;
    enum cert_form form;
    const char *error;
} refused[] = {
    {"nothing", "", CERT_FORM_CERTIFICATE, "certificate: not a SEQUENCE"},
    {"one octet", "30", CERT_FORM_CERTIFICATE, "certificate: not a SEQUENCE"},
    {"text", "48656c6c6f", CERT_FORM_CERTIFICATE,
     "certificate: not a SEQUENCE"},
    {"no tbs", "3000", CERT_FORM_CERTIFICATE, "tbsCertificate: not a SEQUENCE"},
    {"tbs is an INTEGER", "3003 020100", CERT_FORM_CERTIFICATE,
     "tbsCertificate: not a SEQUENCE"},
    {"no serial", "3000", CERT_FORM_TBS, "tbsCertificate: no serial"},
    {"version alone", "3005 a003020102", CERT_FORM_TBS,
     "tbsCertificate: no serial"},
};

static void refuses_what_has_no_serial(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        struct bytes der = from_hex(refused[i].hex);
        struct err err = {0};
        struct cert cert;

        test_case = refused[i].name;
        CHECK(!cert_parse(&cert, der, refused[i].form, &err));
        CHECK(err.code == ERR_MALFORMED);
        CHECK(strcmp(err.text, refused[i].error) == 0);
        CHECK(!cert.is_whole);
        ask_everything(&cert);
        free((void *)der.data);
    }
}

// ------------------------------------------------------------------- hostile

static bool sum_names(void *context, const struct cert_name *name)
{
    struct bytes *sum = context;

    sum->len += name->raw.len + 1;
    return true;
}

// What makes a reader that looks twice quadratic, a megabyte of each; before
// it the start of a certificate or nothing.
static const struct {
    const char *name;
    const char *hex;
} patterns[] = {
    {"names that a control byte ends", "82 84 000fffff"},
    {"indefinite lengths", "3080"},
    {"indefinite context tags", "a080"},
    {"high tag numbers", "ffffff"},
    {"SAN OIDs", "0603551d11"},
    {"SAN OIDs and long OCTET STRINGS", "0603551d11 0484000fff00"},
    {"common names that claim 64 KB", "0603550403 0c82ffff"},
    {"common names that claim more", "0603550403 0c84000fff00"},
    {"constructed common names", "0603550403 2c820ff0"},
    {"names of one octet", "820161"},
    {"empty RDNs", "3100"},
    {"end-of-contents", "0000"},
    {"extensions", "3009 0603551d13 0402 3000"},
    {"empty SAN extensions", "3009 0603551d11 0402 3000"},
    {"nested SEQUENCEs", "30830fffff"},
};

static const char *const heads[] = {
    "",
    // A certificate up to its serial and empty fields, then [3] and on.
    "3083 0ffff0 3083 0fffe0 020101 3000 3000 3000 3000 3000"
    "a383 0fff00 3083 0ffe00",
    // The same up to the GeneralNames of a SAN.
    "3083 0ffff0 3083 0fffe0 020101 3000 3000 3000 3000 3000"
    "a383 0fff00 3083 0ffe00 3083 0ffd00 0603551d11 0483 0ffc00 3083 0ffb00",
    // Up to the subject.
    "3083 0ffff0 3083 0fffe0 020101 3000 3000 3000 3083 0fff00",
};

static void is_linear_in_hostile_bytes(void **state)
{
    enum { LEN = 1024 * 1024 };
    uint8_t *data = malloc(LEN);
    clock_t start = clock();

    (void)state;
    for (size_t i = 0; i < COUNT_OF(patterns) * COUNT_OF(heads); i++) {
        struct bytes pattern = from_hex(patterns[i % COUNT_OF(patterns)].hex);
        struct bytes head = from_hex(heads[i / COUNT_OF(patterns)]);
        struct bytes sum = {0};
        struct buffer out = {0};
        struct cert cert;

        test_case = patterns[i % COUNT_OF(patterns)].name;
        for (size_t k = 0; k < LEN; k++) {
            data[k] = pattern.data[k % pattern.len];
        }
        if (head.len > 0) memcpy(data, head.data, head.len);
        data[LEN - 1] = 1;
        (void)!cert_parse(&cert, bytes_of(data, LEN), CERT_FORM_CERTIFICATE,
                          NULL);
        CHECK(cert_each_name(&cert, sum_names, &sum));
        // Each byte is given out at most by the walk and by the search.
        CHECK(sum.len <= 2 * (size_t)LEN);
        (void)make_log_form(&out, cert.tbs);
        buffer_reset(&out);
        cert_append_name_rfc4514(&out, cert.subject);
        buffer_cleanup(&out);
        free((void *)pattern.data);
        free((void *)head.data);
    }
    free(data);
    // Quadratic would be 10^12 steps for each.
    assert_true(clock() - start < 60 * CLOCKS_PER_SEC);
}

static void searches_what_stands_behind_the_certificate(void **state)
{
    struct buffer der = {0}, extensions = {0};
    struct cert cert;

    (void)state;
    make_hex(&extensions, SAN("0c") "0405 3003" DNS_A);
    make_certificate(
        &der, &(struct make_cert){.extensions = buffer_bytes(&extensions)});
    make_hex(&der, "0603551d11 0405 3003 820162");
    assert_true(
        cert_parse(&cert, buffer_bytes(&der), CERT_FORM_CERTIFICATE, NULL));
    assert_string_equal(cert.reason, "12 bytes behind the certificate");
    find_names(&cert);
    assert_int_equal(found.num, 3);
    assert_true(finds(&(struct expected){CERT_NAME_DNS, "a", false}));
    assert_true(finds(&(struct expected){CERT_NAME_DNS, "b", true}));
    buffer_cleanup(&der);
    buffer_cleanup(&extensions);
}

// A common name that claims 64 KB and more does not swallow what it covers.
static void searches_below_a_large_common_name(void **state)
{
    struct buffer der = {0};
    struct cert cert;

    (void)state;
    make_hex(&der, CN_OID "0c83011000 0603551d11 0405 3003 820162");
    while (der.len < 80000) {
        buffer_append_byte(&der, 'x');
    }
    assert_false(
        cert_parse(&cert, buffer_bytes(&der), CERT_FORM_CERTIFICATE, NULL));
    find_names(&cert);
    assert_int_equal(found.num, 1);
    assert_true(finds(&(struct expected){CERT_NAME_DNS, "b", true}));
    buffer_cleanup(&der);
}

// Names of two megabytes, all refused for one control byte far behind: it is
// looked for once, not once a name.
static void looks_for_control_bytes_once(void **state)
{
    enum { BLOCK = 2000000 };
    struct buffer der = {0};
    struct bytes sum = {0};
    clock_t start = clock();
    struct cert cert;

    (void)state;
    make_hex(&der, "0603551d11 0484ffffffff");
    while (der.len < 4 * BLOCK) {
        if (der.len % BLOCK < 5) buffer_append_byte(&der, 1);
        buffer_append_uint(&der, 0x8283202020, 5);
    }
    assert_false(
        cert_parse(&cert, buffer_bytes(&der), CERT_FORM_CERTIFICATE, NULL));
    assert_true(cert_each_name(&cert, sum_names, &sum));
    assert_true(clock() - start < 20 * CLOCKS_PER_SEC);
    buffer_cleanup(&der);
}

static void reads_ten_thousand_names(void **state)
{
    struct buffer names = {0}, extensions = {0}, der = {0};
    struct cert cert;

    (void)state;
    for (size_t i = 0; i < 10000; i++) {
        char text[32];

        (void)snprintf(text, sizeof text, "%05zu.example", i);
        make_element(&names, 0x82, bytes_from_text(text));
    }
    make_san(&extensions, buffer_bytes(&names));
    make_certificate(
        &der, &(struct make_cert){.extensions = buffer_bytes(&extensions)});
    assert_true(
        cert_parse(&cert, buffer_bytes(&der), CERT_FORM_CERTIFICATE, NULL));
    assert_true(cert.is_whole);
    find_names(&cert);
    assert_int_equal(found.num, 10001);
    assert_true(bytes_equal_text(found.names[10000].raw, "09999.example"));
    // Cut in the middle, what stands before is still found.
    der.len -= der.len / 2;
    assert_true(
        cert_parse(&cert, buffer_bytes(&der), CERT_FORM_CERTIFICATE, NULL));
    assert_false(cert.is_whole);
    find_names(&cert);
    assert_true(found.num > 4900);
    buffer_cleanup(&names);
    buffer_cleanup(&extensions);
    buffer_cleanup(&der);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_certificate_of_the_manifest),
        cmocka_unit_test(finds_names_wherever_they_hide),
        cmocka_unit_test(visits_in_certificate_order),
        cmocka_unit_test(stops_when_told),
        cmocka_unit_test(survives_every_truncation_and_change),
        cmocka_unit_test(refuses_what_has_no_serial),
        cmocka_unit_test(is_linear_in_hostile_bytes),
        cmocka_unit_test(searches_what_stands_behind_the_certificate),
        cmocka_unit_test(searches_below_a_large_common_name),
        cmocka_unit_test(looks_for_control_bytes_once),
        cmocka_unit_test(reads_ten_thousand_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
