// test_abuse.c - clients as FAULTS.md section 7.8 has them.
//
// Connections run in this process over socket pairs, so that a deadline is a
// number that is handed in; only what needs the listener runs in a server of
// its own.

#include "tests/query/server/clients.h"

#include <sys/resource.h>
#include <sys/wait.h>

#include "query/server/connection_parts.h"
#include "tests/query/server/serving.h"
#include "tests/support/folder.h"

enum {
    MINUTE_MS = 60000,
    TOTAL_MAX = 4 << 20, // of a client that does not read
};

static char folder[FOLDER_LEN];
static struct index *index_handle;

static int open_world(void **state)
{
    struct err err = {0};
    char dir[96];

    (void)state;
    folder_make(folder);
    (void)snprintf(dir, sizeof dir, "%s/index", folder);
    return index_open(&index_handle, dir, INDEX_WRITE, &err) &&
                   clients_open(index_handle)
               ? 0
               : -1;
}

static int close_world(void **state)
{
    (void)state;
    clients_close();
    index_close(index_handle);
    folder_remove(folder);
    return 0;
}

static void tick(uint64_t later_ms)
{
    uint64_t now_ms = ring_now_ms() + later_ms;
    struct connection *next;

    for (struct connection *c = world.connections; c != NULL; c = next) {
        next = connection_next(c);
        connection_tick(c, now_ms);
    }
    pump();
}

static bool is_closed(int fd)
{
    char text[4096];
    bool closed;

    while (take(fd, text, sizeof text, &closed) == sizeof text) {
    }
    return closed;
}

// ------------------------------------------------------------- who does not
// read

static size_t send_until_refused(int fd, const char *request)
{
    size_t len = strlen(request), sent = 0;

    for (int stuck = 0; stuck < 3 && sent < 4 * TOTAL_MAX;) {
        ssize_t got = send(fd, request, len, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (got > 0) {
            sent += (size_t)got;
            if ((size_t)got < len) return sent;
            stuck = 0;
        } else {
            stuck++;
            pump();
        }
    }
    return sent;
}

static void who_never_reads_is_not_read_and_then_closed(void **state)
{
    char answer[4096];
    int fd = connect_client(), other = connect_client();
    bool closed;

    (void)state;
    assert_true(send_until_refused(fd, "INFO\r\nPING\r\nSTATS\r\n") <
                TOTAL_MAX);
    for (const struct connection *c = world.connections; c != NULL;
         c = c->next) {
        assert_true(c->out.size <= 2 * OUT_MAX && c->in.size <= 2 * OUT_MAX);
    }
    say(other, "PING\r\n");
    assert_int_equal(take(other, answer, sizeof answer, &closed), 7);
    tick(DEADLINE_MS + 1);
    assert_false(is_closed(other));
    assert_true(is_closed(fd));
    (void)close(fd);
    (void)close(other);
    finish_all();
}

static void who_takes_a_little_in_time_is_kept(void **state)
{
    char answer[64 << 10];
    int fd = connect_client();
    bool closed;

    (void)state;
    (void)send_until_refused(fd, "INFO\r\n");
    for (int i = 0; i < 4; i++) {
        tick(DEADLINE_MS - 1000);
        assert_true(take(fd, answer, sizeof answer, &closed) > 0);
        assert_false(closed);
        pump();
    }
    (void)close(fd);
    finish_all();
}

// ------------------------------------------------------------- who does not
// end

static const struct {
    const char *name, *begun, *answer; // "": it is closed without a word
} unfinished[] = {
    {"head", "GET /healthz HTTP/1.1\r\nHo", "HTTP/1.1 408 "},
    {"command", "*2\r\n$5\r\nCOUNT\r\n$9\r\nexam", ""},
    {"line", "PING\r\nCOUNT exam", "+PONG\r\n"},
    {"word", "GE", ""},
    {"head after an answer", "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /hea",
     "HTTP/1.1 200 "},
};

static void who_never_finishes_is_closed_after_ten_seconds(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(unfinished); i++) {
        char answer[4096] = "";
        int fd = connect_client();
        size_t len;
        bool closed;

        test_case = unfinished[i].name;
        say(fd, unfinished[i].begun);
        tick(DEADLINE_MS - 1000);
        len = take(fd, answer, sizeof answer - 1, &closed);
        CHECK(!closed);
        tick(DEADLINE_MS + 1);
        (void)take(fd, answer + len, sizeof answer - 1 - len, &closed);
        CHECK(closed);
        CHECK(strncmp(answer, unfinished[i].answer,
                      strlen(unfinished[i].answer)) == 0);
        (void)close(fd);
        finish_all();
    }
}

static void who_is_idle_is_kept_and_shed_when_room_is_short(void **state)
{
    int first = connect_client(), second;

    (void)state;
    usleep(3000);
    second = connect_client();
    say(second, "PING\r\n");
    tick(10 * MINUTE_MS);
    assert_false(is_closed(first));
    assert_false(connection_shed(&world, ring_now_ms() + MINUTE_MS - 1000));
    assert_true(connection_shed(&world, ring_now_ms() + MINUTE_MS + 1000));
    pump();
    assert_true(is_closed(first));
    assert_false(is_closed(second));
    (void)close(first);
    (void)close(second);
    finish_all();
}

