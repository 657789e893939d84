// serve.c - see serve.h.

#include "tests/support/serve.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "index/base/text.h"
#include "tests/support/issuance.h"

enum { HEAD_MAX = 16384, CHUNK = 4099, BACKLOG = 256 };

struct connection {
    struct server *server;
    int fd; // -1: this place is free
    SSL *ssl;
    struct buffer in;
};

struct server {
    int fd;
    uint16_t port;
    SSL_CTX *ssl;
    serve_handler *handler;
    void *context;
    pthread_t thread;
    bool running;
    pthread_mutex_t lock; // for what follows
    pthread_cond_t ended;
    bool stopping;
    size_t num_open;
    struct connection connections[SERVE_CONNECTIONS_MAX];
};

// tls_context makes a CA and a certificate for 127.0.0.1 and localhost.
static SSL_CTX *tls_context(uint64_t seed, struct buffer *ca_pem)
{
    struct authority ca = {
        .name = {NULL, NULL, NULL, "sanct tests", "sanct test TLS CA"},
    };
    struct issuance *leaf = calloc(1, sizeof *leaf);
    struct fixed_key *key = fixed_key_new(FIXED_KEY_P256, seed, "tls server");
    SSL_CTX *ctx = SSL_CTX_new(TLS_method());
    struct buffer der = {0};

    if (leaf == NULL || key == NULL || ctx == NULL) abort();
    authority_init(&ca, FIXED_KEY_P256, true, seed, "tls ca");
    issuance_begin(leaf, &ca, 1);
    leaf->special = true; // really signed
    leaf->serial[0] = 1;
    leaf->spec.not_before = 1577836800; // 2020
    leaf->spec.not_after = 2051222400;  // 2035
    leaf->spec.spki = buffer_bytes(&key->spki);
    leaf->spec.subject.common_name = "localhost";
    issuance_add_name(leaf, "localhost");
    issuance_add_address(leaf, "127.0.0.1");
    issuance_certificate(leaf, CERTGEN_FINAL, &der);
    if (SSL_CTX_use_certificate_ASN1(ctx, der.len, der.data) != 1 ||
        SSL_CTX_use_PrivateKey(ctx, key->key) != 1) {
        abort();
    }
    text_append_pem(ca_pem, buffer_bytes(&ca.certificate));
    buffer_cleanup(&der);
    authority_cleanup(&ca);
    fixed_key_free(key);
    free(leaf);
    return ctx;
}

