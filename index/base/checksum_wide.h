// checksum_wide.h - XXH3-64 for processors that have wider vectors than the
// program is compiled for; for checksum.c.

#pragma once

#include "index/base/bytes.h"

#if defined(__x86_64__)

// checksum_avx2 is XXH3_64bits_withSeed; the processor has AVX2.
uint64_t checksum_avx2(struct bytes content, uint64_t seed);

#endif
