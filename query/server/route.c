// route.c - see route.h.

#include "query/server/route.h"

#include <stdlib.h>
#include <time.h>

#include "index/base/json.h"
#include "index/base/text.h"
#include "index/stat.h"
#include "query/server/asking.h"
#include "query/shape/native.h"
#include "query/shape/pem.h"

struct route {
    struct index *index;
    struct snapshot *snapshot; // NULL while nothing is answered
};

bool route_new(struct route **out, struct index *index, struct err *err)
{
    struct route *route = calloc(1, sizeof *route);

    if (route == NULL) return err_set(err, ERR_MEMORY, "no memory");
    route->index = index;
    *out = route;
    return true;
}

void route_free(struct route *route)
{
    if (route == NULL) return;
    snapshot_close(route->snapshot);
    free(route);
}

void route_idle(struct route *route)
{
    snapshot_close(route->snapshot);
    route->snapshot = NULL;
}

static bool open_snapshot(void *context, struct snapshot **out,
                          struct err *err)
{
    struct route *route = context;

    if (route->snapshot == NULL &&
        !snapshot_open(&route->snapshot, route->index, err)) {
        return false;
    }
    *out = route->snapshot;
    return true;
}

static uint64_t now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void reply_err(struct reply *reply, const struct err *err)
{
    switch (err->code) {
    case ERR_USAGE:
    case ERR_MALFORMED:
        reply_error(reply, 400, "bad_request", err->text);
        break;
    case ERR_NOT_FOUND:
        reply_error(reply, 404, "not_found", err->text);
        break;
    case ERR_MEMORY:
        reply_field(reply, "Retry-After", "1");
        reply_error(reply, 503, "unavailable", err->text);
        break;
    default:
        reply_error(reply, 500, "index_damaged", err->text);
        break;
    }
}

// A request as the endpoints see it.
struct request {
    const struct http_request *http;
    struct bytes path; // what follows the endpoint's own path
    struct bytes query;
};

typedef bool endpoint(struct route *route, const struct request *request,
                      struct reply *reply, struct err *err);

static bool add_coverage(struct route *route, struct reply *reply,
                         struct err *err)
{
    struct snapshot *snapshot;

    if (!open_snapshot(route, &snapshot, err)) return false;
    reply_field(reply, "Sanct-Coverage",
                coverage_is_whole(snapshot, now_ms()) ? "whole" : "partial");
    return true;
}

static bool begin_asking(struct route *route, const struct request *request,
                         enum asking_kind kind, struct reply *reply,
                         struct err *err)
{
    reply->status = 200;
    reply->content_type = kind == ASKING_LINES ? "application/x-ndjson"
                                               : "application/json";
    reply_field(reply, "Cache-Control", "no-store");
    return add_coverage(route, reply, err) &&
           asking_begin(reply, kind, request->query, open_snapshot, route, err);
}

static bool get_certs(struct route *route, const struct request *request,
                      struct reply *reply, struct err *err)
{
    return begin_asking(route, request, ASKING_ANSWER, reply, err);
}

static bool get_count(struct route *route, const struct request *request,
                      struct reply *reply, struct err *err)
{
    return begin_asking(route, request, ASKING_COUNT, reply, err);
}

static bool post_certs(struct route *route, const struct request *request,
                       struct reply *reply, struct err *err)
{
    return begin_asking(route, request, ASKING_LINES, reply, err);
}

// ------------------------------------------------------------- certificates

enum cert_shape { SHAPE_JSON, SHAPE_DER, SHAPE_PEM };

static bool ends_with(struct bytes text, const char *suffix)
{
    size_t len = strlen(suffix);

    return text.len >= len &&
           memcmp(text.data + text.len - len, suffix, len) == 0;
}

static bool append_certificate(struct route *route,
                               const struct sha256_hash *hash,
                               enum cert_shape shape, struct reply *reply,
                               struct arena *arena, struct err *err)
{
    struct snapshot *snapshot;
    enum pem_state state;
    struct bytes der;

    if (!open_snapshot(route, &snapshot, err) ||
        !pem_find(snapshot, hash, &state, &der, arena, err)) {
        return false;
    }
    if (state == PEM_ABSENT) {
        return err_set(err, ERR_NOT_FOUND, "no such certificate is held");
    }
    if (state == PEM_NOT_KEPT) {
        return err_set(err, ERR_UNSUPPORTED,
                       "the bytes of this certificate are not kept");
    }
    if (shape == SHAPE_DER) {
        buffer_append(&reply->body, der);
    } else {
        pem_append(&reply->body, der);
    }
    return true;
}

// Sets the fields by which a client may keep what it got, and 304 where it has
// it already.
static void set_caching(const struct request *request, enum cert_shape shape,
                        struct reply *reply)
{
    struct sha256_hash hash = sha256(buffer_bytes(&reply->body));
    struct buffer tag = {0};
    struct bytes known;

