// constant.h - a server that gives one answer to everything, on the ring that
// sanctd stands on: what the sockets alone cost.
//
// Requests are told apart by the bytes that end each.  All that came together
// is answered together.
//
// Result    what fails ends the program (die).

#pragma once

#include <sys/types.h>

#include "index/base/bytes.h"

// constant_start serves Unix socket `path` from a process of its own, which
// ends with this one; connections can be made when it returns.
pid_t constant_start(const char *path, struct bytes request_end,
                     struct bytes answer);
