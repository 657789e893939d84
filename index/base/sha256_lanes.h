// sha256_lanes.h - blocks of several SHA-256 messages, side by side.
//
// The instructions for SHA-256 take four cycles to answer and a new one every
// two: what one message waits for is done for the others meanwhile, and two or
// three of them take hardly more time than one.
//
// Result    pure; where the processor has no such instructions there are none.

#pragma once

#include "index/base/bytes.h"

enum { SHA256_BLOCK_LEN = 64, SHA256_LANES_MAX = 3 };

struct sha256_lane {
    uint32_t state[8];   // FIPS 180-4: H0 to H7
    const uint8_t *next; // blocks to come
};

// sha256_lanes_has tells whether the processor can do it.
bool sha256_lanes_has(void);

// sha256_lanes_compress takes `num_blocks` blocks into each of 1 to
// SHA256_LANES_MAX lanes, and moves `next` behind them.
void sha256_lanes_compress(struct sha256_lane *const *lanes, size_t num_lanes,
                           size_t num_blocks);
