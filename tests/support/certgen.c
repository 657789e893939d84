// certgen.c - see certgen.h.

#include "tests/support/certgen.h"

#include <stdio.h>

#include "tests/support/der_write.h"

// Object identifiers, as content bytes.
#define OID(bytes) bytes_of(bytes, sizeof(bytes) - 1)
#define OID_COUNTRY OID("\x55\x04\x06")
#define OID_STATE OID("\x55\x04\x08")
#define OID_LOCALITY OID("\x55\x04\x07")
#define OID_ORGANIZATION OID("\x55\x04\x0a")
#define OID_COMMON_NAME OID("\x55\x04\x03")
#define OID_SUBJECT_KEY_ID OID("\x55\x1d\x0e")
#define OID_KEY_USAGE OID("\x55\x1d\x0f")
#define OID_SUBJECT_ALT_NAME OID("\x55\x1d\x11")
#define OID_BASIC_CONSTRAINTS OID("\x55\x1d\x13")
#define OID_CRL_POINTS OID("\x55\x1d\x1f")
#define OID_POLICIES OID("\x55\x1d\x20")
#define OID_AUTHORITY_KEY_ID OID("\x55\x1d\x23")
#define OID_EXTENDED_KEY_USAGE OID("\x55\x1d\x25")
#define OID_AUTHORITY_INFO OID("\x2b\x06\x01\x05\x05\x07\x01\x01")
#define OID_OCSP OID("\x2b\x06\x01\x05\x05\x07\x30\x01")
#define OID_CA_ISSUERS OID("\x2b\x06\x01\x05\x05\x07\x30\x02")
#define OID_SERVER_AUTH OID("\x2b\x06\x01\x05\x05\x07\x03\x01")
#define OID_CLIENT_AUTH OID("\x2b\x06\x01\x05\x05\x07\x03\x02")
#define OID_DOMAIN_VALIDATED OID("\x67\x81\x0c\x01\x02\x01")
#define OID_ORGANIZATION_VALIDATED OID("\x67\x81\x0c\x01\x02\x02")
#define OID_CPS OID("\x2b\x06\x01\x05\x05\x07\x02\x01")
#define OID_SCT_LIST OID("\x2b\x06\x01\x04\x01\xd6\x79\x02\x04\x02")
#define OID_POISON OID("\x2b\x06\x01\x04\x01\xd6\x79\x02\x04\x03")
#define OID_ECDSA_SHA256 OID("\x2a\x86\x48\xce\x3d\x04\x03\x02")
#define OID_ECDSA_SHA384 OID("\x2a\x86\x48\xce\x3d\x04\x03\x03")
#define OID_RSA_SHA256 OID("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b")

static void put_attribute(struct buffer *out, struct bytes oid, unsigned tag,
                          const char *value)
{
    size_t set, pair;

    if (value == NULL) return;
    set = der_open(out, DER_SET);
    pair = der_open(out, DER_SEQUENCE);
    der_put(out, DER_OID, oid);
    der_put_text(out, tag, value);
    der_close(out, pair);
    der_close(out, set);
}

void certgen_name_der(struct buffer *out, const struct certgen_name *name)
{
    size_t mark = der_open(out, DER_SEQUENCE);

    put_attribute(out, OID_COUNTRY, DER_PRINTABLE_STRING, name->country);
    put_attribute(out, OID_STATE, DER_UTF8_STRING, name->state);
    put_attribute(out, OID_LOCALITY, DER_UTF8_STRING, name->locality);
    put_attribute(out, OID_ORGANIZATION, DER_UTF8_STRING, name->organization);
    put_attribute(out, OID_COMMON_NAME, DER_UTF8_STRING, name->common_name);
    der_close(out, mark);
}

static void put_algorithm(struct buffer *out, enum certgen_signature algorithm)
{
    size_t mark = der_open(out, DER_SEQUENCE);

    if (algorithm == CERTGEN_ECDSA_SHA256) {
        der_put(out, DER_OID, OID_ECDSA_SHA256);
    } else if (algorithm == CERTGEN_ECDSA_SHA384) {
        der_put(out, DER_OID, OID_ECDSA_SHA384);
    } else {
        der_put(out, DER_OID, OID_RSA_SHA256);
        der_put(out, DER_NULL, (struct bytes){0});
    }
    der_close(out, mark);
}

// An extension stays open until extension_close: three levels at once.
struct extension {
    size_t whole, value;
};

static struct extension extension_open(struct buffer *out, struct bytes oid,
                                       bool critical)
{
    struct extension extension;

    extension.whole = der_open(out, DER_SEQUENCE);
    der_put(out, DER_OID, oid);
    if (critical) der_put_true(out);
    extension.value = der_open(out, DER_OCTET_STRING);
    return extension;
}

