// issuance.c - see issuance.h.

#include "tests/support/issuance.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>

#include "tests/support/der_write.h"

enum { LOGS_KNOWN = 6, SIGNATURE_MAX = 520 };

void issuance_begin(struct issuance *issuance,
                    const struct authority *authority, uint64_t number)
{
    issuance->number = number;
    issuance->special = false;
    issuance->authority = authority;
    issuance->spec = (struct certgen_spec){
        .issuer = buffer_bytes(&authority->name_der),
        .authority_id = authority_key_id(authority),
        .dns = issuance->dns,
        .addresses = issuance->addresses,
        .host = authority->host,
        .validated = authority->validated,
        .algorithm = authority->algorithm,
        .serial = bytes_of(issuance->serial, ISSUANCE_SERIAL_LEN),
    };
}

void issuance_add_name(struct issuance *issuance, const char *name)
{
    size_t i = issuance->spec.num_dns;

    assert(i < ISSUANCE_NAMES_MAX);
    (void)snprintf(issuance->names[i], ISSUANCE_NAME_SIZE, "%s", name);
    issuance->dns[i] = issuance->names[i];
    issuance->spec.num_dns++;
}

void issuance_add_address(struct issuance *issuance, const char *text)
{
    size_t i = issuance->spec.num_addresses;
    uint8_t *bytes = issuance->address_bytes[i];
    size_t len = strchr(text, ':') == NULL ? 4 : 16;

    assert(i < ISSUANCE_ADDRESSES_MAX);
    if (inet_pton(len == 4 ? AF_INET : AF_INET6, text, bytes) != 1) return;
    issuance->addresses[i] = bytes_of(bytes, len);
    issuance->spec.num_addresses++;
}

// random_ecdsa writes what looks like an ECDSA signature of two numbers of
// `len` bytes.
static size_t random_ecdsa(uint8_t *out, struct random *random, size_t len)
{
    size_t at = 2;

    for (int i = 0; i < 2; i++) {
        uint8_t first = (uint8_t)(random_below(random, 255) + 1);

        out[at++] = DER_INTEGER;
        out[at++] = (uint8_t)(len + (first >= 0x80));
        if (first >= 0x80) out[at++] = 0;
        random_fill(random, out + at, len);
        out[at] = first;
        at += len;
    }
    out[0] = DER_SEQUENCE;
    out[1] = (uint8_t)(at - 2);
    return at;
}

void issuance_add_scts(struct issuance *issuance, struct random *random,
                       unsigned num)
{
    uint8_t *list = issuance->scts;
    uint64_t first = random_below(random, LOGS_KNOWN);
    size_t at = 2;

    assert(num <= 3);
    for (unsigned i = 0; i < num; i++) {
        struct random log = random_for(0, "sct", (first + i) % LOGS_KNOWN);
        size_t begin = at, len;
        bool tiled = (first + i) % 2 == 0; // then with a leaf_index

        at += 2;
        list[at++] = 0; // v1
        random_fill(&log, list + at, SHA256_LEN);
        at += SHA256_LEN;
        bytes_put_uint(list + at,
                       (uint64_t)issuance->spec.not_before * 1000 + 3600000 +
                           random_below(random, 5000),
                       8);
        at += 8;
        bytes_put_uint(list + at, tiled ? 8 : 0, 2);
        at += 2;
        if (tiled) {
            bytes_put_uint(list + at, 5, 3); // leaf_index(0), 5 bytes
            bytes_put_uint(list + at + 3, random_below(random, 1u << 31), 5);
            at += 8;
        }
        bytes_put_uint(list + at, 0x0403, 2); // sha256, ecdsa
        len = random_ecdsa(list + at + 4, random, 32);
        bytes_put_uint(list + at + 2, len, 2);
        at += 4 + len;
        bytes_put_uint(list + begin, at - begin - 2, 2);
    }
    bytes_put_uint(list, at - 2, 2);
    assert(at <= ISSUANCE_SCTS_MAX);
    issuance->spec.scts = bytes_of(list, at);
}

