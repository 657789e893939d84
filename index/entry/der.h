// der.h - DER, read as BER where that loses nothing.
//
// A reader takes one element off the front of a view.  Non-minimal and
// indefinite lengths are read, tags of any class are given back as they stand
// and are the caller's to judge: what no rule-abiding reader would take must
// still not hide a name.
//
// Lifetime  slices point into the bytes that were read; nothing is allocated.
// Result    a reader that says no leaves the view where it was.
// Limit     no recursion; one read is linear in the element's bytes.  A tag
//           number of more than 8 octets and a length that does not fit in 64
//           bits cannot be read.

#pragma once

#include "index/base/buffer.h"

enum {
    DER_CONSTRUCTED = 0x20,
    DER_CLASS_MASK = 0xc0,
    DER_CONTEXT = 0x80,
    DER_NUMBER_MASK = 0x1f,
    DER_NUMBER_HIGH = 0x1f, // stands for every number from 31 on
};

enum der_number {
    DER_BOOLEAN = 1,
    DER_INTEGER = 2,
    DER_BIT_STRING = 3,
    DER_OCTET_STRING = 4,
    DER_OID = 6,
    DER_UTF8_STRING = 12,
    DER_SEQUENCE = 16,
    DER_NUMERIC_STRING = 18,
    DER_PRINTABLE_STRING = 19,
    DER_T61_STRING = 20,
    DER_IA5_STRING = 22,
    DER_UTC_TIME = 23,
    DER_GENERALIZED_TIME = 24,
    DER_GRAPHIC_STRING = 25,
    DER_UNIVERSAL_STRING = 28,
    DER_BMP_STRING = 30,
};

struct der {
    uint8_t tag;          // the first identifier octet
    struct bytes whole;   // tag, length, content, end-of-contents
    struct bytes content; // without end-of-contents
};

struct der_header {
    uint8_t tag;
    bool indefinite; // then content_len is 0
    size_t header_len;
    uint64_t content_len; // as it says, whether or not so many bytes follow
};

// der_read_header reads tag and length at the front of `view` and takes
// nothing off it.
MUST_USE bool der_read_header(struct bytes view, struct der_header *out);

// der_read_slow is der_read for every form of tag and length.
MUST_USE bool der_read_slow(struct bytes *view, struct der *out);

// der_number is the tag number within its class.
static inline unsigned der_number(uint8_t tag)
{
    return tag & DER_NUMBER_MASK;
}

// der_read_copied is der_read_slow on copies, so that what the quick path reads
// never has its address taken and stays in registers.
static inline bool der_read_copied(struct bytes *view, struct der *out)
{
    struct bytes rest = *view;
    struct der element = {0};
    bool reads = der_read_slow(&rest, &element);

    if (!reads) return false;
    *view = rest;
    *out = element;
    return true;
}

// der_read takes one element off the front.
MUST_USE static inline bool der_read(struct bytes *view, struct der *out)
{
    const uint8_t *data = view->data;
    size_t header = 2, left = view->len, len;

    if (left < 2) return false;
    if (der_number(data[0]) == DER_NUMBER_HIGH) {
        return der_read_copied(view, out);
    }
    if (data[1] < 0x80) {
        len = data[1];
    } else if (data[1] == 0x82 && left >= 4) {
        header = 4;
        len = (size_t)data[2] << 8 | data[3];
    } else if (data[1] == 0x81 && left >= 3) {
        header = 3;
        len = data[2];
    } else {
        return der_read_copied(view, out);
    }
    if (len > left - header) return false;
    out->tag = data[0];
    out->whole.data = data;
    out->whole.len = header + len;
    out->content.data = data + header;
    out->content.len = len;
    view->data = data + header + len;
    view->len = left - header - len;
    return true;
}

// der_parse_time reads the content of a UTCTime or GeneralizedTime: seconds
// may be missing, the zone may be Z, an offset or missing, a fraction is
// dropped.  Fourteen digits are a GeneralizedTime whatever the tag says.
MUST_USE bool der_parse_time(uint8_t tag, struct bytes text, int64_t *seconds);

enum { DER_OID_TEXT_MAX = 256 };

// der_oid_text writes an OID's content octets in dots into `out` and returns
// `out`; what is no OID or too long for it as "#" and hex, cut if need be.
char *der_oid_text(char out[DER_OID_TEXT_MAX], struct bytes oid);

enum { DER_HEADER_MAX = 10 };

// der_put_header writes the same into `out` and returns its length.
size_t der_put_header(uint8_t out[DER_HEADER_MAX], uint8_t tag, size_t len);
