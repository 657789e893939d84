// reader.h - one log, read to its end and proven: what the pipeline sees.
//
// Lifetime  from reader_new to reader_free; it works between reader_start and
//           the moment that it reports its end.
// Thread    the ring thread's; its totals may be read from any.

#pragma once

#include <stdatomic.h>

#include "index/evidence.h"
#include "index/index.h"
#include "ingest/source/source.h"

struct reader; // opaque
struct pipeline;
struct batch;

struct reader_config {
    struct index_log log;    // as index_add_log gave it
    struct log_key *key;     // the pipeline frees it
    bool api_known;          // else found out; log.api is a guess
    struct archive *archive; // zips and folders; NULL: log.url
    char fallback_url[512];  // RFC 6962, when tiles are missing; or empty
    bool check_archive;      // every member of them
    bool has_range;
    uint64_t range_first, range_end;
};

enum reader_status {
    READER_COMPLETE,
    READER_PARTIAL,
    READER_HALTED,
};

// What a log is at while nothing stands in its way.
enum reader_phase {
    READER_STARTING, // no head is pinned yet
    READER_READING,
    READER_CHECKING,  // members of zips that no proof needs
    READER_FOLLOWING, // all is held; the next head is waited for
};

// What came of a log; also while it is read.
struct reader_totals {
    enum reader_phase phase;
    enum log_api api;        // by which it is read
    bool tiles_missing;      // so it is get-entries that is read
    struct live_counts live; // of the moment
    bool ended;
    enum reader_status status;
    struct err err; // code ERR_NONE: nothing stood in the way
    bool has_head;  // the pinned or the newest accepted one
    uint64_t size;
    struct sha256_hash root;
    uint64_t head_time_ms; // of that head
    uint64_t done;         // entries held of those that are asked for
    uint64_t goal;         // how many are asked for
    uint64_t entries;      // added by this run
    uint64_t num_names;    // of those
    uint64_t bytes_received;
    uint64_t cpu_ns;
    uint64_t wall_ms;
};

typedef void reader_ended(void *context);

struct reader_options {
    struct pipeline *pipeline;
    struct ring *ring;
    struct fetch_shared *shared;
    struct pool_door *door;
    size_t memory;       // for this log's bodies and batches
    reader_ended *ended; // once, from inside ring_run
    void *context;
};

// reader_new makes a reader on the thread of its ring; reader_free() it.
MUST_USE bool reader_new(struct reader **out,
                         const struct reader_config *config,
                         const struct reader_options *options, struct err *err);
void reader_free(struct reader *reader);

// reader_start begins; what follows happens inside ring_run.
void reader_start(struct reader *reader);

// reader_stop has it end soon: ERR_INTERRUPTED.
void reader_stop(struct reader *reader);

// reader_set_final tells it that the log has ended, and its final tree head.
void reader_set_final(struct reader *reader, const struct index_log *log);

// reader_take_back receives a batch from the writer.
void reader_take_back(struct reader *reader, struct batch *batch);

// reader_totals gives the figures; any thread.
struct reader_totals reader_totals(struct reader *reader);
