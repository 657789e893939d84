// test_server.c - HTTP as clients speak and misuse it, over an empty index.
//
// The server runs in a child process; each case is the bytes of a client and
// what must come back.  What answers hold is for test_answer and test_native.

#include "tests/support/check.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "index/base/err.h"
#include "query/server/listen.h"
#include "tests/query/server/serving.h"
#include "tests/support/folder.h"

static char folder[FOLDER_LEN], socket_path[128];
static pid_t server;

static int connect_once(void)
{
    return dial(socket_path);
}

static int start(void **state)
{
    char dir[96];

    (void)state;
    folder_make(folder);
    (void)snprintf(socket_path, sizeof socket_path, "%s/sock", folder);
    (void)snprintf(dir, sizeof dir, "%s/index", folder);
    make_empty_index(dir);
    server = fork();
    if (server == 0) serve_folder(dir, socket_path, 2);
    (void)close(dial_patiently(socket_path));
    return 0;
}

static int stop(void **state)
{
    (void)state;
    if (server > 0) (void)kill(server, SIGKILL);
    folder_remove(folder);
    return 0;
}

static void send_text(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t sent = send(fd, text, len, MSG_NOSIGNAL);

        assert_true(sent > 0);
        text += sent;
        len -= (size_t)sent;
    }
}

// Everything that comes until the server closes.
static void receive_all(int fd, struct buffer *out)
{
    ssize_t len;

    buffer_reset(out);
    do {
        assert_true(buffer_reserve(out, 65537));
        len = recv(fd, out->data + out->len, 65536, 0);
        if (len > 0) out->len += (size_t)len;
    } while (len > 0);
    out->data[out->len] = '\0';
}

static bool holds(const struct buffer *out, const char *text)
{
    return memmem(out->data, out->len, text, strlen(text)) != NULL;
}

static size_t count_of(const struct buffer *out, const char *text)
{
    struct bytes rest = buffer_bytes(out);
    const uint8_t *at;
    size_t count = 0;

    while ((at = memmem(rest.data, rest.len, text, strlen(text))) != NULL) {
        count++;
        (void)bytes_skip(&rest, (size_t)(at - rest.data) + strlen(text));
    }
    return count;
}

#define CLOSE "Connection: close\r\n"

