// run_file.h - what writing and reading a run have in common.

#pragma once

#include "index/store/run.h"

enum { RUN_META_LEN = 8 + 1 + 7 * 8 };
#define RUN_META "run"

struct run_dbs {
    lmdb_db blocks, filters, meta;
};

// run_dbs_open opens the tables; a writer makes them.
MUST_USE bool run_dbs_open(struct run_dbs *dbs, struct lmdb_txn *txn,
                           struct err *err);

// run_meta_write and run_meta_read are the block under RUN_META.
void run_meta_write(uint8_t out[RUN_META_LEN], const struct run_stat *stat,
                    uint64_t seed);
MUST_USE bool run_meta_read(const char *path, struct bytes block,
                            struct run_stat *stat, uint64_t *seed,
                            struct err *err);

// run_no_memory and run_damaged say so of a file, and return false.
bool run_no_memory(const char *path, struct err *err);
bool run_damaged(const char *path, const char *what, struct err *err);
