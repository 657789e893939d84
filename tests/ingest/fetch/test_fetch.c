// test_fetch.c - whole requests against peers that behave and that do not: what
// an answer may look like, and how requests end.  Kept connections and finding
// the host: test_fetch_kept.c, test_fetch_host.c.

#include <errno.h>
#include <signal.h>
#include <time.h>

#include "tests/support/fetching.h"

// ------------------------------------------------------------ one connection

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
        print_error("fault %d: %s\n", (int)ask.request.fault,
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
                                        .binds = &refused[i].bind,
                                        .num_binds = refused[i].bind != NULL};
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
        cmocka_unit_test(tells_what_the_head_says),
        cmocka_unit_test(takes_a_body_up_to_its_limit),
        cmocka_unit_test(cancels_at_every_moment),
        cmocka_unit_test(gives_up_in_total_time),
        cmocka_unit_test(a_trickle_is_a_stall),
        cmocka_unit_test(every_operation_may_fail),
        cmocka_unit_test(refuses_what_cannot_be),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
