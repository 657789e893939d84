// ring.h - the only door to io_uring.
//
// A ring carries operations between one thread and the kernel.  An operation
// lives inside whatever waits for it, and comes back exactly once:
//
//   ring_recv(ring, &conn->recv, conn->fd, buf, len, conn_on_recv);
//
// Nothing here is io_uring's own: the same header fits over epoll.
//
// Lifetime  the ring owns `op` and everything it points to from the call until
//           `done`; `done` may free them or start them again.  Closing a
//           descriptor ends nothing: cancel, and wait for `done`.
// Order     `done` runs only inside ring_run(), never inside a submit.  All
//           completions at hand are collected before the first `done`.
// Result    bytes moved (0: the other side has closed), a descriptor, or a
//           negative errno; -ECANCELED after ring_cancel(), unless the
//           operation was faster.  Short sends and reads are normal.
// Thread    the one that opened the ring, for every call but ring_wake().
// Limit     `depth` operations at a time fill the queue without a system call;
//           more are taken, at the price of one.

#pragma once

#include <sys/socket.h>

#include "index/base/err.h"

struct ring; // opaque
struct ring_op;
typedef void ring_done(struct ring_op *op, int result);
typedef void ring_woken(void *context);

// Stands between the kernel and `done` where a test wants another result.
typedef int ring_fault(void *context, const struct ring_op *op, int result);

enum { RING_DEPTH = 1024, RING_DEPTH_MIN = 64 };

enum ring_kind {
    RING_POST,
    RING_RECV,
    RING_SEND,
    RING_CONNECT,
    RING_ACCEPT,
    RING_TIMEOUT,
    RING_READ,
    RING_RECEIVE,
    RING_SEND_QUIETLY,
};

// Valid as {0}; nothing in it is for the caller but ring_busy().
struct ring_op {
    ring_done *done;      // NULL while it is idle
    struct ring_op *next; // in the queue of finished operations
    union {
        long long time[2]; // seconds and nanoseconds of a timeout
        struct {
            const uint8_t *data;
            unsigned len;
            int fd;
        } at; // of RING_RECEIVE and RING_SEND_QUIETLY
    };
    int result;
    enum ring_kind kind;
    unsigned lent; // one more than the number of the buffer; 0: none
    bool told;     // RING_SEND_QUIETLY: the kernel said how it ended
};

// RING_OWNER gives the struct of `type` whose member `member` is `op`.
#define RING_OWNER(op, type, member)                                           \
    ((type *)(void *)((char *)(op)-offsetof(type, member)))

// ring_open opens a ring for the calling thread; where the kernel forbids
// io_uring the sentence names errno, the sysctl, seccomp and what helps.
MUST_USE bool ring_open(struct ring **ring, unsigned depth, struct err *err);

// ring_close closes it; no operation may be in flight.
void ring_close(struct ring *ring);

// ring_run submits what was asked, collects what is finished and calls `done`
// for each.  With `wait` it sleeps until something is finished, a signal
// arrives or the ring is woken.  False: the ring is lost (FAULTS.md section 5).
MUST_USE bool ring_run(struct ring *ring, bool wait, struct err *err);

// ring_wake ends a ring_run that waits, from any thread or signal handler; many
// wakes may become one.
void ring_wake(struct ring *ring);

// ring_on_wake has `woken` called inside ring_run after ring_wake().
void ring_on_wake(struct ring *ring, ring_woken *woken, void *context);

// ring_post comes back with `result` at the next ring_run, without the kernel.
void ring_post(struct ring *ring, struct ring_op *op, int result,
               ring_done *done);

// ring_recv asks for up to `len` bytes from socket `fd` into `buf`.
void ring_recv(struct ring *ring, struct ring_op *op, int fd, uint8_t *buf,
               size_t len, ring_done *done);

// ring_send offers `bytes` to socket `fd`; never a SIGPIPE.
void ring_send(struct ring *ring, struct ring_op *op, int fd,
               struct bytes bytes, ring_done *done);

// ring_receive is ring_recv into memory that the ring lends: what waits holds
// none.  While its `done` runs ring_received is what came, and no longer.
void ring_receive(struct ring *ring, struct ring_op *op, int fd,
                  ring_done *done);
struct bytes ring_received(const struct ring *ring);

// ring_send_quietly is ring_send for what nobody waits for: it ends no run that
// waits, and `done` comes with the next that ends.  One system call then sends
// and waits for what the other side says to it.
void ring_send_quietly(struct ring *ring, struct ring_op *op, int fd,
                       struct bytes bytes, ring_done *done);

// ring_connect connects socket `fd`; `address` stays until `done`.
void ring_connect(struct ring *ring, struct ring_op *op, int fd,
                  const struct sockaddr *address, socklen_t len,
                  ring_done *done);

// ring_accept takes one connection from listener `fd`: a descriptor with
// CLOEXEC.  After -EMFILE the connection is still there: wait before asking.
void ring_accept(struct ring *ring, struct ring_op *op, int fd,
                 ring_done *done);

// ring_timeout comes back with 0 after `ms` milliseconds of the monotonic
// clock.
void ring_timeout(struct ring *ring, struct ring_op *op, uint64_t ms,
                  ring_done *done);

// ring_read reads up to `len` bytes of file `fd` at `offset`; of what has no
// offset (eventfd, pipe) with offset -1.
void ring_read(struct ring *ring, struct ring_op *op, int fd, uint8_t *buf,
               size_t len, int64_t offset, ring_done *done);

// ring_cancel asks that `op` end early; it still comes back, once.  Nothing
// happens when it is idle.
void ring_cancel(struct ring *ring, struct ring_op *op);

// ring_now_ms reads the monotonic clock that ring_timeout counts by.
uint64_t ring_now_ms(void);

// ring_num_in_flight counts operations that have not come back.
unsigned ring_num_in_flight(const struct ring *ring);

// ring_num_syscalls counts the system calls this ring has made.
uint64_t ring_num_syscalls(const struct ring *ring);

// ring_describe says in a few words what the kernel gave.
const char *ring_describe(const struct ring *ring);

// ring_set_fault puts `fault` in front of every `done`; NULL takes it away.
void ring_set_fault(struct ring *ring, ring_fault *fault, void *context);

// ring_forgo has it do without what kernels before 5.19 have not; for tests,
// before the first operation.
void ring_forgo(struct ring *ring);

// ring_busy tells whether `op` is in flight.
static inline bool ring_busy(const struct ring_op *op)
{
    return op->done != NULL;
}
