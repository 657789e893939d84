// asking.h - one question, or a stream of them, being answered to a client.
//
// It is what stands behind a reply that comes in pieces: the filters, the
// question at hand, the answer as far as it has come.
//
// Lifetime  made by asking_begin, let go by the reply's `drop`: one is kept in
//           `spare`, for the next, until asking_free.
// Order     between two pieces it holds nothing of a snapshot.
// Result    errors are the answer's; ERR_USAGE becomes a 400.

#pragma once

#include "index/index.h"
#include "query/server/reply.h"

// Where pieces get their snapshot: one that is open now.
typedef bool asking_snapshot(void *context, struct snapshot **out,
                             struct err *err);

enum asking_kind {
    ASKING_ANSWER, // GET /v1/certs
    ASKING_COUNT,  // GET /v1/count
    ASKING_LINES,  // POST /v1/certs: questions come by asking_line
};

struct asking;

// What questions are asked from: a thread's.
struct asking_source {
    asking_snapshot *snapshot;
    void *context;
    struct asking *spare;
};

// asking_begin reads the query string and puts the first piece into `reply`;
// the source outlives it.
MUST_USE bool asking_begin(struct reply *reply, enum asking_kind kind,
                           struct bytes query_string,
                           struct asking_source *source, struct err *err);

// asking_free frees what was kept; NULL is fine.
void asking_free(struct asking *spare);

// asking_line appends what is there of the answer to one line; never fails but
// for a broken index, where the line's answer is an error.
void asking_line(struct reply *reply, struct bytes line);
