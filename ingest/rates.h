// rates.h - entries a second of each log, over the last half minute or so.
//
// Thread    one calls rates_tick and rates_count, any rates_of.

#pragma once

#include "ingest/pipeline.h"

struct rates; // opaque

// rates_new makes them; rates_free() frees them.
MUST_USE bool rates_new(struct rates **out, struct err *err);
void rates_free(struct rates *rates);

// rates_tick looks at what each log has added; as often as one likes.
void rates_tick(struct rates *rates, const struct pipeline *pipeline,
                uint64_t now_ms);

// rates_count tells what one log has added in all, `ms` after it was last told.
void rates_count(struct rates *rates, size_t position, uint64_t entries,
                 uint64_t ms);

// rates_of gives the rate of the log at a position.
double rates_of(const struct rates *rates, size_t position);
