// fetching.c - see fetching.h.

#include "tests/support/fetching.h"

#include <time.h>

static void on_done(struct fetch_request *request)
{
    struct ask *ask = request->context;

    ask->num_done++;
}

static void on_closed(void *context)
{
    ((struct world *)context)->is_closed = true;
}

void run_once(struct world *world)
{
    struct err err = {0};

    if (!ring_run(world->ring, true, &err)) fail_msg("%s", err.text);
}

void open_world_to(struct world *world, const char *url,
                   const struct fetch_shared_options *shared,
                   struct fetch_options options)
{
    struct err err = {0};

    options.url = url;
    if (!ring_open(&world->ring, 64, &err) ||
        !fetch_shared_open(&world->shared, shared, &err) ||
        !fetch_open(&world->fetch, world->ring, world->shared, &options,
                    &err)) {
        fail_msg("%s", err.text);
    }
}

// A peer, and a fetch that asks it.
void open_world(struct world *world, const struct peer_options *peer,
                struct fetch_options options)
{
    struct fetch_shared_options shared = {
        .ca_file = peer_ca_file(), .contact = "test@sanct", .proxy = ""};
    char url[64];

    *world = (struct world){0};
    world->peer = peer_open(peer);
    (void)snprintf(url, sizeof url, "%s://127.0.0.1:%u/log/",
                   peer->names == NULL ? "http" : "https",
                   peer_port(world->peer));
    open_world_to(world, url, &shared, options);
}

unsigned close_world(struct world *world)
{
    unsigned num = 0;

    fetch_close(world->fetch, on_closed, world);
    while (!world->is_closed) {
        run_once(world);
    }
    assert_int_equal(ring_num_in_flight(world->ring), 0);
    fetch_shared_close(world->shared);
    ring_close(world->ring);
    if (world->peer != NULL) num = peer_close(world->peer);
    return num;
}

void start(struct world *world, struct ask *ask, const char *path)
{
    ask->request.path = path;
    if (ask->request.body_max == 0) ask->request.body_max = 1 << 20;
    ask->request.done = on_done;
    ask->request.context = ask;
    fetch_start(world->fetch, &ask->request);
}

void wait_for(struct world *world, struct ask *ask)
{
    int num = ask->num_done;

    while (ask->num_done == num) {
        run_once(world);
    }
}

void ask_and_wait(struct world *world, struct ask *ask, const char *path)
{
    start(world, ask, path);
    wait_for(world, ask);
}

void check_answer(const struct ask *ask, unsigned status, const char *body)
{
    if (ask->request.fault != FETCH_ANSWERED) {
        print_error("fault %d: %s\n", (int)ask->request.fault,
                    ask->request.err.text);
    }
    CHECK(ask->request.fault == FETCH_ANSWERED);
    CHECK(ask->request.status == status);
    CHECK(bytes_equal_text(buffer_bytes(&ask->request.body), body));
}

void serve_script(struct peer_conn *conn)
{
    const struct script *script = conn->context;
    struct buffer head = {0};

    if (peer_read_head(conn, &head)) {
        (void)peer_say(conn, script->says);
        if (script->then == 'k' || script->then == 's') peer_stall(conn);
        if (script->then == 'r') {
            struct timespec pause = {.tv_nsec = 20000000};

            nanosleep(&pause, NULL); // what was said has arrived
            peer_reset(conn);
        }
        if (script->then == 'x') peer_cut(conn);
    }
    buffer_cleanup(&head);
}

void serve_echo(struct peer_conn *conn)
{
    const int *times = conn->context;
    struct buffer head = {0};

    for (int i = 0; i < *times && peer_read_head(conn, &head); i++) {
        char line[64];

        (void)snprintf(line, sizeof line, OK "Content-Length: %zu\r\n\r\n",
                       head.len);
        (void)peer_say(conn, line);
        (void)peer_send(conn, buffer_bytes(&head));
    }
    buffer_cleanup(&head);
}
