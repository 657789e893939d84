// test_fetch.c - whole requests against peers that behave and that do not.

#include <errno.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "ingest/fetch/fetch.h"
#include "tests/support/check.h"
#include "tests/support/peer.h"

#define LOCAL "DNS:localhost,IP:127.0.0.1"

// ---------------------------------------------------------------- the harness

struct world {
    struct ring *ring;
    struct fetch_shared *shared;
    struct fetch *fetch;
    struct peer *peer;
    bool is_closed;
};

struct ask {
    struct fetch_request request;
    int num_done;
};

static void on_done(struct fetch_request *request)
{
    struct ask *ask = request->context;

    ask->num_done++;
}

static void on_closed(void *context)
{
    ((struct world *)context)->is_closed = true;
}

static void run_once(struct world *world)
{
    struct err err = {0};

    if (!ring_run(world->ring, true, &err)) fail_msg("%s", err.text);
}

static void open_world_to(struct world *world, const char *url,
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
static void open_world(struct world *world, const struct peer_options *peer,
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

static unsigned close_world(struct world *world)
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

static void start(struct world *world, struct ask *ask, const char *path)
{
    ask->request.path = path;
    if (ask->request.body_max == 0) ask->request.body_max = 1 << 20;
    ask->request.done = on_done;
    ask->request.context = ask;
    fetch_start(world->fetch, &ask->request);
}

static void wait_for(struct world *world, struct ask *ask)
{
    int num = ask->num_done;

    while (ask->num_done == num) {
        run_once(world);
    }
}

static void ask_and_wait(struct world *world, struct ask *ask, const char *path)
{
    start(world, ask, path);
    wait_for(world, ask);
}

static void check_answer(const struct ask *ask, unsigned status,
                         const char *body)
{
    if (ask->request.fault != FETCH_ANSWERED) {
        print_error("%s: %s\n", fetch_fault_name(ask->request.fault),
                    ask->request.err.text);
    }
    CHECK(ask->request.fault == FETCH_ANSWERED);
    CHECK(ask->request.status == status);
    CHECK(bytes_equal_text(buffer_bytes(&ask->request.body), body));
}

// ------------------------------------------------------------ one connection

// Says what its context holds, then ends as the first letter says: k stays, c
// closes, r resets, x cuts TLS off, s stalls.
struct script {
    const char *says;
    char then;
};

static void serve_script(struct peer_conn *conn)
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

#define OK "HTTP/1.1 200 OK\r\n"
#define CHUNKED "Transfer-Encoding: chunked\r\n"

static const struct {
    const char *name;
    struct script script;
    bool tls_only;
    enum fetch_fault fault;
    const char *words; // in the error, or the body
} scripts[] = {
    {"length",
     {OK "Content-Length: 5\r\n\r\nhello", 'k'},
     false,
     FETCH_ANSWERED,
     "hello"},
    {"chunks",
     {OK CHUNKED "\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", 'k'},
     false,
     FETCH_ANSWERED,
     "hello"},
    {"to the end",
     {OK "Connection: close\r\n\r\nhello", 'c'},
     false,
     FETCH_ANSWERED,
     "hello"},
    {"length, then cut",
     {OK "Content-Length: 5\r\n\r\nhello", 'x'},
     false,
     FETCH_ANSWERED,
     "hello"},
    {"1xx first",
     {"HTTP/1.1 103 E\r\n\r\n" OK "Content-Length: 5\r\n\r\nhello", 'k'},
     false,
     FETCH_ANSWERED,
     "hello"},
    {"garbage behind",
     {OK "Content-Length: 5\r\n\r\nhello" OK, 'k'},
     false,
     FETCH_ANSWERED,
     "hello"},
    {"to the end, cut",
     {OK "Connection: close\r\n\r\nhello", 'x'},
     true,
     FETCH_CLOSED,
     "closed within a body"},
    {"to the end, unannounced",
     {OK "\r\nhello", 'c'},
     false,
     FETCH_CLOSED,
     "body without a length"},
    {"to the end, reset",
     {OK "Connection: close\r\n\r\nhello", 'r'},
     false,
     FETCH_CLOSED,
     "Connection reset by peer within a body"},
    {"truncated",
     {OK "Content-Length: 6\r\n\r\nhello", 'c'},
     false,
     FETCH_CLOSED,
     "body truncated, 1 bytes missing"},
    {"truncated and cut",
     {OK "Content-Length: 6\r\n\r\nhello", 'x'},
     true,
     FETCH_CLOSED,
     "closed within a body"},
    {"truncated and reset",
     {OK "Content-Length: 6\r\n\r\nhello", 'r'},
     false,
     FETCH_CLOSED,
     "Connection reset by peer within a body"},
    {"chunk truncated",
     {OK CHUNKED "\r\n5\r\nhell", 'c'},
     false,
     FETCH_CLOSED,
     "chunked body truncated"},
    {"head truncated",
     {OK "Content-Len", 'c'},
     false,
     FETCH_CLOSED,
     "closed within a head"},
    {"nothing", {"", 'c'}, false, FETCH_CLOSED, "closed without an answer"},
    {"reset",
     {"", 'r'},
     false,
     FETCH_CLOSED,
     "Connection reset by peer without an answer"},
    {"no http",
     {"220 smtp.example\r\n", 'k'},
     false,
     FETCH_HTTP,
     "no status line: '2'"},
    {"both lengths",
     {OK CHUNKED "Content-Length: 5\r\n\r\nhello", 'k'},
     false,
     FETCH_HTTP,
     "both Transfer-Encoding and Content-Length"},
    {"brotli",
     {OK "Content-Encoding: br\r\nContent-Length: 1\r\n\r\nx", 'k'},
     false,
     FETCH_HTTP,
     "a Content-Encoding that was not asked for"},
    {"too large",
     {OK "Content-Length: 1048577\r\n\r\nhello", 'k'},
     false,
     FETCH_TOO_LARGE,
     "a body of 1048577 bytes, over 1048576"},
    {"stalls at once", {"", 's'}, false, FETCH_TIMEOUT, "no answer"},
    {"stalls in the head",
     {"HTTP/1.1 2", 's'},
     false,
     FETCH_TIMEOUT,
     "answer stalled"},
    {"stalls in the body",
     {OK "Content-Length: 5\r\n\r\nhell", 's'},
     false,
     FETCH_TIMEOUT,
     "answer stalled"},
};

static void run_script(size_t i, const char *names)
{
    struct peer_options peer = {
        .serve = serve_script, .context = &scripts[i].script, .names = names};
    struct fetch_options options = {.connections_max = 2,
                                    .idle_timeout_ms = 250};
    struct world world;
    struct ask ask = {0};

    test_case = scripts[i].name;
    open_world(&world, &peer, options);
    ask_and_wait(&world, &ask, "/a");
    if (ask.request.fault != scripts[i].fault) {
        print_error("%s: %s\n", fetch_fault_name(ask.request.fault),
                    ask.request.err.text);
    }
    CHECK(ask.request.fault == scripts[i].fault);
    if (scripts[i].fault == FETCH_ANSWERED) {
        check_answer(&ask, 200, scripts[i].words);
        CHECK(ask.request.err.text[0] == '\0');
        CHECK(fetch_bytes_received(world.fetch) >=
              strlen(scripts[i].script.says));
    } else {
        if (strstr(ask.request.err.text, scripts[i].words) == NULL) {
            print_error("got '%s'\n", ask.request.err.text);
        }
        CHECK(strstr(ask.request.err.text, scripts[i].words) != NULL);
        CHECK(strncmp(ask.request.err.text, "127.0.0.1:", 10) == 0);
        CHECK(ask.request.err.code == ERR_NETWORK);
        CHECK(ask.request.status == 0 && ask.request.body.len == 0);
    }
    buffer_cleanup(&ask.request.body);
    CHECK(close_world(&world) == 1); // and nothing was asked twice
}

static void every_script_over_tcp(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(scripts); i++) {
        if (!scripts[i].tls_only) run_script(i, NULL);
    }
}

static void every_script_over_tls(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(scripts); i++) {
        run_script(i, LOCAL);
    }
}

