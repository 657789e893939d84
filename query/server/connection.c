// connection.c - see connection.h.

#include "query/server/connection.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "index/net/http.h"

enum {
    RECV_SIZE = 32 << 10,
    OUT_MAX = 256 << 10,
    BODY_SKIP_MAX = 64 << 10, // of a request that should have none
    LINE_MAX = 64 << 10,
    DEADLINE_MS = 10000,
};

enum connection_state {
    STATE_HEAD,  // a request's head is read
    STATE_SKIP,  // its body, which nobody needs, is passed over
    STATE_LINES, // its body is questions, one per line
    STATE_REPLY, // pieces of the reply are still to come
    STATE_CLOSE, // what waits is sent, then the connection is closed
};

struct connection {
    struct connection *next, **link; // among those of its worker
    int fd;
    struct ring *ring;
    struct route *route;
    connection_gone *on_gone;
    void *context;
    enum connection_state state;
    struct ring_op recv, send;
    struct buffer in, out;
    size_t in_taken; // of `in`: moved away before the next receive
    struct http_request request;
    struct reply reply;
    struct buffer line;
    size_t skipped;       // bytes of a body that nobody needs
    bool lines_ended;     // the body of questions is whole
    bool answering_lines; // the reply is a stream of answers to lines
    bool chunked;         // the reply at hand is sent in chunks
    bool headless;        // the answer to HEAD: no body
    bool keep_alive;      // after the reply at hand
    bool eof;             // the client sends no more
    bool finishing;       // the server stops: no new requests
    bool dead;            // closed; only waits for its operations
    uint64_t deadline_ms; // 0: none
};

static void connection_step(struct connection *c);
static void on_recv(struct ring_op *op, int result);
static void on_send(struct ring_op *op, int result);

static void free_if_gone(struct connection *c)
{
    if (!c->dead || ring_busy(&c->recv) || ring_busy(&c->send)) return;
    *c->link = c->next;
    if (c->next != NULL) c->next->link = c->link;
    http_request_cleanup(&c->request);
    reply_cleanup(&c->reply);
    buffer_cleanup(&c->line);
    buffer_cleanup(&c->in);
    buffer_cleanup(&c->out);
    (void)close(c->fd);
    c->on_gone(c->context);
    free(c);
}

static void die(struct connection *c)
{
    if (c->dead) return;
    c->dead = true;
    ring_cancel(c->ring, &c->recv);
    ring_cancel(c->ring, &c->send);
}

static void enter(struct connection *c, enum connection_state state)
{
    assert(c->state != STATE_CLOSE || state == STATE_CLOSE);
    c->state = state;
    // A head must be whole in time; idle between requests is no head.
    c->deadline_ms = 0;
    if (state == STATE_HEAD && c->request.head.len > 0) {
        c->deadline_ms = ring_now_ms() + DEADLINE_MS;
    }
}

// What was received and is not taken yet.
static struct bytes unread(const struct connection *c)
{
    return bytes_of(c->in.data + c->in_taken, c->in.len - c->in_taken);
}

// Takes all of unread() but what `rest` still holds.
static void take_up_to(struct connection *c, struct bytes rest)
{
    c->in_taken = c->in.len - rest.len;
}

// ------------------------------------------------------------- framing

static void write_head(struct connection *c)
{
    struct reply *reply = &c->reply;

    c->chunked = false;
    http_write_status(&c->out, reply->status);
    if (reply->content_type != NULL) {
        buffer_printf(&c->out, "Content-Type: %s\r\n", reply->content_type);
    }
    buffer_append(&c->out, buffer_bytes(&reply->fields));
    if (reply->whole && reply->body.len <= REPLY_PIECE) {
        if (reply->status != 204 && reply->status != 304) {
            buffer_printf(&c->out, "Content-Length: %zu\r\n", reply->body.len);
        }
    } else if (c->request.minor == 0) {
        c->keep_alive = false; // its end is the connection's
    } else {
        buffer_append_text(&c->out, "Transfer-Encoding: chunked\r\n");
        c->chunked = true;
    }
    if (!c->keep_alive) buffer_append_text(&c->out, "Connection: close\r\n");
    buffer_append_text(&c->out, "\r\n");
}

// Moves what is in the reply's body to the client's side.
static void write_piece(struct connection *c)
{
    struct buffer *body = &c->reply.body;

    if (!c->headless) {
        if (c->chunked) {
            http_write_chunk(&c->out, buffer_bytes(body));
        } else {
            buffer_append(&c->out, buffer_bytes(body));
        }
    }
    if (!buffer_ok(body)) c->out.failed = true;
    buffer_reset(body);
}

// The reply is out: what comes next is the next request, or the end.
static void end_reply(struct connection *c)
{
    if (c->chunked && !c->headless) http_write_chunk_end(&c->out);
    reply_reset(&c->reply);
    http_request_reset(&c->request);
    enter(c, c->keep_alive && !c->finishing ? STATE_HEAD : STATE_CLOSE);
}

