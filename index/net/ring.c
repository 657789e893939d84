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

#include "index/net/ring.h"

#include <assert.h>
#include <errno.h>
#include <liburing.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
    CQ_PER_SQ = 4,        // room for completions: in flight can exceed depth
    BUSY_TRIES_MAX = 500, // of BUSY_WAIT_NS each, before a ring counts as lost
    BUSY_WAIT_NS = 2000000,
};

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

    ring_fault *fault;
    void *fault_context;
    char description[128];
};

// From the best to the plainest; a kernel that knows a flag not says EINVAL.
static const struct {
    unsigned flags;
    const char *name;
} setups[] = {
    {IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
         IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL |
         IORING_SETUP_R_DISABLED,
     "single issuer, deferred task work"}, // 6.1
    {IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN |
         IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL |
         IORING_SETUP_R_DISABLED,
     "single issuer, cooperative task work"}, // 6.0
    {IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG |
         IORING_SETUP_SUBMIT_ALL | IORING_SETUP_R_DISABLED,
     "cooperative task work"},          // 5.19
    {IORING_SETUP_R_DISABLED, "plain"}, // 5.10
    {0, "plain"},
};

// All that a ring may do.  Seccomp does not see operations of a ring, so the
// ring itself refuses the others: no opening, no writing of files.
static const struct {
    uint8_t opcode;
    const char *name;
} opcodes[] = {
    {IORING_OP_RECV, "recv"},       {IORING_OP_SEND, "send"},
    {IORING_OP_CONNECT, "connect"}, {IORING_OP_ACCEPT, "accept"},
    {IORING_OP_TIMEOUT, "timeout"}, {IORING_OP_ASYNC_CANCEL, "cancel"},
    {IORING_OP_READ, "read"},
};

// ---------------------------------------------------------------- opening

static long read_number_after(const char *path, const char *word)
{
    char line[256];
    long number = -1;
    FILE *file = fopen(path, "re");

    if (file == NULL) return -1;
    while (number < 0 && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, word, strlen(word)) == 0) {
            number = strtol(line + strlen(word), NULL, 10);
        }
    }
    (void)fclose(file);
    return number;
}

static void write_number(char out[24], long number)
{
    if (number < 0) {
        (void)snprintf(out, 24, "not there");
    } else {
        (void)snprintf(out, 24, "%ld", number);
    }
}

// Says what was refused and what helps.
static bool refuse(int error, struct err *err)
{
    char disabled[24], seccomp[24];

    write_number(disabled,
                 read_number_after("/proc/sys/kernel/io_uring_disabled", ""));
    write_number(seccomp, read_number_after("/proc/self/status", "Seccomp:"));
    if (error == ENOMEM) {
        return err_set(err, ERR_MEMORY,
                       "io_uring: %s (errno %d) even for %d entries: raise the "
                       "limit on locked memory (LimitMEMLOCK=8M in a systemd "
                       "unit, ulimit -l 8192, docker --ulimit memlock=8388608)",
                       strerror(error), error, RING_DEPTH_MIN);
    }
    return err_set(
        err, ERR_USAGE,
        "io_uring: %s (errno %d; kernel.io_uring_disabled %s, seccomp mode "
        "%s). One of these helps: sysctl kernel.io_uring_disabled=0; a "
        "container profile that allows io_uring_setup, io_uring_enter and "
        "io_uring_register (docker --security-opt seccomp=FILE); a kernel of "
        "5.10 or later with CONFIG_IO_URING",
        strerror(error), error, disabled, seccomp);
}

// Sets up with the best flags the kernel takes, halving the depth while memory
// is short; the errno of the last try, or 0.
static int set_up(struct ring *ring, unsigned *depth, size_t *setup)
{
    int error = EINVAL;

    for (*setup = 0; *setup < COUNT_OF(setups) && error == EINVAL; ++*setup) {
        do {
            struct io_uring_params params = {
                .flags = setups[*setup].flags | IORING_SETUP_CQSIZE |
                         IORING_SETUP_CLAMP,
                .cq_entries = *depth * CQ_PER_SQ,
            };

            error = -io_uring_queue_init_params(*depth, &ring->uring, &params);
            if (error != ENOMEM || *depth <= RING_DEPTH_MIN) break;
            *depth /= 2;
        } while (true);
        if (error != EINVAL) return error;
    }
    return error;
}

static long register_raw(const struct ring *ring, unsigned opcode, void *arg,
                         unsigned num)
{
    // liburing 2.3 declares io_uring_register_restrictions, and has it not.
    return syscall(__NR_io_uring_register, ring->uring.ring_fd, opcode, arg,
                   num);
}

