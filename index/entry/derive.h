// derive.h - one name, as it stands in a certificate, into its terms.
//
// The rows of FAULTS.md section 3.3.

#pragma once

#include "index/entry/terms.h"

// A bit of `via` of no one else: the CN as it was meant, not one of its parts
// or other readings.  It leads to FLAG_CN_NOT_IN_SAN and is taken away.
#define DERIVE_VIA_CN_ITSELF (UINT32_C(1) << 31)

// derive_name adds the terms and flags of one name.  `text` is its bytes, of a
// string of wide characters (BMPString, UniversalString) its UTF-8; `via` is
// or-ed into each term.
void derive_name(struct terms *terms, enum cert_name_kind kind, uint32_t via,
                 struct bytes text);

// derive_question adds the terms of a name as a whole in all its readings, or
// the address that it is; nothing where only blanks and dots are in it.
void derive_question(struct terms *terms, struct bytes text);
