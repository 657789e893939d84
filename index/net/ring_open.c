// ring_open.c - setting a ring up and taking it down; see ring.h.

#include "index/net/ring_parts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { CQ_PER_SQ = 4 }; // room for completions: in flight can exceed depth

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
    struct io_uring_restriction allowed[COUNT_OF(opcodes) + 1];

    memset(allowed, 0, sizeof allowed);
    for (size_t i = 0; i < COUNT_OF(opcodes); i++) {
        allowed[i].opcode = IORING_RESTRICTION_SQE_OP;
        allowed[i].sqe_op = opcodes[i].opcode;
    }
    allowed[COUNT_OF(opcodes)].opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED;
    allowed[COUNT_OF(opcodes)].sqe_flags =
        IOSQE_BUFFER_SELECT | IOSQE_CQE_SKIP_SUCCESS;
    return register_raw(ring, IORING_REGISTER_RESTRICTIONS, allowed,
                        COUNT_OF(allowed)) == 0;
}

// Success that is not told (5.17).
static void set_up_quiet(struct ring *ring, unsigned depth)
{
    if ((ring->uring.features & IORING_FEAT_CQE_SKIP) == 0) return;
    ring->quiet = calloc(depth, sizeof *ring->quiet);
    if (ring->quiet != NULL) ring->quiet_max = depth;
}

enum { LEND_BYTES = LEND_NUM * (LEND_SIZE + (int)sizeof(struct io_uring_buf)) };

// Memory that the kernel chooses from when something comes (5.19).
static void set_up_lending(struct ring *ring)
{
    uint8_t *memory = mmap(NULL, LEND_BYTES, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct io_uring_buf_reg registration = {.ring_addr = (uintptr_t)memory,
                                            .ring_entries = LEND_NUM,
                                            .bgid = LEND_GROUP};

    if (memory == MAP_FAILED) return;
    if (register_raw(ring, IORING_REGISTER_PBUF_RING, &registration, 1) != 0) {
        (void)munmap(memory, LEND_BYTES);
        return;
    }
    ring->lends = true;
    ring->lend = (void *)memory;
    ring->lent = memory + LEND_NUM * sizeof(struct io_uring_buf);
    io_uring_buf_ring_init(ring->lend);
    for (int i = 0; i < LEND_NUM; i++) {
        io_uring_buf_ring_add(ring->lend, ring->lent + i * LEND_SIZE, LEND_SIZE,
                              (unsigned short)i, LEND_NUM - 1, i);
    }
    io_uring_buf_ring_advance(ring->lend, LEND_NUM);
}

static bool enable(struct ring *ring, unsigned depth, size_t setup,
                   struct err *err)
{
    bool restricted = false;

    if (!check_opcodes(ring, err)) return false;
    set_up_quiet(ring, depth);
    set_up_lending(ring);
    if ((setups[setup].flags & IORING_SETUP_R_DISABLED) != 0) {
        restricted = restrict_opcodes(ring);
        if (register_raw(ring, IORING_REGISTER_ENABLE_RINGS, NULL, 0) != 0) {
            return refuse(errno, err);
        }
    }
    (void)snprintf(ring->description, sizeof ring->description,
                   "io_uring, depth %u, %s, %s%s%s", depth, setups[setup].name,
                   restricted ? "restricted" : "not restricted",
                   ring->quiet_max > 0 ? ", quiet sends" : "",
                   ring->lends ? ", lent buffers" : "");
    return true;
}

void ring_tear_down(struct ring *ring)
{
    io_uring_queue_exit(&ring->uring);
    (void)close(ring->wake_fd);
    // The kernel may still write for a ring that is lost.
    if (ring->lost != 0) return;
    if (ring->lend != NULL) (void)munmap(ring->lend, LEND_BYTES);
    free(ring->quiet);
    free(ring);
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
        ring_tear_down(made);
        return false;
    }
    *ring = made;
    return true;
}
