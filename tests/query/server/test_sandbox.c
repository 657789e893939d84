// test_sandbox.c - what a confined server may no longer do, and still can.
//
// Each case is a child that enters the sandbox and tries one thing; then a
// server answers from inside of it, also what is written meanwhile.

#include "tests/support/planted.h"

#include "tests/support/check.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "index/store/lmdb.h"
#include "query/server/sandbox.h"
#include "tests/query/server/serving.h"

static struct planted planted;
static char in_index[128], outside[128], socket_path[128];

// ------------------------------------------------------------- what is refused

// The errno of a call that gave `result`; 0 where it was done.
static int refusal(long result)
{
    return result < 0 ? errno : 0;
}

static int try_write_in_index(void)
{
    return refusal(open(in_index, O_WRONLY));
}

static int try_make_in_index(void)
{
    char path[160];

    (void)snprintf(path, sizeof path, "%s.new", in_index);
    return refusal(open(path, O_RDWR | O_CREAT, 0600));
}

static int try_remove_in_index(void)
{
    return refusal(unlink(in_index));
}

static int try_rename_in_index(void)
{
    return refusal(rename(in_index, outside));
}

static int try_truncate(void)
{
    return refusal(truncate(in_index, 0));
}

static int try_read_outside(void)
{
    return refusal(open("/etc/passwd", O_RDONLY));
}

static int try_read_above(void)
{
    char path[160];

    (void)snprintf(path, sizeof path, "%s/../../../etc/passwd", planted.folder);
    return refusal(open(path, O_RDONLY));
}

static int try_list_outside(void)
{
    return refusal(open("/", O_RDONLY | O_DIRECTORY));
}

static int try_inet(void)
{
    return refusal(socket(AF_INET, SOCK_STREAM, 0));
}

static int try_unix(void)
{
    return refusal(socket(AF_UNIX, SOCK_STREAM, 0));
}

static int connect_of = -1; // made before

static int try_connect(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    return refusal(
        connect(connect_of, (struct sockaddr *)&address, sizeof address));
}

static int try_exec(void)
{
    char *const arguments[] = {(char *)"true", NULL};

    return refusal(execv("/bin/true", arguments));
}

static int try_fork(void)
{
    long pid = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

    if (pid == 0) _exit(0);
    return refusal(pid);
}

static int try_clone3(void)
{
    int error = refusal(syscall(SYS_clone3, NULL, 0));

    return error == ENOSYS ? EPERM : error; // said to be absent, on purpose
}

static int try_ptrace(void)
{
    return refusal(ptrace(PTRACE_ATTACH, getppid(), NULL, NULL));
}

static int try_kill(void)
{
    return refusal(kill(getppid(), 0));
}

static int try_memory_of_others(void)
{
    return refusal(
        syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0));
}

static int try_exec_pages(void)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return page == MAP_FAILED ? errno : 0;
}

static int try_new_root(void)
{
    return refusal(chroot("/"));
}

static int try_mode(void)
{
    return refusal(chmod(in_index, 0777));
}

static int try_privileges(void)
{
    return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? EPERM : errno;
}

static int try_another_ring(void)
{
    struct io_uring_params params = {0};

    return refusal(syscall(SYS_io_uring_setup, 8, &params));
}

static int try_another_filter(void)
{
    return refusal(syscall(SYS_seccomp, 0, 0, NULL));
}

static void *idle(void *context)
{
    return context;
}

static int try_thread(void)
{
    pthread_t thread;

    return pthread_create(&thread, NULL, idle, NULL) == 0 ? 0 : EPERM;
}

static const struct {
    const char *name;
    int (*attempt)(void);
    bool sealed; // refused from sandbox_seal() on
} cases[] = {
    {"writing a file of the index", try_write_in_index, false},
    {"a new file in the index", try_make_in_index, false},
    {"removing a file of the index", try_remove_in_index, false},
    {"renaming a file of the index", try_rename_in_index, false},
    {"cutting a file short", try_truncate, false},
    {"reading another file", try_read_outside, false},
    {"reading another file by a detour", try_read_above, false},
    {"listing another folder", try_list_outside, false},
    {"a network socket", try_inet, false},
    {"a Unix socket", try_unix, false},
    {"connecting", try_connect, false},
    {"another program", try_exec, false},
    {"another process", try_fork, false},
    {"another process by clone3", try_clone3, false},
    {"tracing", try_ptrace, false},
    {"a signal to a stranger", try_kill, false},
    {"memory of a stranger", try_memory_of_others, false},
    {"memory that is code", try_exec_pages, false},
    {"another root", try_new_root, false},
    {"another mode", try_mode, false},
    {"new privileges", try_privileges, false},
    {"another ring", try_another_ring, true},
    {"another filter", try_another_filter, true},
    {"another thread", try_thread, true},
};

