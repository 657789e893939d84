// client.c - see client.h.

#include "query/client.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "index/base/json.h"

enum {
    READ_LEN = 64 * 1024,
    UNSENT_MAX = 64 * 1024, // then nothing more is read to be sent
    ERROR_BODY_MAX = 64 * 1024,
};

// One request under way.
struct exchange {
    struct client *client;
    struct buffer out; // not yet sent
    int body_fd;       // -1: no more to send than `out`
    client_sink *sink;
    void *context;
    struct buffer error; // the body of an answer that is an error
    bool has_head, is_done;
    struct err *err;
};

void client_open(struct client *client, const char *path)
{
    *client = (struct client){.path = path, .fd = -1};
}

void client_disconnect(struct client *client)
{
    if (client->is_open) (void)close(client->fd);
    client->is_open = false;
    buffer_reset(&client->in);
}

void client_close(struct client *client)
{
    client_disconnect(client);
    http_response_cleanup(&client->response);
    buffer_cleanup(&client->in);
}

bool client_connect(struct client *client, struct err *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = strlen(client->path);

    if (client->is_open) return true;
    if (len >= sizeof address.sun_path) {
        return err_set(err, ERR_USAGE, "--socket: '%s' is too long",
                       client->path);
    }
    memcpy(address.sun_path, client->path, len);
    client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (client->fd < 0) {
        return err_set(err, ERR_NETWORK, "socket: %s", strerror(errno));
    }
    client->is_open = true;
    if (connect(client->fd, (const struct sockaddr *)&address,
                sizeof address) == 0) {
        return true;
    }
    (void)err_set(err, ERR_NETWORK, "%s: %s", client->path, strerror(errno));
    client_disconnect(client);
    return false;
}

static bool broken(struct exchange *exchange, const char *why)
{
    client_disconnect(exchange->client);
    return err_set(exchange->err, ERR_NETWORK, "%s: %s", exchange->client->path,
                   why);
}

// ------------------------------------------------------------- receiving

static bool take_body_part(struct exchange *exchange, struct bytes part)
{
    if (exchange->client->response.status == 200) {
        return exchange->sink(exchange->context, part, exchange->err);
    }
    if (exchange->error.len + part.len <= ERROR_BODY_MAX) {
        buffer_append(&exchange->error, part);
    }
    return true;
}

static bool take_head(struct exchange *exchange, struct bytes *in)
{
    struct http_response *response = &exchange->client->response;

    switch (http_response_head(response, in, exchange->err)) {
    case HTTP_PART:
    case HTTP_END:
        exchange->has_head = true;
        return true;
    case HTTP_MORE:
        return true;
    case HTTP_BROKEN:
        break;
    }
    return broken(exchange, "the answer is no HTTP");
}

static bool take_body(struct exchange *exchange, struct bytes *in)
{
    struct http_response *response = &exchange->client->response;
    struct bytes part;

    for (;;) {
        switch (http_body_read(&response->body, in, &part, exchange->err)) {
        case HTTP_PART:
            if (!take_body_part(exchange, part)) return false;
            break;
        case HTTP_MORE:
            return true;
        case HTTP_END:
            exchange->is_done = true;
            return true;
        case HTTP_BROKEN:
            return broken(exchange, "the answer breaks off");
        }
    }
}

static bool take_input(struct exchange *exchange)
{
    struct client *client = exchange->client;
    struct bytes in = buffer_bytes(&client->in);
    bool ok = true;

    if (!exchange->has_head) ok = take_head(exchange, &in);
    if (ok && exchange->has_head) ok = take_body(exchange, &in);
    if (!ok) return false;
    buffer_consume(&client->in, client->in.len - in.len);
    return true;
}

static bool receive(struct exchange *exchange)
{
    struct client *client = exchange->client;
    ssize_t len;

    if (!buffer_reserve(&client->in, READ_LEN)) {
        return err_set(exchange->err, ERR_MEMORY, "the answer: no memory");
    }
    do {
        len = read(client->fd, client->in.data + client->in.len, READ_LEN);
    } while (len < 0 && errno == EINTR);
    if (len < 0) return broken(exchange, strerror(errno));
    if (len == 0) {
        if (!exchange->has_head ||
            !http_body_eof(&client->response.body, exchange->err)) {
            return broken(exchange, "the answer breaks off");
        }
        exchange->is_done = true;
        return true;
    }
    client->in.len += (size_t)len;
    return take_input(exchange);
}

// ------------------------------------------------------------- sending

