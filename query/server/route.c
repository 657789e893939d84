// route.c - see route.h.

#include <stdlib.h>

#include "index/store/lmdb.h"
#include "query/server/route_parts.h"

// ------------------------------------------------------------- the moment

bool route_new(struct route **out, struct index *index,
               const struct metrics *all_metrics, struct cold *cold,
               struct err *err)
{
    struct route *route = calloc(1, sizeof *route);

    if (route == NULL) return err_set(err, ERR_MEMORY, "no memory");
    route->index = index;
    route->all_metrics = all_metrics;
    route->cold = cold;
    route->source = (struct asking_source){route_snapshot, route, NULL};
    *out = route;
    return true;
}

void route_free(struct route *route)
{
    if (route == NULL) return;
    snapshot_close(route->snapshot);
    asking_free(route->source.spare);
    enquiry_free(route->enquiry);
    free(route);
}

static void drop_snapshot(struct route *route)
{
    snapshot_close(route->snapshot);
    route->snapshot = NULL;
}

// After a fault nothing that was built upon the files can be trusted.
static void drop_if_unsound(struct route *route)
{
    if (route->num_faults == lmdb_num_faults()) return;
    route->num_faults = lmdb_num_faults();
    drop_snapshot(route);
}

void route_idle(struct route *route)
{
    drop_if_unsound(route);
    if (route->snapshot == NULL || route->is_parked) return;
    snapshot_park(route->snapshot);
    route->is_parked = true;
}

static bool open_snapshot(struct route *route, struct err *err)
{
    if (!snapshot_open(&route->snapshot, route->index, err)) return false;
    snapshot_trust(route->snapshot);
    if (route->cold != NULL) {
        snapshot_set_gate(route->snapshot, cold_gate(route->cold));
    }
    return true;
}

bool route_snapshot(void *context, struct snapshot **out, struct err *err)
{
    struct route *route = context;
    bool changed = true;

    drop_if_unsound(route);
    if (route->snapshot == NULL) {
        if (!open_snapshot(route, err)) return false;
    } else if (route->is_parked) {
        if (!snapshot_renew(route->snapshot, &changed, err)) {
            drop_snapshot(route);
            return false;
        }
    } else {
        changed = false;
    }
    route->is_parked = false;
    if (changed) route->whole_second = route->moment_second = 0;
    if (changed && route->cold != NULL) cold_forget(route->cold);
    *out = route->snapshot;
    return true;
}

static bool look(void *context, struct err *err)
{
    struct snapshot *snapshot;

    return route_snapshot(context, &snapshot, err);
}

uint64_t route_moment(struct route *route)
{
    uint64_t second = clock_wall_ms() / 1000;
    struct err err = {0};

    if (route->snapshot == NULL || route->is_parked) {
        if (!lmdb_try(look, route, &err)) return 0;
    }
    if (route->moment_second != second) {
        route->moment_second = second;
        route->moment++;
    }
    return route->moment;
}

// A log becomes stale by the clock alone, in whole seconds.
bool route_coverage(struct route *route, bool *is_whole, struct err *err)
{
    uint64_t now_ms = clock_wall_ms();
    struct snapshot *snapshot;

    if (!route_snapshot(route, &snapshot, err)) return false;
    if (route->whole_second != now_ms / 1000) {
        route->whole_second = now_ms / 1000;
        route->is_whole = coverage_is_whole(snapshot, now_ms);
    }
    *is_whole = route->is_whole;
    return true;
}

bool route_add_coverage(struct route *route, struct reply *reply,
                        struct err *err)
{
    bool is_whole;

    if (!route_coverage(route, &is_whole, err)) return false;
    reply_field(reply, "Sanct-Coverage", is_whole ? "whole" : "partial");
    return true;
}

// ------------------------------------------------------------- questions

