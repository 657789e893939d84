// requests.c - see requests.h.

#include "query/requests.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ_LEN = 64 * 1024, ERROR_BODY_MAX = 64 * 1024 };

static const char user_agent[] = "libsanct/" SANCT_VERSION;

void requests_open(struct requests *requests, const char *path)
{
    *requests = (struct requests){0};
    client_open(&requests->client, path);
}

void requests_lose(struct requests *requests)
{
    client_disconnect(&requests->client);
    buffer_reset(&requests->out);
    buffer_reset(&requests->error);
    requests->taken = 0;
    requests->has_head = false;
    requests->num_sent = 0;
    requests->num_ended = 0;
    requests->generation++;
}

void requests_close(struct requests *requests)
{
    client_close(&requests->client);
    buffer_cleanup(&requests->out);
    buffer_cleanup(&requests->error);
}

static uint64_t num_waiting(const struct requests *requests)
{
    return requests->num_sent - requests->num_ended;
}

static bool broken(struct requests *requests, const char *why, struct err *err)
{
    requests_lose(requests);
    return err_set(err, ERR_NETWORK, "%s: %s", requests->client.path, why);
}

static bool transmit(struct requests *requests, struct err *err)
{
    while (requests->out.len > 0) {
        ssize_t len = send(requests->client.fd, requests->out.data,
                           requests->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (len >= 0) {
            buffer_consume(&requests->out, (size_t)len);
        } else if (errno == EAGAIN) {
            break;
        } else if (errno == EPIPE || errno == ECONNRESET) {
            buffer_reset(&requests->out); // what it has answered is still read
        } else if (errno != EINTR) {
            return broken(requests, strerror(errno), err);
        }
    }
    return true;
}

// Whether a server that nothing is expected from has gone meanwhile.
static bool is_stale(const struct requests *requests)
{
    char byte;

    return requests->client.is_open && num_waiting(requests) == 0 &&
           recv(requests->client.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

bool requests_send(struct requests *requests, struct bytes target,
                   struct err *err)
{
    if (num_waiting(requests) == REQUESTS_MAX) {
        return err_set(err, ERR_USAGE,
                       "%d questions are under way; read their answers first",
                       REQUESTS_MAX);
    }
    if (is_stale(requests)) requests_lose(requests);
    if (!client_connect(&requests->client, err)) return false;
    if (num_waiting(requests) == 0) {
        http_response_reset(&requests->client.response);
    }
    http_write_get(&requests->out, "localhost", target, user_agent);
    if (!buffer_ok(&requests->out)) {
        requests_lose(requests);
        return err_set(err, ERR_MEMORY, "a request: no memory");
    }
    requests->num_sent++;
    return transmit(requests, err);
}

// Waits until there is more to read.
static bool receive(struct requests *requests, struct err *err)
{
    struct client *client = &requests->client;
    struct pollfd fd = {.fd = client->fd, .events = POLLIN};
    ssize_t len;

    if (requests->out.len > 0) fd.events |= POLLOUT;
    if (poll(&fd, 1, -1) < 0) {
        return errno == EINTR || broken(requests, strerror(errno), err);
    }
    if ((fd.revents & POLLOUT) != 0 && !transmit(requests, err)) return false;
    if ((fd.revents & (POLLIN | POLLHUP | POLLERR)) == 0) return true;
    if (!buffer_reserve(&client->in, READ_LEN)) {
        requests_lose(requests);
        return err_set(err, ERR_MEMORY, "the answer: no memory");
    }
    len = read(client->fd, client->in.data + client->in.len, READ_LEN);
    if (len < 0) {
        return errno == EINTR || errno == EAGAIN ||
               broken(requests, strerror(errno), err);
    }
    // Answers have a length or chunks: none of them ends with the connection.
    if (len == 0) return broken(requests, "the answer breaks off", err);
    client->in.len += (size_t)len;
    return true;
}

static bool end_answer(struct requests *requests, struct err *err)
{
    struct client *client = &requests->client;
    bool is_error = client->response.status != 200;

    if (is_error) {
        (void)client_read_error(client, buffer_bytes(&requests->error), err);
    }
    buffer_reset(&requests->error);
    requests->has_head = false;
    requests->num_ended++;
    if (!client->response.keep_alive) {
        requests_lose(requests);
    } else {
        http_response_reset(&client->response);
    }
    return !is_error;
}

static void consume(struct requests *requests)
{
    buffer_consume(&requests->client.in, requests->taken);
    requests->taken = 0;
}

static enum http_progress read_head(struct requests *requests, struct err *err)
{
    struct client *client = &requests->client;
    struct bytes in = buffer_bytes(&client->in);
    enum http_progress progress =
        http_response_head(&client->response, &in, err);

    buffer_consume(&client->in, client->in.len - in.len);
    requests->has_head = progress == HTTP_PART || progress == HTTP_END;
    return progress;
}

// The next part of a body; those of an error are kept for its sentence.
static enum http_progress read_body(struct requests *requests,
                                    struct bytes *part, struct err *err)
{
    struct client *client = &requests->client;

    for (;;) {
        struct bytes in = buffer_bytes(&client->in);
        enum http_progress progress =
            http_body_read(&client->response.body, &in, part, err);

        requests->taken = client->in.len - in.len;
        if (progress != HTTP_PART || client->response.status == 200) {
            return progress;
        }
        if (requests->error.len + part->len <= ERROR_BODY_MAX) {
            buffer_append(&requests->error, *part);
        }
        consume(requests);
    }
}

bool requests_read(struct requests *requests, struct bytes *part, bool *end,
                   struct err *err)
{
    *part = (struct bytes){0};
    *end = false;
    if (num_waiting(requests) == 0) {
        return err_set(err, ERR_NETWORK, "%s: the connection was lost",
                       requests->client.path);
    }
    consume(requests);
    for (;;) {
        enum http_progress progress = HTTP_PART;

        if (!requests->has_head) progress = read_head(requests, err);
        if (requests->has_head) progress = read_body(requests, part, err);
        switch (progress) {
        case HTTP_PART:
            return true;
        case HTTP_END:
            consume(requests);
            *part = (struct bytes){0};
            *end = true;
            return end_answer(requests, err);
        case HTTP_MORE:
            consume(requests);
            if (!receive(requests, err)) return false;
            break;
        case HTTP_BROKEN:
            return broken(requests, "the answer is no HTTP", err);
        }
    }
}
