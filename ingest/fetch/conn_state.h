// conn_state.h - the inside of a connection, for the conn files only.
//
//   conn.c         states, beginning and end, time; the only conn_step()
//   conn_wire.c    bytes: operations of the ring, TLS records
//   conn_answer.c  the head and the body of an answer

#pragma once

#include "index/net/http.h"
#include "ingest/fetch/conn.h"

enum {
    CONN_WIRE_FIRST = 64 << 10,
    CONN_WIRE_MAX = 256 << 10,  // where the socket has more than that at once
    CONN_PLAIN_SIZE = 16 << 10, // a TLS record
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

    struct dial dial;
    struct ring_op recv;
    struct ring_op send;
    struct ring_op tick;

    struct resolve_address to; // that it is connected to; len 0: not yet
    char address[64];          // the same as text

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
    uint64_t opened_ms;
    uint64_t answered_ms; // when the last answer was whole
    unsigned num_answers;
    bool has_answer_bytes; // any, of the request under way
    bool stale;

    uint8_t *wire_data;
    size_t wire_size;
    bool wire_was_full;
    uint8_t plain_data[CONN_PLAIN_SIZE];
};

// ---------------------------------------------------------------- conn.c

// conn_enter is the only place where the state changes.
void conn_enter(struct conn *conn, enum conn_state state);

// conn_step goes as far as the bytes at hand allow.
void conn_step(struct conn *conn);

// conn_extend_deadline gives the current step so much time from now on.
void conn_extend_deadline(struct conn *conn, uint64_t timeout_ms);

// conn_arm_tick has the deadlines looked at.
void conn_arm_tick(struct conn *conn);

// conn_fail_with ends the request and the connection, in words of its own or
// in those of a codec; conn_fail_closed: because the other side has closed.
void conn_fail_with(struct conn *conn, enum fetch_fault fault,
                    const char *format, ...) PRINTF_LIKE(3, 4);
void conn_fail_wrapped(struct conn *conn, enum fetch_fault fault,
                       struct err *err);
void conn_fail_closed(struct conn *conn, const char *when);

// conn_close_when_idle frees a connection that is closing when nothing is in
// flight any more.
void conn_close_when_idle(struct conn *conn);

// ---------------------------------------------------------------- conn_wire.c

enum plain_progress {
    PLAIN_MORE,
    PLAIN_READY,
    PLAIN_END,       // in order: FIN, or close_notify
    PLAIN_TRUNCATED, // the transport ended before TLS did, or with an error
    PLAIN_BROKEN,
};

// conn_wire_next gives the next plaintext in `plain`.
enum plain_progress conn_wire_next(struct conn *conn, struct err *err);

// conn_wire_into adds plaintext to the end of a body, `max` bytes at most, with
// no copy in between; only under TLS and with nothing left in `plain`.
enum plain_progress conn_wire_into(struct conn *conn, struct buffer *body,
                                   size_t max, size_t *len, struct err *err);

// conn_wire_submit turns what the codecs want into operations.
void conn_wire_submit(struct conn *conn);

// ----------------------------------------------------------------
// conn_answer.c

// conn_answer_head and conn_answer_body are the steps of CONN_HEAD and
// CONN_BODY: true when another state was entered that may go on at once.
bool conn_answer_head(struct conn *conn);
bool conn_answer_body(struct conn *conn);
