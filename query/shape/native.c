// native.c - see native.h.

#include "query/shape/native.h"

#include "index/base/json.h"
#include "query/shape/put.h"

enum { QUERY_SHOWN_MAX = 256 };

// ------------------------------------------------------------- logs

static bool append_ranges(struct buffer *out, struct snapshot *snapshot,
                          uint32_t log, struct err *err)
{
    struct arena arena = {0};
    struct row row = {.out = out};
    struct log_range *ranges;
    size_t num_ranges;
    bool ok = snapshot_ranges(snapshot, log, &ranges, &num_ranges, &arena, err);

    buffer_append_byte(out, '[');
    for (size_t i = 0; ok && i < num_ranges; i++) {
        row_next(&row);
        buffer_printf(out, "[%llu,%llu]", (unsigned long long)ranges[i].first,
                      (unsigned long long)ranges[i].end);
    }
    buffer_append_byte(out, ']');
    arena_cleanup(&arena);
    return ok;
}

static bool append_log(struct buffer *out, struct snapshot *snapshot,
                       const struct index_log *log, uint64_t now_ms,
                       struct err *err)
{
    buffer_append_text(out, "{\"log\":");
    put_text(out, log->name);
    buffer_append_text(out, ",\"log_id\":");
    put_base64(out, sha256_bytes(&log->id));
    buffer_append_text(out, ",\"tree_size\":");
    if (log->has_head) {
        put_uint(out, log->head_size);
    } else {
        buffer_append_text(out, "null");
    }
    buffer_append_text(out, ",\"verified\":");
    put_uint(out, log->verified);
    buffer_append_text(out, ",\"ranges\":");
    if (!append_ranges(out, snapshot, log->number, err)) return false;
    buffer_printf(out, ",\"status\":\"%s\",\"head_timestamp\":",
                  log_status_word(log_status(log, now_ms)));
    if (log->has_head) {
        put_time_ms(out, log->head_timestamp_ms);
    } else {
        buffer_append_text(out, "null");
    }
    buffer_append_text(out, ",\"unparsed\":");
    put_uint(out, log->unparsed);
    buffer_append_byte(out, '}');
    return true;
}

static bool write_logs(struct buffer *out, struct snapshot *snapshot,
                       uint64_t now_ms, struct err *err)
{
    struct row row = {.out = out};

    buffer_append_byte(out, '[');
    for (size_t i = 0; i < snapshot_num_logs(snapshot); i++) {
        row_next(&row);
        if (!append_log(out, snapshot, snapshot_log(snapshot, i), now_ms,
                        err)) {
            return false;
        }
    }
    buffer_append_byte(out, ']');
    return true;
}

// What the logs' text depends on besides the snapshot: a log becomes stale by
// the clock alone.
static void append_statuses(struct buffer *out, const struct snapshot *snapshot,
                            uint64_t now_ms)
{
    for (size_t i = 0; i < snapshot_num_logs(snapshot); i++) {
        buffer_append_byte(
            out, (uint8_t)log_status(snapshot_log(snapshot, i), now_ms));
    }
}

// Gives the array `logs`, which may have been made in `room`.
static bool make_logs(struct bytes *logs, struct buffer *room,
                      struct snapshot *snapshot, uint64_t now_ms,
                      struct err *err)
{
    struct memo *memo = snapshot_memo(snapshot);
    struct buffer key = {0};
    bool ok;

    append_statuses(&key, snapshot, now_ms);
    if (buffer_ok(&key) &&
        memo_find(memo, MEMO_LOGS, buffer_bytes(&key), logs)) {
        buffer_cleanup(&key);
        return true;
    }
    ok = write_logs(room, snapshot, now_ms, err);
    *logs = buffer_bytes(room);
    if (!buffer_ok(room) && ok) {
        ok = err_set(err, ERR_MEMORY, "logs: no memory left for them");
    }
    if (ok && buffer_ok(&key)) {
        memo_keep(memo, MEMO_LOGS, buffer_bytes(&key), *logs);
    }
    buffer_cleanup(&key);
    return ok;
}

// ------------------------------------------------------------- an answer

void native_begin(struct native *native)
{
    native->has_issuance = false;
    native->begun = false;
}

void native_cleanup(struct native *native)
{
    buffer_cleanup(&native->logs);
    *native = (struct native){0};
}

