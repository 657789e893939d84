// test_ring.c - every operation against a real kernel, and each way it ends.

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "index/net/ring.h"
#include "tests/support/check.h"

struct waiter {
    struct ring_op op;
    struct ring *ring;
    int result;
    int num_done;
};

static void on_done(struct ring_op *op, int result)
{
    struct waiter *waiter = RING_OWNER(op, struct waiter, op);

    waiter->result = result;
    waiter->num_done++;
}

static struct ring *open_ring(unsigned depth)
{
    struct ring *ring;
    struct err err = {0};

    if (!ring_open(&ring, depth, &err)) fail_msg("%s", err.text);
    return ring;
}

static void run_until(struct ring *ring, const int *num, int wanted)
{
    struct err err = {0};

    while (*num < wanted) {
        if (!ring_run(ring, true, &err)) fail_msg("%s", err.text);
    }
}

static void pair_of(int fds[2])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds),
                     0);
}

static void sends_and_receives(void **state)
{
    struct ring *ring = open_ring(64);
    struct waiter send = {0}, recv = {0};
    uint8_t buf[16];
    int fds[2];

    (void)state;
    pair_of(fds);
    ring_recv(ring, &recv.op, fds[0], buf, sizeof buf, on_done);
    ring_send(ring, &send.op, fds[1], bytes_from_text("hello"), on_done);
    assert_true(ring_busy(&recv.op));
    assert_int_equal(recv.num_done + send.num_done, 0); // only inside ring_run
    assert_int_equal(ring_num_in_flight(ring), 2);
    run_until(ring, &recv.num_done, 1);
    run_until(ring, &send.num_done, 1);
    assert_int_equal(send.result, 5);
    assert_int_equal(recv.result, 5);
    assert_memory_equal(buf, "hello", 5);

    close(fds[1]);
    ring_recv(ring, &recv.op, fds[0], buf, sizeof buf, on_done);
    run_until(ring, &recv.num_done, 2);
    assert_int_equal(recv.result, 0);
    // A peer that is gone is a result, not a SIGPIPE.
    ring_send(ring, &send.op, fds[0], bytes_from_text("hello"), on_done);
    run_until(ring, &send.num_done, 2);
    assert_int_equal(send.result, -EPIPE);
    close(fds[0]);
    ring_close(ring);
}

static void reads_a_file_at_an_offset(void **state)
{
    struct ring *ring = open_ring(64);
    struct waiter read = {0};
    uint8_t buf[8];
    char path[] = "/tmp/test_ring.XXXXXX";
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "0123456789", 10), 10);
    ring_read(ring, &read.op, fd, buf, sizeof buf, 4, on_done);
    run_until(ring, &read.num_done, 1);
    assert_int_equal(read.result, 6); // short at the end
    assert_memory_equal(buf, "456789", 6);
    ring_read(ring, &read.op, fd, buf, sizeof buf, 10, on_done);
    run_until(ring, &read.num_done, 2);
    assert_int_equal(read.result, 0);
    ring_read(ring, &read.op, -1, buf, sizeof buf, 0, on_done);
    run_until(ring, &read.num_done, 3);
    assert_int_equal(read.result, -EBADF);
    close(fd);
    unlink(path);
    ring_close(ring);
}

static void times_out_after_the_time(void **state)
{
    struct ring *ring = open_ring(64);
    struct waiter late = {0}, soon = {0};
    uint64_t start = ring_now_ms();

    (void)state;
    ring_timeout(ring, &late.op, 60, on_done);
    ring_timeout(ring, &soon.op, 20, on_done);
    run_until(ring, &soon.num_done, 1);
    assert_int_equal(late.num_done, 0);
    assert_true(ring_now_ms() - start >= 20);
    run_until(ring, &late.num_done, 1);
    assert_int_equal(late.result, 0);
    assert_int_equal(soon.result, 0);
    assert_true(ring_now_ms() - start >= 60);
    assert_true(ring_now_ms() - start < 10000);
    ring_close(ring);
}

