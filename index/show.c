// show.c - see show.h.

#include "index/show.h"

#include <inttypes.h>

#include "index/base/json.h"
#include "index/base/text.h"

enum { ARENA_KEEP_MAX = 4 * 1024 * 1024 };

struct show {
    FILE *out; // NULL: `text` is kept until the end
    struct snapshot *snapshot;
    enum show_format format;
    const struct index_log *log;
    struct buffer text;
    struct arena arena;
};

static bool no_memory(struct err *err)
{
    return err_set(err, ERR_MEMORY, "no memory for what is shown");
}

// Writes what was made so far, where it need not be held back.
static bool flush(struct show *show, FILE *out, struct err *err)
{
    if (!buffer_ok(&show->text)) return no_memory(err);
    if (out == NULL || show->text.len == 0) return true;
    (void)fwrite(show->text.data, 1, show->text.len, out);
    buffer_reset(&show->text);
    return true;
}

static void forget(struct show *show)
{
    if (show->arena.total > ARENA_KEEP_MAX) {
        arena_cleanup(&show->arena);
    } else {
        arena_reset(&show->arena);
    }
}

// Visits the chunks of every log, then writes what was held back.
static bool each_chunk(struct show *show, FILE *out, chunk_visit *visit,
                       struct err *err)
{
    bool ok = true;

    for (size_t i = 0; ok && i < snapshot_num_logs(show->snapshot); i++) {
        show->log = snapshot_log(show->snapshot, i);
        ok = snapshot_each_chunk(show->snapshot, show->log->number, visit, show,
                                 err);
    }
    ok = ok && flush(show, out, err);
    buffer_cleanup(&show->text);
    arena_cleanup(&show->arena);
    return ok;
}

static void append_log(struct buffer *out, const struct index_log *log)
{
    buffer_append_text(out, "{\"log\":");
    json_append_string(out, bytes_from_text(log->name));
    buffer_append_text(out, ",\"log_id\":\"");
    text_append_base64(out, sha256_bytes(&log->id));
    buffer_append_byte(out, '"');
}

static void append_hash(struct buffer *out, bool has,
                        const struct sha256_hash *hash)
{
    if (!has) {
        buffer_append_text(out, "null");
        return;
    }
    buffer_append_byte(out, '"');
    text_append_hex(out, sha256_bytes(hash));
    buffer_append_byte(out, '"');
}

// The names as an array of JSON strings, or with commas between.
static void append_names(struct buffer *out, const struct entry *entry,
                         bool json)
{
    struct buffer name = {0};

    for (size_t i = 0; i < entry->names.num_terms; i++) {
        const struct term *term = &entry->names.terms[i];

        // The parent's gathering of an irregular name is no name.
        if (term->kind == TERM_IRREGULAR) continue;
        buffer_reset(&name);
        names_append_term(&name, term->kind, term->value);
        if (!buffer_ok(&name)) out->failed = true;
        if (out->len > 0 && out->data[out->len - 1] != '[' &&
            out->data[out->len - 1] != '\t') {
            buffer_append_byte(out, ',');
        }
        if (json) {
            json_append_string(out, buffer_bytes(&name));
        } else {
            text_append_escaped(out, buffer_bytes(&name));
        }
    }
    buffer_cleanup(&name);
}

// ------------------------------------------------------------ unparsed

static void append_unparsed(struct show *show, const struct entry *entry)
{
    struct buffer *out = &show->text;

    if (show->format == SHOW_TEXT) {
        text_append_escaped(out, bytes_from_text(show->log->name));
        buffer_printf(out, "\t%" PRIu64 "\t%s\t", entry->bytes.index,
                      entry->reason);
        append_names(out, entry, false);
        buffer_append_byte(out, '\n');
        return;
    }
    append_log(out, show->log);
    buffer_printf(out,
                  ",\"index\":%" PRIu64 ",\"reason\":", entry->bytes.index);
    json_append_string(out, bytes_from_text(entry->reason));
    buffer_append_text(out, ",\"sha256\":");
    append_hash(out, entry->has_certificate_sha256, &entry->certificate_sha256);
    buffer_append_text(out, ",\"names\":[");
    append_names(out, entry, true);
    buffer_append_text(out, "]}\n");
}

static bool unparsed_chunk(void *context, const struct chunk_info *chunk,
                           struct err *err)
{
    struct show *show = context;

    for (uint64_t i = 0; i < chunk->num_entries; i++) {
        struct entry_facts facts;
        struct entry entry;
        bool has_bytes;

        if (!snapshot_facts(show->snapshot, chunk->id + i, &facts, err)) {
            return false;
        }
        if ((facts.flags & FLAG_UNPARSED) == 0) continue;
        if (!snapshot_entry(show->snapshot, chunk->id + i, ENTRY_ALL, &entry,
                            &has_bytes, &show->arena, err)) {
            return false;
        }
        append_unparsed(show, &entry);
        forget(show);
        if (!flush(show, show->out, err)) return false;
    }
    return true;
}

bool show_unparsed(FILE *out, struct snapshot *snapshot,
                   enum show_format format, struct err *err)
{
    struct show show = {.out = format == SHOW_JSON ? NULL : out,
                        .snapshot = snapshot,
                        .format = format};

    return each_chunk(&show, out, unparsed_chunk, err);
}

// ------------------------------------------------------------ export

