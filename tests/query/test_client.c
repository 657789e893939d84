// test_client.c - the client against a server that says what it is told.

#include "query/client.h"

#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/support/check.h"

// The server answers each connection once, in pieces of `piece` bytes, when it
// has read a whole head or, where `until` is set, when it has read that.
struct server {
    char path[64];
    int listener;
    const char *answer;
    size_t piece;
    const char *until;
    struct buffer got;
    pthread_t thread;
};

static void serve_one(struct server *server, int fd)
{
    const char *until = server->until ? server->until : "\r\n\r\n";
    struct bytes rest = bytes_from_text(server->answer), part;

    for (;;) {
        uint8_t data[4096];
        ssize_t len;

        buffer_append_byte(&server->got, 0);
        server->got.len--;
        if (strstr((const char *)server->got.data, until) != NULL) break;
        len = read(fd, data, sizeof data);
        if (len <= 0) return;
        buffer_append(&server->got, bytes_of(data, (size_t)len));
    }
    while (rest.len > 0) {
        size_t len = rest.len < server->piece ? rest.len : server->piece;

        (void)!bytes_read_take(&rest, &part, len);
        if (send(fd, part.data, part.len, MSG_NOSIGNAL) < 0) return;
    }
}

static void *serve(void *context)
{
    struct server *server = context;
    int fd = accept(server->listener, NULL, NULL);

    if (fd >= 0) {
        serve_one(server, fd);
        (void)shutdown(fd, SHUT_WR);
        (void)close(fd);
    }
    return NULL;
}

static void start(struct server *server)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    (void)snprintf(server->path, sizeof server->path,
                   "/tmp/sanct-client-%d.sock", (int)getpid());
    (void)unlink(server->path);
    memcpy(address.sun_path, server->path, strlen(server->path));
    server->listener = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_true(server->listener >= 0);
    assert_int_equal(bind(server->listener, (const struct sockaddr *)&address,
                          sizeof address),
                     0);
    assert_int_equal(listen(server->listener, 1), 0);
    assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
}

static void stop(struct server *server)
{
    (void)pthread_join(server->thread, NULL);
    (void)close(server->listener);
    (void)unlink(server->path);
    buffer_cleanup(&server->got);
}

static bool keep(void *context, struct bytes part, struct err *err)
{
    (void)err;
    buffer_append(context, part);
    return true;
}

static const struct {
    const char *answer;
    const char *body; // NULL: an error
    enum err_code code;
    const char *error;
} cases[] = {
    {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", "abc", ERR_NONE, ""},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
     "2\r\nab\r\n1;x=y\r\nc\r\n0\r\nT: x\r\n\r\n",
     "abc", ERR_NONE, ""},
    {"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc", "abc", ERR_NONE, ""},
    {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n"
     "\r\n",
     "", ERR_NONE, ""},
    {"HTTP/1.1 400 Bad Request\r\nContent-Length: 53\r\n\r\n"
     "{\"code\":\"bad_request\",\"message\":\"limit: 'x' is none\"}\n",
     NULL, ERR_USAGE, "limit: 'x' is none"},
    {"HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n"
     "{\"code\":\"not_found\",\"message\":\"m\"}",
     NULL, ERR_NOT_FOUND, "m"},
    {"HTTP/1.1 500 No\r\nConnection: close\r\n\r\n"
     "{\"code\":\"index_damaged\",\"message\":\"m\"}",
     NULL, ERR_INDEX, "m"},
    {"HTTP/1.1 404 No\r\nConnection: close\r\n\r\n"
     "{\"code\":\"not_kept\",\"message\":\"m\"}",
     NULL, ERR_INDEX, "m"},
    {"HTTP/1.1 503 No\r\nConnection: close\r\n\r\n"
     "{\"code\":\"unavailable\",\"message\":\"stopping\"}",
     NULL, ERR_NETWORK, "stopping"},
    {"HTTP/1.1 502 No\r\nConnection: close\r\n\r\n<html>", NULL, ERR_NETWORK,
     NULL},
    {"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc", NULL, ERR_NETWORK,
     NULL},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", NULL,
     ERR_NETWORK, NULL},
    {"HTTP/1.1 200 OK\r\n", NULL, ERR_NETWORK, NULL},
    {"", NULL, ERR_NETWORK, NULL},
    {"-ERR Protocol error\r\n\r\n", NULL, ERR_NETWORK, NULL},
};

