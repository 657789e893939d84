// memo.h - what was made of some bytes before: a table that forgets.
//
// For text that is made again and again of the same few things: an issuer's
// name, the list of logs.  What it has forgotten is only made again.
//
// Lifetime  valid as {0}; memo_cleanup() frees it.  What memo_find gave is good
//           until the next call.
// Thread    one at a time.
// Limit     MEMO_ITEM_MAX bytes an item, MEMO_BYTES_MAX in all.

#pragma once

#include "index/base/bytes.h"

enum {
    MEMO_SLOTS = 512, // a power of two
    MEMO_ITEM_MAX = 64 * 1024,
    MEMO_BYTES_MAX = 512 * 1024,
};

struct memo_item;

struct memo {
    struct memo_item *slots[MEMO_SLOTS];
    size_t bytes;
};

// memo_find finds what was kept for `key`; `kind` keeps users apart.
bool memo_find(const struct memo *memo, uint8_t kind, struct bytes key,
               struct bytes *value);

// memo_keep keeps a value, unless there is no room or memory for it.
void memo_keep(struct memo *memo, uint8_t kind, struct bytes key,
               struct bytes value);

// memo_cleanup forgets everything.
void memo_cleanup(struct memo *memo);
