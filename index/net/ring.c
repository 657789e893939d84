// ring.c - see ring.h.  The happy path of an operation:
//
//   ring_recv       fills a submission; the queue goes to the kernel when it is
//                   full, else with the next ring_run
//   ring_run        one system call submits, waits and lets the kernel finish
//   collect         moves completions into a list of operations
//   dispatch        takes that list and calls each `done`
//
// How it fails: the queue is full (submit, try again), a signal arrives (the
// run ends early), completions overflow (the kernel keeps them: collect until
// it has none), memory is short (wait a little, try again), a completion was
// lost (the ring is lost).

#include "index/net/ring_parts.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum {
    BUSY_TRIES_MAX = 500, // of BUSY_WAIT_NS each, before a ring counts as lost
    BUSY_WAIT_NS = 2000000,
};

// ---------------------------------------------------------------- collecting

static void finish(struct ring *ring, struct ring_op *op, int result)
{
    op->result = result;
    op->next = NULL;
    *ring->last = op;
    ring->last = &op->next;
}

static void collect_ready(struct ring *ring)
{
    struct io_uring_cqe *cqe;
    unsigned head, num = 0;

    io_uring_for_each_cqe(&ring->uring, head, cqe)
    {
        struct ring_op *op = io_uring_cqe_get_data(cqe);

        num++;
        if (op == NULL) continue; // of a cancel
        op->told = true;
        if ((cqe->flags & IORING_CQE_F_BUFFER) != 0) {
            op->lent = (cqe->flags >> IORING_CQE_BUFFER_SHIFT) + 1;
        }
        finish(ring, op, cqe->res);
    }
    io_uring_cq_advance(&ring->uring, num);
}

// Moves every completion at hand into the list; what overflowed too.
static void collect(struct ring *ring)
{
    collect_ready(ring);
    while (io_uring_cq_has_overflow(&ring->uring)) {
        ring->num_syscalls++;
        if (io_uring_get_events(&ring->uring) < 0 &&
            io_uring_cq_ready(&ring->uring) == 0) {
            break; // asked again by the next run
        }
        collect_ready(ring);
    }
    if (*ring->uring.cq.koverflow != 0) ring->lost = EBADR;
}

// Quiet sends that the kernel took and said nothing of went out whole: it says
// what failed before io_uring_enter returns.  They come first, as they ended.
static void settle_quiet(struct ring *ring)
{
    bool all_taken = io_uring_sq_ready(&ring->uring) == 0 &&
                     !io_uring_cq_has_overflow(&ring->uring);
    struct ring_op *first = NULL, **last = &first;
    unsigned num = 0;

    for (unsigned i = 0; i < ring->num_quiet; i++) {
        struct ring_op *op = ring->quiet[i];

        if (op->told) continue;
        if (!all_taken) {
            ring->quiet[num++] = op;
            continue;
        }
        op->result = (int)op->at.len;
        *last = op;
        last = &op->next;
    }
    ring->num_quiet = num;
    if (first == NULL) return;
    *last = ring->first;
    if (ring->first == NULL) ring->last = last;
    ring->first = first;
}

static int enter(struct ring *ring, unsigned wait_num)
{
    ring->num_syscalls++;
    return wait_num > 0 ? io_uring_submit_and_wait(&ring->uring, wait_num)
                        : io_uring_submit_and_get_events(&ring->uring);
}

// Whether an errno of io_uring_enter goes by itself.
static bool is_passing(int error)
{
    return error == EINTR || error == EAGAIN || error == EBUSY ||
           error == ENOMEM;
}

static void wait_a_little(void)
{
    struct timespec time = {.tv_nsec = BUSY_WAIT_NS};

    (void)nanosleep(&time, NULL);
}

// ---------------------------------------------------------------- submitting

// Gives a place in the queue; NULL only when the ring is lost.
static struct io_uring_sqe *take_place(struct ring *ring)
{
    for (int tries = 0; tries < BUSY_TRIES_MAX && ring->lost == 0; tries++) {
        struct io_uring_sqe *sqe = io_uring_get_sqe(&ring->uring);
        int result;

        if (sqe != NULL) return sqe;
        ring->num_syscalls++;
        result = io_uring_submit(&ring->uring);
        if (result >= 0) continue;
        if (!is_passing(-result)) {
            ring->lost = -result;
        } else {
            collect(ring); // EBUSY: the kernel keeps too many for us
            wait_a_little();
        }
    }
    if (ring->lost == 0) ring->lost = EBUSY;
    return NULL;
}

