// varint.h - integers of one to ten bytes: seven bits a byte, lowest first.
//
// Result    reading refuses what is longer than it needs to be and what does
//           not fit 64 bits: a number has one form.

#pragma once

#include "index/base/buffer.h"

// varint_append appends `value`.
static inline void varint_append(struct buffer *out, uint64_t value)
{
    uint8_t bytes[10];
    size_t len = 0;

    while (value >= 0x80) {
        bytes[len++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    bytes[len++] = (uint8_t)value;
    buffer_append(out, bytes_of(bytes, len));
}

// varint_read takes one off the front.
static inline bool varint_read(struct bytes *view, uint64_t *value)
{
    uint64_t sum = 0;

    // Most are small.
    if (view->len > 0 && view->data[0] < 0x80) {
        *value = view->data[0];
        return bytes_skip(view, 1);
    }
    for (size_t i = 0; i < 10 && i < view->len; i++) {
        uint8_t byte = view->data[i];

        if (i == 9 && byte > 1) return false;
        sum |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte >= 0x80) continue;
        if (byte == 0 && i > 0) return false;
        *value = sum;
        return bytes_skip(view, i + 1);
    }
    return false;
}

// varint_fold makes a signed number small where it is near 0, and back.
static inline uint64_t varint_fold(int64_t value)
{
    return (uint64_t)value << 1 ^ (value < 0 ? UINT64_MAX : 0);
}

static inline int64_t varint_unfold(uint64_t value)
{
    return (int64_t)(value >> 1 ^ ((value & 1) != 0 ? UINT64_MAX : 0));
}
