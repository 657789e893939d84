// limit.h - the rate that a host bears, learnt from its refusals.       (pure)
//
// Until a host refuses there is no limit.  A refusal (429, or anything with
// Retry-After) is a pause, as long as the host asks for or 7 s, doubled while
// nothing else comes, and a rate: nine tenths of what the host took since it
// last refused, or in the last minute, and not less than those of one request
// in the time of its Retry-After.  From then on each request has a time of its
// own, first come, first served; good answers raise the rate, slowly near the
// one that was refused, quickly where that is far.  A refusal that follows many
// good answers at a lower rate than that is a pause and no rate yet.
//
// Order     limit_reserve, wait, start, then exactly one limit_good or
//           limit_refused, or neither for what tells nothing of limits.
// Result    times are milliseconds of any monotonic clock, given by the caller.

#pragma once

#include "index/base/bytes.h"

enum {
    LIMIT_ASKED_MIN_MS = 1000, // a Retry-After below it has said nothing
    LIMIT_ASKED_MAX_MS = 10 * 60 * 1000,
    // Of a refusal without Retry-After: at the 0.15 requests a second that
    // DigiCert's logs bore in 2025 (CT-PROTOCOLS section 5.1) one fits in.
    LIMIT_PAUSE_FIRST_MS = 7 * 1000,
    LIMIT_PAUSE_MAX_MS = 2 * 60 * 1000,
    LIMIT_WINDOW_MS = 60 * 1000, // what is counted of the past
};

// A place in the queue; valid as {0}: none.
struct limit_place {
    uint64_t at_ms;
    unsigned epoch;
};

struct limit {
    double rate;       // requests a second; 0: no limit is known
    double refused_at; // the rate at which it last refused
    double next_ms;    // the first time that nobody has
    unsigned epoch;    // places from before the last refusal are void
    uint64_t not_before_ms;
    uint64_t asked_until_ms; // the part of it that the host asked for
    uint64_t since_ms;       // when counting began; 0: not yet
    uint64_t paused_ms;      // of the time since then
    double num_good;         // since then
    unsigned num_pauses;     // in a row, without a good answer
    uint64_t random;         // state of the jitter
};

void limit_init(struct limit *limit, uint64_t seed);

// limit_reserve tells when a request may start, `now_ms` or later; a place is
// kept until a refusal voids it.
uint64_t limit_reserve(struct limit *limit, struct limit_place *place,
                       uint64_t now_ms);

// limit_good counts an answer that was no refusal.
void limit_good(struct limit *limit, uint64_t now_ms);

// limit_refused learns from a refusal, and tells when to ask again;
// `asked_ms` is what Retry-After says, 0: nothing.  What comes during a pause
// belongs to the refusal before.
uint64_t limit_refused(struct limit *limit, uint64_t asked_ms, uint64_t now_ms);
