// test_host.c - which Host a request over TCP may name.

#include "tests/support/check.h"

#include "query/server/host.h"

static const struct host_rules rules = {.names = {"ct.example"},
                                        .num_names = 1};
static const struct host_local v4 = {{127, 0, 0, 1}, 4};
static const struct host_local v6 = {{[15] = 1}, 16};

static const struct {
    const char *host;
    const struct host_local *local;
    bool allowed;
} cases[] = {
    {"127.0.0.1", &v4, true},
    {"127.0.0.1:80", &v4, true},
    {"127.0.0.2:80", &v4, false},
    {"[::ffff:127.0.0.1]:80", &v4, true},
    {"[::1]", &v6, true},
    {"[::1]:8080", &v6, true},
    {"::1", &v6, true},
    {"[0:0:0:0:0:0:0:1]:1", &v6, true},
    {"[::2]", &v6, false},
    {"127.0.0.1", &v6, false},
    {"localhost", &v4, true},
    {"LOCALHOST:1", &v4, true},
    {"localhost.", &v4, true},
    {"localhost.evil.example", &v4, false},
    {"ct.example", &v4, true},
    {"CT.Example:443", &v4, true},
    {"ct.example.evil.example", &v4, false},
    {"xct.example", &v4, false},
    {"evil.example:127.0.0.1", &v4, false},
    {"", &v4, false},
    {":80", &v4, false},
    {".", &v4, false},
};

static void allows_and_refuses(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct bytes host = heap_copy(bytes_from_text(cases[i].host));

        test_case = cases[i].host;
        CHECK(host_is_allowed(&rules, cases[i].local, host) ==
              cases[i].allowed);
        free((void *)host.data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allows_and_refuses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
