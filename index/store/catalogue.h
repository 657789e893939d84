// catalogue.h - what the index holds and how it is proven: logs, heads,
// chunks, ranges, counts.
//
//   meta     "format" -> number; "counts" -> struct catalogue_counts
//   logs     number(4) -> struct index_log and its key
//   heads    log(4) size(8) timestamp(8) -> kind, root, bytes as served
//   chunks   log(4) first(8) -> how many, first id, the head's size, frontiers
//            and right-hand siblings
//   ranges   log(4) first(8) -> end; chunks that adjoin, merged
//   files    kind(1) number(8) -> struct catalogue_file: segments and runs
//
// Of one size a log has one root, so a chunk names its head by size.  Of the
// heads of one size the first and the newest are kept.  A chunk keeps the
// frontier at its end; the one at its start is that of the chunk before it
// where they adjoin.
//
// Result    every row carries a checksum; damage is ERR_INDEX.

#pragma once

#include "index/base/arena.h"
#include "index/store/lmdb.h"
#include "index/store/log.h"

enum { CATALOGUE_FORMAT = 3, CATALOGUE_KEY_DER_MAX = 8192 };

struct catalogue {
    lmdb_db meta, logs, heads, chunks, ranges, files;
};

struct catalogue_counts {
    uint64_t next_id; // entries are numbered from 1 without a gap
    uint64_t tail_entries;
    uint64_t keys;         // different ones in the tail
    uint64_t postings;     // in the tail
    uint64_t postings_sum; // of them: posting.h
    uint64_t unparsed;
    uint32_t next_log;
    uint32_t next_issuer;
};

// catalogue_open opens the tables and checks the format's number; a writer
// makes them in an empty environment.
MUST_USE bool catalogue_open(struct catalogue *catalogue, struct lmdb_txn *txn,
                             struct err *err);

MUST_USE bool catalogue_get_counts(const struct catalogue *catalogue,
                                   struct lmdb_txn *txn,
                                   struct catalogue_counts *counts,
                                   struct err *err);
MUST_USE bool catalogue_put_counts(const struct catalogue *catalogue,
                                   struct lmdb_txn *txn,
                                   const struct catalogue_counts *counts,
                                   struct err *err);

// catalogue_get_log reads a log and, unless NULL, its key; ERR_NOT_FOUND.
MUST_USE bool catalogue_get_log(const struct catalogue *catalogue,
                                struct lmdb_txn *txn, uint32_t number,
                                struct index_log *log, struct bytes *key_der,
                                struct err *err);
MUST_USE bool catalogue_put_log(const struct catalogue *catalogue,
                                struct lmdb_txn *txn,
                                const struct index_log *log,
                                struct bytes key_der, struct err *err);

// catalogue_list_logs reads all logs, by number; free() them.
MUST_USE bool catalogue_list_logs(const struct catalogue *catalogue,
                                  struct lmdb_txn *txn, struct index_log **out,
                                  size_t *num, struct err *err);

// catalogue_add_head stores a head and updates what `log` says of its newest;
// the caller puts the log.  Another root at a size that is known: ERR_VERIFY.
MUST_USE bool catalogue_add_head(const struct catalogue *catalogue,
                                 struct lmdb_txn *txn, struct index_log *log,
                                 const struct head *head, struct err *err);

// catalogue_list_heads reads a log's heads, by size, then time, in `arena`.
MUST_USE bool catalogue_list_heads(const struct catalogue *catalogue,
                                   struct lmdb_txn *txn, uint32_t log,
                                   struct head **out, size_t *num,
                                   struct arena *arena, struct err *err);

// catalogue_add_chunk stores a chunk and its proof, joins it to the ranges and
// updates `indexed` and `verified` of `log`; the caller adds the head and puts
// the log.  `end` is the frontier behind it.  Entries that are held already,
// and a left frontier that is not its neighbour's end, are ERR_INDEX.
MUST_USE bool catalogue_add_chunk(const struct catalogue *catalogue,
                                  struct lmdb_txn *txn, struct index_log *log,
                                  const struct chunk_info *chunk,
                                  const struct merkle_frontier *end,
                                  struct err *err);

// A walk over a log's chunks, by first entry.
struct catalogue_walk {
    const struct catalogue *catalogue;
    struct lmdb_txn *txn;
    struct lmdb_cursor *cursor;
    uint32_t log;
    bool started;
    struct chunk_info chunk;
    struct merkle_frontier end; // behind `chunk`
};

// catalogue_walk_open starts before the chunk that holds entry `from`, or the
// next one; catalogue_walk_close() it.
MUST_USE bool catalogue_walk_open(struct catalogue_walk *walk,
                                  const struct catalogue *catalogue,
                                  struct lmdb_txn *txn, uint32_t log,
                                  uint64_t from, struct err *err);
void catalogue_walk_close(struct catalogue_walk *walk);

// catalogue_walk_next gives the next chunk in `walk`; `found` false at the end.
MUST_USE bool catalogue_walk_next(struct catalogue_walk *walk, bool *found,
                                  struct err *err);

// catalogue_list_ranges reads a log's ranges in `arena`.
MUST_USE bool catalogue_list_ranges(const struct catalogue *catalogue,
                                    struct lmdb_txn *txn, uint32_t log,
                                    struct log_range **out, size_t *num,
                                    struct arena *arena, struct err *err);

// ------------------------------------------------------------ files

enum catalogue_kind { CATALOGUE_SEGMENT = 1, CATALOGUE_RUN = 2 };

// A file that belongs to the index: index/files.h says where it lies.
struct catalogue_file {
    enum catalogue_kind kind;
    uint64_t number;           // never used again while the index is open
    uint64_t first_id, end_id; // entries, or postings of entries, of these
    uint64_t keys, postings;   // of a run
    uint64_t bytes;
};

MUST_USE bool catalogue_put_file(const struct catalogue *catalogue,
                                 struct lmdb_txn *txn,
                                 const struct catalogue_file *file,
                                 struct err *err);
MUST_USE bool catalogue_delete_file(const struct catalogue *catalogue,
                                    struct lmdb_txn *txn,
                                    const struct catalogue_file *file,
                                    struct err *err);

// catalogue_list_files reads all of them, segments first, by number; free()
// them.
MUST_USE bool catalogue_list_files(const struct catalogue *catalogue,
                                   struct lmdb_txn *txn,
                                   struct catalogue_file **out, size_t *num,
                                   struct err *err);

// catalogue_seed gives the secret under which segments tell groups apart
// (segment.h); made with the index.
MUST_USE bool catalogue_seed(const struct catalogue *catalogue,
                             struct lmdb_txn *txn, uint64_t *seed,
                             struct err *err);
