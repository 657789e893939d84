// endpoint_crtsh.c - `/` and `/json`, as crt.sh answers (API.md section 2).
//
// Rows come newest first, so what decides their order is gathered before the
// first is written: 40 bytes a row, and their text as long as that is little;
// else the certificate is read again.  Above ANSWER_SORTED_MAX issuances rows
// come as they are found, which the head says.

#include <stdio.h>
#include <stdlib.h>

#include "index/base/text.h"
#include "query/server/crtsh_query.h"
#include "query/server/link.h"
#include "query/server/route_parts.h"
#include "query/shape/pem.h"

enum {
    TEXTS_MAX = 1 << 20, // of rows that are ready
    AFTER_SIZE = 48,
};

struct row {
    struct crtsh_row row;
    size_t start, len; // of its text; len 0: not kept
};

struct listing {
    struct route *route;
    struct arena arena;
    struct arena scratch; // of a certificate that is read again
    struct bytes query_string;
    struct crtsh_query query;
    struct question question;
    struct answer *answer;
    bool is_gathered;
    bool is_streaming; // too many to be sorted
    bool is_cut;
    bool begun; // what stands before the rows is written
    bool any;   // a row is
    struct row *rows;
    size_t num_rows, rows_room, next_row;
    struct buffer texts;
    uint64_t whole_to; // position of the last issuance that is whole
    uint64_t num_of_next;
};

static void drop(struct reply *reply)
{
    struct listing *l = reply->state;

    answer_close(l->answer);
    buffer_cleanup(&l->texts);
    free(l->rows);
    arena_cleanup(&l->scratch);
    arena_cleanup(&l->arena);
    free(l);
    reply->state = NULL;
    reply->drop = NULL;
}

// ------------------------------------------------------------- gathering

static struct row *new_row(struct listing *l, struct err *err)
{
    if (l->num_rows == l->rows_room) {
        size_t room = l->rows_room == 0 ? 16 : 2 * l->rows_room;
        struct row *rows = realloc(l->rows, room * sizeof *rows);

        if (rows == NULL) {
            (void)err_set(err, ERR_MEMORY, "no memory for an answer");
            return NULL;
        }
        l->rows = rows;
        l->rows_room = room;
    }
    return &l->rows[l->num_rows++];
}

static int compare_ids(const void *a, const void *b)
{
    const struct row *left = a, *right = b;

    return (left->row.id > right->row.id) - (left->row.id < right->row.id);
}

static int compare_times(const void *a, const void *b)
{
    const struct row *left = a, *right = b;
    int order = (left->row.timestamp_ms < right->row.timestamp_ms) -
                (left->row.timestamp_ms > right->row.timestamp_ms);

    return order != 0 ? order : -compare_ids(a, b);
}

static bool is_wanted(const struct listing *l, const struct row *row,
                      const struct entry *entry)
{
    if (l->query.has_hash &&
        !(entry->has_certificate_sha256 &&
          sha256_equal(&entry->certificate_sha256, &l->query.hash))) {
        return false;
    }
    if (l->query.id != 0 && row->row.id != l->query.id) return false;
    return crtsh_has_match(entry, &l->question);
}

// Makes a row of the certificate whose sightings are [first, end).
static bool add_certificate(struct listing *l, const struct issuance *issuance,
                            size_t first, size_t end, struct err *err)
{
    const struct entry *entry = issuance->sightings[first].entry;
    struct row row = {.row = {.id = UINT64_MAX, .timestamp_ms = UINT64_MAX}};
    struct row *kept;

    for (size_t i = first; i < end; i++) {
        const struct sighting *sighting = &issuance->sightings[i];

        if (sighting->id < row.row.id) row.row.id = sighting->id;
        if (sighting->facts.timestamp_ms < row.row.timestamp_ms) {
            row.row.timestamp_ms = sighting->facts.timestamp_ms;
        }
    }
    if (!is_wanted(l, &row, entry)) return true;
    if (l->texts.len < TEXTS_MAX) {
        row.start = l->texts.len;
        crtsh_append_row(&l->texts, l->query.output, &row.row, entry,
                         &l->question);
        row.len = l->texts.len - row.start;
    }
    kept = new_row(l, err);
    if (kept == NULL) return false;
    *kept = row;
    return true;
}

static bool same_certificate(const struct sighting *a, const struct sighting *b)
{
    return a->entry->has_certificate_sha256 &&
           b->entry->has_certificate_sha256 &&
           sha256_equal(&a->entry->certificate_sha256,
                        &b->entry->certificate_sha256);
}

// Keeps of the rows of an issuance, from `first` on, what belongs to the page.
static void cut_rows(struct listing *l, size_t first, uint64_t position)
{
    size_t num = l->num_rows - first;
    size_t skip = l->query.skip < num ? (size_t)l->query.skip : num;

    l->query.skip = 0;
    if (skip > 0) {
        memmove(&l->rows[first], &l->rows[first + skip],
                (num - skip) * sizeof *l->rows);
        l->num_rows -= skip;
    }
    if (l->query.limit != 0 && l->num_rows > l->query.limit) {
        l->num_of_next = skip + (l->query.limit - first);
        l->num_rows = (size_t)l->query.limit;
        l->is_cut = true;
    } else {
        l->whole_to = position;
    }
}

