// condition.c - see condition.h.

#include "ingest/condition.h"

#include <inttypes.h>

// A wait shorter than this is what a rate looks like, not a pause.
enum { PAUSE_MIN_MS = 1000 };

static uint64_t left_ms(uint64_t until_ms, uint64_t now_ms)
{
    return until_ms > now_ms ? until_ms - now_ms : 0;
}

enum condition condition_of(const struct reader_totals *totals, uint64_t now_ms)
{
    static const enum condition ended[] = {
        [READER_COMPLETE] = CONDITION_COMPLETE,
        [READER_PARTIAL] = CONDITION_PARTIAL,
        [READER_HALTED] = CONDITION_HALTED,
    };
    static const enum condition phases[] = {
        [READER_STARTING] = CONDITION_STARTING,
        [READER_READING] = CONDITION_READING,
        [READER_CHECKING] = CONDITION_CHECKING,
        [READER_FOLLOWING] = CONDITION_FOLLOWING,
    };

    if (totals->ended) return ended[totals->status];
    if (left_ms(totals->live.limited_until_ms, now_ms) > 0) {
        return CONDITION_LIMITED;
    }
    if (left_ms(totals->live.failing_until_ms, now_ms) > 0) {
        return CONDITION_FAILING;
    }
    return phases[totals->phase];
}

uint64_t condition_retry_ms(const struct reader_totals *totals, uint64_t now_ms)
{
    switch (condition_of(totals, now_ms)) {
    case CONDITION_LIMITED:
        return left_ms(totals->live.limited_until_ms, now_ms);
    case CONDITION_FAILING:
        return left_ms(totals->live.failing_until_ms, now_ms);
    default:
        return 0;
    }
}

const char *condition_word(enum condition condition)
{
    static const char *const words[NUM_CONDITIONS] = {
        [CONDITION_STARTING] = "starting", [CONDITION_READING] = "reading",
        [CONDITION_CHECKING] = "checking", [CONDITION_FOLLOWING] = "following",
        [CONDITION_LIMITED] = "limited",   [CONDITION_FAILING] = "failing",
        [CONDITION_COMPLETE] = "complete", [CONDITION_PARTIAL] = "partial",
        [CONDITION_HALTED] = "halted",
    };

    return words[condition];
}

void condition_append(struct buffer *out, const struct reader_totals *totals,
                      uint64_t now_ms)
{
    enum condition condition = condition_of(totals, now_ms);
    uint64_t retry_ms = condition_retry_ms(totals, now_ms);

    switch (condition) {
    case CONDITION_READING:
        return;
    case CONDITION_STARTING:
        buffer_append_text(out, "asking for its head");
        return;
    case CONDITION_CHECKING:
        buffer_append_text(out, "checking its zips");
        return;
    case CONDITION_FOLLOWING:
        buffer_append_text(out, "up to date");
        return;
    case CONDITION_LIMITED:
        buffer_append_text(out, "limited by the log");
        break;
    case CONDITION_FAILING:
        if (totals->live.last_status == 0) {
            buffer_append_text(out, "no answer");
        } else if (totals->live.last_status == 200) {
            buffer_append_text(out, "no answer that can be read");
        } else {
            buffer_printf(out, "status %u", totals->live.last_status);
        }
        break;
    case CONDITION_COMPLETE:
    case CONDITION_PARTIAL:
    case CONDITION_HALTED:
    case NUM_CONDITIONS:
        buffer_append_text(out, condition_word(condition));
        return;
    }
    if (retry_ms < PAUSE_MIN_MS) return;
    buffer_printf(out, ", retry in %" PRIu64 " s", (retry_ms + 999) / 1000);
}

bool condition_lag_seconds(double *seconds, const struct reader_totals *totals,
                           uint64_t now_ms)
{
    *seconds = 0;
    if (!totals->has_head || totals->head_time_ms == 0) return false;
    // Clocks differ: a head from the future lags behind nothing.
    if (now_ms > totals->head_time_ms) {
        *seconds = (double)(now_ms - totals->head_time_ms) / 1000;
    }
    return true;
}
