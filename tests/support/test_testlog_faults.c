// test_testlog_faults.c - the test log lies as it is told to, and no more.

#include "tests/support/testlog.h"

#include <libdeflate.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/plain_tree.h"
#include "tests/support/visitor.h"

static bool first_leaf_is_honest(struct testlog *log, uint64_t index,
                                 bool *extra_is)
{
    struct buffer leaf = {0}, extra = {0}, memory = {0};
    struct testlog_entry entry;
    char target[96];
    struct json *answer;
    const struct json *got;
    bool ok;

    (void)snprintf(target, sizeof target,
                   "/rfc6962/ct/v1/get-entries?start=%u&end=%u",
                   (unsigned)index, (unsigned)index);
    answer = visitor_json(log, target);
    got = json_at(json_member(answer, "entries"), 0);
    assert_true(json_base64(json_member(got, "leaf_input"), &leaf));
    assert_true(json_base64(json_member(got, "extra_data"), &extra));
    assert_true(testlog_entry(log, index, &entry, &memory));
    ok = bytes_equal(buffer_bytes(&leaf), entry.leaf);
    *extra_is = bytes_equal(buffer_bytes(&extra), entry.extra);
    json_free(answer);
    buffer_cleanup(&leaf);
    buffer_cleanup(&extra);
    buffer_cleanup(&memory);
    return ok;
}

static const struct {
    const char *faults;
    bool leaf;     // entry 5 is served as it is
    bool extra;    // and what goes with it
    bool root;     // the head has the honest root
    bool verifies; // the head's signature does
} lies[] = {
    {"", true, true, true, true},
    {"flip-entry=5:100", false, true, true, true},
    {"flip-entry=6:100", true, true, true, true},
    {"flip-extra=5:3", true, false, true, true},
    {"flip-extra=4:3", true, true, true, true},
    {"flip-hash=5", true, true, false, true},
    {"unknown-type=5", false, true, false, true},
    {"leaf-index=5", false, true, false, true},
    {"swap=5", false, false, true, true},
    {"swap=4", false, false, true, true},
    {"dup=4", false, false, true, true},
    {"drop=5", false, false, true, true},
    {"drop=6", true, true, true, true},
    {"wrong-range", false, false, true, true},
    {"sth-size=5", true, true, true, false},
    {"sth-time=0", true, true, true, true},
    {"fork", true, true, false, true},
    {"fork=1", true, true, true, true},
    {"sth-badsig", true, true, true, false},
    {"wrong-key", true, true, true, false},
    {"stale", true, true, true, true},
    {"future", true, true, true, true},
};

static void faults_do_what_they_say(void **state)
{
    struct testlog *log = visitor_start(
        &(struct testlog_options){.entries = 100, .seed = 1, .batch = 13});
    struct sha256_hash honest = testlog_root(log, 100);

    (void)state;
    for (size_t i = 0; i < COUNT_OF(lies); i++) {
        struct visitor_head head;
        bool leaf, extra;

        test_case = lies[i].faults;
        visitor_set_faults(log, lies[i].faults);
        leaf = first_leaf_is_honest(log, 5, &extra);
        head = visitor_sth(log);
        CHECK(leaf == lies[i].leaf);
        CHECK(extra == lies[i].extra);
        CHECK(sha256_equal(&head.root, &honest) == lies[i].root);
        CHECK(head.verifies == lies[i].verifies);
    }
    testlog_stop(log);
}

