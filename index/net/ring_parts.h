// ring_parts.h - what stands behind struct ring; for ring.c, which runs it, and
// ring_open.c, which sets it up.

#pragma once

#include <liburing.h>

#include "index/net/ring.h"

// Memory for what is received, lent by the kernel's choice: NUM buffers that
// are with the kernel but while a `done` looks at one.
enum { LEND_NUM = 256, LEND_SIZE = 8 << 10, LEND_GROUP = 1 };

struct ring {
    struct io_uring uring;
    struct ring_op *first; // finished, not yet dispatched
    struct ring_op **last;
    unsigned num_in_flight;
    uint64_t num_syscalls;
    int lost; // errno that ended it
    bool running;

    int wake_fd;
    uint64_t wake_count; // what the wake_fd is read into
    struct ring_op wake;
    ring_woken *woken;
    void *woken_context;

    // Quiet sends that the kernel was given, or soon will be.
    struct ring_op **quiet;
    unsigned num_quiet, quiet_max; // 0: the kernel has none

    struct io_uring_buf_ring *lend; // NULL: the kernel has none
    uint8_t *lent;                  // LEND_NUM of LEND_SIZE
    bool lends;
    struct bytes received; // of the `done` that runs

    ring_fault *fault;
    void *fault_context;
    char description[160];
};

// ring_tear_down ends what ring_open began; nothing may be in flight but of a
// ring that is lost.
void ring_tear_down(struct ring *ring);
