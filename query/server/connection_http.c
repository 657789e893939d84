// connection_http.c - a connection that speaks HTTP/1.1.

#include "query/server/connection_parts.h"

enum {
    BODY_SKIP_MAX = 64 << 10, // of a request that should have none
    LINE_MAX = 64 << 10,
};

// ------------------------------------------------------------- framing

static void write_head(struct connection *c)
{
    struct reply *reply = &c->reply;

    c->head_written = true;
    c->chunked = false;
    http_write_status(&c->out, reply->status);
    if (reply->content_type != NULL) {
        buffer_append_text(&c->out, "Content-Type: ");
        buffer_append_text(&c->out, reply->content_type);
        buffer_append_text(&c->out, "\r\n");
    }
    buffer_append(&c->out, buffer_bytes(&reply->fields));
    if (reply->whole && reply->body.len <= REPLY_PIECE) {
        if (reply->status != 204 && reply->status != 304) {
            http_write_length(&c->out, reply->body.len);
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
    if (!buffer_ok(body)) c->broken_off = true;
    buffer_reset(body);
}

// The reply is out: what comes next is the next request, or the end.
static void end_reply(struct connection *c)
{
    if (c->chunked && !c->headless) http_write_chunk_end(&c->out);
    connection_end_reply(c);
    http_request_reset(&c->request);
    connection_enter(c,
                     c->keep_alive && !c->finishing ? STATE_HEAD : STATE_CLOSE);
}

// Sends what is there of the reply.  Until there is a piece, or all of it, the
// head waits: it says how long the body is, and the reply may still fail.
static void go_on(struct connection *c)
{
    struct reply *reply = &c->reply;
    size_t start = c->out.len;
    bool at_once = !c->head_written && reply->whole;

    if (!c->head_written && !reply->whole && !c->headless &&
        reply->body.len < REPLY_PIECE) {
        connection_enter(c, STATE_REPLY);
        return;
    }
    if (!c->head_written) write_head(c);
    write_piece(c);
    if (at_once && c->keep_alive) {
        connection_keep(c, buffer_bytes(&c->request.head), start);
    }
    if (reply->whole || c->headless) {
        end_reply(c);
    } else {
        connection_enter(c, STATE_REPLY);
    }
}

static void begin_reply(struct connection *c)
{
    c->head_written = false;
    go_on(c);
}

void http_refuse(struct connection *c, unsigned status, const char *code,
                 const char *message)
{
    c->keep_alive = false;
    c->lingers = true;
    reply_reset(&c->reply);
    reply_error(&c->reply, status, code, message);
    begin_reply(c);
}

// ------------------------------------------------------------- steps

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

// What stands in a request's way before anybody looks at what it asks.
static bool is_refused(struct connection *c)
{
    struct bytes host = c->request.host, authority, path, query;

    if (c->rules != NULL) {
        if (http_target_split(c->request.target, &authority, &path, &query) &&
            authority.len > 0) {
            host = authority; // RFC 9112 section 3.2.2
        }
        if (!host_is_allowed(c->rules, &c->local, host)) {
            http_refuse(c, 421, "wrong_host",
                        "this server is not called so; --host allows a name");
            return true;
        }
    }
    return false;
}

static void begin_request(struct connection *c)
{
    bool wants_lines;

    c->keep_alive = c->request.keep_alive;
    c->answering_lines = false;
    c->headless = bytes_equal_text(c->request.method, "HEAD");
    reply_reset(&c->reply);
    if (!c->keep_alive || c->request.body.framing != HTTP_NO_BODY) {
        c->ticket.again = false; // other bytes belong to it
    }
    if (is_refused(c)) return;
    c->counted =
        route_request(c->world->route, &c->request, &c->reply, &wants_lines);
    if (c->reply.cold) {
        connection_enter(c, STATE_AGAIN);
        return;
    }
    if (!wants_lines && c->request.has_length &&
        c->request.length > BODY_SKIP_MAX) {
        http_refuse(c, 413, "too_large", "no body is expected here");
        return;
    }
    if (c->request.expects_continue) {
        buffer_append_text(&c->out, "HTTP/1.1 100 Continue\r\n\r\n");
    }
    if (wants_lines) {
        c->answering_lines = true;
        write_head(c);
        buffer_reset(&c->line);
        c->lines_ended = false;
        connection_enter(c, STATE_LINES);
    } else if (c->request.body.framing == HTTP_NO_BODY) {
        begin_reply(c);
    } else {
        c->skipped = 0;
        connection_enter(c, STATE_SKIP);
    }
}

// What a head is that has come whole; empty where it has not.
static struct bytes whole_head(struct bytes in)
{
    const uint8_t *end = memmem(in.data, in.len, "\r\n\r\n", 4);

    return bytes_of(in.data, end == NULL ? 0 : (size_t)(end - in.data) + 4);
}

// Answers bytes that were a request and its head a moment ago, before anybody
// reads them.  Over TCP they may have come to another host.
static bool recall_head(struct connection *c)
{
    struct bytes head;

    c->ticket = (struct recall_ticket){0};
    if (c->rules != NULL || c->request.head.len > 0) return false;
    head = whole_head(c->unread);
    connection_begin_request(c);
    if (head.len == 0 || !connection_recall(c, head)) return false;
    (void)bytes_skip(&c->unread, head.len);
    return true;
}

bool http_step_head(struct connection *c)
{
    struct bytes in = c->unread;
    struct err err = {0};
    enum http_progress progress;

    if (in.len == 0) return false;
    if (recall_head(c)) return true;
    progress = http_request_head(&c->request, &in, &err);
    c->unread = in;
    if (progress == HTTP_MORE) {
        if (c->request.head.len > 0) connection_await_rest(c);
        return false;
    }
    c->read_deadline_ms = 0;
    c->counted = ENDPOINT_OTHER;
    connection_begin_request(c);
    c->headless = false;
    if (progress == HTTP_BROKEN) {
        http_refuse(c, c->request.refusal, refusal_code(c->request.refusal),
                    err.text);
    } else {
        begin_request(c);
    }
    return true;
}

bool http_step_again(struct connection *c)
{
    begin_request(c);
    return true;
}

bool http_step_skip(struct connection *c)
{
    struct bytes in = c->unread;
    struct err err = {0};
    struct bytes part;
    enum http_progress progress;

    do {
        progress = http_body_read(&c->request.body, &in, &part, &err);
        if (progress == HTTP_PART) c->skipped += part.len;
    } while (progress == HTTP_PART && c->skipped <= BODY_SKIP_MAX);
    c->unread = in;
    if (progress == HTTP_MORE) return false;
    if (progress == HTTP_END) {
        begin_reply(c);
    } else if (progress == HTTP_PART) {
        http_refuse(c, 413, "too_large", "no body is expected here");
    } else {
        http_refuse(c, 400, "bad_request", err.text);
    }
    return true;
}

static void answer_line(struct connection *c)
{
    struct bytes line = buffer_bytes(&c->line);

    if (line.len > 0 && line.data[line.len - 1] == '\r') line.len--;
    if (line.len > 0) {
        c->reply.whole = false;
        cold_end(&c->cold); // each line is a question of its own
        route_line(c->world->route, line, &c->reply);
        write_piece(c);
        if (!c->reply.whole) connection_enter(c, STATE_REPLY);
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
    struct bytes in = c->unread;
    struct bytes some = in, part;
    const uint8_t *stop = in.len == 0 ? NULL : memchr(in.data, '\n', in.len);
    enum http_progress progress;
    struct err err = {0};

    // The reader of the body is given no more than one line at a time.
    if (stop != NULL) some.len = (size_t)(stop - in.data) + 1;
    progress = http_body_read(&c->request.body, &some, &part, &err);
    (void)bytes_skip(&in, (size_t)(some.data - in.data));
    c->unread = in;
    if (progress == HTTP_PART) *line = take_line(c, part);
    return progress;
}

bool http_step_lines(struct connection *c)
{
    enum http_progress progress = HTTP_END;
    bool line = false;

    if (!c->lines_ended) progress = read_line(c, &line);
    switch (progress) {
    case HTTP_MORE:
        return c->unread.len > 0;
    case HTTP_BROKEN:
        c->broken_off = true; // no last chunk: it must not look whole
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

bool http_step_reply(struct connection *c)
{
    struct err err = {0};

    if (!reply_go_on(&c->reply, &err)) {
        if (err.code == ERR_COLD) return true;
        if (c->head_written) {
            c->broken_off = true;
            return true;
        }
        reply_fail(&c->reply, &err);
    }
    if (!c->answering_lines) {
        go_on(c);
        return true;
    }
    write_piece(c);
    if (c->reply.whole) connection_enter(c, STATE_LINES);
    return true;
}
