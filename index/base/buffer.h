// buffer.h - bytes that are owned and may grow.
//
// A writer appends without asking after every step: a buffer that could not
// grow remembers it, takes nothing more, and buffer_ok() says so at the end.
//
// Lifetime  valid as {0}; buffer_cleanup() frees and leaves it {0} again.
// Limit     `max` bytes when it is not 0; beyond it the buffer has failed.

#pragma once

#include "index/base/bytes.h"

struct buffer {
    uint8_t *data;
    size_t len;
    size_t size;
    size_t max;  // 0: no limit
    bool failed; // an append did not fit or found no memory
};

// buffer_grow is buffer_reserve where there is no room yet.
bool buffer_grow(struct buffer *buffer, size_t len);

// buffer_reserve makes room for `len` more bytes; false when it has failed.
static inline bool buffer_reserve(struct buffer *buffer, size_t len)
{
    return (!buffer->failed && len <= buffer->size - buffer->len) ||
           buffer_grow(buffer, len);
}

// buffer_reserve_exactly is buffer_reserve for what will not grow further: it
// takes no more memory than is asked for.
bool buffer_reserve_exactly(struct buffer *buffer, size_t len);

// buffer_append copies `bytes` to the end.
static inline void buffer_append(struct buffer *buffer, struct bytes bytes)
{
    if (bytes.len == 0 || !buffer_reserve(buffer, bytes.len)) return;
    memcpy(buffer->data + buffer->len, bytes.data, bytes.len);
    buffer->len += bytes.len;
}

// buffer_append_text copies a C string without its NUL to the end.
static inline void buffer_append_text(struct buffer *buffer, const char *text)
{
    buffer_append(buffer, bytes_from_text(text));
}

// buffer_append_byte appends one byte.
static inline void buffer_append_byte(struct buffer *buffer, uint8_t byte)
{
    if (buffer_reserve(buffer, 1)) buffer->data[buffer->len++] = byte;
}

// buffer_append_uint appends `value` big-endian in `width` bytes.
void buffer_append_uint(struct buffer *buffer, uint64_t value, size_t width);

// buffer_printf appends formatted text.
void buffer_printf(struct buffer *buffer, const char *format, ...)
    PRINTF_LIKE(2, 3);

// buffer_consume drops the first `len` bytes, at most all.
void buffer_consume(struct buffer *buffer, size_t len);

// buffer_reset forgets the content and any failure, and keeps the memory.
void buffer_reset(struct buffer *buffer);

// buffer_cleanup frees it.
void buffer_cleanup(struct buffer *buffer);

// buffer_bytes is a view of the content, good until the next change.
static inline struct bytes buffer_bytes(const struct buffer *buffer)
{
    return bytes_of(buffer->data, buffer->len);
}

// buffer_ok tells whether everything that was appended is there.
static inline bool buffer_ok(const struct buffer *buffer)
{
    return !buffer->failed;
}
