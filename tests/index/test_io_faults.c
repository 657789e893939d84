// test_io_faults.c - the Nth write, sync or creation of a file fails.
//
// This program's own pwrite, fsync, ... stand in front of the C library's, for
// LMDB too.  A child loads, merges and compacts until the Nth of them fails,
// once or from then on, as a disk that is full or broken does.  It must end
// with a sentence; what is left must be sound, hold whole chunks only and
// answer as a naive copy does; and the work, taken up again, must come to the
// digest of an undisturbed run.
//
// FAULTS (24) of them, spread over all.

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/support/check.h"
#include "tests/support/trial.h"

enum { EXIT_TOLD = 10 };

// ------------------------------------------------------------ the fault

// What the child tells its parent.
struct shared {
    _Atomic uint64_t calls;
};
static struct shared *shared;

static atomic_bool armed;
static uint64_t fail_at; // this one, 0: none
static bool fails_on;    // and all after it
static int fail_with;

static bool fails(void)
{
    uint64_t call;

    if (!armed) return false;
    call = ++shared->calls;
    if (fail_at == 0 || call < fail_at || (call > fail_at && !fails_on)) {
        return false;
    }
    errno = fail_with;
    return true;
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t at)
{
    return fails() ? -1 : syscall(SYS_pwrite64, fd, data, len, at);
}

ssize_t writev(int fd, const struct iovec *pieces, int num)
{
    return fails() ? -1 : syscall(SYS_writev, fd, pieces, num);
}

// Nothing is gained here by waiting for this machine's disk.
int fsync(int fd)
{
    (void)fd;
    return fails() ? -1 : 0;
}

int fdatasync(int fd)
{
    return fsync(fd);
}

int mkdir(const char *path, mode_t mode)
{
    return fails() ? -1 : (int)syscall(SYS_mkdir, path, mode);
}

int rename(const char *from, const char *to)
{
    return fails() ? -1 : (int)syscall(SYS_rename, from, to);
}

int open(const char *path, int flags, ...)
{
    mode_t mode = 0;

    if ((flags & O_CREAT) != 0) {
        va_list args;

        va_start(args, flags);
        mode = va_arg(args, mode_t);
        va_end(args);
        if (fails()) return -1;
    }
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

// ------------------------------------------------------------ the trial

static void work_until_it_fails(void)
{
    struct err err = {0};
    bool ok;

    armed = true;
    ok = trial_work(&err);
    armed = false;
    if (ok) return;
    // Nothing else than a disk that does not work was wrong.
    if (err.code != ERR_INDEX || strstr(err.text, "damaged") != NULL) {
        (void)fprintf(stderr, "%s\n", err.text);
        _exit(1);
    }
    _exit(EXIT_TOLD);
}

static bool fail_one(uint64_t number, uint64_t call)
{
    static const int errors[] = {EIO, ENOSPC};
    struct err err = {0};
    char name[64];
    int code;

    trial_reset();
    shared->calls = 0;
    fail_at = call;
    fails_on = number % 2 == 0;
    fail_with = errors[number / 2 % 2];
    (void)snprintf(name, sizeof name, "call %lu: %s, %s", (unsigned long)call,
                   strerror(fail_with), fails_on ? "from then on" : "once");
    test_case = name;
    code = trial_fork(work_until_it_fails);
    CHECK(code == 0 || code == EXIT_TOLD);
    trial_check(code == 0);
    if (!trial_work(&err)) fail_msg("%s: %s", name, err.text);
    trial_check(true);
    return code == EXIT_TOLD;
}

static void no_failure_of_the_disk_harms_an_index(void **state)
{
    const char *text = getenv("FAULTS");
    uint64_t faults = text != NULL ? strtoull(text, NULL, 10) : 24;
    uint64_t told = 0, calls;

    (void)state;
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(shared != MAP_FAILED);
    trial_begin();
    CHECK(trial_fork(work_until_it_fails) == 0);
    calls = shared->calls;
    CHECK(calls > 100);
    for (uint64_t i = 0; i < faults; i++) {
        told += fail_one(i, 1 + i * calls / faults);
    }
    print_message("%lu calls; %lu faults, of which %lu were told\n",
                  (unsigned long)calls, (unsigned long)faults,
                  (unsigned long)told);
    CHECK(told > faults / 2);
    trial_end();
    (void)munmap(shared, sizeof *shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_failure_of_the_disk_harms_an_index),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
