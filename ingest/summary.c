// summary.c - see summary.h.

#include "ingest/summary.h"

#include <inttypes.h>

#include "index/base/json.h"
#include "index/base/log.h"
#include "index/base/text.h"

static const char *status_word(enum reader_status status)
{
    switch (status) {
    case READER_COMPLETE:
        return "complete";
    case READER_PARTIAL:
        return "partial";
    case READER_HALTED:
        return "halted";
    }
    return "partial";
}

static void append_hash(struct buffer *out, const struct sha256_hash *hash)
{
    buffer_append_byte(out, '"');
    text_append_base64(out, sha256_bytes(hash));
    buffer_append_byte(out, '"');
}

static void append_log(struct buffer *out, const struct index_log *log,
                       const struct reader_totals *totals)
{
    buffer_append_text(out, "{\"name\":");
    json_append_string(out, bytes_from_text(log->name));
    buffer_append_text(out, ",\"log_id\":");
    append_hash(out, &log->id);
    if (totals->has_head) {
        buffer_printf(out, ",\"tree_size\":%" PRIu64, totals->size);
    } else {
        buffer_append_text(out, ",\"tree_size\":null");
    }
    buffer_printf(out, ",\"verified\":%" PRIu64 ",\"indexed\":%" PRIu64,
                  log->verified, log->indexed);
    buffer_append_text(out, ",\"root_hash\":");
    if (totals->has_head) {
        append_hash(out, &totals->root);
    } else {
        buffer_append_text(out, "null");
    }
    buffer_printf(out,
                  ",\"entries\":%" PRIu64 ",\"unparsed\":%" PRIu64
                  ",\"names\":%" PRIu64 ",\"bytes_received\":%" PRIu64
                  ",\"seconds\":%.3f,\"cpu_seconds\":%.3f,\"status\":\"%s\"",
                  totals->entries, log->unparsed, totals->num_names,
                  totals->bytes_received, (double)totals->wall_ms / 1e3,
                  (double)totals->cpu_ns / 1e9, status_word(totals->status));
    buffer_printf(out,
                  ",\"api\":\"%s\",\"tiles_missing\":%s,\"requests\":%" PRIu64
                  ",\"retries\":%" PRIu64,
                  totals->api == LOG_API_STATIC ? "static" : "rfc6962",
                  totals->tiles_missing ? "true" : "false",
                  totals->live.num_requests, totals->live.num_retries);
    buffer_append_text(out, ",\"error\":");
    if (totals->err.code == ERR_NONE) {
        buffer_append_text(out, "null");
    } else {
        json_append_string(out, bytes_from_text(totals->err.text));
    }
    buffer_append_byte(out, '}');
}

bool summary_write(struct buffer *out, const struct pipeline *pipeline,
                   const struct summary_run *run, struct err *err)
{
    size_t num_logs = pipeline_num_logs(pipeline);
    struct snapshot *snapshot;
    uint64_t entries = 0;

    if (!snapshot_open(&snapshot, pipeline_index(pipeline), err)) return false;
    buffer_append_text(out, "{\"logs\":[");
    for (size_t i = 0; i < num_logs; i++) {
        const struct reader_config *config = pipeline_config(pipeline, i);
        struct reader_totals totals = pipeline_totals(pipeline, i);
        const struct index_log *log =
            snapshot_find_log(snapshot, config->log.number);

        if (i > 0) buffer_append_byte(out, ',');
        append_log(out, log != NULL ? log : &config->log, &totals);
        entries += totals.entries;
    }
    snapshot_close(snapshot);
    buffer_printf(
        out,
        "],\"entries\":%" PRIu64 ",\"seconds\":%.3f,\"cpu_seconds\":"
        "%.3f,\"entries_per_second\":%.1f,\"peak_memory_bytes\":%" PRIu64
        ",\"syscalls\":%" PRIu64 "}\n",
        entries, run->seconds, run->cpu_seconds,
        run->seconds > 0 ? (double)entries / run->seconds : 0.0,
        run->peak_memory_bytes, pipeline_num_syscalls(pipeline));
    return buffer_ok(out) || err_set(err, ERR_MEMORY, "no memory");
}

void summary_say(const struct pipeline *pipeline)
{
    for (size_t i = 0; i < pipeline_num_logs(pipeline); i++) {
        const char *name = pipeline_config(pipeline, i)->log.name;
        struct reader_totals totals = pipeline_totals(pipeline, i);

        if (totals.err.code != ERR_NONE) {
            log_line(LOG_ERROR, "%s: %s: %s", name, status_word(totals.status),
                     totals.err.text);
        } else if (totals.ended) {
            log_line(LOG_INFO,
                     "%s: %s: %" PRIu64 " entries added, %" PRIu64
                     " of %" PRIu64 " held",
                     name, status_word(totals.status), totals.entries,
                     totals.done, totals.goal);
        }
    }
}

int summary_exit_code(const struct pipeline *pipeline)
{
    int code = 0;

    for (size_t i = 0; i < pipeline_num_logs(pipeline); i++) {
        struct reader_totals totals = pipeline_totals(pipeline, i);
        int own = totals.err.code == ERR_INTERRUPTED
                      ? 0
                      : err_exit_code(totals.err.code);

        if (totals.status == READER_HALTED) own = 5;
        if (own > code) code = own;
    }
    return code;
}
