// stat.c - see stat.h.

#include "index/stat.h"

#include "index/base/json.h"
#include "index/base/text.h"

static void append_uint(struct buffer *out, const char *name, uint64_t value)
{
    buffer_printf(out, "\"%s\":%llu", name, (unsigned long long)value);
}

static void append_log(struct buffer *out, const struct index_log *log)
{
    char time_text[TEXT_TIME_LEN_MAX];

    buffer_append_text(out, "{\"name\":");
    json_append_string(out, bytes_from_text(log->name));
    buffer_append_text(out, ",\"log_id\":\"");
    text_append_base64(out, sha256_bytes(&log->id));
    buffer_printf(out, "\",\"api\":\"%s\",",
                  log->api == LOG_API_STATIC ? "static" : "rfc6962");
    if (log->has_head) {
        append_uint(out, "tree_size", log->head_size);
    } else {
        buffer_append_text(out, "\"tree_size\":null");
    }
    buffer_append_byte(out, ',');
    append_uint(out, "indexed", log->indexed);
    buffer_append_byte(out, ',');
    append_uint(out, "verified", log->verified);
    if (!log->has_head) {
        buffer_append_text(out, ",\"root_hash\":null,\"timestamp\":null}");
        return;
    }
    buffer_append_text(out, ",\"root_hash\":\"");
    text_append_base64(out, sha256_bytes(&log->head_root));
    buffer_printf(out, "\",\"timestamp\":\"%s\"}",
                  text_time_utc_ms(time_text, log->head_timestamp_ms));
}

bool stat_append_json(struct buffer *out, struct snapshot *snapshot,
                      struct err *err)
{
    struct index_stat stat;

    if (!snapshot_stat(snapshot, &stat, err)) return false;
    buffer_printf(out, "{\"format\":%d,", INDEX_FORMAT);
    append_uint(out, "entries", stat.entries);
    buffer_append_byte(out, ',');
    append_uint(out, "keys", stat.keys);
    buffer_append_byte(out, ',');
    append_uint(out, "postings", stat.postings);
    buffer_append_byte(out, ',');
    append_uint(out, "unparsed", stat.unparsed);
    buffer_append_byte(out, ',');
    append_uint(out, "segments", stat.segments);
    buffer_append_byte(out, ',');
    append_uint(out, "runs", stat.runs);
    buffer_append_byte(out, ',');
    append_uint(out, "tail_entries", stat.tail_entries);
    buffer_append_text(out, ",\"bytes\":{");
    append_uint(out, "total", stat.bytes_total);
    buffer_append_byte(out, ',');
    append_uint(out, "entries", stat.bytes_entries);
    buffer_append_byte(out, ',');
    append_uint(out, "names", stat.bytes_names);
    buffer_append_byte(out, ',');
    append_uint(out, "other", stat.bytes_other);
    buffer_append_text(out, "},\"logs\":[");
    for (size_t i = 0; i < snapshot_num_logs(snapshot); i++) {
        if (i > 0) buffer_append_byte(out, ',');
        append_log(out, snapshot_log(snapshot, i));
    }
    buffer_append_text(out, "]}\n");
    return true;
}
