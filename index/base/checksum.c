// checksum.c - see checksum.h.

#include "index/base/checksum.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t checksum(struct bytes key, struct bytes content)
{
    return XXH3_64bits_withSeed(content.data, content.len,
                                XXH3_64bits(key.data, key.len));
}
