// segment_file.h - what writing and reading a segment have in common.

#pragma once

#include "index/store/segment.h"

enum {
    SEGMENT_META_LEN = 8 + 1 + 6 * 8,
    SEGMENT_GROUP_LEN = SHA256_LEN - 8, // of a group's hash, beside the mark
};
#define SEGMENT_META "segment"
#define SEGMENT_TEMPLATES "templates"
#define SEGMENT_DICTIONARY "dictionary"

struct segment_dbs {
    lmdb_db records, facts, meta;
};

// segment_dbs_open opens the tables; a writer makes them.
MUST_USE bool segment_dbs_open(struct segment_dbs *dbs, struct lmdb_txn *txn,
                               struct err *err);

// segment_id_key is the key of the block that ends with `id`.
struct bytes segment_id_key(uint8_t out[LMDB_ID_LEN], uint64_t id);

// segment_meta_write and segment_meta_read are the block under SEGMENT_META.
void segment_meta_write(uint8_t out[SEGMENT_META_LEN],
                        const struct segment_stat *stat);
MUST_USE bool segment_meta_read(const char *path, struct bytes block,
                                struct segment_stat *stat, struct err *err);

// segment_group_whole gives a group back from its mark and all but its first 8
// bytes: SEGMENT_GROUP_LEN.
void segment_group_whole(struct sha256_hash *group, uint64_t group_seed,
                         uint64_t mark, struct bytes rest);

// segment_no_memory and segment_damaged say so of a file, and return false.
bool segment_no_memory(const char *path, struct err *err);
bool segment_damaged(const char *path, const char *what, struct err *err);