static void cancels_what_waits(void **state)
{
    struct ring *ring = open_ring(64);
    struct waiter recv = {0}, timeout = {0}, accept = {0};
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    uint8_t buf[4];
    int fds[2], listener = socket(AF_UNIX, SOCK_STREAM, 0);
    struct err err;

    (void)state;
    pair_of(fds);
    assert_int_equal(bind(listener, (void *)&name, sizeof name.sun_family), 0);
    assert_int_equal(listen(listener, 1), 0);
    ring_recv(ring, &recv.op, fds[0], buf, sizeof buf, on_done);
    ring_timeout(ring, &timeout.op, 60000, on_done);
    ring_accept(ring, &accept.op, listener, on_done);
    assert_true(ring_run(ring, false, &err));
    ring_cancel(ring, &recv.op);
    ring_cancel(ring, &timeout.op);
    ring_cancel(ring, &accept.op);
    ring_cancel(ring, &accept.op); // twice is harmless
    run_until(ring, &recv.num_done, 1);
    run_until(ring, &timeout.num_done, 1);
    run_until(ring, &accept.num_done, 1);
    assert_int_equal(recv.result, -ECANCELED);
    assert_int_equal(timeout.result, -ECANCELED);
    assert_int_equal(accept.result, -ECANCELED);
    ring_cancel(ring, &recv.op); // idle: nothing happens
    assert_int_equal(ring_num_in_flight(ring), 0);
    // Before it was ever submitted.
    ring_recv(ring, &recv.op, fds[0], buf, sizeof buf, on_done);
    ring_cancel(ring, &recv.op);
    run_until(ring, &recv.num_done, 2);
    assert_int_equal(recv.result, -ECANCELED);
    close(fds[0]);
    close(fds[1]);
    close(listener);
    ring_close(ring);
}

// A cancel that comes too late must not end the operation's next life.
static void on_done_start_again(struct ring_op *op, int result)
{
    struct waiter *waiter = RING_OWNER(op, struct waiter, op);

    on_done(op, result);
    if (waiter->num_done == 1) {
        ring_timeout(waiter->ring, op, 30, on_done_start_again);
    }
}

static void a_late_cancel_spares_the_next_use(void **state)
{
    struct ring *ring = open_ring(64);
    struct waiter waiter = {.ring = ring};
    struct timespec pause = {.tv_nsec = 5000000};
    struct err err;

    (void)state;
    ring_timeout(ring, &waiter.op, 1, on_done_start_again);
    assert_true(ring_run(ring, false, &err));
    nanosleep(&pause, NULL);
    ring_cancel(ring, &waiter.op); // it has fired, and is not collected
    run_until(ring, &waiter.num_done, 2);
    assert_int_equal(waiter.result, 0);
    ring_close(ring);
}

static void connects_and_accepts(void **state)
{
    struct ring *ring = open_ring(64);
    struct waiter accept[3] = {0}, connect[3] = {0};
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    socklen_t len = sizeof name;
    int fds[3], listener = socket(AF_UNIX, SOCK_STREAM, 0);

    (void)state;
    assert_int_equal(bind(listener, (void *)&name, sizeof name.sun_family), 0);
    assert_int_equal(getsockname(listener, (void *)&name, &len), 0);
    assert_int_equal(listen(listener, 8), 0);
    for (int i = 0; i < 3; i++) {
        fds[i] = socket(AF_UNIX, SOCK_STREAM, 0);
        ring_accept(ring, &accept[i].op, listener, on_done);
        ring_connect(ring, &connect[i].op, fds[i], (void *)&name, len, on_done);
    }
    for (int i = 0; i < 3; i++) {
        run_until(ring, &accept[i].num_done, 1);
        run_until(ring, &connect[i].num_done, 1);
        assert_int_equal(connect[i].result, 0);
        assert_true(accept[i].result > 2);
        close(accept[i].result);
        close(fds[i]);
    }
    close(listener);
    fds[0] = socket(AF_UNIX, SOCK_STREAM, 0);
    ring_connect(ring, &connect[0].op, fds[0], (void *)&name, len, on_done);
    run_until(ring, &connect[0].num_done, 2);
    assert_int_equal(connect[0].result, -ECONNREFUSED);
    close(fds[0]);
    ring_close(ring);
}