// Takes `op` and a place for it; on NULL it comes back with an error.
static struct io_uring_sqe *begin(struct ring *ring, struct ring_op *op,
                                  enum ring_kind kind, ring_done *done)
{
    struct io_uring_sqe *sqe;

    assert(!ring_busy(op));
    op->done = done;
    op->kind = kind;
    op->result = 0;
    op->lent = 0;
    op->told = false;
    ring->num_in_flight++;
    sqe = take_place(ring);
    if (sqe == NULL) finish(ring, op, -ring->lost);
    return sqe;
}

static unsigned clamp_len(size_t len)
{
    return len > INT32_MAX ? INT32_MAX : (unsigned)len;
}

void ring_post(struct ring *ring, struct ring_op *op, int result,
               ring_done *done)
{
    assert(!ring_busy(op));
    op->done = done;
    op->kind = RING_POST;
    ring->num_in_flight++;
    finish(ring, op, result);
}

void ring_recv(struct ring *ring, struct ring_op *op, int fd, uint8_t *buf,
               size_t len, ring_done *done)
{
    struct io_uring_sqe *sqe = begin(ring, op, RING_RECV, done);

    if (sqe == NULL) return;
    io_uring_prep_recv(sqe, fd, buf, clamp_len(len), 0);
    io_uring_sqe_set_data(sqe, op);
}

void ring_send(struct ring *ring, struct ring_op *op, int fd,
               struct bytes bytes, ring_done *done)
{
    struct io_uring_sqe *sqe = begin(ring, op, RING_SEND, done);

    if (sqe == NULL) return;
    io_uring_prep_send(sqe, fd, bytes.data, clamp_len(bytes.len), MSG_NOSIGNAL);
    io_uring_sqe_set_data(sqe, op);
}

static void submit_receive(struct io_uring_sqe *sqe, struct ring_op *op)
{
    bool is_lent = op->at.data == NULL;

    io_uring_prep_recv(sqe, op->at.fd, (void *)(uintptr_t)op->at.data,
                       LEND_SIZE, 0);
    if (is_lent) {
        // Most often the other side has yet to speak: 0.3 us less.
        sqe->ioprio = IORING_RECVSEND_POLL_FIRST;
        sqe->flags |= IOSQE_BUFFER_SELECT;
        sqe->buf_group = LEND_GROUP;
    }
    io_uring_sqe_set_data(sqe, op);
}

void ring_receive(struct ring *ring, struct ring_op *op, int fd,
                  ring_done *done)
{
    uint8_t *memory = ring->lends ? NULL : malloc(LEND_SIZE);
    struct io_uring_sqe *sqe;

    if (!ring->lends && memory == NULL) {
        ring_post(ring, op, -ENOMEM, done);
        return;
    }
    op->at.data = memory;
    op->at.fd = fd;
    sqe = begin(ring, op, RING_RECEIVE, done);
    if (sqe != NULL) submit_receive(sqe, op);
}

struct bytes ring_received(const struct ring *ring)
{
    return ring->received;
}

void ring_send_quietly(struct ring *ring, struct ring_op *op, int fd,
                       struct bytes bytes, ring_done *done)
{
    struct io_uring_sqe *sqe;

    if (ring->num_quiet == ring->quiet_max) {
        ring_send(ring, op, fd, bytes, done);
        return;
    }
    op->at.data = bytes.data;
    op->at.len = clamp_len(bytes.len);
    op->at.fd = fd;
    sqe = begin(ring, op, RING_SEND_QUIETLY, done);
    if (sqe == NULL) return;
    // All of it now, or the kernel says how much: what it cannot take at once
    // is no success.
    io_uring_prep_send(sqe, fd, op->at.data, op->at.len,
                       MSG_NOSIGNAL | MSG_DONTWAIT | MSG_WAITALL);
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    io_uring_sqe_set_data(sqe, op);
    ring->quiet[ring->num_quiet++] = op;
}

void ring_connect(struct ring *ring, struct ring_op *op, int fd,
                  const struct sockaddr *address, socklen_t len,
                  ring_done *done)
{
    struct io_uring_sqe *sqe = begin(ring, op, RING_CONNECT, done);

    if (sqe == NULL) return;
    io_uring_prep_connect(sqe, fd, address, len);
    io_uring_sqe_set_data(sqe, op);
}