enum { POINTLESS = 200, NOT_CONFINED = 201 };

static _Noreturn void attempt_in_child(size_t i)
{
    connect_of = socket(AF_UNIX, SOCK_STREAM, 0);
    if (sandbox_enter(planted.folder) != (SANDBOX_LANDLOCK | SANDBOX_SECCOMP)) {
        _exit(NOT_CONFINED);
    }
    // What is refused for another reason already would show nothing.
    if (cases[i].attempt == try_another_ring && cases[i].attempt() != 0) {
        _exit(POINTLESS);
    }
    if (cases[i].sealed) sandbox_seal();
    _exit(cases[i].attempt());
}

static int result_of(pid_t child)
{
    int status;

    assert_true(child > 0);
    assert_true(waitpid(child, &status, 0) == child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static void refuses_everything_else(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        pid_t child;
        int result;

        test_case = cases[i].name;
        child = fork();
        if (child == 0) attempt_in_child(i);
        result = result_of(child);
        if (result == NOT_CONFINED) skip(); // this kernel has not both
        if (result != EPERM && result != EACCES) {
            print_error("%s: %d\n", cases[i].name, result);
        }
        CHECK(result == EPERM || result == EACCES);
    }
}

// ------------------------------------------------------------- by the ring

// Asks a ring, opened before, for one operation; the result it gives.
static int submit_one(int fd, const struct io_uring_params *params,
                      const struct io_uring_sqe *wanted)
{
    uint8_t *ring = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
                         IORING_OFF_SQ_RING);
    uint8_t *done = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
                         IORING_OFF_CQ_RING);
    struct io_uring_sqe *sqes = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                                     MAP_SHARED, fd, IORING_OFF_SQES);
    struct io_uring_cqe *cqe;

    if (ring == MAP_FAILED || done == MAP_FAILED || sqes == MAP_FAILED) {
        return 0;
    }
    sqes[0] = *wanted;
    *(uint32_t *)(void *)(ring + params->sq_off.array) = 0;
    *(uint32_t *)(void *)(ring + params->sq_off.tail) = 1;
    if (syscall(SYS_io_uring_enter, fd, 1, 1, IORING_ENTER_GETEVENTS, NULL,
                0) != 1) {
        return 0;
    }
    cqe = (struct io_uring_cqe *)(void *)(done + params->cq_off.cqes);
    return -cqe->res;
}

static _Noreturn void open_by_ring(const char *path, int flags)
{
    struct io_uring_params params = {0};
    struct io_uring_sqe sqe = {.opcode = IORING_OP_OPENAT,
                               .fd = AT_FDCWD,
                               .addr = (uint64_t)(uintptr_t)path,
                               .open_flags = (uint32_t)flags};
    int fd = (int)syscall(SYS_io_uring_setup, 8, &params);

    if (fd < 0 ||
        sandbox_enter(planted.folder) != (SANDBOX_LANDLOCK | SANDBOX_SECCOMP)) {
        _exit(NOT_CONFINED);
    }
    _exit(submit_one(fd, &params, &sqe));
}

// A ring without restrictions passes by seccomp; Landlock holds it.
static void refuses_by_any_ring(void **state)
{
    const struct {
        const char *path;
        int flags;
    } opens[] = {{in_index, O_RDWR},
                 {"/etc/passwd", O_RDONLY},
                 {outside, O_WRONLY | O_CREAT}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(opens); i++) {
        pid_t child = fork();
        int result;

        test_case = opens[i].path;
        if (child == 0) open_by_ring(opens[i].path, opens[i].flags);
        result = result_of(child);
        if (result == NOT_CONFINED) skip();
        CHECK(result == EACCES);
    }
}

// ------------------------------------------------------------- what still
// works

static void add(const char *name, uint32_t serial)
{
    const struct planted_cert cert = {.names = {name},
                                      .ca = CA_AMBER,
                                      .serial = serial,
                                      .not_before = 1700000000,
                                      .not_after = 1800000000};

    planted_add(&planted, 0, &cert, false, 1700000000000);
    (void)planted_append(&planted, 0);
}

static char answer[1 << 18];

