// test_fixed_key.c - derived keys are keys, and their signatures signatures.

#include "tests/support/fixed_key.h"

#include <openssl/bytestring.h>
#include <openssl/ec_key.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "tests/support/check.h"

static const struct {
    const char *name;
    enum fixed_key_kind kind;
    size_t spki_len;
} kinds[] = {
    {"P-256", FIXED_KEY_P256, 91},
    {"P-384", FIXED_KEY_P384, 120},
    {"RSA", FIXED_KEY_RSA2048, 294},
};

static bool key_is_sound(const struct fixed_key *key)
{
    if (key->kind == FIXED_KEY_RSA2048) {
        return RSA_check_key(EVP_PKEY_get0_RSA(key->key)) == 1 &&
               EVP_PKEY_bits(key->key) == 2048;
    }
    return EC_KEY_check_key(EVP_PKEY_get0_EC_KEY(key->key)) == 1;
}

static bool verifies(struct bytes spki, const EVP_MD *digest,
                     struct bytes message, struct bytes signature)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY *key;
    CBS cbs;
    bool ok;

    CBS_init(&cbs, spki.data, spki.len);
    key = EVP_parse_public_key(&cbs);
    ok = key != NULL &&
         EVP_DigestVerifyInit(ctx, NULL, digest, NULL, key) == 1 &&
         EVP_DigestVerify(ctx, signature.data, signature.len, message.data,
                          message.len) == 1;
    EVP_PKEY_free(key);
    EVP_MD_CTX_free(ctx);
    return ok;
}

static void keys_are_sound_and_always_the_same(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        struct fixed_key *a = fixed_key_new(kinds[i].kind, 1, "a");
        struct fixed_key *again = fixed_key_new(kinds[i].kind, 1, "a");
        struct fixed_key *label = fixed_key_new(kinds[i].kind, 1, "b");
        struct fixed_key *seed = fixed_key_new(kinds[i].kind, 2, "a");
        struct sha256_hash id = sha256(buffer_bytes(&a->spki));

        test_case = kinds[i].name;
        CHECK(key_is_sound(a) && key_is_sound(label) && key_is_sound(seed));
        CHECK(a->spki.len == kinds[i].spki_len);
        CHECK(sha256_equal(&a->spki_id, &id));
        CHECK(sha256_equal(&a->spki_id, &again->spki_id));
        CHECK(!sha256_equal(&a->spki_id, &label->spki_id));
        CHECK(!sha256_equal(&a->spki_id, &seed->spki_id));
        fixed_key_free(a);
        fixed_key_free(again);
        fixed_key_free(label);
        fixed_key_free(seed);
    }
}

static void signatures_verify_and_never_change(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        struct fixed_key *key = fixed_key_new(kinds[i].kind, 1, "a");
        const EVP_MD *digest =
            kinds[i].kind == FIXED_KEY_P384 ? EVP_sha384() : EVP_sha256();
        struct bytes spki = buffer_bytes(&key->spki);
        struct buffer before = {0};

        test_case = kinds[i].name;
        for (unsigned j = 0; j < 50; j++) {
            struct buffer one = {0}, two = {0}, message = {0};

            buffer_printf(&message, "message %u", j);
            fixed_key_sign(key, buffer_bytes(&message), &one);
            fixed_key_sign(key, buffer_bytes(&message), &two);
            CHECK(bytes_equal(buffer_bytes(&one), buffer_bytes(&two)));
            CHECK(verifies(spki, digest, buffer_bytes(&message),
                           buffer_bytes(&one)));
            buffer_append_byte(&message, '!');
            CHECK(!verifies(spki, digest, buffer_bytes(&message),
                            buffer_bytes(&one)));
            // Another nonce each time: the first bytes of r differ.
            CHECK(j == 0 || memcmp(one.data + 6, before.data + 6, 16) != 0);
            buffer_reset(&before);
            buffer_append(&before, buffer_bytes(&one));
            buffer_cleanup(&one);
            buffer_cleanup(&two);
            buffer_cleanup(&message);
        }
        buffer_cleanup(&before);
        fixed_key_free(key);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_sound_and_always_the_same),
        cmocka_unit_test(signatures_verify_and_never_change),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