static const struct {
    const char *name, *request, *status, *text;
} cases[] = {
    {"health", "GET /healthz HTTP/1.1\r\nHost: x\r\n" CLOSE "\r\n",
     "HTTP/1.1 200 OK\r\n", "\r\n\r\n{\"status\":\"ok\"}\n"},
    {"count",
     "GET /v1/count?q=none.example HTTP/1.1\r\nHost: x\r\n" CLOSE "\r\n",
     "HTTP/1.1 200 OK\r\n", "{\"query\":\"none.example\",\"count\":0}"},
    {"coverage", "GET /v1/certs?q=1.1.1.1 HTTP/1.1\r\nHost: x\r\n" CLOSE "\r\n",
     "HTTP/1.1 200 OK\r\n", "Sanct-Coverage: partial\r\n"},
    {"no question", "GET /v1/certs HTTP/1.1\r\nHost: x\r\n" CLOSE "\r\n",
     "HTTP/1.1 400 Bad Request\r\n", "{\"code\":\"bad_request\",\"message\":"},
    {"unknown parameter",
     "GET /v1/certs?q=a.example&subdomain=1 HTTP/1.1\r\nHost: x\r\n" CLOSE
     "\r\n",
     "HTTP/1.1 400 Bad Request\r\n", "subdomain"},
    {"no endpoint", "GET /v1/nothing HTTP/1.1\r\nHost: x\r\n" CLOSE "\r\n",
     "HTTP/1.1 404 Not Found\r\n", "{\"code\":\"not_found\""},
    {"a path that only begins like one",
     "GET /healthzz HTTP/1.1\r\nHost: x\r\n" CLOSE "\r\n",
     "HTTP/1.1 404 Not Found\r\n", "{\"code\":\"not_found\""},
    {"method", "DELETE /v1/certs HTTP/1.1\r\nHost: x\r\n" CLOSE "\r\n",
     "HTTP/1.1 405 Method Not Allowed\r\n",
     "Allow: GET, HEAD, POST, OPTIONS\r\n"},
    {"options", "OPTIONS /v1/certs HTTP/1.1\r\nHost: x\r\n" CLOSE "\r\n",
     "HTTP/1.1 204 No Content\r\n", "Access-Control-Allow-Origin: *\r\n"},
    {"HTTP/1.0 closes", "GET /healthz HTTP/1.0\r\n\r\n", "HTTP/1.1 200 OK\r\n",
     "Connection: close\r\n"},
    {"both lengths",
     "POST /v1/certs HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
     "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     "HTTP/1.1 400 Bad Request\r\n", "Connection: close\r\n"},
    {"version", "GET / HTTP/3.0\r\n\r\n",
     "HTTP/1.1 505 HTTP Version Not Supported\r\n", "Connection: close\r\n"},
    {"no such certificate",
     "GET /v1/cert/0000000000000000000000000000000000000000000000000000000000"
     "000000 HTTP/1.1\r\nHost: x\r\n" CLOSE "\r\n",
     "HTTP/1.1 404 Not Found\r\n", "{\"code\":\"not_found\""},
    {"no hash", "GET /v1/cert/12 HTTP/1.1\r\nHost: x\r\n" CLOSE "\r\n",
     "HTTP/1.1 400 Bad Request\r\n", "{\"code\":\"bad_request\""},
    {"a body that nobody needs",
     "GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n" CLOSE
     "\r\nbody",
     "HTTP/1.1 200 OK\r\n", "{\"status\":\"ok\"}"},
    {"a body too long for that",
     "GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 70000\r\n\r\n",
     "HTTP/1.1 413 ", "{\"code\":\"too_large\""},
    {"lines",
     "POST /v1/certs HTTP/1.1\r\nHost: x\r\nContent-Length: 24\r\n" CLOSE
     "\r\na.example\r\n\n1.1.1.0/99\n",
     "HTTP/1.1 200 OK\r\n", "\"error\":{\"code\":\"bad_request\""},
    {"lines in chunks",
     "POST /v1/certs HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
     "chunked\r\n" CLOSE
     "\r\n4\r\na.ex\r\n6\r\nample\n\r\n5\r\nb.com\r\n0\r\n\r\n",
     "HTTP/1.1 200 OK\r\n", "\"query\":\"b.com\""},
    {"continue",
     "POST /v1/certs HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
     "Content-Length: 5\r\n" CLOSE "\r\nb.com",
     "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n", "\"query\":\"b.com\""},
    {"question in the wrong place",
     "POST /v1/certs?q=a.example HTTP/1.1\r\nHost: x\r\nContent-Length: "
     "0\r\n" CLOSE "\r\n",
     "HTTP/1.1 400 Bad Request\r\n", "q: the questions are in the body"},
};

static void check_response(const struct buffer *out, size_t i)
{
    test_case = cases[i].name;
    if (!bytes_starts_with(buffer_bytes(out),
                           bytes_from_text(cases[i].status)) ||
        !holds(out, cases[i].text)) {
        print_error("%s\n", (const char *)out->data);
    }
    CHECK(
        bytes_starts_with(buffer_bytes(out), bytes_from_text(cases[i].status)));
    CHECK(holds(out, cases[i].text));
}

static void answers_each_request(void **state)
{
    struct buffer out = {0};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        int fd = connect_once();

        test_case = cases[i].name;
        CHECK(fd >= 0);
        send_text(fd, cases[i].request, strlen(cases[i].request));
        receive_all(fd, &out);
        check_response(&out, i);
        (void)close(fd);
    }
    buffer_cleanup(&out);
}

static void answers_however_the_bytes_are_split(void **state)
{
    struct buffer out = {0};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        int fd = connect_once();

        for (const char *p = cases[i].request; *p != '\0'; p++) {
            // Refused in the middle of it: the rest has nobody to go to.
            if (send(fd, p, 1, MSG_NOSIGNAL) != 1) break;
            if ((p - cases[i].request) % 7 == 0) usleep(100);
        }
        receive_all(fd, &out);
        check_response(&out, i);
        (void)close(fd);
    }
    buffer_cleanup(&out);
}

static void answers_pipelined_requests_in_order(void **state)
{
    enum { DEPTH = 2000 };
    struct buffer in = {0}, out = {0};
    struct bytes rest;
    char expected[64];
    int fd = connect_once();

    (void)state;
    for (int i = 0; i < DEPTH; i++) {
        buffer_printf(&in,
                      "GET /v1/count?q=n%d.example HTTP/1.1\r\nHost: x\r\n"
                      "%s\r\n",
                      i, i + 1 == DEPTH ? CLOSE : "");
    }
    // In a child: neither side may have to wait for the other's buffer.
    if (fork() == 0) {
        send_text(fd, (const char *)in.data, in.len);
        _exit(0);
    }
    receive_all(fd, &out);
    rest = buffer_bytes(&out);
    for (int i = 0; i < DEPTH; i++) {
        const uint8_t *at;

        (void)snprintf(expected, sizeof expected, "\"query\":\"n%d.example\"",
                       i);
        at = memmem(rest.data, rest.len, expected, strlen(expected));
        assert_non_null(at);
        (void)bytes_skip(&rest, (size_t)(at - rest.data));
    }
    (void)wait(NULL);
    (void)close(fd);
    buffer_cleanup(&in);
    buffer_cleanup(&out);
}

