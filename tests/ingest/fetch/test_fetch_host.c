// test_fetch_host.c - the way to the host: names, addresses, proxies, TLS.

#include <signal.h>
#include <stdatomic.h>
#include <time.h>

#include "tests/support/fetching.h"

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

// A name server that first tells where the host was, then where it is.
static atomic_uint num_lookups, moved_to;

static int tell_moving(struct resolve_addresses *addresses, const char *host,
                       uint16_t port)
{
    unsigned number = atomic_fetch_add(&num_lookups, 1);

    (void)host;
    (void)port;
    return resolve_literal(addresses, "127.0.0.1",
                           number == 0 ? 1 : (uint16_t)atomic_load(&moved_to))
               ? 0
               : -1;
}

static void asks_again_for_a_host_that_has_moved(void **state)
{
    static const int times = 10;
    struct peer_options peer = {.serve = serve_echo, .context = &times};
    struct fetch_shared_options shared = {
        .tls_skip = true, .proxy = "", .resolve = tell_moving};
    struct fetch_options options = {.connections_max = 1};
    struct world world = {0};
    struct ask ask = {0};

    (void)state;
    world.peer = peer_open(&peer);
    atomic_store(&num_lookups, 0);
    atomic_store(&moved_to, peer_port(world.peer));
    open_world_to(&world, "http://log.test/", &shared, options);
    do {
        const struct timespec pause = {.tv_nsec = 20000000};

        ask_and_wait(&world, &ask, "/");
        (void)nanosleep(&pause, NULL);
        assert_true(ask.request.fault == FETCH_CONNECT ||
                    ask.request.fault == FETCH_ANSWERED);
    } while (ask.request.fault == FETCH_CONNECT);
    // Not for every request, and no more when all is well.
    ask_and_wait(&world, &ask, "/");
    assert_int_equal(ask.request.fault, FETCH_ANSWERED);
    assert_int_equal(atomic_load(&num_lookups), 2);
    buffer_cleanup(&ask.request.body);
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
    const char *binds[] = {"127.0.0.5"};
    struct fetch_options options = {
        .connections_max = 1, .binds = binds, .num_binds = 1};
    struct world world;
    struct ask ask = {0};

    (void)state;
    open_world(&world, &peer, options);
    ask_and_wait(&world, &ask, "/");
    check_answer(&ask, 200, "hi");
    buffer_cleanup(&ask.request.body);
    (void)close_world(&world);

    binds[0] = "::1"; // no address of that family to connect to
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checks_certificates),
        cmocka_unit_test(skips_checks_when_told),
        cmocka_unit_test(survives_what_is_no_tls),
        cmocka_unit_test(says_why_it_cannot_connect),
        cmocka_unit_test(finds_a_host_by_name),
        cmocka_unit_test(says_when_there_is_no_host),
        cmocka_unit_test(asks_again_for_a_host_that_has_moved),
        cmocka_unit_test(closes_while_it_looks_a_host_up),
        cmocka_unit_test(binds_to_an_address),
        cmocka_unit_test(goes_through_a_proxy),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
