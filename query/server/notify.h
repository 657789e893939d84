// notify.h - a service among others: what systemd hands over and is told.
//
// The protocol is a datagram of text to $NOTIFY_SOCKET and descriptors from 3
// on with $LISTEN_FDS: no library is needed for it.  Where nobody started us
// like that, nothing here does anything.
//
// Order     notify_open and notify_take_sockets before the server is confined
//           and before threads start.
// Thread    the main one.

#pragma once

#include "index/base/err.h"

// notify_open connects to whoever started us.
void notify_open(void);

// notify_say tells it `state`, lines of KEY=VALUE; lost where nobody listens.
void notify_say(const char *state);

// notify_watchdog_ms is how often it wants to hear WATCHDOG=1: half of what it
// waits; 0: never.
unsigned notify_watchdog_ms(void);

enum { NOTIFY_SOCKETS_MAX = 16 };

// notify_take_sockets takes over the listening Unix sockets that came with
// $LISTEN_FDS and gives how many there are: 0 where none came.  ERR_USAGE where
// one of them is something else, or they are too many.
MUST_USE bool notify_take_sockets(int fds[NOTIFY_SOCKETS_MAX], size_t *num,
                                  struct err *err);
