// test_conn.c - which address a connection takes.  What it does once it is
// connected is tested through fetch.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ingest/fetch/conn.h"
#include "tests/support/check.h"
#include "tests/support/peer.h"

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
    origin->addresses.list[origin->addresses.num++] = one.list[0];
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

// A listener whose backlog is full: whoever connects waits for ever.
struct tarpit {
    int listener;
    int filler[8];
    unsigned port;
};

static void open_tarpit(struct tarpit *tarpit)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;

    tarpit->listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(tarpit->listener, (void *)&address, len), 0);
    assert_int_equal(listen(tarpit->listener, 0), 0);
    assert_int_equal(getsockname(tarpit->listener, (void *)&address, &len), 0);
    tarpit->port = ntohs(address.sin_port);
    for (size_t i = 0; i < COUNT_OF(tarpit->filler); i++) {
        tarpit->filler[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(tarpit->filler[i], (void *)&address, len);
    }
}

static void close_tarpit(struct tarpit *tarpit)
{
    for (size_t i = 0; i < COUNT_OF(tarpit->filler); i++) {
        close(tarpit->filler[i]);
    }
    close(tarpit->listener);
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
    open_tarpit(&tarpit);
    add_address(&origin, "127.0.0.1", 1); // refused
    add_address(&origin, "127.0.0.1", tarpit.port);
    add_address(&origin, "127.0.0.1", peer_port(peer));
    add_address(&origin, "127.0.0.1", 2);
    conn = conn_open(&origin, &request);
    run_until(ring, &num_answered, 1);
    assert_int_equal(request.status, 200);
    assert_int_equal(origin.address_index, 2);
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
    close_tarpit(&tarpit);
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
    open_tarpit(&tarpit);
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
    close_tarpit(&tarpit);
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
    open_tarpit(&tarpit);
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
    close_tarpit(&tarpit);
    ring_close(ring);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tries_each_address_in_turn),
        cmocka_unit_test(says_what_the_last_address_said),
        cmocka_unit_test(stops_connecting_when_closed),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
