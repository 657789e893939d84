// test_fetch_kept.c - connections that are kept for the next request.

#include <signal.h>
#include <time.h>

#include "tests/support/fetching.h"

// ---------------------------------------------------------------- keeping

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

static void renews_a_connection_that_is_tired(void **state)
{
    static const int times = 100;
    struct peer_options peer = {.serve = serve_echo, .context = &times};
    struct fetch_options options = {.connections_max = 1, .answers_max = 3};
    struct world world;
    struct ask ask = {0};

    (void)state;
    open_world(&world, &peer, options);
    for (unsigned i = 0; i < 9; i++) {
        ask_and_wait(&world, &ask, "/");
        assert_int_equal(ask.request.fault, FETCH_ANSWERED);
        assert_int_equal(peer_num_conns(world.peer), i / 3 + 1);
    }
    buffer_cleanup(&ask.request.body);
    assert_int_equal(close_world(&world), 3);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_a_connection),
        cmocka_unit_test(asks_in_parallel),
        cmocka_unit_test(fresh_means_a_new_connection),
        cmocka_unit_test(renews_a_connection_that_is_tired),
        cmocka_unit_test(a_closed_kept_connection_is_replaced),
        cmocka_unit_test(it_is_replaced_once),
        cmocka_unit_test(a_begun_answer_is_not_asked_again),
        cmocka_unit_test(excess_is_never_the_next_answer),
        cmocka_unit_test(an_idle_close_is_noticed),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
