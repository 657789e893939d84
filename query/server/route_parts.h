// route_parts.h - what the endpoints share; for route.c and those it calls.

#pragma once

#include "query/answer.h"
#include "query/server/asking.h"
#include "query/server/clock.h"
#include "query/server/route.h"

struct route {
    struct index *index;
    struct snapshot *snapshot; // NULL before the first question
    bool is_parked;
    bool is_whole;          // coverage at `whole_second`, of this snapshot
    uint64_t whole_second;  // 0: not looked at
    uint64_t moment;        // what route_moment said last, in this second:
    uint64_t moment_second; // 0 when the index has changed since
    const struct metrics *all_metrics;
    struct cold *cold;
    struct asking_source source;
    struct enquiry *enquiry; // let go by the command before, for the next
    uint64_t num_faults;     // lmdb_num_faults when the snapshot was last sound
};

// enquiry_free frees what a route keeps for commands; NULL is fine.
struct enquiry;
void enquiry_free(struct enquiry *enquiry);

// A request as the endpoints see it.
struct request {
    const struct http_request *http;
    struct bytes path; // what follows the endpoint's own path
    struct bytes query;
};

// An endpoint fills the reply; false: it becomes the error that `err` is.
typedef bool endpoint(struct route *route, const struct request *request,
                      struct reply *reply, struct err *err);

// route_snapshot gives the newest moment of the index, the same until
// route_idle; an asking_snapshot.
MUST_USE bool route_snapshot(void *route, struct snapshot **out,
                             struct err *err);

// route_coverage tells whether every log is complete and fresh.
MUST_USE bool route_coverage(struct route *route, bool *is_whole,
                             struct err *err);

// route_add_coverage adds it as a header line.
MUST_USE bool route_add_coverage(struct route *route, struct reply *reply,
                                 struct err *err);

// route_find_certificate appends the bytes of a certificate; ERR_NOT_FOUND, or
// ERR_UNSUPPORTED where they are not kept.
MUST_USE bool route_find_certificate(struct route *route,
                                     const struct sha256_hash *hash,
                                     bool as_pem, struct buffer *out,
                                     struct err *err);

// The endpoints of endpoint_*.c.
endpoint endpoint_cert, endpoint_logs, endpoint_stat, endpoint_health,
    endpoint_metrics, endpoint_crtsh, endpoint_crtsh_json, endpoint_sslmate,
    endpoint_proof;
