// test_requests.c - many requests on one connection to a server that says what
// it is told, in pieces of any length.

#include "query/requests.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/support/check.h"

struct server {
    char path[64];
    int listener;
    const char *answer;
    size_t piece;
    pthread_t thread;
};

// Answers one connection: all of it at once, whatever is asked.
static void *serve(void *context)
{
    struct server *server = context;
    struct bytes rest = bytes_from_text(server->answer), part;
    int fd = accept(server->listener, NULL, NULL);
    char byte;

    if (fd < 0 || read(fd, &byte, 1) != 1) return NULL;
    while (rest.len > 0) {
        size_t len = rest.len < server->piece ? rest.len : server->piece;

        (void)!bytes_read_take(&rest, &part, len);
        if (send(fd, part.data, part.len, MSG_NOSIGNAL) < 0) break;
    }
    (void)shutdown(fd, SHUT_WR);
    while (read(fd, &byte, 1) > 0)
        continue;
    (void)close(fd);
    return NULL;
}

static void server_start(struct server *server, const char *answer,
                         size_t piece)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    *server = (struct server){.answer = answer, .piece = piece};
    (void)snprintf(server->path, sizeof server->path, "/tmp/sanct-requests-%ld",
                   (long)getpid());
    (void)unlink(server->path);
    memcpy(address.sun_path, server->path, sizeof server->path);
    server->listener = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(
        bind(server->listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(server->listener, 4), 0);
    assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
}

static void server_stop(struct server *server)
{
    (void)shutdown(server->listener, SHUT_RDWR);
    (void)pthread_join(server->thread, NULL);
    (void)close(server->listener);
    (void)unlink(server->path);
}

#define OK "HTTP/1.1 200 OK\r\n"
#define LENGTH(n) "Content-Length: " #n "\r\n\r\n"
#define CHUNKED "Transfer-Encoding: chunked\r\n\r\n"

// What three requests come to: bodies and sentences, a "|" behind each.  %s is
// the socket's path.
static const struct {
    const char *name, *answer, *result;
} cases[] = {
    {"three",
     OK LENGTH(1) "a" OK CHUNKED "2\r\nbc\r\n1\r\nd\r\n0\r\n\r\n" OK LENGTH(0),
     "a|bcd||"},
    {"no HTTP", "SSH-2.0-none\r\n\r\n",
     "%s: the answer is no HTTP|%s: the connection was lost|"
     "%s: the connection was lost|"},
    {"cut in a body", OK LENGTH(1) "a" OK LENGTH(5) "bc",
     "a|bc%s: the answer breaks off|%s: the connection was lost|"},
    {"cut in a head", OK LENGTH(1) "a" OK "Content-",
     "a|%s: the answer breaks off|%s: the connection was lost|"},
    {"nothing more", OK LENGTH(1) "a",
     "a|%s: the answer breaks off|%s: the connection was lost|"},
    {"no more after this one", OK "Connection: close\r\n" LENGTH(1) "a",
     "a|%s: the connection was lost|%s: the connection was lost|"},
    {"an error without words",
     "HTTP/1.1 503 Service Unavailable\r\n" LENGTH(2) "no" OK LENGTH(
         1) "b" OK LENGTH(1) "c",
     "%s: status 503|b|c|"},
    {"an error with words",
     "HTTP/1.1 400 Bad Request\r\n" CHUNKED
     "a\r\n{\"code\":\"b\r\n23\r\nad_request\",\"message\":\"q: no name\"}\r\n"
     "0\r\n\r\n" OK LENGTH(1) "b" OK LENGTH(1) "c",
     "q: no name|b|c|"},
};

static void read_one(struct requests *requests, struct buffer *out)
{
    struct err err = {0};
    struct bytes part;
    bool end = false;

    while (!end) {
        if (!requests_read(requests, &part, &end, &err)) {
            buffer_append_text(out, err.text);
            break;
        }
        buffer_append(out, part);
    }
    buffer_append_byte(out, '|');
}

// "%s" becomes the path.
static void fill_in(struct buffer *out, const char *pattern, const char *path)
{
    for (const char *p = pattern; *p != '\0'; p++) {
        if (p[0] == '%' && p[1] == 's') {
            buffer_append_text(out, path);
            p++;
        } else {
            buffer_append_byte(out, (uint8_t)*p);
        }
    }
}

static void check_case(size_t i, size_t piece)
{
    struct buffer got = {0}, wanted = {0};
    struct requests requests;
    struct server server;
    struct err err = {0};

    server_start(&server, cases[i].answer, piece);
    requests_open(&requests, server.path);
    for (int n = 0; n < 3; n++) {
        CHECK(requests_send(&requests, bytes_from_text("/v1/x"), &err));
    }
    for (int n = 0; n < 3; n++)
        read_one(&requests, &got);
    fill_in(&wanted, cases[i].result, server.path);
    if (!bytes_equal(buffer_bytes(&got), buffer_bytes(&wanted))) {
        print_error("%s: %.*s\n", cases[i].name, (int)got.len,
                    (const char *)got.data);
    }
    CHECK(bytes_equal(buffer_bytes(&got), buffer_bytes(&wanted)));
    requests_close(&requests);
    server_stop(&server);
    buffer_cleanup(&got);
    buffer_cleanup(&wanted);
}

static void reads_answers_however_they_come(void **state)
{
    static const size_t pieces[] = {1, 3, 7, 4096};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        for (size_t k = 0; k < COUNT_OF(pieces); k++) {
            test_case = cases[i].name;
            check_case(i, pieces[k]);
        }
    }
}

static void refuses_too_many(void **state)
{
    struct requests requests;
    struct server server;
    struct err err = {0};

    (void)state;
    server_start(&server, "", 1);
    requests_open(&requests, server.path);
    for (int i = 0; i < REQUESTS_MAX; i++) {
        assert_true(requests_send(&requests, bytes_from_text("/"), &err));
    }
    assert_false(requests_send(&requests, bytes_from_text("/"), &err));
    assert_int_equal(err.code, ERR_USAGE);
    assert_string_equal(
        err.text, "4096 questions are under way; read their answers first");
    requests_close(&requests);
    server_stop(&server);
}

static void says_that_nobody_is_there(void **state)
{
    struct requests requests;
    struct err err = {0};

    (void)state;
    requests_open(&requests, "/nowhere/sock");
    assert_false(requests_send(&requests, bytes_from_text("/"), &err));
    assert_int_equal(err.code, ERR_NETWORK);
    assert_string_equal(err.text, "/nowhere/sock: No such file or directory");
    requests_close(&requests);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_answers_however_they_come),
        cmocka_unit_test(refuses_too_many),
        cmocka_unit_test(says_that_nobody_is_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
