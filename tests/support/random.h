// random.h - numbers that are the same on every run.
//
// A stream is named by a seed, a label and a number, so that any part of a
// generated log can be made alone, in any order, on any thread.  Not for
// secrets: xoshiro256** seeded by splitmix64.

#pragma once

#include "index/base/bytes.h"

struct random {
    uint64_t state[4];
};

// random_for opens the stream of (seed, label, number).
struct random random_for(uint64_t seed, const char *label, uint64_t number);

// random_next gives 64 bits.
uint64_t random_next(struct random *random);

// random_below gives a number below `limit`, which is not 0.
uint64_t random_below(struct random *random, uint64_t limit);

// random_fill fills `out` with random bytes.
void random_fill(struct random *random, uint8_t *out, size_t len);
