// test_dial.c - addresses tried side by side.

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ingest/fetch/dial.h"
#include "tests/support/check.h"
#include "tests/support/peer.h"
#include "tests/support/tarpit.h"

// What came of a dial, and all that it stands on.
struct world {
    struct dial dial;
    struct ring *ring;
    struct addresses addresses;
    struct dial_binds binds;
    struct resolve_address bind_list[3];
    struct peer *peer;
    struct tarpit tarpit;
    unsigned num_done, num_idle;
    int fd, error;
    size_t index;
};

static void on_done(struct dial *dial, int fd, size_t index, int error)
{
    struct world *world = RING_OWNER(dial, struct world, dial);

    world->num_done++;
    world->fd = fd;
    world->index = index;
    world->error = error;
}

static void on_idle(struct dial *dial)
{
    RING_OWNER(dial, struct world, dial)->num_idle++;
}

static void serve(struct peer_conn *conn)
{
    peer_stall(conn);
}

static void open_world(struct world *world)
{
    const struct peer_options options = {.serve = serve};
    struct err err = {0};

    *world = (struct world){.fd = -1};
    world->peer = peer_open(&options);
    tarpit_open(&world->tarpit);
    if (!ring_open(&world->ring, 64, &err)) fail_msg("%s", err.text);
}

static void close_world(struct world *world)
{
    if (world->fd >= 0) close(world->fd);
    assert_false(dial_is_busy(&world->dial));
    assert_int_equal(ring_num_in_flight(world->ring), 0);
    ring_close(world->ring);
    tarpit_close(&world->tarpit);
    (void)peer_close(world->peer);
}

// Addresses by letters: p is the peer, t never answers, r refuses, R does so
// over IPv6, u is one that cannot be asked at all.
static void add(struct world *world, const char *letters)
{
    struct resolve_addresses found = {0}, one;

    for (; *letters != '\0'; letters++) {
        unsigned port = *letters == 'p'   ? peer_port(world->peer)
                        : *letters == 't' ? world->tarpit.port
                                          : 1 + (unsigned)found.num;
        const char *host = *letters == 'R' ? "::1" : "127.0.0.1";

        assert_true(resolve_literal(&one, host, (uint16_t)port));
        if (*letters == 'u') one.list[0].address.ss_family = AF_UNIX;
        found.list[found.num++] = one.list[0];
    }
    addresses_set(&world->addresses, &found);
}

static void run_until(struct world *world, const unsigned *num, unsigned wanted)
{
    struct err err = {0};

    while (*num < wanted) {
        if (!ring_run(world->ring, true, &err)) fail_msg("%s", err.text);
    }
}

static void run_until_idle(struct world *world)
{
    struct err err = {0};

    while (dial_is_busy(&world->dial)) {
        if (!ring_run(world->ring, true, &err)) fail_msg("%s", err.text);
    }
}

static void start(struct world *world, uint64_t timeout_ms)
{
    dial_start(&world->dial, &(struct dial_options){
                                 .ring = world->ring,
                                 .addresses = &world->addresses,
                                 .binds = &world->binds,
                                 .timeout_ms = timeout_ms,
                                 .done = on_done,
                                 .idle = on_idle,
                             });
}

static const struct {
    const char *addresses;
    int index; // that connects; -1: none
    int error; // and then this is said of the last
    uint64_t timeout_ms;
    size_t num_begun;
} cases[] = {
    {"p", 0, 0, 60000, 1},
    {"rp", 1, 0, 60000, 2},
    {"pr", 0, 0, 60000, 1},
    {"tp", 1, 0, 60000, 2}, // long before the time is up
    {"ttp", 2, 0, 60000, 3},
    {"trp", 2, 0, 60000, 3},
    {"rRp", 1, 0, 60000, 3}, // in the order r, R, p
    {"up", 1, 0, 60000, 2},
    {"r", -1, ECONNREFUSED, 60000, 1},
    {"rr", -1, ECONNREFUSED, 60000, 2},
    {"t", -1, ETIMEDOUT, 100, 1},
    {"rt", -1, ETIMEDOUT, 100, 2},
    {"tr", -1, ECONNREFUSED, 100, 2}, // begun when the first has failed
    {"", -1, 0, 100, 0},
};

