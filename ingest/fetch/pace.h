// pace.h - how fast to ask, decided from the answers.                   (pure)
//
// A token bucket keeps to --rate: not more than so many requests start in any
// second.  A window of requests in flight grows with each good answer until the
// log first has trouble, by one per window from then on, and halves when it has
// (AIMD, as TCP does); failures wait 250 ms, then twice as long each time, with
// jitter.  What a log says of limits is its host's: limit.h.
//
// Order     pace_may_start, then pace_started, then exactly one pace_ended.
// Result    times are milliseconds of any monotonic clock, given by the caller.

#pragma once

#include "ingest/fetch/limit.h"

enum {
    PACE_BACKOFF_FIRST_MS = 250,
    PACE_BACKOFF_MAX_MS = 60 * 1000,
    PACE_CUT_INTERVAL_MS = 1000, // one overload is one cut
    PACE_WINDOW_FIRST = 4,
};

enum pace_verdict {
    PACE_OK,      // take the answer
    PACE_RETRY,   // ask again, not before `retry_at_ms`
    PACE_LIMITED, // too much was asked: when to ask again, the host's limit
                  // says
    PACE_REFUSED, // asking again as it stands will not help
};

struct pace {
    double rate;  // tokens a second; 0: no limit
    double burst; // tokens the bucket holds
    double tokens;
    uint64_t tokens_at_ms;
    unsigned window_max;
    double window;
    bool was_cut; // the window was: it grows slowly from then on
    uint64_t cut_at_ms;
    unsigned num_in_flight;
    unsigned num_failures;  // in a row, those of one outage counted once
    uint64_t not_before_ms; // the whole log waits
    uint64_t random;        // state of the jitter
};

// What came back; `status` 0 is no answer at all.
struct pace_answer {
    unsigned status;
    bool has_retry_after;
    uint64_t retry_after_ms;
};

// pace_init sets a pace out: `rate` 0 for no limit, a window up to
// `window_max`, `seed` for the jitter.
void pace_init(struct pace *pace, double rate, unsigned window_max,
               uint64_t seed, uint64_t now_ms);

// pace_may_start tells whether a request may start now; if not, `wait_ms` says
// when to ask again, UINT64_MAX when an answer must come first.
MUST_USE bool pace_may_start(struct pace *pace, uint64_t now_ms,
                             uint64_t *wait_ms);

// pace_started takes a token and a place in the window.
void pace_started(struct pace *pace, uint64_t now_ms);

// pace_ended gives the place back and learns from the answer: LIMITED for 429
// and what else passes and has a Retry-After of a second at least, RETRY for
// none, 403, 408, 425 and 5xx; `retry_at_ms` is set then.
enum pace_verdict pace_ended(struct pace *pace,
                             const struct pace_answer *answer, uint64_t now_ms,
                             uint64_t *retry_at_ms);

// pace_canceled gives the place back and learns nothing.
void pace_canceled(struct pace *pace);
