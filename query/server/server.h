// server.h - sanctd: threads, each with a ring, a reader and its connections.
//
// Every thread accepts on the same listening sockets; what it accepts stays
// with it.  Nothing is shared between threads but the index handle and counters
// that each writes alone.
//
// Limit     CONNECTIONS_MAX in each thread, and what the process may open: then
//           the longest idle is shed, and where none is idle the newest turned
//           away with a 503.

#pragma once

#include "index/index.h"
#include "query/server/host.h"

struct server_options {
    const char *socket_path;
    const char *group;      // NULL: as it comes
    const char *listen_tcp; // ADDR:PORT, NULL: none
    bool listen_public;     // else only a loopback address
    struct host_rules hosts;
    unsigned threads;
    bool busy_poll; // a core each, and no waiting for the kernel to wake
};

// server_run answers until SIGTERM or SIGINT, then finishes what is under way,
// has the socket removed and returns true.  The process is confined from then
// on (sandbox.h).  SIGHUP is a reload, which finds nothing to do.  Sockets
// that systemd hands over take the place of socket_path (notify.h).
MUST_USE bool server_run(struct index *index,
                         const struct server_options *options, struct err *err);
