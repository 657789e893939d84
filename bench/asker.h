// asker.h - what the benchmarks of the server ask with: plain sockets, one
// thread.
//
// Result    what fails ends the program (die).

#pragma once

#include <sys/types.h>

#include "index/base/buffer.h"
#include "index/net/http.h"

struct asker {
    int fd;
    struct http_response response;
    bool in_body;
};

// asker_connect gives a socket, once there is a server.
int asker_connect(const char *path);

void asker_open(struct asker *asker, const char *path);
void asker_close(struct asker *asker);

// asker_get asks for a target, asker_ask for the whole answer about a name.
void asker_get(struct asker *asker, const char *target);
void asker_ask(struct asker *asker, struct bytes name);

// asker_take takes what has come, the body into `body` where it is not NULL;
// true when the response is whole.  asker_wait takes all of it.
bool asker_take(struct asker *asker, struct buffer *body);
void asker_wait(struct asker *asker, struct buffer *body);

// asker_send_all sends.
void asker_send_all(int fd, struct bytes bytes);

// asker_target appends the target that asker_ask asks for.
void asker_target(struct buffer *out, struct bytes name);

// asker_start_server starts BUILD's sanctd over an index, with one thread, and
// with --busy-poll if it is to wait awake.
pid_t asker_start_server(const char *build, const char *index, const char *path,
                         bool awake);
