// janitor.c - see janitor.h.

#include "query/server/janitor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

// Only what is still the socket that was there at the start is removed.
static void remove_socket(const char *path, const struct stat *ours)
{
    struct stat now;

    if (lstat(path, &now) == 0 && S_ISSOCK(now.st_mode) &&
        now.st_dev == ours->st_dev && now.st_ino == ours->st_ino) {
        (void)unlink(path);
    }
}

// Keeps the pipe alone of all descriptors: a listening socket held here would
// outlive its server.
static void close_all_but(int fd)
{
    long most = sysconf(_SC_OPEN_MAX);

    if (fd > 0) (void)syscall(SYS_close_range, 0, fd - 1, 0);
    if (syscall(SYS_close_range, fd + 1, ~0U, 0) == 0) return;
    for (int i = 0; i < (most > 0 ? most : 1024); i++) { // before 5.9
        if (i != fd) (void)close(i);
    }
}

static _Noreturn void wait_and_remove(int fd, const char *path,
                                      const struct stat *ours)
{
    sigset_t all;
    char byte;

    // What ends the server by its group or its terminal must not end this.
    (void)sigfillset(&all);
    (void)sigprocmask(SIG_SETMASK, &all, NULL);
    close_all_but(fd);
    while (read(fd, &byte, 1) < 0 && errno == EINTR)
        continue;
    remove_socket(path, ours);
    _exit(0);
}

bool janitor_start(struct janitor *janitor, const char *path, struct err *err)
{
    struct stat ours;
    int ends[2];
    pid_t pid;

    if (lstat(path, &ours) != 0 || pipe2(ends, O_CLOEXEC) != 0) {
        return err_set(err, ERR_USAGE, "socket %s: %s", path, strerror(errno));
    }
    pid = fork();
    if (pid == 0) {
        (void)close(ends[1]);
        wait_and_remove(ends[0], path, &ours);
    }
    (void)close(ends[0]);
    if (pid < 0) {
        (void)close(ends[1]);
        return err_set(err, ERR_MEMORY, "fork: %s", strerror(errno));
    }
    *janitor = (struct janitor){.pid = pid, .pipe = ends[1]};
    return true;
}

void janitor_dismiss(struct janitor *janitor)
{
    if (janitor->pid <= 0) return;
    (void)close(janitor->pipe);
    while (waitpid(janitor->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    *janitor = (struct janitor){0};
}
