// test_rates.c - entries a second, as they were lately.

#include "ingest/rates.h"
#include "tests/support/check.h"

static void run(struct rates *rates, uint64_t *entries, uint64_t a_second,
                unsigned seconds)
{
    for (unsigned i = 0; i < seconds; i++) {
        *entries += a_second;
        rates_count(rates, 1, *entries, 1000);
    }
}

static void follows_what_comes(void **state)
{
    struct rates *rates;
    uint64_t entries = 0;

    (void)state;
    assert_true(rates_new(&rates, NULL));
    assert_true(rates_of(rates, 1) == 0);
    // From the first second on, and exactly where nothing changes.
    run(rates, &entries, 500, 1);
    assert_in_range((unsigned)rates_of(rates, 1), 499, 501);
    run(rates, &entries, 500, 59);
    assert_in_range((unsigned)rates_of(rates, 1), 499, 501);
    // A change is seen within a minute, and one second says little.
    run(rates, &entries, 0, 1);
    assert_in_range((unsigned)rates_of(rates, 1), 450, 499);
    run(rates, &entries, 0, 59);
    assert_in_range((unsigned)rates_of(rates, 1), 0, 25);
    run(rates, &entries, 2000, 60);
    assert_in_range((unsigned)rates_of(rates, 1), 1900, 2000);
    assert_true(rates_of(rates, 0) == 0); // another log
    rates_free(rates);
}

static void the_beginning_is_a_plain_mean(void **state)
{
    struct rates *rates;
    uint64_t entries = 0;

    (void)state;
    assert_true(rates_new(&rates, NULL));
    run(rates, &entries, 0, 1);
    run(rates, &entries, 300, 2);
    assert_in_range((unsigned)rates_of(rates, 1), 199, 201);
    rates_free(rates);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follows_what_comes),
        cmocka_unit_test(the_beginning_is_a_plain_mean),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
