// test_limit.c - hosts with limits of every kind, against a clock of our own.

#include "ingest/fetch/host.h"
#include "ingest/fetch/limit.h"
#include "tests/support/check.h"

// ---------------------------------------------------------------- a host

// It refuses by a bucket of tokens, by a fixed window, or every so many; and
// says when to come back, or not.
struct server {
    const char *name;
    double rate, burst;    // a bucket
    unsigned num, in_ms;   // num in each window
    unsigned every;        // at random, as it were
    bool tells;            // Retry-After, in whole seconds
    double share_refused;  // at most, of all requests
    double share_used;     // at least, of what it would bear; requests a
                           // second where that does not end
    unsigned num_requests; // that are answered in the end
};

struct state {
    double tokens;
    uint64_t tokens_at_ms, window_ms;
    unsigned in_window, num;
};

// True: it is answered; else `asked_ms` is what it says.
static bool serve(const struct server *server, struct state *state,
                  uint64_t now, uint64_t *asked_ms)
{
    uint64_t free_ms = 0;

    if (server->rate > 0) {
        state->tokens +=
            server->rate * (double)(now - state->tokens_at_ms) / 1000;
        if (state->tokens > server->burst) state->tokens = server->burst;
        state->tokens_at_ms = now;
        if (state->tokens >= 1) {
            state->tokens -= 1;
            return true;
        }
        free_ms = (uint64_t)((1 - state->tokens) * 1000 / server->rate);
    } else if (server->num > 0) {
        if (now >= state->window_ms + server->in_ms) {
            state->window_ms = now - now % server->in_ms;
            state->in_window = 0;
        }
        if (state->in_window < server->num) {
            state->in_window++;
            return true;
        }
        free_ms = state->window_ms + server->in_ms - now;
    } else if (++state->num % server->every != 0) {
        return true;
    }
    *asked_ms = server->tells ? (free_ms / 1000 + 1) * 1000 : 0;
    return false;
}

// CT-PROTOCOLS sections 5 and 9, and what proxies are commonly told.
static const struct server servers[] = {
    {"Skylight, anonymous: 75/s, burst 10", 75, 10, 0, 0, 0, true, 0.02, 0.8,
     20000},
    {"20/s, burst 20, says nothing", 20, 20, 0, 0, 0, false, 0.02, 0.6, 5000},
    {"1/s", 1, 1, 0, 0, 0, true, 0.05, 0.7, 1000},
    {"1/s, says nothing", 1, 1, 0, 0, 0, false, 0.05, 0.6, 1000},
    {"1/s, burst 10", 1, 10, 0, 0, 0, true, 0.05, 0.7, 1000},
    {"1/s, burst 60, says nothing", 1, 60, 0, 0, 0, false, 0.05, 0.6, 1000},
    {"DigiCert 2025: 0.15/s, says nothing", 0.15, 1, 0, 0, 0, false, 0.08, 0.6,
     400},
    {"0.18/s, burst 2, says nothing", 0.18, 2, 0, 0, 0, false, 0.08, 0.6, 400},
    {"100 in a minute", 0, 0, 100, 60000, 0, true, 0.05, 0.5, 1000},
    {"1000 in 10 s, says nothing", 0, 0, 1000, 10000, 0, false, 0.05, 0.5,
     20000},
    {"5 in a second", 0, 0, 5, 1000, 0, true, 0.05, 0.6, 2000},
    {"every 7th", 0, 0, 0, 0, 7, true, 0.15, 0, 300},
    {"every 7th, says nothing", 0, 0, 0, 0, 7, false, 0.15, 0, 300},
    // One and two of a hundred, whatever the rate: what is not the host's
    // limit must not become ours.
    {"every 100th, says nothing", 0, 0, 0, 0, 100, false, 0.02, 5, 20000},
    {"every 50th, says nothing", 0, 0, 0, 0, 50, false, 0.03, 2.5, 20000},
    {"every 100th, says when", 0, 0, 0, 0, 100, true, 0.02, 8, 20000},
};

// ---------------------------------------------------------------- a client

struct outcome {
    uint64_t ms;
    unsigned num_refused, num_sent;
    unsigned twice; // refused, paused, and refused at once again
};

enum { WINDOW = 8, ROUND_TRIP_MS = 20 };

