// test_recall.c - what is asked again: the same bytes, and never old ones.

#include "tests/query/server/clients.h"

#include "tests/support/planted.h"

enum { ROOM = 64, ANSWERS_SIZE = 256 << 10, TIMES = 4, TRIES = 20 };

static struct planted planted;
static char answers[ANSWERS_SIZE];

static void plant(uint32_t serial)
{
    struct planted_cert cert = {.names = {"again.example"},
                                .serial = serial,
                                .not_before = 1700000000,
                                .not_after = 2200000000};

    planted_add(&planted, 0, &cert, false, 1710000000000 + serial);
    (void)planted_append(&planted, 0);
}

static int open_world(void **state)
{
    (void)state;
    planted_open(&planted, ROOM);
    plant(0x4d01);
    return clients_open(planted.index) ? 0 : -1;
}

static int close_world(void **state)
{
    (void)state;
    clients_close();
    planted_close(&planted);
    return 0;
}

static uint64_t num_recalled(void)
{
    return atomic_load(&metrics.recalled);
}

// ------------------------------------------------------------- the table

static bool find(struct recall *recall, uint64_t moment, const char *request,
                 const char *answer, struct recall_ticket *ticket)
{
    struct buffer out = {0};
    unsigned label = 0;
    bool found = recall_find(recall, moment, bytes_from_text(request), &out,
                             &label, ticket);

    if (found) {
        assert_true(bytes_equal_text(buffer_bytes(&out), answer));
        assert_int_equal(label, 7);
    } else {
        assert_int_equal(out.len, 0);
    }
    buffer_cleanup(&out);
    return found;
}

static void keep(struct recall *recall, const struct recall_ticket *ticket,
                 const char *request, const char *answer)
{
    recall_keep(recall, ticket, bytes_from_text(request),
                bytes_from_text(answer), 7);
}

static void keeps_what_is_asked_twice_in_a_moment(void **state)
{
    struct recall_ticket ticket;
    struct recall *recall;
    struct err err = {0};

    (void)state;
    assert_true(recall_new(&recall, &err));
    assert_false(find(recall, 1, "q", "a", &ticket));
    assert_false(ticket.again);
    keep(recall, &ticket, "q", "a");
    assert_false(find(recall, 1, "q", "a", &ticket));
    assert_true(ticket.again);
    keep(recall, &ticket, "q", "a");
    assert_true(find(recall, 1, "q", "a", &ticket));
    assert_false(find(recall, 1, "other", "a", &ticket));
    assert_false(ticket.again);
    // The next moment knows nothing of it.
    assert_false(find(recall, 2, "q", "a", &ticket));
    assert_false(ticket.again);
    recall_free(recall);
}

static void what_is_too_long_is_not_kept(void **state)
{
    static char longer[RECALL_ANSWER_MAX + 2];
    struct recall_ticket ticket;
    struct recall *recall;
    struct err err = {0};

    (void)state;
    assert_true(recall_new(&recall, &err));
    memset(longer, 'x', RECALL_ANSWER_MAX + 1);
    for (int i = 0; i < TIMES; i++) {
        assert_false(find(recall, 1, "q", longer, &ticket));
        keep(recall, &ticket, "q", longer);
    }
    longer[RECALL_REQUEST_MAX + 1] = '\0';
    for (int i = 0; i < TIMES; i++) {
        assert_false(find(recall, 1, longer, "a", &ticket));
        keep(recall, &ticket, longer, "a");
    }
    recall_free(recall);
}

// Many more than there is room for: what is found is right.
static void of_many_each_finds_its_own(void **state)
{
    struct recall_ticket ticket;
    struct recall *recall;
    struct err err = {0};
    unsigned num_found = 0;

    (void)state;
    assert_true(recall_new(&recall, &err));
    for (int round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 2 * RECALL_SLOTS; i++) {
            char request[32], answer[32];

            (void)snprintf(request, sizeof request, "q%u", i);
            (void)snprintf(answer, sizeof answer, "a%u", i);
            if (find(recall, 1, request, answer, &ticket)) {
                num_found++;
            } else {
                keep(recall, &ticket, request, answer);
            }
        }
    }
    assert_true(num_found > 0 && num_found <= RECALL_SLOTS);
    recall_free(recall);
}

