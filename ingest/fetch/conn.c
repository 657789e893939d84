// conn.c - see conn.h.  The happy path:
//
//   CONNECTING  a socket to the first address, the next when it fails
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
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "index/base/log.h"
#include "index/base/text.h"
#include "index/net/http.h"

enum {
    WIRE_SIZE = 64 << 10,
    PLAIN_SIZE = 16 << 10, // a TLS record
    BODY_RESERVE_MAX = 1 << 20,
    TICK_MS = 1000,
    // Bytes that count as a sign of life: below this much in an idle timeout
    // (34 bytes a second with 30 s) a log holds its connection up.
    PROGRESS_MIN = 1024,
};

enum conn_state {
    CONN_CONNECTING,
    CONN_TUNNEL,
    CONN_HANDSHAKE,
    CONN_HEAD,
    CONN_BODY,
    CONN_FREE,
    CONN_CLOSING,
};

struct conn {
    struct conn_origin *origin;
    struct conn *next;
    enum conn_state state;
    int fd;

    struct ring_op connect;
    struct ring_op recv;
    struct ring_op send;
    struct ring_op tick;

    size_t num_tried;           // addresses
    struct sockaddr_storage to; // the kernel reads it while connecting
    char address[64];           // the same as text

    struct buffer out;     // to be sent after
    struct buffer sending; // what is being sent
    size_t num_sent;
    struct bytes in; // received and not yet looked at
    bool eof;
    int recv_error; // errno that ended the connection

    struct tls *tls;
    struct bytes plain; // decrypted and not yet looked at
    struct http_response response;

    struct fetch_request *request;
    uint64_t deadline_ms;       // of the current step
    uint64_t total_deadline_ms; // of the request
    size_t num_progress;        // bytes since the deadline moved
    unsigned num_answers;
    bool has_answer_bytes; // any, of the request under way
    bool stale;

    uint8_t wire_data[WIRE_SIZE];
    uint8_t plain_data[PLAIN_SIZE];
};

static void conn_step(struct conn *conn);

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

static void extend_deadline(struct conn *conn, uint64_t timeout_ms)
{
    conn->deadline_ms = ring_now_ms() + timeout_ms;
    conn->num_progress = 0;
}

// The only place where the state changes.
static void conn_enter(struct conn *conn, enum conn_state state)
{
    assert(may_follow(conn->state, state));
    log_line(LOG_DEBUG, "%s: %s -> %s", conn->address, state_names[conn->state],
             state_names[state]);
    conn->state = state;
    if (state == CONN_TUNNEL || state == CONN_HANDSHAKE) {
        extend_deadline(conn, conn->origin->connect_timeout_ms);
    } else if (state == CONN_HEAD) {
        extend_deadline(conn, conn->origin->idle_timeout_ms);
    }
}

static void free_conn(struct conn *conn)
{
    tls_close(conn->tls);
    http_response_cleanup(&conn->response);
    buffer_cleanup(&conn->out);
    buffer_cleanup(&conn->sending);
    free(conn);
}