static void begin_reply(struct connection *c)
{
    write_head(c);
    write_piece(c);
    if (c->headless || c->reply.whole) {
        end_reply(c);
    } else {
        enter(c, STATE_REPLY);
    }
}

static void refuse(struct connection *c, unsigned status, const char *code,
                   const char *message)
{
    c->keep_alive = false;
    reply_reset(&c->reply);
    reply_error(&c->reply, status, code, message);
    begin_reply(c);
}

// ------------------------------------------------------------- states

static const char *refusal_code(unsigned status)
{
    switch (status) {
    case 413:
        return "too_large";
    case 501:
        return "not_implemented";
    case 505:
        return "version";
    default:
        return "bad_request";
    }
}

// Each step returns false when it needs more from the client.
static bool step_head(struct connection *c)
{
    struct bytes in = unread(c);
    struct err err = {0};
    enum http_progress progress;
    bool wants_lines = false;

    if (in.len == 0) return false;
    progress = http_request_head(&c->request, &in, &err);
    take_up_to(c, in);
    if (progress == HTTP_MORE) {
        if (c->deadline_ms == 0) enter(c, STATE_HEAD);
        return false;
    }
    c->headless = false;
    if (progress == HTTP_BROKEN) {
        refuse(c, c->request.refusal, refusal_code(c->request.refusal),
               err.text);
        return true;
    }
    c->keep_alive = c->request.keep_alive;
    c->answering_lines = false;
    c->headless = bytes_equal_text(c->request.method, "HEAD");
    reply_reset(&c->reply);
    route_request(c->route, &c->request, &c->reply, &wants_lines);
    if (c->request.expects_continue) {
        buffer_append_text(&c->out, "HTTP/1.1 100 Continue\r\n\r\n");
    }
    if (wants_lines) {
        c->answering_lines = true;
        write_head(c);
        buffer_reset(&c->line);
        c->lines_ended = false;
        enter(c, STATE_LINES);
    } else if (c->request.has_length && c->request.length > BODY_SKIP_MAX) {
        refuse(c, 413, "too_large", "no body is expected here");
    } else if (c->request.body.framing == HTTP_NO_BODY) {
        begin_reply(c);
    } else {
        c->skipped = 0;
        enter(c, STATE_SKIP);
    }
    return true;
}

static bool step_skip(struct connection *c)
{
    struct bytes in = unread(c);
    struct err err = {0};
    struct bytes part;
    enum http_progress progress;

    do {
        progress = http_body_read(&c->request.body, &in, &part, &err);
        if (progress == HTTP_PART) c->skipped += part.len;
    } while (progress == HTTP_PART && c->skipped <= BODY_SKIP_MAX);
    take_up_to(c, in);
    if (progress == HTTP_MORE) return false;
    if (progress == HTTP_END) {
        begin_reply(c);
    } else if (progress == HTTP_PART) {
        refuse(c, 413, "too_large", "no body is expected here");
    } else {
        refuse(c, 400, "bad_request", err.text);
    }
    return true;
}

static void answer_line(struct connection *c)
{
    struct bytes line = buffer_bytes(&c->line);

    if (line.len > 0 && line.data[line.len - 1] == '\r') line.len--;
    if (line.len > 0) {
        c->reply.whole = false;
        route_line(c->route, line, &c->reply);
        write_piece(c);
        if (!c->reply.whole) enter(c, STATE_REPLY);
    }
    buffer_reset(&c->line);
}

// Takes a part that holds at most one newline, at its end; true when it does.
static bool take_line(struct connection *c, struct bytes part)
{
    size_t room = LINE_MAX + 1 - c->line.len; // one more shows it is too long
    bool whole = part.data[part.len - 1] == '\n';

    if (whole) part.len--;
    if (part.len > room) part.len = room;
    buffer_append(&c->line, part);
    return whole;
}

// Takes what is there of the body, up to the end of a line; true in `*line`
// when there is one.
static enum http_progress read_line(struct connection *c, bool *line)
{
    struct bytes in = unread(c);
    struct bytes some = in, part;
    const uint8_t *stop = in.len == 0 ? NULL : memchr(in.data, '\n', in.len);
    enum http_progress progress;
    struct err err = {0};

    // The reader of the body is given no more than one line at a time.
    if (stop != NULL) some.len = (size_t)(stop - in.data) + 1;
    progress = http_body_read(&c->request.body, &some, &part, &err);
    (void)bytes_skip(&in, (size_t)(some.data - in.data));
    take_up_to(c, in);
    if (progress == HTTP_PART) *line = take_line(c, part);
    return progress;
}

