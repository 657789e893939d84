// handle.h - what stands behind struct index and struct snapshot; for the
// files of this folder.

#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "index/base/memo.h"
#include "index/bulk.h"
#include "index/files.h"
#include "index/index.h"
#include "index/store/catalogue.h"
#include "index/store/tail.h"
#include "index/store/zstd.h"

struct index {
    char *dir;
    enum index_mode mode;
    int lock_fd; // -1: none
    struct lmdb *env;
    struct catalogue catalogue;
    struct tail tail;

    uint64_t group_seed;
    struct files files;
    struct bulk bulk;

    pthread_mutex_t write_mutex;
    atomic_bool dead; // a write failed: what the disk holds is not known
    time_t readers_checked;
    // Between the transactions that a file is made between, issuers wait: the
    // ids that know them are given already.
    bool issuers_wait;
    struct buffer issuers; // not yet written: u32 length, certificate
    size_t num_issuers;
};

struct snapshot_segment {
    struct index_file *file;
    struct segment_reader *reader; // NULL until it is needed
    size_t bytes;                  // that it took when last looked at
    bool is_used;                  // since the hand came by
};

// An issuer's number and what it stands for, as read last.
struct snapshot_issuer {
    uint64_t number; // and 1; 0: none
    struct sha256_hash fingerprint;
};

// And the hash of its key, by its fingerprint.
struct snapshot_issuer_key {
    bool is_kept;
    struct sha256_hash fingerprint, key;
};

enum { ISSUERS_KEPT = 256, ISSUER_KEYS_KEPT = 64 };

enum { SNAPSHOT_CURSORS_MAX = 8 };

// A run, and cursors on it that are not in use: each has a transaction, which
// takes longer to begin than a look-up.
struct snapshot_run {
    struct index_file *file;
    struct run_cursor *idle[SNAPSHOT_CURSORS_MAX];
    size_t num_idle;
};

struct snapshot {
    struct index *index;
    struct lmdb_txn *txn;
    struct gate *gate; // NULL: none
    struct catalogue_counts counts;
    struct index_log *logs;
    size_t num_logs;
    bool trusts;                   // snapshot_trust
    struct segment_shared *shared; // by the segments' readers
    struct catalogue_file *list;   // segments first
    size_t num_list;
    struct snapshot_segment *segments; // by first id
    size_t num_segments;
    size_t reader_bytes, reader_bytes_max; // of all segments' readers
    size_t hand; // the segment whose reader may be closed next
    struct snapshot_run *runs;
    size_t num_runs;
    struct cursor *idle_cursors; // kept for the next cursor_open
    size_t num_idle;
    struct snapshot_issuer issuers[ISSUERS_KEPT]; // by number
    struct snapshot_issuer_key issuer_keys[ISSUER_KEYS_KEPT];
    struct memo memo;
    struct snapshot_guest *guest; // NULL: none
};

// A write: one transaction under write_mutex.
struct writing {
    struct index *index;
    struct lmdb_txn *txn;
    struct catalogue_counts before, counts; // as they were, and as they become
};

// writing_begin starts it; writing_end commits when what was done so far is
// `ok`, writing_drop leaves everything as it was.
MUST_USE bool writing_begin(struct writing *w, struct index *index,
                            struct err *err);
MUST_USE bool writing_end(struct writing *w, bool ok, struct err *err);
void writing_drop(struct writing *w);

// writing_append puts what a proof is of, `num` chunks, in the catalogue and,
// with `tail`, its entries in the tail; without, they are in a segment and a
// run that the caller names.
MUST_USE bool writing_append(struct writing *w, struct chunk *const *chunks,
                             size_t num, const struct chunk_proof *proof,
                             bool tail, struct err *err);

// snapshot_record reads an entry's record, in `arena`, with its plain payload;
// of a segment's facts.group may be missing (segment.h), group_mark is set.
MUST_USE bool snapshot_record(struct snapshot *snapshot, uint64_t id,
                              struct record *record, struct bytes *plain,
                              struct arena *arena, struct err *err);

// snapshot_decode makes an entry of a record: those of its parts (enum
// entry_part) that are wanted.
MUST_USE bool snapshot_decode(struct snapshot *snapshot,
                              const struct record *record, struct bytes plain,
                              unsigned parts, struct entry *entry,
                              struct arena *arena, struct err *err);

// snapshot_drop_cursors closes the idle ones, before the snapshot's transaction
// moves on or ends.
void snapshot_drop_cursors(struct snapshot *snapshot);
