// pace.c - see pace.h.

#include "ingest/fetch/pace.h"

#include <assert.h>

void pace_init(struct pace *pace, double rate, unsigned window_max,
               uint64_t seed, uint64_t now_ms)
{
    *pace = (struct pace){
        .window_max = window_max == 0 ? 1 : window_max,
        .tokens_at_ms = now_ms,
        .random = seed,
    };
    pace->window = pace->window_max < PACE_WINDOW_FIRST ? pace->window_max
                                                        : PACE_WINDOW_FIRST;
    if (!(rate > 0)) return;
    // A second can see a full bucket and what flows in meanwhile: together not
    // more than `rate`.  Beside the one token that starts a request the bucket
    // holds 10 ms, so that nothing is lost to clocks and loops that tick.
    pace->rate = rate / 1.01;
    pace->burst = 1 + pace->rate / 100;
    pace->tokens = pace->burst;
}

// Steele, Lea, Flood 2014: SplitMix64.
static uint64_t next_random(struct pace *pace)
{
    uint64_t z = pace->random += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static void fill_bucket(struct pace *pace, uint64_t now_ms)
{
    if (now_ms <= pace->tokens_at_ms) return;
    pace->tokens += pace->rate * (double)(now_ms - pace->tokens_at_ms) / 1000;
    if (pace->tokens > pace->burst) pace->tokens = pace->burst;
    pace->tokens_at_ms = now_ms;
}

bool pace_may_start(struct pace *pace, uint64_t now_ms, uint64_t *wait_ms)
{
    if (pace->num_in_flight >= (unsigned)pace->window) {
        *wait_ms = UINT64_MAX;
        return false;
    }
    if (now_ms < pace->not_before_ms) {
        *wait_ms = pace->not_before_ms - now_ms;
        return false;
    }
    *wait_ms = 0;
    if (!(pace->rate > 0)) return true;
    fill_bucket(pace, now_ms);
    if (pace->tokens >= 1) return true;
    *wait_ms = (uint64_t)((1 - pace->tokens) * 1000 / pace->rate) + 1;
    return false;
}

void pace_started(struct pace *pace, uint64_t now_ms)
{
    pace->num_in_flight++;
    if (!(pace->rate > 0)) return;
    fill_bucket(pace, now_ms);
    pace->tokens -= 1;
}

static void grow(struct pace *pace)
{
    pace->window += pace->was_cut ? 1 / pace->window : 1;
    if (pace->window > pace->window_max) pace->window = pace->window_max;
}

static void cut(struct pace *pace, uint64_t now_ms)
{
    if (pace->was_cut && now_ms < pace->cut_at_ms + PACE_CUT_INTERVAL_MS) {
        return;
    }
    pace->window = pace->window / 2 < 1 ? 1 : pace->window / 2;
    pace->was_cut = true;
    pace->cut_at_ms = now_ms;
}

// Doubles from the first wait up to the longest; half as much again is jitter.
static uint64_t back_off(struct pace *pace)
{
    uint64_t base = PACE_BACKOFF_FIRST_MS;
    uint64_t base_max = PACE_BACKOFF_MAX_MS * 2 / 3;

    for (unsigned i = 1; i < pace->num_failures && base < base_max; i++) {
        base *= 2;
    }
    if (base > base_max) base = base_max;
    return base + next_random(pace) % (base / 2 + 1);
}

static bool is_passing(unsigned status)
{
    return status == 0 || status == 403 || status == 408 || status == 425 ||
           status == 429 || status >= 500;
}

enum pace_verdict pace_ended(struct pace *pace,
                             const struct pace_answer *answer, uint64_t now_ms,
                             uint64_t *retry_at_ms)
{
    *retry_at_ms = 0;
    pace_canceled(pace);
    if (!is_passing(answer->status)) {
        pace->num_failures = 0;
        grow(pace);
        return answer->status / 100 == 2 ? PACE_OK : PACE_REFUSED;
    }
    cut(pace, now_ms);
    if (answer->status == 429 ||
        (answer->has_retry_after &&
         answer->retry_after_ms >= LIMIT_ASKED_MIN_MS)) {
        return PACE_LIMITED;
    }
    // What fails while the log is being waited for belongs to the same outage.
    if (now_ms >= pace->not_before_ms) pace->num_failures++;
    *retry_at_ms = now_ms + back_off(pace);
    if (*retry_at_ms > pace->not_before_ms) {
        pace->not_before_ms = *retry_at_ms;
    }
    return PACE_RETRY;
}

void pace_canceled(struct pace *pace)
{
    assert(pace->num_in_flight > 0);
    pace->num_in_flight--;
}
