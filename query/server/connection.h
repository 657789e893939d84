// connection.h - one client: requests in, answers out, in order.
//
// Happy path: receive, take a request's head off, route it, frame the reply,
// send, go on with what came meanwhile (pipelining needs nothing more).
// Then each way it goes wrong:
//   - a head or body that breaks HTTP: its error, and the connection is closed;
//   - a head not whole in 10 s: 408; nothing taken for 10 s: closed;
//   - a client that does not read: once OUT_MAX bytes wait for it nothing more
//     is read from it, so its memory is bounded;
//   - an answer that breaks after its status: closed without the last chunk.
//
// Lifetime  a connection frees itself when it is closed and every ring
//           operation has come back; then `on_gone` is called.
// Thread    the ring's.

#pragma once

#include "index/net/ring.h"
#include "query/server/route.h"

struct connection;
typedef void connection_gone(void *context);

// connection_new starts to serve socket `fd`, which it takes, and puts it in
// front of `list`.
MUST_USE bool connection_new(struct connection **list, int fd,
                             struct ring *ring, struct route *route,
                             connection_gone *on_gone, void *context);

// connection_tick closes it when a deadline has passed.
void connection_tick(struct connection *connection, uint64_t now_ms);

// connection_finish answers what is under way and closes; with `now` at once.
void connection_finish(struct connection *connection, bool now);

// connection_next is the next in the list; ask before a call that may free it.
struct connection *connection_next(const struct connection *connection);
