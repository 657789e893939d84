// signer.c - see signer.h.

#include "tests/support/signer.h"

#include <inttypes.h>

#include <openssl/bn.h>
#include <openssl/bytestring.h>
#include <openssl/ec_key.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/rsa.h>

#include "index/base/text.h"

struct signer {
    EVP_PKEY *key;
    uint8_t *der;
    size_t der_len;
    uint8_t algorithm;
};

static struct signer *finish(EVP_PKEY *key, uint8_t algorithm)
{
    struct signer *signer = calloc(1, sizeof *signer);
    CBB cbb;

    assert_non_null(signer);
    signer->key = key;
    signer->algorithm = algorithm;
    assert_true(CBB_init(&cbb, 512) && EVP_marshal_public_key(&cbb, key) &&
                CBB_finish(&cbb, &signer->der, &signer->der_len));
    return signer;
}

struct signer *signer_new_p256(void)
{
    EC_KEY *ec = EC_KEY_new_by_curve_name(NID_X9_62_prime256v1);
    EVP_PKEY *key = EVP_PKEY_new();

    assert_true(ec != NULL && key != NULL && EC_KEY_generate_key(ec) &&
                EVP_PKEY_assign_EC_KEY(key, ec));
    return finish(key, 3);
}

struct signer *signer_new_rsa(int bits)
{
    RSA *rsa = RSA_new();
    BIGNUM *e = BN_new();
    EVP_PKEY *key = EVP_PKEY_new();

    assert_true(rsa != NULL && e != NULL && key != NULL &&
                BN_set_word(e, RSA_F4) &&
                RSA_generate_key_ex(rsa, bits, e, NULL) &&
                EVP_PKEY_assign_RSA(key, rsa));
    BN_free(e);
    return finish(key, 1);
}

void signer_free(struct signer *signer)
{
    if (signer == NULL) return;
    EVP_PKEY_free(signer->key);
    OPENSSL_free(signer->der);
    free(signer);
}

struct bytes signer_key(const struct signer *signer)
{
    return bytes_of(signer->der, signer->der_len);
}

void signer_sign(const struct signer *signer, struct buffer *out,
                 struct bytes message)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    uint8_t signature[1024];
    size_t len = sizeof signature;

    assert_true(
        context != NULL &&
        EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, signer->key) &&
        EVP_DigestSign(context, signature, &len, message.data, message.len));
    EVP_MD_CTX_free(context);
    buffer_append(out, bytes_of(signature, len));
}

void signer_tree_head(const struct signer *signer, struct buffer *out,
                      uint64_t timestamp_ms, uint64_t size,
                      const struct sha256_hash *root)
{
    struct buffer message = {0}, signature = {0};

    buffer_append_uint(&message, 0x0001, 2);
    buffer_append_uint(&message, timestamp_ms, 8);
    buffer_append_uint(&message, size, 8);
    buffer_append(&message, sha256_bytes(root));
    signer_sign(signer, &signature, buffer_bytes(&message));
    buffer_append_byte(out, 4);
    buffer_append_byte(out, signer->algorithm);
    buffer_append_uint(out, signature.len, 2);
    buffer_append(out, buffer_bytes(&signature));
    buffer_cleanup(&message);
    buffer_cleanup(&signature);
}

void signer_sth(const struct signer *signer, struct buffer *out,
                uint64_t timestamp_ms, uint64_t size,
                const struct sha256_hash *root)
{
    struct buffer signature = {0};

    signer_tree_head(signer, &signature, timestamp_ms, size, root);
    buffer_printf(out,
                  "{\"tree_size\":%" PRIu64 ",\"timestamp\":%" PRIu64
                  ",\"sha256_root_hash\":\"",
                  size, timestamp_ms);
    text_append_base64(out, sha256_bytes(root));
    buffer_append_text(out, "\",\"tree_head_signature\":\"");
    text_append_base64(out, buffer_bytes(&signature));
    buffer_append_text(out, "\"}");
    buffer_cleanup(&signature);
}

void signer_line(const struct signer *signer, struct buffer *out,
                 const char *origin, uint64_t timestamp_ms, uint64_t size,
                 const struct sha256_hash *root)
{
    struct sha256_hash log_id = sha256(signer_key(signer)), key_id;
    struct buffer named = {0}, blob = {0};

    buffer_printf(&named, "%s\n\x05", origin);
    buffer_append(&named, sha256_bytes(&log_id));
    key_id = sha256(buffer_bytes(&named));
    buffer_append(&blob, bytes_of(key_id.bytes, 4));
    buffer_append_uint(&blob, timestamp_ms, 8);
    signer_tree_head(signer, &blob, timestamp_ms, size, root);
    buffer_printf(out, "\xe2\x80\x94 %s ", origin);
    text_append_base64(out, buffer_bytes(&blob));
    buffer_append_byte(out, '\n');
    buffer_cleanup(&named);
    buffer_cleanup(&blob);
}

void signer_checkpoint(const struct signer *signer, struct buffer *out,
                       const char *origin, uint64_t timestamp_ms, uint64_t size,
                       const struct sha256_hash *root)
{
    buffer_printf(out, "%s\n%" PRIu64 "\n", origin, size);
    text_append_base64(out, sha256_bytes(root));
    buffer_append_text(out, "\n\n");
    signer_line(signer, out, origin, timestamp_ms, size, root);
}
