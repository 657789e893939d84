// metrics_server.c - see metrics_server.h.  The life of a connection:
//
//   accept -> read the head -> answer -> written or timed out -> close
//
// Whatever else comes ends it sooner; each frees its place, and then the next
// one is accepted.

#include "ingest/metrics_server.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "index/net/http.h"
#include "index/net/prometheus.h"
#include "index/net/ring.h"
#include "index/net/socket_path.h"

enum { IN_SIZE = 4096, HEAD_MAX = 8 << 10 };

struct client {
    struct metrics_server *server;
    int fd; // -1: this place is free
    struct ring_op io;
    struct ring_op timer;
    struct http_request request;
    size_t num_read;
    struct buffer out;
    size_t num_sent;
    bool closing;
    uint8_t in[IN_SIZE];
};

struct metrics_server {
    char *path;
    int fd;
    pthread_mutex_t ring_lock; // a wake must not meet the close
    struct ring *ring;         // NULL: closed again
    metrics_write *write;
    void *context;
    pthread_t thread;
    atomic_bool stop;
    bool stop_seen;
    struct ring_op accept;
    struct ring_op pause; // after an accept that failed
    struct client clients[METRICS_CONNECTIONS_MAX];
};

static void accept_next(struct metrics_server *server);
static void on_readable(struct ring_op *op, int result);

// ---------------------------------------------------------------- the end

static void free_when_idle(struct client *client)
{
    if (ring_busy(&client->io) || ring_busy(&client->timer)) return;
    (void)close(client->fd);
    client->fd = -1;
    http_request_cleanup(&client->request);
    client->request = (struct http_request){0};
    buffer_cleanup(&client->out);
    accept_next(client->server);
}

static void end(struct client *client)
{
    struct ring *ring = client->server->ring;

    if (!client->closing) {
        client->closing = true;
        ring_cancel(ring, &client->io);
        ring_cancel(ring, &client->timer);
    }
    free_when_idle(client);
}

static void on_time(struct ring_op *op, int result)
{
    (void)result;
    end(RING_OWNER(op, struct client, timer));
}

// ---------------------------------------------------------------- answering

static void on_sent(struct ring_op *op, int result)
{
    struct client *client = RING_OWNER(op, struct client, io);

    if (client->closing || result <= 0) {
        end(client);
        return;
    }
    client->num_sent += (size_t)result;
    if (client->num_sent == client->out.len) {
        end(client);
        return;
    }
    ring_send(client->server->ring, &client->io, client->fd,
              bytes_of(client->out.data + client->num_sent,
                       client->out.len - client->num_sent),
              on_sent);
}

static void answer(struct client *client, unsigned status)
{
    struct metrics_server *server = client->server;
    struct buffer body = {0};

    if (status == 200) {
        server->write(&body, server->context);
    } else {
        buffer_printf(&body, "%s\n", http_reason(status));
    }
    http_write_status(&client->out, status);
    buffer_printf(&client->out,
                  "Content-Type: %s\r\nContent-Length: %zu\r\n"
                  "Connection: close\r\n%s\r\n",
                  status == 200 ? PROMETHEUS_TYPE : "text/plain", body.len,
                  status == 405 ? "Allow: GET, HEAD\r\n" : "");
    if (!bytes_equal_text(client->request.method, "HEAD")) {
        buffer_append(&client->out, buffer_bytes(&body));
    }
    if (!buffer_ok(&body) || !buffer_ok(&client->out)) {
        buffer_cleanup(&body);
        end(client);
        return;
    }
    buffer_cleanup(&body);
    ring_send(server->ring, &client->io, client->fd, buffer_bytes(&client->out),
              on_sent);
}

static unsigned judge(const struct http_request *request)
{
    struct bytes target = request->target;
    const uint8_t *query = memchr(target.data, '?', target.len);

    if (query != NULL) target.len = (size_t)(query - target.data);
    if (!bytes_equal_text(target, "/metrics")) return 404;
    return bytes_equal_text(request->method, "GET") ||
                   bytes_equal_text(request->method, "HEAD")
               ? 200
               : 405;
}

static void read_more(struct client *client)
{
    ring_recv(client->server->ring, &client->io, client->fd, client->in,
              sizeof client->in, on_readable);
}

static void on_readable(struct ring_op *op, int result)
{
    struct client *client = RING_OWNER(op, struct client, io);
    struct bytes in = bytes_of(client->in, result > 0 ? (size_t)result : 0);
    struct err err;

    client->num_read += in.len;
    if (client->closing || result <= 0) {
        end(client);
        return;
    }
    switch (http_request_head(&client->request, &in, &err)) {
    case HTTP_MORE:
        if (client->num_read >= HEAD_MAX) {
            answer(client, 413);
        } else {
            read_more(client);
        }
        return;
    case HTTP_PART:
    case HTTP_END:
        answer(client, judge(&client->request));
        return;
    case HTTP_BROKEN:
        answer(client, client->request.refusal);
        return;
    }
}

// ---------------------------------------------------------------- accepting

static struct client *find_place(struct metrics_server *server)
{
    for (size_t i = 0; i < METRICS_CONNECTIONS_MAX; i++) {
        if (server->clients[i].fd < 0) return &server->clients[i];
    }
    return NULL;
}