static bool check_opcodes(struct ring *ring, struct err *err)
{
    struct io_uring_probe *probe = io_uring_get_probe_ring(&ring->uring);

    if (probe == NULL) return refuse(ENOSYS, err); // before 5.6
    for (size_t i = 0; i < COUNT_OF(opcodes); i++) {
        if (!io_uring_opcode_supported(probe, opcodes[i].opcode)) {
            io_uring_free_probe(probe);
            return err_set(err, ERR_USAGE,
                           "io_uring: this kernel cannot do '%s' on a ring; "
                           "it takes 5.10 or later",
                           opcodes[i].name);
        }
    }
    io_uring_free_probe(probe);
    return true;
}

static bool restrict_opcodes(struct ring *ring)
{
    struct io_uring_restriction allowed[COUNT_OF(opcodes)];

    memset(allowed, 0, sizeof allowed);
    for (size_t i = 0; i < COUNT_OF(opcodes); i++) {
        allowed[i].opcode = IORING_RESTRICTION_SQE_OP;
        allowed[i].sqe_op = opcodes[i].opcode;
    }
    return register_raw(ring, IORING_REGISTER_RESTRICTIONS, allowed,
                        COUNT_OF(opcodes)) == 0;
}

static bool enable(struct ring *ring, unsigned depth, size_t setup,
                   struct err *err)
{
    bool restricted = false;

    if (!check_opcodes(ring, err)) return false;
    if ((setups[setup].flags & IORING_SETUP_R_DISABLED) != 0) {
        restricted = restrict_opcodes(ring);
        if (register_raw(ring, IORING_REGISTER_ENABLE_RINGS, NULL, 0) != 0) {
            return refuse(errno, err);
        }
    }
    (void)snprintf(ring->description, sizeof ring->description,
                   "io_uring, depth %u, %s, %s", depth, setups[setup].name,
                   restricted ? "restricted" : "not restricted");
    return true;
}

bool ring_open(struct ring **ring, unsigned depth, struct err *err)
{
    struct ring *made = calloc(1, sizeof *made);
    size_t setup = 0;
    int error;

    *ring = NULL;
    if (made == NULL) return err_set(err, ERR_MEMORY, "io_uring: no memory");
    made->last = &made->first;
    if (depth < RING_DEPTH_MIN) depth = RING_DEPTH_MIN;
    made->wake_fd = eventfd(0, EFD_CLOEXEC);
    if (made->wake_fd < 0) {
        (void)err_set(err, ERR_MEMORY, "eventfd: %s", strerror(errno));
        free(made);
        return false;
    }
    error = set_up(made, &depth, &setup);
    if (error != 0) {
        (void)refuse(error, err);
        (void)close(made->wake_fd);
        free(made);
        return false;
    }
    if (!enable(made, depth, setup, err)) {
        io_uring_queue_exit(&made->uring);
        (void)close(made->wake_fd);
        free(made);
        return false;
    }
    *ring = made;
    return true;
}

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
        if (op != NULL) finish(ring, op, cqe->res); // NULL: of a cancel
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

void ring_cancel(struct ring *ring, struct ring_op *op)
{
    struct io_uring_sqe *sqe;

    if (!ring_busy(op) || op->kind == RING_POST) return;
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

// Calls `done` for what is in the list now; what is posted meanwhile waits for
// the next run.
static void dispatch(struct ring *ring)
{
    struct ring_op *op = ring->first;

    ring->first = NULL;
    ring->last = &ring->first;
    while (op != NULL) {
        struct ring_op *next = op->next;
        int result = result_of(ring, op);
        ring_done *done = op->done;

        op->done = NULL;
        ring->num_in_flight--;
        done(op, result);
        op = next;
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

bool ring_run(struct ring *ring, bool wait, struct err *err)
{
    bool must_wait;
    int result;

    assert(!ring->running);
    arm_wake(ring);
    must_wait =
        wait && ring->first == NULL && io_uring_cq_ready(&ring->uring) == 0;
    result = ring->lost == 0 ? enter(ring, must_wait ? 1 : 0) : 0;
    if (result < 0 && !is_passing(-result)) ring->lost = -result;
    collect(ring);
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
    io_uring_queue_exit(&ring->uring);
    (void)close(ring->wake_fd);
    // Of a lost ring the kernel may still write into `wake_count`.
    if (ring->lost == 0) free(ring);
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
