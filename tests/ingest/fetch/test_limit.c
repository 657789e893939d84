// test_limit.c - hosts with limits of every kind, against a clock of our own.

#include "ingest/fetch/host.h"
#include "ingest/fetch/limit.h"
#include "tests/support/check.h"
#include "tests/support/random.h"

// ---------------------------------------------------------------- a host

// It refuses by a bucket of tokens, by a fixed window, by how many are under
// way, by every so many, or at random; and says when to come back, or not.
struct server {
    const char *name;
    double rate, burst;    // a bucket
    unsigned num, in_ms;   // num in each window
    unsigned at_once;      // under way
    unsigned every;        // at random, as it were
    double random;         // at random
    bool tells;            // Retry-After, in whole seconds
    double share_refused;  // at most, of all requests
    double share_used;     // at least, of what it would bear; requests a
                           // second where that does not end
    unsigned num_requests; // that are answered in the end
};

struct state {
    double tokens;
    uint64_t tokens_at_ms, window_ms, refused_ms;
    unsigned in_window, num, under_way;
    unsigned twice; // refused, and refused again when that could be known
    struct random dice;
};

// What comes while the first refusal is on its way belongs to it.
enum { WINDOW = 8, ROUND_TRIP_MS = 20, KNOWN_MS = 500 };

static bool admits(const struct server *server, struct state *state,
                   uint64_t now, uint64_t *free_ms)
{
    *free_ms = 0;
    if (server->rate > 0) {
        state->tokens +=
            server->rate * (double)(now - state->tokens_at_ms) / 1000;
        if (state->tokens > server->burst) state->tokens = server->burst;
        state->tokens_at_ms = now;
        if (state->tokens >= 1) {
            state->tokens -= 1;
            return true;
        }
        *free_ms = (uint64_t)((1 - state->tokens) * 1000 / server->rate);
        return false;
    }
    if (server->num > 0) {
        if (now >= state->window_ms + server->in_ms) {
            state->window_ms = now - now % server->in_ms;
            state->in_window = 0;
        }
        *free_ms = state->window_ms + server->in_ms - now;
        return state->in_window++ < server->num;
    }
    if (server->at_once > 0) return state->under_way < server->at_once;
    if (server->every > 0) return ++state->num % server->every != 0;
    return (double)random_below(&state->dice, 1000000) >=
           server->random * 1000000;
}

// True: it is answered; else `asked_ms` is what it says.
static bool serve(const struct server *server, struct state *state,
                  uint64_t now, uint64_t *asked_ms)
{
    uint64_t free_ms;

    if (admits(server, state, now, &free_ms)) {
        state->under_way++;
        state->refused_ms = 0;
        return true;
    }
    if (state->refused_ms > 0 && now - state->refused_ms > KNOWN_MS) {
        state->twice++;
    }
    state->refused_ms = now;
    *asked_ms = server->tells ? (free_ms / 1000 + 1) * 1000 : 0;
    return false;
}