static void extension_close(struct buffer *out, struct extension extension)
{
    der_close(out, extension.value);
    der_close(out, extension.whole);
}

static void put_key_usage(struct buffer *out, const struct certgen_spec *spec)
{
    struct extension e = extension_open(out, OID_KEY_USAGE, true);

    // keyCertSign and cRLSign, or digitalSignature and keyEncipherment.
    buffer_append(out, spec->authority ? OID("\x03\x02\x01\x06")
                                       : OID("\x03\x02\x05\xa0"));
    extension_close(out, e);
}

static void put_extended_key_usage(struct buffer *out,
                                   const struct certgen_spec *spec)
{
    struct extension e = extension_open(out, OID_EXTENDED_KEY_USAGE, false);
    size_t list = der_open(out, DER_SEQUENCE);

    (void)spec;
    der_put(out, DER_OID, OID_SERVER_AUTH);
    der_put(out, DER_OID, OID_CLIENT_AUTH);
    der_close(out, list);
    extension_close(out, e);
}

static void put_basic_constraints(struct buffer *out,
                                  const struct certgen_spec *spec)
{
    struct extension e = extension_open(out, OID_BASIC_CONSTRAINTS, true);
    size_t mark = der_open(out, DER_SEQUENCE);

    if (spec->authority) der_put_true(out);
    der_close(out, mark);
    extension_close(out, e);
}

static void put_subject_key_id(struct buffer *out,
                               const struct certgen_spec *spec)
{
    struct extension e = extension_open(out, OID_SUBJECT_KEY_ID, false);
    struct sha256_hash id = sha256(spec->spki);

    der_put(out, DER_OCTET_STRING, bytes_of(id.bytes, 20));
    extension_close(out, e);
}

static void put_authority_key_id(struct buffer *out,
                                 const struct certgen_spec *spec)
{
    struct extension e;
    size_t mark;

    if (spec->authority_id.len == 0) return;
    e = extension_open(out, OID_AUTHORITY_KEY_ID, false);
    mark = der_open(out, DER_SEQUENCE);
    der_put(out, DER_CONTEXT | 0, spec->authority_id);
    der_close(out, mark);
    extension_close(out, e);
}

static void put_access(struct buffer *out, struct bytes method, const char *url)
{
    size_t mark = der_open(out, DER_SEQUENCE);

    der_put(out, DER_OID, method);
    der_put_text(out, DER_CONTEXT | 6, url);
    der_close(out, mark);
}

static void put_authority_info(struct buffer *out,
                               const struct certgen_spec *spec)
{
    struct extension e;
    char url[160];
    size_t list;

    if (spec->host == NULL) return;
    e = extension_open(out, OID_AUTHORITY_INFO, false);
    list = der_open(out, DER_SEQUENCE);
    (void)snprintf(url, sizeof url, "http://ocsp.%s", spec->host);
    put_access(out, OID_OCSP, url);
    (void)snprintf(url, sizeof url, "http://cacerts.%s/issuer.crt", spec->host);
    put_access(out, OID_CA_ISSUERS, url);
    der_close(out, list);
    extension_close(out, e);
}

static void put_alt_names(struct buffer *out, const struct certgen_spec *spec)
{
    struct extension e;
    size_t list;
    struct certgen_name none = {0};

    if (spec->num_dns + spec->num_addresses == 0) return;
    // Critical where the subject is empty (RFC 5280 section 4.2.1.6).
    e = extension_open(out, OID_SUBJECT_ALT_NAME,
                       memcmp(&spec->subject, &none, sizeof none) == 0);
    list = der_open(out, DER_SEQUENCE);
    for (size_t i = 0; i < spec->num_dns; i++) {
        der_put_text(out, DER_CONTEXT | 2, spec->dns[i]);
    }
    for (size_t i = 0; i < spec->num_addresses; i++) {
        der_put(out, DER_CONTEXT | 7, spec->addresses[i]);
    }
    der_close(out, list);
    extension_close(out, e);
}

static void put_policies(struct buffer *out, const struct certgen_spec *spec)
{
    struct extension e = extension_open(out, OID_POLICIES, false);
    size_t list = der_open(out, DER_SEQUENCE);
    size_t policy = der_open(out, DER_SEQUENCE);
    size_t qualifiers, qualifier;

    der_put(out, DER_OID,
            spec->validated ? OID_ORGANIZATION_VALIDATED
                            : OID_DOMAIN_VALIDATED);
    if (spec->validated) {
        qualifiers = der_open(out, DER_SEQUENCE);
        qualifier = der_open(out, DER_SEQUENCE);
        der_put(out, DER_OID, OID_CPS);
        der_put_text(out, DER_IA5_STRING, "http://www.example.net/CPS");
        der_close(out, qualifier);
        der_close(out, qualifiers);
    }
    der_close(out, policy);
    der_close(out, list);
    extension_close(out, e);
}