static bool add_issuance(struct listing *l, const struct issuance *issuance,
                         struct err *err)
{
    size_t first = l->num_rows, end;

    for (size_t i = 0; i < issuance->num_sightings; i = end) {
        end = i + 1;
        while (end < issuance->num_sightings &&
               same_certificate(&issuance->sightings[i],
                                &issuance->sightings[end])) {
            end++;
        }
        if (!add_certificate(l, issuance, i, end, err)) return false;
    }
    if (l->num_rows == first) {
        l->query.skip = 0;
        l->whole_to = answer_position(l->answer);
        return true;
    }
    qsort(&l->rows[first], l->num_rows - first, sizeof *l->rows, compare_ids);
    if (l->query.deduplicate) l->num_rows = first + 1;
    cut_rows(l, first, answer_position(l->answer));
    return true;
}

static void end_gathering(struct listing *l, struct reply *reply)
{
    char after[AFTER_SIZE];

    l->is_gathered = true;
    if (!l->is_streaming && l->num_rows > 0) {
        qsort(l->rows, l->num_rows, sizeof *l->rows, compare_times);
    }
    if (!l->is_cut) return;
    (void)snprintf(after, sizeof after, "%llu-%llu",
                   (unsigned long long)l->whole_to,
                   (unsigned long long)l->num_of_next);
    link_add_next(reply, l->query_string, after);
}

static bool gather(struct listing *l, struct snapshot *snapshot,
                   struct reply *reply, struct err *err)
{
    const struct issuance *issuance;
    enum answer_step step;

    if (!answer_next(l->answer, snapshot, &step, &issuance, err)) return false;
    if (step == ANSWER_END) {
        // Where issuances were cut, rows of all that came are in the page.
        if (answer_cursor(l->answer).len > 0) l->is_cut = true;
        end_gathering(l, reply);
        return true;
    }
    if (step != ANSWER_ISSUANCE) return true;
    if (answer_order_found(l->answer) && !l->is_streaming) {
        l->is_streaming = true;
        reply_field(reply, "Sanct-Order", "found");
    }
    if (l->query.limit != 0 && l->num_rows == l->query.limit) l->is_cut = true;
    if (!l->is_cut && !add_issuance(l, issuance, err)) return false;
    if (l->is_cut) end_gathering(l, reply);
    return true;
}

// ------------------------------------------------------------- writing

static bool append_again(struct listing *l, const struct row *row,
                         struct snapshot *snapshot, struct buffer *out,
                         struct err *err)
{
    struct entry entry;
    bool has_bytes;

    arena_reset(&l->scratch);
    if (!snapshot_entry(snapshot, row->row.id, ENTRY_ALL, &entry, &has_bytes,
                        &l->scratch, err)) {
        return false;
    }
    crtsh_append_row(out, l->query.output, &row->row, &entry, &l->question);
    return true;
}

static bool write_row(struct listing *l, struct snapshot *snapshot,
                      struct reply *reply, struct err *err)
{
    const struct row *row = &l->rows[l->next_row];
    struct buffer *out = &reply->body;
    size_t start = out->len;

    if (l->any && l->query.output == CRTSH_JSON) buffer_append_byte(out, ',');
    if (row->len > 0) {
        buffer_append(out, bytes_of(l->texts.data + row->start, row->len));
    } else if (!append_again(l, row, snapshot, out, err)) {
        out->len = start; // it may be asked for again
        return false;
    }
    l->any = true;
    l->next_row++;
    return true;
}

// In a stream what was gathered is written at once and forgotten.
static void forget_rows(struct listing *l)
{
    if (l->next_row < l->num_rows || !l->is_streaming) return;
    l->next_row = 0;
    l->num_rows = 0;
    buffer_reset(&l->texts);
}

static bool step(struct listing *l, struct snapshot *snapshot,
                 struct reply *reply, struct err *err)
{
    if (!l->is_gathered && !(l->is_streaming && l->next_row < l->num_rows)) {
        return gather(l, snapshot, reply, err);
    }
    if (!l->begun) crtsh_begin(&reply->body, l->query.output);
    l->begun = true;
    if (l->next_row < l->num_rows) {
        if (!write_row(l, snapshot, reply, err)) return false;
        forget_rows(l);
        return true;
    }
    crtsh_end(&reply->body, l->query.output);
    reply->whole = true;
    return true;
}

static bool more(struct reply *reply, struct err *err)
{
    struct listing *l = reply->state;
    struct snapshot *snapshot;
    bool ok = route_snapshot(l->route, &snapshot, err);

    for (int i = 0; ok && i < REPLY_STEPS && !reply->whole &&
                    reply->body.len < REPLY_PIECE;
         i++) {
        ok = step(l, snapshot, reply, err);
    }
    answer_park(l->answer);
    if (ok && !buffer_ok(&l->texts)) {
        ok = err_set(err, ERR_MEMORY, "no memory for an answer");
    }
    return ok;
}