// ------------------------------------------------------------- odd bytes

static const struct {
    const char *name, *bytes;
    size_t len;
    const char *answer;
} odd[] = {
    {"NUL", "\0\0\0\r\n", 5, "-ERR no such command\r\n"},
    {"not UTF-8", "COUNT \xff\xfe\r\n", 10, ":0\r\n"},
    {"NUL in a name", "COUNT a\0b.example\r\n", 19, ":0\r\n"},
    {"TLS", "\x16\x03\x01\x02\x00\x01\n", 7, "-ERR no such command\r\n"},
    {"empty name", "*2\r\n$5\r\nCOUNT\r\n$0\r\n\r\n", 21, "-ERR what: "},
    {"control characters are not echoed", "*1\r\n$4\r\n\r\n+x\r\n", 14,
     "-ERR no such command\r\n"},
    {"blank label", "COUNT ..\r\n", 10, "-ERR what: "},
};

static void odd_bytes_get_an_answer(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(odd); i++) {
        char answer[4096] = "";
        int fd = connect_client();
        bool closed;

        test_case = odd[i].name;
        assert_int_equal(send(fd, odd[i].bytes, odd[i].len, MSG_NOSIGNAL),
                         (ssize_t)odd[i].len);
        pump();
        (void)take(fd, answer, sizeof answer - 1, &closed);
        CHECK(strncmp(answer, odd[i].answer, strlen(odd[i].answer)) == 0);
        CHECK(!closed);
        (void)close(fd);
    }
    finish_all();
}

// A gigabyte without a newline, as far as the server lets it come.
static void a_flood_without_end_is_an_error_and_a_close(void **state)
{
    static const char *const starts[] = {"COUNT ", "GET /", "*1\r\n$65536\r\n"};
    static char block[65536];

    (void)state;
    memset(block, 'a', sizeof block);
    for (size_t i = 0; i < COUNT_OF(starts); i++) {
        int fd = connect_client();
        size_t sent = 0;
        char answer[512] = "";
        bool closed;

        test_case = starts[i];
        say(fd, starts[i]);
        for (int k = 0; k < 2000; k++) {
            ssize_t got = send(fd, block, sizeof block, MSG_NOSIGNAL);

            if (got > 0) sent += (size_t)got;
            if (got < 0 && errno != EAGAIN) break;
            pump();
        }
        CHECK(sent < 64 << 20);
        (void)take(fd, answer, sizeof answer - 1, &closed);
        CHECK(strncmp(answer, "-ERR Protocol error", 19) == 0 ||
              strncmp(answer, "HTTP/1.1 413 ", 13) == 0);
        CHECK(closed);
        (void)close(fd);
        finish_all();
    }
}

// ------------------------------------------------------------- who goes away

static void who_leaves_at_any_time_takes_nothing_along(void **state)
{
    static const char *const last_words[] = {
        "",
        "GET /v1/st",
        "PING\r\n",
        "*1\r\n$4\r\nPI",
        "POST /v1/certs HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\na.ex",
        "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\nGET /metrics HTTP/1.1\r\n"
        "Host: x\r\n\r\n"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(last_words); i++) {
        unsigned gone = num_gone;
        int fd = connect_client();

        test_case = last_words[i];
        (void)send(fd, last_words[i], strlen(last_words[i]), MSG_NOSIGNAL);
        if (i % 2 == 0) pump();
        (void)close(fd);
        for (int k = 0; k < 100 && num_gone == gone; k++) {
            pump();
        }
        CHECK(num_gone == gone + 1);
    }
}

static void a_descriptor_that_is_passed_is_closed(void **state)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {0};
    char text[] = "PING\r\n", answer[16];
    struct iovec part = {text, sizeof text - 1};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    int fd = connect_client(), ends[2];
    bool closed;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(head), &ends[1], sizeof(int));
    assert_int_equal(sendmsg(fd, &message, 0), sizeof text - 1);
    (void)close(ends[1]);
    pump();
    assert_int_equal(take(fd, answer, sizeof answer, &closed), 7);
    // Nobody holds the other end any more.
    assert_int_equal(read(ends[0], answer, 1), 0);
    (void)close(ends[0]);
    (void)close(fd);
    finish_all();
}

// ------------------------------------------------------------- very many

