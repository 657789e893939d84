// socket_path.h - a Unix socket of our own at a path.
//
// Result    ERR_USAGE and a sentence where the path cannot be ours: another
//           server answers there, it is no socket, or it is too long.

#pragma once

#include "index/base/err.h"

// socket_path_open binds one, mode 0660; a dead socket is replaced.  It does
// not listen yet.
MUST_USE bool socket_path_open(int *fd, const char *path, struct err *err);

// socket_path_close closes it and removes the path, if that is still our
// socket; nothing for a `fd` below 0.
void socket_path_close(int fd, const char *path);
