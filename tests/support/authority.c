// authority.c - see authority.h.

#include "tests/support/authority.h"

#include "tests/support/issuance.h"
#include "tests/support/random.h"

enum {
    VALID_FROM = 1420070400, // 2015-01-01
    VALID_TO = 2051222400,   // 2035-01-01
    SERIAL_LEN = 16,
};

// Writes an RSA key of random bytes.
static void random_spki(struct buffer *out, uint64_t seed, const char *label)
{
    struct random random = random_for(seed, label, 0);
    uint8_t spki[ISSUANCE_SPKI_MAX];

    buffer_append(out, bytes_of(spki, issuance_rsa_spki(spki, &random, 2048)));
}

void authority_init(struct authority *authority, enum fixed_key_kind kind,
                    bool real, uint64_t seed, const char *label)
{
    const struct authority *parent = authority->parent;
    struct random random = random_for(seed, label, 1);
    struct certgen_spec spec = {0};
    uint8_t serial[SERIAL_LEN];

    if (real || parent == NULL) {
        authority->key = fixed_key_new(kind, seed, label);
        authority->algorithm = certgen_algorithm(authority->key);
        buffer_append(&authority->spki, buffer_bytes(&authority->key->spki));
    } else {
        authority->algorithm = CERTGEN_RSA_SHA256;
        random_spki(&authority->spki, seed, label);
    }
    authority->spki_id = sha256(buffer_bytes(&authority->spki));
    certgen_name_der(&authority->name_der, &authority->name);
    random_fill(&random, serial, sizeof serial);
    serial[0] &= 0x7f;
    if (parent == NULL) parent = authority;
    spec.issuer = buffer_bytes(&parent->name_der);
    spec.subject = authority->name;
    spec.serial = bytes_of(serial, sizeof serial);
    spec.not_before = VALID_FROM;
    spec.not_after = VALID_TO;
    spec.spki = buffer_bytes(&authority->spki);
    spec.authority_id = authority_key_id(parent);
    spec.host = parent == authority ? NULL : parent->host;
    spec.authority = true;
    spec.validated = authority->validated;
    spec.algorithm = parent->algorithm;
    certgen_signed(&authority->certificate, &spec, CERTGEN_LOGGED, parent->key);
    authority->fingerprint = sha256(buffer_bytes(&authority->certificate));
}

void authority_cleanup(struct authority *authority)
{
    fixed_key_free(authority->key);
    buffer_cleanup(&authority->spki);
    buffer_cleanup(&authority->name_der);
    buffer_cleanup(&authority->certificate);
    authority->key = NULL;
}

struct bytes authority_key_id(const struct authority *authority)
{
    return bytes_of(authority->spki_id.bytes, KEY_ID_LEN);
}

void authority_fingerprints(const struct authority *authority,
                            struct buffer *out)
{
    for (; authority != NULL; authority = authority->parent) {
        buffer_append(out, sha256_bytes(&authority->fingerprint));
    }
}

void authority_chain(const struct authority *authority, struct buffer *out)
{
    size_t mark = out->len;

    buffer_append_uint(out, 0, 3); // the length, known below
    for (; authority != NULL; authority = authority->parent) {
        buffer_append_uint(out, authority->certificate.len, 3);
        buffer_append(out, buffer_bytes(&authority->certificate));
    }
    if (buffer_ok(out)) {
        bytes_put_uint(out->data + mark, out->len - mark - 3, 3);
    }
}
