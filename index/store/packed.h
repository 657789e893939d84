// packed.h - numbers that rise, each with an id, in as few bits as they need.
//
//   low_bits     1  how many bits of a number's distance are in `lows`
//   first        7  the lowest number
//   vias         4  the two values that `via` may have
//   num_numbers  2  how many different ones there are
//   lows            for each number the lowest low_bits of its distance from
//                   `first`
//   ids             for each item id_bits and, where vias differ, which of both
//   starts          for each item 1 where its number is not that of the item
//                   before; not there where none comes twice
//   highs           for each number the rest of its distance less that of the
//                   one before, in unary: so many 0, then 1
//
// (Elias-Fano.)  Evenly spread numbers cost two bits more than low_bits, which
// follows from how far apart they are: short keys (short_key.h) with ids of a
// million entries 6 bytes, where told one by one they took 12.  Bits fill
// bytes from the lowest; lows and ids begin at a byte, starts and highs fill
// eights.
//
// Order     numbers rise, or are the same with ids that rise.
// Result    pure.  Readers say only no.

#pragma once

#include "index/base/buffer.h"
#include "index/store/postings.h"

enum {
    PACKED_NUMBER_BITS = 56,
    // With one more an id is read from eight bytes wherever it begins.
    PACKED_ID_BITS_MAX = 56,
    PACKED_ITEMS_MAX = 1024,
};

struct packed_item {
    uint64_t number, id;
    uint32_t via;
};

// What is being packed; valid as {0} but for id_bits.
struct packed_builder {
    unsigned id_bits; // 1 to PACKED_ID_BITS_MAX
    size_t num, num_numbers;
    size_t num_sure; // so many items fit whatever they are
    uint32_t vias[2];
    struct packed_item items[PACKED_ITEMS_MAX];
};

// packed_add adds an item unless more than `room` bytes would be needed, or a
// third value of `via`.
bool packed_add(struct packed_builder *builder, size_t room, uint64_t number,
                uint64_t id, uint32_t via);

// packed_drop takes back all items but the first `num`.
void packed_drop(struct packed_builder *builder, size_t num);

// packed_append appends what it makes; of no items nothing.
void packed_append(const struct packed_builder *builder, struct buffer *out);

// What is being read; it points into the bytes it was read from.
struct packed {
    struct bytes lows, ids, starts, highs;
    unsigned low_bits, id_bits;
    uint32_t vias[2];
    uint64_t first;
    size_t num, num_numbers, next, next_number;
    uint64_t number; // of the item before `next`
    size_t word_at;  // of highs, behind `word`
    uint64_t word;   // bits not yet read
};

// packed_read stands before the first of `num` items.
MUST_USE bool packed_read(struct packed *packed, struct bytes content,
                          size_t num, unsigned id_bits);

// packed_next gives the next item, of those there are; false when damaged.
MUST_USE bool packed_next(struct packed *packed, struct packed_item *item);

// packed_seek stands before the first item whose number is not below `number`,
// or at the end (`next` is `num`).
MUST_USE bool packed_seek(struct packed *packed, uint64_t number);
