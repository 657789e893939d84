// put.h - the values of JSON that shapes are written with.
//
// Result    failures stay in the buffer: buffer_ok().

#pragma once

#include "index/base/buffer.h"
#include "index/base/sha256.h"

// A row of elements: a comma before each but the first.
struct row {
    struct buffer *out;
    bool any;
};

// row_next begins the next element.
void row_next(struct row *row);

// put_text writes a string, escaped as names are shown.
void put_text(struct buffer *out, const char *text);

// put_verbatim writes a string that reads back as it is, unless it is no text
// at all: a question as it was asked, a sentence that is escaped already.
void put_verbatim(struct buffer *out, struct bytes text);

// put_hex, put_base64 write bytes as a string.
void put_hex(struct buffer *out, struct bytes bytes);
void put_base64(struct buffer *out, struct bytes bytes);

// put_hash writes a hash in hex, or null.
void put_hash(struct buffer *out, bool has, const struct sha256_hash *hash);

// put_bool, put_uint write what they say.
void put_bool(struct buffer *out, bool value);
void put_uint(struct buffer *out, uint64_t value);

// put_time writes seconds since 1970, put_time_ms milliseconds; what nobody can
// write, CERT_TIME_UNREADABLE too, is null.
void put_time(struct buffer *out, int64_t seconds);
void put_time_ms(struct buffer *out, uint64_t ms);
