// block.h - packed, checksummed values that fill a page of LMDB's exactly.
//
// Any block:
//
//   checksum     8  XXH3-64 over the key it is stored under and the content
//   content
//
// A block of keys and their postings, stored under its last key and the last
// id (LMDB_ORDER_ID):
//
//   first_id     7  ids are told relative to it
//   id_len       1  postings.h
//   num_items    2
//   items        1  high half: how many bytes the key has in common with the
//                   one before; low half: how many it has besides; of either
//                   15: what is more follows as a varint
//                   the rest of the key; postings
//   anchors         2 bytes each: where every BLOCK_ANCHOR-th item but the
//                   first is
//
// One of short keys (short_key.h), each with few postings, has 80 and the bits
// of an id in the place of id_len, and packed numbers (packed.h) for items.
// There is 40 in id_len where the last key goes on in the next block.
//
// A value of more than half a page lies in pages of its own, 16 bytes of which
// are LMDB's.
//
// An anchor's key is told against the block's first key, so that it costs
// little and can be compared without the ones before it.  A look-up halves the
// anchors, then steps over items without building their keys: one that shares
// more with the one before than the wanted key does is smaller, one that
// shares less is larger.
//
// Lifetime  a reader points into the block; its key is a copy.
// Order     keys rise; of one key that does not fit the postings go on in the
//           next block.
// Result    pure.  Damage is "no": the caller names the file.
// Limit     keys of 1 to BLOCK_KEY_MAX bytes.

#pragma once

#include "index/store/lmdb.h" // LMDB_ID_LEN
#include "index/store/packed.h"
#include "index/store/postings.h"

enum {
    BLOCK_LEN = 4080,
    BLOCK_PAGE_LEN = 4096,
    BLOCK_HEAD_LEN = 16,
    BLOCK_KEY_MAX = 511 - LMDB_ID_LEN,
    BLOCK_ANCHOR = 16,
    BLOCK_ANCHORS_MAX = BLOCK_LEN / 3 / BLOCK_ANCHOR,
    // A short key with more has a list, which costs less.
    BLOCK_PACKED_HITS_MAX = 512,
    // What may be read behind a key that was read.
    BLOCK_KEY_SPARE = 8,
};

// block_seal writes the checksum into the first 8 bytes of a block.
void block_seal(struct bytes key, uint8_t *block, size_t len);

// block_open checks a block and gives what follows its checksum.
MUST_USE bool block_open(struct bytes key, struct bytes block,
                         struct bytes *content);

// A block of keys that is being written; valid as {0}.
struct block_builder {
    struct buffer block;
    struct buffer first_key;
    struct buffer last_key; // with the last id behind it while sealed
    uint64_t first_id, last_id;
    unsigned id_len;
    size_t num_items;
    uint16_t anchors[BLOCK_ANCHORS_MAX];
    size_t num_anchors;
    struct packed_builder packed; // in the place of items when it has any
};

// block_begin empties it for ids of [first_id, first_id + span).
void block_begin(struct block_builder *builder, uint64_t first_id,
                 uint64_t span);

// block_add adds as many of a key's hits as fit and gives their number; less
// than `num`: the block is full, end it and go on in the next.  (An empty
// block takes one at least.)  Of one key hits may come in several calls.
size_t block_add(struct block_builder *builder, struct bytes key,
                 const struct hit *hits, size_t num);

// block_end seals it: `key` and `value` are good until block_begin.  `goes_on`
// tells that postings of the last key follow.  False: no memory.
MUST_USE bool block_end(struct block_builder *builder, bool goes_on,
                        struct bytes *key, struct bytes *value);

// block_is_last tells whether `key` is the last one that was added.
bool block_is_last(const struct block_builder *builder, struct bytes key);
void block_cleanup(struct block_builder *builder);

// A block of keys that is being read; valid as {0}, for one block after the
// other.
struct block_reader {
    struct bytes items, anchors;
    size_t num_items, next_item;
    struct bytes rest;      // items not yet read
    struct bytes first_key; // of the block
    uint64_t first_id;
    unsigned id_len;
    size_t key_len;
    // Of the item it stands at.
    uint8_t key[BLOCK_KEY_MAX + BLOCK_KEY_SPARE];
    struct postings postings; // of that item
    // How many bytes its key has in common with the one before it, of this
    // block or the block read before; of no meaning after block_seek.
    size_t shared;
    bool goes_on; // the last key's postings do, in the next block
    bool is_packed;
    struct packed packed;
};

// block_read checks a block and stands before its first item.
MUST_USE bool block_read(struct block_reader *reader, struct bytes key,
                         struct bytes value);

// block_read_content does so with the content of a block that was checked.
MUST_USE bool block_read_content(struct block_reader *reader,
                                 struct bytes content);

// block_next steps to the next item; `found` is false at the end.
MUST_USE bool block_next(struct block_reader *reader, bool *found);

// block_seek steps from the start of a block to the first item whose key is
// not below `key`.
MUST_USE bool block_seek(struct block_reader *reader, struct bytes key,
                         bool *found);

// block_key is the key of the item it stands at; BLOCK_KEY_SPARE bytes behind
// it may be read.
static inline struct bytes block_key(const struct block_reader *reader)
{
    return bytes_of(reader->key, reader->key_len);
}
