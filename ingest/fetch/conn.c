// conn.c - see conn.h and conn_state.h.  The happy path:
//
//   CONNECTING  a socket to the first address that answers (dial.h)
//   TUNNEL      CONNECT to a proxy, where there is one
//   HANDSHAKE   TLS, where the URL says https
//   HEAD        the request is sent, the answer's head is read
//   BODY        and its body; `answered`
//   FREE        kept: HEAD again with the next request
//   CLOSING     all operations are canceled and awaited; `closed`
//
// How it fails: no address connects (CONNECT), the handshake does (TLS), the
// peer closes (CLOSED; stale when it was kept and had said nothing yet), bytes
// are no HTTP (HTTP), nothing comes (TIMEOUT), too much comes (TOO_LARGE).
// Each ends in `failed`, and the connection closes.

#include "ingest/fetch/conn.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "index/base/log.h"
#include "ingest/fetch/conn_state.h"

enum { TICK_MS = 1000 };

// ---------------------------------------------------------------- changing

static const char *const state_names[] = {
    "connecting", "tunnel", "handshake", "head", "body", "free", "closing",
};

// What may follow what; anything may be closed.
static bool may_follow(enum conn_state from, enum conn_state to)
{
    switch (to) {
    case CONN_CONNECTING:
        return false;
    case CONN_TUNNEL:
        return from == CONN_CONNECTING;
    case CONN_HANDSHAKE:
        return from == CONN_CONNECTING || from == CONN_TUNNEL;
    case CONN_HEAD:
        return from == CONN_CONNECTING || from == CONN_TUNNEL ||
               from == CONN_HANDSHAKE || from == CONN_FREE;
    case CONN_BODY:
        return from == CONN_HEAD;
    case CONN_FREE:
        return from == CONN_BODY;
    case CONN_CLOSING:
        return from != CONN_CLOSING;
    }
    return false;
}

void conn_extend_deadline(struct conn *conn, uint64_t timeout_ms)
{
    conn->deadline_ms = ring_now_ms() + timeout_ms;
    conn->num_progress = 0;
}

// The only place where the state changes.
void conn_enter(struct conn *conn, enum conn_state state)
{
    assert(may_follow(conn->state, state));
    log_line(LOG_DEBUG, "%s: %s -> %s", conn->address, state_names[conn->state],
             state_names[state]);
    conn->state = state;
    if (state == CONN_TUNNEL || state == CONN_HANDSHAKE) {
        conn_extend_deadline(conn, conn->origin->connect_timeout_ms);
    } else if (state == CONN_HEAD) {
        conn_extend_deadline(conn, conn->origin->idle_timeout_ms);
    }
}

static void free_conn(struct conn *conn)
{
    tls_close(conn->tls);
    http_response_cleanup(&conn->response);
    buffer_cleanup(&conn->out);
    buffer_cleanup(&conn->sending);
    free(conn->wire_data);
    free(conn);
}

// Cancels what is in flight; when nothing is left, the connection goes.
// Closing the descriptor ends no operation, so it is closed last.
void conn_close_when_idle(struct conn *conn)
{
    struct conn_origin *origin = conn->origin;

    if (dial_is_busy(&conn->dial) || ring_busy(&conn->recv) ||
        ring_busy(&conn->send) || ring_busy(&conn->tick)) {
        return;
    }
    if (conn->fd >= 0) (void)close(conn->fd);
    origin->closed(conn, origin->context);
    free_conn(conn);
}

static void on_closing(struct ring_op *op, int result)
{
    (void)result;
    conn_close_when_idle(RING_OWNER(op, struct conn, tick));
}

void conn_close(struct conn *conn)
{
    struct ring *ring = conn->origin->ring;

    if (conn->state == CONN_CLOSING) return;
    conn_enter(conn, CONN_CLOSING);
    conn->request = NULL;
    dial_cancel(&conn->dial);
    ring_cancel(ring, &conn->recv);
    ring_cancel(ring, &conn->send);
    if (ring_busy(&conn->tick)) {
        ring_cancel(ring, &conn->tick);
    } else {
        // So that it never goes inside of this call.
        ring_post(ring, &conn->tick, 0, on_closing);
    }
}

