// checksum.h - XXH3-64 over a key and what is stored under it.
//
// Not cryptographic: it finds damage, not malice.  The key is part of it, so
// that a whole value in the wrong place is damage too.

#pragma once

#include "index/base/bytes.h"

enum { CHECKSUM_LEN = 8 };

// checksum is the XXH3-64 of `content`, seeded with that of `key`.
uint64_t checksum(struct bytes key, struct bytes content);
