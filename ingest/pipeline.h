// pipeline.h - source -> verify -> index: the threads.
//
//   ring threads   each owns a ring and some logs: asks, decrypts, keeps the
//                  order, proves (reader/)
//   workers        inflate, parse, hash, understand, encode (pool.h)
//   writer thread  appends proven batches, several a transaction
//   the caller     waits, shows progress, handles signals
//
// Order     pipeline_start, then pipeline_wait or pipeline_stop until it says
//           that all is done, then pipeline_join.
// Thread    the caller's, but for what says otherwise.

#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "index/index.h"
#include "ingest/queue.h"
#include "ingest/reader/reader.h"

enum { PIPELINE_LOGS_MAX = 4096 };

struct pipeline_options {
    unsigned num_threads;
    unsigned connections; // 0: as the protocol likes
    double rate;          // 0: no limit
    uint64_t retry_ms;    // 0: one try
    uint64_t memory;      // bytes
    const char *contact, *ca_file, *proxy;
    bool tls_skip;
    const char *const *binds;
    size_t num_binds;
    bool follow;
    bool may_grow; // logs may be added while it runs
    uint64_t poll_ms, partial_after_ms;
};

struct pipeline; // opaque

// pipeline_open makes one for an index that is open for writing; `options`
// must outlive it.
MUST_USE bool pipeline_open(struct pipeline **out, struct index *index,
                            const struct pipeline_options *options,
                            struct err *err);

// pipeline_add takes a log to be read, before the start or while it runs (then
// under --follow, and where pipeline_has_room).
MUST_USE bool pipeline_add(struct pipeline *pipeline,
                           const struct reader_config *config, struct err *err);

// pipeline_has_room tells whether --memory allows for one more log.
bool pipeline_has_room(const struct pipeline *pipeline);

// pipeline_set_final tells a log while it is read that it has ended, and its
// final tree head, as `log` has it.
void pipeline_set_final(struct pipeline *pipeline, size_t position,
                        const struct index_log *log);

// pipeline_start starts the threads.
MUST_USE bool pipeline_start(struct pipeline *pipeline, struct err *err);

// pipeline_is_done tells whether every log has ended.
bool pipeline_is_done(const struct pipeline *pipeline);

// pipeline_stop has every log end early, transactions whole.
void pipeline_stop(struct pipeline *pipeline);

// pipeline_join waits for the threads; ERR_INDEX or ERR_MEMORY when the index
// or a thread failed: then nothing more was written from there on.
MUST_USE bool pipeline_join(struct pipeline *pipeline, struct err *err);

// pipeline_num_logs and pipeline_totals give what came of each log; while it
// runs from any thread, the figures are then those of a moment.
size_t pipeline_num_logs(const struct pipeline *pipeline);
struct reader_totals pipeline_totals(const struct pipeline *pipeline,
                                     size_t position);
const struct reader_config *pipeline_config(const struct pipeline *pipeline,
                                            size_t position);

// pipeline_backlog is how many batches wait for the writer or are at it.
size_t pipeline_backlog(const struct pipeline *pipeline);

// pipeline_num_syscalls counts those of all rings.
uint64_t pipeline_num_syscalls(const struct pipeline *pipeline);

// pipeline_close frees it, after the join.
void pipeline_close(struct pipeline *pipeline);

// ------------------------------------------------------- for readers, any
// thread

struct index *pipeline_index(const struct pipeline *pipeline);
const struct pipeline_options *
pipeline_options(const struct pipeline *pipeline);

// pipeline_write hands a proven batch to the writer; it comes back through
// reader_take_back on the reader's thread.
void pipeline_write(struct pipeline *pipeline, struct batch *batch);

// pipeline_snapshot opens a snapshot that holds everything that was written.
MUST_USE bool pipeline_snapshot(struct pipeline *pipeline,
                                struct snapshot **out, struct err *err);

// pipeline_borrow takes so much memory of that which no log needs now; false:
// there is not as much.  pipeline_give_back returns it, and the share of a log
// that has ended.
MUST_USE bool pipeline_borrow(struct pipeline *pipeline, size_t bytes);
void pipeline_give_back(struct pipeline *pipeline, size_t bytes);

// pipeline_fail ends everything: the index or memory has failed.
void pipeline_fail(struct pipeline *pipeline, const struct err *err);

// pipeline_claim_issuer tells whether this fingerprint is seen for the first
// time in this process.
bool pipeline_claim_issuer(struct pipeline *pipeline,
                           const struct sha256_hash *fingerprint);

// pipeline_evidence writes an incident; one at a time.
MUST_USE bool pipeline_evidence(struct pipeline *pipeline,
                                const struct evidence *evidence,
                                struct err *err);