// The peer stalls after K bytes of a good answer, for every K: always a timeout
// and nothing left behind.
static void serve_cut_at_index(struct peer_conn *conn)
{
    static const char says[] = OK "Content-Length: 5\r\n\r\nhello";
    struct buffer head = {0};

    if (peer_read_head(conn, &head)) {
        (void)peer_send(conn, bytes_of(says, conn->index));
        peer_stall(conn);
    }
    buffer_cleanup(&head);
}

static void stalls_at_every_byte(void **state)
{
    enum { NUM = sizeof OK "Content-Length: 5\r\n\r\nhello" - 1 };
    struct peer_options peer = {.serve = serve_cut_at_index};
    struct fetch_options options = {.connections_max = NUM,
                                    .idle_timeout_ms = 300};
    struct world world;
    static struct ask asks[NUM];

    (void)state;
    open_world(&world, &peer, options);
    for (size_t i = 0; i < NUM; i++) {
        start(&world, &asks[i], "/");
    }
    for (size_t i = 0; i < NUM; i++) {
        while (asks[i].num_done == 0) {
            run_once(&world);
        }
        assert_int_equal(asks[i].request.fault, FETCH_TIMEOUT);
    }
    assert_int_equal(close_world(&world), NUM);
}

// ---------------------------------------------------------------- keeping

// Answers with the request's own head, as often as the context says, then
// closes without waiting.
static void serve_echo(struct peer_conn *conn)
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

static void keeps_a_connection(void **state)
{
    static const int times = 1000;
    static const char *const names[] = {NULL, LOCAL};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct peer_options peer = {
            .serve = serve_echo, .context = &times, .names = names[i]};
        struct fetch_options options = {.connections_max = 4};
        struct world world;
        char expected[256];

        open_world(&world, &peer, options);
        (void)snprintf(expected, sizeof expected,
                       "GET /log/x?y=1 HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n"
                       "User-Agent: sanct/0.1.0 (+test@sanct)\r\n"
                       "Accept: */*\r\nAccept-Encoding: gzip, identity\r\n\r\n",
                       peer_port(world.peer));
        for (int k = 0; k < 20; k++) {
            struct ask ask = {0};

            ask_and_wait(&world, &ask, "/x?y=1");
            check_answer(&ask, 200, expected);
            buffer_cleanup(&ask.request.body);
        }
        assert_int_equal(close_world(&world), 1);
    }
}