static void head_has_no_body_and_the_same_fields(void **state)
{
    static const char head[] =
        "HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
        "HEAD /healthz HTTP/1.1\r\nHost: x\r\n" CLOSE "\r\n";
    struct buffer out = {0};
    int fd = connect_once();

    (void)state;
    send_text(fd, head, strlen(head));
    receive_all(fd, &out);
    assert_int_equal(count_of(&out, "HTTP/1.1 200 OK\r\n"), 2);
    assert_int_equal(count_of(&out, "Content-Length: 16\r\n"), 2);
    assert_false(holds(&out, "status"));
    (void)close(fd);
    buffer_cleanup(&out);
}

static void answers_what_came_before_a_half_close(void **state)
{
    static const char request[] = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    struct buffer out = {0};
    int fd = connect_once();

    (void)state;
    send_text(fd, request, strlen(request));
    send_text(fd, request, strlen(request));
    (void)shutdown(fd, SHUT_WR);
    receive_all(fd, &out);
    assert_int_equal(count_of(&out, "{\"status\":\"ok\"}"), 2);
    (void)close(fd);
    buffer_cleanup(&out);
}

static void refuses_a_head_without_end(void **state)
{
    static char flood[300 << 10];
    struct buffer out = {0};
    int fd = connect_once();

    (void)state;
    memset(flood, 'a', sizeof flood);
    memcpy(flood, "GET /", 5);
    (void)send(fd, flood, sizeof flood, MSG_NOSIGNAL);
    receive_all(fd, &out);
    assert_true(holds(&out, "HTTP/1.1 413 "));
    (void)close(fd);
    buffer_cleanup(&out);
}

static void a_line_too_long_is_that_lines_error(void **state)
{
    struct buffer in = {0}, out = {0};
    int fd = connect_once();

    (void)state;
    buffer_printf(
        &in,
        "POST /v1/certs HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n" CLOSE
        "\r\n",
        70000 + 1 + 9);
    for (int i = 0; i < 70000; i++) {
        buffer_append_byte(&in, 'x');
    }
    buffer_append_text(&in, "\na.example");
    send_text(fd, (const char *)in.data, in.len);
    receive_all(fd, &out);
    assert_true(holds(&out, "\"error\":{\"code\":\"bad_request\""));
    assert_true(holds(&out, "\"query\":\"a.example\""));
    assert_true(out.len < 10000);
    (void)close(fd);
    buffer_cleanup(&in);
    buffer_cleanup(&out);
}

static void the_socket_is_ours_alone(void **state)
{
    struct stat status;
    struct err err = {0};
    char path[160];
    int fd = -1;

    (void)state;
    assert_int_equal(stat(socket_path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0660);
    assert_false(listen_open(&fd, socket_path, NULL, &err));
    assert_int_equal(err.code, ERR_USAGE);
    assert_non_null(strstr(err.text, "another server answers there"));

    (void)snprintf(path, sizeof path, "%s/file", folder);
    assert_int_equal(mknod(path, S_IFREG | 0600, 0), 0);
    assert_false(listen_open(&fd, path, NULL, &err));
    assert_non_null(strstr(err.text, "something that is no socket is there"));

    memset(path, 'p', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    assert_false(listen_open(&fd, path, NULL, &err));
    assert_non_null(strstr(err.text, "1 to 107 bytes, this one 159"));
}

static void a_dead_socket_is_replaced(void **state)
{
    struct err err = {0};
    char path[160];
    int fd = -1;

    (void)state;
    (void)snprintf(path, sizeof path, "%s/dead", folder);
    assert_true(listen_open(&fd, path, NULL, &err));
    (void)close(fd); // as a killed server leaves it
    assert_true(listen_open(&fd, path, NULL, &err));
    listen_close(fd, path);
    assert_int_equal(access(path, F_OK), -1);
}

static void ends_on_sigterm_and_removes_its_socket(void **state)
{
    int status;

    (void)state;
    assert_int_equal(kill(server, SIGTERM), 0);
    assert_int_equal(waitpid(server, &status, 0), server);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(access(socket_path, F_OK), -1);
    server = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_each_request),
        cmocka_unit_test(answers_however_the_bytes_are_split),
        cmocka_unit_test(answers_pipelined_requests_in_order),
        cmocka_unit_test(head_has_no_body_and_the_same_fields),
        cmocka_unit_test(answers_what_came_before_a_half_close),
        cmocka_unit_test(refuses_a_head_without_end),
        cmocka_unit_test(a_line_too_long_is_that_lines_error),
        cmocka_unit_test(the_socket_is_ours_alone),
        cmocka_unit_test(a_dead_socket_is_replaced),
        cmocka_unit_test(ends_on_sigterm_and_removes_its_socket),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