size_t issuance_rsa_spki(uint8_t out[ISSUANCE_SPKI_MAX], struct random *random,
                         unsigned bits)
{
    static const char oid[] = "\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01"
                              "\x01\x01\x05\x00\x03\x82";
    size_t modulus = bits / 8;
    uint8_t *at = out;

    memcpy(at, "\x30\x82", 2);
    bytes_put_uint(at + 2, modulus + 34, 2);
    memcpy(at + 4, oid, sizeof oid - 1);
    at += 4 + sizeof oid - 1;
    bytes_put_uint(at, modulus + 15, 2);
    memcpy(at + 2, "\x00\x30\x82", 3);
    bytes_put_uint(at + 5, modulus + 10, 2);
    memcpy(at + 7, "\x02\x82", 2);
    bytes_put_uint(at + 9, modulus + 1, 2);
    at[11] = 0;
    at += 12;
    random_fill(random, at, modulus);
    at[0] |= 0x80;
    at[modulus - 1] |= 1;
    at += modulus;
    memcpy(at, "\x02\x03\x01\x00\x01", 5);
    return (size_t)(at + 5 - out);
}

// put_signature writes the authority's signature, or bytes that look like one.
static void put_signature(const struct issuance *issuance,
                          enum certgen_form form, struct bytes tbs,
                          struct buffer *out)
{
    const struct authority *authority = issuance->authority;
    struct random random = issuance->signatures;
    uint8_t made_up[SIGNATURE_MAX];
    size_t len;

    if (issuance->special) {
        fixed_key_sign(authority->key, tbs, out);
        return;
    }
    random.state[0] ^= form; // each its own
    if (authority->algorithm == CERTGEN_RSA_SHA256) {
        len = 256;
        random_fill(&random, made_up, len);
        made_up[0] &= 0x7f; // below the modulus
    } else {
        len = random_ecdsa(made_up, &random,
                           authority->algorithm == CERTGEN_ECDSA_SHA256 ? 32
                                                                        : 48);
    }
    buffer_append(out, bytes_of(made_up, len));
}

void issuance_certificate(const struct issuance *issuance,
                          enum certgen_form form, struct buffer *out)
{
    struct buffer tbs = {0}, signature = {0};

    certgen_tbs(&tbs, &issuance->spec, form);
    put_signature(issuance, form, buffer_bytes(&tbs), &signature);
    certgen_wrap(out, buffer_bytes(&tbs), issuance->spec.algorithm,
                 buffer_bytes(&signature));
    buffer_cleanup(&tbs);
    buffer_cleanup(&signature);
}

// length_open, length_close put a u24 length before what is between them.
static size_t length_open(struct buffer *out)
{
    buffer_append_uint(out, 0, 3);
    return out->len;
}

static void length_close(struct buffer *out, size_t mark)
{
    if (!buffer_ok(out)) return;
    bytes_put_uint(out->data + mark - 3, out->len - mark, 3);
}

size_t issuance_logged(const struct issuance *issuance, bool precert,
                       uint64_t timestamp_ms, int64_t leaf_index,
                       struct buffer *out)
{
    size_t begin = out->len, mark;

    buffer_append_uint(out, 0, 2); // v1, timestamped_entry
    buffer_append_uint(out, timestamp_ms, 8);
    buffer_append_uint(out, precert, 2);
    if (precert) {
        buffer_append(out, sha256_bytes(&issuance->authority->spki_id));
    }
    mark = length_open(out);
    if (precert) {
        certgen_tbs(out, &issuance->spec, CERTGEN_LOGGED);
    } else {
        issuance_certificate(issuance, CERTGEN_FINAL, out);
    }
    length_close(out, mark);
    if (leaf_index == LEAF_INDEX_NONE) {
        buffer_append_uint(out, 0, 2);
    } else {
        buffer_append_uint(out, 8, 2);
        buffer_append_uint(out, 5, 3);
        buffer_append_uint(out, (uint64_t)leaf_index, 5);
    }
    mark = out->len;
    if (precert) issuance_certificate(issuance, CERTGEN_PRECERT, out);
    return mark - begin;
}
