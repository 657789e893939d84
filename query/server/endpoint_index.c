// endpoint_index.c - what is asked of the index as a whole: its logs, figures,
// health and metrics.

#include "index/base/json.h"
#include "index/base/text.h"
#include "index/net/prometheus.h"
#include "index/stat.h"
#include "query/server/route_parts.h"

static void append_text_member(struct buffer *out, const char *name,
                               struct bytes text)
{
    buffer_printf(out, "\"%s\":", name);
    json_append_string(out, text);
    buffer_append_byte(out, ',');
}

static void append_log_head(struct buffer *out, const struct index_log *log,
                            const struct head *served)
{
    char time_text[TEXT_TIME_LEN_MAX];
    uint64_t now = clock_wall_ms();

    if (!log->has_head) {
        buffer_append_text(out, "\"head\":null,\"head_timestamp\":null,"
                                "\"lag_entries\":null,\"lag_seconds\":null}");
        return;
    }
    append_text_member(out, "head",
                       served == NULL ? (struct bytes){0} : served->served);
    append_text_member(
        out, "head_timestamp",
        bytes_from_text(text_time_utc_ms(time_text, log->head_timestamp_ms)));
    buffer_printf(
        out, "\"lag_entries\":%llu,\"lag_seconds\":%llu}",
        (unsigned long long)(log->head_size > log->verified
                                 ? log->head_size - log->verified
                                 : 0),
        (unsigned long long)(now > log->head_timestamp_ms
                                 ? (now - log->head_timestamp_ms) / 1000
                                 : 0));
}

static bool append_log(struct buffer *out, struct snapshot *snapshot,
                       const struct index_log *log, struct arena *arena,
                       struct err *err)
{
    const struct head *newest = NULL;
    struct head *heads;
    size_t num_heads;

    if (!snapshot_heads(snapshot, log->number, &heads, &num_heads, arena,
                        err)) {
        return false;
    }
    for (size_t i = 0; i < num_heads; i++) {
        if (heads[i].size == log->head_size &&
            heads[i].timestamp_ms == log->head_timestamp_ms) {
            newest = &heads[i];
        }
    }
    buffer_append_byte(out, '{');
    append_text_member(out, "name", bytes_from_text(log->name));
    buffer_append_text(out, "\"log_id\":\"");
    text_append_base64(out, sha256_bytes(&log->id));
    buffer_printf(out, "\",\"api\":\"%s\",\"indexed\":%llu,\"verified\":%llu,",
                  log->api == LOG_API_STATIC ? "static" : "rfc6962",
                  (unsigned long long)log->indexed,
                  (unsigned long long)log->verified);
    if (log->has_head) {
        buffer_printf(out, "\"tree_size\":%llu,",
                      (unsigned long long)log->head_size);
    } else {
        buffer_append_text(out, "\"tree_size\":null,");
    }
    buffer_printf(out, "\"status\":\"%s\",",
                  log_status_word(log_status(log, clock_wall_ms())));
    append_log_head(out, log, newest);
    return true;
}

bool endpoint_logs(struct route *route, const struct request *request,
                   struct reply *reply, struct err *err)
{
    struct snapshot *snapshot;
    struct arena arena = {0};
    bool ok = route_add_coverage(route, reply, err) &&
              route_snapshot(route, &snapshot, err);

    (void)request;
    buffer_append_text(&reply->body, "{\"logs\":[");
    for (size_t i = 0; ok && i < snapshot_num_logs(snapshot); i++) {
        if (i > 0) buffer_append_byte(&reply->body, ',');
        ok = append_log(&reply->body, snapshot, snapshot_log(snapshot, i),
                        &arena, err);
    }
    buffer_append_text(&reply->body, "]}\n");
    arena_cleanup(&arena);
    reply_field(reply, "Cache-Control", "no-store");
    if (ok) reply_json(reply, 200);
    return ok;
}

bool endpoint_stat(struct route *route, const struct request *request,
                   struct reply *reply, struct err *err)
{
    struct snapshot *snapshot;

    (void)request;
    if (!route_snapshot(route, &snapshot, err) ||
        !stat_append_json(&reply->body, snapshot, err)) {
        return false;
    }
    reply_field(reply, "Cache-Control", "no-store");
    reply_json(reply, 200);
    return true;
}

bool endpoint_health(struct route *route, const struct request *request,
                     struct reply *reply, struct err *err)
{
    struct snapshot *snapshot;

    (void)request;
    reply_field(reply, "Cache-Control", "no-store");
    if (route_snapshot(route, &snapshot, err)) {
        buffer_append_text(&reply->body, "{\"status\":\"ok\"}\n");
        reply_json(reply, 200);
    } else {
        reply_field(reply, "Retry-After", "1");
        reply_error(reply, 503, "unavailable", err->text);
    }
    return true;
}

static void append_lag(struct buffer *out, const struct snapshot *snapshot,
                       const char *name, const char *help, bool seconds)
{
    uint64_t now = clock_wall_ms();

    prometheus_append_head(out, name, "gauge", help);
    for (size_t i = 0; i < snapshot_num_logs(snapshot); i++) {
        const struct index_log *log = snapshot_log(snapshot, i);
        uint64_t lag;

        if (!log->has_head) continue;
        if (seconds) {
            lag = now > log->head_timestamp_ms
                      ? (now - log->head_timestamp_ms) / 1000
                      : 0;
        } else {
            lag = log->head_size > log->verified
                      ? log->head_size - log->verified
                      : 0;
        }
        buffer_printf(out, "%s{log=", name);
        prometheus_append_label(out, log->name);
        buffer_printf(out, "} %llu\n", (unsigned long long)lag);
    }
}

bool endpoint_metrics(struct route *route, const struct request *request,
                      struct reply *reply, struct err *err)
{
    struct buffer *out = &reply->body;
    struct snapshot *snapshot;

    (void)request;
    metrics_append(out, route->all_metrics);
    prometheus_append_head(out, "sanct_build_info", "gauge",
                           "Which version this is.");
    buffer_printf(out, "sanct_build_info{version=\"%s\"} 1\n", SANCT_VERSION);
    if (route_snapshot(route, &snapshot, err)) {
        append_lag(out, snapshot, "sanct_log_lag_entries",
                   "Entries of the newest head that are not held.", false);
        append_lag(out, snapshot, "sanct_log_lag_seconds",
                   "Age of the newest head.", true);
    }
    reply->status = 200;
    reply->content_type = PROMETHEUS_TYPE;
    reply->whole = true;
    return true;
}
