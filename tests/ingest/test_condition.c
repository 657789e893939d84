// test_condition.c - what is said of a log.

#include "ingest/condition.h"
#include "tests/support/check.h"

enum { NOW = 1000000 };

static const struct {
    enum reader_phase phase;
    bool ended;
    enum reader_status status;
    uint64_t limited_ms, failing_ms; // from now on
    unsigned last_status;
    const char *word;
    const char *sentence;
    uint64_t retry_ms;
} cases[] = {
    {READER_STARTING, false, 0, 0, 0, 0, "starting", "asking for its head", 0},
    {READER_READING, false, 0, 0, 0, 200, "reading", "", 0},
    {READER_CHECKING, false, 0, 0, 0, 200, "checking", "checking its zips", 0},
    {READER_FOLLOWING, false, 0, 0, 0, 200, "following", "up to date", 0},
    {READER_READING, false, 0, 40000, 0, 429, "limited",
     "limited by the log, retry in 40 s", 40000},
    {READER_READING, false, 0, 39001, 500, 429, "limited",
     "limited by the log, retry in 40 s", 39001},
    {READER_READING, false, 0, 50, 0, 200, "limited", "limited by the log", 50},
    {READER_READING, false, 0, 0, 12000, 503, "failing",
     "status 503, retry in 12 s", 12000},
    {READER_STARTING, false, 0, 0, 250, 0, "failing", "no answer", 250},
    {READER_READING, false, 0, 0, 5000, 200, "failing",
     "no answer that can be read, retry in 5 s", 5000},
    {READER_READING, true, READER_COMPLETE, 5000, 5000, 200, "complete",
     "complete", 0},
    {READER_READING, true, READER_PARTIAL, 0, 0, 0, "partial", "partial", 0},
    {READER_READING, true, READER_HALTED, 0, 0, 0, "halted", "halted", 0},
};

static void says_what_a_log_is_at(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct reader_totals totals = {
            .phase = cases[i].phase,
            .ended = cases[i].ended,
            .status = cases[i].status,
            .live = {.last_status = cases[i].last_status},
        };
        struct buffer sentence = {0};

        if (cases[i].limited_ms > 0) {
            totals.live.limited_until_ms = NOW + cases[i].limited_ms;
        }
        if (cases[i].failing_ms > 0) {
            totals.live.failing_until_ms = NOW + cases[i].failing_ms;
        }
        test_case = cases[i].sentence;
        condition_append(&sentence, &totals, NOW);
        CHECK(bytes_equal_text(buffer_bytes(&sentence), cases[i].sentence));
        CHECK(strcmp(condition_word(condition_of(&totals, NOW)),
                     cases[i].word) == 0);
        CHECK(condition_retry_ms(&totals, NOW) == cases[i].retry_ms);
        // What was waited for is over.
        CHECK(condition_retry_ms(&totals, NOW + 60000) == 0);
        buffer_cleanup(&sentence);
    }
}

static void tells_how_old_a_head_is(void **state)
{
    struct reader_totals totals = {0};
    double seconds;

    (void)state;
    assert_false(condition_lag_seconds(&seconds, &totals, NOW));
    totals.has_head = true;
    assert_false(condition_lag_seconds(&seconds, &totals, NOW));
    totals.head_time_ms = NOW - 1500;
    assert_true(condition_lag_seconds(&seconds, &totals, NOW));
    assert_true(seconds > 1.49 && seconds < 1.51);
    totals.head_time_ms = NOW + 1500;
    assert_true(condition_lag_seconds(&seconds, &totals, NOW));
    assert_true(seconds >= 0 && seconds < 0.01);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_what_a_log_is_at),
        cmocka_unit_test(tells_how_old_a_head_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
