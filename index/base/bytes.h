// bytes.h - a view of bytes, and the readers that shrink it.
//
// Everything that sanct understands begins as a struct bytes: a pointer and a
// length that never own anything.  A reader takes its answer off the front and
// says only yes or no; the caller knows what was being read and says so.
//
// Lifetime  a view lives as long as what it points into.
// Order     integers are big-endian, as in TLS (RFC 8446 section 3.3).
// Result    a reader that says no leaves the view where it was.

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))
#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

struct bytes {
    const uint8_t *data;
    size_t len;
};

// bytes_of makes a view of `len` bytes at `data`.
static inline struct bytes bytes_of(const void *data, size_t len)
{
    return (struct bytes){data, len};
}

// bytes_from_text makes a view of a C string without its NUL.
static inline struct bytes bytes_from_text(const char *text)
{
    return (struct bytes){(const uint8_t *)text, strlen(text)};
}

// bytes_equal tells whether two views hold the same bytes.
static inline bool bytes_equal(struct bytes a, struct bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

// bytes_equal_text compares a view with a C string.
static inline bool bytes_equal_text(struct bytes a, const char *text)
{
    return bytes_equal(a, bytes_from_text(text));
}

// bytes_compare orders as memcmp does, a prefix before what it begins.
static inline int bytes_compare(struct bytes a, struct bytes b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len == 0 ? 0 : memcmp(a.data, b.data, len);

    if (order != 0) return order;
    return a.len < b.len ? -1 : a.len > b.len;
}

// bytes_starts_with tells whether `view` begins with `prefix`.
static inline bool bytes_starts_with(struct bytes view, struct bytes prefix)
{
    return view.len >= prefix.len &&
           (prefix.len == 0 || memcmp(view.data, prefix.data, prefix.len) == 0);
}

// bytes_common counts how many bytes two views begin with alike.
static inline size_t bytes_common(struct bytes a, struct bytes b)
{
    size_t most = a.len < b.len ? a.len : b.len, len = 0;
    uint64_t x, y;

    for (; len + sizeof x <= most; len += sizeof x) {
        memcpy(&x, a.data + len, sizeof x);
        memcpy(&y, b.data + len, sizeof y);
        if (x != y) break;
    }
    while (len < most && a.data[len] == b.data[len]) {
        len++;
    }
    return len;
}

// bytes_skip drops the first `len` bytes.
static inline bool bytes_skip(struct bytes *view, size_t len)
{
    if (len > view->len) return false;
    view->data += len;
    view->len -= len;
    return true;
}

// bytes_read_take moves the first `len` bytes into `out`.
static inline bool bytes_read_take(struct bytes *view, struct bytes *out,
                                   size_t len)
{
    if (len > view->len) return false;
    *out = bytes_of(view->data, len);
    return bytes_skip(view, len);
}

// bytes_read_uint reads a big-endian integer of `width` (1 to 8) bytes.
static inline bool bytes_read_uint(struct bytes *view, uint64_t *value,
                                   size_t width)
{
    uint64_t sum = 0;

    if (width > view->len || width > 8) return false;
    for (size_t i = 0; i < width; i++) {
        sum = sum << 8 | view->data[i];
    }
    *value = sum;
    return bytes_skip(view, width);
}

// bytes_read_vector reads a length of `width` bytes, then that many bytes:
// opaque<0..2^(8*width)-1> of RFC 8446 section 3.4.
static inline bool bytes_read_vector(struct bytes *view, struct bytes *out,
                                     size_t width)
{
    struct bytes rest = *view;
    uint64_t len;

    if (!bytes_read_uint(&rest, &len, width) || len > rest.len) return false;
    *out = bytes_of(rest.data, (size_t)len);
    *view = bytes_of(rest.data + len, rest.len - (size_t)len);
    return true;
}

// bytes_put_uint writes `value` big-endian into `width` bytes at `out`.
static inline void bytes_put_uint(uint8_t *out, uint64_t value, size_t width)
{
    for (size_t i = width; i > 0; i--) {
        out[i - 1] = (uint8_t)value;
        value >>= 8;
    }
}
