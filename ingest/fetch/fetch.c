// fetch.c - see fetch.h.  The life of a request:
//
//   fetch_start   into the queue; `kick` comes back with the next ring_run
//   pump          asks for addresses, takes a kept connection or opens one
//   conn          connects, asks, reads
//   on_answered   `done`
//
// A failure ends in `done` too, but for the one of a kept connection that the
// log has closed meanwhile: the request goes to the front of the queue and over
// a connection of its own.

#include "ingest/fetch/fetch.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "index/base/text.h"
#include "index/net/http_text.h"
#include "ingest/fetch/conn.h"
#include "ingest/fetch/fetch_shared.h"

enum { CONNECTIONS_MAX = 1024 };

struct fetch {
    struct ring *ring;
    struct fetch_shared *shared;
    struct conn_origin origin;
    unsigned connections_max;
    struct conn *conns;
    unsigned num_conns;
    struct fetch_request *first; // waiting
    struct fetch_request **last;
    struct ring_op kick;
    bool has_cancels;

    struct host *host;
    struct url via; // where to connect to: the log or the proxy
    bool is_literal;
    struct resolve_lookup *lookup;
    uint64_t resolved_at_ms;
    bool host_failed; // since it was last asked for
    struct ring_op notify;
    int notify_fd;
    uint64_t notify_count;

    bool closing;
    fetch_closed *closed;
    void *closed_context;
};

// ---------------------------------------------------------------- opening

static bool uses_proxy(const struct fetch_shared *shared, const struct url *url)
{
    if (!shared->has_proxy && !(shared->has_env_proxy && url->is_https)) {
        return false;
    }
    return !url_is_exempt(url, shared->no_proxy);
}

static void set_proxy_of_origin(struct conn_origin *origin,
                                const struct url *proxy, const struct url *url)
{
    struct buffer plain = {0}, login = {0};

    url_write_authority(origin->tunnel, sizeof origin->tunnel, url, true);
    if (proxy->login[0] == '\0') return;
    // In a URL name and password are percent-encoded (RFC 3986 section 3.2.1).
    http_percent_decode_loosely(&plain, bytes_from_text(proxy->login), false);
    text_append_base64(&login, buffer_bytes(&plain));
    (void)snprintf(origin->proxy_login, sizeof origin->proxy_login, "%.*s",
                   (int)login.len, login.data);
    buffer_cleanup(&plain);
    buffer_cleanup(&login);
}

static bool set_binds(struct dial_binds *binds,
                      const struct fetch_options *options, struct err *err)
{
    char shown[64];

    if (options->num_binds == 0) return true;
    binds->list = calloc(options->num_binds, sizeof *binds->list);
    if (binds->list == NULL)
        return err_set(err, ERR_MEMORY, "fetch: no memory");
    for (size_t i = 0; i < options->num_binds; i++) {
        struct resolve_addresses found;

        if (!resolve_literal(&found, options->binds[i], 0)) {
            return err_set(err, ERR_USAGE, "'%s' is no address to bind to",
                           text_escape(shown, sizeof shown,
                                       bytes_from_text(options->binds[i])));
        }
        binds->list[binds->num++] = found.list[0];
    }
    return true;
}

// What was given, else the usual.
static uint64_t or_else(uint64_t given, uint64_t usual)
{
    return given != 0 ? given : usual;
}

static void set_limits(struct conn_origin *origin,
                       const struct fetch_options *options)
{
    origin->connect_timeout_ms =
        or_else(options->connect_timeout_ms, FETCH_CONNECT_TIMEOUT_MS);
    origin->idle_timeout_ms =
        or_else(options->idle_timeout_ms, FETCH_IDLE_TIMEOUT_MS);
    origin->answers_max =
        (unsigned)or_else(options->answers_max, FETCH_ANSWERS_MAX);
    origin->age_max_ms = or_else(options->age_max_ms, FETCH_AGE_MAX_MS);
    origin->free_max_ms = or_else(options->free_max_ms, FETCH_FREE_MAX_MS);
}

static void on_answered(struct conn *conn, void *context);
static void on_failed(struct conn *conn, void *context);
static void on_closed(struct conn *conn, void *context);

static bool set_origin(struct fetch *fetch, const struct fetch_options *options,
                       struct err *err)
{
    struct conn_origin *origin = &fetch->origin;
    struct resolve_addresses literal;
    char authority[RESOLVE_HOST_MAX + 8];
    struct url url;