static void *wake_thrice(void *ring)
{
    struct timespec pause = {.tv_nsec = 20000000};

    for (int i = 0; i < 3; i++) {
        nanosleep(&pause, NULL);
        ring_wake(ring);
    }
    return NULL;
}

static void on_woken(void *context)
{
    ++*(int *)context;
}

static void wakes_from_another_thread(void **state)
{
    struct ring *ring = open_ring(64);
    pthread_t thread;
    int num = 0;

    (void)state;
    ring_on_wake(ring, on_woken, &num);
    assert_int_equal(pthread_create(&thread, NULL, wake_thrice, ring), 0);
    run_until(ring, &num, 1);
    pthread_join(thread, NULL);
    assert_int_equal(ring_num_in_flight(ring), 0); // the ring's own is not told
    ring_wake(ring); // at least one more comes, however they fell together
    run_until(ring, &num, 2);
    assert_true(num <= 4);
    ring_close(ring);
}

static void posts_without_the_kernel(void **state)
{
    struct ring *ring = open_ring(64);
    struct waiter waiter = {0};
    struct err err;

    (void)state;
    ring_post(ring, &waiter.op, -EPROTO, on_done);
    ring_cancel(ring, &waiter.op); // too late by nature
    assert_int_equal(waiter.num_done, 0);
    assert_true(ring_run(ring, true, &err)); // and does not wait
    assert_int_equal(waiter.num_done, 1);
    assert_int_equal(waiter.result, -EPROTO);
    ring_close(ring);
}

// Far more than the queue (64) and the completions (256) hold at once.
static void survives_overflow(void **state)
{
    enum { NUM = 2000 };
    struct ring *ring = open_ring(64);
    struct waiter *waiters = calloc(NUM, sizeof *waiters);
    int fds[2], total = 0;
    uint64_t before;
    struct err err = {0};

    (void)state;
    pair_of(fds);
    before = ring_num_syscalls(ring);
    for (int i = 0; i < NUM; i++) {
        ring_recv(ring, &waiters[i].op, fds[0], (uint8_t *)&waiters[i].ring, 1,
                  on_done);
    }
    // Full queues are handed over whole: not a call for each.
    assert_in_range(ring_num_syscalls(ring) - before, NUM / 64 - 1,
                    NUM / 64 + 1);
    assert_int_equal(ring_num_in_flight(ring), NUM);
    close(fds[1]); // ends them all at once
    for (int tries = 0; tries < 100 && total < NUM; tries++) {
        if (!ring_run(ring, true, &err)) fail_msg("%s", err.text);
        total = 0;
        for (int i = 0; i < NUM; i++) {
            total += waiters[i].num_done;
        }
    }
    assert_int_equal(total, NUM);
    for (int i = 0; i < NUM; i++) {
        assert_int_equal(waiters[i].num_done, 1);
        assert_int_equal(waiters[i].result, 0);
    }
    assert_int_equal(ring_num_in_flight(ring), 0);
    close(fds[0]);
    free(waiters);
    ring_close(ring);
}

static void closing_a_descriptor_ends_nothing(void **state)
{
    struct ring *ring = open_ring(64);
    struct waiter recv = {0}, timeout = {0};
    uint8_t buf[4];
    int fds[2];

    (void)state;
    pair_of(fds);
    ring_recv(ring, &recv.op, fds[0], buf, sizeof buf, on_done);
    ring_timeout(ring, &timeout.op, 20, on_done);
    run_until(ring, &timeout.num_done, 1);
    close(fds[0]);
    ring_timeout(ring, &timeout.op, 20, on_done);
    run_until(ring, &timeout.num_done, 2);
    assert_int_equal(recv.num_done, 0);
    ring_cancel(ring, &recv.op);
    run_until(ring, &recv.num_done, 1);
    assert_int_equal(recv.result, -ECANCELED);
    close(fds[1]);
    ring_close(ring);
}

