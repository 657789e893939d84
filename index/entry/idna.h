// idna.h - names beyond ASCII: U-labels into A-labels (RFC 5891).
//
// The only door to libidn2.  UTS 46 mapping without the transitional
// exceptions, so upper case, NFC and width are what browsers make of them.
// Plain ASCII never comes here.
//
// Result    pure; what cannot be converted is data and stays as it is.

#pragma once

#include "index/base/buffer.h"

enum idna_reading {
    IDNA_UTF8,   // each label as UTF-8 where it is that, else as Latin-1
    IDNA_LATIN1, // each label as Latin-1
};

// Only so many bytes at the end of a name are converted: more than any name
// of 253 bytes can come from.
enum { IDNA_TAIL_LEN_MAX = 4096 };

// idna_append_name appends `name` (ASCII letters lower case) with every label
// that is not ASCII as an A-label where it has one, else as it stands.
// False: no memory.
MUST_USE bool idna_append_name(struct buffer *out, struct bytes name,
                               enum idna_reading reading);

// idna_is_utf8 tells whether all of it is valid UTF-8.
bool idna_is_utf8(struct bytes text);

// idna_is_punycode tells whether what follows "xn--" decodes (RFC 3492).
bool idna_is_punycode(struct bytes encoded);
