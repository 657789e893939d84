// connection_parts.h - what stands behind struct connection; for
// connection.c, which moves bytes and changes states, and for the two that
// speak: connection_http.c and connection_resp.c.

#pragma once

#include "query/server/connection.h"
#include "query/server/resp.h"

enum {
    OUT_MAX = 256 << 10,
    DEADLINE_MS = 10000,
};

enum connection_state {
    STATE_SNIFF,   // too few bytes to tell what is spoken
    STATE_HEAD,    // a request's head is read
    STATE_AGAIN,   // it is answered anew, now that blocks were read
    STATE_SKIP,    // its body, which nobody needs, is passed over
    STATE_LINES,   // its body is questions, one per line
    STATE_COMMAND, // a command of RESP or a line is read
    STATE_REPLY,   // pieces of the reply are still to come
    STATE_CLOSE,   // what waits is sent, then the connection is closed
    STATE_LINGER,  // it is sent, and the client may still be writing
};

struct connection {
    struct connection *next, **link; // among those of its worker
    struct connection_world *world;
    int fd;
    enum connection_state state;
    struct ring_op recv, send, turn;
    struct bytes unread; // received and not taken yet
    bool is_lent;        // it is the ring's memory, else it lies in `in`
    struct buffer in, out;
    struct reply reply;
    struct cold_wait cold;         // blocks that it needs
    enum metrics_endpoint counted; // the request at hand
    struct recall_ticket ticket;   // whether its answer may be kept
    uint64_t begun_ns;
    // HTTP
    const struct host_rules *rules; // NULL on the Unix socket
    struct host_local local;
    struct http_request request;
    struct buffer line;
    size_t skipped;       // bytes of a body that nobody needs
    bool lines_ended;     // the body of questions is whole
    bool answering_lines; // the reply is a stream of answers to lines
    bool head_written;    // of the reply at hand
    bool chunked;         // the reply at hand is sent in chunks
    bool headless;        // the answer to HEAD: no body
    bool keep_alive;      // after the reply at hand
    // The connection
    bool is_resp;
    bool broken_off; // an answer cannot be ended: close when `out` is sent
    bool lingers;    // the client may be writing what nobody will read
    bool eof;        // the client sends no more
    bool finishing;  // the server stops: no new requests
    bool dead;       // closed; only waits for its operations
    size_t lingered;
    uint64_t read_deadline_ms, send_deadline_ms; // 0: none
    uint64_t last_ms;                            // when bytes last moved
};

// connection_enter changes the state.
void connection_enter(struct connection *c, enum connection_state state);

// connection_await_rest sets the deadline of what has come in part.
void connection_await_rest(struct connection *c);

// connection_begin_request notes when it began: now, or when the one before it
// ended.
void connection_begin_request(struct connection *c);

// connection_recall answers with what was answered a moment ago: appends it to
// what waits for the client, and the request is at its end.  Else false.
bool connection_recall(struct connection *c, struct bytes request);

// connection_keep keeps the answer that ends what waits for the client, from
// `start` on, for whoever asks the same again.
void connection_keep(struct connection *c, struct bytes request, size_t start);

// connection_end_reply counts the request and forgets its reply.
void connection_end_reply(struct connection *c);

// Each step returns false when it needs more from the client.
bool http_step_head(struct connection *c);
bool http_step_again(struct connection *c);
bool http_step_skip(struct connection *c);
bool http_step_lines(struct connection *c);
bool http_step_reply(struct connection *c);
bool resp_step_command(struct connection *c);
bool resp_step_reply(struct connection *c);

// http_refuse answers with an error and closes.
void http_refuse(struct connection *c, unsigned status, const char *code,
                 const char *message);