static void asks_in_parallel(void **state)
{
    enum { NUM = 100, MOST = 8 };
    static const int times = 1000;
    static struct ask asks[NUM];
    struct peer_options peer = {
        .serve = serve_echo, .context = &times, .names = LOCAL};
    struct fetch_options options = {.connections_max = MOST};
    struct world world;
    unsigned num;

    (void)state;
    memset(asks, 0, sizeof asks);
    open_world(&world, &peer, options);
    for (size_t i = 0; i < NUM; i++) {
        start(&world, &asks[i], "/x");
    }
    for (size_t i = 0; i < NUM; i++) {
        while (asks[i].num_done == 0) {
            run_once(&world);
        }
        assert_int_equal(asks[i].num_done, 1);
        assert_int_equal(asks[i].request.status, 200);
        assert_true(bytes_starts_with(buffer_bytes(&asks[i].request.body),
                                      bytes_from_text("GET /log/x ")));
        buffer_cleanup(&asks[i].request.body);
    }
    num = close_world(&world);
    assert_in_range(num, 2, MOST);
}

static void fresh_means_a_new_connection(void **state)
{
    static const int times = 1000;
    struct peer_options peer = {.serve = serve_echo, .context = &times};
    struct fetch_options options = {.connections_max = 1};
    struct world world;
    struct ask ask = {0};

    (void)state;
    open_world(&world, &peer, options);
    for (int i = 0; i < 6; i++) {
        ask.request.fresh = i % 2 == 1; // old, fresh, old, …
        ask_and_wait(&world, &ask, "/x");
        assert_int_equal(ask.request.status, 200);
    }
    buffer_cleanup(&ask.request.body);
    assert_int_equal(close_world(&world), 6); // fresh ones are not kept
}

// ------------------------------------------------------- the keep-alive race

// Answers one request, reads the next and closes without an answer.
static void serve_one_and_a_half(struct peer_conn *conn)
{
    struct buffer head = {0};

    if (peer_read_head(conn, &head)) {
        (void)peer_say(conn, OK "Content-Length: 2\r\n\r\nhi");
        (void)peer_read_head(conn, &head);
        if (*(const char *)conn->context == 'r') peer_reset(conn);
        if (*(const char *)conn->context == 'x') peer_cut(conn);
    }
    buffer_cleanup(&head);
}

static void a_closed_kept_connection_is_replaced(void **state)
{
    static const struct {
        const char *how;
        const char *names;
    } cases[] = {
        {"c", NULL}, {"r", NULL}, {"c", LOCAL}, {"r", LOCAL}, {"x", LOCAL}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct peer_options peer = {.serve = serve_one_and_a_half,
                                    .context = cases[i].how,
                                    .names = cases[i].names};
        struct fetch_options options = {.connections_max = 1};
        struct world world;

        test_case = cases[i].how;
        open_world(&world, &peer, options);
        for (int k = 0; k < 5; k++) {
            struct ask ask = {0};

            ask_and_wait(&world, &ask, "/");
            check_answer(&ask, 200, "hi");
            buffer_cleanup(&ask.request.body);
        }
        CHECK(close_world(&world) == 5);
    }
}

// The first connection is good once; those after it never answer: the request
// is tried once more, and no more.
static void serve_never_again(struct peer_conn *conn)
{
    struct buffer head = {0};

    if (peer_read_head(conn, &head) && conn->index == 0) {
        (void)peer_say(conn, OK "Content-Length: 2\r\n\r\nhi");
        (void)peer_read_head(conn, &head);
    }
    buffer_cleanup(&head);
}

static void it_is_replaced_once(void **state)
{
    struct peer_options peer = {.serve = serve_never_again};
    struct fetch_options options = {.connections_max = 1};
    struct world world;
    struct ask ask = {0};

    (void)state;
    open_world(&world, &peer, options);
    ask_and_wait(&world, &ask, "/");
    check_answer(&ask, 200, "hi");
    buffer_cleanup(&ask.request.body);
    ask_and_wait(&world, &ask, "/");
    assert_int_equal(ask.request.fault, FETCH_CLOSED);
    assert_int_equal(ask.num_done, 2);
    assert_int_equal(close_world(&world), 2);
}

// A byte of the second answer came: then it is a failure, not a race.
static void serve_one_and_a_byte(struct peer_conn *conn)
{
    struct buffer head = {0};

    if (peer_read_head(conn, &head)) {
        (void)peer_say(conn, OK "Content-Length: 2\r\n\r\nhi");
        if (peer_read_head(conn, &head)) (void)peer_say(conn, "H");
    }
    buffer_cleanup(&head);
}

static void a_begun_answer_is_not_asked_again(void **state)
{
    struct peer_options peer = {.serve = serve_one_and_a_byte, .names = LOCAL};
    struct fetch_options options = {.connections_max = 1};
    struct world world;
    struct ask ask = {0};

    (void)state;
    open_world(&world, &peer, options);
    ask_and_wait(&world, &ask, "/");
    check_answer(&ask, 200, "hi");
    buffer_cleanup(&ask.request.body);
    ask_and_wait(&world, &ask, "/");
    assert_int_equal(ask.request.fault, FETCH_CLOSED);
    assert_non_null(strstr(ask.request.err.text, "within a head"));
    assert_int_equal(close_world(&world), 1);
}

// Sends an answer that nobody has asked for behind the first one, in the same
// piece or a moment later.
static void serve_two_answers(struct peer_conn *conn)
{
    static const char first[] = OK "Content-Length: 2\r\n\r\nhi";
    static const char wrong[] = OK "Content-Length: 5\r\n\r\nwrong";
    bool apart = *(const char *)conn->context == 'a';
    struct timespec pause = {.tv_nsec = 1000000};
    struct buffer head = {0}, both = {0};

    if (peer_read_head(conn, &head)) {
        buffer_append_text(&both, first);
        if (!apart) buffer_append_text(&both, wrong);
        (void)peer_send(conn, buffer_bytes(&both));
        if (apart) nanosleep(&pause, NULL);
        if (apart) (void)peer_say(conn, wrong);
        peer_stall(conn);
    }
    buffer_cleanup(&head);
    buffer_cleanup(&both);
}

