// metrics.h - what the server counts, for Prometheus.
//
// Each thread counts for itself and only its own; whoever is asked sums up what
// all have counted, so counting costs no lock.
//
// Thread    metrics_add and the gauge: the owner's.  metrics_append: any.

#pragma once

#include <stdatomic.h>

#include "index/base/buffer.h"

// What requests are counted by; the words are in metrics.c.
enum metrics_endpoint {
    ENDPOINT_CERTS,
    ENDPOINT_COUNT,
    ENDPOINT_CERT,
    ENDPOINT_PROOF,
    ENDPOINT_LOGS,
    ENDPOINT_STAT,
    ENDPOINT_METRICS,
    ENDPOINT_HEALTHZ,
    ENDPOINT_CRTSH,
    ENDPOINT_SSLMATE,
    ENDPOINT_COMMAND, // RESP and lines
    ENDPOINT_OTHER,
    NUM_ENDPOINTS,
};

enum { METRICS_BUCKETS = 20, METRICS_STATUSES = 16 };

struct metrics_histogram {
    _Atomic uint64_t buckets[METRICS_BUCKETS + 1]; // the last: above all
    _Atomic uint64_t sum_ns;
};

// One thread's.
struct metrics {
    struct metrics *next;
    _Atomic uint64_t requests[NUM_ENDPOINTS][METRICS_STATUSES];
    struct metrics_histogram seconds[NUM_ENDPOINTS];
    _Atomic uint64_t connections;
    _Atomic uint64_t cold_blocks;
    _Atomic uint64_t recalled;
};

// metrics_add counts a request that took `ns` nanoseconds.
void metrics_add(struct metrics *metrics, enum metrics_endpoint endpoint,
                 unsigned status, uint64_t ns);

// metrics_count_cold counts a block that was read because it was not in memory.
void metrics_count_cold(struct metrics *metrics);

// metrics_count_recalled counts an answer that was given before (recall.h).
void metrics_count_recalled(struct metrics *metrics);

// metrics_open opens what is read later, when the server may open it no more.
void metrics_open(void);

// metrics_append appends the text of requests, latencies, connections and
// memory; `all` are the threads' in a list.
void metrics_append(struct buffer *out, const struct metrics *all);
