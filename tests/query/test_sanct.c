// test_sanct.c - the client library: over an index and a server the same.

#include "query/sanct.h"

#include "tests/support/planted.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/query/server/serving.h"
#include "tests/support/check.h"

enum { NUM_CERTS = 60, NUM_PIPELINED = 500 };

static struct planted planted;
static char socket_path[128];
static pid_t server;

static void plant(void)
{
    char names[NUM_CERTS][32];

    for (uint32_t i = 0; i < NUM_CERTS; i++) {
        struct planted_cert cert = {.ca = CA_AMBER,
                                    .serial = i + 1,
                                    .not_before = 1700000000 + i,
                                    .not_after = 1800000000};

        (void)snprintf(names[i], sizeof names[i], "n%u.many.example", i);
        cert.names[0] = names[i];
        if (i == 0) cert.names[1] = "192.0.2.1";
        planted_add(&planted, 0, &cert, false, 1700000000000);
    }
    (void)planted_append(&planted, 0);
}

static int start(void **state)
{
    (void)state;
    planted_open(&planted, NUM_CERTS);
    plant();
    (void)snprintf(socket_path, sizeof socket_path, "%s.sock", planted.folder);
    server = fork();
    if (server == 0) serve_folder(planted.folder, socket_path, 1);
    for (int i = 0; i < 400; i++) {
        struct sanct *sanct;
        bool ok = sanct_connect(&sanct, socket_path) == SANCT_OK;

        sanct_close(sanct);
        if (ok) return 0;
        usleep(50000);
    }
    return -1;
}

static int stop(void **state)
{
    (void)state;
    if (server > 0) (void)kill(server, SIGTERM);
    (void)waitpid(server, NULL, 0);
    planted_close(&planted);
    return 0;
}

// Both kinds of source; closed with sanct_close.
static void open_both(struct sanct *sources[2])
{
    assert_int_equal(sanct_open(&sources[0], planted.folder), SANCT_OK);
    assert_int_equal(sanct_connect(&sources[1], socket_path), SANCT_OK);
}

static void close_both(struct sanct *sources[2])
{
    sanct_close(sources[0]);
    sanct_close(sources[1]);
}

static void gives_names_and_texts(void **state)
{
    struct sanct *sources[2];

    (void)state;
    open_both(sources);
    for (size_t i = 0; i < 2; i++) {
        const struct sanct_issuance *issuance;
        struct sanct_answer *answer;
        uint64_t count = 99;
        size_t len;

        assert_int_equal(sanct_ask(sources[i], "192.0.2.1", NULL, &answer),
                         SANCT_OK);
        assert_int_equal(sanct_next(answer, &issuance), SANCT_OK);
        assert_non_null(issuance);
        assert_string_equal(sanct_text(issuance, "not_before"),
                            "2023-11-14T22:13:20Z");
        assert_int_equal(sanct_num(issuance, "dns_names"), 1);
        assert_string_equal(sanct_text_at(issuance, "dns_names", 0),
                            "n0.many.example");
        assert_string_equal(sanct_text_at(issuance, "ip_addresses", 0),
                            "192.0.2.1");
        assert_non_null(sanct_text(issuance, "issuer.name"));
        assert_null(sanct_text_at(issuance, "dns_names", 1));
        assert_null(sanct_text(issuance, "no_such"));
        assert_null(sanct_text(issuance, "serial.no_such"));
        assert_null(sanct_text(issuance, ""));
        assert_int_equal(sanct_num(issuance, "serial"), 0);
        assert_int_equal(sanct_json(issuance, &len)[0], '{');
        assert_int_equal(strlen(sanct_json(issuance, NULL)), len);
        assert_int_equal(sanct_next(answer, &issuance), SANCT_OK);
        assert_null(issuance);
        assert_int_equal(sanct_next(answer, &issuance), SANCT_OK);
        assert_null(issuance);
        assert_null(sanct_cursor(answer));
        sanct_answer_close(answer);
        assert_int_equal(
            sanct_count(sources[i], "many.example", "subdomains=1", &count),
            SANCT_OK);
        assert_int_equal(count, NUM_CERTS);
        assert_int_equal(sanct_count(sources[i], "none.example", NULL, &count),
                         SANCT_OK);
        assert_int_equal(count, 0);
    }
    close_both(sources);
}