// ------------------------------------------------------------- asking

// A certificate's id is that of its first entry: its hash finds all of it.
static bool find_by_id(struct listing *l, struct snapshot *snapshot,
                       struct err *err)
{
    struct sha256_hash hash = {0};
    struct buffer text = {0};
    struct entry entry;
    bool has_bytes, ok;

    ok = snapshot_entry(snapshot, l->query.id, ENTRY_ALL, &entry, &has_bytes,
                        &l->scratch, err);
    if (!ok && err->code != ERR_NOT_FOUND) return false;
    // No certificate has the hash of zeros that is left where there is none.
    if (ok && entry.has_certificate_sha256) {
        buffer_append_text(&text, "sha256:");
        hash = entry.certificate_sha256;
    } else {
        buffer_append_text(&text, "tbs:");
        if (ok && entry.has_tbs_sha256) hash = entry.tbs_sha256;
    }
    text_append_hex(&text, sha256_bytes(&hash));
    ok = buffer_ok(&text) &&
         arena_copy(&l->arena, buffer_bytes(&text), &l->query.what);
    buffer_cleanup(&text);
    return ok || err_set(err, ERR_MEMORY, "no memory for a question");
}

static bool download(struct listing *l, struct snapshot *snapshot,
                     struct reply *reply, struct err *err)
{
    struct sha256_hash hash = l->query.hash;
    struct entry entry;
    bool has_bytes;

    if (!l->query.has_hash) {
        if (!snapshot_entry(snapshot, l->query.id, ENTRY_ALL, &entry,
                            &has_bytes, &l->scratch, err)) {
            return false;
        }
        if (!entry.has_certificate_sha256) {
            return err_set(err, ERR_NOT_FOUND, "no such certificate is held");
        }
        hash = entry.certificate_sha256;
    }
    reply->content_type = "application/x-pem-file";
    reply->status = 200;
    reply->whole = true;
    if (!route_find_certificate(l->route, &hash, true, &reply->body, err)) {
        if (err->code != ERR_UNSUPPORTED) return false;
        reply_error(reply, 404, "not_kept", err->text);
    }
    return true;
}

static void set_type(struct listing *l, const struct request *request,
                     bool is_json, struct reply *reply)
{
    static const char *const types[] = {
        [CRTSH_JSON] = "application/json",
        [CRTSH_CSV] = "text/csv; charset=utf-8",
        [CRTSH_HTML] = "text/html; charset=utf-8",
    };

    if (!l->query.has_output) {
        is_json = is_json || http_list_has(request->http->fields, "Accept",
                                           "application/json");
        l->query.output = is_json ? CRTSH_JSON : CRTSH_HTML;
    }
    reply->content_type = types[l->query.output];
    if (l->query.output == CRTSH_HTML) {
        reply_field(reply, "Content-Security-Policy", "default-src 'none'");
    }
}

static bool begin(struct route *route, const struct request *request,
                  bool is_json, struct reply *reply, struct err *err)
{
    struct listing *l = calloc(1, sizeof *l);
    struct snapshot *snapshot;

    if (l == NULL) return err_set(err, ERR_MEMORY, "no memory for a question");
    l->route = route;
    reply->state = l;
    reply->drop = drop;
    reply->for_all = true;
    reply->of_moment = true;
    reply->status = 200;
    reply_field(reply, "Access-Control-Allow-Origin", "*");
    reply_field(reply, "Cache-Control", "no-store");
    if (!arena_copy(&l->arena, request->query, &l->query_string)) {
        return err_set(err, ERR_MEMORY, "no memory for a question");
    }
    if (!crtsh_query_read(&l->query, l->query_string, &l->arena, err) ||
        !route_add_coverage(route, reply, err) ||
        !route_snapshot(route, &snapshot, err)) {
        return false;
    }
    if (l->query.search == CRTSH_DOWNLOAD) {
        return download(l, snapshot, reply, err);
    }
    if (l->query.search == CRTSH_ID && !find_by_id(l, snapshot, err)) {
        return false;
    }
    if (l->query.filters.has_after) {
        (void)!text_parse_uint(&l->whole_to, l->query.filters.after);
    }
    set_type(l, request, is_json, reply);
    reply->more = more;
    if (!question_parse(&l->question, &l->query.filters, l->query.what, "q",
                        &l->arena, err) ||
        !answer_open(&l->answer, &l->question, snapshot, clock_wall_ms(),
                     err)) {
        return false;
    }
    answer_want(l->answer, ENTRY_NAMES);
    return true;
}

bool endpoint_crtsh(struct route *route, const struct request *request,
                    struct reply *reply, struct err *err)
{
    return begin(route, request, false, reply, err);
}

bool endpoint_crtsh_json(struct route *route, const struct request *request,
                         struct reply *reply, struct err *err)
{
    return begin(route, request, true, reply, err);
}