static void on_pause(struct ring_op *op, int result)
{
    (void)result;
    accept_next(RING_OWNER(op, struct metrics_server, pause));
}

static void on_accepted(struct ring_op *op, int fd)
{
    struct metrics_server *server =
        RING_OWNER(op, struct metrics_server, accept);
    struct client *client = find_place(server);

    if (fd >= 0 && (client == NULL || server->stop_seen)) {
        (void)close(fd);
        return;
    }
    if (fd < 0) {
        // No descriptor is left, for instance: not again at once.
        if (!server->stop_seen) {
            ring_timeout(server->ring, &server->pause, 100, on_pause);
        }
        return;
    }
    *client = (struct client){.server = server, .fd = fd};
    ring_timeout(server->ring, &client->timer, METRICS_TIMEOUT_MS, on_time);
    read_more(client);
    accept_next(server);
}

static void accept_next(struct metrics_server *server)
{
    if (server->stop_seen || ring_busy(&server->accept) ||
        ring_busy(&server->pause) || find_place(server) == NULL) {
        return;
    }
    ring_accept(server->ring, &server->accept, server->fd, on_accepted);
}

static void on_wake(void *context)
{
    struct metrics_server *server = context;

    if (!atomic_load(&server->stop) || server->stop_seen) return;
    server->stop_seen = true;
    ring_cancel(server->ring, &server->accept);
    ring_cancel(server->ring, &server->pause);
    for (size_t i = 0; i < METRICS_CONNECTIONS_MAX; i++) {
        if (server->clients[i].fd >= 0) end(&server->clients[i]);
    }
}

// ---------------------------------------------------------------- the thread

static void *run(void *context)
{
    struct metrics_server *server = context;
    struct err err;

    accept_next(server);
    while (!server->stop_seen || ring_num_in_flight(server->ring) > 0) {
        // A ring that is lost stays open: the kernel may still write into what
        // is in flight.
        if (!ring_run(server->ring, true, &err)) return NULL;
    }
    (void)pthread_mutex_lock(&server->ring_lock);
    ring_close(server->ring);
    server->ring = NULL;
    (void)pthread_mutex_unlock(&server->ring_lock);
    return NULL;
}

// The ring is opened where its thread runs.
struct opening {
    struct metrics_server *server;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool done, ok;
    struct err *err;
};

static void *open_and_run(void *context)
{
    struct opening *opening = context;
    struct metrics_server *server = opening->server;
    bool ok = ring_open(&server->ring, RING_DEPTH_MIN, opening->err);

    if (ok) ring_on_wake(server->ring, on_wake, server);
    (void)pthread_mutex_lock(&opening->lock);
    opening->ok = ok;
    opening->done = true;
    (void)pthread_cond_signal(&opening->changed);
    (void)pthread_mutex_unlock(&opening->lock);
    return ok ? run(server) : NULL;
}

static bool start_thread(struct metrics_server *server, struct err *err)
{
    struct opening opening = {.server = server,
                              .lock = PTHREAD_MUTEX_INITIALIZER,
                              .changed = PTHREAD_COND_INITIALIZER,
                              .err = err};

    if (pthread_create(&server->thread, NULL, open_and_run, &opening) != 0) {
        return err_set(err, ERR_MEMORY, "no thread for metrics");
    }
    (void)pthread_mutex_lock(&opening.lock);
    while (!opening.done) {
        (void)pthread_cond_wait(&opening.changed, &opening.lock);
    }
    (void)pthread_mutex_unlock(&opening.lock);
    if (!opening.ok) (void)pthread_join(server->thread, NULL);
    return opening.ok;
}

bool metrics_server_start(struct metrics_server **out, const char *path,
                          metrics_write *write, void *context, struct err *err)
{
    struct metrics_server *server = calloc(1, sizeof *server);

    *out = NULL;
    if (server == NULL || (server->path = strdup(path)) == NULL) {
        free(server);
        return err_set(err, ERR_MEMORY, "no memory for metrics");
    }
    server->write = write;
    server->context = context;
    (void)pthread_mutex_init(&server->ring_lock, NULL);
    for (size_t i = 0; i < METRICS_CONNECTIONS_MAX; i++) {
        server->clients[i].fd = -1;
    }
    if (!socket_path_open(&server->fd, path, err)) {
        free(server->path);
        free(server);
        return err_wrap(err, "--metrics");
    }
    if (listen(server->fd, METRICS_CONNECTIONS_MAX) != 0 ||
        !start_thread(server, err)) {
        socket_path_close(server->fd, path);
        free(server->path);
        free(server);
        return err_wrap(err, "--metrics");
    }
    *out = server;
    return true;
}

void metrics_server_stop(struct metrics_server *server)
{
    if (server == NULL) return;
    atomic_store(&server->stop, true);
    (void)pthread_mutex_lock(&server->ring_lock);
    if (server->ring != NULL) ring_wake(server->ring);
    (void)pthread_mutex_unlock(&server->ring_lock);
    (void)pthread_join(server->thread, NULL);
    if (server->ring != NULL) return;
    (void)pthread_mutex_destroy(&server->ring_lock);
    socket_path_close(server->fd, server->path);
    free(server->path);
    free(server);
}