static void excess_is_never_the_next_answer(void **state)
{
    static const char *const names[] = {NULL, LOCAL};

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct peer_options peer = {.serve = serve_two_answers,
                                    .context = i / 2 == 0 ? "t" : "a",
                                    .names = names[i % 2]};
        struct fetch_options options = {.connections_max = 1};
        struct world world;
        struct ask ask = {0};

        open_world(&world, &peer, options);
        for (int k = 0; k < 3; k++) {
            struct timespec pause = {.tv_nsec = 60000000};
            struct err err;

            ask_and_wait(&world, &ask, "/");
            check_answer(&ask, 200, "hi");
            buffer_cleanup(&ask.request.body);
            nanosleep(&pause, NULL);
            assert_true(ring_run(world.ring, false, &err));
        }
        assert_int_equal(close_world(&world), 3);
    }
}

// A server that closes while idle is noticed before the next request.
static void an_idle_close_is_noticed(void **state)
{
    static const int times = 1;
    struct peer_options peer = {.serve = serve_echo, .context = &times};
    struct fetch_options options = {.connections_max = 1};
    struct world world;
    struct ask ask = {0};
    struct err err;

    (void)state;
    open_world(&world, &peer, options);
    for (int i = 0; i < 3; i++) {
        struct timespec pause = {.tv_nsec = 20000000};

        ask_and_wait(&world, &ask, "/");
        assert_int_equal(ask.request.status, 200);
        nanosleep(&pause, NULL);
        for (int k = 0; k < 3; k++) {
            assert_true(ring_run(world.ring, false, &err));
        }
    }
    buffer_cleanup(&ask.request.body);
    assert_int_equal(close_world(&world), 3);
}

// ---------------------------------------------------------------- statuses

static const struct {
    const char *name;
    const char *says;
    unsigned status;
    bool has_retry_after;
    uint64_t retry_after_ms;
    const char *location, *content_type;
    bool is_gzip;
    size_t body_len;
} answers[] = {
    {"429", "HTTP/1.1 429 x\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n",
     429, true, 7000, "", "", false, 0},
    {"429 with a date, by the server's clock",
     "HTTP/1.1 429 x\r\nDate: Tue, 24 Nov 2020 07:02:20 GMT\r\n"
     "Retry-After: Tue, 24 Nov 2020 07:02:26 UTC\r\nContent-Length: 0\r\n\r\n",
     429, true, 6000, "", "", false, 0},
    {"429 with a date long past",
     "HTTP/1.1 429 x\r\nRetry-After: Tue, 24 Nov 2020 07:02:26 GMT\r\n"
     "Content-Length: 0\r\n\r\n",
     429, true, 0, "", "", false, 0},
    {"429 with nonsense",
     "HTTP/1.1 429 x\r\nRetry-After: soon\r\nContent-Length: 0\r\n\r\n", 429,
     false, 0, "", "", false, 0},
    {"redirect",
     "HTTP/1.1 302 x\r\nLocation: https://a/\x1b[1m\r\nContent-Length: 0"
     "\r\n\r\n",
     302, false, 0, "https://a/\\x1b[1m", "", false, 0},
    {"gzip",
     OK "Content-Type: application/json\r\nContent-Encoding: gzip\r\n"
        "Content-Length: 2\r\n\r\n\x1f\x8b",
     200, false, 0, "", "application/json", true, 2},
    {"304", "HTTP/1.1 304 x\r\n\r\n", 304, false, 0, "", "", false, 0},
    {"a long error page is cut",
     "HTTP/1.1 503 x\r\nContent-Length: 40\r\n\r\n"
     "0123456789012345678901234567890123456789",
     503, false, 0, "", "", false, 32},
};

static void tells_what_the_head_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        struct script script = {answers[i].says, 'k'};
        struct peer_options peer = {.serve = serve_script, .context = &script};
        struct fetch_options options = {.connections_max = 1};
        struct world world;
        struct ask ask = {.request.body_max = 32};

        test_case = answers[i].name;
        open_world(&world, &peer, options);
        ask_and_wait(&world, &ask, "/");
        CHECK(ask.request.fault == FETCH_ANSWERED);
        CHECK(ask.request.status == answers[i].status);
        CHECK(ask.request.has_retry_after == answers[i].has_retry_after);
        CHECK(ask.request.retry_after_ms == answers[i].retry_after_ms);
        CHECK(strcmp(ask.request.location, answers[i].location) == 0);
        CHECK(strcmp(ask.request.content_type, answers[i].content_type) == 0);
        CHECK(ask.request.is_gzip == answers[i].is_gzip);
        CHECK(ask.request.body.len == answers[i].body_len);
        buffer_cleanup(&ask.request.body);
        CHECK(close_world(&world) == 1);
    }
}