static void reads_answers_in_any_pieces(void **state)
{
    static const size_t pieces[] = {1, 7, 1000};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases) * COUNT_OF(pieces); i++) {
        size_t k = i % COUNT_OF(cases);
        struct server server = {.answer = cases[k].answer,
                                .piece = pieces[i / COUNT_OF(cases)]};
        struct buffer body = {0};
        struct client client;
        struct err err = {0};
        bool ok;

        test_case = cases[k].answer;
        start(&server);
        client_open(&client, server.path);
        ok = client_get(&client, bytes_from_text("/v1/certs?q=a"), keep, &body,
                        &err);
        client_close(&client);
        CHECK(ok == (cases[k].body != NULL));
        CHECK(!ok || bytes_equal_text(buffer_bytes(&body), cases[k].body));
        CHECK(err.code == cases[k].code);
        CHECK(cases[k].error == NULL || strcmp(err.text, cases[k].error) == 0);
        buffer_cleanup(&body);
        stop(&server);
    }
}

static void asks_as_http_wants_it(void **state)
{
    struct server server = {.answer = "HTTP/1.1 200 OK\r\n"
                                      "Content-Length: 0\r\n\r\n",
                            .piece = 1000};
    struct buffer body = {0};
    struct client client;
    struct err err = {0};

    (void)state;
    test_case = "GET";
    start(&server);
    client_open(&client, server.path);
    CHECK(client_get(&client, bytes_from_text("/v1/x?y=z"), keep, &body, &err));
    client_close(&client);
    (void)pthread_join(server.thread, NULL);
    CHECK(strncmp((const char *)server.got.data, "GET /v1/x?y=z HTTP/1.1\r\n",
                  24) == 0);
    CHECK(strstr((const char *)server.got.data, "\r\nHost: localhost\r\n") !=
          NULL);
    (void)close(server.listener);
    (void)unlink(server.path);
    buffer_cleanup(&server.got);
    buffer_cleanup(&body);
}

// What stdin gives goes out as chunks while answers come in.
static void streams_what_a_descriptor_gives(void **state)
{
    struct server server = {.answer = "HTTP/1.1 200 OK\r\n"
                                      "Connection: close\r\n\r\n{}\n",
                            .piece = 2,
                            .until = "\r\n0\r\n\r\n"};
    struct buffer body = {0};
    struct client client;
    struct err err = {0};
    int ends[2];

    (void)state;
    test_case = "POST";
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "a.example\nb", 11), 11);
    (void)close(ends[1]);
    start(&server);
    client_open(&client, server.path);
    CHECK(client_post(&client, bytes_from_text("/v1/certs"), ends[0],
                      (struct bytes){0}, keep, &body, &err));
    client_close(&client);
    (void)close(ends[0]);
    CHECK(bytes_equal_text(buffer_bytes(&body), "{}\n"));
    (void)pthread_join(server.thread, NULL);
    CHECK(strstr((const char *)server.got.data,
                 "\r\n\r\nb\r\na.example\nb\r\n0\r\n\r\n") != NULL);
    (void)close(server.listener);
    (void)unlink(server.path);
    buffer_cleanup(&server.got);
    buffer_cleanup(&body);
}

static void says_that_nobody_is_there(void **state)
{
    struct client client;
    struct err err = {0};
    char longer[200];

    (void)state;
    test_case = "nobody";
    client_open(&client, "/tmp/sanct-nobody.sock");
    CHECK(!client_get(&client, bytes_from_text("/"), keep, NULL, &err));
    CHECK(err.code == ERR_NETWORK);
    CHECK(strcmp(err.text, "/tmp/sanct-nobody.sock: No such file or"
                           " directory") == 0);
    client_close(&client);
    memset(longer, 'a', sizeof longer);
    longer[sizeof longer - 1] = '\0';
    client_open(&client, longer);
    CHECK(!client_get(&client, bytes_from_text("/"), keep, NULL, &err));
    CHECK(err.code == ERR_USAGE);
    client_close(&client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_answers_in_any_pieces),
        cmocka_unit_test(asks_as_http_wants_it),
        cmocka_unit_test(streams_what_a_descriptor_gives),
        cmocka_unit_test(says_that_nobody_is_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
