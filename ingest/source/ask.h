// ask.h - questions to one log: paced, asked again, in the end given up.
//
//   ask->path: "/checkpoint"     ask->read: can it be read?
//   asker_ask(asker, ask)        ask->done: answered, refused, given up
//
// An answer that cannot be read is none (CLI.md "sanct ingest"): it is asked
// for again as a time-out is, with growing pauses, until the log has gone
// --retry without progress.  A question that is `optional` (a proof, an
// issuer) may be refused instead: by 4xx at once, by failures after a few.
// Zips do not change: what they lack or have damaged is given up at once, and
// `err` is ERR_VERIFY where a zip's bytes are not what they should be.
//
// With `has_other` what is asked for may be had otherwise, and a question is
// given up as soon as it is missing: refused by 4xx or answered unreadably
// ASK_MISSING_TRIES times, or answered with other failures for ASK_MISSING_MS.
// Silence and limits are no answer to that: where both come from one network
// or host, neither is there.
//
// A body with much work in it is read by a worker (ingest/pool.h): unpacked,
// inflated, `read`.  The connection is free for the next question meanwhile.
//
// Lifetime  an ask belongs to the asker from asker_ask until `done`, which may
//           ask it again.  The body stays until ask_cleanup or the next ask,
//           that of a worker only with `keep_body`.
// Order     `done` runs only inside ring_run().
// Thread    the ring's; `read` with `on_worker` any.

#pragma once

#include "ingest/fetch/fetch.h"
#include "ingest/fetch/pace.h"
#include "ingest/pool.h"
#include "ingest/source/archive.h"
#include "ingest/source/live.h"

enum {
    ASK_PATH_MAX = 640,
    ASK_OPTIONAL_TRIES = 3,
    ASK_LIMITED_TRIES = 8, // the same where a limit is in the way
    // Where it may be had otherwise: so many refusals, in 16 s, or answers of
    // no use for so long.
    ASK_MISSING_TRIES = 7,
    ASK_MISSING_MS = 2 * 60 * 1000,
};

enum ask_result {
    ASK_ANSWERED,
    ASK_REFUSED,  // optional, and there will be no answer
    ASK_GIVEN_UP, // `err` says what was missing
    ASK_CANCELED,
};

struct ask;
struct asker; // opaque
typedef void ask_prepare(struct ask *ask);
typedef bool ask_read(struct ask *ask, struct worker *worker, struct err *err);
typedef void ask_done(struct ask *ask);

struct ask {
    // Set by the caller; the rest {0}.
    char path[ASK_PATH_MAX]; // with query; begins with "/"
    size_t body_max;
    size_t inflated_max; // 0: body_max
    bool sniffs_gzip;    // gzip also where no header says so
    bool optional;
    bool fresh;           // over a connection of its own
    bool on_worker;       // unpacked and read by one
    bool keep_body;       // when a worker has read it
    ask_prepare *prepare; // writes `path` before each try; may be NULL
    ask_read *read;       // false: `content` is not readable; may change it
    ask_prepare *refused; // 4xx or too large came: may ask for less next time
    ask_done *done;
    void *context;

    // The result.
    enum ask_result result;
    unsigned status; // of the last try
    struct buffer body;
    struct buffer *content; // inflated: `body`, or while `read` runs another
    struct err err;

    // The asker's own.
    struct asker *asker;
    struct job job;
    bool is_read; // what came of it,
    struct err why;
    struct ask *next;
    struct fetch_request request;
    struct archive_file file;
    uint64_t not_before_ms;
    unsigned num_tries, num_refusals;
    uint64_t turn;       // of its place in the host's limit
    uint64_t failing_ms; // since when answers were of no use; 0: they are not
    bool under_way, canceled;
};

struct asker_options {
    const char *url;          // http, https; or
    struct archive *archive;  // zips and folders, when `url` is NULL
    const char *const *binds; // source addresses, used by turn
    size_t num_binds;
    struct pool_door *door; // the thread's
    unsigned connections;
    double rate;
    uint64_t retry_ms;     // 0: one try; UINT64_MAX: never give up
    bool has_other;        // what is missing is given up soon
    uint64_t bytes_before; // that came by another asker
    struct live *live;     // counts
};

// asker_open makes the asker of one log.
MUST_USE bool asker_open(struct asker **out, struct ring *ring,
                         struct fetch_shared *shared,
                         const struct asker_options *options, struct err *err);

// asker_close cancels all and frees itself when all is back, then calls
// `closed`.
void asker_close(struct asker *asker, fetch_closed *closed, void *context);

// asker_ask takes a question.
void asker_ask(struct asker *asker, struct ask *ask);

// asker_cancel has every question come back as ASK_CANCELED, soon.
void asker_cancel(struct asker *asker);

// asker_progressed starts the time that --retry measures again.
void asker_progressed(struct asker *asker);

// asker_drop_idle closes connections that nobody uses: what is asked next
// comes over new ones.
void asker_drop_idle(struct asker *asker);

// asker_archive is what it reads from; NULL: the network.
struct archive *asker_archive(const struct asker *asker);

// asker_bytes_received counts what came, and came before.
uint64_t asker_bytes_received(const struct asker *asker);

// ask_cleanup frees the body; not while it is under way.
void ask_cleanup(struct ask *ask);
