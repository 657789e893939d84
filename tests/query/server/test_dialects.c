// test_dialects.c - one question in every dialect, over planted certificates.

#include "tests/query/server/clients.h"

#include "index/base/json.h"
#include "index/base/text.h"
#include "tests/support/planted.h"

enum { ANSWER_SIZE = 256 << 10, MANY = 25 };

static struct planted planted;
static char answer[ANSWER_SIZE];

// Issuance 1: precertificate and final, 2: final alone, expired; then many.
static int open_planted(void **state)
{
    static const struct planted_cert both = {
        .names = {"shore.example", "www.shore.example", "192.0.2.7"},
        .common_name = "www.shore.example",
        .serial = 0x6c000001,
        .not_before = 1700000000,
        .not_after = 2200000000};
    static const struct planted_cert old = {
        .names = {"old.shore.example", "*.shore.example"},
        .serial = 0x6c000002,
        .not_before = 1500000000,
        .not_after = 1510000000};

    (void)state;
    planted_open(&planted, 64);
    planted_add(&planted, 0, &both, true, 1700000000123);
    planted_add(&planted, 0, &old, false, 1500000000000);
    planted_add(&planted, 0, &both, false, 1700000007456);
    for (uint32_t i = 0; i < MANY; i++) {
        char name[32];
        struct planted_cert cert = {.names = {name},
                                    .serial = 0x6d000000 + i,
                                    .not_before = 1700000000,
                                    .not_after = 2200000000};

        (void)snprintf(name, sizeof name, "n%u.many.example", (unsigned)i);
        planted_add(&planted, 0, &cert, false, 1710000000000 + i * 1000);
    }
    (void)planted_append(&planted, 0);
    return clients_open(planted.index) ? 0 : -1;
}

static int close_planted(void **state)
{
    (void)state;
    clients_close();
    planted_close(&planted);
    return 0;
}

// Sends a request on a connection of its own and gives all that comes back.
static const char *ask(const char *request)
{
    int fd = connect_client();
    size_t len = 0;
    bool closed;

    say(fd, request);
    for (int i = 0; i < 20; i++) {
        len += take(fd, answer + len, sizeof answer - 1 - len, &closed);
        pump();
    }
    answer[len] = '\0';
    (void)close(fd);
    finish_all();
    return answer;
}

static const char *get(const char *target)
{
    static char request[1024];
    const char *body;

    (void)snprintf(request, sizeof request,
                   "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", target);
    body = strstr(ask(request), "\r\n\r\n");
    assert_non_null(body);
    return body + 4;
}

static struct json *get_json(const char *target)
{
    struct json *json = NULL;
    struct err err = {0};

    if (!json_parse(&json, bytes_from_text(get(target)), &err)) {
        fail_msg("%s: %s: %.200s", target, err.text, answer);
    }
    return json;
}

static bool member_is(const struct json *object, const char *name,
                      const char *wanted)
{
    struct bytes text;

    return json_text(json_member(object, name), &text) &&
           bytes_equal_text(text, wanted);
}

