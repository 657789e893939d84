// route.h - from a request to the start of its reply.
//
// The endpoints of API.md sections 1 to 3 over one index.  A route holds a
// snapshot while it answers what is at hand and parks it when it waits
// (route_idle), so a client that dawdles never holds a read transaction.
//
// Thread    one; each worker has its own.

#pragma once

#include "index/index.h"
#include "index/net/http.h"
#include "query/server/cold.h"
#include "query/server/metrics.h"
#include "query/server/reply.h"

struct route;

// route_new makes one; `all_metrics` are those of all threads.  Blocks that are
// not in memory are read by `cold` (NULL: touched as they are): a reply is then
// `cold` and asked for again, and its `more` may fail with ERR_COLD.
MUST_USE bool route_new(struct route **out, struct index *index,
                        const struct metrics *all_metrics, struct cold *cold,
                        struct err *err);
void route_free(struct route *route);

// route_request answers a request whose head is whole and tells what it is
// counted as.  With `*wants_lines` the reply is a stream: its status and fields
// are set, and each line of the body goes to route_line.
enum metrics_endpoint route_request(struct route *route,
                                    const struct http_request *request,
                                    struct reply *reply, bool *wants_lines);

// route_line begins the answer to one line; its pieces come by reply->more
// unless reply->whole.
void route_line(struct route *route, struct bytes line, struct reply *reply);

// route_moment is a number that changes whenever the same question may have
// another answer: when the index has changed, and with every second.  0 where
// that cannot be told.
uint64_t route_moment(struct route *route);

// route_idle lets go of the moment that is being read.
void route_idle(struct route *route);
