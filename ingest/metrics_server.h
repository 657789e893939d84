// metrics_server.h - metrics over HTTP on a Unix socket, while ingest runs.
//
// Lifetime  the socket is there from metrics_server_start to _stop, and
//           `write` and its context must be.
// Thread    it has one of its own, and `write` runs there.
// Limit     METRICS_CONNECTIONS_MAX at a time, each for METRICS_TIMEOUT_MS and
//           one answer; the rest wait in the kernel, up to as many more.

#pragma once

#include "index/base/buffer.h"
#include "index/base/err.h"

enum { METRICS_CONNECTIONS_MAX = 16, METRICS_TIMEOUT_MS = 5000 };

struct metrics_server; // opaque
typedef void metrics_write(struct buffer *out, void *context);

// metrics_server_start answers GET /metrics at `path` with what `write`
// appends.  ERR_USAGE where the path cannot be ours (socket_path.h).
MUST_USE bool metrics_server_start(struct metrics_server **out,
                                   const char *path, metrics_write *write,
                                   void *context, struct err *err);

// metrics_server_stop ends all connections and removes the socket; NULL is
// fine.
void metrics_server_stop(struct metrics_server *server);
