// short_key.h - keys that a run keeps short (run_key), as numbers.
//
// A kind and the first octets of a hash: all of one length, evenly spread, and
// in order when the numbers are.  So they are sorted, packed and compared
// without their bytes.
//
// Result    pure.

#pragma once

#include <endian.h>

#include "index/base/bytes.h"
#include "index/entry/names.h"

enum { SHORT_KEY_LEN = 1 + 6, SHORT_KEY_BITS = 8 * SHORT_KEY_LEN };

// short_key_has tells whether keys of a kind are kept short.
static inline bool short_key_has(uint8_t kind)
{
    return kind >= TERM_CERT_SHA256 && kind <= TERM_SERIAL;
}

// short_key_read gives the number of a key that is one.
static inline bool short_key_read(struct bytes key, uint64_t *number)
{
    uint32_t first, last; // they overlap in one byte

    if (key.len != SHORT_KEY_LEN || !short_key_has(key.data[0])) return false;
    memcpy(&first, key.data, sizeof first);
    memcpy(&last, key.data + SHORT_KEY_LEN - sizeof last, sizeof last);
    *number = (uint64_t)be32toh(first) << (SHORT_KEY_BITS - 32) | be32toh(last);
    return true;
}

// short_key_write makes the key of a number again.
static inline struct bytes short_key_write(uint8_t out[SHORT_KEY_LEN],
                                           uint64_t number)
{
    uint32_t first = htobe32((uint32_t)(number >> (SHORT_KEY_BITS - 32)));
    uint32_t last = htobe32((uint32_t)number);

    memcpy(out, &first, sizeof first);
    memcpy(out + SHORT_KEY_LEN - sizeof last, &last, sizeof last);
    return bytes_of(out, SHORT_KEY_LEN);
}
