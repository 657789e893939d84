// live.c - see live.h.

#include "ingest/source/live.h"

#include <time.h>

static const struct {
    unsigned status;
    const char *word;
} known[LIVE_STATUSES] = {
    {0, "none"},  {200, "200"}, {301, "301"}, {302, "302"},
    {400, "400"}, {401, "401"}, {403, "403"}, {404, "404"},
    {408, "408"}, {410, "410"}, {429, "429"}, {500, "500"},
    {502, "502"}, {503, "503"}, {504, "504"}, {0, "other"},
};

// Only one writes, so no locked addition is needed.
static void add(_Atomic uint64_t *counter)
{
    atomic_store_explicit(
        counter, atomic_load_explicit(counter, memory_order_relaxed) + 1,
        memory_order_relaxed);
}

static void set(_Atomic uint64_t *value, uint64_t to)
{
    atomic_store_explicit(value, to, memory_order_relaxed);
}

static uint64_t get(const _Atomic uint64_t *value)
{
    return atomic_load_explicit(value, memory_order_relaxed);
}

void live_requested(struct live *live, bool again)
{
    add(&live->num_requests);
    if (again) add(&live->num_retries);
}

void live_answered(struct live *live, unsigned status, uint64_t bytes)
{
    struct timespec now = {0};
    size_t place = 0;

    while (place < LIVE_STATUSES - 1 && known[place].status != status) {
        place++;
    }
    add(&live->statuses[place]);
    set(&live->last_status, status);
    set(&live->bytes_received, bytes);
    if (status != 200) return;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    set(&live->last_good_ms,
        (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000);
    set(&live->failing_until_ms, 0);
}

void live_limited(struct live *live, uint64_t until_ms)
{
    set(&live->limited_until_ms, until_ms);
}

void live_failing(struct live *live, uint64_t until_ms)
{
    set(&live->failing_until_ms, until_ms);
}

void live_read(const struct live *live, struct live_counts *out)
{
    *out = (struct live_counts){
        .num_requests = get(&live->num_requests),
        .num_retries = get(&live->num_retries),
        .bytes_received = get(&live->bytes_received),
        .last_good_ms = get(&live->last_good_ms),
        .limited_until_ms = get(&live->limited_until_ms),
        .failing_until_ms = get(&live->failing_until_ms),
        .last_status = (unsigned)get(&live->last_status),
    };
    for (size_t i = 0; i < LIVE_STATUSES; i++) {
        out->statuses[i] = get(&live->statuses[i]);
    }
}

const char *live_status_word(size_t place)
{
    return known[place].word;
}
