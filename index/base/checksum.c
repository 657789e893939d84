// checksum.c - see checksum.h.

#include "index/base/checksum.h"

#include "index/base/checksum_wide.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t checksum(struct bytes key, struct bytes content)
{
    uint64_t seed = XXH3_64bits(key.data, key.len);

#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2")) return checksum_avx2(content, seed);
#endif
    return XXH3_64bits_withSeed(content.data, content.len, seed);
}
