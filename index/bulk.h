// bulk.h - many entries at once: chunks wait in memory, then become files.
//
//   index_append     takes chunks over, into the set that is being filled
//   segment threads  records -> segments, as soon as there are so many entries
//                    that the set will not go to the tail (bulk_segment.h)
//   flush thread     takes a whole set while the next one is filled; few
//                    entries: to the tail, the ordinary way; many:
//     transaction    issuers' certificates become known
//     work           keys, sorted -> run; the segments end; all synced
//     transaction    names the files, notes chunks, logs and counts
//   merge thread     runs become fewer, in tiers (merge.h)
//
// A crash loses sets that were not flushed, and never a part of one: entries,
// keys and the log's position come with one transaction.
//
// Order     locks are taken in this order: append_mutex, flush_mutex and
//           merge_mutex (never held over work), index.write_mutex.  Sets are
//           flushed one after the other, so ids follow the order of appends.
// Result    after an error nothing more is taken; the next to append or flush
//           learns it, and everyone after.
// Limit     two sets, what it takes to sort one's keys and the bodies that no
//           segment has yet are `memory`; who fills a set waits while the other
//           is still being flushed, or the segments lag behind.

#pragma once

#include <pthread.h>
#include <time.h>

#include "index/index.h"
#include "index/store/catalogue.h"
#include "index/store/sort.h"

enum {
    BULK_SEGMENTS_MAX = 16, // written at once
    BULK_SPARES_MAX = 64,
    BULK_NUMBERS_KEPT = 256,
};

// A proof and the chunks that it is of.
struct bulk_proof {
    struct chunk_proof proof;
    struct buffer served;     // bytes of the proof's head
    size_t first, num_chunks; // in the set
};

// Chunks that are flushed together.  Those of the last time stay behind them,
// emptied: their memory goes to whoever appends, in exchange for a full one.
struct bulk_set {
    struct chunk **chunks;
    size_t num_chunks, num_made, size_chunks;
    struct bulk_proof *proofs;
    size_t num_proofs, proofs_made, size_proofs;
    uint64_t num_entries;
    uint64_t num_bytes;    // without bodies
    uint64_t held_bytes;   // of bodies that no segment was given
    struct timespec since; // the first one waits

    // bulk_segment.c's own.
    uint64_t first_id; // 0: not known yet
    struct bulk_segment *segments, *last_segment;
    size_t num_segments;
    size_t num_fed; // proofs
    uint64_t entries_fed;
};

// An issuer's number, once it is on the disk.
struct bulk_number {
    struct sha256_hash issuer;
    uint32_t number; // and 1; 0: none
};

struct bulk {
    uint64_t memory;    // 0: chunks do not wait
    uint64_t tail_max;  // fewer entries go to the tail, but for
    uint64_t load_min;  // those of a load: these fewer
    uint64_t tail_full; // of so many the tail is made into files
    // Segments: at most so many at once, each of so many entries.
    size_t segments_max;
    uint64_t segment_entries;
    uint64_t next_number; // of files

    pthread_mutex_t append_mutex; // of what follows
    struct bulk_set filling;
    bool loading; // the last set had no room for more
    struct bulk_number numbers[BULK_NUMBERS_KEPT]; // by the issuer

    pthread_mutex_t flush_mutex; // of what follows
    pthread_cond_t flush_changed;
    pthread_t flush_thread;
    bool flush_started, flush_stop, flushing_busy, failed;
    struct err flush_err;
    struct bulk_set flushing; // the thread's while it is busy
    struct sort sort;         // likewise
    uint64_t flushing_end_id; // of the set

    pthread_cond_t segments_changed;
    pthread_t segment_threads[BULK_SEGMENTS_MAX];
    size_t num_segment_threads;
    bool segments_stop;
    size_t num_segments;                          // that are not written
    struct bulk_segment *waiting, **last_waiting; // those without a thread
    uint64_t body_bytes;                          // given to segments
    struct buffer spares[BULK_SPARES_MAX];        // bodies, empty
    size_t num_spares;
    uint64_t spare_bytes;
    struct buffer dictionary; // for the next segments; empty: to be learnt
    size_t dictionary_uses;

    pthread_mutex_t merge_mutex; // of what follows
    pthread_cond_t merge_changed;
    pthread_t merge_thread;
    bool merge_started, merge_stop, merge_wanted, merging, merge_failed;
    struct err merge_err;
    size_t num_runs; // as the last to name files saw it
};

void bulk_init(struct bulk *bulk);

// bulk_bodies_max is how many bytes of bodies may wait for segments.
uint64_t bulk_bodies_max(const struct bulk *bulk);

// bulk_close flushes, ends the threads and frees what it holds.
void bulk_close(struct index *index);

// bulk_append is index_append of an index that has room for waiting.
MUST_USE bool bulk_append(struct index *index, struct chunk *const *chunks,
                          const struct chunk_proof *proofs, size_t num_proofs,
                          struct err *err);

// bulk_take_number gives the number of a new file.
uint64_t bulk_take_number(struct index *index);

// bulk_name_files puts `add` into the catalogue and takes `drop` out of it, in
// one transaction, and unlinks what was dropped.
MUST_USE bool bulk_name_files(struct index *index,
                              const struct catalogue_file *add, size_t num_add,
                              const struct catalogue_file *drop,
                              size_t num_drop, struct err *err);

// bulk_write_files ends the segments of a set that was fed, makes its run and
// names them.
MUST_USE bool bulk_write_files(struct index *index, struct bulk_set *set,
                               struct err *err);

// bulk_flush_tail makes files of what the tail holds; nobody flushes meanwhile.
MUST_USE bool bulk_flush_tail(struct index *index, compact_progress *progress,
                              void *context, struct err *err);

// bulk_merge merges some runs, as the tier policy says or, with `all`, towards
// one; `did` is false when there is nothing to do.
MUST_USE bool bulk_merge(struct index *index, bool all,
                         compact_progress *progress, void *context, bool *did,
                         struct err *err);

// bulk_write_run writes what bulk.sort holds, sorted, as the run `file`.
MUST_USE bool bulk_write_run(struct index *index, struct catalogue_file *file,
                             uint64_t first_id, uint64_t end_id,
                             struct err *err);

// bulk_start_merging starts the merge thread, bulk_stop_merging ends it.
MUST_USE bool bulk_start_merging(struct index *index, struct err *err);
void bulk_stop_merging(struct index *index);

// bulk_merge_wanted tells the thread of new runs.
void bulk_merge_wanted(struct index *index, size_t num_new);

// bulk_wait_for_merge waits until there is room for another run; false when
// the thread failed.
MUST_USE bool bulk_wait_for_merge(struct index *index, struct err *err);

// bulk_check_space looks for `need` bytes of room on the index's disk.
MUST_USE bool bulk_check_space(const struct index *index, uint64_t need,
                               struct err *err);
