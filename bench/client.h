// client.h - what the benchmarks of the server ask with: plain sockets, one
// thread.
//
// Result    what fails ends the program (die).

#pragma once

#include <sys/types.h>

#include "index/base/buffer.h"
#include "index/net/http.h"

struct client {
    int fd;
    struct http_response response;
    bool in_body;
};

// client_connect gives a socket, once there is a server.
int client_connect(const char *path);

void client_open(struct client *client, const char *path);
void client_close(struct client *client);

// client_get asks for a target, client_ask for the whole answer about a name.
void client_get(struct client *client, const char *target);
void client_ask(struct client *client, struct bytes name);

// client_take takes what has come, the body into `body` where it is not NULL;
// true when the response is whole.  client_wait takes all of it.
bool client_take(struct client *client, struct buffer *body);
void client_wait(struct client *client, struct buffer *body);

// client_send_all sends.
void client_send_all(int fd, struct bytes bytes);

// client_target appends the target that client_ask asks for.
void client_target(struct buffer *out, struct bytes name);

// client_start_server starts BUILD's sanctd over an index, with one thread.
pid_t client_start_server(const char *build, const char *index,
                          const char *path);