void ring_accept(struct ring *ring, struct ring_op *op, int fd, ring_done *done)
{
    struct io_uring_sqe *sqe = begin(ring, op, RING_ACCEPT, done);

    if (sqe == NULL) return;
    // One at a time: a multishot accept would take connections that there is
    // no room for, and end on any error all the same.
    io_uring_prep_accept(sqe, fd, NULL, NULL, SOCK_CLOEXEC);
    io_uring_sqe_set_data(sqe, op);
}

void ring_timeout(struct ring *ring, struct ring_op *op, uint64_t ms,
                  ring_done *done)
{
    struct io_uring_sqe *sqe = begin(ring, op, RING_TIMEOUT, done);

    static_assert(sizeof op->time == sizeof(struct __kernel_timespec),
                  "the kernel reads op->time");
    if (sqe == NULL) return;
    if (ms > INT32_MAX) ms = INT32_MAX; // 24 days
    op->time[0] = (long long)(ms / 1000);
    op->time[1] = (long long)(ms % 1000) * 1000000;
    io_uring_prep_timeout(sqe, (void *)op->time, 0, 0);
    io_uring_sqe_set_data(sqe, op);
}

void ring_read(struct ring *ring, struct ring_op *op, int fd, uint8_t *buf,
               size_t len, int64_t offset, ring_done *done)
{
    struct io_uring_sqe *sqe = begin(ring, op, RING_READ, done);

    if (sqe == NULL) return;
    io_uring_prep_read(sqe, fd, buf, clamp_len(len), (uint64_t)offset);
    io_uring_sqe_set_data(sqe, op);
}

// Whether it found no room and is to be begun anew, which its owner never
// hears of: no buffer was left, or the other side must read first.
static bool is_refused(const struct ring_op *op)
{
    return (op->kind == RING_RECEIVE && op->result == -ENOBUFS) ||
           (op->kind == RING_SEND_QUIETLY && op->result == -EAGAIN);
}

void ring_cancel(struct ring *ring, struct ring_op *op)
{
    struct io_uring_sqe *sqe;

    if (!ring_busy(op) || op->kind == RING_POST) return;
    if (is_refused(op)) {
        op->result = -ECANCELED;
        return;
    }
    // The queue keeps its order: the kernel meets this before any later use of
    // `op`, so that it can never end the wrong one.
    sqe = take_place(ring);
    if (sqe == NULL) return;
    io_uring_prep_cancel64(sqe, (uint64_t)(uintptr_t)op, 0);
    io_uring_sqe_set_data(sqe, NULL);
}

// ---------------------------------------------------------------- running

static int result_of(const struct ring *ring, const struct ring_op *op)
{
    int result = op->result;

    if (op->kind == RING_TIMEOUT && result == -ETIME) result = 0;
    if (ring->fault != NULL && op != &ring->wake) {
        result = ring->fault(ring->fault_context, op, result);
    }
    return result;
}

// Begins anew what was refused: by now all buffers are back.
static void begin_anew(struct ring *ring, struct ring_op *op)
{
    struct io_uring_sqe *sqe;

    if (!is_refused(op)) { // cancelled meanwhile
        finish(ring, op, op->result);
        return;
    }
    op->result = 0;
    op->told = false;
    sqe = take_place(ring);
    if (sqe == NULL) {
        finish(ring, op, -ring->lost);
    } else if (op->kind == RING_RECEIVE) {
        submit_receive(sqe, op);
    } else {
        op->kind = RING_SEND;
        io_uring_prep_send(sqe, op->at.fd, op->at.data, op->at.len,
                           MSG_NOSIGNAL);
        io_uring_sqe_set_data(sqe, op);
    }
}

static void give_back(struct ring *ring, unsigned lent, int position)
{
    unsigned number = lent - 1;

    io_uring_buf_ring_add(ring->lend, ring->lent + number * LEND_SIZE,
                          LEND_SIZE, (unsigned short)number, LEND_NUM - 1,
                          position);
}

// What a receive brought; of a plain one `*own` is then to be freed.
static struct bytes received_by(const struct ring *ring,
                                const struct ring_op *op, int result,
                                void **own)
{
    const uint8_t *data = op->at.data;

    *own = NULL;
    if (op->kind != RING_RECEIVE) return bytes_of(NULL, 0);
    *own = (void *)(uintptr_t)data;
    if (op->lent > 0) data = ring->lent + (op->lent - 1) * LEND_SIZE;
    return bytes_of(data, result > 0 ? (size_t)result : 0);
}