// A stream has them again only when they have changed.
static bool append_logs(struct native *native, struct snapshot *snapshot,
                        uint64_t now_ms, struct buffer *out, struct err *err)
{
    struct buffer room = {0};
    struct bytes logs;
    bool ok = make_logs(&logs, &room, snapshot, now_ms, err);
    bool again =
        ok && native->stream && bytes_equal(logs, buffer_bytes(&native->logs));

    if (ok && !again) {
        buffer_append_text(out, ",\"logs\":");
        buffer_append(out, logs);
    }
    if (ok && !again && native->stream) {
        buffer_reset(&native->logs);
        buffer_append(&native->logs, logs);
        if (!buffer_ok(&native->logs)) out->failed = true;
    }
    buffer_cleanup(&room);
    return ok;
}

static bool append_tail(struct native *native, const struct answer *answer,
                        struct snapshot *snapshot, uint64_t now_ms,
                        struct buffer *out, struct err *err)
{
    struct bytes cursor = answer_cursor(answer);

    buffer_append_text(out, "],\"count\":");
    if (answer_has_count(answer)) {
        put_uint(out, answer_count(answer));
    } else {
        buffer_append_text(out, "null");
    }
    buffer_append_text(out, ",\"complete\":");
    put_bool(out, cursor.len == 0);
    buffer_append_text(out, ",\"cursor\":");
    if (cursor.len > 0) {
        json_append_string(out, cursor);
    } else {
        buffer_append_text(out, "null");
    }
    buffer_append_text(out, coverage_is_whole(snapshot, now_ms)
                                ? ",\"coverage\":\"whole\""
                                : ",\"coverage\":\"partial\"");
    if (answer_order_found(answer)) {
        buffer_append_text(out, ",\"order\":\"found\"");
    }
    if (!append_logs(native, snapshot, now_ms, out, err)) return false;
    buffer_append_byte(out, '}');
    return true;
}

bool native_next(struct native *native, struct answer *answer,
                 struct snapshot *snapshot, uint64_t now_ms, struct buffer *out,
                 bool *done, struct err *err)
{
    const struct question *question = answer_question(answer);
    const struct issuance *issuance;
    enum answer_step step;

    *done = false;
    if (!answer_next(answer, snapshot, &step, &issuance, err)) return false;
    if (step == ANSWER_WORKING) return true;
    if (!native->begun) {
        buffer_append_text(out, "{\"query\":");
        put_verbatim(out, question->text);
        buffer_append_text(out, ",\"issuances\":[");
        native->begun = true;
    }
    if (step == ANSWER_ISSUANCE) {
        if (native->has_issuance) buffer_append_byte(out, ',');
        native->has_issuance = true;
        native_append_issuance(out, issuance, question->filters->fields);
    } else {
        *done = true;
        if (!append_tail(native, answer, snapshot, now_ms, out, err)) {
            return false;
        }
    }
    return buffer_ok(out) ||
           err_set(err, ERR_MEMORY, "an answer: no memory left for it");
}

void native_append_count(struct buffer *out, struct bytes query, uint64_t count)
{
    buffer_append_text(out, "{\"query\":");
    put_verbatim(out, query);
    buffer_append_text(out, ",\"count\":");
    put_uint(out, count);
    buffer_append_byte(out, '}');
}

static const char *error_code(enum err_code code)
{
    switch (code) {
    case ERR_USAGE:
    case ERR_MALFORMED:
        return "bad_request";
    case ERR_NOT_FOUND:
        return "not_found";
    case ERR_INDEX:
        return "index_damaged";
    default:
        return "unavailable";
    }
}

void native_append_error(struct buffer *out, const struct err *err)
{
    buffer_printf(out, "{\"code\":\"%s\",\"message\":", error_code(err->code));
    put_verbatim(out, bytes_from_text(err->text));
    buffer_append_byte(out, '}');
}

void native_append_line_error(struct buffer *out, struct bytes line,
                              const struct err *err)
{
    if (line.len > QUERY_SHOWN_MAX) line.len = QUERY_SHOWN_MAX;
    buffer_append_text(out, "{\"query\":");
    put_verbatim(out, line);
    buffer_append_text(out, ",\"error\":");
    native_append_error(out, err);
    buffer_append_byte(out, '}');
}
