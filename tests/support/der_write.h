// der_write.h - DER, written from the outside in.
//
//   size_t names = der_open(out, DER_SEQUENCE);
//   der_put_text(out, DER_CONTEXT | 2, "example.com");
//   der_close(out, names);
//
// Order     elements are closed in the reverse order of being opened.
// Result    failures stay in the buffer: buffer_ok().
// Limit     contents below 16 MiB.

#pragma once

#include "index/base/buffer.h"

enum der_tag {
    DER_BOOLEAN = 0x01,
    DER_INTEGER = 0x02,
    DER_BIT_STRING = 0x03,
    DER_OCTET_STRING = 0x04,
    DER_NULL = 0x05,
    DER_OID = 0x06,
    DER_UTF8_STRING = 0x0c,
    DER_PRINTABLE_STRING = 0x13,
    DER_IA5_STRING = 0x16,
    DER_UTC_TIME = 0x17,
    DER_GENERALIZED_TIME = 0x18,
    DER_SEQUENCE = 0x30,
    DER_SET = 0x31,
    DER_CONTEXT = 0x80,
    DER_CONTEXT_CONSTRUCTED = 0xa0,
};

// der_open begins an element and returns the mark that der_close wants.
size_t der_open(struct buffer *out, unsigned tag);
void der_close(struct buffer *out, size_t mark);

// der_put writes a whole element.
void der_put(struct buffer *out, unsigned tag, struct bytes content);
void der_put_text(struct buffer *out, unsigned tag, const char *text);

// der_put_unsigned writes an INTEGER from big-endian magnitude bytes.
void der_put_unsigned(struct buffer *out, struct bytes magnitude);
void der_put_small(struct buffer *out, uint64_t value);

// der_put_true writes BOOLEAN TRUE.
void der_put_true(struct buffer *out);

// der_put_bits writes a BIT STRING of whole bytes.
void der_put_bits(struct buffer *out, struct bytes content);

// der_put_time writes seconds since 1970: UTCTime from 1950 to 2049, else
// GeneralizedTime (RFC 5280 section 4.1.2.5).
void der_put_time(struct buffer *out, int64_t seconds);
