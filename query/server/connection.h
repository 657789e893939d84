// connection.h - one client: requests in, answers out, in order.
//
// Happy path: receive, tell the dialect, take a request off, answer it, send,
// go on with what came meanwhile (pipelining needs nothing more).
// Then each way it goes wrong:
//   - what breaks HTTP or RESP: its error, and the connection is closed once
//     the client has had the time to read it;
//   - a head or command not whole in 10 s: closed, HTTP with a 408 before;
//   - nothing taken for 10 s while an answer waits: closed;
//   - a client that does not read: once OUT_MAX bytes wait for it nothing more
//     is read from it, so its memory is bounded;
//   - a long answer, or many requests at once: others have a turn every 2 ms;
//   - an answer that breaks after its first piece: closed, and it shows.
//
// Lifetime  a connection frees itself when it is closed and every ring
//           operation has come back; then `on_gone` is called.
// Thread    the ring's.

#pragma once

#include "index/net/ring.h"
#include "query/server/host.h"
#include "query/server/recall.h"
#include "query/server/route.h"

struct connection;
typedef void connection_gone(void *context);

// What the connections of one worker have in common.  Whoever runs the ring
// calls route_idle before.
struct connection_world {
    struct ring *ring;
    struct route *route;
    struct recall *recall;
    struct cold *cold;
    struct metrics *metrics;
    connection_gone *on_gone;
    void *context;
    struct connection *connections; // the list of them
    uint64_t now_ns;                // as last looked at while one is served
};

// connection_new starts to serve socket `fd`, which it takes.  With `rules` it
// came over TCP: HTTP only, and Host is checked.
MUST_USE bool connection_new(struct connection_world *world, int fd,
                             const struct host_rules *rules);

// connection_tick closes it when a deadline has passed.
void connection_tick(struct connection *connection, uint64_t now_ms);

// connection_finish answers what is under way and closes; with `now` at once.
void connection_finish(struct connection *connection, bool now);

// connection_shed closes the one that has been idle longest, if that is a
// minute at least; false when there is none.
bool connection_shed(struct connection_world *world, uint64_t now_ms);

// connection_next is the next in the list; ask before a call that may free it.
struct connection *connection_next(const struct connection *connection);
