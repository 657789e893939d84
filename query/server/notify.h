// notify.h - a service among others: what systemd hands over and is told.
//
// The protocol is a datagram of text to $NOTIFY_SOCKET and descriptors from 3
// on with $LISTEN_FDS: no library is needed for it.  Where nobody started us
// like that, nothing here does anything.
//
// Order     notify_open and notify_take_socket before the server is confined
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

// notify_take_socket takes over the listening Unix socket that came with
// $LISTEN_FDS; `*fd` is -1 where none came.  ERR_USAGE where what came is
// something else.
MUST_USE bool notify_take_socket(int *fd, struct err *err);
