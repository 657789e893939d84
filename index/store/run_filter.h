// run_filter.h - a run's filters, asked where they lie in the file.
//
// Opening a run costs nothing for them: the first question reads the tree that
// names them, without a page of theirs, and the first question to each checks
// its checksum.  One that is damaged says yes: answers are the same without
// it, and verify tells.
//
// Lifetime  until the run is closed.
// Thread    any.
// Limit     memory: a few dozen bytes for FILTER_KEYS_MAX keys; the filters
//           themselves are the kernel's pages.

#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "index/store/run.h"

struct filter_part {
    struct bytes last_key, block;
    atomic_int state; // enum filter_state
};

struct run_filters {
    struct lmdb *env;
    lmdb_db db;
    const struct run_stat *stat;
    const char *path;
    pthread_mutex_t mutex;
    atomic_int state;     // enum filter_state, of `parts`
    struct lmdb_txn *txn; // what parts point to lives as long
    struct filter_part *parts;
    uint64_t *prefixes; // of their last keys, run_filters_prefix
    size_t num_parts;
};

// run_filters_init makes ready; everything given must outlive it.
void run_filters_init(struct run_filters *filters, struct lmdb *env, lmdb_db db,
                      const char *path, const struct run_stat *stat);
void run_filters_cleanup(struct run_filters *filters);

// run_filters_prefix is the front of a key as a number that sorts as keys do.
uint64_t run_filters_prefix(struct bytes key);

// run_filters_find finds the line that tells of a key, whose front and whose
// hash under the run's seed these are; NULL when nothing tells.  False: the run
// lacks the key.
bool run_filters_find(struct run_filters *filters, struct bytes key,
                      uint64_t prefix, uint64_t hash, const uint8_t **line);

// run_filters_check checks all of them.
MUST_USE bool run_filters_check(struct run_filters *filters, struct err *err);