static void takes_a_body_up_to_its_limit(void **state)
{
    (void)state;
    for (size_t over = 0; over < 2; over++) {
        struct script script = {
            OK CHUNKED "\r\n4\r\nabcd\r\n4\r\nefgh\r\n0\r\n\r\n", 'k'};
        struct peer_options peer = {.serve = serve_script, .context = &script};
        struct fetch_options options = {.connections_max = 1};
        struct world world;
        struct ask ask = {.request.body_max = 8 - over};

        open_world(&world, &peer, options);
        ask_and_wait(&world, &ask, "/");
        assert_int_equal(ask.request.fault,
                         over == 0 ? FETCH_ANSWERED : FETCH_TOO_LARGE);
        if (over == 1) {
            assert_non_null(
                strstr(ask.request.err.text, "a body of more than 7 bytes"));
        }
        buffer_cleanup(&ask.request.body);
        (void)close_world(&world);
    }
}

// ---------------------------------------------------------------- TLS

static const struct {
    const char *name;
    struct peer_options peer;
    const char *words; // NULL: answered
} certificates[] = {
    {"good", {.names = LOCAL}, NULL},
    {"good, TLS 1.2", {.names = LOCAL, .tls12_only = true}, NULL},
    {"wrong address",
     {.names = "DNS:localhost,IP:127.0.0.2"},
     "tls: certificate of '127.0.0.1': IP address mismatch"},
    {"address as a name",
     {.names = "DNS:127.0.0.1"},
     "tls: certificate of '127.0.0.1': IP address mismatch"},
    {"self-signed",
     {.names = LOCAL, .self_signed = true},
     "tls: certificate of '127.0.0.1': self signed certificate"},
    {"expired",
     {.names = LOCAL, .expired = true},
     "tls: certificate of '127.0.0.1': certificate has expired"},
    {"TLS 1.0",
     {.names = LOCAL, .tls10_only = true},
     "tls: handshake with '127.0.0.1'"},
};

static void checks_certificates(void **state)
{
    static const struct script script = {OK "Content-Length: 2\r\n\r\nhi", 'k'};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(certificates); i++) {
        struct peer_options peer = certificates[i].peer;
        struct fetch_options options = {.connections_max = 1};
        struct world world;
        struct ask ask = {0};

        peer.serve = serve_script;
        peer.context = &script;
        test_case = certificates[i].name;
        open_world(&world, &peer, options);
        ask_and_wait(&world, &ask, "/");
        if (certificates[i].words == NULL) {
            check_answer(&ask, 200, "hi");
        } else {
            if (strstr(ask.request.err.text, certificates[i].words) == NULL) {
                print_error("got '%s'\n", ask.request.err.text);
            }
            CHECK(ask.request.fault == FETCH_TLS);
            CHECK(strstr(ask.request.err.text, certificates[i].words) != NULL);
        }
        buffer_cleanup(&ask.request.body);
        (void)close_world(&world);
    }
}

static void skips_checks_when_told(void **state)
{
    static const struct script script = {OK "Content-Length: 2\r\n\r\nhi", 'k'};
    struct peer_options peer = {.serve = serve_script,
                                .context = &script,
                                .names = "DNS:other",
                                .self_signed = true,
                                .expired = true};
    struct fetch_shared_options shared = {.tls_skip = true, .proxy = ""};
    struct fetch_options options = {.connections_max = 1};
    struct world world = {0};
    struct ask ask = {0};
    char url[64];

    (void)state;
    world.peer = peer_open(&peer);
    (void)snprintf(url, sizeof url, "https://127.0.0.1:%u",
                   peer_port(world.peer));
    open_world_to(&world, url, &shared, options);
    ask_and_wait(&world, &ask, "/");
    check_answer(&ask, 200, "hi");
    buffer_cleanup(&ask.request.body);
    (void)close_world(&world);
}

// A TCP server that speaks no TLS, one that closes, one that says nothing.
static void serve_raw(struct peer_conn *conn)
{
    const char *says = conn->context;

    static const uint8_t alert[] = {0x15, 3, 3, 0, 2, 2, 40};

    if (says[0] == 's') {
        peer_stall(conn);
    } else if (says[0] == 'a') {
        (void)peer_send(conn, bytes_of(alert, sizeof alert));
        peer_stall(conn);
    } else if (says[0] != 'c') {
        (void)peer_say(conn, says);
        peer_stall(conn);
    }
}

static const struct {
    const char *says;
    enum fetch_fault fault;
    const char *words;
} no_tls[] = {
    {"HTTP/1.1 400 Bad Request\r\n\r\n", FETCH_TLS, "tls: handshake"},
    {"\x16\x03\x03\xff\xff", FETCH_TLS, "tls: handshake"},
    {"a", FETCH_TLS, "HANDSHAKE_FAILURE"},
    {"c", FETCH_CLOSED, "during the TLS handshake"},
    {"s", FETCH_TIMEOUT, "no answer"},
};

static void survives_what_is_no_tls(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(no_tls); i++) {
        struct peer_options peer = {.serve = serve_raw,
                                    .context = no_tls[i].says};
        struct fetch_shared_options shared = {.ca_file = peer_ca_file(),
                                              .proxy = ""};
        struct fetch_options options = {.connections_max = 1,
                                        .connect_timeout_ms = 250};
        struct world world = {0};
        struct ask ask = {0};
        char url[64];

        test_case = no_tls[i].words;
        world.peer = peer_open(&peer);
        (void)snprintf(url, sizeof url, "https://127.0.0.1:%u",
                       peer_port(world.peer));
        open_world_to(&world, url, &shared, options);
        ask_and_wait(&world, &ask, "/");
        if (strstr(ask.request.err.text, no_tls[i].words) == NULL) {
            print_error("got '%s'\n", ask.request.err.text);
        }
        CHECK(ask.request.fault == no_tls[i].fault);
        CHECK(strstr(ask.request.err.text, no_tls[i].words) != NULL);
        (void)close_world(&world);
    }
}

