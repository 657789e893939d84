// requests.h - questions to a server, many under way on one connection.
//
//   requests_send ... requests_send        go out as the socket takes them
//   requests_read ... until `*end`         the answer to the oldest
//
// Lifetime  valid after requests_open; requests_close() it.  A part is good
//           until the next call.
// Order     answers come in the order of the questions.  Reading also sends
//           what could not be sent yet, so neither side waits for the other
//           for ever.
// Result    as client.h.  After ERR_NETWORK everything under way is lost and
//           the next requests_send connects anew: another generation.
// Limit     REQUESTS_MAX under way.

#pragma once

#include "query/client.h"

enum { REQUESTS_MAX = 4096 };

struct requests {
    struct client client;
    struct buffer out; // not sent yet
    struct buffer error;
    size_t taken; // of client.in, by the part given last
    bool has_head;
    uint64_t generation;          // of the connection
    uint64_t num_sent, num_ended; // on it: requests, answers read
};

// requests_open makes ready; nothing is connected before the first request.
void requests_open(struct requests *requests, const char *path);

// requests_close closes the connection and frees what it holds.
void requests_close(struct requests *requests);

// requests_lose closes the connection, and with it what is under way.
void requests_lose(struct requests *requests);

// requests_send asks for a target; it does not wait.
MUST_USE bool requests_send(struct requests *requests, struct bytes target,
                            struct err *err);

// requests_read gives the next part of the oldest answer, or `*end`.  An answer
// that is an error is false with its sentence, and has ended.
MUST_USE bool requests_read(struct requests *requests, struct bytes *part,
                            bool *end, struct err *err);
