// client.h - sanct-query as a client of sanctd: blocking HTTP/1.1 over its
// Unix socket (API.md section 1).
//
// Lifetime  valid as {0}; client_close() it.
// Result    an error's JSON becomes its sentence: bad_request is ERR_USAGE,
//           not_found ERR_NOT_FOUND, index_damaged and not_kept ERR_INDEX;
//           a server that is not there or speaks otherwise is ERR_NETWORK.
// Thread    one at a time.

#pragma once

#include "index/base/buffer.h"
#include "index/base/err.h"
#include "index/net/http.h"

struct client {
    const char *path; // of the socket
    int fd;
    bool is_open;
    struct http_response response;
    struct buffer in; // what was read and not yet taken
};

// A sink takes the parts of a body as they come.
typedef bool client_sink(void *context, struct bytes part, struct err *err);

// client_open makes ready; nothing is connected before the first request.
void client_open(struct client *client, const char *path);

// client_close closes the connection and frees what it holds.
void client_close(struct client *client);

// client_connect connects unless it is connected; the two calls below do so by
// themselves.  client_disconnect closes the connection alone.
MUST_USE bool client_connect(struct client *client, struct err *err);
void client_disconnect(struct client *client);

// client_read_error makes a sentence of the body of an answer that is an error;
// false.
bool client_read_error(const struct client *client, struct bytes body,
                       struct err *err);

// client_get asks for a target and gives the body to `sink`.
MUST_USE bool client_get(struct client *client, struct bytes target,
                         client_sink *sink, void *context, struct err *err);

// client_post sends `body`, or when `body_fd` is not negative what comes out of
// that, and gives the answer to `sink` while it is still sending.
MUST_USE bool client_post(struct client *client, struct bytes target,
                          int body_fd, struct bytes body, client_sink *sink,
                          void *context, struct err *err);