static const struct {
    const char *request, *begins, *holds;
} asked[] = {
    {"COUNT shore.example\r\n", ":1\r\n", ""},
    {"*2\r\n$5\r\ncount\r\n$13\r\nshore.example\r\n", ":1\r\n", ""},
    {"COUNT *.shore.example\r\n", ":1\r\n", ""},
    {"CERTS shore.example SUBDOMAINS\r\n", "*2\r\n$", "\"6c000002\""},
    {"CERTS shore.example SUBDOMAINS COUNT 1\r\n", "*1\r\n$", "\"6c000001\""},
    {"CERTS a.shore.example COVERING\r\n", "*1\r\n$", "\"6c000002\""},
    {"CERTS none.example\r\n", "*0\r\n", ""},
    {"CERTS shore.example SUBDOMAINS COUNT 18446744073709551615\r\n", "*2\r\n$",
     "\"6c000002\""},
    {"CERTS shore.example SUBDOMAINS AFTER 1 COUNT 100001\r\n", "*1\r\n$",
     "\"6c000002\""},
    {"CERTS none.example COUNT 100001\r\n", "*0\r\n", ""},
    {"CERTS shore.example COUNT 0\r\n", "-ERR COUNT: one number, 1 or more",
     ""},
    {"CERTS shore.example COUNT 1 COUNT 2\r\n", "-ERR COUNT: one number", ""},
    {"CERTS shore.example AFTER x\r\n", "-ERR ", "after"},
    {"CERTS shore.example LIMIT 1\r\n", "-ERR 'LIMIT' is none of COUNT n", ""},
    {"CERTS\r\n", "-ERR CERTS: wrong number of arguments\r\n", ""},
    {"CERT 12\r\n", "-ERR 64 hex digits", ""},
    {"COVERAGE\r\n", "$", "partial "},
    {"HELLO 3\r\n", "%5\r\n", "proto\r\n:3\r\n"},
    {"HELLO\r\n", "*10\r\n", "proto\r\n:2\r\n"},
    {"HELLO 4\r\n", "-NOPROTO ", ""},
    {"QUIT\r\nPING\r\n", "+OK\r\n", ""},
    {"GET /v1/count?q=shore.example HTTP/1.1\r\nHost: x\r\n\r\n",
     "HTTP/1.1 200 OK\r\n", "\"count\":1}"},
};

static void every_dialect_answers(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(asked); i++) {
        const char *got = ask(asked[i].request);

        test_case = asked[i].request;
        CHECK(strncmp(got, asked[i].begins, strlen(asked[i].begins)) == 0);
        CHECK(strstr(got, asked[i].holds) != NULL);
    }
    assert_string_equal(ask("QUIT\r\nPING\r\n"), "+OK\r\n");
}

static void pages_of_resp_go_by_id(void **state)
{
    char request[128], seen[MANY][8];
    unsigned long long after = 0;
    unsigned num = 0, len;

    (void)state;
    do {
        const char *at;

        (void)snprintf(request, sizeof request,
                       "CERTS many.example SUBDOMAINS COUNT 10 AFTER %llu\r\n",
                       after);
        assert_int_equal(sscanf(ask(request), "*%u\r\n", &len), 1);
        at = answer;
        for (unsigned i = 0; i < len; i++) {
            unsigned long long id;

            at = strstr(at, "{\"id\":\"");
            assert_non_null(at);
            id = strtoull(at + 7, NULL, 10);
            assert_true(id > after);
            after = id;
            at = strstr(at, "\"dns_names\":[\"");
            assert_non_null(at);
            (void)sscanf(at + 14, "%7[^.]", seen[num++]);
        }
    } while (len == 10);
    assert_int_equal(num, MANY);
    for (unsigned i = 0; i < MANY; i++) {
        (void)snprintf(request, sizeof request, "n%u", i);
        assert_string_equal(seen[i], request);
    }
}

static void rows_of_crtsh_are_certificates(void **state)
{
    struct json *rows = get_json("/?q=shore.example&output=json");
    const struct json *row = json_at(rows, 0);
    uint64_t id, count;

    (void)state;
    assert_int_equal(json_size(rows), 3);
    assert_true(member_is(row, "entry_timestamp", "2023-11-14T22:13:27.456"));
    assert_true(member_is(row, "not_before", "2023-11-14T22:13:20"));
    assert_true(member_is(row, "common_name", "www.shore.example"));
    assert_true(
        member_is(row, "name_value", "www.shore.example\nshore.example"));
    assert_true(member_is(row, "serial_number", "6c000001"));
    assert_true(json_uint(json_member(row, "result_count"), &count) &&
                count == 3);
    assert_true(json_uint(json_member(row, "id"), &id) && id == 3);
    row = json_at(rows, 2);
    assert_false(member_is(row, "common_name", ""));
    assert_true(
        member_is(row, "name_value", "old.shore.example\n*.shore.example"));
    json_free(rows);
}

