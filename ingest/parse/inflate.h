// inflate.h - gzip bodies of static logs and raw deflate of zips, whole
// (libdeflate). (pure)
//
// Static logs send data tiles as gzip without being asked (CT-PROTOCOLS
// section 8.6).  Several members one after the other are one stream (RFC 1952
// section 2.2); anything else behind a member is an error: a tile is exact.
//
// Result    ERR_MALFORMED: no gzip, damaged, or more than `len_max` bytes.
// Thread    an inflater belongs to one thread at a time.

#pragma once

#include "index/base/buffer.h"
#include "index/base/err.h"

struct inflater;

// inflater_new makes one; inflater_free() it, NULL is fine.
MUST_USE bool inflater_new(struct inflater **out, struct err *err);
void inflater_free(struct inflater *inflater);

// inflate_is_gzip sniffs 1F 8B: what a TileLeaf cannot begin with before the
// year 2500, so it decides where a header is missing.
static inline bool inflate_is_gzip(struct bytes body)
{
    return body.len >= 2 && body.data[0] == 0x1f && body.data[1] == 0x8b;
}

// inflate_gzip replaces what is in `out` by the inflated bytes.
MUST_USE bool inflate_gzip(struct inflater *inflater, struct buffer *out,
                           struct bytes gzip, size_t len_max, struct err *err);

// inflate_version names the library: "libdeflate 1.14".
const char *inflate_version(void);

// inflate_raw replaces what is in `out` by exactly `len` bytes; `packed` is a
// raw deflate stream (RFC 1951) and nothing else.
MUST_USE bool inflate_raw(struct inflater *inflater, struct buffer *out,
                          struct bytes packed, size_t len, struct err *err);

// inflate_crc32 is the CRC-32 of zip and gzip.
uint32_t inflate_crc32(struct bytes bytes);
