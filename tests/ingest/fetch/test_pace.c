// test_pace.c - the pacer against a clock of our own.

#include "ingest/fetch/pace.h"
#include "tests/support/check.h"

static const struct pace_answer good = {.status = 200};
static const struct pace_answer nothing = {.status = 0};

static enum pace_verdict answer(struct pace *pace, unsigned status,
                                uint64_t now, uint64_t *retry_at)
{
    struct pace_answer given = {.status = status};

    return pace_ended(pace, &given, now, retry_at);
}

static const struct {
    unsigned status;
    enum pace_verdict verdict;
} verdicts[] = {
    {0, PACE_RETRY},     {200, PACE_OK},      {204, PACE_OK},
    {301, PACE_REFUSED}, {308, PACE_REFUSED}, {400, PACE_REFUSED},
    {403, PACE_RETRY},   {404, PACE_REFUSED}, {408, PACE_RETRY},
    {410, PACE_REFUSED}, {425, PACE_RETRY},   {429, PACE_LIMITED},
    {500, PACE_RETRY},   {502, PACE_RETRY},   {503, PACE_RETRY},
    {504, PACE_RETRY},
};

static void judges_every_status(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(verdicts); i++) {
        struct pace pace;
        uint64_t retry_at;

        pace_init(&pace, 0, 8, 1, 1000);
        pace_started(&pace, 1000);
        assert_int_equal(answer(&pace, verdicts[i].status, 1000, &retry_at),
                         verdicts[i].verdict);
        assert_int_equal(pace.num_in_flight, 0);
        assert_int_equal(retry_at > 1000, verdicts[i].verdict == PACE_RETRY);
    }
}

// Starts whenever it may, for ten seconds of every rate; no second may see more
// than the rate.
static void keeps_to_the_rate(void **state)
{
    static const double rates[] = {0.5, 1, 3, 75, 100, 101, 250, 1000, 5000};
    static uint64_t starts[60000];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rates); i++) {
        struct pace pace;
        size_t num = 0;
        uint64_t end = 10000;

        pace_init(&pace, rates[i], 1000, 1, 0);
        for (uint64_t now = 0; now < end; now++) {
            uint64_t wait, retry_at;

            while (pace_may_start(&pace, now, &wait)) {
                pace_started(&pace, now);
                (void)pace_ended(&pace, &good, now, &retry_at);
                assert_true(num < COUNT_OF(starts));
                starts[num++] = now;
            }
            assert_true(wait > 0);
        }
        for (size_t first = 0, last = 0; last < num; last++) {
            while (starts[last] - starts[first] >= 1000) {
                first++;
            }
            if ((double)(last - first + 1) > (rates[i] < 1 ? 1 : rates[i])) {
                fail_msg("rate %g: %zu in the second from %llu", rates[i],
                         last - first + 1, (unsigned long long)starts[first]);
            }
        }
        // And it is used: at least 95 % of it.
        assert_true((double)num >= rates[i] * 10 * 0.95 - 1);
    }
}

// Waiting as long as it says must be enough, and not far too long.
static void says_how_long_to_wait(void **state)
{
    struct pace pace;
    uint64_t wait, now = 0;

    (void)state;
    pace_init(&pace, 4, 10, 1, 0);
    assert_true(pace_may_start(&pace, now, &wait));
    pace_started(&pace, now);
    assert_false(pace_may_start(&pace, now, &wait));
    assert_in_range(wait, 240, 255);
    assert_true(pace_may_start(&pace, now + wait, &wait));
    assert_int_equal(wait, 0);
}

static void an_idle_hour_saves_nothing_up(void **state)
{
    struct pace pace;
    uint64_t wait;

    (void)state;
    pace_init(&pace, 10, 10, 1, 0);
    assert_true(pace_may_start(&pace, 3600000, &wait));
    pace_started(&pace, 3600000);
    assert_false(pace_may_start(&pace, 3600000, &wait));
}

static void fill_window(struct pace *pace, uint64_t now)
{
    uint64_t wait;

    while (pace_may_start(pace, now, &wait)) {
        pace_started(pace, now);
    }
}

static unsigned answer_all(struct pace *pace, unsigned status, uint64_t now)
{
    unsigned num = pace->num_in_flight;
    uint64_t retry_at;

    for (unsigned i = 0; i < num; i++) {
        (void)answer(pace, status, now, &retry_at);
    }
    return num;
}