// What a log entry's certificate is: of a precertificate entry the one that
// came beside the leaf.
static struct bytes certificate_of(const struct entry *entry)
{
    if (entry->leaf.type == LEAF_PRECERT) return entry->bytes.precert;
    if (entry->leaf.type == LEAF_X509) return entry->leaf.certificate;
    return (struct bytes){0};
}

static void append_entry(struct show *show, const struct entry *entry,
                         bool has_bytes)
{
    static const char *const types[] = {"final", "precert"};
    struct buffer *out = &show->text;
    struct bytes der = certificate_of(entry);
    char seen[TEXT_TIME_LEN_MAX];

    append_log(out, show->log);
    buffer_printf(out, ",\"index\":%" PRIu64 ",\"timestamp\":\"%s\",",
                  entry->bytes.index,
                  text_time_utc_ms(seen, entry->leaf.timestamp_ms));
    if (entry->leaf.type == LEAF_UNKNOWN) {
        buffer_append_text(out, "\"type\":null");
    } else {
        buffer_printf(out, "\"type\":\"%s\"", types[entry->leaf.type]);
    }
    buffer_append_text(out, ",\"sha256\":");
    append_hash(out, entry->has_certificate_sha256, &entry->certificate_sha256);
    buffer_append_text(out, ",\"tbs_sha256\":");
    append_hash(out, entry->has_tbs_sha256, &entry->tbs_sha256);
    buffer_append_text(out, ",\"leaf_hash\":\"");
    text_append_base64(out, sha256_bytes(&entry->leaf_hash));
    buffer_append_text(out, "\",\"names\":[");
    append_names(out, entry, true);
    buffer_append_text(out, "],\"chain\":[");
    for (size_t i = 0; i < entry->bytes.num_chain; i++) {
        if (i > 0) buffer_append_byte(out, ',');
        append_hash(out, true, &entry->bytes.chain[i]);
    }
    buffer_append_text(out, "],\"der\":");
    if (has_bytes && der.len > 0) {
        buffer_append_byte(out, '"');
        text_append_base64(out, der);
        buffer_append_text(out, "\"}\n");
    } else {
        buffer_append_text(out, "null}\n");
    }
}

static bool export_chunk(void *context, const struct chunk_info *chunk,
                         struct err *err)
{
    struct show *show = context;

    for (uint64_t i = 0; i < chunk->num_entries; i++) {
        struct entry entry;
        bool has_bytes;

        if (!snapshot_entry(show->snapshot, chunk->id + i, ENTRY_ALL, &entry,
                            &has_bytes, &show->arena, err)) {
            return false;
        }
        if (show->format != SHOW_PEM) {
            append_entry(show, &entry, has_bytes);
        } else if (certificate_of(&entry).len > 0) {
            text_append_pem(&show->text, certificate_of(&entry));
        }
        forget(show);
        if (!flush(show, show->out, err)) return false;
    }
    return true;
}

bool show_export(FILE *out, struct snapshot *snapshot, enum show_format format,
                 struct err *err)
{
    struct show show = {.out = out, .snapshot = snapshot, .format = format};

    for (size_t i = 0; i < snapshot_num_logs(snapshot); i++) {
        const struct index_log *log = snapshot_log(snapshot, i);

        if (format != SHOW_PEM || log->keep != KEEP_FACTS) continue;
        return err_set(err, ERR_INDEX,
                       "%s is kept as facts: there is no PEM of it", log->name);
    }
    return each_chunk(&show, out, export_chunk, err);
}

// ------------------------------------------------------------ heads

static void append_head(struct buffer *out, const struct index_log *log,
                        const struct head *head, enum show_format format)
{
    char seen[TEXT_TIME_LEN_MAX];

    (void)text_time_utc_ms(seen, head->timestamp_ms);
    if (format == SHOW_TEXT) {
        text_append_escaped(out, bytes_from_text(log->name));
        buffer_printf(out, "\t%" PRIu64 "\t%s\t", head->size, seen);
        text_append_base64(out, sha256_bytes(&head->root));
        buffer_append_byte(out, '\n');
        return;
    }
    append_log(out, log);
    buffer_printf(out, ",\"tree_size\":%" PRIu64 ",\"timestamp\":\"%s\"",
                  head->size, seen);
    buffer_append_text(out, ",\"root_hash\":\"");
    text_append_base64(out, sha256_bytes(&head->root));
    buffer_append_text(out, "\",\"head\":");
    // A checkpoint's foreign lines may hold anything.
    if (!json_append_verbatim(out, head->served)) {
        json_append_string(out, head->served);
    }
    buffer_append_text(out, "}\n");
}

bool show_heads(FILE *out, struct snapshot *snapshot, enum show_format format,
                struct err *err)
{
    struct show show = {.snapshot = snapshot, .format = format};
    bool ok = true;

    for (size_t i = 0; ok && i < snapshot_num_logs(snapshot); i++) {
        const struct index_log *log = snapshot_log(snapshot, i);
        struct head *heads;
        size_t num;

        ok = snapshot_heads(snapshot, log->number, &heads, &num, &show.arena,
                            err);
        for (size_t k = 0; ok && k < num; k++) {
            append_head(&show.text, log, &heads[k], format);
        }
    }
    ok = ok && flush(&show, out, err);
    buffer_cleanup(&show.text);
    arena_cleanup(&show.arena);
    return ok;
}
