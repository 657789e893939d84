// dial.h - a socket that is connected to the first of a host's addresses that
// answers (RFC 8305, "Happy Eyeballs").
//
//   addresses in order, the next one 250 ms after the one before, or at once
//   when that has failed; the first that connects wins, the others are closed
//
// Lifetime  the dial owns its operations until dial_is_busy is false, also
//           after `done`; `idle` says when that comes.
// Order     `done` and `idle` come only inside ring_run; `idle` may come more
//           than once, and not before `done` unless the dial was canceled.
// Thread    the one of the ring.
// Limit     each address has `timeout_ms`.

#pragma once

#include "index/net/ring.h"
#include "ingest/fetch/addresses.h"

// RFC 8305 section 5 recommends 250 ms.
enum { DIAL_STAGGER_MS = 250 };

struct dial;

// Source addresses that sockets are bound to, by turn; none: any.
struct dial_binds {
    struct resolve_address *list;
    size_t num;
    size_t next;
};

struct dial_options {
    struct ring *ring;
    struct addresses *addresses; // learns what came of each
    struct dial_binds *binds;
    uint64_t timeout_ms;
    // A socket, `index` its address in `to`; or -1, then `error` is what the
    // last one said, 0 when there was no address at all.
    void (*done)(struct dial *dial, int fd, size_t index, int error);
    void (*idle)(struct dial *dial);
};

struct dial_attempt {
    struct ring_op op;
    struct dial *dial;
    size_t index; // of the address
    int fd;
    uint64_t deadline_ms;
    bool timed_out;
};

// Valid as {0}.
struct dial {
    struct dial_options options;
    struct resolve_addresses to; // the kernel reads them while it connects
    size_t order[RESOLVE_ADDRESSES_MAX];
    size_t num_order, num_begun;
    struct dial_attempt attempts[RESOLVE_ADDRESSES_MAX];
    struct ring_op timer;
    uint64_t next_ms;   // when the next address is tried
    bool is_over;       // `done` was called, or nobody wants it any more
    int error;          // of the last that failed
    size_t error_index; // and which that was
};

// dial_start begins; with no address that can be, `done` comes all the same.
void dial_start(struct dial *dial, const struct dial_options *options);

// dial_cancel ends it without `done`.
void dial_cancel(struct dial *dial);

// dial_is_busy tells whether operations are in flight.
bool dial_is_busy(const struct dial *dial);
