// conn.h - one connection to a log: ring, TLS and HTTP.
//
// A connection is opened for its first request, answers one at a time, and is
// kept for the next where both sides agree.
//
// Lifetime  conn_open to `closed`; it frees itself then.  The origin outlives
//           it, the request is the connection's until `answered` or `failed`.
// Order     the three calls come only inside ring_run(), `closed` last.
// Thread    the one of the ring.

#pragma once

#include "index/net/ring.h"
#include "ingest/fetch/dial.h"
#include "ingest/fetch/fetch.h"
#include "ingest/fetch/tls.h"

struct conn; // opaque

// What all connections to one place share.
struct conn_origin {
    struct ring *ring;
    struct tls_context *tls; // NULL: plain HTTP
    struct tls_session session;
    char host[RESOLVE_HOST_MAX];      // without brackets
    char authority[RESOLVE_HOST_MAX]; // for Host: as the URL has it
    char tunnel[RESOLVE_HOST_MAX];    // host:port for CONNECT; "": no proxy
    char proxy_login[256];            // base64 for the proxy; "": none
    char base[512];                   // path in front of every request's
    const char *user_agent;
    struct addresses addresses; // of the host or of the proxy
    struct dial_binds binds;
    uint64_t connect_timeout_ms;
    uint64_t idle_timeout_ms;
    // When a kept connection is tired: answers given, age, time without a
    // request.
    unsigned answers_max;
    uint64_t age_max_ms;
    uint64_t free_max_ms;
    uint64_t bytes_received;

    // Called for `conn` with its context.
    void (*answered)(struct conn *conn, void *context);
    void (*failed)(struct conn *conn, void *context);
    void (*closed)(struct conn *conn, void *context);
    void *context;
};

// conn_open connects for `request`; NULL when there is no memory.
struct conn *conn_open(struct conn_origin *origin,
                       struct fetch_request *request);

// conn_start sends the next request over a connection that is free.
void conn_start(struct conn *conn, struct fetch_request *request);

// conn_close ends it, with a request under way or not; that request has
// neither `answered` nor `failed` any more.
void conn_close(struct conn *conn);

// conn_is_free tells whether it can take a request now.
bool conn_is_free(const struct conn *conn);

// conn_is_tired tells of one that is free that it is better not used again: a
// server that tires of a connection closes it, perhaps just then.
bool conn_is_tired(const struct conn *conn, uint64_t now_ms);

// conn_request is the request under way, or the one that was just answered or
// has just failed.
struct fetch_request *conn_request(const struct conn *conn);

// conn_was_stale tells of a failure that it hit a kept connection before any
// byte of the answer: the log may have closed it just then.
bool conn_was_stale(const struct conn *conn);

// conn_next and conn_set_next chain connections in their owner's list.
struct conn *conn_next(const struct conn *conn);
void conn_set_next(struct conn *conn, struct conn *next);