// ---------------------------------------------------------------- connecting

// A port that nobody listens on.
static unsigned free_port(void)
{
    struct peer_options options = {.serve = serve_raw, .context = "c"};
    struct peer *peer = peer_open(&options);
    unsigned port = peer_port(peer);

    (void)peer_close(peer);
    return port;
}

static void says_why_it_cannot_connect(void **state)
{
    struct fetch_shared_options shared = {.tls_skip = true, .proxy = ""};
    struct fetch_options options = {.connections_max = 2};
    struct world world = {0};
    struct ask ask = {0};
    char url[64], expected[96];

    (void)state;
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u", free_port());
    open_world_to(&world, url, &shared, options);
    ask_and_wait(&world, &ask, "/");
    assert_int_equal(ask.request.fault, FETCH_CONNECT);
    (void)snprintf(expected, sizeof expected,
                   "%s: cannot connect: Connection refused", url + 7);
    assert_string_equal(ask.request.err.text, expected);
    (void)close_world(&world);
}

static void finds_a_host_by_name(void **state)
{
    static const struct script script = {OK "Content-Length: 2\r\n\r\nhi", 'k'};
    struct peer_options peer = {
        .serve = serve_script, .context = &script, .names = LOCAL};
    struct fetch_shared_options shared = {.ca_file = peer_ca_file(),
                                          .proxy = ""};
    struct fetch_options options = {.connections_max = 2};
    struct world world = {0};
    struct ask asks[2] = {0};
    char url[64];

    (void)state;
    world.peer = peer_open(&peer);
    // localhost may be ::1 first, where nobody listens: the next one is tried.
    (void)snprintf(url, sizeof url, "https://localhost:%u",
                   peer_port(world.peer));
    open_world_to(&world, url, &shared, options);
    start(&world, &asks[0], "/");
    start(&world, &asks[1], "/");
    for (size_t i = 0; i < 2; i++) {
        while (asks[i].num_done == 0) {
            run_once(&world);
        }
        check_answer(&asks[i], 200, "hi");
        buffer_cleanup(&asks[i].request.body);
    }
    (void)close_world(&world);
}

static void says_when_there_is_no_host(void **state)
{
    struct fetch_shared_options shared = {.tls_skip = true, .proxy = ""};
    struct fetch_options options = {.connections_max = 2};
    struct world world = {0};
    struct ask asks[3] = {0};

    (void)state;
    open_world_to(&world, "http://nowhere.invalid/", &shared, options);
    for (size_t i = 0; i < 3; i++) {
        start(&world, &asks[i], "/");
    }
    for (size_t i = 0; i < 3; i++) {
        while (asks[i].num_done == 0) {
            run_once(&world);
        }
        assert_int_equal(asks[i].request.fault, FETCH_RESOLVE);
        assert_non_null(
            strstr(asks[i].request.err.text, "address of 'nowhere.invalid': "));
    }
    (void)close_world(&world);
}

static void closes_while_it_looks_a_host_up(void **state)
{
    struct fetch_shared_options shared = {.tls_skip = true, .proxy = ""};
    struct fetch_options options = {.connections_max = 2};
    struct err err;

    (void)state;
    for (int i = 0; i < 20; i++) {
        struct world world = {0};
        struct ask ask = {0};

        open_world_to(&world, "http://nowhere.invalid/", &shared, options);
        start(&world, &ask, "/");
        for (int k = 0; k < i % 3; k++) {
            assert_true(ring_run(world.ring, false, &err));
        }
        (void)close_world(&world);
        assert_int_equal(ask.num_done, 1);
    }
}

static void binds_to_an_address(void **state)
{
    static const struct script script = {OK "Content-Length: 2\r\n\r\nhi", 'k'};
    struct peer_options peer = {.serve = serve_script, .context = &script};
    struct fetch_options options = {.connections_max = 1, .bind = "127.0.0.5"};
    struct world world;
    struct ask ask = {0};

    (void)state;
    open_world(&world, &peer, options);
    ask_and_wait(&world, &ask, "/");
    check_answer(&ask, 200, "hi");
    buffer_cleanup(&ask.request.body);
    (void)close_world(&world);

    options.bind = "::1"; // no address of that family to connect to
    open_world(&world, &peer, options);
    ask_and_wait(&world, &ask, "/");
    assert_int_equal(ask.request.fault, FETCH_CONNECT);
    (void)close_world(&world);
}

// ---------------------------------------------------------------- a proxy

// Answers CONNECT as the context says, then is the log itself.
static void serve_proxy(struct peer_conn *conn)
{
    struct buffer head = {0};

    if (peer_read_head(conn, &head)) {
        bool right = bytes_starts_with(
            buffer_bytes(&head),
            bytes_from_text("CONNECT log.invalid:80 HTTP/1.1\r\n"
                            "Host: log.invalid:80\r\n"
                            "Proxy-Authorization: Basic dTpw\r\n\r\n"));

        (void)peer_say(conn, right ? conn->context : "HTTP/1.1 400 x\r\n\r\n");
        if (peer_read_head(conn, &head)) {
            (void)peer_say(conn, OK "Content-Length: 2\r\n\r\nhi");
            peer_stall(conn);
        }
    }
    buffer_cleanup(&head);
}

