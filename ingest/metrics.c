// metrics.c - see metrics.h.

#include "ingest/metrics.h"

#include <inttypes.h>
#include <time.h>

#include "index/net/prometheus.h"
#include "ingest/condition.h"
#include "ingest/progress.h"

// One log at the moment that is told of.
struct moment {
    const struct index_log *log;
    bool has_fallback;
    struct reader_totals totals;
    double rate;
    uint64_t now_ms;      // of the ring's clock
    uint64_t wall_now_ms; // since 1970
};

typedef bool metric_value(double *value, const struct moment *moment);

static bool held(double *value, const struct moment *moment)
{
    *value = (double)moment->totals.done;
    return true;
}

static bool goal(double *value, const struct moment *moment)
{
    *value = (double)moment->totals.goal;
    return true;
}

static bool tree_size(double *value, const struct moment *moment)
{
    *value = (double)moment->totals.size;
    return moment->totals.has_head;
}

static bool added(double *value, const struct moment *moment)
{
    *value = (double)moment->totals.entries;
    return true;
}

static bool rate(double *value, const struct moment *moment)
{
    *value = moment->rate;
    return true;
}

static bool lag_entries(double *value, const struct moment *moment)
{
    *value = (double)(moment->totals.goal - moment->totals.done);
    return moment->totals.has_head;
}

static bool lag_seconds(double *value, const struct moment *moment)
{
    return condition_lag_seconds(value, &moment->totals, moment->wall_now_ms);
}

static bool requests(double *value, const struct moment *moment)
{
    *value = (double)moment->totals.live.num_requests;
    return true;
}

static bool retries(double *value, const struct moment *moment)
{
    *value = (double)moment->totals.live.num_retries;
    return true;
}

static bool bytes_received(double *value, const struct moment *moment)
{
    *value = (double)moment->totals.live.bytes_received;
    return true;
}

static bool last_success(double *value, const struct moment *moment)
{
    *value = (double)moment->totals.live.last_good_ms / 1000;
    return moment->totals.live.last_good_ms > 0;
}

static bool retry_seconds(double *value, const struct moment *moment)
{
    *value = (double)condition_retry_ms(&moment->totals, moment->now_ms) / 1000;
    return true;
}

static bool tiles_missing(double *value, const struct moment *moment)
{
    *value = moment->totals.tiles_missing;
    return moment->has_fallback;
}

static const struct {
    const char *name, *type, *help;
    metric_value *value;
} metrics[] = {
    {"sanct_ingest_held_entries", "gauge",
     "Entries held of those that are asked for.", held},
    {"sanct_ingest_goal_entries", "gauge", "Entries that are asked for.", goal},
    {"sanct_ingest_tree_size_entries", "gauge",
     "Size of the newest head that holds.", tree_size},
    {"sanct_ingest_entries_total", "counter", "Entries added by this run.",
     added},
    {"sanct_ingest_entries_per_second", "gauge",
     "Entries added a second, lately.", rate},
    {"sanct_ingest_lag_entries", "gauge", "Entries still to be read.",
     lag_entries},
    {"sanct_ingest_lag_seconds", "gauge", "Age of the newest head that holds.",
     lag_seconds},
    {"sanct_ingest_requests_total", "counter", "Requests begun.", requests},
    {"sanct_ingest_retries_total", "counter", "Of those, asked again.",
     retries},
    {"sanct_ingest_received_bytes_total", "counter", "Bytes that came.",
     bytes_received},
    {"sanct_ingest_last_success_timestamp_seconds", "gauge",
     "When the last answer with status 200 came.", last_success},
    {"sanct_ingest_retry_seconds", "gauge",
     "How long nothing will be asked of it.", retry_seconds},
    {"sanct_ingest_tiles_missing", "gauge",
     "1: the tiles that it offers are missing, it is read by get-entries.",
     tiles_missing},
};