static const struct {
    const char *target;
    size_t num; // of rows or issuances
} counted[] = {
    {"/json?q=%.shore.example", 3},
    {"/json?q=%25.shore.example&exclude=expired", 2},
    {"/json?q=shore.example&deduplicate=Y", 2},
    {"/json?Identity=shore.example&match==", 2},
    {"/json?q=shore.example&minNotBefore=2023-11-14", 2},
    {"/json?q=shore.example&minNotBefore=2023-11-15", 0},
    {"/json?CN=shore.example", 2},
    {"/json?q=192.0.2.0/24", 2},
    {"/json?ip=192.0.2.8", 0},
    {"/json?serial=6c000002", 1},
    {"/json?id=3", 1},
    {"/json?q=2", 1},
    {"/json?id=0", 0},
    {"/json?id=9007199254740991", 0},
    {"/json?q=%25.many.example", MANY},
    {"/json?q=%25.many.example&limit=7", 7},
    {"/json?q=shore.example&limit=1", 1},
    {"/json?q=shore.example&limit=9&after=0-1", 2},
    {"/v1/issuances?domain=shore.example", 1},
    {"/v1/issuances?domain=shore.example&include_subdomains=true", 1},
    {"/v1/issuances?domain=shore.example&include_subdomains=true"
     "&include_expired=true",
     2},
    {"/v1/issuances?domain=x.shore.example&match_wildcards=true"
     "&include_expired=true",
     1},
    {"/v1/issuances?domain=many.example&include_subdomains=true", MANY},
    {"/v1/issuances?domain=many.example&include_subdomains=true&limit=3", 3},
    {"/v1/issuances?domain=n1.many.example&domain=n2.many.example", 2},
    {"/v1/issuances?domain=n1.many.example&after=99999", 0},
};

static void other_shapes_find_as_many(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(counted); i++) {
        struct json *list = get_json(counted[i].target);

        test_case = counted[i].target;
        CHECK(json_is_array(list) && json_size(list) == counted[i].num);
        json_free(list);
    }
}

static const struct {
    const char *target, *status, *message;
} refused[] = {
    {"/json", "400", "q: no question is asked"},
    {"/json?q=sho%25re.example", "400", "q: a % stands for something only"},
    {"/json?q=0123456789012345678901234567890123456789x", "200", "[]"},
    {"/json?q=abcdefabcdefabcdefabcdefabcdefabcdefabcd", "400",
     "SHA-1 is not kept"},
    {"/json?sha1=x", "400", "SHA-1 is not kept"},
    {"/json?sha256=12", "400", "sha256: '12' is no SHA-256"},
    {"/json?q=a.example&cn=b.example", "400", "cn: q is asked for already"},
    {"/json?q=a.example&match=near", "400", "match: 'near' is no one of"},
    {"/json?q=a.example&exclude=all", "400", "exclude: 'all'"},
    {"/json?q=a.example&deduplicate=maybe", "400", "deduplicate: 'maybe'"},
    {"/json?q=a.example&output=xml", "400", "output: 'xml'"},
    {"/json?q=a.example&limit=0", "400", "limit: '0'"},
    {"/json?q=a.example&after=-", "400", "after: '-'"},
    {"/json?q=a.example&minNotBefore=soon", "400", "minNotBefore: 'soon'"},
    {"/json?domain=192.0.2.1", "400", "domain: '192.0.2.1' is no name"},
    {"/json?ip=a.example", "400", "ip: 'a.example' is no address"},
    {"/json?id=x", "400", "id: 'x' is no certificate's id"},
    {"/?d=9999", "404", "not_found"},
    {"/?d=x", "400", "d: 'x'"},
    {"/v1/issuances", "400", "domain: none is asked for"},
    {"/v1/issuances?domain=", "400", "domain: '' is no domain"},
    {"/v1/issuances?domain=1.1.1.1", "400", "domain: '1.1.1.1' is no domain"},
    {"/v1/issuances?domain=a.example&limit=0", "400", "limit: '0'"},
    {"/v1/issuances?domain=a.example&after=x", "400", "after: 'x'"},
    {"/v1/issuances?domain=a.example&include_expired=1", "400",
     "include_expired: '1' is no true or false"},
    {"/v1/proof/12/3", "400", "proof: the log's id as 64 hex digits"},
    {"/v1/proof/", "400", "proof: LOG_ID_HEX/INDEX is wanted"},
};

