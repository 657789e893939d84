// test_power_cut.c - the power goes, and what was not synced with it.
//
// This program's own pwrite, fsync, ... stand in front of the C library's, for
// LMDB too, and remember how to undo what no sync has put on the disk.  A child
// loads, merges and compacts until the Nth of them; then writes of files are
// undone, all or at random, in whole or from some byte on, names that no sync
// of their folder kept are taken away, and the child is gone.  What is left
// must be sound without repair, hold whole chunks only and answer as a naive
// copy does, and the work, taken up again, must come to the digest of an
// undisturbed run.
//
// CUTS (24) of them, spread over all.

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/support/check.h"
#include "tests/support/random.h"
#include "tests/support/trial.h"

enum { EXIT_CUT = 11, PATH_LEN = 256, THREADS_MAX = 64 };

// ------------------------------------------------------------ what to undo

enum kind { WRITE, CREATE, RENAME };

struct undo {
    enum kind kind;
    struct undo *older;
    ino_t inode; // of the file, or of the folder that a name is in
    char path[PATH_LEN], before[PATH_LEN];
    off_t at, size; // of the write, and of the file before it
    size_t len, had;
    uint8_t data[];
};

struct shared {
    _Atomic uint64_t calls;
};
static struct shared *shared;

static atomic_bool armed;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; // of what follows
static struct undo *newest;
static uint64_t cut_at;
static struct random randomness;
static bool all_goes;

static struct undo *note(enum kind kind, ino_t inode, const char *path,
                         size_t len)
{
    struct undo *undo = calloc(1, sizeof *undo + len);

    if (undo == NULL) _exit(90);
    *undo = (struct undo){.kind = kind, .older = newest, .inode = inode};
    (void)snprintf(undo->path, sizeof undo->path, "%s", path);
    newest = undo;
    return undo;
}

static void note_write(int fd, size_t len, off_t at)
{
    char link[64], path[PATH_LEN] = "";
    struct undo *undo;
    struct stat now;

    // LMDB writes its roots through a descriptor that syncs.
    if ((fcntl(fd, F_GETFL) & O_DSYNC) != 0 || fstat(fd, &now) != 0) return;
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    if (readlink(link, path, sizeof path - 1) < 0) _exit(91);
    undo = note(WRITE, now.st_ino, path, len);
    undo->at = at;
    undo->len = len;
    undo->size = now.st_size;
    if (at < now.st_size) {
        ssize_t had = pread(fd, undo->data, len, at);

        if (had < 0) {
            // Open for writing only: by its name.
            int other = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY, 0);

            had = other < 0 ? -1 : pread(other, undo->data, len, at);
            if (other >= 0) (void)close(other);
        }
        if (had < 0) _exit(92);
        undo->had = (size_t)had;
    }
}

static void note_name(enum kind kind, const char *path, const char *before)
{
    char folder[PATH_LEN];
    struct undo *undo;
    struct stat now;
    char *slash;

    (void)snprintf(folder, sizeof folder, "%s", path);
    slash = strrchr(folder, '/');
    if (slash == NULL) return;
    *slash = '\0';
    if (stat(folder, &now) != 0) return;
    undo = note(kind, now.st_ino, path, 0);
    (void)snprintf(undo->before, sizeof undo->before, "%s", before);
}

// What a sync of this file or folder has put on the disk.
static void forget(int fd)
{
    struct undo **link = &newest;
    struct stat now;

    if (fstat(fd, &now) != 0) return;
    while (*link != NULL) {
        struct undo *undo = *link;

        if (undo->inode != now.st_ino) {
            link = &undo->older;
            continue;
        }
        *link = undo->older;
        free(undo);
    }
}

static void undo_write(const struct undo *undo)
{
    int fd = (int)syscall(SYS_openat, AT_FDCWD, undo->path, O_RDWR, 0);
    size_t kept = 0;

    if (fd < 0) return; // it was unlinked
    if (!all_goes && random_below(&randomness, 4) == 0) {
        kept = (size_t)random_below(&randomness, undo->len + 1);
    }
    if (undo->had > kept) {
        (void)!syscall(SYS_pwrite64, fd, undo->data + kept, undo->had - kept,
                       undo->at + (off_t)kept);
    }
    if (undo->at + (off_t)undo->len > undo->size && all_goes) {
        (void)!ftruncate(fd, undo->size);
    } else if (undo->len > undo->had && kept < undo->len) {
        // A file grows before its bytes arrive.
        static const uint8_t zeros[65536];
        size_t from = undo->had > kept ? undo->had : kept;

        while (from < undo->len) {
            size_t len = undo->len - from < sizeof zeros ? undo->len - from
                                                         : sizeof zeros;

            (void)!syscall(SYS_pwrite64, fd, zeros, len,
                           undo->at + (off_t)from);
            from += len;
        }
    }
    (void)close(fd);
}

static atomic_uint num_still;

static void stand_still(int number)
{
    (void)number;
    atomic_fetch_add(&num_still, 1);
    for (;;) {
        (void)pause();
    }
}

