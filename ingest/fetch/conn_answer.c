// conn_answer.c - the head and the body of an answer; see conn_state.h.

#include <time.h>

#include "index/base/text.h"
#include "ingest/fetch/conn_state.h"

enum { BODY_RESERVE_MAX = 1 << 20 };

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
        conn_fail_with(conn, FETCH_HTTP,
                       "a Content-Encoding that was not asked for");
        return false;
    }
    if (response->body.framing == HTTP_LENGTH) {
        if (response->length > request->body_max) {
            conn_fail_with(
                conn, FETCH_TOO_LARGE, "a body of %llu bytes, over %zu",
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

bool conn_answer_head(struct conn *conn)
{
    for (;;) {
        struct err err = {0};
        enum http_progress progress;

        switch (conn_wire_next(conn, &err)) {
        case PLAIN_MORE:
            return false;
        case PLAIN_READY:
            break;
        case PLAIN_END:
        case PLAIN_TRUNCATED:
            conn_fail_closed(conn, conn->has_answer_bytes
                                       ? "within a head"
                                       : "without an answer");
            return false;
        case PLAIN_BROKEN:
            conn_fail_wrapped(conn, FETCH_TLS, &err);
            return false;
        }
        conn->has_answer_bytes = true;
        progress = http_response_head(&conn->response, &conn->plain, &err);
        if (progress == HTTP_BROKEN) {
            conn_fail_wrapped(conn, FETCH_HTTP, &err);
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
    conn->answered_ms = ring_now_ms();
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
        conn_fail_with(conn, FETCH_TOO_LARGE, "a body of more than %zu bytes",
                       conn->request->body_max);
        return false;
    }
    buffer_append(body, fits ? part : bytes_of(part.data, room));
    if (!buffer_ok(body)) {
        conn_fail_with(conn, FETCH_MEMORY, "no memory for a body");
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
        conn_fail_wrapped(conn, FETCH_CLOSED, &err);
    } else {
        conn_fail_closed(conn, "within a body");
    }
    return false;
}

// What is certain to be the body's goes there straight; the rest is looked at
// first.
static enum plain_progress next_of_body(struct conn *conn, struct err *err)
{
    struct http_body *framed = &conn->response.body;
    struct buffer *body = &conn->request->body;
    uint64_t certain = http_body_certain(framed);
    enum plain_progress progress;
    size_t len;

    if (conn->tls == NULL || certain == 0 ||
        certain > conn->request->body_max - body->len) {
        return conn_wire_next(conn, err);
    }
    progress = conn_wire_into(
        conn, body, certain < SIZE_MAX ? (size_t)certain : SIZE_MAX, &len, err);
    http_body_took(framed, len);
    return progress;
}

bool conn_answer_body(struct conn *conn)
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
            conn_fail_wrapped(conn, FETCH_HTTP, &err);
            return false;
        case HTTP_MORE:
            break;
        }
        switch (next_of_body(conn, &err)) {
        case PLAIN_MORE:
            return false;
        case PLAIN_READY:
            break;
        case PLAIN_END:
            return end_of_body(conn, true);
        case PLAIN_TRUNCATED:
            return end_of_body(conn, false);
        case PLAIN_BROKEN:
            conn_fail_wrapped(conn, FETCH_TLS, &err);
            return false;
        }
    }
}