bool serve_start(struct server **out, uint16_t port, struct buffer *ca_pem,
                 uint64_t seed, struct err *err)
{
    struct server *server = calloc(1, sizeof *server);
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    socklen_t len = sizeof address;
    int one = 1;

    if (server == NULL) return err_set(err, ERR_MEMORY, "no memory to serve");
    server->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)setsockopt(server->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (server->fd < 0 ||
        bind(server->fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(server->fd, BACKLOG) != 0 ||
        getsockname(server->fd, (struct sockaddr *)&address, &len) != 0) {
        err_set(err, ERR_NETWORK, "cannot listen on 127.0.0.1:%u: %s",
                (unsigned)port, strerror(errno));
        if (server->fd >= 0) (void)close(server->fd);
        free(server);
        return false;
    }
    server->port = ntohs(address.sin_port);
    if (ca_pem != NULL) server->ssl = tls_context(seed, ca_pem);
    for (size_t i = 0; i < SERVE_CONNECTIONS_MAX; i++) {
        server->connections[i].fd = -1;
    }
    (void)pthread_mutex_init(&server->lock, NULL);
    (void)pthread_cond_init(&server->ended, NULL);
    *out = server;
    return true;
}

uint16_t serve_port(const struct server *server)
{
    return server->port;
}

static bool connection_read(struct connection *connection)
{
    struct buffer *in = &connection->in;
    ssize_t num;

    if (!buffer_reserve(in, HEAD_MAX)) return false;
    if (connection->ssl != NULL) {
        num = SSL_read(connection->ssl, in->data + in->len, HEAD_MAX);
    } else {
        num = recv(connection->fd, in->data + in->len, HEAD_MAX, 0);
    }
    if (num <= 0) return false;
    in->len += (size_t)num;
    return true;
}

// connection_write sends all of several pieces, gathered where it can be.
static bool connection_write(struct connection *connection,
                             struct iovec *pieces, size_t num)
{
    for (size_t i = 0; i < num && connection->ssl != NULL; i++) {
        const uint8_t *at = pieces[i].iov_base;
        size_t len = pieces[i].iov_len;

        while (len > 0) {
            int some = len > 65536 ? 65536 : (int)len;

            some = SSL_write(connection->ssl, at, some);
            if (some <= 0) return false;
            at += some;
            len -= (size_t)some;
        }
    }
    while (num > 0 && connection->ssl == NULL) {
        struct msghdr message = {.msg_iov = pieces, .msg_iovlen = num};
        ssize_t sent = sendmsg(connection->fd, &message, MSG_NOSIGNAL);

        if (sent < 0) return false;
        while (num > 0 && (size_t)sent >= pieces->iov_len) {
            sent -= (ssize_t)pieces->iov_len;
            pieces++;
            num--;
        }
        if (num > 0) {
            pieces->iov_base = (uint8_t *)pieces->iov_base + sent;
            pieces->iov_len -= (size_t)sent;
        }
    }
    return true;
}

static void wait_for_end(struct connection *connection)
{
    uint8_t byte;

    while (recv(connection->fd, &byte, 1, 0) > 0) {
    }
}

// chunk turns the body into chunks of an odd size.
static void chunk(struct serve_answer *answer)
{
    struct buffer out = {0};
    struct bytes rest, piece;

    buffer_append(&answer->body, answer->shared);
    answer->shared = (struct bytes){0};
    rest = buffer_bytes(&answer->body);
    while (rest.len > 0) {
        (void)bytes_read_take(&rest, &piece,
                              rest.len < CHUNK ? rest.len : CHUNK);
        buffer_printf(&out, "%zx;x=y\r\n", piece.len);
        buffer_append(&out, piece);
        buffer_append_text(&out, "\r\n");
    }
    buffer_append_text(&out, "0\r\nX-Trailer: 1\r\n\r\n");
    buffer_cleanup(&answer->body);
    answer->body = out;
}

static const char *reason(int status)
{
    return status == 200   ? "OK"
           : status == 302 ? "Found"
           : status == 400 ? "Bad Request"
           : status == 404 ? "Not Found"
           : status == 405 ? "Method Not Allowed"
           : status == 429 ? "Too Many Requests"
           : status == 503 ? "Service Unavailable"
                           : "Internal Server Error";
}

// trickle sends the body a byte every 10 ms, as long as it is taken.
static bool trickle(struct connection *connection,
                    const struct serve_answer *answer)
{
    size_t num = answer->body.len + answer->shared.len;

    for (size_t i = 0; i < num; i++) {
        uint8_t byte = i < answer->body.len
                           ? answer->body.data[i]
                           : answer->shared.data[i - answer->body.len];
        struct iovec piece = {&byte, 1};

        (void)poll(NULL, 0, 10);
        if (!connection_write(connection, &piece, 1)) return false;
    }
    return true;
}

static void put_head(struct buffer *head, const struct serve_answer *answer,
                     bool keep)
{
    buffer_printf(head, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\n",
                  answer->status, reason(answer->status), answer->type);
    if (answer->chunked) {
        buffer_append_text(head, "Transfer-Encoding: chunked\r\n");
    } else {
        buffer_printf(head, "Content-Length: %zu\r\n",
                      answer->body.len + answer->shared.len);
    }
    if (!keep) buffer_append_text(head, "Connection: close\r\n");
    buffer_append(head, buffer_bytes(&answer->headers));
    buffer_append_text(head, "\r\n");
}

static bool send_answer(struct connection *connection,
                        struct serve_answer *answer, bool head_only, bool keep)
{
    static char garbage[] = "HTTP/1.1 200 OK\r\n\r\nmore than was announced";
    bool half = answer->truncate || answer->stall;
    struct buffer head = {0};
    struct iovec pieces[4];
    bool ok;

    if (answer->drop) return false;
    if (answer->chunked) chunk(answer);
    put_head(&head, answer, keep);
    pieces[0] = (struct iovec){head.data, head.len};
    pieces[1] = (struct iovec){answer->body.data, answer->body.len};
    pieces[2] = (struct iovec){(void *)(uintptr_t)answer->shared.data,
                               answer->shared.len};
    pieces[3] = (struct iovec){garbage, answer->trail ? sizeof garbage : 0};
    if (half) {
        pieces[1].iov_len /= 2;
        pieces[2].iov_len /= 2;
    }
    ok = connection_write(connection, pieces,
                          head_only || answer->trickle ? 1 : 4);
    if (ok && answer->trickle && !head_only) ok = trickle(connection, answer);
    if (ok && answer->stall) wait_for_end(connection);
    buffer_cleanup(&head);
    return ok && keep && !half;
}

// header_is looks for a header line with a value, both without case.
static bool header_is(const char *head, const char *line)
{
    return strcasestr(head, line) != NULL;
}

// serve_one answers the request whose head is `head`, NUL-terminated.
static bool serve_one(struct connection *connection, char *head)
{
    struct serve_answer answer = {.status = 200, .type = "text/plain"};
    char method[16], target[4096], version[16];
    bool keep, ok;

    if (sscanf(head, "%15s %4095s %15s", method, target, version) != 3) {
        answer.status = 400;
        ok = send_answer(connection, &answer, false, false);
    } else {
        keep = strcmp(version, "HTTP/1.1") == 0 &&
               !header_is(head, "\r\nConnection: close");
        connection->server->handler(connection->server->context, method, target,
                                    &answer);
        ok =
            send_answer(connection, &answer, strcmp(method, "HEAD") == 0, keep);
    }
    buffer_cleanup(&answer.headers);
    buffer_cleanup(&answer.body);
    return ok;
}

static void converse(struct connection *connection)
{
    for (;;) {
        struct buffer *in = &connection->in;
        uint8_t *end =
            in->len == 0 ? NULL : memmem(in->data, in->len, "\r\n\r\n", 4);
        size_t len;

        if (end == NULL) {
            if (in->len > HEAD_MAX || !connection_read(connection)) return;
            continue;
        }
        len = (size_t)(end - in->data) + 4;
        end[2] = '\0'; // the last header keeps its CRLF
        if (!serve_one(connection, (char *)in->data)) return;
        buffer_consume(in, len);
    }
}

static void *connection_thread(void *argument)
{
    struct connection *connection = argument;
    struct server *server = connection->server;
    sigset_t pipe;
    int one = 1;

    (void)sigemptyset(&pipe);
    (void)sigaddset(&pipe, SIGPIPE);
    (void)pthread_sigmask(SIG_BLOCK, &pipe, NULL); // SSL_write has no flag
    (void)setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &one,
                     sizeof one);
    if (server->ssl != NULL) {
        connection->ssl = SSL_new(server->ssl);
        if (connection->ssl != NULL &&
            SSL_set_fd(connection->ssl, connection->fd) == 1 &&
            SSL_accept(connection->ssl) == 1) {
            converse(connection);
            (void)SSL_shutdown(connection->ssl);
        }
        SSL_free(connection->ssl);
        connection->ssl = NULL;
    } else {
        converse(connection);
    }
    buffer_cleanup(&connection->in);
    (void)pthread_mutex_lock(&server->lock);
    (void)close(connection->fd);
    connection->fd = -1;
    server->num_open--;
    (void)pthread_cond_signal(&server->ended);
    (void)pthread_mutex_unlock(&server->lock);
    return NULL;
}