// Asks as many questions as may be under way, until all are answered.
static struct outcome ask_all(const struct server *server)
{
    struct state state = {.tokens = server->burst};
    uint64_t now = 1000, begun = now, done_ms[WINDOW], asked_ms[WINDOW];
    bool good[WINDOW];
    unsigned num_flying = 0, num_good = 0;
    struct outcome outcome = {0};
    struct limit_place place = {0};
    struct limit limit;
    bool was_refused = false;

    limit_init(&limit, 42);
    for (; num_good < server->num_requests; now++) {
        for (unsigned i = 0; i < num_flying; i++) {
            if (done_ms[i] > now) continue;
            if (good[i]) {
                limit_good(&limit, now);
                was_refused = false;
                num_good++;
            } else {
                if (now >= limit.not_before_ms && was_refused) outcome.twice++;
                was_refused = true;
                outcome.num_refused++;
                (void)limit_refused(&limit, asked_ms[i], now);
            }
            num_flying--;
            done_ms[i] = done_ms[num_flying];
            asked_ms[i] = asked_ms[num_flying];
            good[i] = good[num_flying];
            i--;
        }
        while (num_flying < WINDOW && num_good < server->num_requests &&
               limit_reserve(&limit, &place, now) <= now) {
            place = (struct limit_place){0};
            outcome.num_sent++;
            done_ms[num_flying] = now + ROUND_TRIP_MS;
            good[num_flying] =
                serve(server, &state, now, &asked_ms[num_flying]);
            num_flying++;
        }
    }
    outcome.ms = now - begun;
    return outcome;
}

static void no_limit_is_exceeded_twice_in_a_row(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(servers); i++) {
        const struct server *server = &servers[i];
        struct outcome outcome = ask_all(server);
        double bears = server->rate > 0 ? server->rate
                       : server->num > 0
                           ? (double)server->num * 1000 / server->in_ms
                           : 1;
        double share = (double)outcome.num_refused / outcome.num_sent;
        double used =
            (double)server->num_requests * 1000 / ((double)outcome.ms * bears);

        test_case = server->name;
        if (outcome.twice > 0 || share > server->share_refused ||
            used < server->share_used) {
            print_error("%s: %u of %u refused (%.3f), %u at once again, used "
                        "%.2f, %.1f s\n",
                        server->name, outcome.num_refused, outcome.num_sent,
                        share, outcome.twice, used, (double)outcome.ms / 1e3);
        }
        CHECK(outcome.twice == 0);
        CHECK(share <= server->share_refused);
        CHECK(used >= server->share_used);
    }
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
        until = limit_refused(&limit, waits[i].asked, now);
        CHECK(until - now >= waits[i].least && until - now <= waits[i].most);
        CHECK(limit.asked_until_ms ==
              (waits[i].told ? now + waits[i].told : 0));
        // The place from before is void.
        CHECK(limit_reserve(&limit, &place, now) == until);
        // What was under way when it was said belongs to it; the longest wait
        // holds.
        CHECK(limit_refused(&limit, 0, now + 5) == until);
        CHECK(limit_refused(&limit, 1000, now + 5) ==
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
        uint64_t until = limit_refused(&limit, 0, now);

        assert_in_range(until - now, pause, pause * 3 / 2);
        now = until;
        pause *= 2;
        if (pause > LIMIT_PAUSE_MAX_MS) pause = LIMIT_PAUSE_MAX_MS;
    }
    limit_good(&limit, now);
    assert_in_range(limit_refused(&limit, 0, now + 1) - now,
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
        limit_good(&limit, now);
    }
    now = limit_refused(&limit, 0, now);
    assert_true(limit.rate == 0);
    now = limit_refused(&limit, 0, now); // it goes on
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
        limit_good(&limit, now);
    }
    until = limit_refused(&limit, 2000, now); // 20 in a second: 18 from now on
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
    until = host_refused(host, 30000, 5000);
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
        cmocka_unit_test(pauses_as_long_as_it_is_asked_to),
        cmocka_unit_test(pauses_longer_each_time),
        cmocka_unit_test(an_idle_host_that_refuses_once_is_not_slowed),
        cmocka_unit_test(places_come_one_after_the_other),
        cmocka_unit_test(logs_of_one_host_share),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
