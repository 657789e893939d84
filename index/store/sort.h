// sort.h - postings in memory, put in order.
//
// A thread adds them as they come and takes them out by (key, id).  Keys that
// are kept short (short_key.h) are numbers, sorted by their bits from above;
// of all others eight bytes at a time are, and of those that agree the next
// eight.
//
// Lifetime  valid as {0}; what is taken out points into it until it is reset
//           or the next key is taken.
// Order     by key as memcmp does, then id; of postings with the same key and
//           id one is left, its `via` all of theirs.
// Thread    one at a time.
// Limit     4 GiB of keys, ids below 2^53, `via` of 16 bits.  Sorting takes 24
//           bytes a posting besides, 16 where all keys are short.

#pragma once

#include "index/base/err.h"
#include "index/store/postings.h"

enum { SORT_RECENT = 256 };

struct sort_item {
    uint64_t prefix; // of the key, the part that is being sorted by
    uint64_t id;
    uint32_t at; // in keys
    uint16_t len, via;
};

struct sort_short {
    uint64_t key; // the number, then the high byte of via
    uint64_t id;  // the id, then the low byte of via
};

struct sort {
    struct buffer keys;
    struct sort_item *items;
    size_t num, size;
    struct sort_short *shorts;
    size_t num_shorts, size_shorts;
    void *spare;
    size_t spare_bytes;
    uint32_t recent[SORT_RECENT]; // items of long keys by a hash, and 1
    struct hit *hits;             // of the key taken out last
    size_t hits_size;
    size_t next, next_short; // to take out
    uint8_t key[8];          // taken out, where it is a number
};

// sort_add adds a posting.
MUST_USE bool sort_add(struct sort *sort, struct bytes key, uint64_t id,
                       uint32_t via, struct err *err);

// sort_size_bytes is the memory that it holds, or will when it has sorted.
size_t sort_size_bytes(const struct sort *sort);

// sort_finish puts them in order; then sort_next gives each key with its hits.
MUST_USE bool sort_finish(struct sort *sort, struct err *err);
MUST_USE bool sort_next(struct sort *sort, struct bytes *key,
                        const struct hit **hits, size_t *num, bool *found,
                        struct err *err);

// sort_reset empties it and keeps the memory.
void sort_reset(struct sort *sort);
void sort_cleanup(struct sort *sort);