// ------------------------------------------------------------- the server

// Asks the same some times at once.
static size_t ask(const char *request)
{
    struct buffer all = {0};
    int fd = connect_client();
    bool closed;
    size_t len;

    for (int i = 0; i < TIMES; i++) {
        buffer_append_text(&all, request);
    }
    buffer_append_byte(&all, '\0');
    say(fd, (const char *)all.data);
    len = take(fd, answers, sizeof answers, &closed);
    (void)close(fd);
    finish_all();
    buffer_cleanup(&all);
    return len;
}

#define HTTP(line) line " HTTP/1.1\r\nHost: x\r\n\r\n"

static const struct {
    const char *name, *request;
    bool recalled;
} cases[] = {
    {"certs", HTTP("GET /v1/certs?q=again.example"), true},
    {"count", HTTP("GET /v1/count?q=again.example"), true},
    {"none", HTTP("GET /v1/certs?q=none.example"), true},
    {"head", HTTP("HEAD /v1/certs?q=again.example"), false},
    {"crt.sh", HTTP("GET /?q=again.example&output=json"), true},
    {"SSLMate", HTTP("GET /v1/issuances?domain=again.example"), true},
    {"RESP", "*2\r\n$5\r\nCERTS\r\n$13\r\nagain.example\r\n", true},
    {"RESP count", "*2\r\n$5\r\nCOUNT\r\n$13\r\nagain.example\r\n", true},
    {"line", "COUNT again.example\r\n", true},
    {"no question", HTTP("GET /v1/certs"), false},
    {"no command", "COUNT\r\n", false},
    {"metrics", HTTP("GET /metrics"), false},
    {"stat", HTTP("GET /v1/stat"), false},
    {"health", HTTP("GET /healthz"), false},
    {"ping", "PING\r\n", false},
    {"a body",
     "GET /v1/certs?q=again.example HTTP/1.1\r\nHost: x\r\n"
     "Content-Length: 1\r\n\r\nx",
     false},
    {"lines",
     "POST /v1/certs HTTP/1.1\r\nHost: x\r\nContent-Length: 13\r\n\r\n"
     "again.example",
     false},
};

// All answers to one case are the same bytes, those made and those recalled.
static void check_equal(size_t len)
{
    CHECK(len > 0 && len % TIMES == 0);
    for (int i = 1; i < TIMES; i++) {
        CHECK(memcmp(answers, answers + len / TIMES * (size_t)i, len / TIMES) ==
              0);
    }
}

static void gives_the_same_bytes(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        uint64_t before = num_recalled();

        test_case = cases[i].name;
        // A second may end between two of them: then they are asked again.
        for (int try = 0; try < TRIES; try++) {
            size_t len = ask(cases[i].request);

            if (strcmp(cases[i].name, "metrics") != 0) check_equal(len);
            if (num_recalled() > before) break;
        }
        CHECK((num_recalled() > before) == cases[i].recalled);
    }
}

static unsigned count_in_answers(const char *text)
{
    unsigned num = 0;

    for (const char *at = answers; (at = strstr(at, text)) != NULL; at++) {
        num++;
    }
    return num;
}

// However soon after: an index that has grown is another moment.
static void sees_what_is_new_at_once(void **state)
{
    static const char request[] = HTTP("GET /v1/certs?q=again.example");

    (void)state;
    for (uint32_t i = 2; i < 12; i++) {
        char serial[32];

        answers[ask(request)] = '\0';
        plant(0x4d00 + i);
        (void)snprintf(serial, sizeof serial, "\"4d%02x\"", (unsigned)i);
        assert_int_equal(count_in_answers(serial), 0);
        answers[ask(request)] = '\0';
        assert_int_equal(count_in_answers(serial), TIMES);
    }
    assert_true(num_recalled() > 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_what_is_asked_twice_in_a_moment),
        cmocka_unit_test(what_is_too_long_is_not_kept),
        cmocka_unit_test(of_many_each_finds_its_own),
        cmocka_unit_test_setup_teardown(gives_the_same_bytes, open_world,
                                        close_world),
        cmocka_unit_test_setup_teardown(sees_what_is_new_at_once, open_world,
                                        close_world),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
