// fixed_key.h - private keys that are the same on every run.
//
// A key is derived from a seed and a label; a signature from key and message
// alone (ECDSA with a derived nonce, RSA with PKCS#1 v1.5), so that whatever is
// signed with them is deterministic too.  Test keys: worth nothing as secrets.
//
// Lifetime  fixed_key_new makes one, fixed_key_free frees it.
// Thread    any, once made.

#pragma once

#include <openssl/evp.h>

#include "index/base/buffer.h"
#include "index/base/sha256.h"

enum fixed_key_kind { FIXED_KEY_P256, FIXED_KEY_P384, FIXED_KEY_RSA2048 };

struct fixed_key {
    enum fixed_key_kind kind;
    EVP_PKEY *key;
    struct buffer spki;         // SubjectPublicKeyInfo, DER
    struct sha256_hash spki_id; // SHA-256 of it: log id, issuer_key_hash
    struct sha256_hash nonce;   // what ECDSA nonces are derived from
};

// fixed_key_new derives a key; NULL without memory.  RSA takes some 100 ms.
struct fixed_key *fixed_key_new(enum fixed_key_kind kind, uint64_t seed,
                                const char *label);
void fixed_key_free(struct fixed_key *fixed_key);

// fixed_key_sign appends the signature: SHA-256 for P-256 and RSA, SHA-384 for
// P-384; ECDSA as DER.
void fixed_key_sign(const struct fixed_key *fixed_key, struct bytes message,
                    struct buffer *out);