static void fail(struct conn *conn, enum fetch_fault fault,
                 const struct err *err)
{
    struct conn_origin *origin = conn->origin;
    struct fetch_request *request = conn->request;

    if (request == NULL) {
        conn_close(conn);
        return;
    }
    conn->stale = fault == FETCH_CLOSED && conn->num_answers > 0 &&
                  !conn->has_answer_bytes;
    // An address that takes connections and then says nothing is no better
    // than one that takes none.
    if (conn->num_answers == 0 && !conn->has_answer_bytes && conn->to.len > 0 &&
        fault != FETCH_MEMORY) {
        addresses_failed(&origin->addresses, &conn->to, ring_now_ms());
    }
    request->fault = fault;
    request->err = *err;
    request->status = 0;
    buffer_cleanup(&request->body);
    origin->failed(conn, origin->context);
    conn_close(conn);
}

void conn_fail_with(struct conn *conn, enum fetch_fault fault,
                    const char *format, ...)
{
    char text[ERR_TEXT_MAX / 2];
    struct err err = {0};
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    (void)err_set(&err, fault == FETCH_MEMORY ? ERR_MEMORY : ERR_NETWORK,
                  "%s: %s", conn->address, text);
    fail(conn, fault, &err);
}

// The same for an error that a codec has put into words.
void conn_fail_wrapped(struct conn *conn, enum fetch_fault fault,
                       struct err *err)
{
    (void)err_wrap(err, "%s", conn->address);
    if (err->code == ERR_MEMORY) fault = FETCH_MEMORY;
    if (err->code != ERR_MEMORY) err->code = ERR_NETWORK;
    fail(conn, fault, err);
}

void conn_fail_closed(struct conn *conn, const char *when)
{
    conn_fail_with(
        conn, FETCH_CLOSED, "%s %s",
        conn->recv_error == 0 ? "closed" : strerror(conn->recv_error), when);
}

// ---------------------------------------------------------------- time

static void on_tick(struct ring_op *op, int result);

// Ticks while a request is under way.  A second is fine enough for timeouts of
// many, and shorter ones are met when they come first.
void conn_arm_tick(struct conn *conn)
{
    uint64_t now = ring_now_ms(), wait = TICK_MS;

    if (ring_busy(&conn->tick) || conn->request == NULL) return;
    if (conn->deadline_ms < now + wait) {
        wait = conn->deadline_ms > now ? conn->deadline_ms - now : 0;
    }
    if (conn->total_deadline_ms < now + wait) {
        wait =
            conn->total_deadline_ms > now ? conn->total_deadline_ms - now : 0;
    }
    ring_timeout(conn->origin->ring, &conn->tick, wait + 1, on_tick);
}

static void on_tick(struct ring_op *op, int result)
{
    struct conn *conn = RING_OWNER(op, struct conn, tick);
    uint64_t now = ring_now_ms();

    (void)result;
    if (conn->state == CONN_CLOSING) {
        conn_close_when_idle(conn);
        return;
    }
    if (conn->request == NULL) return;
    if (now >= conn->total_deadline_ms) {
        conn_fail_with(conn, FETCH_TIMEOUT,
                       "not whole in the time it was given");
    } else if (now >= conn->deadline_ms) {
        conn_fail_with(conn, FETCH_TIMEOUT,
                       conn->has_answer_bytes ? "answer stalled" : "no answer");
    } else {
        conn_arm_tick(conn);
    }
}

// ---------------------------------------------------------------- connecting

static void on_dialed(struct dial *dial, int fd, size_t index, int error)
{
    struct conn *conn = RING_OWNER(dial, struct conn, dial);

    if (index < dial->to.num) {
        (void)resolve_write_address(conn->address, sizeof conn->address,
                                    &dial->to.list[index]);
    }
    if (fd < 0) {
        conn_fail_with(conn, FETCH_CONNECT, "cannot connect: %s",
                       error == 0 ? "no address" : strerror(error));
        return;
    }
    conn->fd = fd;
    conn->to = dial->to.list[index];
    conn_step(conn);
}