static volatile sig_atomic_t num_signals;

static void on_signal(int number)
{
    (void)number;
    num_signals++;
}

static void a_signal_ends_the_wait(void **state)
{
    struct ring *ring = open_ring(64);
    struct sigaction action = {.sa_handler = on_signal};
    struct itimerval timer = {.it_value = {.tv_usec = 20000}};
    struct err err = {0};

    (void)state;
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &timer, NULL);
    while (num_signals == 0) {
        if (!ring_run(ring, true, &err)) fail_msg("%s", err.text);
    }
    ring_close(ring);
}

static int fault_everything(void *context, const struct ring_op *op, int result)
{
    ++*(int *)context;
    assert_int_equal(op->kind, RING_TIMEOUT);
    assert_int_equal(result, 0);
    return -EIO;
}

static void a_fault_stands_in_front_of_done(void **state)
{
    struct ring *ring = open_ring(64);
    struct waiter waiter = {0};
    int num = 0;

    (void)state;
    ring_set_fault(ring, fault_everything, &num);
    ring_timeout(ring, &waiter.op, 1, on_done);
    run_until(ring, &waiter.num_done, 1);
    assert_int_equal(waiter.result, -EIO);
    assert_int_equal(num, 1);
    ring_close(ring);
}

// Has io_uring_setup fail with `error` for more than `entries_max` entries.
static void forbid_setup(int error, unsigned entries_max)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_setup, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                 offsetof(struct seccomp_data, args[0])),
        BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, entries_max, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {COUNT_OF(filter), filter};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
        _exit(99);
    }
}

static const struct {
    const char *name;
    int error;
    unsigned entries_max;
    const char *words[4]; // all in the sentence, or in the description
    bool opens;
} setups[] = {
    {"forbidden",
     EPERM,
     0,
     {"Operation not permitted (errno 1;", "kernel.io_uring_disabled",
      "seccomp mode 2", "--security-opt seccomp="},
     false},
    {"absent",
     ENOSYS,
     0,
     {"Function not implemented (errno 38;", "5.10", "CONFIG_IO_URING",
      "sysctl kernel.io_uring_disabled=0"},
     false},
    {"no memory at all",
     ENOMEM,
     0,
     {"(errno 12) even for 64 entries", "LimitMEMLOCK=8M", "ulimit -l 8192",
      "--ulimit memlock="},
     false},
    {"memory for less", ENOMEM, 128, {"depth 128", "", "", ""}, true},
    {"memory for the least", ENOMEM, 64, {"depth 64", "", "", ""}, true},
};

static int try_setup(size_t i)
{
    struct ring *ring;
    struct err err = {0};
    const char *said = err.text;

    forbid_setup(setups[i].error, setups[i].entries_max);
    if (ring_open(&ring, 1024, &err) != setups[i].opens) return 1;
    if (setups[i].opens) said = ring_describe(ring);
    for (size_t k = 0; k < COUNT_OF(setups[i].words); k++) {
        if (strstr(said, setups[i].words[k]) == NULL) {
            print_error("'%s' lacks '%s'\n", said, setups[i].words[k]);
            return 2;
        }
    }
    ring_close(ring);
    return 0;
}

static void refuses_with_advice(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(setups); i++) {
        int status = -1;
        pid_t child = fork();

        test_case = setups[i].name;
        if (child == 0) _exit(try_setup(i));
        assert_int_equal(waitpid(child, &status, 0), child);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
}

// A waiter that keeps what came.
struct taker {
    struct ring_op op;
    struct ring *ring;
    int result, num_done;
    char text[16];
};