static void put_crl_points(struct buffer *out, const struct certgen_spec *spec)
{
    struct extension e;
    char url[160];
    size_t mark[4];

    if (spec->host == NULL) return;
    e = extension_open(out, OID_CRL_POINTS, false);
    (void)snprintf(url, sizeof url, "http://crl.%s/%u.crl", spec->host,
                   spec->serial.len == 0 ? 0 : spec->serial.data[0] % 100u);
    mark[0] = der_open(out, DER_SEQUENCE);
    mark[1] = der_open(out, DER_SEQUENCE);
    mark[2] = der_open(out, DER_CONTEXT_CONSTRUCTED | 0);
    mark[3] = der_open(out, DER_CONTEXT_CONSTRUCTED | 0);
    der_put_text(out, DER_CONTEXT | 6, url);
    for (size_t i = COUNT_OF(mark); i > 0; i--) {
        der_close(out, mark[i - 1]);
    }
    extension_close(out, e);
}

// put_ct writes what tells the three forms apart.
static void put_ct(struct buffer *out, const struct certgen_spec *spec,
                   enum certgen_form form)
{
    struct extension e;

    if (form == CERTGEN_PRECERT) {
        e = extension_open(out, OID_POISON, true);
        der_put(out, DER_NULL, (struct bytes){0});
        extension_close(out, e);
    } else if (form == CERTGEN_FINAL && spec->scts.len != 0) {
        e = extension_open(out, OID_SCT_LIST, false);
        der_put(out, DER_OCTET_STRING, spec->scts);
        extension_close(out, e);
    }
}

static void put_extensions(struct buffer *out, const struct certgen_spec *spec,
                           enum certgen_form form)
{
    static void (*const writers[])(struct buffer *,
                                   const struct certgen_spec *) = {
        put_key_usage,      put_extended_key_usage, put_basic_constraints,
        put_subject_key_id, put_authority_key_id,   put_authority_info,
        put_alt_names,      put_policies,           put_crl_points,
    };
    size_t outer = der_open(out, DER_CONTEXT_CONSTRUCTED | 3);
    size_t list = der_open(out, DER_SEQUENCE);
    unsigned ct_at = spec->ct_at % (COUNT_OF(writers) + 1);

    for (unsigned i = 0; i <= COUNT_OF(writers); i++) {
        if (i == ct_at) put_ct(out, spec, form);
        if (i < COUNT_OF(writers)) writers[i](out, spec);
    }
    der_close(out, list);
    der_close(out, outer);
}

void certgen_tbs(struct buffer *out, const struct certgen_spec *spec,
                 enum certgen_form form)
{
    size_t whole = der_open(out, DER_SEQUENCE);
    size_t mark = der_open(out, DER_CONTEXT_CONSTRUCTED | 0);

    der_put_small(out, 2); // v3
    der_close(out, mark);
    der_put_unsigned(out, spec->serial);
    put_algorithm(out, spec->algorithm);
    buffer_append(out, spec->issuer);
    mark = der_open(out, DER_SEQUENCE);
    der_put_time(out, spec->not_before);
    der_put_time(out, spec->not_after);
    der_close(out, mark);
    certgen_name_der(out, &spec->subject);
    buffer_append(out, spec->spki);
    put_extensions(out, spec, form);
    der_close(out, whole);
}

void certgen_wrap(struct buffer *out, struct bytes tbs,
                  enum certgen_signature algorithm, struct bytes signature)
{
    size_t whole = der_open(out, DER_SEQUENCE);

    buffer_append(out, tbs);
    put_algorithm(out, algorithm);
    der_put_bits(out, signature);
    der_close(out, whole);
}

void certgen_signed(struct buffer *out, const struct certgen_spec *spec,
                    enum certgen_form form, const struct fixed_key *key)
{
    struct buffer tbs = {0}, signature = {0};

    certgen_tbs(&tbs, spec, form);
    fixed_key_sign(key, buffer_bytes(&tbs), &signature);
    certgen_wrap(out, buffer_bytes(&tbs), spec->algorithm,
                 buffer_bytes(&signature));
    buffer_cleanup(&tbs);
    buffer_cleanup(&signature);
}

enum certgen_signature certgen_algorithm(const struct fixed_key *key)
{
    return key->kind == FIXED_KEY_P256   ? CERTGEN_ECDSA_SHA256
           : key->kind == FIXED_KEY_P384 ? CERTGEN_ECDSA_SHA384
                                         : CERTGEN_RSA_SHA256;
}
