// fetch.h - GET requests to one log, over a pool of connections.
//
//   request->path = "/ct/v1/get-sth";
//   request->body_max = 65536;
//   request->done = source_on_head;
//   fetch_start(fetch, request);
//
// A request that could not be answered says so in `err` and `fault`; any status
// that came whole is an answer.  Redirects are not followed.  A kept connection
// that closes before the first byte of an answer is replaced once, unseen.
//
// Lifetime  the fetch owns a request from fetch_start until `done`, its path
//           too; `done` may start it again or free it.  The body is the
//           caller's from then on.
// Order     `done` runs only inside ring_run().  Requests start in the order
//           they came and end in any.
// Thread    the one of the ring; a fetch_shared serves all threads.
// Limit     `connections_max` requests under way, any number waiting;
//           `body_max` bytes of body.  A log that sends less than 1 KiB within
//           the idle timeout has stalled.

#pragma once

#include "index/base/buffer.h"
#include "index/base/err.h"
#include "index/net/ring.h"
#include "ingest/fetch/host.h"
#include "ingest/fetch/resolve.h"

struct fetch;        // opaque
struct fetch_shared; // opaque
struct fetch_request;
typedef void fetch_done(struct fetch_request *request);
typedef void fetch_closed(void *context);

enum {
    FETCH_CONNECT_TIMEOUT_MS = 15 * 1000, // for each address; TLS the same
    FETCH_IDLE_TIMEOUT_MS = 30 * 1000,
    FETCH_TOTAL_TIMEOUT_MS = 10 * 60 * 1000,
    // Connections are renewed before a server tires of them: nginx ends one
    // after 1,000 requests, many balancers after 60 s without one.
    FETCH_ANSWERS_MAX = 900,
    FETCH_AGE_MAX_MS = 10 * 60 * 1000,
    FETCH_FREE_MAX_MS = 50 * 1000,
    FETCH_LOCATION_MAX = 512,
    FETCH_CONTENT_TYPE_MAX = 96,
};

enum fetch_fault {
    FETCH_ANSWERED,  // there is a status, and the body is whole
    FETCH_RESOLVE,   // the host has no address
    FETCH_CONNECT,   // no address took the connection
    FETCH_TLS,       // handshake, certificate, alert
    FETCH_TIMEOUT,   // nothing came for too long, or not all in time
    FETCH_CLOSED,    // the connection broke, the body is truncated
    FETCH_HTTP,      // what came is no HTTP that can be read
    FETCH_TOO_LARGE, // a 2xx body is over `body_max` (others are cut)
    FETCH_MEMORY,    // none left here
    FETCH_CANCELED,  // fetch_cancel, fetch_close
};

struct fetch_request {
    // Set by the caller; the rest {0}.
    const char *path;          // begins with "/"; follows the URL's own path
    size_t body_max;           // bytes as they come, before any inflating
    uint64_t total_timeout_ms; // 0: FETCH_TOTAL_TIMEOUT_MS
    bool fresh;                // over a connection of its own, opened for it
    fetch_done *done;
    void *context; // the caller's

    // The result.
    enum fetch_fault fault;
    struct err err;          // when not FETCH_ANSWERED: ERR_NETWORK, ERR_MEMORY
    unsigned status;         // 0 when there is none
    struct buffer body;      // as sent: gzip begins with 1f 8b; room that it
                             // has before is used
    bool has_retry_after;    // and it could be read
    uint64_t retry_after_ms; // from now on, as the log said it: not clamped
    char location[FETCH_LOCATION_MAX];         // escaped
    char content_type[FETCH_CONTENT_TYPE_MAX]; // escaped
    bool is_gzip;                              // Content-Encoding says so

    // The fetch's own.
    struct fetch_request *next;
    unsigned num_tries;
    bool is_busy;
    bool is_canceled;
};

struct fetch_shared_options {
    const char *contact;  // for the User-Agent; NULL: none
    const char *ca_file;  // NULL: $SSL_CERT_FILE, else the system's
    bool tls_skip;        // take any certificate
    const char *proxy;    // NULL: $HTTPS_PROXY; "": none
    resolve_ask *resolve; // NULL: the system's
};

struct fetch_options {
    const char *url; // http[s]://host[:port][/path]; a "/" at its end is cut
    const char *const *binds; // source addresses, used by turn
    size_t num_binds;         // 0: any
    unsigned connections_max;
    uint64_t connect_timeout_ms; // each 0: as above
    uint64_t idle_timeout_ms;
    unsigned answers_max; // of a kept connection: answers, age, unused time
    uint64_t age_max_ms;
    uint64_t free_max_ms;
};

// fetch_shared_open makes what all fetches of a process share: trust anchors,
// the resolver's thread, the User-Agent.
MUST_USE bool fetch_shared_open(struct fetch_shared **shared,
                                const struct fetch_shared_options *options,
                                struct err *err);

// fetch_shared_close frees it, after every fetch.
void fetch_shared_close(struct fetch_shared *shared);

// fetch_open makes a pool for one origin on `ring`; nothing is connected yet.
// ERR_USAGE when the URL or the address cannot be.
MUST_USE bool fetch_open(struct fetch **fetch, struct ring *ring,
                         struct fetch_shared *shared,
                         const struct fetch_options *options, struct err *err);

// fetch_close cancels every request, and frees the fetch when the ring has
// given all back: run the ring until `closed` (may be NULL) is called.
void fetch_close(struct fetch *fetch, fetch_closed *closed, void *context);

// fetch_start queues a request.
void fetch_start(struct fetch *fetch, struct fetch_request *request);

// fetch_cancel ends a request early: `done` comes, with FETCH_CANCELED unless
// the answer was faster.  Nothing happens to one that is not under way.
void fetch_cancel(struct fetch *fetch, struct fetch_request *request);

// fetch_drop_idle closes kept connections that no request uses.
void fetch_drop_idle(struct fetch *fetch);

// fetch_host is what the log shares with others on its host.
struct host *fetch_host(const struct fetch *fetch);

// fetch_bytes_received counts what sockets gave, TLS and heads included.
uint64_t fetch_bytes_received(const struct fetch *fetch);
