// metrics.h - what a run tells Prometheus.
//
// Thread    any, while the pipeline is there.

#pragma once

#include "ingest/rates.h"

// metrics_append appends the text of all metrics; `memory` is the bound that
// --memory set.
void metrics_append(struct buffer *out, const struct pipeline *pipeline,
                    const struct rates *rates, uint64_t memory);