static bool begin_asking(struct route *route, const struct request *request,
                         enum asking_kind kind, struct reply *reply,
                         struct err *err)
{
    reply->status = 200;
    reply->of_moment = kind != ASKING_LINES;
    reply->content_type =
        kind == ASKING_LINES ? "application/x-ndjson" : "application/json";
    reply_field(reply, "Cache-Control", "no-store");
    return route_add_coverage(route, reply, err) &&
           asking_begin(reply, kind, request->query, &route->source, err);
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

// ------------------------------------------------------------- the table

static const struct {
    const char *path; // a "/" at its end: the rest is the endpoint's
    enum metrics_endpoint counted;
    endpoint *get, *post;
} endpoints[] = {
    {"/v1/certs", ENDPOINT_CERTS, get_certs, post_certs},
    {"/v1/count", ENDPOINT_COUNT, get_count, NULL},
    {"/v1/cert/", ENDPOINT_CERT, endpoint_cert, NULL},
    {"/v1/logs", ENDPOINT_LOGS, endpoint_logs, NULL},
    {"/v1/stat", ENDPOINT_STAT, endpoint_stat, NULL},
    {"/metrics", ENDPOINT_METRICS, endpoint_metrics, NULL},
    {"/healthz", ENDPOINT_HEALTHZ, endpoint_health, NULL},
    {"/", ENDPOINT_CRTSH, endpoint_crtsh, NULL},
    {"/json", ENDPOINT_CRTSH, endpoint_crtsh_json, NULL},
    {"/v1/issuances", ENDPOINT_SSLMATE, endpoint_sslmate, NULL},
    {"/v1/proof/", ENDPOINT_PROOF, endpoint_proof, NULL},
};

static bool matches(struct bytes path, const char *wanted, struct bytes *rest)
{
    struct bytes prefix = bytes_from_text(wanted);

    if (!bytes_starts_with(path, prefix)) return false;
    *rest = bytes_of(path.data + prefix.len, path.len - prefix.len);
    return rest->len == 0 || (prefix.len > 1 && wanted[prefix.len - 1] == '/');
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
                     struct reply *reply, enum metrics_endpoint *counted,
                     bool *wants_lines, struct err *err)
{
    struct bytes method = request->http->method;
    struct bytes path = request->path;

    for (size_t i = 0; i < COUNT_OF(endpoints); i++) {
        const char *allow = endpoints[i].post != NULL
                                ? "GET, HEAD, POST, OPTIONS"
                                : "GET, HEAD, OPTIONS";
        endpoint *chosen = NULL;

        if (!matches(path, endpoints[i].path, &request->path)) continue;
        *counted = endpoints[i].counted;
        if (bytes_equal_text(method, "OPTIONS")) {
            reply_options(reply, allow);
            return true;
        }
        if (bytes_equal_text(method, "GET") || bytes_equal_text(method, "HEAD"))
            chosen = endpoints[i].get;
        if (bytes_equal_text(method, "POST")) chosen = endpoints[i].post;
        if (chosen == NULL) {
            reply_field(reply, "Allow", allow);
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

// A request on its way to its endpoint.
struct routing {
    struct route *route;
    struct request *request;
    struct reply *reply;
    enum metrics_endpoint counted;
    bool wants_lines;
};

static bool dispatch_it(void *context, struct err *err)
{
    struct routing *r = context;

    return dispatch(r->route, r->request, r->reply, &r->counted,
                    &r->wants_lines, err);
}

enum metrics_endpoint route_request(struct route *route,
                                    const struct http_request *http,
                                    struct reply *reply, bool *wants_lines)
{
    struct request request = {.http = http};
    struct routing routing = {route, &request, reply, ENDPOINT_OTHER, false};
    struct bytes authority;
    struct err err = {0};

    if (!http_target_split(http->target, &authority, &request.path,
                           &request.query)) {
        reply_error(reply, 400, "bad_request", "the target is no path");
    } else if (bytes_equal_text(request.path, "*") &&
               bytes_equal_text(http->method, "OPTIONS")) {
        reply_options(reply, "GET, HEAD, POST, OPTIONS");
    } else if (!lmdb_try(dispatch_it, &routing, &err)) {
        if (err.code == ERR_COLD) {
            reply_reset(reply);
            reply->cold = true;
        } else {
            reply_fail(reply, &err);
        }
    }
    *wants_lines = routing.wants_lines;
    return routing.counted;
}

void route_line(struct route *route, struct bytes line, struct reply *reply)
{
    (void)route;
    asking_line(reply, line);
}
