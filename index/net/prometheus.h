// prometheus.h - the text that Prometheus reads, version 0.0.4.         (pure)

#pragma once

#include "index/base/buffer.h"

#define PROMETHEUS_TYPE "text/plain; version=0.0.4; charset=utf-8"

// prometheus_append_head appends the two comment lines of a metric.
void prometheus_append_head(struct buffer *out, const char *name,
                            const char *type, const char *help);

// prometheus_append_label appends a label's value, escaped and in quotes.
void prometheus_append_label(struct buffer *out, const char *value);
