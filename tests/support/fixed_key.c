// fixed_key.c - see fixed_key.h.

#include "tests/support/fixed_key.h"

#include <assert.h>
#include <openssl/bn.h>
#include <openssl/bytestring.h>
#include <openssl/digest.h>
#include <openssl/ec.h>
#include <openssl/ec_key.h>
#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>
#include <stdlib.h>

#include "tests/support/der_write.h"
#include "tests/support/random.h"

enum { RSA_PRIME_LEN = 128, RSA_EXPONENT = 65537 };

// Whatever fails here is memory or a mistake: a test log without its keys is
// of no use to anyone.
#define REQUIRE(condition)                                                     \
    do {                                                                       \
        if (!(condition)) abort();                                             \
    } while (0)

// scalar_below makes a number in 1..order-1 out of 64 bytes.
static BIGNUM *scalar_below(const uint8_t wide[64], const BIGNUM *order,
                            BN_CTX *ctx)
{
    BIGNUM *scalar = BN_bin2bn(wide, 64, NULL);
    BIGNUM *limit = BN_dup(order);

    REQUIRE(scalar != NULL && limit != NULL);
    REQUIRE(BN_sub_word(limit, 1));
    REQUIRE(BN_mod(scalar, scalar, limit, ctx));
    REQUIRE(BN_add_word(scalar, 1));
    BN_free(limit);
    return scalar;
}

static EVP_PKEY *ec_key_derive(int curve, struct random *random)
{
    EVP_PKEY *key = EVP_PKEY_new();
    EC_KEY *ec = EC_KEY_new_by_curve_name(curve);
    BN_CTX *ctx = BN_CTX_new();
    const EC_GROUP *group;
    EC_POINT *point;
    BIGNUM *scalar;
    uint8_t wide[64];

    REQUIRE(key != NULL && ec != NULL && ctx != NULL);
    group = EC_KEY_get0_group(ec);
    point = EC_POINT_new(group);
    random_fill(random, wide, sizeof wide);
    scalar = scalar_below(wide, EC_GROUP_get0_order(group), ctx);
    REQUIRE(point != NULL &&
            EC_POINT_mul(group, point, scalar, NULL, NULL, ctx));
    REQUIRE(EC_KEY_set_private_key(ec, scalar));
    REQUIRE(EC_KEY_set_public_key(ec, point));
    REQUIRE(EVP_PKEY_assign_EC_KEY(key, ec));
    EC_POINT_free(point);
    BN_free(scalar);
    BN_CTX_free(ctx);
    return key;
}

// prime_derive finds a prime of 1,024 bits with the two top bits set, so that
// the product of two has 2,048, and with p-1 prime to the exponent.
static BIGNUM *prime_derive(struct random *random, BN_CTX *ctx)
{
    uint8_t bytes[RSA_PRIME_LEN];
    BIGNUM *prime = BN_new();
    int is_prime = 0;

    REQUIRE(prime != NULL);
    random_fill(random, bytes, sizeof bytes);
    bytes[0] |= 0xc0;
    bytes[sizeof bytes - 1] |= 1;
    REQUIRE(BN_bin2bn(bytes, sizeof bytes, prime));
    for (;;) {
        if (BN_mod_word(prime, RSA_EXPONENT) != 1) {
            is_prime = BN_is_prime_fasttest_ex(
                prime, BN_prime_checks_for_validation, ctx, 1, NULL);
            REQUIRE(is_prime >= 0);
            if (is_prime == 1) return prime;
        }
        REQUIRE(BN_add_word(prime, 2));
    }
}

static EVP_PKEY *rsa_key_derive(struct random *random)
{
    BN_CTX *ctx = BN_CTX_new();
    BIGNUM *p = prime_derive(random, ctx), *q = prime_derive(random, ctx);
    BIGNUM *n = BN_new(), *e = BN_new(), *d = BN_new();
    BIGNUM *dp = BN_new(), *dq = BN_new(), *qinv = BN_new();
    BIGNUM *p1 = BN_dup(p), *q1 = BN_dup(q), *phi = BN_new();
    RSA *rsa = RSA_new();
    EVP_PKEY *key = EVP_PKEY_new();

    REQUIRE(ctx && n && e && d && dp && dq && qinv && p1 && q1 && phi && rsa &&
            key);
    REQUIRE(BN_set_word(e, RSA_EXPONENT) && BN_mul(n, p, q, ctx));
    REQUIRE(BN_sub_word(p1, 1) && BN_sub_word(q1, 1));
    REQUIRE(BN_mul(phi, p1, q1, ctx) && BN_mod_inverse(d, e, phi, ctx));
    REQUIRE(BN_mod(dp, d, p1, ctx) && BN_mod(dq, d, q1, ctx));
    REQUIRE(BN_mod_inverse(qinv, q, p, ctx));
    REQUIRE(RSA_set0_key(rsa, n, e, d) && RSA_set0_factors(rsa, p, q));
    REQUIRE(RSA_set0_crt_params(rsa, dp, dq, qinv));
    REQUIRE(EVP_PKEY_assign_RSA(key, rsa));
    BN_free(p1);
    BN_free(q1);
    BN_free(phi);
    BN_CTX_free(ctx);
    return key;
}

