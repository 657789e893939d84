// serving.h - a server in a child process, and who talks to it.

#pragma once

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "query/server/server.h"
#include "tests/support/check.h"

// Serves the index in `dir` until a signal comes; for a child.
static inline _Noreturn void
serve_folder(const char *dir, const char *socket_path, unsigned threads)
{
    struct server_options options = {.socket_path = socket_path,
                                     .threads = threads};
    struct index *index = NULL;
    struct err err = {0};

    if (!index_open(&index, dir, INDEX_READ, &err) ||
        !server_run(index, &options, &err)) {
        print_error("%s\n", err.text);
        _exit(90);
    }
    index_close(index);
    _exit(0);
}

// An index without logs, for that.
static inline void make_empty_index(const char *dir)
{
    struct index *index = NULL;
    struct err err = {0};

    assert_true(index_open(&index, dir, INDEX_WRITE, &err));
    index_close(index);
}

// A connection, on which nothing is waited for longer than 20 s; -1: nobody
// answers there.
static inline int dial(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval limit = {.tv_sec = 20};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0) {
        return fd;
    }
    (void)close(fd);
    return -1;
}

// The same, as soon as the server is there.
static inline int dial_patiently(const char *path)
{
    int fd = -1;

    for (int i = 0; i < 400 && fd < 0; i++) {
        fd = dial(path);
        if (fd < 0) usleep(50000);
    }
    if (fd < 0) fail_msg("the server does not answer");
    return fd;
}