static void on_dial_idle(struct dial *dial)
{
    struct conn *conn = RING_OWNER(dial, struct conn, dial);

    if (conn->state == CONN_CLOSING) conn_close_when_idle(conn);
}

// ---------------------------------------------------------------- steps
//
// Each goes as far as the bytes at hand allow, and returns true when another
// state has been entered that may go on at once.

static bool begin_tls(struct conn *conn)
{
    struct err err = {0};

    if (!tls_open(&conn->tls, conn->origin->tls, conn->origin->host,
                  &conn->origin->session, &err)) {
        conn_fail_wrapped(conn, FETCH_TLS, &err);
        return false;
    }
    conn_enter(conn, CONN_HANDSHAKE);
    return true;
}

static bool send_request(struct conn *conn)
{
    const struct conn_origin *origin = conn->origin;
    struct buffer target = {0}, text = {0};
    struct err err = {0};
    bool sent;

    buffer_append_text(&target, origin->base);
    buffer_append_text(&target, conn->request->path);
    http_write_get(&text, origin->authority, buffer_bytes(&target),
                   origin->user_agent);
    sent = buffer_ok(&target) && buffer_ok(&text);
    if (!sent) (void)err_set(&err, ERR_MEMORY, "no memory for a request");
    if (sent && conn->tls != NULL) {
        sent = tls_write(conn->tls, buffer_bytes(&text), &conn->out, &err);
    } else if (sent) {
        buffer_append(&conn->out, buffer_bytes(&text));
    }
    if (sent && !buffer_ok(&conn->out)) {
        sent = err_set(&err, ERR_MEMORY, "no memory for a request");
    }
    buffer_cleanup(&target);
    buffer_cleanup(&text);
    if (!sent) {
        conn_fail_wrapped(conn, FETCH_TLS, &err);
        return false;
    }
    http_response_reset(&conn->response);
    conn->has_answer_bytes = false;
    conn_enter(conn, CONN_HEAD);
    return true;
}

static bool step_connected(struct conn *conn)
{
    const struct conn_origin *origin = conn->origin;

    if (conn->fd < 0) return false;
    if (origin->tunnel[0] != '\0') {
        buffer_printf(&conn->out, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n",
                      origin->tunnel, origin->tunnel);
        if (origin->proxy_login[0] != '\0') {
            buffer_printf(&conn->out, "Proxy-Authorization: Basic %s\r\n",
                          origin->proxy_login);
        }
        buffer_append_text(&conn->out, "\r\n");
        // A successful answer to CONNECT has no body (RFC 9110, 9.3.6).
        conn->response.to_head = true;
        conn_enter(conn, CONN_TUNNEL);
        return true;
    }
    return origin->tls != NULL ? begin_tls(conn) : send_request(conn);
}

static bool step_tunnel(struct conn *conn)
{
    struct err err = {0};
    enum http_progress progress =
        http_response_head(&conn->response, &conn->in, &err);

    if (progress == HTTP_MORE) {
        if (conn->eof) conn_fail_closed(conn, "by the proxy");
        return false;
    }
    if (progress == HTTP_BROKEN) {
        conn_fail_wrapped(conn, FETCH_CONNECT, &err);
        return false;
    }
    if (conn->response.status / 100 != 2) {
        conn_fail_with(conn, FETCH_CONNECT, "the proxy says %u",
                       conn->response.status);
        return false;
    }
    return conn->origin->tls != NULL ? begin_tls(conn) : send_request(conn);
}

static bool step_handshake(struct conn *conn)
{
    struct err err = {0};

    switch (tls_handshake(conn->tls, &conn->in, &conn->out, &err)) {
    case TLS_READY:
        log_line(LOG_DEBUG, "%s: %s", conn->address, tls_describe(conn->tls));
        return send_request(conn);
    case TLS_MORE:
        if (conn->eof) conn_fail_closed(conn, "during the TLS handshake");
        return false;
    case TLS_END:
    case TLS_BROKEN:
        break;
    }
    conn_fail_wrapped(conn, FETCH_TLS, &err);
    return false;
}