static void gives_the_same_from_both(void **state)
{
    const struct sanct_issuance *issuances[2];
    struct sanct_answer *answers[2];
    struct sanct *sources[2];
    size_t num = 0;

    (void)state;
    open_both(sources);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(sanct_ask(sources[i], "many.example",
                                   "subdomains=1&since=2023-11-14&type=final",
                                   &answers[i]),
                         SANCT_OK);
    }
    for (;; num++) {
        assert_int_equal(sanct_next(answers[0], &issuances[0]), SANCT_OK);
        assert_int_equal(sanct_next(answers[1], &issuances[1]), SANCT_OK);
        assert_true((issuances[0] == NULL) == (issuances[1] == NULL));
        if (issuances[0] == NULL) break;
        assert_string_equal(sanct_json(issuances[0], NULL),
                            sanct_json(issuances[1], NULL));
    }
    assert_int_equal(num, NUM_CERTS);
    assert_int_equal(sanct_is_whole(answers[0]), sanct_is_whole(answers[1]));
    sanct_answer_close(answers[0]);
    sanct_answer_close(answers[1]);
    close_both(sources);
}

static void turns_pages(void **state)
{
    struct sanct *sources[2];

    (void)state;
    open_both(sources);
    for (size_t i = 0; i < 2; i++) {
        char filters[512] = "subdomains=1&limit=25";
        size_t num = 0, pages = 0;
        bool goes_on = true;

        while (goes_on) {
            const struct sanct_issuance *issuance;
            struct sanct_answer *answer;

            assert_int_equal(
                sanct_ask(sources[i], "many.example", filters, &answer),
                SANCT_OK);
            while (sanct_next(answer, &issuance) == SANCT_OK &&
                   issuance != NULL) {
                num++;
            }
            pages++;
            goes_on = sanct_cursor(answer) != NULL;
            if (goes_on) {
                (void)snprintf(filters, sizeof filters,
                               "subdomains=1&limit=25&after=%s",
                               sanct_cursor(answer));
            }
            sanct_answer_close(answer);
        }
        assert_int_equal(num, NUM_CERTS);
        assert_int_equal(pages, 3);
    }
    close_both(sources);
}

// Many questions on one connection, each with more answer than a socket holds
// all in all; none waits for another.
static void pipelines_over_a_socket(void **state)
{
    static struct sanct_answer *answers[NUM_PIPELINED];
    const struct sanct_issuance *issuance;
    struct sanct *sanct;

    (void)state;
    assert_int_equal(sanct_connect(&sanct, socket_path), SANCT_OK);
    for (unsigned i = 0; i < NUM_PIPELINED; i++) {
        assert_int_equal(
            sanct_ask(sanct, "many.example", "subdomains=1", &answers[i]),
            SANCT_OK);
    }
    assert_int_equal(sanct_next(answers[1], &issuance), SANCT_USAGE);
    assert_string_equal(sanct_error(sanct),
                        "answers are read in the order of their questions");
    for (unsigned i = 0; i < NUM_PIPELINED; i++) {
        unsigned num = 0;

        // Some are given up in the middle.
        while (num < (i % 7 == 3 ? 5U : 1000U) &&
               sanct_next(answers[i], &issuance) == SANCT_OK &&
               issuance != NULL) {
            num++;
        }
        assert_string_equal(sanct_error(sanct), "");
        assert_int_equal(num, i % 7 == 3 ? 5 : NUM_CERTS);
        sanct_answer_close(answers[i]);
    }
    sanct_close(sanct);
}

