// rates.c - see rates.h.

#include "ingest/rates.h"

#include <stdatomic.h>
#include <stdlib.h>

enum { TICK_MS = 1000, MEMORY_MS = 15 * 1000 };

struct rate {
    uint64_t entries; // at the last tick
    uint64_t num_ticks;
    double rate;                  // the ticker's own
    _Atomic uint64_t thousandths; // the same for all
};

struct rates {
    uint64_t ticked_ms;
    struct rate of[PIPELINE_LOGS_MAX];
};

bool rates_new(struct rates **out, struct err *err)
{
    *out = calloc(1, sizeof **out);
    return *out != NULL || err_set(err, ERR_MEMORY, "no memory for rates");
}

void rates_free(struct rates *rates)
{
    free(rates);
}

// A mean in which what is older than MEMORY_MS counts little; at first the mean
// of all there is.
void rates_count(struct rates *rates, size_t position, uint64_t entries,
                 uint64_t ms)
{
    struct rate *rate = &rates->of[position];
    double now = (double)(entries - rate->entries) * 1000 / (double)ms;
    double weight = (double)ms / (double)(ms + MEMORY_MS);

    rate->num_ticks++;
    if (weight * (double)rate->num_ticks < 1) {
        weight = 1 / (double)rate->num_ticks;
    }
    rate->rate += (now - rate->rate) * weight;
    rate->entries = entries;
    atomic_store_explicit(&rate->thousandths, (uint64_t)(rate->rate * 1000),
                          memory_order_relaxed);
}

void rates_tick(struct rates *rates, const struct pipeline *pipeline,
                uint64_t now_ms)
{
    uint64_t ms = now_ms - rates->ticked_ms;

    if (rates->ticked_ms == 0) rates->ticked_ms = now_ms;
    if (ms < TICK_MS || rates->ticked_ms == now_ms) return;
    rates->ticked_ms = now_ms;
    for (size_t i = 0; i < pipeline_num_logs(pipeline); i++) {
        rates_count(rates, i, pipeline_totals(pipeline, i).entries, ms);
    }
}

double rates_of(const struct rates *rates, size_t position)
{
    return (double)atomic_load_explicit(&rates->of[position].thousandths,
                                        memory_order_relaxed) /
           1000;
}