    if (!url_parse(&url, options->url, err)) return false;
    if (url.login[0] != '\0') {
        return err_set(err, ERR_USAGE, "a log's URL has no login: '%s'",
                       url.host);
    }
    if (url.is_https && !tls_context_check(fetch->shared->tls, err)) {
        return false;
    }
    origin->ring = fetch->ring;
    origin->tls = url.is_https ? fetch->shared->tls : NULL;
    (void)snprintf(origin->host, sizeof origin->host, "%s", url.host);
    (void)snprintf(origin->base, sizeof origin->base, "%s", url.path);
    url_write_authority(origin->authority, sizeof origin->authority, &url,
                        false);
    origin->user_agent = fetch->shared->user_agent;
    set_limits(origin, options);
    origin->answered = on_answered;
    origin->failed = on_failed;
    origin->closed = on_closed;
    origin->context = fetch;
    url_write_authority(authority, sizeof authority, &url, true);
    fetch->host = hosts_find(fetch->shared->hosts, authority);
    if (fetch->host == NULL)
        return err_set(err, ERR_MEMORY, "fetch: no memory");
    fetch->via = url;
    if (uses_proxy(fetch->shared, &url)) {
        fetch->via = fetch->shared->proxy;
        set_proxy_of_origin(origin, &fetch->shared->proxy, &url);
    }
    fetch->is_literal =
        resolve_literal(&literal, fetch->via.host, fetch->via.port);
    if (fetch->is_literal) addresses_set(&origin->addresses, &literal);
    return set_binds(&origin->binds, options, err);
}

bool fetch_open(struct fetch **fetch, struct ring *ring,
                struct fetch_shared *shared,
                const struct fetch_options *options, struct err *err)
{
    struct fetch *made = calloc(1, sizeof *made);

    *fetch = NULL;
    if (made == NULL) return err_set(err, ERR_MEMORY, "fetch: no memory");
    made->ring = ring;
    made->shared = shared;
    made->last = &made->first;
    made->notify_fd = -1;
    made->connections_max = options->connections_max;
    if (made->connections_max == 0) made->connections_max = 1;
    if (made->connections_max > CONNECTIONS_MAX) {
        made->connections_max = CONNECTIONS_MAX;
    }
    if (!set_origin(made, options, err)) {
        free(made->origin.binds.list);
        free(made);
        return false;
    }
    *fetch = made;
    return true;
}

// ---------------------------------------------------------------- the queue

static void pump(struct fetch *fetch);

static void on_kick(struct ring_op *op, int result)
{
    (void)result;
    pump(RING_OWNER(op, struct fetch, kick));
}

// Has the pump run with the next ring_run, not inside the caller.
static void kick(struct fetch *fetch)
{
    if (!ring_busy(&fetch->kick)) {
        ring_post(fetch->ring, &fetch->kick, 0, on_kick);
    }
}

static void put_last(struct fetch *fetch, struct fetch_request *request)
{
    request->next = NULL;
    *fetch->last = request;
    fetch->last = &request->next;
}

static void put_first(struct fetch *fetch, struct fetch_request *request)
{
    request->next = fetch->first;
    if (fetch->first == NULL) fetch->last = &request->next;
    fetch->first = request;
}

static struct fetch_request *take_first(struct fetch *fetch)
{
    struct fetch_request *request = fetch->first;

    fetch->first = request->next;
    if (fetch->first == NULL) fetch->last = &fetch->first;
    request->next = NULL;
    return request;
}

// Empties the queue and gives it as a list.
static struct fetch_request *take_all(struct fetch *fetch)
{
    struct fetch_request *list = fetch->first;

    fetch->first = NULL;
    fetch->last = &fetch->first;
    return list;
}

static void finish(struct fetch_request *request)
{
    request->is_busy = false;
    request->done(request);
}

static void finish_with(struct fetch_request *request, enum fetch_fault fault,
                        const struct err *err)
{
    request->fault = fault;
    request->status = 0;
    request->err = *err;
    buffer_cleanup(&request->body);
    finish(request);
}

static void finish_canceled(struct fetch_request *request)
{
    struct err err = {0};

    (void)err_set(&err, ERR_INTERRUPTED, "canceled");
    finish_with(request, FETCH_CANCELED, &err);
}

// ---------------------------------------------------------------- connections

static void on_answered(struct conn *conn, void *context)
{
    kick(context);
    finish(conn_request(conn));
}

