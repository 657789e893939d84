// janitor.h - a small process that removes the socket when its server is gone.
//
// A confined server can remove nothing.  So before it is confined it leaves
// that to a process beside it, which waits on a pipe and does this one thing:
// also after a crash or a SIGKILL.
//
// Lifetime  janitor_start ... janitor_dismiss, which waits until it is done.
// Thread    before others are started: it forks.

#pragma once

#include <sys/types.h>

#include "index/base/err.h"

struct janitor {
    pid_t pid; // 0: none
    int pipe;  // closed, by whatever end, it begins its work
};

// janitor_start has `path`, a socket of ours, removed in the end.
MUST_USE bool janitor_start(struct janitor *janitor, const char *path,
                            struct err *err);

// janitor_dismiss has it removed now and waits for that; without a janitor it
// does nothing.
void janitor_dismiss(struct janitor *janitor);
