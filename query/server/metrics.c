// metrics.c - see metrics.h.

#include "query/server/metrics.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "index/net/prometheus.h"

static const char *const endpoint_words[NUM_ENDPOINTS] = {
    [ENDPOINT_CERTS] = "certs",     [ENDPOINT_COUNT] = "count",
    [ENDPOINT_CERT] = "cert",       [ENDPOINT_PROOF] = "proof",
    [ENDPOINT_LOGS] = "logs",       [ENDPOINT_STAT] = "stat",
    [ENDPOINT_METRICS] = "metrics", [ENDPOINT_HEALTHZ] = "healthz",
    [ENDPOINT_CRTSH] = "crtsh",     [ENDPOINT_SSLMATE] = "sslmate",
    [ENDPOINT_COMMAND] = "command", [ENDPOINT_OTHER] = "other",
};

// Of RESP: 200 is an answer, 400 an error.
static const unsigned statuses[METRICS_STATUSES] = {
    200, 204, 304, 400, 404, 405, 408, 413, 421, 500, 501, 503, 505};

// Upper bounds: 1, 2, 5 µs and so on to 2 s.
static const struct {
    uint64_t ns;
    const char *text;
} bounds[METRICS_BUCKETS] = {
    {1000, "1e-06"},     {2000, "2e-06"},     {5000, "5e-06"},
    {10000, "1e-05"},    {20000, "2e-05"},    {50000, "5e-05"},
    {100000, "0.0001"},  {200000, "0.0002"},  {500000, "0.0005"},
    {1000000, "0.001"},  {2000000, "0.002"},  {5000000, "0.005"},
    {10000000, "0.01"},  {20000000, "0.02"},  {50000000, "0.05"},
    {100000000, "0.1"},  {200000000, "0.2"},  {500000000, "0.5"},
    {1000000000, "1.0"}, {2000000000, "2.0"},
};

// Only its owner writes a counter, so no locked addition is needed.
static void count(_Atomic uint64_t *counter, uint64_t more)
{
    atomic_store_explicit(
        counter, atomic_load_explicit(counter, memory_order_relaxed) + more,
        memory_order_relaxed);
}

void metrics_add(struct metrics *metrics, enum metrics_endpoint endpoint,
                 unsigned status, uint64_t ns)
{
    size_t at = 0, bucket = 0;

    while (at < METRICS_STATUSES - 1 && statuses[at] != status) {
        at++;
    }
    while (bucket < METRICS_BUCKETS && ns > bounds[bucket].ns) {
        bucket++;
    }
    count(&metrics->requests[endpoint][at], 1);
    count(&metrics->seconds[endpoint].buckets[bucket], 1);
    count(&metrics->seconds[endpoint].sum_ns, ns);
}

void metrics_count_cold(struct metrics *metrics)
{
    count(&metrics->cold_blocks, 1);
}

void metrics_count_recalled(struct metrics *metrics)
{
    count(&metrics->recalled, 1);
}

static void append_requests(struct buffer *out, const struct metrics *all)
{
    prometheus_append_head(out, "sanct_requests_total", "counter",
                           "Requests answered, by endpoint and status.");
    for (size_t i = 0; i < NUM_ENDPOINTS; i++) {
        for (size_t k = 0; k < METRICS_STATUSES; k++) {
            uint64_t sum = 0;

            for (const struct metrics *m = all; m != NULL; m = m->next) {
                sum += atomic_load_explicit(&m->requests[i][k],
                                            memory_order_relaxed);
            }
            if (sum == 0) continue;
            buffer_printf(out,
                          "sanct_requests_total{endpoint=\"%s\","
                          "status=\"%u\"} %llu\n",
                          endpoint_words[i], statuses[k],
                          (unsigned long long)sum);
        }
    }
}

static void append_histogram(struct buffer *out, const struct metrics *all,
                             size_t endpoint)
{
    uint64_t total = 0, sum_ns = 0;

    for (size_t i = 0; i <= METRICS_BUCKETS; i++) {
        for (const struct metrics *m = all; m != NULL; m = m->next) {
            total += atomic_load_explicit(&m->seconds[endpoint].buckets[i],
                                          memory_order_relaxed);
        }
        buffer_printf(out,
                      "sanct_request_seconds_bucket{endpoint=\"%s\","
                      "le=\"%s\"} %llu\n",
                      endpoint_words[endpoint],
                      i < METRICS_BUCKETS ? bounds[i].text : "+Inf",
                      (unsigned long long)total);
    }
    for (const struct metrics *m = all; m != NULL; m = m->next) {
        sum_ns += atomic_load_explicit(&m->seconds[endpoint].sum_ns,
                                       memory_order_relaxed);
    }
    buffer_printf(out,
                  "sanct_request_seconds_sum{endpoint=\"%s\"} %.9f\n"
                  "sanct_request_seconds_count{endpoint=\"%s\"} %llu\n",
                  endpoint_words[endpoint], (double)sum_ns / 1e9,
                  endpoint_words[endpoint], (unsigned long long)total);
}

static int memory_fd = -1; // set before threads start

void metrics_open(void)
{
    if (memory_fd < 0) {
        memory_fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    }
}

// Memory of the process's own: resident without what it shares with the page
// cache.
static uint64_t memory_bytes(void)
{
    unsigned long long size, resident, shared;
    char text[128];
    ssize_t len =
        memory_fd < 0 ? -1 : pread(memory_fd, text, sizeof text - 1, 0);

    if (len <= 0) return 0;
    text[len] = '\0';
    return sscanf(text, "%llu %llu %llu", &size, &resident, &shared) == 3 &&
                   resident > shared
               ? (resident - shared) * (uint64_t)sysconf(_SC_PAGESIZE)
               : 0;
}

void metrics_append(struct buffer *out, const struct metrics *all)
{
    uint64_t connections = 0, cold_blocks = 0, recalled = 0;

    for (const struct metrics *m = all; m != NULL; m = m->next) {
        connections +=
            atomic_load_explicit(&m->connections, memory_order_relaxed);
        cold_blocks +=
            atomic_load_explicit(&m->cold_blocks, memory_order_relaxed);
        recalled += atomic_load_explicit(&m->recalled, memory_order_relaxed);
    }
    append_requests(out, all);
    prometheus_append_head(out, "sanct_request_seconds", "histogram",
                           "From a whole request to a whole answer.");
    for (size_t i = 0; i < NUM_ENDPOINTS; i++) {
        append_histogram(out, all, i);
    }
    prometheus_append_head(out, "sanct_connections", "gauge",
                           "Connections that are open.");
    buffer_printf(out, "sanct_connections %llu\n",
                  (unsigned long long)connections);
    prometheus_append_head(out, "sanct_cold_blocks_total", "counter",
                           "Blocks read because they were not in memory.");
    buffer_printf(out, "sanct_cold_blocks_total %llu\n",
                  (unsigned long long)cold_blocks);
    prometheus_append_head(out, "sanct_recalled_total", "counter",
                           "Answers given before in the same second.");
    buffer_printf(out, "sanct_recalled_total %llu\n",
                  (unsigned long long)recalled);
    prometheus_append_head(out, "sanct_memory_bytes", "gauge",
                           "Memory of the process's own.");
    buffer_printf(out, "sanct_memory_bytes %llu\n",
                  (unsigned long long)memory_bytes());
}