static void the_window_grows_and_halves(void **state)
{
    static const unsigned growth[] = {4, 8, 16, 32, 40, 40};
    struct pace pace;
    uint64_t now = 5000, wait;

    (void)state;
    pace_init(&pace, 0, 40, 1, now);
    for (size_t i = 0; i < COUNT_OF(growth); i++) {
        fill_window(&pace, now);
        assert_false(pace_may_start(&pace, now, &wait));
        assert_int_equal(wait, UINT64_MAX); // an answer must come first
        assert_int_equal(answer_all(&pace, 200, now), growth[i]);
    }
    // One overload, however many requests it hits, is one cut.
    fill_window(&pace, now);
    assert_int_equal(answer_all(&pace, 503, now), 40);
    assert_int_equal((unsigned)pace.window, 20);
    now = pace.not_before_ms;
    // From then on one more for each whole window.
    fill_window(&pace, now);
    assert_int_equal(answer_all(&pace, 200, now), 20);
    assert_in_range((unsigned)(pace.window * 100), 2090, 2110);
    // Down to one, never to none.
    for (int i = 0; i < 20; i++) {
        now = pace.not_before_ms + 2000;
        fill_window(&pace, now);
        assert_true(pace.num_in_flight >= 1);
        (void)answer_all(&pace, 503, now);
    }
    assert_int_equal((unsigned)pace.window, 1);
}

static void backs_off_with_jitter(void **state)
{
    static const uint64_t base[] = {250,   500,   1000,  2000,  4000, 8000,
                                    16000, 32000, 40000, 40000, 40000};
    struct pace one, other;
    uint64_t now = 0, retry_at, wait;
    bool differs = false;

    (void)state;
    pace_init(&one, 0, 8, 1, now);
    pace_init(&other, 0, 8, 2, now);
    for (size_t i = 0; i < COUNT_OF(base); i++) {
        uint64_t mine;

        pace_started(&one, now);
        pace_started(&other, now);
        assert_int_equal(pace_ended(&one, &nothing, now, &retry_at),
                         PACE_RETRY);
        assert_in_range(retry_at - now, base[i], base[i] * 3 / 2);
        assert_true(retry_at - now <= PACE_BACKOFF_MAX_MS);
        mine = retry_at - now;
        (void)pace_ended(&other, &nothing, now, &retry_at);
        differs = differs || retry_at - now != mine;
        assert_false(pace_may_start(&one, now + mine - 1, &wait));
        assert_int_equal(wait, 1);
        assert_true(pace_may_start(&one, now + mine, &wait));
        now += PACE_BACKOFF_MAX_MS;
    }
    assert_true(differs);
    // One good answer, and the next failure is the first again.
    pace_started(&one, now);
    (void)pace_ended(&one, &good, now, &retry_at);
    pace_started(&one, now);
    (void)pace_ended(&one, &nothing, now, &retry_at);
    assert_in_range(retry_at - now, 250, 375);
}

static void one_outage_counts_once(void **state)
{
    struct pace pace;
    uint64_t retry_at = 0;

    (void)state;
    pace_init(&pace, 0, 64, 1, 0);
    for (int i = 0; i < 64; i++) {
        pace_started(&pace, 0);
    }
    for (int i = 0; i < 64; i++) {
        (void)pace_ended(&pace, &nothing, 10, &retry_at);
        assert_in_range(retry_at, 10 + 250, 10 + 375);
    }
    assert_int_equal(pace.num_failures, 1);
}

static const struct {
    struct pace_answer answer;
    enum pace_verdict verdict;
} limits[] = {
    {{429, false, 0}, PACE_LIMITED},   {{429, true, 5000}, PACE_LIMITED},
    {{503, true, 5000}, PACE_LIMITED}, {{503, true, 1000}, PACE_LIMITED},
    {{503, true, 999}, PACE_RETRY},    {{503, false, 0}, PACE_RETRY},
    {{403, true, 5000}, PACE_LIMITED}, {{404, true, 5000}, PACE_REFUSED},
    {{200, true, 5000}, PACE_OK},
};

static void tells_limits_from_failures(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(limits); i++) {
        uint64_t now = 12345, retry_at, wait;
        struct pace pace;

        pace_init(&pace, 0, 8, 1, now);
        pace_started(&pace, now);
        assert_int_equal(pace_ended(&pace, &limits[i].answer, now, &retry_at),
                         limits[i].verdict);
        // The host says when; the window is cut all the same.
        if (limits[i].verdict != PACE_LIMITED) continue;
        assert_int_equal(retry_at, 0);
        assert_true(pace_may_start(&pace, now, &wait));
        assert_int_equal((unsigned)pace.window, 2);
    }
}

static void a_canceled_request_teaches_nothing(void **state)
{
    struct pace pace;
    struct pace before;

    (void)state;
    pace_init(&pace, 0, 8, 1, 0);
    before = pace;
    pace_started(&pace, 0);
    pace_canceled(&pace);
    assert_memory_equal(&pace, &before, sizeof pace);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(judges_every_status),
        cmocka_unit_test(keeps_to_the_rate),
        cmocka_unit_test(says_how_long_to_wait),
        cmocka_unit_test(an_idle_hour_saves_nothing_up),
        cmocka_unit_test(the_window_grows_and_halves),
        cmocka_unit_test(backs_off_with_jitter),
        cmocka_unit_test(one_outage_counts_once),
        cmocka_unit_test(tells_limits_from_failures),
        cmocka_unit_test(a_canceled_request_teaches_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
