// test_metrics_server.c - metrics on a Unix socket, for clients of every kind.

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "ingest/metrics_server.h"
#include "tests/support/check.h"

static atomic_uint num_written;
static size_t num_lines = 1;

static void write_lines(struct buffer *out, void *context)
{
    (void)context;
    atomic_fetch_add(&num_written, 1);
    for (size_t i = 0; i < num_lines; i++) {
        buffer_printf(out, "sanct_line %zu\n", i);
    }
}

static char dir[] = "/tmp/test_metrics.XXXXXX";
static char path[64];

static int make_dir(void **state)
{
    (void)state;
    if (mkdtemp(dir) == NULL) return -1;
    (void)snprintf(path, sizeof path, "%s/socket", dir);
    return 0;
}

static int drop_dir(void **state)
{
    (void)state;
    (void)unlink(path);
    return rmdir(dir);
}

static struct metrics_server *start(void)
{
    struct metrics_server *server;
    struct err err = {0};

    if (!metrics_server_start(&server, path, write_lines, NULL, &err)) {
        fail_msg("%s", err.text);
    }
    return server;
}

static int connect_to(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    assert_int_equal(connect(fd, (void *)&address, sizeof address), 0);
    return fd;
}

static void say(int fd, const char *text)
{
    (void)!send(fd, text, strlen(text), MSG_NOSIGNAL);
}

// All that comes until the other side closes.
static void read_all(int fd, struct buffer *out)
{
    uint8_t bytes[4096];
    ssize_t len;

    buffer_reset(out);
    while ((len = recv(fd, bytes, sizeof bytes, 0)) > 0) {
        buffer_append(out, bytes_of(bytes, (size_t)len));
    }
    buffer_append_byte(out, '\0');
    close(fd);
}

#define CLOSE "Connection: close\r\n"
#define GOOD                                                                   \
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; "             \
    "charset=utf-8\r\nContent-Length: 13\r\n" CLOSE "\r\nsanct_line 0\n"

static const struct {
    const char *request;
    const char *answer; // its beginning
} exchanges[] = {
    {"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", GOOD},
    {"GET /metrics?a=b HTTP/1.1\r\nHost: x\r\n\r\n", GOOD},
    {"GET /metrics HTTP/1.0\r\n\r\n", GOOD},
    {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404 "},
    {"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc",
     "HTTP/1.1 405 "},
    {"GET /metrics HTTP/3.0\r\nHost: x\r\n\r\n", "HTTP/1.1 505 "},
    {"\x16\x03\x01 is TLS\r\n\r\n", "HTTP/1.1 400 "},
};

static void answers_and_closes(void **state)
{
    struct metrics_server *server = start();
    struct buffer answer = {0};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(exchanges); i++) {
        const char *wanted = exchanges[i].answer;
        int fd = connect_to();

        test_case = exchanges[i].request;
        say(fd, exchanges[i].request);
        read_all(fd, &answer);
        CHECK(strncmp((char *)answer.data, wanted, strlen(wanted)) == 0);
    }
    // A byte at a time; HEAD has no body.
    for (size_t i = 0; i < 2; i++) {
        const char *text = i == 0 ? exchanges[0].request
                                  : "HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n";
        int fd = connect_to();

        for (size_t k = 0; text[k] != '\0'; k++) {
            char one[2] = {text[k], '\0'};

            say(fd, one);
        }
        read_all(fd, &answer);
        assert_int_equal(answer.len - 1,
                         sizeof GOOD - 1 -
                             (i == 0 ? 0 : strlen("sanct_line 0\n")));
    }
    buffer_cleanup(&answer);
    metrics_server_stop(server);
}

static void a_large_answer_comes_whole(void **state)
{
    struct metrics_server *server;
    struct buffer answer = {0};
    int fd;

    (void)state;
    num_lines = 200000;
    server = start();
    fd = connect_to();
    say(fd, exchanges[0].request);
    read_all(fd, &answer);
    assert_non_null(strstr((char *)answer.data, "sanct_line 199999\n"));
    buffer_cleanup(&answer);
    metrics_server_stop(server);
    num_lines = 1;
}

