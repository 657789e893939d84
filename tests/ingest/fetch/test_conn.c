// test_conn.c - which address a connection takes.  What it does once it is
// connected is tested through fetch.

#include <signal.h>

#include "ingest/fetch/conn.h"
#include "tests/support/check.h"
#include "tests/support/peer.h"
#include "tests/support/tarpit.h"

static int num_answered, num_failed, num_closed;

static void on_answered(struct conn *conn, void *context)
{
    (void)context;
    assert_int_equal(conn_request(conn)->fault, FETCH_ANSWERED);
    num_answered++;
}

static void on_failed(struct conn *conn, void *context)
{
    (void)context;
    assert_false(conn_was_stale(conn));
    num_failed++;
}

static void on_closed(struct conn *conn, void *context)
{
    (void)conn;
    (void)context;
    num_closed++;
}

static void serve(struct peer_conn *conn)
{
    struct buffer head = {0};

    while (peer_read_head(conn, &head)) {
        (void)peer_say(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
    }
    buffer_cleanup(&head);
}

static struct conn_origin make_origin(struct ring *ring)
{
    return (struct conn_origin){
        .ring = ring,
        .host = "log.example",
        .authority = "log.example",
        .user_agent = "test",
        .connect_timeout_ms = 200,
        .idle_timeout_ms = 2000,
        .answers_max = 3,
        .age_max_ms = 60000,
        .free_max_ms = 60000,
        .answered = on_answered,
        .failed = on_failed,
        .closed = on_closed,
    };
}

static void add_address(struct conn_origin *origin, const char *host,
                        unsigned port)
{
    struct resolve_addresses one;

    assert_true(resolve_literal(&one, host, (uint16_t)port));
    origin->addresses.found.list[origin->addresses.found.num++] = one.list[0];
}

static void run_until(struct ring *ring, const int *num, int wanted)
{
    struct err err = {0};

    while (*num < wanted) {
        if (!ring_run(ring, true, &err)) fail_msg("%s", err.text);
    }
}

static struct ring *begin(void)
{
    struct ring *ring;
    struct err err = {0};

    num_answered = num_failed = num_closed = 0;
    if (!ring_open(&ring, 64, &err)) fail_msg("%s", err.text);
    return ring;
}

static void tries_each_address_in_turn(void **state)
{
    struct peer_options options = {.serve = serve};
    struct peer *peer = peer_open(&options);
    struct ring *ring = begin();
    struct conn_origin origin = make_origin(ring);
    struct fetch_request request = {.path = "/", .body_max = 100};
    struct tarpit tarpit;
    struct conn *conn;

    (void)state;
    tarpit_open(&tarpit);
    add_address(&origin, "127.0.0.1", 1); // refused
    add_address(&origin, "127.0.0.1", tarpit.port);
    add_address(&origin, "127.0.0.1", peer_port(peer));
    add_address(&origin, "127.0.0.1", 2);
    conn = conn_open(&origin, &request);
    run_until(ring, &num_answered, 1);
    assert_int_equal(request.status, 200);
    assert_int_equal(origin.addresses.last_good, 2);
    assert_true(conn_is_free(conn));
    conn_start(conn, &request);
    run_until(ring, &num_answered, 2);
    conn_close(conn);
    run_until(ring, &num_closed, 1);

    // The next connection begins with the address that answered.
    request.total_timeout_ms = 150; // shorter than the tarpit's
    conn = conn_open(&origin, &request);
    run_until(ring, &num_answered, 3);
    conn_close(conn);
    run_until(ring, &num_closed, 2);
    assert_int_equal(num_failed, 0);
    buffer_cleanup(&request.body);
    tarpit_close(&tarpit);
    assert_int_equal(ring_num_in_flight(ring), 0);
    ring_close(ring);
    (void)peer_close(peer);
}

static void says_what_the_last_address_said(void **state)
{
    struct ring *ring = begin();
    struct conn_origin origin = make_origin(ring);
    struct fetch_request request = {.path = "/", .body_max = 100};
    struct tarpit tarpit;
    char expected[96];

    (void)state;
    tarpit_open(&tarpit);
    add_address(&origin, "127.0.0.1", 1);
    add_address(&origin, "127.0.0.1", tarpit.port);
    assert_non_null(conn_open(&origin, &request));
    run_until(ring, &num_failed, 1);
    assert_int_equal(request.fault, FETCH_CONNECT);
    (void)snprintf(expected, sizeof expected,
                   "127.0.0.1:%u: cannot connect: Connection timed out",
                   tarpit.port);
    assert_string_equal(request.err.text, expected);
    run_until(ring, &num_closed, 1);
    tarpit_close(&tarpit);
    ring_close(ring);
}

static void stops_connecting_when_closed(void **state)
{
    struct ring *ring = begin();
    struct conn_origin origin = make_origin(ring);
    struct fetch_request request = {.path = "/", .body_max = 100};
    struct tarpit tarpit;
    struct err err;

    (void)state;
    tarpit_open(&tarpit);
    add_address(&origin, "127.0.0.1", tarpit.port);
    for (int i = 0; i < 4; i++) {
        struct conn *conn = conn_open(&origin, &request);

        for (int k = 0; k < i; k++) {
            assert_true(ring_run(ring, false, &err));
        }
        conn_close(conn);
        conn_close(conn);
        assert_int_equal(num_closed, i); // never inside the call
        run_until(ring, &num_closed, i + 1);
        assert_int_equal(ring_num_in_flight(ring), 0);
    }
    assert_int_equal(num_answered + num_failed, 0);
    tarpit_close(&tarpit);
    ring_close(ring);
}

static void tires_of_a_connection(void **state)
{
    struct peer_options options = {.serve = serve};
    struct peer *peer = peer_open(&options);
    struct ring *ring = begin();
    struct conn_origin origin = make_origin(ring);
    struct fetch_request request = {.path = "/", .body_max = 100};
    struct conn *conn;
    uint64_t opened = ring_now_ms(), now;

    (void)state;
    add_address(&origin, "127.0.0.1", peer_port(peer));
    conn = conn_open(&origin, &request);
    run_until(ring, &num_answered, 1);
    now = ring_now_ms();
    assert_false(conn_is_tired(conn, now));
    assert_true(conn_is_tired(conn, now + 60000)); // of waiting
    origin.free_max_ms = 100000;
    assert_true(conn_is_tired(conn, now + 60000)); // of its age
    assert_false(conn_is_tired(conn, opened + 59999));
    for (int i = 2; i <= 3; i++) {
        assert_false(conn_is_tired(conn, ring_now_ms()));
        conn_start(conn, &request);
        run_until(ring, &num_answered, i);
    }
    assert_true(conn_is_tired(conn, ring_now_ms())); // of its answers
    conn_close(conn);
    run_until(ring, &num_closed, 1);
    buffer_cleanup(&request.body);
    ring_close(ring);
    (void)peer_close(peer);
}

// One that takes connections and says nothing.
static void serve_nothing(struct peer_conn *conn)
{
    peer_stall(conn);
}

static void a_silent_address_counts_as_dead(void **state)
{
    struct peer_options options = {.serve = serve},
                        silent = {.serve = serve_nothing};
    struct peer *peer = peer_open(&options), *dead = peer_open(&silent);
    struct ring *ring = begin();
    struct conn_origin origin = make_origin(ring);
    struct fetch_request request = {.path = "/", .body_max = 100};
    struct conn *conn;

    (void)state;
    origin.idle_timeout_ms = 100;
    add_address(&origin, "127.0.0.1", peer_port(dead));
    add_address(&origin, "127.0.0.1", peer_port(peer));
    assert_non_null(conn_open(&origin, &request));
    run_until(ring, &num_failed, 1);
    assert_int_equal(request.fault, FETCH_TIMEOUT);
    conn = conn_open(&origin, &request);
    run_until(ring, &num_answered, 1);
    assert_int_equal(origin.addresses.last_good, 1);
    conn_close(conn);
    run_until(ring, &num_closed, 2);
    buffer_cleanup(&request.body);
    ring_close(ring);
    (void)peer_close(peer);
    (void)peer_close(dead);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tries_each_address_in_turn),
        cmocka_unit_test(says_what_the_last_address_said),
        cmocka_unit_test(stops_connecting_when_closed),
        cmocka_unit_test(tires_of_a_connection),
        cmocka_unit_test(a_silent_address_counts_as_dead),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