static void heads_change_in_time(void **state)
{
    struct testlog *log =
        visitor_start(&(struct testlog_options){.entries = 100, .seed = 1});
    struct sha256_hash honest = testlog_root(log, 100);
    struct visitor_head one, two;

    (void)state;
    visitor_set_faults(log, "fork=1");
    one = visitor_sth(log);
    two = visitor_sth(log);
    assert_true(sha256_equal(&one.root, &honest));
    assert_false(sha256_equal(&two.root, &honest));
    visitor_set_faults(log, "fork-same-size");
    one = visitor_sth(log);
    two = visitor_sth(log);
    assert_true(sha256_equal(&one.root, &honest));
    assert_false(sha256_equal(&two.root, &honest));
    assert_int_equal(one.size, two.size);
    assert_true(two.verifies);
    visitor_set_faults(log, "sth-shrink=30");
    assert_int_equal(visitor_sth(log).size, 100);
    assert_int_equal(visitor_sth(log).size, 70);
    testlog_stop(log);
}

static const struct {
    const char *faults;
    const char *target;
    int statuses[3];      // of three requests in a row; 0: no answer
    const char *contains; // in head or body of the last that answered
} answers[] = {
    {"no-proofs",
     "/rfc6962/ct/v1/get-sth-consistency?first=1&second=2",
     {404, 404, 404},
     "no such"},
    {"no-issuers", "/static/issuer/00", {404, 404, 404}, "no such"},
    {"http-429-every=2", "/static/checkpoint", {200, 429, 200}, "127.0.0.1"},
    {"http-503-every=3", "/static/checkpoint", {200, 200, 503}, "no capacity"},
    {"http-500-every=1", "/static/checkpoint", {500, 500, 500}, "deadline"},
    {"html-200-every=1", "/static/checkpoint", {200, 200, 200}, "<!DOCTYPE"},
    {"redirect-every=1", "/static/checkpoint", {302, 302, 302}, "Location:"},
    {"drop-connection-every=2", "/static/checkpoint", {200, 0, 200}, "submit"},
    {"wrong-origin", "/static/checkpoint", {200, 200, 200}, "submitx\n"},
    {"sth-size-text",
     "/rfc6962/ct/v1/get-sth",
     {200, 200, 200},
     "\"tree_size\":\"100\""},
    {"chunked",
     "/static/checkpoint",
     {200, 200, 200},
     "Transfer-Encoding: chunked"},
    {"gzip-json",
     "/rfc6962/ct/v1/get-sth",
     {200, 200, 200},
     "Content-Encoding: gzip"},
    {"zero",
     "/rfc6962/ct/v1/get-entries?start=0&end=9",
     {200, 200, 200},
     "{\"entries\":[]}"},
};

static void faults_of_answers_come_by_turn(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        struct testlog *log = visitor_start(&(struct testlog_options){
            .entries = 100, .seed = 1, .faults = answers[i].faults});
        struct buffer last = {0};

        test_case = answers[i].faults;
        for (unsigned j = 0; j < 3; j++) {
            struct visitor_reply reply =
                visitor_fetch(log, "%s", answers[i].target);

            CHECK(reply.status == answers[i].statuses[j]);
            buffer_reset(&last);
            if (reply.status != 0) {
                buffer_append(&last,
                              bytes_of(reply.head.data, reply.head.len - 1));
                buffer_append(&last, buffer_bytes(&reply.body));
            }
            visitor_reply_cleanup(&reply);
        }
        CHECK(memmem(last.data, last.len, answers[i].contains,
                     strlen(answers[i].contains)) != NULL);
        buffer_cleanup(&last);
        testlog_stop(log);
    }
}

// How much comes where less or more was asked for, or where the body ends
// before its time.
static const struct {
    const char *faults;
    const char *target;
    size_t entries; // of get-entries; 0: not JSON
    size_t body;    // bytes; 0: as many as Content-Length says
} amounts[] = {
    {"", "/rfc6962/ct/v1/get-entries?start=0&end=9", 10, 0},
    {"short=3", "/rfc6962/ct/v1/get-entries?start=0&end=9", 3, 0},
    {"more", "/rfc6962/ct/v1/get-entries?start=0&end=9", 11, 0},
    {"", "/static/tile/0/000.p/100", 0, 3200},
    {"tile-short", "/static/tile/0/000.p/100", 0, 3168},
    {"truncate-body-every=1", "/static/tile/0/000.p/100", 0, 1600},
    {"trail-every=1", "/static/tile/0/000.p/100", 0, 3200 + 43},
    {"trickle-every=1", "/static/tile/0/000.p/1", 0, 32},
};

