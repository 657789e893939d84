// server.c - see server.h.

#include "query/server/server.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "index/base/log.h"
#include "query/server/connection.h"
#include "query/server/janitor.h"
#include "query/server/listen.h"
#include "query/server/notify.h"
#include "query/server/sandbox.h"

enum {
    TICK_MS = 500,
    ACCEPT_PAUSE_MS = 100, // after EMFILE
    FINISH_MS = 5000,      // that answers under way have when it stops
    CONNECTIONS_MAX = 16384,
    HEAP_SPARE = 4 << 20, // of a thread, before it goes back to the kernel
    HEAP_LARGE = 1 << 20, // what is given and taken back by itself
};

// One listening socket as one thread sees it.
struct door {
    struct ring_op accept, pause;
    struct worker *worker;
    int listener;                   // -1: none
    const struct host_rules *rules; // of TCP; NULL: the Unix socket
};

enum { DOOR_TCP, DOOR_UNIX, NUM_DOORS = DOOR_UNIX + NOTIFY_SOCKETS_MAX };

struct worker {
    pthread_t thread;
    struct index *index;
    const struct server_options *options;
    struct door doors[NUM_DOORS];
    struct connection_world world;
    struct metrics metrics;
    const struct metrics *all_metrics;
    struct ring_op tick;
    unsigned num_connections;
    int reserve; // a descriptor that is given up to turn somebody away
    atomic_bool *stop;
    atomic_uint beats; // ticks: that it still turns
    bool stopping;
    uint64_t stop_ms;
    bool failed;
    struct err err;
};

static void on_accept(struct ring_op *op, int result);

static void accept_next(struct door *door)
{
    struct worker *w = door->worker;

    if (door->listener < 0 || w->stopping || ring_busy(&door->accept) ||
        ring_busy(&door->pause)) {
        return;
    }
    ring_accept(w->world.ring, &door->accept, door->listener, on_accept);
}

static void set_num_connections(struct worker *w, unsigned num)
{
    w->num_connections = num;
    atomic_store_explicit(&w->metrics.connections, num, memory_order_relaxed);
}

static void on_gone(void *context)
{
    struct worker *w = context;

    set_num_connections(w, w->num_connections - 1);
}

static void on_pause(struct ring_op *op, int result)
{
    (void)result;
    accept_next(RING_OWNER(op, struct door, pause));
}

static void log_peer(const struct door *door, int fd)
{
    struct ucred peer;
    socklen_t len = sizeof peer;

    if (door->rules != NULL || !log_shows(LOG_DEBUG)) return;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0) return;
    log_line(LOG_DEBUG, "connection of pid %ld, uid %lu, gid %lu",
             (long)peer.pid, (unsigned long)peer.uid, (unsigned long)peer.gid);
}

// Tells a client that there is no room for it.  Its answer is short enough for
// the socket to take it at once, whatever the client does.
static void turn_away(int fd)
{
    static const char full[] =
        "HTTP/1.1 503 Service Unavailable\r\n"
        "Content-Type: application/json\r\nContent-Length: 74\r\n"
        "Retry-After: 1\r\nConnection: close\r\n\r\n"
        "{\"code\":\"unavailable\",\"message\":\"there are as many "
        "clients as can be\"}\n";

    (void)send(fd, full, sizeof full - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)close(fd);
}