static void get(const char *target)
{
    char request[256];
    size_t len = 0;
    ssize_t got;
    int fd = dial_patiently(socket_path);

    (void)snprintf(request, sizeof request,
                   "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
                   target);
    assert_true(write(fd, request, strlen(request)) ==
                (ssize_t)strlen(request));
    while ((got = read(fd, answer + len, sizeof answer - 1 - len)) > 0) {
        len += (size_t)got;
    }
    answer[len] = '\0';
    (void)close(fd);
}

// Asks for a target and finds `wanted` in the answer.
static void ask(const char *target, const char *wanted)
{
    get(target);
    if (strstr(answer, wanted) == NULL) {
        print_error("%s: %s\n", target, answer);
    }
    assert_non_null(strstr(answer, wanted));
}

static int read_fresh(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    const char *mapped;
    struct stat status;

    if (fd < 0) return errno;
    if (fstat(fd, &status) != 0 || status.st_size != 5) return 101;
    mapped = mmap(NULL, 5, PROT_READ, MAP_SHARED, fd, 0);
    if (mapped == MAP_FAILED) return 102;
    return memcmp(mapped, "fresh", 5) == 0 ? 0 : 103;
}

// As a merge makes files: after the server was confined, below the index.
static void reads_files_made_meanwhile(void **state)
{
    char folder[160], path[176], byte = 0;
    int ready[2], go[2], fd;
    pid_t child;

    (void)state;
    (void)snprintf(folder, sizeof folder, "%s/later", planted.folder);
    (void)snprintf(path, sizeof path, "%s/file", folder);
    assert_true(pipe(ready) == 0 && pipe(go) == 0);
    child = fork();
    if (child == 0) {
        (void)sandbox_enter(planted.folder);
        sandbox_seal();
        if (write(ready[1], &byte, 1) != 1 || read(go[0], &byte, 1) != 1) {
            _exit(100);
        }
        _exit(read_fresh(path));
    }
    assert_true(read(ready[0], &byte, 1) == 1);
    assert_int_equal(mkdir(folder, 0700), 0);
    fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0 && write(fd, "fresh", 5) == 5);
    (void)close(fd);
    assert_true(write(go[1], &byte, 1) == 1);
    assert_int_equal(result_of(child), 0);
    for (int i = 0; i < 2; i++) {
        (void)close(ready[i]);
        (void)close(go[i]);
    }
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
}

// A file with a value that LMDB names and does not touch.
static void write_segment(const char *path)
{
    static const uint8_t value[16384];
    struct lmdb_txn *txn;
    struct err err = {0};
    struct lmdb *env;
    lmdb_db db;

    assert_true(lmdb_file_create(&env, path, &err));
    assert_true(lmdb_begin(&txn, env, true, &err));
    assert_true(lmdb_db_open(txn, "values", LMDB_ORDER_BYTES, &db, &err));
    assert_true(lmdb_put(txn, db, bytes_from_text("key"),
                         bytes_of(value, sizeof value), &err));
    assert_true(lmdb_commit(txn, &err));
    assert_true(lmdb_file_sync(env, &err));
    lmdb_close(env);
}

static struct cut {
    char path[160];
    int ready, go;
} cut;

// In a thread, as the server's are.
static void *touch_what_is_cut(void *context)
{
    struct lmdb_txn *txn;
    struct lmdb *env;
    struct err err = {0};
    struct bytes value = {0};
    volatile uint8_t sum = 0;
    bool found = false;
    lmdb_db db;
    char byte = 0;

    sandbox_seal();
    if (!lmdb_file_open(&env, cut.path, &err) ||
        !lmdb_begin(&txn, env, false, &err) ||
        !lmdb_db_open(txn, "values", LMDB_ORDER_BYTES, &db, &err) ||
        !lmdb_get(txn, db, bytes_from_text("key"), &value, &found, &err) ||
        !found || write(cut.ready, &byte, 1) != 1 ||
        read(cut.go, &byte, 1) != 1) {
        _exit(101);
    }
    for (size_t i = 0; i < value.len; i++)
        sum |= value.data[i];
    if (sum != 0) _exit(103);
    return context;
}

static _Noreturn void touch_in_child(void)
{
    struct index *index;
    struct err err = {0};
    pthread_t thread;

    if (!index_open(&index, planted.folder, INDEX_READ, &err)) _exit(100);
    (void)sandbox_enter(planted.folder);
    if (pthread_create(&thread, NULL, touch_what_is_cut, NULL) != 0) _exit(99);
    (void)pthread_join(thread, NULL);
    _exit(102);
}