static bool transmit(struct exchange *exchange)
{
    ssize_t len;

    do {
        len = send(exchange->client->fd, exchange->out.data, exchange->out.len,
                   MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (len < 0 && errno == EINTR);
    if (len < 0 && errno == EAGAIN) return true;
    if (len < 0) {
        // A server that refuses answers before it has read everything.
        exchange->body_fd = -1;
        buffer_reset(&exchange->out);
        return true;
    }
    buffer_consume(&exchange->out, (size_t)len);
    return true;
}

static bool read_more_to_send(struct exchange *exchange)
{
    uint8_t data[READ_LEN];
    ssize_t len;

    do {
        len = read(exchange->body_fd, data, sizeof data);
    } while (len < 0 && errno == EINTR);
    if (len < 0) {
        return err_set(exchange->err, ERR_USAGE, "--stdin: %s",
                       strerror(errno));
    }
    if (len == 0) {
        http_write_chunk_end(&exchange->out);
        exchange->body_fd = -1;
    } else {
        http_write_chunk(&exchange->out, bytes_of(data, (size_t)len));
    }
    return buffer_ok(&exchange->out) ||
           err_set(exchange->err, ERR_MEMORY, "a request: no memory");
}

// Sends and receives until the answer has ended.
static bool run(struct exchange *exchange)
{
    struct client *client = exchange->client;

    while (!exchange->is_done) {
        bool can_read =
            exchange->body_fd >= 0 && exchange->out.len < UNSENT_MAX;
        struct pollfd fds[] = {
            {.fd = client->fd, .events = POLLIN},
            {.fd = can_read ? exchange->body_fd : -1, .events = POLLIN},
        };

        if (exchange->out.len > 0) fds[0].events |= POLLOUT;
        if (poll(fds, COUNT_OF(fds), -1) < 0) {
            if (errno == EINTR) continue;
            return broken(exchange, strerror(errno));
        }
        if ((fds[0].revents & (POLLIN | POLLHUP | POLLERR)) != 0 &&
            !receive(exchange)) {
            return false;
        }
        if (!exchange->is_done && (fds[0].revents & POLLOUT) != 0 &&
            !transmit(exchange)) {
            return false;
        }
        if (fds[1].revents != 0 && !read_more_to_send(exchange)) return false;
    }
    return true;
}

// ------------------------------------------------------------- the answer

static enum err_code code_of(struct bytes word)
{
    if (bytes_equal_text(word, "bad_request") ||
        bytes_equal_text(word, "too_large")) {
        return ERR_USAGE;
    }
    if (bytes_equal_text(word, "not_found")) return ERR_NOT_FOUND;
    if (bytes_equal_text(word, "index_damaged") ||
        bytes_equal_text(word, "not_kept")) {
        return ERR_INDEX;
    }
    return ERR_NETWORK;
}

// {"code":"…","message":"…"}; the message is text for a person already.
bool client_read_error(const struct client *client, struct bytes body,
                       struct err *err)
{
    struct json *json = NULL;
    struct bytes code = {0}, message = {0};

    if (json_parse(&json, body, NULL) && json_member(json, "code") != NULL &&
        json_text(json_member(json, "code"), &code) &&
        json_member(json, "message") != NULL &&
        json_text(json_member(json, "message"), &message)) {
        (void)err_set(
            err, code_of(code), "%.*s",
            (int)(message.len < ERR_TEXT_MAX ? message.len : ERR_TEXT_MAX),
            (const char *)message.data);
    } else {
        (void)err_set(err, ERR_NETWORK, "%s: status %u", client->path,
                      client->response.status);
    }
    json_free(json);
    return false;
}

static bool finish(struct exchange *exchange)
{
    struct client *client = exchange->client;
    bool ok = run(exchange);

    if (ok && client->response.status != 200) {
        ok = client_read_error(client, buffer_bytes(&exchange->error),
                               exchange->err);
    }
    if (!ok || !client->response.keep_alive || exchange->out.len > 0) {
        client_disconnect(client);
    }
    buffer_cleanup(&exchange->out);
    buffer_cleanup(&exchange->error);
    return ok;
}

static const char user_agent[] = "sanct-query/" SANCT_VERSION;

bool client_get(struct client *client, struct bytes target, client_sink *sink,
                void *context, struct err *err)
{
    struct exchange exchange = {.client = client,
                                .body_fd = -1,
                                .sink = sink,
                                .context = context,
                                .err = err};

    if (!client_connect(client, err)) return false;
    http_response_reset(&client->response);
    http_write_get(&exchange.out, "localhost", target, user_agent);
    return finish(&exchange);
}

bool client_post(struct client *client, struct bytes target, int body_fd,
                 struct bytes body, client_sink *sink, void *context,
                 struct err *err)
{
    struct exchange exchange = {.client = client,
                                .body_fd = body_fd,
                                .sink = sink,
                                .context = context,
                                .err = err};
    struct buffer *out = &exchange.out;

    if (!client_connect(client, err)) return false;
    http_response_reset(&client->response);
    buffer_append_text(out, "POST ");
    buffer_append(out, target);
    buffer_printf(out,
                  " HTTP/1.1\r\nHost: localhost\r\nUser-Agent: %s\r\n"
                  "Transfer-Encoding: chunked\r\n\r\n",
                  user_agent);
    http_write_chunk(out, body);
    if (body_fd < 0) http_write_chunk_end(out);
    return finish(&exchange);
}