static void endless_heads_end(void **state)
{
    struct metrics_server *server = start();
    struct buffer answer = {0};
    int fd = connect_to();

    (void)state;
    say(fd, "GET /metrics HTTP/1.1\r\n");
    for (int i = 0; i < 1000; i++) {
        say(fd, "X-Field: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n");
    }
    read_all(fd, &answer);
    buffer_cleanup(&answer);
    metrics_server_stop(server);
}

// Those who say nothing hold their places only for a while, and whoever comes
// meanwhile is answered then.
static void the_silent_do_not_keep_others_out(void **state)
{
    struct metrics_server *server = start();
    int silent[METRICS_CONNECTIONS_MAX], fd;
    struct buffer answer = {0};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(silent); i++) {
        silent[i] = connect_to();
        if (i % 2 == 0) say(silent[i], "GET /metr");
    }
    fd = connect_to();
    say(fd, exchanges[0].request);
    read_all(fd, &answer);
    assert_string_equal((char *)answer.data, GOOD);
    for (size_t i = 0; i < COUNT_OF(silent); i++) {
        close(silent[i]);
    }
    buffer_cleanup(&answer);
    metrics_server_stop(server);
}

static void those_who_leave_early_cost_nothing(void **state)
{
    struct metrics_server *server;
    struct buffer answer = {0};
    int fd;

    (void)state;
    num_lines = 100000; // more than a socket holds
    server = start();
    for (int i = 0; i < 200; i++) {
        fd = connect_to();
        if (i % 2 == 0) say(fd, exchanges[0].request);
        close(fd);
    }
    num_lines = 1;
    do {
        fd = connect_to();
        say(fd, exchanges[0].request);
        read_all(fd, &answer);
    } while (strcmp((char *)answer.data, GOOD) != 0);
    buffer_cleanup(&answer);
    metrics_server_stop(server);
}

static void stops_with_connections_open(void **state)
{
    struct metrics_server *server = start();
    int fd = connect_to(), other;

    (void)state;
    say(fd, "GET /m");
    other = connect_to();
    metrics_server_stop(server);
    close(fd);
    close(other);
    assert_int_equal(access(path, F_OK), -1); // removed
}

static void the_path_must_be_ours(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct metrics_server *server, *second;
    char expected[256], text[200];
    struct stat status;
    struct err err;
    FILE *file;
    int fd;

    (void)state;
    // A dead socket is replaced.
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (void *)&address, sizeof address), 0);
    close(fd);
    server = start();
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0660);
    // One that answers is not.
    assert_false(metrics_server_start(&second, path, write_lines, NULL, &err));
    assert_int_equal(err.code, ERR_USAGE);
    (void)snprintf(expected, sizeof expected,
                   "--metrics: socket %s: another server answers there", path);
    assert_string_equal(err.text, expected);
    metrics_server_stop(server);
    // Nor is a file, nor a path too long.
    file = fopen(path, "w");
    assert_non_null(file);
    fclose(file);
    assert_false(metrics_server_start(&second, path, write_lines, NULL, &err));
    assert_non_null(strstr(err.text, "something that is no socket is there"));
    assert_int_equal(access(path, F_OK), 0);
    (void)unlink(path);
    memset(text, 'a', sizeof text);
    text[sizeof text - 1] = '\0';
    assert_false(metrics_server_start(&second, text, write_lines, NULL, &err));
    assert_int_equal(err.code, ERR_USAGE);
    metrics_server_stop(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_and_closes),
        cmocka_unit_test(a_large_answer_comes_whole),
        cmocka_unit_test(endless_heads_end),
        cmocka_unit_test(the_silent_do_not_keep_others_out),
        cmocka_unit_test(those_who_leave_early_cost_nothing),
        cmocka_unit_test(stops_with_connections_open),
        cmocka_unit_test(the_path_must_be_ours),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, make_dir, drop_dir);
}