// What is opened after the server was confined is known as the index's too: a
// fault in it is damage, with its own words and exit code.
static void knows_damage_in_files_opened_later(void **state)
{
    int ready[2], go[2];
    char byte = 0;
    pid_t child;

    (void)state;
    assert_true(pipe(ready) == 0 && pipe(go) == 0);
    cut = (struct cut){.ready = ready[1], .go = go[0]};
    (void)snprintf(cut.path, sizeof cut.path, "%s/later.mdb", planted.folder);
    write_segment(cut.path);
    child = fork();
    if (child == 0) touch_in_child();
    (void)close(ready[1]);
    assert_true(read(ready[0], &byte, 1) == 1);
    assert_int_equal(truncate(cut.path, 4096), 0);
    assert_true(write(go[1], &byte, 1) == 1);
    assert_int_equal(result_of(child), LMDB_EXIT_DAMAGED);
    (void)close(ready[0]);
    (void)close(go[0]);
    (void)close(go[1]);
    assert_int_equal(unlink(cut.path), 0);
}

static bool socket_goes(void)
{
    for (int i = 0; i < 200; i++) {
        if (access(socket_path, F_OK) != 0) return true;
        usleep(50000);
    }
    return false;
}

static void answers_also_what_is_new(void **state)
{
    pid_t server;

    (void)state;
    add("first.example", 1);
    server = fork();
    if (server == 0) serve_folder(planted.folder, socket_path, 2);
    ask("/v1/count?q=first.example", "\"count\":1");
    ask("/v1/count?q=second.example", "\"count\":0");
    add("second.example", 2);
    ask("/v1/count?q=second.example", "\"count\":1");
    ask("/v1/certs?q=second.example", "\"dns_names\":[\"second.example\"]");
    ask("/v1/logs", "\"logs\":[{");
    ask("/v1/stat", "\"entries\":2");
    ask("/healthz", "\"ok\"");
    ask("/metrics", "sanct_memory_bytes ");
    assert_null(strstr(answer, "\nsanct_memory_bytes 0\n"));
    assert_true(kill(server, SIGTERM) == 0);
    assert_int_equal(result_of(server), 0);
    // It may not do so itself any more: the janitor did, before it ended.
    assert_true(access(socket_path, F_OK) != 0 && errno == ENOENT);
}

static void leaves_no_socket_when_killed(void **state)
{
    pid_t server = fork();

    (void)state;
    if (server == 0) serve_folder(planted.folder, socket_path, 2);
    ask("/healthz", "\"ok\"");
    assert_true(kill(server, SIGKILL) == 0);
    (void)result_of(server);
    assert_true(socket_goes());
}

// An answer under way, to a client that neither asks to the end nor reads.
static void a_second_signal_ends_it_at_once(void **state)
{
    static const char request[] = "POST /v1/certs HTTP/1.1\r\nHost: x\r\n"
                                  "Transfer-Encoding: chunked\r\n\r\n";
    static const char lines[] = "11\r\na.example\r\nb.exam\r\n";
    pid_t server = fork();
    int fd;

    (void)state;
    if (server == 0) serve_folder(planted.folder, socket_path, 2);
    fd = dial_patiently(socket_path);
    assert_true(write(fd, request, sizeof request - 1) > 0);
    // As many as the socket and the server take.
    while (send(fd, lines, sizeof lines - 1, MSG_DONTWAIT | MSG_NOSIGNAL) > 0) {
        usleep(20);
    }
    assert_int_equal(kill(server, SIGTERM), 0);
    usleep(700000);
    assert_int_equal(waitpid(server, NULL, WNOHANG), 0);
    assert_int_equal(kill(server, SIGTERM), 0);
    assert_int_equal(result_of(server), 1000 + SIGTERM);
    assert_true(socket_goes());
    (void)close(fd);
}

static int start(void **state)
{
    (void)state;
    planted_open(&planted, 16);
    (void)snprintf(in_index, sizeof in_index, "%s/tail/data.mdb",
                   planted.folder);
    (void)snprintf(outside, sizeof outside, "%s.outside", planted.folder);
    (void)snprintf(socket_path, sizeof socket_path, "%s.sock", planted.folder);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    (void)unlink(outside);
    (void)unlink(socket_path);
    planted_close(&planted);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_everything_else),
        cmocka_unit_test(refuses_by_any_ring),
        cmocka_unit_test(reads_files_made_meanwhile),
        cmocka_unit_test(knows_damage_in_files_opened_later),
        cmocka_unit_test(answers_also_what_is_new),
        cmocka_unit_test(leaves_no_socket_when_killed),
        cmocka_unit_test(a_second_signal_ends_it_at_once),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
