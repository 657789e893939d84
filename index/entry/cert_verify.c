// cert_verify.c - a certificate's signature under its issuer's key.

#include <openssl/bytestring.h>
#include <openssl/digest.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "index/entry/cert_walk.h"

struct scheme {
    const char *oid; // content octets
    size_t oid_len;
    int key_type;
    const EVP_MD *(*digest)(void); // NULL: the key's own
};

#define SCHEME(oid, key_type, digest)                                          \
    {                                                                          \
        oid, sizeof(oid) - 1, key_type, digest                                 \
    }

static const struct scheme schemes[] = {
    SCHEME("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b", EVP_PKEY_RSA, EVP_sha256),
    SCHEME("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c", EVP_PKEY_RSA, EVP_sha384),
    SCHEME("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d", EVP_PKEY_RSA, EVP_sha512),
    SCHEME("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05", EVP_PKEY_RSA, EVP_sha1),
    SCHEME("\x2a\x86\x48\xce\x3d\x04\x03\x02", EVP_PKEY_EC, EVP_sha256),
    SCHEME("\x2a\x86\x48\xce\x3d\x04\x03\x03", EVP_PKEY_EC, EVP_sha384),
    SCHEME("\x2a\x86\x48\xce\x3d\x04\x03\x04", EVP_PKEY_EC, EVP_sha512),
    SCHEME("\x2a\x86\x48\xce\x3d\x04\x01", EVP_PKEY_EC, EVP_sha1),
    SCHEME("\x2b\x65\x70", EVP_PKEY_ED25519, NULL),
};

#define OID_PSS "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a"

static const struct scheme pss_hashes[] = {
    SCHEME("\x60\x86\x48\x01\x65\x03\x04\x02\x01", EVP_PKEY_RSA, EVP_sha256),
    SCHEME("\x60\x86\x48\x01\x65\x03\x04\x02\x02", EVP_PKEY_RSA, EVP_sha384),
    SCHEME("\x60\x86\x48\x01\x65\x03\x04\x02\x03", EVP_PKEY_RSA, EVP_sha512),
};

static const struct scheme *find_scheme(const struct scheme *from, size_t num,
                                        struct bytes oid)
{
    for (size_t i = 0; i < num; i++) {
        if (bytes_equal(oid, bytes_of(from[i].oid, from[i].oid_len))) {
            return &from[i];
        }
    }
    return NULL;
}

#define OID_MGF1 "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x08"

// Takes [number] { AlgorithmIdentifier } off the front: its OID, and in
// `parameters` what follows it.
static bool take_algorithm(struct bytes *view, unsigned number, struct der *oid,
                           struct bytes *parameters)
{
    struct der wrapper, algorithm;

    if (!der_read(view, &wrapper) || der_number(wrapper.tag) != number ||
        !der_read(&wrapper.content, &algorithm) ||
        !der_read(&algorithm.content, oid)) {
        return false;
    }
    *parameters = algorithm.content;
    return true;
}

// Finds the hash of RSASSA-PSS-params, RFC 4055 section 3.1.  Only what the
// Web PKI allows: MGF1 with the same hash, a salt of its length.
static const struct scheme *find_pss_hash(struct bytes view)
{
    const struct scheme *hash;
    struct der parameters, oid, mask, mask_algorithm, mask_oid, wrapper, salt;
    struct bytes rest;

    if (!der_read(&view, &parameters)) return NULL;
    view = parameters.content;
    if (!take_algorithm(&view, 0, &oid, &rest) ||
        !take_algorithm(&view, 1, &mask, &rest) ||
        !oid_is(mask.content, OID_MGF1) || !der_read(&rest, &mask_algorithm) ||
        !der_read(&mask_algorithm.content, &mask_oid) ||
        !bytes_equal(mask_oid.content, oid.content) ||
        !der_read(&view, &wrapper) || der_number(wrapper.tag) != 2 ||
        !der_read(&wrapper.content, &salt) || view.len != 0) {
        return NULL;
    }
    hash = find_scheme(pss_hashes, COUNT_OF(pss_hashes), oid.content);
    if (hash == NULL || salt.content.len != 1 ||
        salt.content.data[0] != EVP_MD_size(hash->digest())) {
        return NULL;
    }
    return hash;
}

static EVP_PKEY *read_key(struct bytes spki)
{
    CBS cbs;

    CBS_init(&cbs, spki.data, spki.len);
    return EVP_parse_public_key(&cbs);
}

static bool verify(const struct cert *cert, EVP_PKEY *key,
                   const struct scheme *scheme, bool is_pss)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_PKEY_CTX *key_context;
    bool holds;

    if (context == NULL) return false;
    holds =
        EVP_DigestVerifyInit(context, &key_context,
                             scheme->digest != NULL ? scheme->digest() : NULL,
                             NULL, key) == 1 &&
        (!is_pss || (EVP_PKEY_CTX_set_rsa_padding(key_context,
                                                  RSA_PKCS1_PSS_PADDING) == 1 &&
                     EVP_PKEY_CTX_set_rsa_pss_saltlen(key_context, -1) == 1)) &&
        EVP_DigestVerify(context, cert->signature.data, cert->signature.len,
                         cert->tbs.data, cert->tbs.len) == 1;
    EVP_MD_CTX_free(context);
    return holds;
}

bool cert_verify_signature(const struct cert *cert, struct bytes issuer_spki)
{
    struct bytes view = cert->signature_algorithm;
    const struct scheme *scheme;
    struct der algorithm, oid;
    EVP_PKEY *key;
    bool is_pss, holds;

    if (cert->signature.len == 0 || !der_read(&view, &algorithm) ||
        !der_read(&algorithm.content, &oid)) {
        return false;
    }
    is_pss = oid_is(oid.content, OID_PSS);
    scheme = is_pss ? find_pss_hash(algorithm.content)
                    : find_scheme(schemes, COUNT_OF(schemes), oid.content);
    if (scheme == NULL) return false;
    key = read_key(issuer_spki);
    holds = key != NULL && EVP_PKEY_id(key) == scheme->key_type &&
            verify(cert, key, scheme, is_pss);
    EVP_PKEY_free(key);
    ERR_clear_error();
    return holds;
}