static void hold_reserve(struct worker *w)
{
    if (w->reserve < 0) w->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void take_connection(struct door *door, int fd)
{
    struct worker *w = door->worker;

    hold_reserve(w);
    if (w->reserve < 0 || (w->num_connections >= CONNECTIONS_MAX &&
                           !connection_shed(&w->world, ring_now_ms()))) {
        turn_away(fd);
        hold_reserve(w);
        return;
    }
    log_peer(door, fd);
    set_num_connections(w, w->num_connections + 1);
    if (!connection_new(&w->world, fd, door->rules)) {
        set_num_connections(w, w->num_connections - 1);
    }
}

// No descriptor is left: the longest idle makes room, else the reserve does,
// which take_connection then needs back.
static void make_room(struct door *door)
{
    struct worker *w = door->worker;

    if (connection_shed(&w->world, ring_now_ms()) || w->reserve < 0) {
        ring_timeout(w->world.ring, &door->pause, ACCEPT_PAUSE_MS, on_pause);
        return;
    }
    (void)close(w->reserve);
    w->reserve = -1;
    accept_next(door);
}

static void on_accept(struct ring_op *op, int result)
{
    struct door *door = RING_OWNER(op, struct door, accept);

    if (result >= 0) {
        take_connection(door, result);
        accept_next(door);
    } else if (result == -EMFILE || result == -ENFILE || result == -ENOMEM ||
               result == -ENOBUFS) {
        make_room(door);
    } else if (result != -ECANCELED) {
        accept_next(door);
    }
}

static void begin_stop(struct worker *w)
{
    struct connection *next;

    w->stopping = true;
    w->stop_ms = ring_now_ms() + FINISH_MS;
    for (size_t i = 0; i < NUM_DOORS; i++) {
        ring_cancel(w->world.ring, &w->doors[i].accept);
        ring_cancel(w->world.ring, &w->doors[i].pause);
    }
    ring_cancel(w->world.ring, &w->tick);
    for (struct connection *c = w->world.connections; c != NULL; c = next) {
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
    atomic_fetch_add(&w->beats, 1);
    for (struct connection *c = w->world.connections; c != NULL; c = next) {
        next = connection_next(c);
        if (w->stopping && now_ms >= w->stop_ms) {
            connection_finish(c, true);
        } else {
            connection_tick(c, now_ms);
        }
    }
    if (!w->stopping || w->world.connections != NULL) {
        ring_timeout(w->world.ring, &w->tick, TICK_MS, on_tick);
    }
}

static bool work(struct worker *w)
{
    struct ring *ring = w->world.ring;

    sandbox_seal();
    for (size_t i = 0; i < NUM_DOORS; i++) {
        accept_next(&w->doors[i]);
    }
    ring_timeout(ring, &w->tick, TICK_MS, on_tick);
    while (!w->stopping || ring_num_in_flight(ring) > 0) {
        if (atomic_load(w->stop) && !w->stopping) begin_stop(w);
        route_idle(w->world.route);
        if (!ring_run(ring, !w->options->busy_poll, &w->err)) return false;
    }
    return true;
}

static void *worker_main(void *context)
{
    struct worker *w = context;

    w->world = (struct connection_world){
        .metrics = &w->metrics, .on_gone = on_gone, .context = w};
    w->reserve = -1;
    hold_reserve(w);
    w->failed =
        !ring_open(&w->world.ring, RING_DEPTH, &w->err) ||
        !cold_open(&w->world.cold, w->world.ring, &w->metrics, &w->err) ||
        !route_new(&w->world.route, w->index, w->all_metrics, w->world.cold,
                   &w->err) ||
        !recall_new(&w->world.recall, &w->err) || !work(w);
    recall_free(w->world.recall);
    route_free(w->world.route);
    cold_close(w->world.cold);
    if (!w->failed) ring_close(w->world.ring);
    if (w->reserve >= 0) (void)close(w->reserve);
    // One thread that is lost ends all: the main thread waits for a signal.
    if (w->failed) (void)kill(getpid(), SIGRTMIN);
    return NULL;
}

// Whether every thread has turned since the last time it was asked.
static bool all_turn(struct worker *workers, unsigned num)
{
    bool all = true;

    for (unsigned i = 0; i < num; i++) {
        all = atomic_exchange(&workers[i].beats, 0) > 0 && all;
    }
    return all;
}

// There is nothing to read again: new data is seen by itself, and standard
// error belongs to whoever started us.  It is said, so that a reload has an
// end.
static void reload(void)
{
    struct timespec now;
    char state[80];

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    (void)snprintf(state, sizeof state, "RELOADING=1\nMONOTONIC_USEC=%llu",
                   (unsigned long long)now.tv_sec * 1000000 +
                       (unsigned long long)now.tv_nsec / 1000);
    notify_say(state);
    log_line(LOG_INFO, "reloaded");
    notify_say("READY=1");
}

// Waits for the signal that ends it.
static void wait_for_end(struct worker *workers, unsigned num,
                         const sigset_t *signals)
{
    unsigned ms = notify_watchdog_ms();
    struct timespec pause = {.tv_sec = ms / 1000,
                             .tv_nsec = (long)(ms % 1000) * 1000000};
    int number = 0;

    while (number != SIGTERM && number != SIGINT && number != SIGRTMIN) {
        number = sigtimedwait(signals, NULL, ms > 0 ? &pause : NULL);
        if (number == SIGHUP) reload();
        // A thread that hangs is not spoken for: systemd then restarts us.
        if (number < 0 && errno == EAGAIN && all_turn(workers, num)) {
            notify_say("WATCHDOG=1");
        }
    }
}

// A second signal waits for nobody: what is read only is always sound.
static void end_at_once_next_time(void)
{
    sigset_t signals;

    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGINT);
    (void)pthread_sigmask(SIG_UNBLOCK, &signals, NULL);
}

static bool run_workers(struct worker *workers, unsigned num, sigset_t *signals,
                        atomic_bool *stop, struct err *err)
{
    unsigned started = 0;
    bool ok = true;

    for (; started < num && ok; started++) {
        int result = pthread_create(&workers[started].thread, NULL, worker_main,
                                    &workers[started]);

        if (result != 0) {
            ok = err_set(err, ERR_MEMORY, "thread: %s", strerror(result));
            break;
        }
    }
    sandbox_seal();
    if (ok) {
        notify_say("READY=1\nSTATUS=answering");
        wait_for_end(workers, num, signals);
        notify_say("STOPPING=1\nSTATUS=finishing answers under way");
    }
    atomic_store(stop, true);
    end_at_once_next_time();
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

static void set_up(struct worker *workers, struct index *index,
                   const struct server_options *options, const int *listeners,
                   atomic_bool *stop)
{
    for (unsigned i = 0; i < options->threads; i++) {
        struct worker *w = &workers[i];

        w->index = index;
        w->options = options;
        w->stop = stop;
        w->all_metrics = &workers[0].metrics;
        if (i > 0) workers[i - 1].metrics.next = &w->metrics;
        for (size_t k = 0; k < NUM_DOORS; k++) {
            w->doors[k].worker = w;
            w->doors[k].listener = listeners[k];
        }
        w->doors[DOOR_TCP].rules = &options->hosts;
    }
}

// Opens the Unix socket, but for what was handed over.
static bool open_unix(int *listeners, struct janitor *janitor,
                      const struct server_options *options, struct err *err)
{
    size_t num;

    if (!notify_take_sockets(&listeners[DOOR_UNIX], &num, err)) return false;
    if (num > 0) {
        log_line(LOG_INFO, "answering on what was handed over: %zu sockets",
                 num);
        return true;
    }
    if (!listen_open(&listeners[DOOR_UNIX], options->socket_path,
                     options->group, err)) {
        return false;
    }
    // Whoever handed a socket over removes it; this one is ours.
    if (!janitor_start(janitor, options->socket_path, err)) {
        listen_close(listeners[DOOR_UNIX], options->socket_path);
        listeners[DOOR_UNIX] = -1;
        return false;
    }
    log_line(LOG_INFO, "answering on %s", options->socket_path);
    return true;
}

static bool open_doors(int *listeners, struct janitor *janitor,
                       const struct server_options *options, struct err *err)
{
    if (options->listen_tcp != NULL &&
        !listen_open_tcp(&listeners[DOOR_TCP], options->listen_tcp,
                         options->listen_public, err)) {
        return false;
    }
    if (!open_unix(listeners, janitor, options, err)) return false;
    if (options->listen_tcp != NULL) {
        log_line(LOG_INFO, "answering on http://%s", options->listen_tcp);
    }
    return true;
}

// An answer takes some 200 KiB for some microseconds.  To give them back each
// time costs two system calls and their page faults: a third of the CPU.
static void keep_heap(void)
{
    (void)mallopt(M_TRIM_THRESHOLD, HEAP_SPARE);
    (void)mallopt(M_MMAP_THRESHOLD, HEAP_LARGE);
}

// A system that gives no ring says why, while it can still be asked.
static bool try_ring(struct err *err)
{
    struct ring *ring;

    if (!ring_open(&ring, RING_DEPTH_MIN, err)) return false;
    ring_close(ring);
    return true;
}

bool server_run(struct index *index, const struct server_options *options,
                struct err *err)
{
    struct worker *workers = calloc(options->threads, sizeof *workers);
    int listeners[NUM_DOORS];
    atomic_bool stop = false;
    struct janitor janitor = {0};
    sigset_t signals;
    bool ok;

    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGINT);
    (void)sigaddset(&signals, SIGHUP);
    (void)sigaddset(&signals, SIGRTMIN); // from a thread of ours
    (void)pthread_sigmask(SIG_BLOCK, &signals, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    if (workers == NULL) return err_set(err, ERR_MEMORY, "no memory");
    for (size_t i = 0; i < NUM_DOORS; i++) {
        listeners[i] = -1;
    }
    keep_heap();
    index_allow_files(); // and so many connections
    notify_open();
    ok = try_ring(err) && open_doors(listeners, &janitor, options, err);
    if (ok) {
        metrics_open();
        (void)sandbox_enter(index_dir(index));
        set_up(workers, index, options, listeners, &stop);
        ok = run_workers(workers, options->threads, &signals, &stop, err);
    }
    for (size_t i = 0; i < NUM_DOORS; i++) {
        if (listeners[i] >= 0) (void)close(listeners[i]);
    }
    janitor_dismiss(&janitor);
    free(workers);
    return ok;
}
