// server.h - sanctd: threads, each with a ring, a reader and its connections.
//
// Every thread accepts on the same listening socket; what it accepts stays with
// it.  Nothing is shared between threads but the index handle.

#pragma once

#include "index/index.h"

struct server_options {
    const char *socket_path;
    const char *group; // NULL: as it comes
    unsigned threads;
};

// server_run answers until SIGTERM or SIGINT, then finishes what is under way,
// removes the socket and returns true.
MUST_USE bool server_run(struct index *index,
                         const struct server_options *options,
                         struct err *err);