static void on_failed(struct conn *conn, void *context)
{
    struct fetch_request *request = conn_request(conn);
    struct fetch *fetch = context;

    kick(fetch);
    // Perhaps the host has moved.
    if (request->fault == FETCH_CONNECT || request->fault == FETCH_TLS ||
        request->fault == FETCH_TIMEOUT) {
        fetch->host_failed = true;
    }
    if (conn_was_stale(conn) && request->num_tries == 0 &&
        !request->is_canceled && !fetch->closing) {
        request->num_tries++;
        put_first(fetch, request);
        return;
    }
    finish(request);
}

static void on_closed(struct conn *conn, void *context)
{
    struct fetch *fetch = context;
    struct conn *before = NULL;

    for (struct conn *one = fetch->conns; one != conn; one = conn_next(one)) {
        before = one;
    }
    if (before == NULL) {
        fetch->conns = conn_next(conn);
    } else {
        conn_set_next(before, conn_next(conn));
    }
    fetch->num_conns--;
    kick(fetch);
}

// A kept connection; those that are tired are closed on the way.
static struct conn *find_free(const struct fetch *fetch)
{
    uint64_t now = ring_now_ms();
    struct conn *found = NULL;

    for (struct conn *one = fetch->conns; one != NULL; one = conn_next(one)) {
        if (!conn_is_free(one)) continue;
        if (conn_is_tired(one, now)) {
            conn_close(one);
        } else if (found == NULL) {
            found = one;
        }
    }
    return found;
}

static bool open_for(struct fetch *fetch, struct fetch_request *request)
{
    struct conn *conn = conn_open(&fetch->origin, request);
    struct err err = {0};

    if (conn == NULL) {
        (void)err_set(&err, ERR_MEMORY, "no memory for a connection");
        finish_with(request, FETCH_MEMORY, &err);
        return false;
    }
    conn_set_next(conn, fetch->conns);
    fetch->conns = conn;
    fetch->num_conns++;
    return true;
}

// ---------------------------------------------------------------- addresses

static void fail_all(struct fetch *fetch, enum fetch_fault fault,
                     const struct err *err)
{
    struct fetch_request *list = take_all(fetch);

    while (list != NULL) {
        struct fetch_request *next = list->next;

        finish_with(list, fault, err);
        list = next;
    }
}

static void arm_notify(struct fetch *fetch);

static void on_notify(struct ring_op *op, int result)
{
    struct fetch *fetch = RING_OWNER(op, struct fetch, notify);
    struct resolve_addresses addresses;
    struct err err = {0};

    (void)result;
    kick(fetch);
    if (fetch->lookup == NULL || fetch->closing) return;
    if (!resolve_is_done(fetch->lookup)) {
        arm_notify(fetch);
        return;
    }
    if (resolve_take(fetch->lookup, &addresses, &err)) {
        addresses_set(&fetch->origin.addresses, &addresses);
    } else if (fetch->origin.addresses.found.num == 0) {
        fail_all(fetch, FETCH_RESOLVE, &err);
    }
    // Old addresses are better than none when the name server is away.
    fetch->lookup = NULL;
    fetch->resolved_at_ms = ring_now_ms();
}

static void arm_notify(struct fetch *fetch)
{
    if (ring_busy(&fetch->notify)) return;
    ring_read(fetch->ring, &fetch->notify, fetch->notify_fd,
              (uint8_t *)&fetch->notify_count, sizeof fetch->notify_count, -1,
              on_notify);
}

static bool start_lookup(struct fetch *fetch, struct err *err)
{
    if (fetch->notify_fd < 0) fetch->notify_fd = eventfd(0, EFD_CLOEXEC);
    if (fetch->notify_fd < 0) {
        return err_set(err, ERR_NETWORK, "eventfd: %s", strerror(errno));
    }
    fetch->lookup = resolve_start(fetch->shared->resolver, fetch->via.host,
                                  fetch->via.port, fetch->notify_fd);
    if (fetch->lookup == NULL) {
        return err_set(err, ERR_MEMORY, "no memory to look up a host");
    }
    fetch->host_failed = false;
    arm_notify(fetch);
    return true;
}

// Addresses are asked for again after some minutes; after a shorter time where
// the host has failed.
static bool is_due(const struct fetch *fetch)
{
    uint64_t age_ms = ring_now_ms() - fetch->resolved_at_ms;

    return fetch->origin.addresses.found.num == 0 ||
           age_ms >= (fetch->host_failed ? RESOLVE_AGAIN_MS : RESOLVE_CACHE_MS);
}