static void the_first_that_connects_wins(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct world world;

        test_case = cases[i].addresses;
        open_world(&world);
        add(&world, cases[i].addresses);
        start(&world, cases[i].timeout_ms);
        run_until(&world, &world.num_done, 1);
        run_until_idle(&world);
        CHECK(world.num_done == 1);
        CHECK((world.fd >= 0) == (cases[i].index >= 0));
        CHECK(world.error == cases[i].error);
        CHECK(world.dial.num_begun == cases[i].num_begun);
        if (cases[i].index >= 0 && strcmp(cases[i].addresses, "rRp") != 0) {
            CHECK(world.index == (size_t)cases[i].index);
            CHECK(world.addresses.last_good == (size_t)cases[i].index);
        }
        close_world(&world);
    }
}

// The second dial has no time to lose with what did not answer the first.
static void remembers_what_did_not_answer(void **state)
{
    struct world world;

    (void)state;
    open_world(&world);
    add(&world, "trp");
    for (int i = 0; i < 2; i++) {
        start(&world, 60000);
        run_until(&world, &world.num_done, (unsigned)i + 1);
        run_until_idle(&world);
        assert_int_equal(world.index, 2);
        assert_int_equal(world.dial.num_begun, i == 0 ? 3 : 1);
        close(world.fd);
        world.fd = -1;
    }
    close_world(&world);
}

static void ends_when_it_is_canceled(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++) {
        struct world world;
        struct err err;

        open_world(&world);
        add(&world, "tpt");
        start(&world, 60000);
        for (int k = 0; k < i; k++) {
            assert_true(ring_run(world.ring, false, &err));
        }
        dial_cancel(&world.dial);
        dial_cancel(&world.dial);
        run_until(&world, &world.num_idle, 1);
        assert_int_equal(world.num_done, 0);
        close_world(&world);
    }
}

static uint32_t source_of(int fd)
{
    struct sockaddr_in address;
    socklen_t len = sizeof address;

    assert_int_equal(getsockname(fd, (void *)&address, &len), 0);
    return ntohl(address.sin_addr.s_addr);
}

static void source_addresses_take_turns(void **state)
{
    static const char *const sources[] = {"127.0.0.7", "::1", "127.0.0.8"};
    static const uint32_t expected[] = {0x7f000007, 0x7f000008, 0x7f000007};
    struct resolve_addresses one;
    struct world world;

    (void)state;
    open_world(&world);
    add(&world, "p");
    for (size_t i = 0; i < COUNT_OF(sources); i++) {
        assert_true(resolve_literal(&one, sources[i], 0));
        world.bind_list[i] = one.list[0];
    }
    world.binds = (struct dial_binds){.list = world.bind_list, .num = 3};
    for (unsigned i = 0; i < COUNT_OF(expected); i++) {
        start(&world, 60000);
        run_until(&world, &world.num_done, i + 1);
        run_until_idle(&world);
        assert_int_equal(source_of(world.fd), expected[i]);
        close(world.fd);
        world.fd = -1;
    }
    // None of the family that would be needed.
    world.binds = (struct dial_binds){.list = &world.bind_list[1], .num = 1};
    start(&world, 60000);
    run_until(&world, &world.num_done, 4);
    assert_int_equal(world.error, EAFNOSUPPORT);
    run_until_idle(&world);
    close_world(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_that_connects_wins),
        cmocka_unit_test(remembers_what_did_not_answer),
        cmocka_unit_test(ends_when_it_is_canceled),
        cmocka_unit_test(source_addresses_take_turns),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
