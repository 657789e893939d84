// handle.h - what stands behind struct index and struct snapshot; for the
// files of this folder.

#pragma once

#include <pthread.h>
#include <time.h>

#include "index/index.h"
#include "index/store/catalogue.h"
#include "index/store/tail.h"
#include "index/store/zstd.h"

// A log's dictionary, in memory until the index is closed.
struct kept_dictionary {
    struct kept_dictionary *next;
    uint32_t log;
    struct zstd_dictionary *zstd;
    size_t len;
    uint8_t data[];
};

struct index {
    char *dir;
    enum index_mode mode;
    int lock_fd; // -1: none
    struct lmdb *env;
    struct catalogue catalogue;
    struct tail tail;

    pthread_mutex_t write_mutex;
    bool dead; // a write failed: what the disk holds is not known
    time_t readers_checked;
    struct buffer issuers; // not yet written: u32 length, certificate
    size_t num_issuers;

    pthread_mutex_t dictionary_mutex;
    struct kept_dictionary *dictionaries;
    struct zstd_dictionary *no_dictionary;
};

struct snapshot {
    struct index *index;
    struct lmdb_txn *txn;
    struct catalogue_counts counts;
    struct index_log *logs;
    size_t num_logs;
    struct zstd_codec *codec;
};

// index_find_dictionary gives a log's dictionary; `*out` NULL where it has
// none.  It stays until the index is closed.
MUST_USE bool index_find_dictionary(struct index *index, struct lmdb_txn *txn,
                                    uint32_t log,
                                    const struct kept_dictionary **out,
                                    struct err *err);

// snapshot_decode makes an entry of a record.
MUST_USE bool snapshot_decode(struct snapshot *snapshot,
                              const struct record *record, struct entry *entry,
                              struct arena *arena, struct err *err);