// open_connection gives the socket a place and a thread, or closes it.
static void open_connection(struct server *server, int fd)
{
    struct connection *connection = NULL;
    pthread_t thread;

    (void)pthread_mutex_lock(&server->lock);
    for (size_t i = 0; i < SERVE_CONNECTIONS_MAX && !server->stopping; i++) {
        if (server->connections[i].fd >= 0) continue;
        connection = &server->connections[i];
        connection->server = server;
        connection->fd = fd;
        break;
    }
    if (connection != NULL &&
        pthread_create(&thread, NULL, connection_thread, connection) == 0) {
        (void)pthread_detach(thread);
        server->num_open++;
    } else {
        (void)close(fd);
        if (connection != NULL) connection->fd = -1;
    }
    (void)pthread_mutex_unlock(&server->lock);
}

static void *accept_thread(void *argument)
{
    struct server *server = argument;

    for (;;) {
        int fd = accept4(server->fd, NULL, NULL, SOCK_CLOEXEC);

        if (fd >= 0) {
            open_connection(server, fd);
        } else if (errno == EMFILE || errno == ENFILE) {
            (void)poll(NULL, 0, 10);
        } else if (errno != EINTR && errno != ECONNABORTED) {
            return NULL; // serve_stop has shut it down
        }
    }
}

void serve_run(struct server *server, serve_handler *handler, void *context)
{
    server->handler = handler;
    server->context = context;
    server->running =
        pthread_create(&server->thread, NULL, accept_thread, server) == 0;
    if (!server->running) abort();
}

void serve_stop(struct server *server)
{
    if (server == NULL) return;
    (void)shutdown(server->fd, SHUT_RDWR);
    if (server->running) (void)pthread_join(server->thread, NULL);
    (void)close(server->fd);
    (void)pthread_mutex_lock(&server->lock);
    server->stopping = true;
    for (size_t i = 0; i < SERVE_CONNECTIONS_MAX; i++) {
        if (server->connections[i].fd >= 0) {
            (void)shutdown(server->connections[i].fd, SHUT_RDWR);
        }
    }
    while (server->num_open > 0) {
        (void)pthread_cond_wait(&server->ended, &server->lock);
    }
    (void)pthread_mutex_unlock(&server->lock);
    (void)pthread_mutex_destroy(&server->lock);
    (void)pthread_cond_destroy(&server->ended);
    SSL_CTX_free(server->ssl);
    free(server);
}