    buffer_append_byte(&tag, '"');
    text_append_hex(&tag, bytes_of(hash.bytes, 16));
    buffer_append_text(&tag, "\"");
    buffer_append_byte(&tag, '\0');
    if (buffer_ok(&tag)) reply_field(reply, "ETag", (const char *)tag.data);
    reply_field(reply, "Cache-Control",
                shape == SHAPE_JSON ? "no-cache"
                                    : "max-age=31536000, immutable");
    reply->status = 200;
    reply->whole = true;
    if (buffer_ok(&tag) &&
        http_field_find(request->http->fields, "If-None-Match", &known) &&
        (bytes_equal_text(known, "*") ||
         memmem(known.data, known.len, tag.data, tag.len - 1) != NULL)) {
        buffer_reset(&reply->body);
        reply->status = 304;
    }
    buffer_cleanup(&tag);
}

static bool append_issuance(struct route *route, struct bytes hex,
                            struct reply *reply, struct arena *arena,
                            struct err *err)
{
    enum answer_step step = ANSWER_WORKING;
    const struct issuance *issuance;
    struct answer *answer = NULL;
    struct filters filters = {0};
    struct question question;
    struct snapshot *snapshot;
    struct buffer what = {0};
    bool ok;

    buffer_append_text(&what, "sha256:");
    buffer_append(&what, hex);
    ok = question_parse(&question, &filters, buffer_bytes(&what),
                        "certificate", arena, err) &&
         open_snapshot(route, &snapshot, err) &&
         answer_open(&answer, &question, snapshot, now_ms(), err);
    while (ok && step == ANSWER_WORKING) {
        ok = answer_next(answer, snapshot, &step, &issuance, err);
    }
    if (ok && step == ANSWER_ISSUANCE) {
        native_append_issuance(&reply->body, issuance, 0);
        buffer_append_byte(&reply->body, '\n');
    } else if (ok) {
        ok = err_set(err, ERR_NOT_FOUND, "no such certificate is held");
    }
    answer_close(answer);
    buffer_cleanup(&what);
    return ok;
}

static bool get_cert(struct route *route, const struct request *request,
                     struct reply *reply, struct err *err)
{
    static const char *const types[] = {
        [SHAPE_JSON] = "application/json",
        [SHAPE_DER] = "application/pkix-cert",
        [SHAPE_PEM] = "application/x-pem-file",
    };
    enum cert_shape shape = SHAPE_JSON;
    struct bytes hex = request->path;
    struct sha256_hash hash;
    struct arena arena = {0};
    bool ok;

    if (ends_with(hex, ".der")) shape = SHAPE_DER;
    if (ends_with(hex, ".pem")) shape = SHAPE_PEM;
    if (shape != SHAPE_JSON) hex.len -= 4;
    if (!text_parse_hex(hash.bytes, SHA256_LEN, hex)) {
        return err_set(err, ERR_USAGE,
                       "certificate: 64 hex digits of its SHA-256 are wanted");
    }
    ok = shape == SHAPE_JSON
             ? append_issuance(route, hex, reply, &arena, err)
             : append_certificate(route, &hash, shape, reply, &arena, err);
    arena_cleanup(&arena);
    if (ok) {
        reply->content_type = types[shape];
        set_caching(request, shape, reply);
    } else if (err->code == ERR_UNSUPPORTED) {
        reply_error(reply, 404, "not_kept", err->text);
        return true;
    }
    return ok;
}

// ------------------------------------------------------------- the index

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
    uint64_t now = now_ms();

    if (!log->has_head) {
        buffer_append_text(out, "\"head\":null,\"head_timestamp\":null,"
                                "\"lag_entries\":null,\"lag_seconds\":null}");
        return;
    }
    append_text_member(out, "head",
                       served == NULL ? (struct bytes){0} : served->served);
    append_text_member(out, "head_timestamp",
                       bytes_from_text(text_time_utc_ms(
                           time_text, log->head_timestamp_ms)));
    buffer_printf(out, "\"lag_entries\":%llu,\"lag_seconds\":%llu}",
                  (unsigned long long)(log->head_size > log->verified
                                           ? log->head_size - log->verified
                                           : 0),
                  (unsigned long long)(now > log->head_timestamp_ms
                                           ? (now - log->head_timestamp_ms) /
                                                 1000
                                           : 0));
}

static bool append_log(struct buffer *out, struct snapshot *snapshot,
                       const struct index_log *log, struct arena *arena,
                       struct err *err)
{
    const struct head *newest = NULL;
    struct head *heads;
    size_t num_heads;

