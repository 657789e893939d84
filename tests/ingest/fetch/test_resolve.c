// test_resolve.c - lookups beside the thread that waits for them.

#include <arpa/inet.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "ingest/fetch/resolve.h"
#include "tests/support/check.h"

static struct resolver *open_resolver(void)
{
    struct resolver *resolver;
    struct err err;

    assert_true(resolver_open(&resolver, NULL, &err));
    return resolver;
}

static void wait_on(int fd)
{
    struct pollfd pollfd = {.fd = fd, .events = POLLIN};

    assert_int_equal(poll(&pollfd, 1, 20000), 1);
}

static const struct {
    const char *host;
    const char *text; // NULL: no address
} literals[] = {
    {"192.0.2.1", "192.0.2.1:443"},
    {"2001:DB8:0::1", "[2001:db8::1]:443"},
    {"::ffff:192.0.2.1", "[::ffff:192.0.2.1]:443"},
    {"localhost", NULL},
    {"192.0.2.256", NULL},
    {"[::1]", NULL},
    {"", NULL},
};

static void reads_literal_addresses(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(literals); i++) {
        struct resolve_addresses addresses;
        char text[64];
        bool taken = resolve_literal(&addresses, literals[i].host, 443);

        test_case = literals[i].host;
        // What getaddrinfo makes of no host at all is its own affair.
        if (literals[i].host[0] == '\0') continue;
        CHECK(taken == (literals[i].text != NULL));
        if (!taken) continue;
        CHECK(addresses.num == 1);
        CHECK(
            strcmp(resolve_write_address(text, sizeof text, &addresses.list[0]),
                   literals[i].text) == 0);
    }
}

static void finds_localhost(void **state)
{
    struct resolver *resolver = open_resolver();
    int fd = eventfd(0, 0);
    struct resolve_lookup *lookup =
        resolve_start(resolver, "localhost", 8080, fd);
    struct resolve_addresses addresses;
    struct err err = {0};
    char text[64];

    (void)state;
    assert_non_null(lookup);
    wait_on(fd);
    assert_true(resolve_is_done(lookup));
    assert_true(resolve_take(lookup, &addresses, &err));
    assert_true(addresses.num >= 1);
    (void)resolve_write_address(text, sizeof text, &addresses.list[0]);
    assert_true(strcmp(text, "127.0.0.1:8080") == 0 ||
                strcmp(text, "[::1]:8080") == 0);
    close(fd);
    resolver_close(resolver);
}

static void says_when_nothing_is_found(void **state)
{
    struct resolver *resolver = open_resolver();
    int fd = eventfd(0, 0);
    struct resolve_addresses addresses;
    struct err err = {0};
    struct resolve_lookup *lookup =
        resolve_start(resolver, "nowhere.invalid", 80, fd);

    (void)state;
    wait_on(fd);
    assert_false(resolve_take(lookup, &addresses, &err));
    assert_int_equal(err.code, ERR_NETWORK);
    assert_int_equal(strncmp(err.text, "address of 'nowhere.invalid': ", 30),
                     0);
    close(fd);
    resolver_close(resolver);
}

// Far more lookups than threads: each is answered once.
static void answers_many(void **state)
{
    enum { NUM = 200 };
    struct resolver *resolver = open_resolver();
    static struct resolve_lookup *lookups[NUM];
    int fd = eventfd(0, 0);
    size_t num = 0;

    (void)state;
    for (size_t i = 0; i < NUM; i++) {
        lookups[i] =
            resolve_start(resolver, "127.0.0.1", (uint16_t)(i + 1), fd);
        assert_non_null(lookups[i]);
    }
    while (num < NUM) {
        uint64_t count;

        wait_on(fd);
        assert_int_equal(read(fd, &count, sizeof count), sizeof count);
        for (size_t i = 0; i < NUM; i++) {
            struct resolve_addresses addresses;
            char text[64], expected[64];
            struct err err;

            if (lookups[i] == NULL || !resolve_is_done(lookups[i])) continue;
            assert_true(resolve_take(lookups[i], &addresses, &err));
            lookups[i] = NULL;
            num++;
            (void)snprintf(expected, sizeof expected, "127.0.0.1:%zu", i + 1);
            assert_string_equal(
                resolve_write_address(text, sizeof text, &addresses.list[0]),
                expected);
        }
    }
    close(fd);
    resolver_close(resolver);
}

// Dropped at any moment, and the resolver closed under it: nothing is left and
// nothing is written to a descriptor that is closed.
static void forgets_dropped_lookups(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++) {
        struct resolver *resolver = open_resolver();
        int fd = eventfd(0, 0);
        struct resolve_lookup *first =
            resolve_start(resolver, "127.0.0.1", 1, fd);
        struct resolve_lookup *second =
            resolve_start(resolver, "localhost", 1, fd);

        if (i % 2 == 0) wait_on(fd);
        resolve_drop(first);
        resolve_drop(second);
        resolve_drop(NULL);
        close(fd);
        resolver_close(resolver);
    }
    resolver_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_literal_addresses),
        cmocka_unit_test(finds_localhost),
        cmocka_unit_test(says_when_nothing_is_found),
        cmocka_unit_test(answers_many),
        cmocka_unit_test(forgets_dropped_lookups),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
