// fetching.h - a fetch, a ring and a peer, for tests of whole requests.

#pragma once

#include "ingest/fetch/fetch.h"
#include "tests/support/check.h"
#include "tests/support/peer.h"

#define LOCAL "DNS:localhost,IP:127.0.0.1"

#define OK "HTTP/1.1 200 OK\r\n"
#define CHUNKED "Transfer-Encoding: chunked\r\n"

struct world {
    struct ring *ring;
    struct fetch_shared *shared;
    struct fetch *fetch;
    struct peer *peer;
    bool is_closed;
};

struct ask {
    struct fetch_request request;
    int num_done;
};

// open_world_to opens a fetch for a URL; open_world a peer, and a fetch that
// asks it.
void open_world_to(struct world *world, const char *url,
                   const struct fetch_shared_options *shared,
                   struct fetch_options options);
void open_world(struct world *world, const struct peer_options *peer,
                struct fetch_options options);

// close_world closes all, and gives back how many connections the peer had.
unsigned close_world(struct world *world);

// start begins a request; wait_for waits until it has ended once more, and
// run_once runs the ring once.
void start(struct world *world, struct ask *ask, const char *path);
void wait_for(struct world *world, struct ask *ask);
void ask_and_wait(struct world *world, struct ask *ask, const char *path);
void run_once(struct world *world);

// check_answer checks that it was answered so.
void check_answer(const struct ask *ask, unsigned status, const char *body);

// Says what its context holds, then ends as the first letter says: k stays, c
// closes, r resets, x cuts TLS off, s stalls.
struct script {
    const char *says;
    char then;
};
peer_serve serve_script;

// Answers with the request's own head, as often as the context says (an int),
// then closes without waiting.
peer_serve serve_echo;