// Whatever comes now but a TLS ticket means that it cannot be used again.
static bool step_free(struct conn *conn)
{
    struct err err = {0};

    if (conn_wire_next(conn, &err) != PLAIN_MORE) conn_close(conn);
    return false;
}

void conn_step(struct conn *conn)
{
    bool again = true;

    while (again) {
        switch (conn->state) {
        case CONN_CONNECTING:
            again = step_connected(conn);
            break;
        case CONN_TUNNEL:
            again = step_tunnel(conn);
            break;
        case CONN_HANDSHAKE:
            again = step_handshake(conn);
            break;
        case CONN_HEAD:
            again = conn_answer_head(conn);
            break;
        case CONN_BODY:
            again = conn_answer_body(conn);
            break;
        case CONN_FREE:
            again = step_free(conn);
            break;
        case CONN_CLOSING:
            again = false;
            break;
        }
    }
    conn_wire_submit(conn);
}

// ---------------------------------------------------------------- outside

static void take_request(struct conn *conn, struct fetch_request *request)
{
    uint64_t total = request->total_timeout_ms != 0 ? request->total_timeout_ms
                                                    : FETCH_TOTAL_TIMEOUT_MS;

    conn->request = request;
    conn->stale = false;
    conn->total_deadline_ms = ring_now_ms() + total;
    request->fault = FETCH_ANSWERED;
    request->err = (struct err){0};
    request->status = 0;
    request->has_retry_after = false;
    request->retry_after_ms = 0;
    request->location[0] = '\0';
    request->content_type[0] = '\0';
    request->is_gzip = false;
    buffer_reset(&request->body);
}

struct conn *conn_open(struct conn_origin *origin,
                       struct fetch_request *request)
{
    struct conn *conn = malloc(sizeof *conn);

    if (conn == NULL) return NULL;
    // The data at the end need no clearing.
    memset(conn, 0, offsetof(struct conn, plain_data));
    conn->wire_size = CONN_WIRE_FIRST;
    conn->wire_data = malloc(conn->wire_size);
    if (conn->wire_data == NULL) {
        free(conn);
        return NULL;
    }
    conn->origin = origin;
    conn->fd = -1;
    (void)snprintf(conn->address, sizeof conn->address, "%.63s", origin->host);
    conn->opened_ms = ring_now_ms();
    take_request(conn, request);
    // The dial has deadlines of its own.
    conn->deadline_ms = conn->total_deadline_ms;
    dial_start(&conn->dial, &(struct dial_options){
                                .ring = origin->ring,
                                .addresses = &origin->addresses,
                                .binds = &origin->binds,
                                .timeout_ms = origin->connect_timeout_ms,
                                .done = on_dialed,
                                .idle = on_dial_idle,
                            });
    conn_arm_tick(conn);
    return conn;
}

void conn_start(struct conn *conn, struct fetch_request *request)
{
    assert(conn_is_free(conn));
    take_request(conn, request);
    (void)send_request(conn);
    conn_wire_submit(conn);
}

bool conn_is_tired(const struct conn *conn, uint64_t now_ms)
{
    const struct conn_origin *origin = conn->origin;

    return conn->num_answers >= origin->answers_max ||
           now_ms - conn->opened_ms >= origin->age_max_ms ||
           now_ms - conn->answered_ms >= origin->free_max_ms;
}

bool conn_is_free(const struct conn *conn)
{
    return conn->state == CONN_FREE && conn->request == NULL;
}

struct fetch_request *conn_request(const struct conn *conn)
{
    return conn->request;
}

bool conn_was_stale(const struct conn *conn)
{
    return conn->stale;
}

struct conn *conn_next(const struct conn *conn)
{
    return conn->next;
}

void conn_set_next(struct conn *conn, struct conn *next)
{
    conn->next = next;
}