    if (!snapshot_heads(snapshot, log->number, &heads, &num_heads, arena, err)) {
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
    buffer_printf(out,
                  "\",\"api\":\"%s\",\"indexed\":%llu,\"verified\":%llu,",
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
                  log_status_word(log_status(log, now_ms())));
    append_log_head(out, log, newest);
    return true;
}

static bool get_logs(struct route *route, const struct request *request,
                     struct reply *reply, struct err *err)
{
    struct snapshot *snapshot;
    struct arena arena = {0};
    bool ok = add_coverage(route, reply, err) &&
              open_snapshot(route, &snapshot, err);

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

static bool get_stat(struct route *route, const struct request *request,
                     struct reply *reply, struct err *err)
{
    struct snapshot *snapshot;

    (void)request;
    if (!open_snapshot(route, &snapshot, err) ||
        !stat_append_json(&reply->body, snapshot, err)) {
        return false;
    }
    reply_field(reply, "Cache-Control", "no-store");
    reply_json(reply, 200);
    return true;
}

static bool get_health(struct route *route, const struct request *request,
                       struct reply *reply, struct err *err)
{
    struct snapshot *snapshot;

    (void)request;
    reply_field(reply, "Cache-Control", "no-store");
    if (open_snapshot(route, &snapshot, err)) {
        buffer_append_text(&reply->body, "{\"status\":\"ok\"}\n");
        reply_json(reply, 200);
    } else {
        reply_field(reply, "Retry-After", "1");
        reply_error(reply, 503, "unavailable", err->text);
    }
    return true;
}

// ------------------------------------------------------------- the table

static const struct {
    const char *path; // a "/" at its end: the rest is the endpoint's
    endpoint *get, *post;
    const char *allow;
} endpoints[] = {
    {"/v1/certs", get_certs, post_certs, "GET, HEAD, POST, OPTIONS"},
    {"/v1/count", get_count, NULL, "GET, HEAD, OPTIONS"},
    {"/v1/cert/", get_cert, NULL, "GET, HEAD, OPTIONS"},
    {"/v1/logs", get_logs, NULL, "GET, HEAD, OPTIONS"},
    {"/v1/stat", get_stat, NULL, "GET, HEAD, OPTIONS"},
    {"/healthz", get_health, NULL, "GET, HEAD, OPTIONS"},
};

static bool matches(struct bytes path, const char *wanted, struct bytes *rest)
{
    struct bytes prefix = bytes_from_text(wanted);

    if (!bytes_starts_with(path, prefix)) return false;
    *rest = bytes_of(path.data + prefix.len, path.len - prefix.len);
    return rest->len == 0 || wanted[prefix.len - 1] == '/';
}

static void reply_options(struct reply *reply, const char *allow)
{
    reply_field(reply, "Allow", allow);
    reply_field(reply, "Access-Control-Allow-Origin", "*");
    reply_field(reply, "Access-Control-Allow-Methods", allow);
    reply->status = 204;
    reply->whole = true;
}

static bool dispatch(struct route *route, struct request *request,
                     struct reply *reply, bool *wants_lines, struct err *err)
{
    struct bytes method = request->http->method;
    struct bytes path = request->path;

    for (size_t i = 0; i < COUNT_OF(endpoints); i++) {
        endpoint *chosen = NULL;

        if (!matches(path, endpoints[i].path, &request->path)) continue;
        if (bytes_equal_text(method, "OPTIONS")) {
            reply_options(reply, endpoints[i].allow);
            return true;
        }
        if (bytes_equal_text(method, "GET") || bytes_equal_text(method, "HEAD"))
            chosen = endpoints[i].get;
        if (bytes_equal_text(method, "POST")) chosen = endpoints[i].post;
        if (chosen == NULL) {
            reply_field(reply, "Allow", endpoints[i].allow);
            reply_error(reply, 405, "method",
                        "this endpoint has no such method");
            return true;
        }
        if (!chosen(route, request, reply, err)) return false;
        *wants_lines = chosen == post_certs;
        return true;
    }
    reply_error(reply, 404, "not_found", "there is no such endpoint");
    return true;
}

void route_request(struct route *route, const struct http_request *http,
                   struct reply *reply, bool *wants_lines)
{
    struct request request = {.http = http};
    struct bytes authority;
    struct err err = {0};

    *wants_lines = false;
    if (!http_target_split(http->target, &authority, &request.path,
                           &request.query)) {
        reply_error(reply, 400, "bad_request", "the target is no path");
        return;
    }
    if (bytes_equal_text(request.path, "*") &&
        bytes_equal_text(http->method, "OPTIONS")) {
        reply_options(reply, "GET, HEAD, POST, OPTIONS");
        return;
    }
    if (!dispatch(route, &request, reply, wants_lines, &err)) {
        reply_reset(reply);
        reply_err(reply, &err);
    }
}

void route_line(struct route *route, struct bytes line, struct reply *reply)
{
    (void)route;
    asking_line(reply, line);
}