struct fixed_key *fixed_key_new(enum fixed_key_kind kind, uint64_t seed,
                                const char *label)
{
    struct fixed_key *fixed_key = calloc(1, sizeof *fixed_key);
    struct random random = random_for(seed, label, kind);
    uint8_t *der;
    size_t len;
    CBB cbb;

    if (fixed_key == NULL) return NULL;
    fixed_key->kind = kind;
    random_fill(&random, fixed_key->nonce.bytes, SHA256_LEN);
    fixed_key->key =
        kind == FIXED_KEY_RSA2048
            ? rsa_key_derive(&random)
            : ec_key_derive(kind == FIXED_KEY_P256 ? NID_X9_62_prime256v1
                                                   : NID_secp384r1,
                            &random);
    REQUIRE(CBB_init(&cbb, 512) &&
            EVP_marshal_public_key(&cbb, fixed_key->key) &&
            CBB_finish(&cbb, &der, &len));
    buffer_append(&fixed_key->spki, bytes_of(der, len));
    OPENSSL_free(der);
    fixed_key->spki_id = sha256(buffer_bytes(&fixed_key->spki));
    return fixed_key;
}

void fixed_key_free(struct fixed_key *fixed_key)
{
    if (fixed_key == NULL) return;
    EVP_PKEY_free(fixed_key->key);
    buffer_cleanup(&fixed_key->spki);
    free(fixed_key);
}

static void put_number(struct buffer *out, const BIGNUM *number)
{
    uint8_t magnitude[64];
    size_t len = BN_num_bytes(number);

    REQUIRE(len <= sizeof magnitude);
    (void)BN_bn2bin(number, magnitude);
    der_put_unsigned(out, bytes_of(magnitude, len));
}

// ecdsa_sign is FIPS 186-4 section 6.4 with k = SHA-512(nonce key || digest):
// BoringSSL's own mixes randomness into k, and certificates must not change.
static void ecdsa_sign(const struct fixed_key *fixed_key, struct bytes digest,
                       struct buffer *out)
{
    const EC_KEY *ec = EVP_PKEY_get0_EC_KEY(fixed_key->key);
    const EC_GROUP *group = EC_KEY_get0_group(ec);
    const BIGNUM *order = EC_GROUP_get0_order(group);
    BN_CTX *ctx = BN_CTX_new();
    EC_POINT *point = EC_POINT_new(group);
    BIGNUM *r = BN_new(), *s = BN_new();
    BIGNUM *z = BN_bin2bn(digest.data, digest.len, NULL);
    BIGNUM *k;
    uint8_t wide[SHA512_DIGEST_LENGTH];
    uint8_t seed[SHA256_LEN + SHA512_DIGEST_LENGTH];
    size_t mark;

    REQUIRE(ctx != NULL && point != NULL && r != NULL && s != NULL && z);
    REQUIRE(digest.len <= SHA512_DIGEST_LENGTH);
    memcpy(seed, fixed_key->nonce.bytes, SHA256_LEN);
    memcpy(seed + SHA256_LEN, digest.data, digest.len);
    SHA512(seed, SHA256_LEN + digest.len, wide);
    k = scalar_below(wide, order, ctx);
    REQUIRE(EC_POINT_mul(group, point, k, NULL, NULL, ctx));
    REQUIRE(EC_POINT_get_affine_coordinates_GFp(group, point, r, NULL, ctx));
    REQUIRE(BN_nnmod(r, r, order, ctx) && !BN_is_zero(r));
    REQUIRE(BN_mod_mul(s, r, EC_KEY_get0_private_key(ec), order, ctx));
    REQUIRE(BN_mod_add(s, s, z, order, ctx));
    REQUIRE(BN_mod_inverse(k, k, order, ctx));
    REQUIRE(BN_mod_mul(s, s, k, order, ctx) && !BN_is_zero(s));
    mark = der_open(out, DER_SEQUENCE);
    put_number(out, r);
    put_number(out, s);
    der_close(out, mark);
    BN_free(k);
    BN_free(z);
    BN_free(s);
    BN_free(r);
    EC_POINT_free(point);
    BN_CTX_free(ctx);
}

static void rsa_sign(const struct fixed_key *fixed_key, struct bytes digest,
                     struct buffer *out)
{
    RSA *rsa = EVP_PKEY_get0_RSA(fixed_key->key);
    uint8_t signature[2 * RSA_PRIME_LEN];
    unsigned len = 0;

    REQUIRE(RSA_sign(NID_sha256, digest.data, (unsigned)digest.len, signature,
                     &len, rsa));
    buffer_append(out, bytes_of(signature, len));
}

void fixed_key_sign(const struct fixed_key *fixed_key, struct bytes message,
                    struct buffer *out)
{
    uint8_t digest[SHA512_DIGEST_LENGTH];

    if (fixed_key->kind == FIXED_KEY_P384) {
        SHA384(message.data, message.len, digest);
        ecdsa_sign(fixed_key, bytes_of(digest, SHA384_DIGEST_LENGTH), out);
        return;
    }
    SHA256(message.data, message.len, digest);
    if (fixed_key->kind == FIXED_KEY_P256) {
        ecdsa_sign(fixed_key, bytes_of(digest, SHA256_LEN), out);
    } else {
        rsa_sign(fixed_key, bytes_of(digest, SHA256_LEN), out);
    }
}