// CT-PROTOCOLS sections 5 and 9, and what proxies are commonly told.
static const struct server servers[] = {
    {.name = "Skylight, anonymous: 75/s, burst 10",
     .rate = 75,
     .burst = 10,
     .tells = true,
     .share_refused = 0.02,
     .share_used = 0.8,
     .num_requests = 20000},
    {.name = "20/s, burst 20, says nothing",
     .rate = 20,
     .burst = 20,
     .share_refused = 0.02,
     .share_used = 0.6,
     .num_requests = 5000},
    {.name = "200/s, burst 50, says nothing",
     .rate = 200,
     .burst = 50,
     .share_refused = 0.04,
     .share_used = 0.5,
     .num_requests = 20000},
    {.name = "1/s",
     .rate = 1,
     .burst = 1,
     .tells = true,
     .share_refused = 0.05,
     .share_used = 0.7,
     .num_requests = 1000},
    {.name = "1/s, says nothing",
     .rate = 1,
     .burst = 1,
     .share_refused = 0.05,
     .share_used = 0.5,
     .num_requests = 1000},
    {.name = "1/s, burst 10",
     .rate = 1,
     .burst = 10,
     .tells = true,
     .share_refused = 0.05,
     .share_used = 0.7,
     .num_requests = 1000},
    {.name = "1/s, burst 60, says nothing",
     .rate = 1,
     .burst = 60,
     .share_refused = 0.05,
     .share_used = 0.6,
     .num_requests = 1000},
    {.name = "DigiCert 2025: 0.15/s, says nothing",
     .rate = 0.15,
     .burst = 1,
     .share_refused = 0.08,
     .share_used = 0.6,
     .num_requests = 400},
    {.name = "0.18/s, burst 2, says nothing",
     .rate = 0.18,
     .burst = 2,
     .share_refused = 0.08,
     .share_used = 0.6,
     .num_requests = 400},
    {.name = "100 in a minute",
     .num = 100,
     .in_ms = 60000,
     .tells = true,
     .share_refused = 0.05,
     .share_used = 0.5,
     .num_requests = 1000},
    {.name = "1000 in 10 s, says nothing",
     .num = 1000,
     .in_ms = 10000,
     .share_refused = 0.05,
     .share_used = 0.5,
     .num_requests = 20000},
    {.name = "50 in a second, says nothing",
     .num = 50,
     .in_ms = 1000,
     .share_refused = 0.05,
     .share_used = 0.8,
     .num_requests = 5000},
    {.name = "5 in a second",
     .num = 5,
     .in_ms = 1000,
     .tells = true,
     .share_refused = 0.05,
     .share_used = 0.6,
     .num_requests = 2000},
    {.name = "4 at once, says nothing",
     .at_once = 4,
     .share_refused = 0.05,
     .share_used = 25,
     .num_requests = 5000},
    {.name = "7 at once, says nothing",
     .at_once = 7,
     .share_refused = 0.05,
     .share_used = 25,
     .num_requests = 5000},
    {.name = "every 7th",
     .every = 7,
     .tells = true,
     .share_refused = 0.15,
     .num_requests = 300},
    {.name = "every 7th, says nothing",
     .every = 7,
     .share_refused = 0.15,
     .num_requests = 300},
    // One and two of a hundred, whatever the rate: what is not the host's
    // limit must not become ours.  It would answer 400 a second.
    {.name = "every 100th, says nothing",
     .every = 100,
     .share_refused = 0.02,
     .share_used = 300,
     .num_requests = 20000},
    {.name = "every 50th, says nothing",
     .every = 50,
     .share_refused = 0.03,
     .share_used = 300,
     .num_requests = 20000},
    {.name = "every 100th, says when",
     .every = 100,
     .tells = true,
     .share_refused = 0.02,
     .share_used = 8,
     .num_requests = 20000},
    {.name = "1 % at random, says nothing",
     .random = 0.01,
     .share_refused = 0.02,
     .share_used = 150,
     .num_requests = 20000},
    {.name = "0.2 % at random, says nothing",
     .random = 0.002,
     .share_refused = 0.02,
     .share_used = 300,
     .num_requests = 20000},
};

// ---------------------------------------------------------------- a client

struct outcome {
    uint64_t ms;
    unsigned num_refused, num_sent, twice;
};

struct flight {
    uint64_t done_ms, asked_ms, turn;
    bool is_good;
};

static void land(struct limit *limit, const struct flight *flight,
                 struct state *state, struct outcome *outcome, uint64_t now)
{
    if (flight->is_good) {
        state->under_way--;
        limit_good(limit, flight->turn, now);
    } else {
        outcome->num_refused++;
        (void)limit_refused(limit, flight->turn, flight->asked_ms, now);
    }
}

// Asks as many questions as may be under way, until all are answered.
static struct outcome ask_all(const struct server *server, uint64_t seed)
{
    struct state state = {.tokens = server->burst,
                          .dice = random_for(seed, "limit", 1)};
    uint64_t now = 1000, begun = now;
    struct flight flights[WINDOW];
    unsigned num_flying = 0, num_good = 0;
    struct outcome outcome = {0};
    struct limit_place place = {0};
    struct limit limit;

    limit_init(&limit, seed);
    for (; num_good < server->num_requests; now++) {
        for (unsigned i = 0; i < num_flying; i++) {
            if (flights[i].done_ms > now) continue;
            land(&limit, &flights[i], &state, &outcome, now);
            num_good += flights[i].is_good;
            flights[i--] = flights[--num_flying];
        }
        while (num_flying < WINDOW && num_good < server->num_requests &&
               limit_reserve(&limit, &place, now) <= now) {
            struct flight *flight = &flights[num_flying++];

            *flight = (struct flight){.done_ms = now + ROUND_TRIP_MS,
                                      .turn = place.turn};
            place = (struct limit_place){0};
            outcome.num_sent++;
            flight->is_good = serve(server, &state, now, &flight->asked_ms);
        }
    }
    outcome.ms = now - begun;
    outcome.twice = state.twice;
    return outcome;
}

