// checksum_avx2.c - XXH3-64 with 256-bit vectors; see checksum_wide.h.

#include "index/base/checksum_wide.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <stdlib.h>
#include <string.h>

// The library is but a header: what it holds is compiled for what is asked for
// here, and must be called by nobody else.
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2"))),                  \
                             apply_to = function)
#else
#pragma GCC target("avx2")
#endif

#define XXH_VECTOR XXH_AVX2
#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t checksum_avx2(struct bytes content, uint64_t seed)
{
    uint64_t sum = XXH3_64bits_withSeed(content.data, content.len, seed);

    // Upper halves of registers that are in use make every older instruction
    // on this thread that writes a lower one wait for the one before it:
    // SHA-256 took twice as long.  The pragma does not make the compiler clear
    // them.
    _mm256_zeroupper();
    return sum;
}

#if defined(__clang__)
#pragma clang attribute pop
#endif

#endif
