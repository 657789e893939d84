// constant.c - see constant.h.

#include "bench/constant.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "bench/measure.h"
#include "index/base/buffer.h"
#include "index/net/ring.h"

enum { BACKLOG = 1024 };

struct server {
    struct ring *ring;
    struct ring_op accept;
    int listener;
    struct bytes end, answer;
};

struct client {
    struct server *server;
    struct ring_op receive, send;
    int fd;
    size_t matched; // bytes of the end that the last piece ended with
    struct buffer out;
};

static void on_receive(struct ring_op *op, int result);
static void on_send(struct ring_op *op, int result);

// How many requests end in `in`.
static size_t count_ends(struct client *client, struct bytes in)
{
    struct bytes end = client->server->end;
    size_t num = 0;

    for (size_t i = 0; i < in.len; i++) {
        if (in.data[i] != end.data[client->matched]) {
            client->matched = in.data[i] == end.data[0];
        } else if (++client->matched == end.len) {
            client->matched = 0;
            num++;
        }
    }
    return num;
}

static void drop(struct client *client)
{
    if (ring_busy(&client->receive) || ring_busy(&client->send)) return;
    (void)close(client->fd);
    buffer_cleanup(&client->out);
    free(client);
}

static void go_on(struct client *client)
{
    struct ring *ring = client->server->ring;

    if (client->out.len > 0 && !ring_busy(&client->send)) {
        ring_send_quietly(ring, &client->send, client->fd,
                          buffer_bytes(&client->out), on_send);
    }
    if (!ring_busy(&client->receive)) {
        ring_receive(ring, &client->receive, client->fd, on_receive);
    }
}

static void on_receive(struct ring_op *op, int result)
{
    struct client *client = RING_OWNER(op, struct client, receive);
    struct server *server = client->server;
    size_t num;

    if (result <= 0) {
        drop(client);
        return;
    }
    if (ring_busy(&client->send)) die("constant: a client does not read");
    num = count_ends(client, ring_received(server->ring));
    while (num-- > 0) {
        buffer_append(&client->out, server->answer);
    }
    go_on(client);
}

static void on_send(struct ring_op *op, int result)
{
    struct client *client = RING_OWNER(op, struct client, send);

    if (result > 0) buffer_consume(&client->out, (size_t)result);
    if (client->out.len > 0) {
        ring_send(client->server->ring, &client->send, client->fd,
                  buffer_bytes(&client->out), on_send);
    }
}

static void on_accept(struct ring_op *op, int result)
{
    struct server *server = RING_OWNER(op, struct server, accept);
    struct client *client = calloc(1, sizeof *client);

    if (result < 0 || client == NULL) die("constant: accept");
    client->server = server;
    client->fd = result;
    go_on(client);
    ring_accept(server->ring, &server->accept, server->listener, on_accept);
}

static void serve(struct server *server)
{
    struct err err = {0};

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (!ring_open(&server->ring, RING_DEPTH, &err)) die("%s", err.text);
    ring_accept(server->ring, &server->accept, server->listener, on_accept);
    while (ring_run(server->ring, true, &err)) {
    }
    die("%s", err.text);
}

pid_t constant_start(const char *path, struct bytes request_end,
                     struct bytes answer)
{
    struct server server = {.end = request_end, .answer = answer};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    pid_t pid;

    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    (void)unlink(path);
    server.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (server.listener < 0 ||
        bind(server.listener, (struct sockaddr *)&address, sizeof address) !=
            0 ||
        listen(server.listener, BACKLOG) != 0) {
        die("%s: %s", path, strerror(errno));
    }
    (void)fflush(stdout);
    pid = fork();
    if (pid < 0) die("fork");
    if (pid == 0) serve(&server);
    (void)close(server.listener);
    return pid;
}