static void check_server(const struct server *server, uint64_t seed)
{
    struct outcome outcome = ask_all(server, seed);
    double bears = server->rate > 0 ? server->rate
                   : server->num > 0
                       ? (double)server->num * 1000 / server->in_ms
                       : 1;
    double share = (double)outcome.num_refused / outcome.num_sent;
    double used =
        (double)server->num_requests * 1000 / ((double)outcome.ms * bears);
    bool is_limit = server->every == 0 && server->random <= 0;

    test_case = server->name;
    if (getenv("FIGURES") != NULL || (outcome.twice > 0 && is_limit) ||
        share > server->share_refused || used < server->share_used) {
        print_message("%s: %u of %u refused (%.4f), %u twice, used %.2f, "
                      "%.1f s\n",
                      server->name, outcome.num_refused, outcome.num_sent,
                      share, outcome.twice, used, (double)outcome.ms / 1e3);
    }
    CHECK(outcome.twice == 0 || !is_limit);
    CHECK(share <= server->share_refused);
    CHECK(used >= server->share_used);
}

static void no_limit_is_exceeded_twice_in_a_row(void **state)
{
    static const uint64_t seeds[] = {42, 1, 2, 3, 4, 5, 6, 7};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(servers); i++) {
        for (size_t k = 0; k < COUNT_OF(seeds); k++) {
            check_server(&servers[i], seeds[k]);
        }
    }
}

// A lone refusal among what goes well is no pause; two more are.
static void what_comes_after_tells(void **state)
{
    struct limit_place place = {0};
    struct limit limit;
    uint64_t now = 1000;

    (void)state;
    for (unsigned num_bad = 1; num_bad <= 3; num_bad++) {
        uint64_t turns[10];

        limit_init(&limit, 1);
        for (size_t i = 0; i < COUNT_OF(turns); i++) {
            assert_int_equal(limit_reserve(&limit, &place, now), now);
            turns[i] = place.turn;
            place = (struct limit_place){0};
        }
        for (size_t i = 0; i < 5; i++) {
            limit_good(&limit, turns[i], now);
        }
        for (size_t i = 5; i < 5 + num_bad; i++) {
            (void)limit_refused(&limit, turns[i], 0, now);
            now++;
        }
        // Asked before it, answered after it: that tells nothing.
        limit_good(&limit, turns[4], now);
        if (num_bad == 3) {
            assert_true(limit_reserve(&limit, &place, now) >= now + 6900);
            assert_true(limit.rate > 0);
            continue;
        }
        assert_int_equal(limit_reserve(&limit, &place, now), now);
        place = (struct limit_place){0};
        if (num_bad == 2) continue;
        for (size_t i = 6; i < 10; i++) {
            limit_good(&limit, turns[i], now);
        }
        now += 10 * 1000;
        assert_int_equal(limit_reserve(&limit, &place, now), now);
        assert_true(limit.rate == 0);
        place = (struct limit_place){0};
    }
}

// Nothing comes after it: it is believed.
static void a_doubt_ends(void **state)
{
    struct limit_place place = {0};
    struct limit limit;
    uint64_t now = 1000, turn;

    (void)state;
    limit_init(&limit, 1);
    for (int i = 0; i < 10; i++) {
        (void)limit_reserve(&limit, &place, now);
        limit_good(&limit, place.turn, now);
        place = (struct limit_place){0};
    }
    (void)limit_reserve(&limit, &place, now);
    turn = place.turn;
    assert_int_equal(limit_refused(&limit, turn, 0, now), now);
    now += LIMIT_DOUBT_MS;
    place = (struct limit_place){0};
    assert_true(limit_reserve(&limit, &place, now) >=
                now + LIMIT_PAUSE_FIRST_MS);
}

// ---------------------------------------------------------------- one by one

static const struct {
    const char *name;
    uint64_t asked;
    uint64_t least, most;
    uint64_t told;
} waits[] = {
    {"nothing said", 0, 7000, 10500, 0},
    {"within the second", 999, 7000, 10500, 0},
    {"two seconds", 2000, 2000, 2000, 2000},
    {"ten minutes", 600000, 600000, 600000, 600000},
    {"a week is cut", 604800000, 600000, 600000, 600000},
    {"for ever is cut", UINT64_C(1000000000000), 600000, 600000, 600000},
};