static void refusals_name_the_parameter(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        test_case = refused[i].target;
        (void)get(refused[i].target);
        CHECK(strncmp(answer + 9, refused[i].status, 3) == 0);
        CHECK(strstr(answer, refused[i].message) != NULL);
        if (strncmp(refused[i].target, "/v1/proof", 9) == 0) continue;
        CHECK(strstr(answer, "\r\nAccess-Control-Allow-Origin: *\r\n") != NULL);
    }
}

static void a_link_leads_through_all_pages(void **state)
{
    char target[256] = "/json?q=%25.many.example&limit=7";
    unsigned rows = 0, pages = 0;

    (void)state;
    for (;;) {
        struct json *list = get_json(target);
        const char *link = strstr(answer, "\r\nLink: <?");

        rows += (unsigned)json_size(list);
        pages++;
        json_free(list);
        if (link == NULL) break;
        (void)snprintf(target, sizeof target, "/json?");
        assert_int_equal(sscanf(link + 10, "%200[^>]", target + 6), 1);
    }
    assert_int_equal(rows, MANY);
    assert_int_equal(pages, 4);
}

static void a_page_may_end_inside_an_issuance(void **state)
{
    const char *link;
    uint64_t id;
    struct json *rows;

    (void)state;
    json_free(get_json("/json?q=www.shore.example&limit=1"));
    link = strstr(answer, "after=");
    assert_non_null(link);
    assert_memory_equal(link, "after=0-1>", 10);
    rows = get_json("/json?q=www.shore.example&limit=1&after=0-1");
    assert_true(json_uint(json_member(json_at(rows, 0), "id"), &id) && id == 3);
    assert_null(strstr(answer, "\r\nLink: "));
    json_free(rows);
}

static void tables_are_escaped(void **state)
{
    (void)state;
    assert_non_null(
        strstr(get("/?q=www.shore.example&output=csv"), ",www.shore.example,"));
    assert_non_null(strstr(answer, "\r\nContent-Type: text/csv"));
    assert_non_null(strstr(get("/?q=shore.example&output=csv"),
                           "\"www.shore.example\nshore.example\""));
    assert_non_null(strstr(get("/?q=shore.example"),
                           "<td>www.shore.example<br>shore.example</td>"));
    assert_non_null(strstr(answer, "\r\nContent-Type: text/html"));
}

static void metrics_count_what_was_asked(void **state)
{
    (void)state;
    (void)get("/v1/count?q=none.example");
    (void)get("/v1/count?q=");
    assert_non_null(strstr(get("/metrics"),
                           "sanct_requests_total{endpoint=\"count\","
                           "status=\"400\"} 1\n"));
    assert_non_null(strstr(answer,
                           "sanct_request_seconds_bucket{endpoint=\"count\","
                           "le=\"+Inf\"} "));
    assert_non_null(strstr(answer, "\n# TYPE sanct_memory_bytes gauge\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_dialect_answers),
        cmocka_unit_test(pages_of_resp_go_by_id),
        cmocka_unit_test(rows_of_crtsh_are_certificates),
        cmocka_unit_test(other_shapes_find_as_many),
        cmocka_unit_test(refusals_name_the_parameter),
        cmocka_unit_test(a_link_leads_through_all_pages),
        cmocka_unit_test(a_page_may_end_inside_an_issuance),
        cmocka_unit_test(tables_are_escaped),
        cmocka_unit_test(metrics_count_what_was_asked),
    };

    return cmocka_run_group_tests(tests, open_planted, close_planted);
}
