// server.c - see server.h.

#include "query/server/server.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "index/base/log.h"
#include "query/server/connection.h"
#include "query/server/listen.h"

enum {
    TICK_MS = 500,
    ACCEPT_PAUSE_MS = 100, // after EMFILE: the connection waits in the backlog
    FINISH_MS = 5000,      // that answers under way have when it stops
    CONNECTIONS_MAX = 16384,
};

struct worker {
    pthread_t thread;
    struct index *index;
    int listener;
    struct ring *ring;
    struct route *route;
    struct ring_op accept, tick, pause;
    struct connection *connections;
    unsigned num_connections;
    atomic_bool *stop;
    bool stopping;
    uint64_t stop_ms;
    bool failed;
    struct err err;
};

static void on_accept(struct ring_op *op, int result);

static void accept_next(struct worker *w)
{
    if (w->stopping || ring_busy(&w->accept) || ring_busy(&w->pause)) return;
    if (w->num_connections >= CONNECTIONS_MAX) return;
    ring_accept(w->ring, &w->accept, w->listener, on_accept);
}

static void on_gone(void *context)
{
    struct worker *w = context;

    w->num_connections--;
    accept_next(w);
}

static void on_pause(struct ring_op *op, int result)
{
    (void)result;
    accept_next(RING_OWNER(op, struct worker, pause));
}

static void on_accept(struct ring_op *op, int result)
{
    struct worker *w = RING_OWNER(op, struct worker, accept);

    if (result >= 0) {
        w->num_connections++;
        if (!connection_new(&w->connections, result, w->ring, w->route,
                            on_gone, w)) {
            w->num_connections--;
        }
        accept_next(w);
    } else if (result == -EMFILE || result == -ENFILE || result == -ENOMEM ||
               result == -ENOBUFS) {
        ring_timeout(w->ring, &w->pause, ACCEPT_PAUSE_MS, on_pause);
    } else if (result != -ECANCELED) {
        accept_next(w);
    }
}

static void begin_stop(struct worker *w)
{
    struct connection *next;

    w->stopping = true;
    w->stop_ms = ring_now_ms() + FINISH_MS;
    ring_cancel(w->ring, &w->accept);
    ring_cancel(w->ring, &w->pause);
    ring_cancel(w->ring, &w->tick);
    for (struct connection *c = w->connections; c != NULL; c = next) {
        next = connection_next(c);
        connection_finish(c, false);
    }
}

static void on_tick(struct ring_op *op, int result)
{
    struct worker *w = RING_OWNER(op, struct worker, tick);
    uint64_t now_ms = ring_now_ms();
    struct connection *next;

    (void)result;
    for (struct connection *c = w->connections; c != NULL; c = next) {
        next = connection_next(c);
        if (w->stopping && now_ms >= w->stop_ms) {
            connection_finish(c, true);
        } else {
            connection_tick(c, now_ms);
        }
    }
    if (!w->stopping || w->connections != NULL) {
        ring_timeout(w->ring, &w->tick, TICK_MS, on_tick);
    }
}

static bool work(struct worker *w)
{
    accept_next(w);
    ring_timeout(w->ring, &w->tick, TICK_MS, on_tick);
    while (!w->stopping || ring_num_in_flight(w->ring) > 0) {
        if (atomic_load(w->stop) && !w->stopping) begin_stop(w);
        if (!ring_run(w->ring, true, &w->err)) return false;
    }
    return true;
}

static void *worker_main(void *context)
{
    struct worker *w = context;

    w->failed = !ring_open(&w->ring, RING_DEPTH, &w->err) ||
                !route_new(&w->route, w->index, &w->err) || !work(w);
    route_free(w->route);
    if (!w->failed) ring_close(w->ring);
    // One thread that is lost ends all: the main thread waits for a signal.
    if (w->failed) (void)kill(getpid(), SIGTERM);
    return NULL;
}

static bool run_workers(struct worker *workers, unsigned num, sigset_t *signals,
                        atomic_bool *stop, struct err *err)
{
    unsigned started = 0;
    bool ok = true;
    int signal_number;

    for (; started < num && ok; started++) {
        int result = pthread_create(&workers[started].thread, NULL, worker_main,
                                    &workers[started]);

        if (result != 0) {
            ok = err_set(err, ERR_MEMORY, "thread: %s", strerror(result));
            break;
        }
    }
    if (ok) (void)sigwait(signals, &signal_number);
    atomic_store(stop, true);
    for (unsigned i = 0; i < started; i++) {
        // The thread may be between its look at `stop` and its sleep: the tick
        // wakes it at the latest.
        (void)pthread_join(workers[i].thread, NULL);
        if (workers[i].failed && ok) {
            *err = workers[i].err;
            ok = false;
        }
    }
    return ok;
}

bool server_run(struct index *index, const struct server_options *options,
                struct err *err)
{
    struct worker *workers = calloc(options->threads, sizeof *workers);
    atomic_bool stop = false;
    sigset_t signals;
    int listener = -1;
    bool ok;

    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGINT);
    (void)pthread_sigmask(SIG_BLOCK, &signals, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    if (workers == NULL) return err_set(err, ERR_MEMORY, "no memory");
    ok = listen_open(&listener, options->socket_path, options->group, err);
    if (ok) {
        for (unsigned i = 0; i < options->threads; i++) {
            workers[i].index = index;
            workers[i].listener = listener;
            workers[i].stop = &stop;
        }
        log_line(LOG_INFO, "answering on %s", options->socket_path);
        ok = run_workers(workers, options->threads, &signals, &stop, err);
    }
    listen_close(listener, options->socket_path);
    free(workers);
    return ok;
}