static void pauses_as_long_as_it_is_asked_to(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(waits); i++) {
        struct limit_place place = {0};
        struct limit limit;
        uint64_t now = 12345, until;

        test_case = waits[i].name;
        limit_init(&limit, 1);
        CHECK(limit_reserve(&limit, &place, now) == now);
        until = limit_refused(&limit, 0, waits[i].asked, now);
        CHECK(until - now >= waits[i].least && until - now <= waits[i].most);
        CHECK(limit.asked_until_ms ==
              (waits[i].told ? now + waits[i].told : 0));
        // The place from before is void.
        CHECK(limit_reserve(&limit, &place, now) == until);
        // What was under way when it was said belongs to it; the longest wait
        // holds.
        CHECK(limit_refused(&limit, 0, 0, now + 5) == until);
        CHECK(limit_refused(&limit, 0, 1000, now + 5) ==
              (until > now + 1005 ? until : now + 1005));
        CHECK(limit.num_pauses == 1);
    }
}

static void pauses_longer_each_time(void **state)
{
    struct limit limit;
    uint64_t now = 1000, pause = LIMIT_PAUSE_FIRST_MS;

    (void)state;
    limit_init(&limit, 1);
    for (int i = 0; i < 8; i++) {
        uint64_t until = limit_refused(&limit, 0, 0, now);

        assert_in_range(until - now, pause, pause * 3 / 2);
        now = until;
        pause *= 2;
        if (pause > LIMIT_PAUSE_MAX_MS) pause = LIMIT_PAUSE_MAX_MS;
    }
    limit_good(&limit, 0, now);
    assert_in_range(limit_refused(&limit, 0, 0, now + 1) - now,
                    LIMIT_PAUSE_FIRST_MS, LIMIT_PAUSE_FIRST_MS * 3 / 2 + 1);
}

static void an_idle_host_that_refuses_once_is_not_slowed(void **state)
{
    struct limit_place place = {0};
    struct limit limit;
    uint64_t now = 1000;

    (void)state;
    limit_init(&limit, 1);
    for (int i = 0; i < 100; i++, now += 30000) { // a poll each half minute
        (void)limit_reserve(&limit, &place, now);
        place = (struct limit_place){0};
        limit_good(&limit, 0, now);
    }
    now = limit_refused(&limit, 0, 0, now);
    assert_true(limit.rate == 0);
    now = limit_refused(&limit, 0, 0, now); // it goes on
    assert_true(limit.rate > 0);
}

static void places_come_one_after_the_other(void **state)
{
    struct limit_place places[3] = {0};
    struct limit limit;
    uint64_t now = 1000, until;

    (void)state;
    limit_init(&limit, 1);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(limit_reserve(&limit, &places[0], now), now);
        places[0] = (struct limit_place){0};
        limit_good(&limit, 0, now);
    }
    until =
        limit_refused(&limit, 0, 2000, now); // 20 in a second: 18 from now on
    for (size_t i = 0; i < 3; i++) {
        assert_in_range(limit_reserve(&limit, &places[i], now),
                        until + i * 1000 / 18, until + i * 1000 / 18 + 2);
    }
    assert_true(limit_reserve(&limit, &places[1], now) == places[1].at_ms);
}

static void logs_of_one_host_share(void **state)
{
    struct limit_place one = {0}, other = {0}, third = {0};
    struct host *host, *elsewhere;
    struct hosts *hosts;
    uint64_t until;

    (void)state;
    assert_true(hosts_new(&hosts, NULL));
    host = hosts_find(hosts, "log.example:443");
    elsewhere = hosts_find(hosts, "log.example:8443");
    assert_ptr_equal(hosts_find(hosts, "LOG.example:443"), host);
    assert_ptr_not_equal(host, elsewhere);
    assert_int_equal(host_reserve(host, &one, 5000), 5000);
    until = host_refused(host, 0, 30000, 5000);
    assert_int_equal(until, 35000);
    assert_true(host_reserve(host, &other, 6000) >= until);
    assert_int_equal(host_reserve(elsewhere, &third, 6000), 6000);
    assert_int_equal(host_limit(host).asked_until_ms, 35000);
    hosts_free(hosts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_limit_is_exceeded_twice_in_a_row),
        cmocka_unit_test(what_comes_after_tells),
        cmocka_unit_test(a_doubt_ends),
        cmocka_unit_test(pauses_as_long_as_it_is_asked_to),
        cmocka_unit_test(pauses_longer_each_time),
        cmocka_unit_test(an_idle_host_that_refuses_once_is_not_slowed),
        cmocka_unit_test(places_come_one_after_the_other),
        cmocka_unit_test(logs_of_one_host_share),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