static void closes_in_any_order(void **state)
{
    const struct sanct_issuance *issuance;
    struct sanct_answer *answers[3];
    struct sanct *sanct;

    (void)state;
    assert_int_equal(sanct_connect(&sanct, socket_path), SANCT_OK);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(sanct_ask(sanct, "192.0.2.1", NULL, &answers[i]),
                         SANCT_OK);
    }
    sanct_answer_close(answers[1]); // and the connection with it
    assert_int_equal(sanct_next(answers[0], &issuance), SANCT_NETWORK);
    assert_non_null(strstr(sanct_error(sanct), "the connection was lost"));
    sanct_answer_close(answers[0]);
    // The next question finds another connection.
    assert_int_equal(sanct_ask(sanct, "192.0.2.1", NULL, &answers[0]),
                     SANCT_OK);
    assert_int_equal(sanct_next(answers[2], &issuance), SANCT_NETWORK);
    assert_int_equal(sanct_next(answers[0], &issuance), SANCT_OK);
    assert_non_null(issuance);
    sanct_answer_close(answers[2]);
    sanct_answer_close(answers[0]);
    sanct_answer_close(NULL);
    sanct_close(sanct);
    sanct_close(NULL);
}

static const struct {
    const char *name, *what, *filters, *error;
} refused[] = {
    {"no address", "1.1.1.0/99", NULL, "q: "},
    {"no filter", "a.example", "subdomain=1", "subdomain: "},
    {"not encoded", "a.example", "issuer=A B",
     "filters: byte 8 is to be percent-encoded"},
    {"a request of its own", "a.example", "limit=1\r\n\r\n",
     "filters: byte 7 is to be percent-encoded"},
    {"another question", "a.example", "q=b.example", "q: "},
    {"no log", "a.example", "log=nowhere", "log: "},
};

static void says_what_is_wrong(void **state)
{
    struct sanct *sources[2];

    (void)state;
    open_both(sources);
    for (size_t i = 0; i < 2 * COUNT_OF(refused); i++) {
        struct sanct *sanct = sources[i % 2];
        const struct sanct_issuance *issuance = NULL;
        struct sanct_answer *answer;
        uint64_t count;

        test_case = refused[i / 2].name;
        if (sanct_ask(sanct, refused[i / 2].what, refused[i / 2].filters,
                      &answer) == SANCT_OK) {
            (void)sanct_next(answer, &issuance);
        }
        if (strncmp(sanct_error(sanct), refused[i / 2].error,
                    strlen(refused[i / 2].error)) != 0) {
            print_error("%zu: %s\n", i % 2, sanct_error(sanct));
        }
        CHECK(sanct_status(sanct) == SANCT_USAGE);
        CHECK(strncmp(sanct_error(sanct), refused[i / 2].error,
                      strlen(refused[i / 2].error)) == 0);
        CHECK(issuance == NULL);
        sanct_answer_close(answer);
        CHECK(sanct_count(sanct, refused[i / 2].what, refused[i / 2].filters,
                          &count) == SANCT_USAGE);
        CHECK(sanct_count(sanct, "a.example", NULL, &count) == SANCT_OK);
    }
    close_both(sources);
}

static void says_when_nobody_is_there(void **state)
{
    struct sanct_answer *answer;
    struct sanct *sanct;
    uint64_t count;

    (void)state;
    assert_int_equal(sanct_connect(&sanct, "/nowhere/sock"), SANCT_NETWORK);
    assert_string_equal(sanct_error(sanct),
                        "/nowhere/sock: No such file or directory");
    sanct_close(sanct);
    assert_int_equal(sanct_open(&sanct, "/nowhere"), SANCT_INDEX);
    assert_string_equal(sanct_error(sanct), "/nowhere: there is no index here");
    assert_int_equal(sanct_ask(sanct, "a.example", NULL, &answer), SANCT_USAGE);
    assert_null(answer);
    assert_int_equal(sanct_count(sanct, "a.example", NULL, &count),
                     SANCT_USAGE);
    sanct_close(sanct);
    assert_int_equal(sanct_status(NULL), SANCT_MEMORY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_names_and_texts),
        cmocka_unit_test(gives_the_same_from_both),
        cmocka_unit_test(turns_pages),
        cmocka_unit_test(pipelines_over_a_socket),
        cmocka_unit_test(closes_in_any_order),
        cmocka_unit_test(says_what_is_wrong),
        cmocka_unit_test(says_when_nobody_is_there),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