static void on_taken(struct ring_op *op, int result)
{
    struct taker *taker = RING_OWNER(op, struct taker, op);
    struct bytes in = ring_received(taker->ring);

    assert_int_equal(in.len, result > 0 ? result : 0);
    assert_true(in.len < sizeof taker->text);
    if (in.len > 0) memcpy(taker->text, in.data, in.len);
    taker->result = result;
    taker->num_done++;
}

static void take_from(struct taker *taker, struct ring *ring, int fd)
{
    taker->ring = ring;
    ring_receive(ring, &taker->op, fd, on_taken);
}

static void lends_memory_for(bool forgo)
{
    struct ring *ring = open_ring(64);
    struct taker taker = {0};
    int fds[2];

    pair_of(fds);
    if (forgo) ring_forgo(ring);
    for (int i = 1; i <= 1000; i++) { // more often than there are buffers
        char text[8];
        int len = snprintf(text, sizeof text, "%d", i);

        take_from(&taker, ring, fds[0]);
        assert_int_equal(send(fds[1], text, (size_t)len, 0), len);
        run_until(ring, &taker.num_done, i);
        assert_int_equal(taker.result, len);
        assert_memory_equal(taker.text, text, (size_t)len);
    }
    assert_int_equal(ring_received(ring).len, 0);
    take_from(&taker, ring, fds[0]);
    ring_cancel(ring, &taker.op);
    run_until(ring, &taker.num_done, 1001);
    assert_int_equal(taker.result, -ECANCELED);
    take_from(&taker, ring, fds[0]);
    close(fds[1]);
    run_until(ring, &taker.num_done, 1002);
    assert_int_equal(taker.result, 0);
    close(fds[0]);
    ring_close(ring);
}

static void lends_memory_for_what_comes(void **state)
{
    (void)state;
    lends_memory_for(false);
    lends_memory_for(true);
}

enum { MANY = 400 }; // more than there are buffers

static void more_than_there_is_memory_for_comes_too(void **state)
{
    struct ring *ring = open_ring(64);
    struct taker *takers = calloc(MANY, sizeof *takers);
    struct err err = {0};
    int fds[MANY][2];

    (void)state;
    for (int i = 0; i < MANY; i++) {
        pair_of(fds[i]);
        take_from(&takers[i], ring, fds[i][0]);
        takers[i].text[0] = '\0';
    }
    assert_true(ring_run(ring, false, &err));
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(send(fds[i][1], &(char){(char)i}, 1, 0), 1);
    }
    for (int i = 0; i < MANY; i++) {
        run_until(ring, &takers[i].num_done, 1);
        assert_int_equal(takers[i].result, 1);
        assert_int_equal(takers[i].text[0], (char)i);
        close(fds[i][0]);
        close(fds[i][1]);
    }
    free(takers);
    ring_close(ring);
}

static void a_quiet_send_ends_no_wait(void **state)
{
    struct ring *ring = open_ring(64);
    struct waiter send = {0}, timeout = {0};
    struct err err = {0};
    uint64_t before;
    char text[8];
    int fds[2];

    (void)state;
    pair_of(fds);
    assert_true(ring_run(ring, false, &err)); // what is there from the start
    before = ring_num_syscalls(ring);
    ring_timeout(ring, &timeout.op, 30, on_done);
    ring_send_quietly(ring, &send.op, fds[0], bytes_from_text("hello"),
                      on_done);
    assert_true(ring_run(ring, true, &err));
    assert_int_equal(timeout.num_done, 1);
    assert_int_equal(send.num_done, 1);
    assert_int_equal(send.result, 5);
    assert_int_equal(ring_num_syscalls(ring) - before, 1);
    assert_int_equal(recv(fds[1], text, sizeof text, 0), 5);
    // With nothing else to wait for there is no wait.
    ring_send_quietly(ring, &send.op, fds[0], bytes_from_text("hello"),
                      on_done);
    assert_true(ring_run(ring, true, &err));
    assert_int_equal(send.num_done, 2);
    close(fds[1]);
    ring_send_quietly(ring, &send.op, fds[0], bytes_from_text("hello"),
                      on_done);
    run_until(ring, &send.num_done, 3);
    assert_int_equal(send.result, -EPIPE);
    close(fds[0]);
    ring_close(ring);
}

