// filter.c - see filter.h.

#include "index/store/filter.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

enum { NUM_BITS = 6, LINE_BITS = 8 * FILTER_LINE_LEN, BIT_SHIFT = 9 };

uint64_t filter_hash(uint64_t seed, struct bytes key)
{
    return XXH3_64bits_withSeed(key.data, key.len, seed);
}

static size_t choose_line(uint64_t hash, size_t num_lines)
{
    return (size_t)((hash >> 32) * num_lines >> 32);
}

// Six times nine bits that do not follow from those that chose the line.
static uint64_t choose_bits(uint64_t hash)
{
    uint64_t mixed = hash * UINT64_C(0x9e3779b97f4a7c15);

    return mixed ^ mixed >> 32;
}

void filter_append(struct buffer *out, const uint64_t *hashes, size_t num)
{
    size_t lines = (num * FILTER_BITS_PER_KEY + LINE_BITS - 1) / LINE_BITS;
    uint8_t *all;

    if (lines == 0) lines = 1;
    if (!buffer_reserve(out, lines * FILTER_LINE_LEN)) return;
    all = out->data + out->len;
    out->len += lines * FILTER_LINE_LEN;
    memset(all, 0, lines * FILTER_LINE_LEN);
    for (size_t i = 0; i < num; i++) {
        uint8_t *line = all + choose_line(hashes[i], lines) * FILTER_LINE_LEN;
        uint64_t bits = choose_bits(hashes[i]);

        for (int j = 0; j < NUM_BITS; j++, bits >>= BIT_SHIFT) {
            size_t bit = bits & (LINE_BITS - 1);

            line[bit / 8] |= (uint8_t)(1u << bit % 8);
        }
    }
}

const uint8_t *filter_line(struct bytes filter, uint64_t hash)
{
    return filter.data +
           choose_line(hash, filter.len / FILTER_LINE_LEN) * FILTER_LINE_LEN;
}

bool filter_may_have(const uint8_t line[FILTER_LINE_LEN], uint64_t hash)
{
    uint64_t bits = choose_bits(hash);

    for (int j = 0; j < NUM_BITS; j++, bits >>= BIT_SHIFT) {
        size_t bit = bits & (LINE_BITS - 1);

        if ((line[bit / 8] >> bit % 8 & 1) == 0) return false;
    }
    return true;
}