// Nobody works without power: the other threads must not see what is undone.
static void stop_other_threads(void)
{
    const struct sigaction still = {.sa_handler = stand_still};
    pid_t threads[THREADS_MAX];
    unsigned num = 0;
    DIR *list = opendir("/proc/self/task");
    struct dirent *thread;

    while (list != NULL && num < THREADS_MAX &&
           (thread = readdir(list)) != NULL) {
        pid_t id = (pid_t)atoi(thread->d_name);

        if (id > 0 && id != gettid()) threads[num++] = id;
    }
    (void)sigaction(SIGUSR1, &still, NULL);
    for (unsigned i = 0; i < num; i++) {
        (void)tgkill(getpid(), threads[i], SIGUSR1);
    }
    // One that has ended meanwhile does not say so: no longer than a second.
    for (unsigned ms = 0; ms < 1000 && atomic_load(&num_still) < num; ms++) {
        (void)usleep(1000);
    }
}

static _Noreturn void cut(void)
{
    stop_other_threads();
    for (struct undo *undo = newest; undo != NULL; undo = undo->older) {
        if (!all_goes && random_below(&randomness, 2) == 0) continue;
        if (undo->kind == WRITE) {
            undo_write(undo);
        } else if (undo->kind == CREATE) {
            (void)unlink(undo->path);
        } else {
            (void)syscall(SYS_rename, undo->path, undo->before);
        }
    }
    _exit(EXIT_CUT);
}

// Counts a call; at the one that was chosen everything ends.
static bool enter(void)
{
    if (!armed) return false;
    (void)pthread_mutex_lock(&mutex);
    if (++shared->calls == cut_at) cut();
    return true;
}

static void leave(void)
{
    (void)pthread_mutex_unlock(&mutex);
}

// ------------------------------------------------------------ in front of libc

ssize_t pwrite(int fd, const void *data, size_t len, off_t at)
{
    bool counted = enter();
    ssize_t done;

    if (counted) note_write(fd, len, at);
    done = syscall(SYS_pwrite64, fd, data, len, at);
    if (counted) leave();
    return done;
}

ssize_t writev(int fd, const struct iovec *pieces, int num)
{
    bool counted = enter();
    size_t len = 0;
    ssize_t done;

    for (int i = 0; i < num; i++) {
        len += pieces[i].iov_len;
    }
    if (counted) note_write(fd, len, lseek(fd, 0, SEEK_CUR));
    done = syscall(SYS_writev, fd, pieces, num);
    if (counted) leave();
    return done;
}

int fsync(int fd)
{
    bool counted = enter();

    // (Nothing is gained by waiting for this machine's disk.)
    if (counted) forget(fd);
    if (counted) leave();
    return 0;
}

int fdatasync(int fd)
{
    return fsync(fd);
}

int rename(const char *from, const char *to)
{
    bool counted = enter();
    int done = (int)syscall(SYS_rename, from, to);

    if (counted && done == 0) note_name(RENAME, to, from);
    if (counted) leave();
    return done;
}

int open(const char *path, int flags, ...)
{
    bool counted = false, is_new;
    mode_t mode = 0;
    int fd;

    if ((flags & O_CREAT) != 0) {
        va_list args;

        va_start(args, flags);
        mode = va_arg(args, mode_t);
        va_end(args);
        counted = enter();
    }
    is_new = counted && access(path, F_OK) != 0;
    fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    if (is_new && fd >= 0) note_name(CREATE, path, "");
    if (counted) leave();
    return fd;
}

// ------------------------------------------------------------ the trial

static void work_until_it_is_dark(void)
{
    struct err err = {0};
    bool ok;

    armed = true;
    ok = trial_work(&err);
    armed = false;
    while (newest != NULL) {
        struct undo *older = newest->older;

        free(newest);
        newest = older;
    }
    if (ok) return;
    (void)fprintf(stderr, "%s\n", err.text);
    _exit(1);
}

static void cut_once(uint64_t number, uint64_t call)
{
    struct err err = {0};
    char name[64];
    int code;

    trial_reset();
    randomness = random_for(number, "cut", 0);
    shared->calls = 0;
    cut_at = call;
    all_goes = number % 3 == 0;
    (void)snprintf(name, sizeof name, "call %lu, %s", (unsigned long)call,
                   all_goes ? "all goes" : "at random");
    test_case = name;
    code = trial_fork(work_until_it_is_dark);
    CHECK(code == 0 || code == EXIT_CUT);
    trial_check(code == 0);
    if (!trial_work(&err)) fail_msg("%s: %s", name, err.text);
    trial_check(true);
}

static void a_power_cut_loses_no_chunk_in_part(void **state)
{
    const char *text = getenv("CUTS");
    uint64_t cuts = text != NULL ? strtoull(text, NULL, 10) : 24, calls;

    (void)state;
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(shared != MAP_FAILED);
    trial_begin();
    CHECK(trial_fork(work_until_it_is_dark) == 0);
    calls = shared->calls;
    CHECK(calls > 100);
    for (uint64_t i = 0; i < cuts; i++) {
        cut_once(i, 1 + i * calls / cuts);
    }
    print_message("%lu calls, cut at %lu of them\n", (unsigned long)calls,
                  (unsigned long)cuts);
    trial_end();
    (void)munmap(shared, sizeof *shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_power_cut_loses_no_chunk_in_part),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