static const struct {
    const char *says;
    enum fetch_fault fault;
    const char *words;
} proxies[] = {
    {"HTTP/1.1 200 Connected\r\n\r\n", FETCH_ANSWERED, NULL},
    {"HTTP/1.1 200 Connected\r\nContent-Length: 9\r\n\r\n", FETCH_ANSWERED,
     NULL},
    {"HTTP/1.1 407 No\r\n\r\n", FETCH_CONNECT, "the proxy says 407"},
    {"gopher\r\n", FETCH_CONNECT, "no status line"},
};

static void goes_through_a_proxy(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(proxies); i++) {
        struct peer_options peer = {.serve = serve_proxy,
                                    .context = proxies[i].says};
        struct fetch_shared_options shared = {.tls_skip = true};
        struct fetch_options options = {.connections_max = 1};
        struct world world = {0};
        struct ask ask = {0};
        char proxy[64];

        test_case = proxies[i].says;
        world.peer = peer_open(&peer);
        (void)snprintf(proxy, sizeof proxy, "http://%%75:p@127.0.0.1:%u",
                       peer_port(world.peer));
        shared.proxy = proxy;
        open_world_to(&world, "http://log.invalid", &shared, options);
        ask_and_wait(&world, &ask, "/");
        CHECK(ask.request.fault == proxies[i].fault);
        if (proxies[i].words == NULL) {
            check_answer(&ask, 200, "hi");
        } else {
            CHECK(strstr(ask.request.err.text, proxies[i].words) != NULL);
        }
        buffer_cleanup(&ask.request.body);
        (void)close_world(&world);
    }
}

// ---------------------------------------------------------------- ending

static void cancels_at_every_moment(void **state)
{
    static const struct script script = {OK "Content-Length: 5\r\n\r\nhel",
                                         's'};
    struct err err;

    (void)state;
    for (int i = 0; i < 24; i++) {
        struct peer_options peer = {.serve = serve_script,
                                    .context = &script,
                                    .names = i % 2 == 0 ? NULL : LOCAL};
        struct fetch_options options = {.connections_max = 1};
        struct world world;
        struct ask asks[3] = {0};

        open_world(&world, &peer, options);
        for (size_t k = 0; k < 3; k++) {
            start(&world, &asks[k], "/");
        }
        for (int k = 0; k < i / 2; k++) {
            struct timespec pause = {.tv_nsec = 1000000};

            assert_true(ring_run(world.ring, false, &err));
            nanosleep(&pause, NULL);
        }
        fetch_cancel(world.fetch, &asks[i % 3].request);
        wait_for(&world, &asks[i % 3]);
        assert_int_equal(asks[i % 3].request.fault, FETCH_CANCELED);
        assert_int_equal(asks[i % 3].request.err.code, ERR_INTERRUPTED);
        (void)close_world(&world); // cancels the others
        for (size_t k = 0; k < 3; k++) {
            assert_int_equal(asks[k].num_done, 1);
            assert_int_equal(asks[k].request.fault, FETCH_CANCELED);
            assert_int_equal(asks[k].request.body.len, 0);
        }
    }
}

static void gives_up_in_total_time(void **state)
{
    static const struct script script = {OK "Content-Length: 5\r\n\r\nhel",
                                         's'};
    struct peer_options peer = {.serve = serve_script, .context = &script};
    struct fetch_options options = {.connections_max = 1};
    struct world world;
    struct ask ask = {.request.total_timeout_ms = 200};
    uint64_t start_ms = ring_now_ms();

    (void)state;
    open_world(&world, &peer, options);
    ask_and_wait(&world, &ask, "/");
    assert_int_equal(ask.request.fault, FETCH_TIMEOUT);
    assert_non_null(strstr(ask.request.err.text, "not whole in the time"));
    assert_in_range(ring_now_ms() - start_ms, 200, 2000);
    (void)close_world(&world);
}

// A byte now and then keeps no connection alive.
static void serve_trickle(struct peer_conn *conn)
{
    struct buffer head = {0};
    struct timespec pause = {.tv_nsec = 20000000};

    if (peer_read_head(conn, &head)) {
        (void)peer_say(conn, OK "Content-Length: 5000\r\n\r\n");
        while (peer_say(conn, "x")) {
            nanosleep(&pause, NULL);
        }
    }
    buffer_cleanup(&head);
}

static void a_trickle_is_a_stall(void **state)
{
    struct peer_options peer = {.serve = serve_trickle};
    struct fetch_options options = {.connections_max = 1,
                                    .idle_timeout_ms = 300};
    struct world world;
    struct ask ask = {0};

    (void)state;
    open_world(&world, &peer, options);
    ask_and_wait(&world, &ask, "/");
    assert_int_equal(ask.request.fault, FETCH_TIMEOUT);
    (void)close_world(&world);
}

// ---------------------------------------------------------------- faults

struct faults {
    unsigned at; // this one fails
    unsigned num;
    int error;
};

static int one_fault(void *context, const struct ring_op *op, int result)
{
    struct faults *faults = context;

    // An accept or a socket that went well must not be lost.
    if (op->kind == RING_POST || faults->num++ != faults->at) return result;
    return faults->error;
}

static const int fault_errors[] = {-EIO,        -EINTR,     -EAGAIN,
                                   -ENOMEM,     -ECANCELED, -EPIPE,
                                   -ECONNRESET, -ETIMEDOUT, -EFAULT};

