// sha256.h - SHA-256: of one message (BoringSSL), of several at a time.

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

// A message of sha256_many: its pieces, one behind the other.
struct sha256_message {
    const struct bytes *pieces;
    size_t num_pieces;
    struct sha256_hash *out;
};

// sha256_many hashes messages side by side, which takes half the time where
// the processor has instructions for it; else as sha256_each does.  The
// longest first do best.
void sha256_many(const struct sha256_message *messages, size_t num);

// sha256_each hashes one message after the other (BoringSSL).
void sha256_each(const struct sha256_message *messages, size_t num);