static uint64_t clock_ms(clockid_t clock)
{
    struct timespec now = {0};

    (void)clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void look(struct moment *moment, const struct pipeline *pipeline,
                 const struct rates *rates, size_t position)
{
    *moment = (struct moment){
        .log = &pipeline_config(pipeline, position)->log,
        .has_fallback =
            pipeline_config(pipeline, position)->fallback_url[0] != '\0',
        .totals = pipeline_totals(pipeline, position),
        .rate = rates_of(rates, position),
        .now_ms = clock_ms(CLOCK_MONOTONIC),
        .wall_now_ms = clock_ms(CLOCK_REALTIME),
    };
}

static void append_name(struct buffer *out, const char *metric,
                        const struct moment *moment)
{
    buffer_printf(out, "%s{log=", metric);
    prometheus_append_label(out, moment->log->name);
}

static void append_statuses(struct buffer *out, const struct moment *moment)
{
    for (size_t i = 0; i < LIVE_STATUSES; i++) {
        uint64_t num = moment->totals.live.statuses[i];

        if (num == 0) continue;
        append_name(out, "sanct_ingest_responses_total", moment);
        buffer_printf(out, ",status=\"%s\"} %" PRIu64 "\n", live_status_word(i),
                      num);
    }
}

static void append_states(struct buffer *out, const struct moment *moment)
{
    enum condition now = condition_of(&moment->totals, moment->now_ms);

    for (int i = 0; i < NUM_CONDITIONS; i++) {
        append_name(out, "sanct_ingest_state", moment);
        buffer_printf(out, ",state=\"%s\"} %d\n",
                      condition_word((enum condition)i), (int)now == i);
    }
}

static void append_one(struct buffer *out, const char *name, const char *type,
                       const char *help, uint64_t value)
{
    prometheus_append_head(out, name, type, help);
    buffer_printf(out, "%s %" PRIu64 "\n", name, value);
}

static void append_process(struct buffer *out, const struct pipeline *pipeline,
                           uint64_t memory)
{
    struct snapshot *snapshot;
    size_t num_runs;

    append_one(out, "sanct_ingest_writer_backlog_batches", "gauge",
               "Batches that wait for the writer or are at it.",
               pipeline_backlog(pipeline));
    if (snapshot_open(&snapshot, pipeline_index(pipeline), NULL)) {
        num_runs = snapshot_num_runs(snapshot);
        snapshot_close(snapshot);
        append_one(out, "sanct_ingest_runs", "gauge",
                   "Runs of names; more than a few wait to be merged.",
                   num_runs);
    }
    append_one(out, "sanct_ingest_memory_bytes", "gauge",
               "Memory of the process's own.", progress_memory_bytes());
    append_one(out, "sanct_ingest_memory_limit_bytes", "gauge",
               "What --memory allows.", memory);
    append_one(out, "sanct_ingest_ring_syscalls_total", "counter",
               "System calls of all rings.", pipeline_num_syscalls(pipeline));
    prometheus_append_head(out, "sanct_build_info", "gauge",
                           "The version that runs.");
    buffer_append_text(out,
                       "sanct_build_info{version=\"" SANCT_VERSION "\"} 1\n");
}

void metrics_append(struct buffer *out, const struct pipeline *pipeline,
                    const struct rates *rates, uint64_t memory)
{
    size_t num_logs = pipeline_num_logs(pipeline);
    struct moment moment;
    double value;

    for (size_t k = 0; k < COUNT_OF(metrics); k++) {
        prometheus_append_head(out, metrics[k].name, metrics[k].type,
                               metrics[k].help);
        for (size_t i = 0; i < num_logs; i++) {
            look(&moment, pipeline, rates, i);
            if (!metrics[k].value(&value, &moment)) continue;
            append_name(out, metrics[k].name, &moment);
            buffer_printf(out, "} %.15g\n", value);
        }
    }
    prometheus_append_head(out, "sanct_ingest_responses_total", "counter",
                           "Answers by status.");
    for (size_t i = 0; i < num_logs; i++) {
        look(&moment, pipeline, rates, i);
        append_statuses(out, &moment);
    }
    prometheus_append_head(out, "sanct_ingest_state", "gauge",
                           "1 for the state that the log is in.");
    for (size_t i = 0; i < num_logs; i++) {
        look(&moment, pipeline, rates, i);
        append_states(out, &moment);
    }
    append_process(out, pipeline, memory);
}
