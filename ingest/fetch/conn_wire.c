// conn_wire.c - the bytes of a connection; see conn_state.h.

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "ingest/fetch/conn_state.h"

// Bytes that count as a sign of life: below this much in an idle timeout (34
// bytes a second with 30 s) a log holds its connection up.
enum { PROGRESS_MIN = 1024 };

static void on_recv(struct ring_op *op, int result)
{
    struct conn *conn = RING_OWNER(op, struct conn, recv);

    if (conn->state == CONN_CLOSING) {
        conn_close_when_idle(conn);
        return;
    }
    if (result > 0) {
        conn->in = bytes_of(conn->wire_data, (size_t)result);
        conn->wire_was_full = (size_t)result == conn->wire_size;
        conn->origin->bytes_received += (uint64_t)result;
        conn->num_progress += (size_t)result;
        if (conn->num_progress >= PROGRESS_MIN) {
            conn_extend_deadline(conn, conn->origin->idle_timeout_ms);
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
        conn_close_when_idle(conn);
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

// More at once is fewer system calls.  What was received is read already.
static void widen(struct conn *conn)
{
    uint8_t *wider;

    if (!conn->wire_was_full || conn->wire_size == CONN_WIRE_MAX) return;
    wider = malloc(2 * conn->wire_size);
    if (wider == NULL) return;
    free(conn->wire_data);
    conn->wire_data = wider;
    conn->wire_size *= 2;
    conn->wire_was_full = false;
}

// Turns what the codecs want into operations.
void conn_wire_submit(struct conn *conn)
{
    if (conn->state == CONN_CLOSING || conn->state == CONN_CONNECTING) return;
    send_more(conn);
    if (!ring_busy(&conn->recv) && !conn->eof && conn->in.len == 0) {
        widen(conn);
        ring_recv(conn->origin->ring, &conn->recv, conn->fd, conn->wire_data,
                  conn->wire_size, on_recv);
    }
    conn_arm_tick(conn);
}

// Decrypts what is there.
static enum plain_progress read_tls(struct conn *conn, uint8_t *out,
                                    size_t size, size_t *len, struct err *err)
{
    switch (tls_read(conn->tls, &conn->in, &conn->out, out, size, len, err)) {
    case TLS_READY:
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

// Gives the next plaintext in `plain`.
enum plain_progress conn_wire_next(struct conn *conn, struct err *err)
{
    enum plain_progress progress;
    size_t len;

    if (conn->plain.len > 0) return PLAIN_READY;
    if (conn->tls == NULL) {
        conn->plain = conn->in;
        conn->in = bytes_of(NULL, 0);
        if (conn->plain.len > 0) return PLAIN_READY;
        if (!conn->eof) return PLAIN_MORE;
        return conn->recv_error == 0 ? PLAIN_END : PLAIN_TRUNCATED;
    }
    progress =
        read_tls(conn, conn->plain_data, sizeof conn->plain_data, &len, err);
    if (progress == PLAIN_READY) conn->plain = bytes_of(conn->plain_data, len);
    return progress;
}

enum plain_progress conn_wire_into(struct conn *conn, struct buffer *body,
                                   size_t max, size_t *len, struct err *err)
{
    enum plain_progress progress;

    assert(conn->tls != NULL && conn->plain.len == 0);
    *len = 0;
    if (max > CONN_PLAIN_SIZE) max = CONN_PLAIN_SIZE;
    if (!buffer_reserve(body, max)) {
        (void)err_set(err, ERR_MEMORY, "no memory for a body");
        return PLAIN_BROKEN;
    }
    progress = read_tls(conn, body->data + body->len, max, len, err);
    body->len += *len;
    return progress;
}
