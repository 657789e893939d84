// serve.h - an HTTP/1.1 server for tests: blocking, a thread per connection.
//
// Keep-alive and pipelining as a client wants them; HTTPS with a CA of its own.
//
// Thread    the handler runs on any number of threads at once.
// Limit     a request head of 16 KiB; SERVE_CONNECTIONS_MAX connections.

#pragma once

#include "index/base/buffer.h"
#include "index/base/err.h"
#include "tests/support/fixed_key.h"

enum { SERVE_CONNECTIONS_MAX = 1024 };

// What a handler fills; `body` and `shared` are sent one after the other.
struct serve_answer {
    int status;
    const char *type;
    struct buffer headers; // whole lines, with CRLF
    struct buffer body;
    struct bytes shared; // outlives the server
    bool drop;           // no answer: the connection is closed
    bool truncate;       // half of the body, then the connection is closed
    bool trail;          // more bytes than were announced
    bool trickle;        // the body comes a byte at a time
    bool stall;          // half of the body, then nothing more
    bool chunked;
};

typedef void serve_handler(void *context, const char *method,
                           const char *target, struct serve_answer *answer);

struct server;

// serve_start listens on 127.0.0.1; `port` 0 is any free one.  With `ca_pem`
// it speaks TLS, and the CA's certificate is appended there.
MUST_USE bool serve_start(struct server **out, uint16_t port,
                          struct buffer *ca_pem, uint64_t seed,
                          struct err *err);

// serve_run begins to accept; serve_port is where.
void serve_run(struct server *server, serve_handler *handler, void *context);
uint16_t serve_port(const struct server *server);

// serve_stop ends all connections and waits for their threads; NULL is fine.
void serve_stop(struct server *server);