// Every operation of a request fails once, in each way: the request ends once,
// well or with a network error, and nothing is left behind.
static void every_operation_may_fail(void **state)
{
    static const int times = 1000;

    (void)state;
    for (size_t e = 0; e < COUNT_OF(fault_errors); e++) {
        unsigned at = 0;
        bool hit = true;

        for (; hit && at < 50; at++) {
            struct peer_options peer = {
                .serve = serve_echo, .context = &times, .names = LOCAL};
            struct fetch_options options = {.connections_max = 1,
                                            .idle_timeout_ms = 200,
                                            .connect_timeout_ms = 200};
            struct faults faults = {at, 0, fault_errors[e]};
            struct world world;
            struct ask ask = {0};

            open_world(&world, &peer, options);
            ring_set_fault(world.ring, one_fault, &faults);
            ask_and_wait(&world, &ask, "/");
            hit = faults.num > at;
            if (!hit) assert_int_equal(ask.request.fault, FETCH_ANSWERED);
            assert_int_equal(ask.num_done, 1);
            buffer_cleanup(&ask.request.body);
            (void)close_world(&world);
        }
        assert_in_range(at, 4, 49);
    }
}

// ---------------------------------------------------------------- refusals

static const struct {
    const char *url;
    const char *bind;
    const char *error;
} refused[] = {
    {"ftp://a/", NULL,
     "'ftp://a/' is no URL of the form http[s]://host[:port][/path]"},
    {"http://", NULL,
     "'http://' is no URL of the form http[s]://host[:port][/path]"},
    {"http://a/ b", NULL,
     "'http://a/ b' is no URL of the form http[s]://host[:port][/path]"},
    {"http://a/\r\nX: y", NULL,
     "'http://a/\\x0d\\x0aX: y' is no URL of the form "
     "http[s]://host[:port][/path]"},
    {"http://a?b", NULL,
     "'http://a?b' is no URL of the form http[s]://host[:port][/path]"},
    {"http://a/#b", NULL,
     "'http://a/#b' is no URL of the form http[s]://host[:port][/path]"},
    {"http://a:0/", NULL,
     "'http://a:0/' is no URL of the form http[s]://host[:port][/path]"},
    {"http://a:65536/", NULL,
     "'http://a:65536/' is no URL of the form http[s]://host[:port][/path]"},
    {"http://a:/", NULL,
     "'http://a:/' is no URL of the form http[s]://host[:port][/path]"},
    {"http://[::1/", NULL,
     "'http://[::1/' is no URL of the form http[s]://host[:port][/path]"},
    {"http://u@a/", NULL, "a log's URL has no login: 'a'"},
    {"http://a/", "eth0", "'eth0' is no address to bind to"},
};

static void refuses_what_cannot_be(void **state)
{
    struct fetch_shared_options shared_options = {.tls_skip = true,
                                                  .proxy = ""};
    struct fetch_shared *shared;
    struct err err = {0};

    (void)state;
    assert_true(fetch_shared_open(&shared, &shared_options, &err));
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        struct fetch_options options = {.url = refused[i].url,
                                        .bind = refused[i].bind};
        struct fetch *fetch;

        test_case = refused[i].url;
        CHECK(!fetch_open(&fetch, NULL, shared, &options, &err));
        CHECK(err.code == ERR_USAGE);
        if (strcmp(err.text, refused[i].error) != 0) {
            print_error("got '%s'\n", err.text);
        }
        CHECK(strcmp(err.text, refused[i].error) == 0);
    }
    fetch_shared_close(shared);
    shared_options.contact = "a\r\nb";
    assert_false(fetch_shared_open(&shared, &shared_options, &err));
    assert_int_equal(err.code, ERR_USAGE);
    shared_options.contact = NULL;
    shared_options.proxy = "https://a";
    assert_false(fetch_shared_open(&shared, &shared_options, &err));
    shared_options.proxy = "";
    shared_options.tls_skip = false;
    shared_options.ca_file = "/nowhere";
    assert_false(fetch_shared_open(&shared, &shared_options, &err));
    assert_string_equal(err.text, "tls: no trust anchors in '/nowhere'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_script_over_tcp),
        cmocka_unit_test(every_script_over_tls),
        cmocka_unit_test(stalls_at_every_byte),
        cmocka_unit_test(keeps_a_connection),
        cmocka_unit_test(asks_in_parallel),
        cmocka_unit_test(fresh_means_a_new_connection),
        cmocka_unit_test(a_closed_kept_connection_is_replaced),
        cmocka_unit_test(it_is_replaced_once),
        cmocka_unit_test(a_begun_answer_is_not_asked_again),
        cmocka_unit_test(excess_is_never_the_next_answer),
        cmocka_unit_test(an_idle_close_is_noticed),
        cmocka_unit_test(tells_what_the_head_says),
        cmocka_unit_test(takes_a_body_up_to_its_limit),
        cmocka_unit_test(checks_certificates),
        cmocka_unit_test(skips_checks_when_told),
        cmocka_unit_test(survives_what_is_no_tls),
        cmocka_unit_test(says_why_it_cannot_connect),
        cmocka_unit_test(finds_a_host_by_name),
        cmocka_unit_test(says_when_there_is_no_host),
        cmocka_unit_test(closes_while_it_looks_a_host_up),
        cmocka_unit_test(binds_to_an_address),
        cmocka_unit_test(goes_through_a_proxy),
        cmocka_unit_test(cancels_at_every_moment),
        cmocka_unit_test(gives_up_in_total_time),
        cmocka_unit_test(a_trickle_is_a_stall),
        cmocka_unit_test(every_operation_may_fail),
        cmocka_unit_test(refuses_what_cannot_be),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