static void call_done(struct ring *ring, struct ring_op *op)
{
    int result = result_of(ring, op);
    ring_done *done = op->done;
    void *own;

    ring->received = received_by(ring, op, result, &own);
    op->done = NULL;
    ring->num_in_flight--;
    done(op, result);
    free(own);
}

// Calls `done` for what is in the list now; what is posted meanwhile waits for
// the next run.
static void dispatch(struct ring *ring)
{
    struct ring_op *op = ring->first, *refused = NULL;
    int num_back = 0;

    ring->first = NULL;
    ring->last = &ring->first;
    while (op != NULL) {
        struct ring_op *next = op->next;
        unsigned lent = op->lent;

        if (is_refused(op)) {
            op->next = refused;
            refused = op;
        } else {
            call_done(ring, op);
        }
        if (lent > 0) give_back(ring, lent, num_back++);
        op = next;
    }
    ring->received = bytes_of(NULL, 0);
    if (num_back > 0) io_uring_buf_ring_advance(ring->lend, num_back);
    while (refused != NULL) {
        op = refused;
        refused = op->next;
        begin_anew(ring, op);
    }
}

static void on_wake(struct ring_op *op, int result)
{
    struct ring *ring = RING_OWNER(op, struct ring, wake);

    if (result > 0 && ring->woken != NULL) ring->woken(ring->woken_context);
}

static void arm_wake(struct ring *ring)
{
    if (ring_busy(&ring->wake)) return;
    ring_read(ring, &ring->wake, ring->wake_fd, (uint8_t *)&ring->wake_count,
              sizeof ring->wake_count, -1, on_wake);
}

// Whether there is nothing that a run could wait for but quiet sends.
static bool is_all_quiet(const struct ring *ring)
{
    return ring->num_quiet > 0 && ring->num_quiet == ring_num_in_flight(ring);
}

bool ring_run(struct ring *ring, bool wait, struct err *err)
{
    bool must_wait;
    int result;

    assert(!ring->running);
    arm_wake(ring);
    must_wait = wait && ring->first == NULL &&
                io_uring_cq_ready(&ring->uring) == 0 && !is_all_quiet(ring);
    result = ring->lost == 0 ? enter(ring, must_wait ? 1 : 0) : 0;
    if (result < 0 && !is_passing(-result)) ring->lost = -result;
    collect(ring);
    settle_quiet(ring);
    if (result < 0 && result != -EINTR && ring->first == NULL) wait_a_little();
    ring->running = true;
    dispatch(ring);
    ring->running = false;
    if (ring->lost != 0) {
        return err_set(err, ERR_MEMORY, "io_uring: %s (errno %d)",
                       strerror(ring->lost), ring->lost);
    }
    return true;
}

void ring_close(struct ring *ring)
{
    if (ring == NULL) return;
    assert(!ring->running);
    if (ring->lost == 0) {
        assert(ring_num_in_flight(ring) == 0);
        ring->woken = NULL;
        ring_cancel(ring, &ring->wake);
    }
    while (ring->lost == 0 && ring_busy(&ring->wake)) {
        if (enter(ring, 1) < 0) wait_a_little();
        collect(ring);
        dispatch(ring);
    }
    ring_tear_down(ring);
}

// ---------------------------------------------------------------- the rest

void ring_wake(struct ring *ring)
{
    uint64_t one = 1;
    int saved = errno;

    // Only a counter near 2^64 refuses, and then a wake is on its way.
    if (write(ring->wake_fd, &one, sizeof one) < 0) errno = saved;
}

void ring_on_wake(struct ring *ring, ring_woken *woken, void *context)
{
    ring->woken = woken;
    ring->woken_context = context;
}

uint64_t ring_now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

unsigned ring_num_in_flight(const struct ring *ring)
{
    return ring->num_in_flight - (ring_busy(&ring->wake) ? 1U : 0U);
}

uint64_t ring_num_syscalls(const struct ring *ring)
{
    return ring->num_syscalls;
}

const char *ring_describe(const struct ring *ring)
{
    return ring->description;
}

void ring_set_fault(struct ring *ring, ring_fault *fault, void *context)
{
    ring->fault = fault;
    ring->fault_context = context;
}

void ring_forgo(struct ring *ring)
{
    assert(ring->num_in_flight == 0);
    ring->quiet_max = 0;
    ring->lends = false;
}