static void faults_change_amounts(void **state)
{
    struct testlog *log = visitor_start(
        &(struct testlog_options){.entries = 100, .seed = 1, .size = 1});

    (void)state;
    testlog_set_size(log, 100);
    for (size_t i = 0; i < COUNT_OF(amounts); i++) {
        struct visitor_reply reply;

        test_case = amounts[i].faults;
        visitor_set_faults(log, amounts[i].faults);
        if (amounts[i].entries != 0) {
            struct json *answer = visitor_json(log, amounts[i].target);

            CHECK(json_size(json_member(answer, "entries")) ==
                  amounts[i].entries);
            json_free(answer);
        } else {
            reply = visitor_fetch(log, "%s", amounts[i].target);
            CHECK(reply.body.len == amounts[i].body);
            visitor_reply_cleanup(&reply);
        }
    }
    testlog_stop(log);
}

static void a_hash_tile_lies_alone(void **state)
{
    struct testlog *log =
        visitor_start(&(struct testlog_options){.entries = 100, .seed = 1});
    struct sha256_hash *leaves = plain_leaves(log, 100);
    struct visitor_reply reply;
    struct visitor_head head;
    unsigned place;

    (void)state;
    visitor_set_faults(log, "flip-tile=42");
    reply = visitor_fetch(log, "/static/tile/0/000.p/100");
    assert_int_equal(reply.body.len, 3200);
    for (size_t i = 0; i < 100; i++) {
        bool same = memcmp(reply.body.data + 32 * i, leaves[i].bytes, 32) == 0;

        assert_int_equal(same, i != 42);
    }
    visitor_reply_cleanup(&reply);
    head = visitor_checkpoint(log, &place);
    assert_true(head.verifies);
    leaves[0] = plain_root(leaves, 100);
    assert_true(sha256_equal(&head.root, &leaves[0]));
    free(leaves);
    testlog_stop(log);
}

static const struct {
    const char *faults;
    enum libdeflate_result result;
    bool gzip;
} packings[] = {
    {"", LIBDEFLATE_SUCCESS, true},
    {"gzip-cut", LIBDEFLATE_BAD_DATA, true},
    {"gzip-crc", LIBDEFLATE_BAD_DATA, true},
    {"gzip-bomb", LIBDEFLATE_INSUFFICIENT_SPACE, true},
    {"no-gzip", LIBDEFLATE_BAD_DATA, false},
};

static void tiles_are_packed_as_asked(void **state)
{
    struct testlog *log =
        visitor_start(&(struct testlog_options){.entries = 256, .seed = 1});
    struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
    uint8_t *plain = malloc(4 << 20);

    (void)state;
    for (size_t i = 0; i < COUNT_OF(packings); i++) {
        struct visitor_reply reply;
        size_t len;

        test_case = packings[i].faults;
        visitor_set_faults(log, packings[i].faults);
        reply = visitor_fetch(log, "/static/tile/data/000");
        CHECK(reply.status == 200);
        CHECK(libdeflate_gzip_decompress(d, reply.body.data, reply.body.len,
                                         plain, 4 << 20,
                                         &len) == packings[i].result);
        CHECK((strstr((char *)reply.head.data, "gzip") != NULL) ==
              packings[i].gzip);
        visitor_reply_cleanup(&reply);
    }
    libdeflate_free_decompressor(d);
    free(plain);
    testlog_stop(log);
}