static void who_asks_without_end_leaves_others_their_turn(void **state)
{
    enum { DEPTH = 4000 };
    static char answers[64 << 10];
    int fd = connect_client(), other = connect_client();
    struct buffer all = {0};
    size_t came = 0;
    bool closed;
    char pong[16];

    (void)state;
    for (int i = 0; i < DEPTH; i++) {
        buffer_append_text(&all, "COUNT none.example\r\n");
    }
    for (size_t sent = 0; came < (size_t)DEPTH * 4;) {
        ssize_t got = sent == all.len ? 0
                                      : send(fd, all.data + sent,
                                             all.len - sent, MSG_NOSIGNAL);

        if (got > 0) sent += (size_t)got;
        assert_int_equal(send(other, "PING\r\n", 6, MSG_NOSIGNAL), 6);
        for (int i = 0; i < PUMPS && take(other, pong, 7, &closed) == 0; i++) {
            struct err err = {0};

            assert_true(ring_run(world.ring, false, &err));
            assert_true(i + 1 < PUMPS);
        }
        came += take(fd, answers, sizeof answers, &closed);
        assert_false(closed);
    }
    buffer_cleanup(&all);
    (void)close(fd);
    (void)close(other);
    finish_all();
}

// All that is there at once takes longer than a turn: what was answered in it
// goes out, and the rest comes after others.
static void a_turn_ends_before_the_work_does(void **state)
{
    enum { NUM = 1500 };
    static char answers[8 * NUM];
    struct buffer all = {0};
    struct err err = {0};
    int fd = connect_client();
    size_t first = 0;
    bool closed;

    (void)state;
    for (int i = 0; i < NUM; i++) {
        buffer_append_text(&all, "COUNT none.example\r\n");
    }
    assert_int_equal(send(fd, all.data, all.len, MSG_NOSIGNAL), all.len);
    while (first == 0) {
        assert_true(ring_run(world.ring, false, &err));
        first = take(fd, answers, sizeof answers, &closed);
    }
    assert_true(first < 4 * NUM);
    buffer_cleanup(&all);
    (void)close(fd);
    finish_all();
}

static void a_thousand_are_served_and_let_go(void **state)
{
    enum { MANY = 1000 };
    static int fds[MANY];
    unsigned gone = num_gone;
    char answer[16];
    bool closed;

    (void)state;
    for (int i = 0; i < MANY; i++) {
        fds[i] = connect_client();
        assert_int_equal(send(fds[i], "PING\r\n", 6, MSG_NOSIGNAL), 6);
    }
    pump();
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(take(fds[i], answer, sizeof answer, &closed), 7);
        (void)close(fds[i]);
    }
    for (int i = 0; i < 100 && num_gone < gone + MANY; i++) {
        pump();
    }
    assert_int_equal(num_gone, gone + MANY);
}

// ------------------------------------------------------------- the listener

static char socket_path[128];

static _Noreturn void serve_with_few_descriptors(const char *dir)
{
    struct rlimit limit = {64, 64};

    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) _exit(92);
    serve_folder(dir, socket_path, 1);
}

static bool answers(int fd)
{
    char text[16];

    return send(fd, "PING\r\n", 6, MSG_NOSIGNAL) == 6 &&
           recv(fd, text, 7, MSG_WAITALL) == 7 && memcmp(text, "+PONG", 5) == 0;
}

static void without_descriptors_the_newest_is_turned_away(void **state)
{
    enum { MANY = 120 };
    int fds[MANY], first, turned_away = 0, status;
    char dir[96];
    pid_t server;

    (void)state;
    (void)snprintf(socket_path, sizeof socket_path, "%s/sock", folder);
    (void)snprintf(dir, sizeof dir, "%s/other", folder);
    make_empty_index(dir);
    server = fork();
    if (server == 0) serve_with_few_descriptors(dir);
    first = dial_patiently(socket_path);
    assert_true(answers(first));
    for (int i = 0; i < MANY; i++) {
        fds[i] = dial(socket_path);
        assert_true(fds[i] >= 0);
    }
    for (int i = 0; i < MANY; i++) {
        if (!answers(fds[i])) turned_away++;
    }
    assert_true(turned_away > 50 && turned_away < MANY);
    assert_true(answers(first));
    for (int i = 0; i < MANY; i++) {
        (void)close(fds[i]);
    }
    // There is room again.
    usleep(200000);
    fds[0] = dial(socket_path);
    assert_true(answers(fds[0]) && answers(first));
    (void)close(fds[0]);
    (void)close(first);
    assert_int_equal(kill(server, SIGTERM), 0);
    assert_int_equal(waitpid(server, &status, 0), server);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_never_reads_is_not_read_and_then_closed),
        cmocka_unit_test(who_takes_a_little_in_time_is_kept),
        cmocka_unit_test(who_never_finishes_is_closed_after_ten_seconds),
        cmocka_unit_test(who_is_idle_is_kept_and_shed_when_room_is_short),
        cmocka_unit_test(odd_bytes_get_an_answer),
        cmocka_unit_test(a_flood_without_end_is_an_error_and_a_close),
        cmocka_unit_test(who_leaves_at_any_time_takes_nothing_along),
        cmocka_unit_test(a_descriptor_that_is_passed_is_closed),
        cmocka_unit_test(who_asks_without_end_leaves_others_their_turn),
        cmocka_unit_test(a_turn_ends_before_the_work_does),
        cmocka_unit_test(a_thousand_are_served_and_let_go),
        cmocka_unit_test(without_descriptors_the_newest_is_turned_away),
    };

    return cmocka_run_group_tests(tests, open_world, close_world);
}
