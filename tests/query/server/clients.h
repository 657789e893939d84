// clients.h - connections of this process over socket pairs: a test is both
// sides, and moves time and ring on by itself.

#pragma once

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "query/server/connection.h"
#include "tests/support/check.h"

enum { PUMPS = 400 };

static struct metrics metrics;
static struct connection_world world;
static unsigned num_gone;

static void on_gone(void *context)
{
    (void)context;
    num_gone++;
}

// Serves `index` to whoever connects.
static inline bool clients_open(struct index *index)
{
    struct err err = {0};

    (void)signal(SIGPIPE, SIG_IGN);
    world.metrics = &metrics;
    world.on_gone = on_gone;
    return ring_open(&world.ring, RING_DEPTH, &err) &&
           cold_open(&world.cold, world.ring, &metrics, &err) &&
           recall_new(&world.recall, &err) &&
           route_new(&world.route, index, &metrics, world.cold, &err);
}

// Nothing that was read or answered before is known any more.
static inline void forget_all(void)
{
    struct err err = {0};

    cold_forget(world.cold);
    recall_free(world.recall);
    assert_true(recall_new(&world.recall, &err));
}

static inline void pump(void)
{
    struct err err = {0};

    for (int i = 0; i < PUMPS; i++) {
        route_idle(world.route);
        assert_true(ring_run(world.ring, false, &err));
    }
}

static inline void finish_all(void)
{
    struct connection *next;

    for (struct connection *c = world.connections; c != NULL; c = next) {
        next = connection_next(c);
        connection_finish(c, true);
    }
    while (world.connections != NULL) {
        pump();
    }
}

static inline void clients_close(void)
{
    finish_all();
    route_free(world.route);
    recall_free(world.recall);
    cold_close(world.cold);
    ring_close(world.ring);
}

static inline int connect_client(void)
{
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_int_equal(fcntl(pair[0], F_SETFL, O_NONBLOCK), 0);
    assert_true(connection_new(&world, pair[1], NULL));
    return pair[0];
}

static inline void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL),
                     (ssize_t)strlen(text));
    pump();
}

// What has come so far; `*closed` tells whether the other side is gone.
static inline size_t take(int fd, char *out, size_t size, bool *closed)
{
    size_t len = 0;
    ssize_t got;

    *closed = false;
    while (len < size) {
        got = recv(fd, out + len, size - len, 0);
        if (got <= 0) {
            *closed = got == 0 || errno != EAGAIN;
            break;
        }
        len += (size_t)got;
    }
    return len;
}
