// filter.h - "not here": which keys a run surely lacks.
//
// A blocked Bloom filter: a key's hash chooses one line of 64 bytes and six
// bits in it.  Every FILTER_KEYS_MAX keys of a run, which come in order, have a
// filter of their own, so that writing takes the same memory whatever the
// run's size.  The hash is seeded by a number that nobody outside knows: keys
// cannot be made to collide.
//
// Result    pure.  About FILTER_BITS_PER_KEY bits a key and 1 % of false yes.

#pragma once

#include "index/base/buffer.h"

enum {
    FILTER_KEYS_MAX = 32704, // they fill ten pages and no more
    FILTER_BITS_PER_KEY = 10,
    FILTER_LINE_LEN = 64,
    // Stored, zeros follow the checksum: behind these and the 16 bytes that are
    // LMDB's a line is one of the processor's.
    FILTER_PAD_LEN = 40,
};

// filter_hash is a key's hash under a run's seed.
uint64_t filter_hash(uint64_t seed, struct bytes key);

// filter_append appends the filter of `num` hashes: whole lines.
void filter_append(struct buffer *out, const uint64_t *hashes, size_t num);

// filter_line gives the line of whole lines that is to be asked for `hash`: for
// a caller that asks several filters and brings the lines near first.
const uint8_t *filter_line(struct bytes filter, uint64_t hash);

// filter_may_have tells whether the key of `hash` may be among those of a line.
bool filter_may_have(const uint8_t line[FILTER_LINE_LEN], uint64_t hash);
