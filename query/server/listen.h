// listen.h - the sockets that a server answers on.
//
// Result    ERR_USAGE and a sentence where the path cannot be ours: another
//           server answers there, it is no socket, or it is too long.

#pragma once

#include "index/base/err.h"

// listen_default_path is $XDG_RUNTIME_DIR/sanct.sock, or as root (or without
// that variable) /run/sanct/sanct.sock; good until the next call.
const char *listen_default_path(void);

// listen_open makes a listening socket at `path`, mode 0660, of group `group`
// (NULL: as it comes).  A dead socket is replaced.
MUST_USE bool listen_open(int *fd, const char *path, const char *group,
                          struct err *err);

// listen_open_tcp listens on "ADDR:PORT", an IPv6 address in brackets; without
// `is_public` only a loopback address is taken.
MUST_USE bool listen_open_tcp(int *fd, const char *address, bool is_public,
                              struct err *err);

// listen_close closes it and removes the path, if that is still our socket.
void listen_close(int fd, const char *path);
