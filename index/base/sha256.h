// sha256.h - SHA-256, one message at a time or in pieces (BoringSSL).

#pragma once

#include <openssl/sha.h>

#include "index/base/bytes.h"

enum { SHA256_LEN = 32 };

struct sha256_hash {
    uint8_t bytes[SHA256_LEN];
};

// sha256 hashes one message.
static inline struct sha256_hash sha256(struct bytes message)
{
    struct sha256_hash out;

    SHA256(message.data, message.len, out.bytes);
    return out;
}

// sha256_equal compares two hashes.
static inline bool sha256_equal(const struct sha256_hash *a,
                                const struct sha256_hash *b)
{
    return memcmp(a->bytes, b->bytes, SHA256_LEN) == 0;
}

// sha256_bytes is a view of a hash.
static inline struct bytes sha256_bytes(const struct sha256_hash *hash)
{
    return bytes_of(hash->bytes, SHA256_LEN);
}
