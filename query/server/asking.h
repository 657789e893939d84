// asking.h - one question, or a stream of them, being answered to a client.
//
// It is what stands behind a reply that comes in pieces: the filters, the
// question at hand, the answer as far as it has come.
//
// Lifetime  made by asking_begin, freed by the reply's `drop`.
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

// asking_begin reads the query string and puts the first piece into `reply`.
MUST_USE bool asking_begin(struct reply *reply, enum asking_kind kind,
                           struct bytes query_string, asking_snapshot *snapshot,
                           void *context, struct err *err);

// asking_line appends what is there of the answer to one line; never fails but
// for a broken index, where the line's answer is an error.
void asking_line(struct reply *reply, struct bytes line);