static void send_all_quietly(bool forgo)
{
    enum { SIZE = 4 << 20 };
    struct ring *ring = open_ring(64);
    struct waiter waiter = {0};
    uint8_t *out = calloc(1, SIZE), *in = calloc(1, SIZE);
    size_t sent = 0, got = 0;
    struct err err = {0};
    int fds[2];

    pair_of(fds);
    if (forgo) ring_forgo(ring);
    for (size_t i = 0; i < SIZE; i++) {
        out[i] = (uint8_t)(i * 2654435761U >> 24);
    }
    while (got < SIZE) {
        ssize_t len;

        if (!ring_busy(&waiter.op) && sent < SIZE) {
            ring_send_quietly(ring, &waiter.op, fds[0],
                              bytes_of(out + sent, SIZE - sent), on_done);
        }
        assert_true(ring_run(ring, false, &err));
        if (!ring_busy(&waiter.op) && waiter.result > 0) {
            sent += (size_t)waiter.result;
            waiter.result = 0;
            continue;
        }
        // It is stuck now: nothing comes back until the other side reads.
        len = recv(fds[1], in + got, SIZE - got, MSG_DONTWAIT);
        if (len > 0) got += (size_t)len;
    }
    assert_memory_equal(in, out, SIZE);
    // One that is stuck can be cancelled.
    ring_send_quietly(ring, &waiter.op, fds[0], bytes_of(out, SIZE), on_done);
    run_until(ring, &waiter.num_done, waiter.num_done + 1);
    assert_in_range(waiter.result, 1, SIZE - 1);
    ring_send_quietly(ring, &waiter.op, fds[0], bytes_of(out, SIZE), on_done);
    for (int i = 0; i < 10; i++) {
        assert_true(ring_run(ring, false, &err));
    }
    assert_true(ring_busy(&waiter.op));
    ring_cancel(ring, &waiter.op);
    run_until(ring, &waiter.num_done, waiter.num_done + 1);
    assert_int_equal(waiter.result, -ECANCELED);
    close(fds[0]);
    close(fds[1]);
    free(out);
    free(in);
    ring_close(ring);
}

static void a_quiet_send_goes_on_when_the_other_side_reads(void **state)
{
    (void)state;
    send_all_quietly(false);
    send_all_quietly(true);
}

static void describes_itself(void **state)
{
    struct ring *ring = open_ring(100);

    (void)state;
    print_message("%s\n", ring_describe(ring));
    assert_non_null(strstr(ring_describe(ring), "io_uring, depth 100, "));
    ring_close(ring);
    ring_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sends_and_receives),
        cmocka_unit_test(reads_a_file_at_an_offset),
        cmocka_unit_test(times_out_after_the_time),
        cmocka_unit_test(cancels_what_waits),
        cmocka_unit_test(a_late_cancel_spares_the_next_use),
        cmocka_unit_test(connects_and_accepts),
        cmocka_unit_test(wakes_from_another_thread),
        cmocka_unit_test(posts_without_the_kernel),
        cmocka_unit_test(survives_overflow),
        cmocka_unit_test(closing_a_descriptor_ends_nothing),
        cmocka_unit_test(a_signal_ends_the_wait),
        cmocka_unit_test(a_fault_stands_in_front_of_done),
        cmocka_unit_test(refuses_with_advice),
        cmocka_unit_test(lends_memory_for_what_comes),
        cmocka_unit_test(more_than_there_is_memory_for_comes_too),
        cmocka_unit_test(a_quiet_send_ends_no_wait),
        cmocka_unit_test(a_quiet_send_goes_on_when_the_other_side_reads),
        cmocka_unit_test(describes_itself),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