// A log that stalls holds its client; it must not hold testlog_stop.
static void stalling_ends_with_the_log(void **state)
{
    static const char request[] = "GET /static/log.v3.json HTTP/1.1\r\n\r\n";
    struct testlog *log = visitor_start(&(struct testlog_options){
        .entries = 10, .seed = 1, .faults = "stall-every=1"});
    int fd = visitor_connect(testlog_port(log));
    char some[16];

    (void)state;
    assert_int_equal(send(fd, request, sizeof request - 1, 0),
                     sizeof request - 1);
    assert_true(recv(fd, some, sizeof some, 0) > 0);
    testlog_stop(log);
    (void)close(fd);
}

static void retry_after_takes_every_form(void **state)
{
    static const char *const forms[] = {"Retry-After: 1\r\n", " GMT\r\n",
                                        " UTC\r\n"};
    struct testlog *log = visitor_start(&(struct testlog_options){
        .entries = 10, .seed = 1, .faults = "http-429-every=1"});
    unsigned seen[COUNT_OF(forms)] = {0}, none = 0;

    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        struct visitor_reply reply = visitor_fetch(log, "/static/checkpoint");
        const char *head = (const char *)reply.head.data;

        assert_int_equal(reply.status, 429);
        none += strstr(head, "Retry-After") == NULL;
        for (size_t j = 0; j < COUNT_OF(forms); j++) {
            seen[j] += strstr(head, forms[j]) != NULL;
        }
        visitor_reply_cleanup(&reply);
    }
    assert_int_equal(none, 2);
    for (size_t j = 0; j < COUNT_OF(forms); j++) {
        assert_int_equal(seen[j], 2);
    }
    testlog_stop(log);
}

static void proofs_lie_on_demand(void **state)
{
    static const char *const faults[] = {"bad-proofs", "long-proofs",
                                         "short-proofs", "cached-consistency"};
    struct testlog *log =
        visitor_start(&(struct testlog_options){.entries = 100, .seed = 1});
    struct sha256_hash root1 = testlog_root(log, 7);
    struct sha256_hash root2 = testlog_root(log, 100), path[64];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(faults); i++) {
        struct json *answer;
        size_t num;

        test_case = faults[i];
        visitor_set_faults(log, faults[i]);
        // What is cached is the answer to this question.
        (void)visitor_status(
            log, "/rfc6962/ct/v1/get-sth-consistency?first=3&second=9");
        answer = visitor_json(
            log, "/rfc6962/ct/v1/get-sth-consistency?first=7&second=100");
        num = visitor_hashes(json_member(answer, "consistency"), path);
        CHECK(!plain_consistent(7, 100, &root1, &root2, path, num));
        json_free(answer);
    }
    testlog_stop(log);
}

static void unknown_faults_are_refused(void **state)
{
    static const struct {
        const char *faults;
        const char *error;
    } wrong[] = {
        {"nonsense", "no fault 'nonsense'"},
        {"zero,flip", "no fault 'flip'"},
        {"zero=1", "fault zero takes no value"},
        {"short", "fault short takes a value"},
        {"short=x", "fault short: not a number"},
        {"flip-entry=1:x", "fault flip-entry: not a number"},
        {"http-429-every=0", "fault http-429-every: every 0th"},
    };
    struct testlog *log = visitor_open(&(struct testlog_options){.entries = 3});

    (void)state;
    visitor_set_faults(log, "");
    visitor_set_faults(log, ",zero,,more,");
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        struct err err = {0};

        test_case = wrong[i].faults;
        CHECK(!testlog_set_faults(log, wrong[i].faults, &err));
        assert_string_equal(err.text, wrong[i].error);
    }
    testlog_stop(log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(faults_do_what_they_say),
        cmocka_unit_test(heads_change_in_time),
        cmocka_unit_test(faults_of_answers_come_by_turn),
        cmocka_unit_test(faults_change_amounts),
        cmocka_unit_test(a_hash_tile_lies_alone),
        cmocka_unit_test(tiles_are_packed_as_asked),
        cmocka_unit_test(stalling_ends_with_the_log),
        cmocka_unit_test(retry_after_takes_every_form),
        cmocka_unit_test(proofs_lie_on_demand),
        cmocka_unit_test(unknown_faults_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
