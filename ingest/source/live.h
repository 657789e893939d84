// live.h - what is asked of one log and what came, for whoever wants to know
// while it runs.
//
// Thread    one writes (the asker's), any reads.
// Lifetime  the owner's; the asker refers to it until it has closed.

#pragma once

#include <stdatomic.h>

#include "index/base/bytes.h"

enum { LIVE_STATUSES = 16 };

struct live {
    _Atomic uint64_t num_requests;
    _Atomic uint64_t num_retries; // of those, asked again
    _Atomic uint64_t statuses[LIVE_STATUSES];
    _Atomic uint64_t bytes_received;
    _Atomic uint64_t last_good_ms; // since 1970; 0: never
    // Until when nothing is asked, by the monotonic clock of the ring.
    _Atomic uint64_t limited_until_ms; // because of a limit
    _Atomic uint64_t failing_until_ms; // because nothing of use came
    _Atomic uint64_t last_status;      // what came then; 0: no answer
};

// The same at one moment.
struct live_counts {
    uint64_t num_requests, num_retries;
    uint64_t statuses[LIVE_STATUSES];
    uint64_t bytes_received;
    uint64_t last_good_ms;
    uint64_t limited_until_ms, failing_until_ms;
    unsigned last_status;
};

// live_requested and live_answered count; status 0 is no answer at all,
// `bytes` is how many have come in all.
void live_requested(struct live *live, bool again);
void live_answered(struct live *live, unsigned status, uint64_t bytes);

// live_limited and live_failing say until when it is waited for.
void live_limited(struct live *live, uint64_t until_ms);
void live_failing(struct live *live, uint64_t until_ms);

// live_read copies it.
void live_read(const struct live *live, struct live_counts *out);

// live_status_word is the word of a place in `statuses`: "200", "none" for no
// answer, "other".
const char *live_status_word(size_t place);
