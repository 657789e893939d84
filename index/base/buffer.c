// buffer.c - see buffer.h.

#include "index/base/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { SIZE_FIRST = 256 };

// Has `size` bytes in all, which are more than before.
static bool resize(struct buffer *buffer, size_t size)
{
    uint8_t *data = realloc(buffer->data, size);

    if (data == NULL) {
        buffer->failed = true;
        return false;
    }
    buffer->data = data;
    buffer->size = size;
    return true;
}

static bool is_allowed(struct buffer *buffer, size_t len)
{
    size_t limit = buffer->max == 0 ? SIZE_MAX / 2 : buffer->max;

    if (buffer->failed) return false;
    if (buffer->len <= limit && len <= limit - buffer->len) return true;
    buffer->failed = true;
    return false;
}

bool buffer_grow(struct buffer *buffer, size_t len)
{
    size_t size = buffer->size == 0 ? SIZE_FIRST : buffer->size;

    if (!is_allowed(buffer, len)) return false;
    if (len <= buffer->size - buffer->len) return true;
    while (size - buffer->len < len) {
        size *= 2;
    }
    if (buffer->max != 0 && size > buffer->max) size = buffer->max;
    return resize(buffer, size);
}

bool buffer_reserve_exactly(struct buffer *buffer, size_t len)
{
    return is_allowed(buffer, len) && (len <= buffer->size - buffer->len ||
                                       resize(buffer, buffer->len + len));
}

void buffer_append_uint(struct buffer *buffer, uint64_t value, size_t width)
{
    if (!buffer_reserve(buffer, width)) return;
    bytes_put_uint(buffer->data + buffer->len, value, width);
    buffer->len += width;
}

void buffer_printf(struct buffer *buffer, const char *format, ...)
{
    char small[256];
    va_list args;
    int len;

    va_start(args, format);
    len = vsnprintf(small, sizeof small, format, args);
    va_end(args);
    if (len < 0) {
        buffer->failed = true;
        return;
    }
    if ((size_t)len < sizeof small) {
        buffer_append(buffer, bytes_of(small, (size_t)len));
        return;
    }
    if (!buffer_reserve(buffer, (size_t)len + 1)) return;
    va_start(args, format);
    (void)vsnprintf((char *)buffer->data + buffer->len, (size_t)len + 1, format,
                    args);
    va_end(args);
    buffer->len += (size_t)len;
}

void buffer_consume(struct buffer *buffer, size_t len)
{
    if (len > buffer->len) len = buffer->len;
    if (len == 0) return;
    memmove(buffer->data, buffer->data + len, buffer->len - len);
    buffer->len -= len;
}

void buffer_reset(struct buffer *buffer)
{
    buffer->len = 0;
    buffer->failed = false;
}

void buffer_cleanup(struct buffer *buffer)
{
    free(buffer->data);
    *buffer = (struct buffer){.max = buffer->max};
}