// Tells whether there are addresses; asks for them where it is time.  Those
// that are there serve until others have come.
static bool has_addresses(struct fetch *fetch)
{
    const struct resolve_addresses *found = &fetch->origin.addresses.found;
    struct err err = {0};

    if (fetch->is_literal) return true;
    if (fetch->lookup == NULL && is_due(fetch) && !start_lookup(fetch, &err) &&
        found->num == 0) {
        fail_all(fetch, FETCH_RESOLVE, &err);
    }
    return found->num > 0;
}

// ---------------------------------------------------------------- the pump

// Takes canceled requests out of queue and connections.
static void drop_canceled(struct fetch *fetch)
{
    struct fetch_request *list = take_all(fetch), *canceled = NULL;

    fetch->has_cancels = false;
    while (list != NULL) {
        struct fetch_request *next = list->next;

        if (list->is_canceled) {
            list->next = canceled;
            canceled = list;
        } else {
            put_last(fetch, list);
        }
        list = next;
    }
    for (struct conn *one = fetch->conns; one != NULL; one = conn_next(one)) {
        struct fetch_request *request = conn_request(one);

        if (request != NULL && request->is_canceled) {
            conn_close(one);
            request->next = canceled;
            canceled = request;
        }
    }
    while (canceled != NULL) {
        struct fetch_request *next = canceled->next;

        finish_canceled(canceled);
        canceled = next;
    }
}

// Gives one waiting request a connection; false when none can start now.
static bool start_one(struct fetch *fetch)
{
    struct fetch_request *request = fetch->first;
    bool needs_new = request->fresh || request->num_tries > 0;
    struct conn *free = find_free(fetch);

    if (free != NULL && !needs_new) {
        request = take_first(fetch);
        conn_start(free, request);
        return true;
    }
    if (fetch->num_conns < fetch->connections_max) {
        (void)open_for(fetch, take_first(fetch));
        return true;
    }
    // Room for a new one, as soon as this one has gone.
    if (free != NULL) conn_close(free);
    return false;
}

static void free_when_idle(struct fetch *fetch)
{
    fetch_closed *closed = fetch->closed;
    void *context = fetch->closed_context;

    if (fetch->num_conns > 0 || fetch->first != NULL ||
        ring_busy(&fetch->notify) || ring_busy(&fetch->kick)) {
        return;
    }
    if (fetch->notify_fd >= 0) (void)close(fetch->notify_fd);
    tls_session_cleanup(&fetch->origin.session);
    free(fetch->origin.binds.list);
    free(fetch);
    if (closed != NULL) closed(context);
}

static void pump_closing(struct fetch *fetch)
{
    for (struct fetch_request *one = fetch->first; one != NULL;
         one = one->next) {
        one->is_canceled = true;
    }
    for (struct conn *one = fetch->conns; one != NULL; one = conn_next(one)) {
        struct fetch_request *request = conn_request(one);

        if (request == NULL) {
            conn_close(one);
        } else {
            request->is_canceled = true;
        }
    }
    drop_canceled(fetch);
    resolve_drop(fetch->lookup);
    fetch->lookup = NULL;
    ring_cancel(fetch->ring, &fetch->notify);
    free_when_idle(fetch);
}

static void pump(struct fetch *fetch)
{
    bool again = true;

    if (fetch->closing) {
        pump_closing(fetch);
        return;
    }
    if (fetch->has_cancels) drop_canceled(fetch);
    while (again && fetch->first != NULL) {
        again =
            has_addresses(fetch) && fetch->first != NULL && start_one(fetch);
    }
}

// ---------------------------------------------------------------- outside

void fetch_start(struct fetch *fetch, struct fetch_request *request)
{
    assert(!request->is_busy && request->path[0] == '/');
    request->num_tries = 0;
    request->is_busy = true;
    request->is_canceled = false;
    put_last(fetch, request);
    kick(fetch);
}

void fetch_cancel(struct fetch *fetch, struct fetch_request *request)
{
    if (!request->is_busy) return;
    request->is_canceled = true;
    fetch->has_cancels = true;
    kick(fetch);
}

void fetch_close(struct fetch *fetch, fetch_closed *closed, void *context)
{
    if (fetch == NULL) return;
    assert(!fetch->closing);
    fetch->closing = true;
    fetch->closed = closed;
    fetch->closed_context = context;
    kick(fetch);
}

void fetch_drop_idle(struct fetch *fetch)
{
    for (struct conn *one = fetch->conns; one != NULL; one = conn_next(one)) {
        if (conn_is_free(one)) conn_close(one);
    }
}

struct host *fetch_host(const struct fetch *fetch)
{
    return fetch->host;
}

uint64_t fetch_bytes_received(const struct fetch *fetch)
{
    return fetch->origin.bytes_received;
}
