// limit.h - the rate that a host bears, learnt from its refusals.       (pure)
//
// Until a host refuses there is no limit.  A refusal (429, or anything with
// Retry-After) is a pause, as long as the host asks for or 7 s, doubled while
// nothing else comes, and a rate: nine tenths of what the host took since it
// last refused, or in the last minute, and not less than those of one request
// in the time of its Retry-After.  From then on each request has a time of its
// own, first come, first served; good answers raise the rate, slowly near the
// one that was refused, quickly where that is far.
//
// Some hosts refuse one request in a hundred, whatever the rate.  So a refusal
// that says nothing, after many good answers, is in doubt for as long as what
// is under way takes: asking goes on as it was, and what was asked after it
// tells.  Good answers, and few refusals, make it a lone one: no pause, and no
// lower rate unless it came near the rate that was refused before.  Two more
// refusals, nothing for LIMIT_DOUBT_MS, or too many lone ones in all: a limit.
// Where requests are too few to tell, a refusal well below the rate that was
// refused before is a pause and no rate yet.
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
    // Longer, and the second refusal were one of its own.
    LIMIT_DOUBT_MS = 300,
    LIMIT_WINDOW_MS = 60 * 1000, // what is counted of the past
};

// A place in the queue; valid as {0}: none.
struct limit_place {
    uint64_t at_ms;
    unsigned epoch;
    uint64_t turn; // rises from place to place
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
    uint64_t num_turns;
    // A refusal that may be a lone one: since when, or 0; and what came of
    // requests after it.
    uint64_t doubt_ms, doubt_turn;
    unsigned doubt_good, doubt_refused;
    double num_lone; // in the same time as num_good
    bool was_odd;    // it has refused where there is no limit
    uint64_t random; // state of the jitter
};

void limit_init(struct limit *limit, uint64_t seed);

// limit_reserve tells when a request may start, `now_ms` or later; a place is
// kept until a refusal voids it.
uint64_t limit_reserve(struct limit *limit, struct limit_place *place,
                       uint64_t now_ms);

// limit_good counts an answer that was no refusal; `turn` is that of its place.
void limit_good(struct limit *limit, uint64_t turn, uint64_t now_ms);

// limit_refused learns from a refusal, and tells when to ask again;
// `asked_ms` is what Retry-After says, 0: nothing.  What comes during a pause
// belongs to the refusal before.
uint64_t limit_refused(struct limit *limit, uint64_t turn, uint64_t asked_ms,
                       uint64_t now_ms);
