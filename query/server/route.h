// route.h - from a request to the start of its reply.
//
// The endpoints of API.md section 1 over one index.  A route holds a snapshot
// while it answers what is at hand and lets it go when it waits (route_idle),
// so a client that dawdles never holds a read transaction.
//
// Thread    one; each worker has its own.

#pragma once

#include "index/index.h"
#include "index/net/http.h"
#include "query/server/reply.h"

struct route;

MUST_USE bool route_new(struct route **out, struct index *index,
                        struct err *err);
void route_free(struct route *route);

// route_request answers a request whose head is whole.  With `*wants_lines` the
// reply is a stream: its status and fields are set, and each line of the body
// goes to route_line.
void route_request(struct route *route, const struct http_request *request,
                   struct reply *reply, bool *wants_lines);

// route_line appends the answer to one line; reply->whole is false where more
// pieces of it are to come.
void route_line(struct route *route, struct bytes line, struct reply *reply);

// route_idle lets go of the snapshot: nothing is being answered.
void route_idle(struct route *route);