static bool step_lines(struct connection *c)
{
    enum http_progress progress = HTTP_END;
    bool line = false;

    if (!c->lines_ended) progress = read_line(c, &line);
    switch (progress) {
    case HTTP_MORE:
        return unread(c).len > 0;
    case HTTP_BROKEN:
        c->out.failed = true; // no last chunk: it must not look whole
        return true;
    case HTTP_END:
        c->lines_ended = true;
        line = c->line.len > 0; // the last one needs no newline
        if (!line) end_reply(c);
        break;
    case HTTP_PART:
        break;
    }
    if (line) answer_line(c);
    return true;
}

static bool step_reply(struct connection *c)
{
    struct err err = {0};

    if (c->reply.more == NULL || !c->reply.more(&c->reply, &err)) {
        c->out.failed = true;
        return true;
    }
    write_piece(c);
    if (!c->reply.whole) return true;
    if (c->answering_lines) {
        enter(c, STATE_LINES);
    } else {
        end_reply(c);
    }
    return true;
}

// The only switch: goes on until the client must send or take something.
static void connection_advance(struct connection *c)
{
    bool more = true;

    while (more && c->out.len < OUT_MAX && buffer_ok(&c->out)) {
        switch (c->state) {
        case STATE_HEAD:
            more = !c->finishing && step_head(c);
            break;
        case STATE_SKIP:
            more = step_skip(c);
            break;
        case STATE_LINES:
            more = step_lines(c);
            break;
        case STATE_REPLY:
            more = step_reply(c);
            break;
        case STATE_CLOSE:
            more = false;
            break;
        }
    }
    route_idle(c->route);
}

// Either a receive or a send is in flight, so `in` and `out` may grow and move
// here.  (A head that came too slowly is answered beside the receive; nothing is
// taken from `in` after that.)
static void connection_step(struct connection *c)
{
    if (c->dead) return;
    connection_advance(c);
    if (!ring_busy(&c->send) && c->out.len > 0) {
        c->deadline_ms = ring_now_ms() + DEADLINE_MS;
        ring_send(c->ring, &c->send, c->fd, buffer_bytes(&c->out), on_send);
        return;
    }
    if (ring_busy(&c->send)) return;
    if (c->state == STATE_CLOSE || !buffer_ok(&c->out) ||
        (c->finishing && c->state == STATE_HEAD) || c->eof) {
        die(c);
        return;
    }
    if (!ring_busy(&c->recv)) {
        buffer_consume(&c->in, c->in_taken);
        c->in_taken = 0;
        if (!buffer_reserve(&c->in, RECV_SIZE)) {
            die(c);
            return;
        }
        ring_recv(c->ring, &c->recv, c->fd, c->in.data + c->in.len, RECV_SIZE,
                  on_recv);
    }
}

static void on_recv(struct ring_op *op, int result)
{
    struct connection *c = RING_OWNER(op, struct connection, recv);

    if (result > 0) {
        c->in.len += (size_t)result;
    } else if (result == 0) {
        c->eof = true; // what was asked before is still answered
    } else if (result != -EINTR && result != -EAGAIN) {
        die(c);
    }
    connection_step(c);
    free_if_gone(c);
}

static void on_send(struct ring_op *op, int result)
{
    struct connection *c = RING_OWNER(op, struct connection, send);

    if (result > 0) {
        bool failed = c->out.failed;

        buffer_consume(&c->out, (size_t)result);
        c->out.failed = failed;
        c->deadline_ms = 0;
    } else if (result != -EINTR && result != -EAGAIN) {
        die(c);
    }
    connection_step(c);
    free_if_gone(c);
}

// ------------------------------------------------------------- from outside

bool connection_new(struct connection **list, int fd, struct ring *ring,
                    struct route *route, connection_gone *on_gone,
                    void *context)
{
    struct connection *c = calloc(1, sizeof *c);

    if (c == NULL) {
        (void)close(fd);
        return false;
    }
    c->fd = fd;
    c->ring = ring;
    c->route = route;
    c->on_gone = on_gone;
    c->context = context;
    c->next = *list;
    c->link = list;
    if (c->next != NULL) c->next->link = &c->next;
    *list = c;
    connection_step(c);
    free_if_gone(c);
    return true;
}

void connection_tick(struct connection *c, uint64_t now_ms)
{
    if (c->dead || c->deadline_ms == 0 || now_ms < c->deadline_ms) return;
    if (c->state == STATE_HEAD && !ring_busy(&c->send)) {
        refuse(c, 408, "timeout", "the request's head was not whole in 10 s");
        c->deadline_ms = now_ms + DEADLINE_MS;
        connection_step(c);
    } else {
        die(c);
    }
    free_if_gone(c);
}

void connection_finish(struct connection *c, bool now)
{
    c->finishing = true;
    if (now || (c->state == STATE_HEAD && c->out.len == 0)) {
        die(c);
    }
    free_if_gone(c);
}

struct connection *connection_next(const struct connection *c)
{
    return c->next;
}
