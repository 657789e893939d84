// published.h - what published logs would cost at the figures of this run.
//
// A log comes from a row of published_logs.csv: name, operator, api (rfc6962
// or static), entries, as_of, precision (exact, estimate or bound), state
// (live, retired or archived), bytes an entry as it is read now, entries a
// request, requests a second, growth in entries a second, source and
// limit_source.  The figures come from bench_ingest's figures.json.  Pure.
//
// Lifetime  a log's texts belong to the line that it was read from.
// Limit     no certainty: what is unknown is 0 here and "-" in the table.

#pragma once

#include "index/base/buffer.h"
#include "index/base/err.h"
#include "index/base/json.h"

enum { PUBLISHED_WIDTH_MAX = 150 };

// One way that entries were read in this run.
struct published_figures {
    double entries_per_s; // of wall time
    double cpu_us;        // of the process, an entry
    double read_bytes;    // from the network or the archive, an entry
    double disk_bytes;    // of index with --keep full, an entry
    double written_bytes; // to the disk on the way there, an entry
    double names;         // an entry
};

// All that was measured in this run.
struct published_run {
    struct published_figures rfc6962, tiles, archive;
    double entries;          // of each backfill
    double tail_percent;     // of them still in the tail at the end
    double facts_bytes;      // of index with --keep facts, an entry
    double disk_bytes_per_s; // written in sequence and synced
};

struct published_log {
    struct bytes name, operator, as_of, precision;
    bool is_static, is_live, is_archived;
    double entries;
    double bytes;          // an entry, as published; 0 is unknown
    double per_request;    // entries; 0 is unknown
    double requests_per_s; // 0 is unknown
    double growth_per_s;   // 0 is none or unknown
};

// What binds a backfill at 1 Gbit/s.
enum published_bound {
    PUBLISHED_LIMIT, // the log's own
    PUBLISHED_LINK,
    PUBLISHED_CPU, // all of the machine's work, as measured
    PUBLISHED_DISK,
};

// What one log costs; seconds, or -1 where it cannot be said.
struct published_cost {
    double network_s;  // at the rate measured from the network
    double archive_s;  // and from an archive; -1 when it is live
    double limit_s;    // at its limit; HUGE_VAL when it grows faster
    double gigabit_s;  // 1 Gbit/s of its bytes; a tenth at 10 Gbit/s
    double disk_s;     // what is written, as fast as the disk takes it
    double read_bytes; // in all
    double full_bytes; // of index
    double facts_bytes;
    enum published_bound bound;
};

// The sums over all logs.
struct published_total {
    size_t num_logs, num_unlimited, num_endless;
    double entries, read_bytes, full_bytes, facts_bytes;
    double work_s;  // of this machine: archives where there are, else network
    double limit_s; // the longest of the known limits, as they run at once
};

// published_read_log reads one line of the file.
MUST_USE bool published_read_log(struct published_log *log, struct bytes line,
                                 struct err *err);

// published_read_run reads figures.json.
MUST_USE bool published_read_run(struct published_run *run,
                                 const struct json *json, struct err *err);

// published_cost_of is what a log costs, and adds it to the total.
struct published_cost published_cost_of(const struct published_log *log,
                                        const struct published_run *run,
                                        struct published_total *total);

// published_write appends the whole report for the text of the file: what is
// assumed, a row a log, the total.  Lines that begin with # and the first
// other one, which names the columns, are passed over.
MUST_USE bool published_write(struct buffer *out, struct bytes csv,
                              const struct published_run *run, struct err *err);
