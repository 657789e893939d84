// base64.h - strict base64 of megabytes. (pure)
//
// 32 digits a step where the processor has AVX2, else four.
//
// RFC 4648 section 4, the same strings as text_parse_base64 takes: padding is
// required, nothing stands between the digits, unused bits are zero.
//
// Result    false for anything else; `out` may hold part of it then.

#pragma once

#include "index/base/bytes.h"

// base64_len_max is the room that base64_decode needs for `text_len` digits.
static inline size_t base64_len_max(size_t text_len)
{
    return text_len / 4 * 3;
}

// base64_decode decodes `text` into `out`, which may be text.data itself.
MUST_USE bool base64_decode(uint8_t *out, size_t *out_len, struct bytes text);

// base64_decode_begin decodes digits from the front of `text` as long as they
// come in whole blocks, and says how many that were: groups of four, before
// anything else, and 0 where the processor has no instructions for it.  So text
// of which the end is not known yet is read once, in place too.
size_t base64_decode_begin(uint8_t *out, struct bytes text);

// base64_decode_portable is the same without instructions of its own.
MUST_USE bool base64_decode_portable(uint8_t *out, size_t *out_len,
                                     struct bytes text);