// Cancels what is in flight; when nothing is left, the connection goes.
// Closing the descriptor ends no operation, so it is closed last.
static void close_when_idle(struct conn *conn)
{
    struct conn_origin *origin = conn->origin;

    if (ring_busy(&conn->connect) || ring_busy(&conn->recv) ||
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
    close_when_idle(RING_OWNER(op, struct conn, tick));
}

void conn_close(struct conn *conn)
{
    struct ring *ring = conn->origin->ring;

    if (conn->state == CONN_CLOSING) return;
    conn_enter(conn, CONN_CLOSING);
    conn->request = NULL;
    ring_cancel(ring, &conn->connect);
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
    request->fault = fault;
    request->err = *err;
    request->status = 0;
    buffer_cleanup(&request->body);
    origin->failed(conn, origin->context);
    conn_close(conn);
}

static void fail_with(struct conn *conn, enum fetch_fault fault,
                      const char *format, ...) PRINTF_LIKE(3, 4);

static void fail_with(struct conn *conn, enum fetch_fault fault,
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
static void fail_wrapped(struct conn *conn, enum fetch_fault fault,
                         struct err *err)
{
    (void)err_wrap(err, "%s", conn->address);
    if (err->code == ERR_MEMORY) fault = FETCH_MEMORY;
    if (err->code != ERR_MEMORY) err->code = ERR_NETWORK;
    fail(conn, fault, err);
}

static void fail_closed(struct conn *conn, const char *when)
{
    fail_with(conn, FETCH_CLOSED, "%s %s",
              conn->recv_error == 0 ? "closed" : strerror(conn->recv_error),
              when);
}

// ---------------------------------------------------------------- time

static void on_tick(struct ring_op *op, int result);

// Ticks while a request is under way.  A second is fine enough for timeouts of
// many, and shorter ones are met when they come first.
static void arm_tick(struct conn *conn)
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

static bool try_next_address(struct conn *conn, int error);

static void on_tick(struct ring_op *op, int result)
{
    struct conn *conn = RING_OWNER(op, struct conn, tick);
    uint64_t now = ring_now_ms();

    (void)result;
    if (conn->state == CONN_CLOSING) {
        close_when_idle(conn);
        return;
    }
    if (conn->request == NULL) return;
    if (now >= conn->total_deadline_ms) {
        fail_with(conn, FETCH_TIMEOUT, "not whole in the time it was given");
    } else if (now >= conn->deadline_ms && conn->state == CONN_CONNECTING) {
        // on_connect goes on with the next address.
        ring_cancel(conn->origin->ring, &conn->connect);
        conn->deadline_ms = conn->total_deadline_ms;
        arm_tick(conn);
    } else if (now >= conn->deadline_ms) {
        fail_with(conn, FETCH_TIMEOUT,
                  conn->has_answer_bytes ? "answer stalled" : "no answer");
    } else {
        arm_tick(conn);
    }
}

// ---------------------------------------------------------------- connecting

static int open_socket(const struct conn *conn)
{
    const struct resolve_address *bound = &conn->origin->bind;
    int fd, one = 1, error;

    fd = socket(conn->to.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -errno;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (bound->len > 0) {
        (void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one,
                         sizeof one);
        if (bind(fd, (const struct sockaddr *)&bound->address, bound->len) !=
            0) {
            error = errno;
            (void)close(fd);
            return -error;
        }
    }
    return fd;
}

static void on_connect(struct ring_op *op, int result)
{
    struct conn *conn = RING_OWNER(op, struct conn, connect);
    struct conn_origin *origin = conn->origin;

    if (conn->state == CONN_CLOSING) {
        close_when_idle(conn);
        return;
    }
    if (result < 0) {
        (void)close(conn->fd);
        conn->fd = -1;
        if (!try_next_address(conn,
                              result == -ECANCELED ? ETIMEDOUT : -result)) {
            return;
        }
        arm_tick(conn);
        return;
    }
    origin->address_index =
        (origin->address_index + conn->num_tried - 1) % origin->addresses.num;
    conn_step(conn);
}

// Connects to the next address that can be; false when none is left, and then
// the request has failed with `error`, the last one's.
static bool try_next_address(struct conn *conn, int error)
{
    struct conn_origin *origin = conn->origin;
    const struct resolve_addresses *addresses = &origin->addresses;

    while (conn->num_tried < addresses->num) {
        size_t index =
            (origin->address_index + conn->num_tried++) % addresses->num;
        const struct resolve_address *to = &addresses->list[index];

        if (origin->bind.len > 0 &&
            origin->bind.address.ss_family != to->address.ss_family) {
            if (error == 0) error = EAFNOSUPPORT;
            continue;
        }
        conn->to = to->address;
        (void)resolve_write_address(conn->address, sizeof conn->address, to);
        conn->fd = open_socket(conn);
        if (conn->fd < 0) {
            error = -conn->fd;
            conn->fd = -1;
            continue;
        }
        extend_deadline(conn, origin->connect_timeout_ms);
        ring_connect(origin->ring, &conn->connect, conn->fd,
                     (const struct sockaddr *)&conn->to, to->len, on_connect);
        return true;
    }
    fail_with(conn, FETCH_CONNECT, "cannot connect: %s",
              error == 0 ? "no address" : strerror(error));
    return false;
}

// ---------------------------------------------------------------- bytes

static void on_recv(struct ring_op *op, int result)
{
    struct conn *conn = RING_OWNER(op, struct conn, recv);

    if (conn->state == CONN_CLOSING) {
        close_when_idle(conn);
        return;
    }
    if (result > 0) {
        conn->in = bytes_of(conn->wire_data, (size_t)result);
        conn->origin->bytes_received += (uint64_t)result;
        conn->num_progress += (size_t)result;
        if (conn->num_progress >= PROGRESS_MIN) {
            extend_deadline(conn, conn->origin->idle_timeout_ms);
        }
    } else if (result != -EINTR && result != -EAGAIN) {
        conn->eof = true;
        conn->recv_error = -result;
    }
    conn_step(conn);
}

static void on_send(struct ring_op *op, int result)
{
    struct conn *conn = RING_OWNER(op, struct conn, send);

    if (conn->state == CONN_CLOSING) {
        close_when_idle(conn);
        return;
    }
    if (result > 0) {
        conn->num_sent += (size_t)result;
    } else if (result != -EINTR && result != -EAGAIN) {
        // What the peer has said before it closed may still explain it.
        conn->num_sent = conn->sending.len;
    }
    conn_step(conn);
}

static void send_more(struct conn *conn)
{
    if (ring_busy(&conn->send)) return;
    if (conn->num_sent == conn->sending.len) {
        struct buffer empty = conn->sending;

        buffer_reset(&empty);
        conn->sending = conn->out;
        conn->out = empty;
        conn->num_sent = 0;
    }
    if (conn->sending.len == 0) return;
    ring_send(conn->origin->ring, &conn->send, conn->fd,
              bytes_of(conn->sending.data + conn->num_sent,
                       conn->sending.len - conn->num_sent),
              on_send);
}

// Turns what the codecs want into operations.
static void submit_wants(struct conn *conn)
{
    if (conn->state == CONN_CLOSING || conn->state == CONN_CONNECTING) return;
    send_more(conn);
    if (!ring_busy(&conn->recv) && !conn->eof && conn->in.len == 0) {
        ring_recv(conn->origin->ring, &conn->recv, conn->fd, conn->wire_data,
                  sizeof conn->wire_data, on_recv);
    }
    arm_tick(conn);
}

enum plain_progress {
    PLAIN_MORE,
    PLAIN_READY,
    PLAIN_END,       // in order: FIN, or close_notify
    PLAIN_TRUNCATED, // the transport ended before TLS did, or with an error
    PLAIN_BROKEN,
};

// Gives the next plaintext in `plain`.
static enum plain_progress next_plain(struct conn *conn, struct err *err)
{
    enum tls_progress progress;
    size_t len;

    if (conn->plain.len > 0) return PLAIN_READY;
    if (conn->tls == NULL) {
        conn->plain = conn->in;
        conn->in = bytes_of(NULL, 0);
        if (conn->plain.len > 0) return PLAIN_READY;
        if (!conn->eof) return PLAIN_MORE;
        return conn->recv_error == 0 ? PLAIN_END : PLAIN_TRUNCATED;
    }
    progress = tls_read(conn->tls, &conn->in, &conn->out, conn->plain_data,
                        sizeof conn->plain_data, &len, err);
    switch (progress) {
    case TLS_READY:
        conn->plain = bytes_of(conn->plain_data, len);
        return PLAIN_READY;
    case TLS_END:
        return PLAIN_END;
    case TLS_BROKEN:
        return PLAIN_BROKEN;
    case TLS_MORE:
        break;
    }
    return conn->eof ? PLAIN_TRUNCATED : PLAIN_MORE;
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
        fail_wrapped(conn, FETCH_TLS, &err);
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
        fail_wrapped(conn, FETCH_TLS, &err);
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

    if (ring_busy(&conn->connect)) return false;
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
        if (conn->eof) fail_closed(conn, "by the proxy");
        return false;
    }
    if (progress == HTTP_BROKEN) {
        fail_wrapped(conn, FETCH_CONNECT, &err);
        return false;
    }
    if (conn->response.status / 100 != 2) {
        fail_with(conn, FETCH_CONNECT, "the proxy says %u",
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
        if (conn->eof) fail_closed(conn, "during the TLS handshake");
        return false;
    case TLS_END:
    case TLS_BROKEN:
        break;
    }
    fail_wrapped(conn, FETCH_TLS, &err);
    return false;
}

static void copy_text(char *out, size_t size, struct bytes value)
{
    (void)text_escape(out, size, value);
}

// A date in Retry-After is told by the log's own clock where it gives that.
static void read_retry_after(struct fetch_request *request,
                             const struct http_response *response)
{
    int64_t now = (int64_t)time(NULL), said;
    struct bytes date;

    if (http_field_find(response->fields, "date", &date) &&
        http_parse_date(&said, date)) {
        now = said;
    }
    request->has_retry_after =
        response->retry_after.len > 0 &&
        http_parse_retry_after(&request->retry_after_ms, response->retry_after,
                               now);
}

// Takes over what the head says; false when it has failed.
static bool take_head(struct conn *conn)
{
    struct http_response *response = &conn->response;
    struct fetch_request *request = conn->request;

    request->status = response->status;
    copy_text(request->location, sizeof request->location, response->location);
    copy_text(request->content_type, sizeof request->content_type,
              response->content_type);
    request->is_gzip = http_equal(response->content_encoding, "gzip") ||
                       http_equal(response->content_encoding, "x-gzip");
    read_retry_after(request, response);
    // What an error page looks like is nobody's concern.
    if (request->status / 100 != 2) return true;
    if (response->content_encoding.len > 0 && !request->is_gzip &&
        !http_equal(response->content_encoding, "identity")) {
        fail_with(conn, FETCH_HTTP,
                  "a Content-Encoding that was not asked for");
        return false;
    }
    if (response->body.framing == HTTP_LENGTH) {
        if (response->length > request->body_max) {
            fail_with(conn, FETCH_TOO_LARGE, "a body of %llu bytes, over %zu",
                      (unsigned long long)response->length, request->body_max);
            return false;
        }
        // A length that lies must not cost memory before bytes come.
        (void)buffer_reserve(&request->body, response->length < BODY_RESERVE_MAX
                                                 ? (size_t)response->length
                                                 : BODY_RESERVE_MAX);
    }
    return true;
}

static bool step_head(struct conn *conn)
{
    for (;;) {
        struct err err = {0};
        enum http_progress progress;

        switch (next_plain(conn, &err)) {
        case PLAIN_MORE:
            return false;
        case PLAIN_READY:
            break;
        case PLAIN_END:
        case PLAIN_TRUNCATED:
            fail_closed(conn, conn->has_answer_bytes ? "within a head"
                                                     : "without an answer");
            return false;
        case PLAIN_BROKEN:
            fail_wrapped(conn, FETCH_TLS, &err);
            return false;
        }
        conn->has_answer_bytes = true;
        progress = http_response_head(&conn->response, &conn->plain, &err);
        if (progress == HTTP_BROKEN) {
            fail_wrapped(conn, FETCH_HTTP, &err);
            return false;
        }
        if (progress == HTTP_PART) {
            if (!take_head(conn)) return false;
            conn_enter(conn, CONN_BODY);
            return true;
        }
    }
}

// Hands the answer over and keeps the connection where it can be kept: nothing
// was sent after the answer, and nothing of the request is unsent.
static bool finish_answer(struct conn *conn)
{
    struct conn_origin *origin = conn->origin;
    bool keep = conn->response.keep_alive && !conn->eof &&
                conn->plain.len == 0 && conn->in.len == 0 &&
                (conn->tls == NULL || !tls_has_pending(conn->tls)) &&
                conn->out.len == 0 && conn->num_sent == conn->sending.len &&
                !conn->request->fresh;

    conn->request->fault = FETCH_ANSWERED;
    conn->num_answers++;
    if (keep) conn_enter(conn, CONN_FREE);
    origin->answered(conn, origin->context);
    conn->request = NULL;
    if (!keep) conn_close(conn);
    return keep;
}

// Adds to the body; false when that was the end of it: too much, no memory, or
// an error page that is cut at the limit.
static bool add_to_body(struct conn *conn, struct bytes part)
{
    struct buffer *body = &conn->request->body;
    size_t room = conn->request->body_max - body->len;
    bool fits = part.len <= room;

    if (!fits && conn->request->status / 100 == 2) {
        fail_with(conn, FETCH_TOO_LARGE, "a body of more than %zu bytes",
                  conn->request->body_max);
        return false;
    }
    buffer_append(body, fits ? part : bytes_of(part.data, room));
    if (!buffer_ok(body)) {
        fail_with(conn, FETCH_MEMORY, "no memory for a body");
        return false;
    }
    if (!fits) {
        conn->response.keep_alive = false;
        (void)finish_answer(conn);
    }
    return fits;
}

// What is left of the plaintext was not enough for the body.
static bool end_of_body(struct conn *conn, bool in_order)
{
    struct err err = {0};

    if (in_order && http_body_eof(&conn->response.body, &err)) {
        return finish_answer(conn);
    }
    if (in_order) {
        fail_wrapped(conn, FETCH_CLOSED, &err);
    } else {
        fail_closed(conn, "within a body");
    }
    return false;
}

static bool step_body(struct conn *conn)
{
    for (;;) {
        struct err err = {0};
        struct bytes part;

        switch (
            http_body_read(&conn->response.body, &conn->plain, &part, &err)) {
        case HTTP_PART:
            if (!add_to_body(conn, part)) return false;
            continue;
        case HTTP_END:
            return finish_answer(conn);
        case HTTP_BROKEN:
            fail_wrapped(conn, FETCH_HTTP, &err);
            return false;
        case HTTP_MORE:
            break;
        }
        switch (next_plain(conn, &err)) {
        case PLAIN_MORE:
            return false;
        case PLAIN_READY:
            break;
        case PLAIN_END:
            return end_of_body(conn, true);
        case PLAIN_TRUNCATED:
            return end_of_body(conn, false);
        case PLAIN_BROKEN:
            fail_wrapped(conn, FETCH_TLS, &err);
            return false;
        }
    }
}

// Whatever comes now but a TLS ticket means that it cannot be used again.
static bool step_free(struct conn *conn)
{
    struct err err = {0};

    if (next_plain(conn, &err) != PLAIN_MORE) conn_close(conn);
    return false;
}

static void conn_step(struct conn *conn)
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
            again = step_head(conn);
            break;
        case CONN_BODY:
            again = step_body(conn);
            break;
        case CONN_FREE:
            again = step_free(conn);
            break;
        case CONN_CLOSING:
            again = false;
            break;
        }
    }
    submit_wants(conn);
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

// Not inside conn_open, whose caller knows no connection yet that could fail.
static void on_begin(struct ring_op *op, int result)
{
    struct conn *conn = RING_OWNER(op, struct conn, connect);

    (void)result;
    if (conn->state == CONN_CLOSING) {
        close_when_idle(conn);
    } else if (try_next_address(conn, 0)) {
        arm_tick(conn);
    }
}

struct conn *conn_open(struct conn_origin *origin,
                       struct fetch_request *request)
{
    struct conn *conn = malloc(sizeof *conn);

    if (conn == NULL) return NULL;
    // The data at the end need no clearing.
    memset(conn, 0, offsetof(struct conn, wire_data));
    conn->origin = origin;
    conn->fd = -1;
    (void)snprintf(conn->address, sizeof conn->address, "%.63s", origin->host);
    take_request(conn, request);
    ring_post(origin->ring, &conn->connect, 0, on_begin);
    return conn;
}

void conn_start(struct conn *conn, struct fetch_request *request)
{
    assert(conn_is_free(conn));
    take_request(conn, request);
    (void)send_request(conn);
    submit_wants(conn);
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
