// lmdb_fault.c - damage and errors, told in sentences.  See lmdb_parts.h.

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "index/store/lmdb_parts.h"

_Thread_local volatile sig_atomic_t lmdb_inside;
_Thread_local struct lmdb *volatile lmdb_inside_of;
struct lmdb *volatile lmdb_all_open;

// Where a thread goes on after a fault; NULL: nowhere.
struct rescue {
    sigjmp_buf jump;
    struct rescue *outer;
    struct lmdb *env; // that the fault was in
    sig_atomic_t inside;
};
static _Thread_local struct rescue *volatile rescue;
static _Thread_local uint64_t num_faults;

// ------------------------------------------------------------ damage, loudly

static struct sigaction before_bus, before_segv;

static void say(const char *text)
{
    ssize_t ignored = write(STDERR_FILENO, text, strlen(text));

    (void)ignored;
}

static _Noreturn void end_damaged(const char *path, const char *what)
{
    say("sanct: index damaged: ");
    say(path);
    say(": ");
    say(what);
    say("; verify it, restore it or build it anew\n");
    _exit(LMDB_EXIT_DAMAGED);
}

// Goes back to lmdb_try, if there is one and the file can be done without.
static void give_up(struct lmdb *env)
{
    struct rescue *to = rescue;

    if (to == NULL || !env->is_file) return;
    env->broken = 1;
    to->env = env;
    siglongjmp(to->jump, 1);
}

void lmdb_on_assert(MDB_env *env, const char *message)
{
    struct lmdb *owner = mdb_env_get_userctx(env);

    if (owner != NULL) give_up(owner);
    end_damaged(owner != NULL ? owner->path : "", message);
}

static void on_fault(int number, siginfo_t *info, void *context)
{
    const struct sigaction *before =
        number == SIGBUS ? &before_bus : &before_segv;
    const uint8_t *at = info->si_addr;

    for (struct lmdb *e = lmdb_all_open; e != NULL; e = e->next) {
        bool mapped =
            e->map != NULL && at >= e->map && at < e->map + e->map_size;

        if (mapped || (lmdb_inside != 0 && e == lmdb_inside_of)) give_up(e);
        if (mapped || (lmdb_inside != 0 && e->next == NULL)) {
            end_damaged(e->path, number == SIGBUS
                                     ? "a page cannot be read (file cut short "
                                       "or disk failing)"
                                     : "a page points outside of the file");
        }
    }
    if ((before->sa_flags & SA_SIGINFO) != 0) {
        before->sa_sigaction(number, info, context);
    } else if (before->sa_handler != SIG_DFL && before->sa_handler != SIG_IGN) {
        before->sa_handler(number);
    } else {
        (void)signal(number, SIG_DFL); // and the fault comes again
    }
}

// Puts the handler in place, unless it is there: whoever came in between is
// asked about faults that are not ours.
static void guard_signal(int number, struct sigaction *before)
{
    struct sigaction action = {0}, now;

    if (sigaction(number, NULL, &now) != 0 ||
        ((now.sa_flags & SA_SIGINFO) != 0 && now.sa_sigaction == on_fault)) {
        return;
    }
    *before = now;
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(number, &action, NULL);
}

void lmdb_guard_install(void)
{
    struct sigaction limit;

    guard_signal(SIGBUS, &before_bus);
    guard_signal(SIGSEGV, &before_segv);
    // A file size limit must be an error of the write, not a signal.
    if (sigaction(SIGXFSZ, NULL, &limit) == 0 && limit.sa_handler == SIG_DFL) {
        (void)signal(SIGXFSZ, SIG_IGN);
    }
}

bool lmdb_try(lmdb_work *work, void *context, struct err *err)
{
    struct rescue here = {.outer = rescue, .inside = lmdb_inside};
    bool ok;

    // The handler leaves no signal blocked, so no mask is kept.
    if (sigsetjmp(here.jump, 0) != 0) {
        rescue = here.outer;
        lmdb_inside = here.inside;
        num_faults++;
        return lmdb_say_broken(here.env, err);
    }
    rescue = &here;
    ok = work(context, err);
    rescue = here.outer;
    return ok;
}

bool lmdb_touch(lmdb_work *work, void *context, struct err *err)
{
    return rescue == NULL ? work(context, err) : lmdb_try(work, context, err);
}

uint64_t lmdb_num_faults(void)
{
    return num_faults;
}

bool lmdb_is_broken(const struct lmdb *env)
{
    return env->broken != 0;
}

bool lmdb_say_broken(const struct lmdb *env, struct err *err)
{
    return err_set(err, ERR_INDEX,
                   "index damaged: %s: a page cannot be read (file cut short "
                   "or disk failing)",
                   env->path);
}

// ------------------------------------------------------------ sentences

// The mount point that `dir` lies in.
static void mount_point(char out[PATH_MAX], const char *dir)
{
    struct stat here, above;

    if (realpath(dir, out) == NULL || stat(out, &here) != 0) {
        (void)snprintf(out, PATH_MAX, "%s", dir);
        return;
    }
    for (;;) {
        char up[PATH_MAX];
        char *slash;

        (void)snprintf(up, sizeof up, "%s", out);
        slash = strrchr(up, '/');
        if (slash == NULL || strcmp(up, "/") == 0) return;
        slash[slash == up ? 1 : 0] = '\0';
        if (stat(up, &above) != 0 || above.st_dev != here.st_dev) return;
        (void)snprintf(out, PATH_MAX, "%s", up);
    }
}

// LMDB calls a full disk EIO; the file system tells.
bool lmdb_fail_write(const struct lmdb *env, uint64_t bytes_put, int rc,
                     struct err *err)
{
    uint64_t need = 2 * bytes_put + 1024 * 1024, room = need;
    struct rlimit limit;
    struct statvfs fs;

    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 &&
        limit.rlim_cur != RLIM_INFINITY &&
        lmdb_size_bytes(env) + need > limit.rlim_cur) {
        return err_set(err, ERR_INDEX,
                       "%s: file size limit of %" PRIu64
                       " bytes reached (ulimit -f)",
                       env->path, (uint64_t)limit.rlim_cur);
    }
    if (statvfs(env->dir, &fs) == 0) {
        room = (uint64_t)fs.f_bavail * (uint64_t)fs.f_frsize;
    }
    if (rc == ENOSPC || rc == EDQUOT || room < need) {
        char mount[PATH_MAX];

        mount_point(mount, env->dir);
        return err_set(err, ERR_INDEX,
                       "disk full: file system %.256s lacks about %" PRIu64
                       " bytes",
                       mount, room < need ? need - room : need);
    }
    return err_set(err, ERR_INDEX, "%s: cannot write: %s", env->path,
                   strerror(rc));
}

bool lmdb_fail(const struct lmdb *env, uint64_t bytes_put, int rc,
               const char *doing, struct err *err)
{
    switch (rc) {
    case EIO:
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return lmdb_fail_write(env, bytes_put, rc, err);
    case ENOMEM:
        return err_set(err, ERR_MEMORY, "%s: no memory to %s", env->dir, doing);
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_CURSOR_FULL:
    case MDB_BAD_TXN:
    case MDB_INCOMPATIBLE:
    case MDB_INVALID:
    case MDB_PANIC:
    case MDB_BAD_DBI:
    case MDB_NOTFOUND:
        return err_set(err, ERR_INDEX, "index damaged: %s: cannot %s: %s",
                       env->path, doing, mdb_strerror(rc));
    case MDB_READERS_FULL:
        return err_set(err, ERR_INDEX, "%s: more than %d readers at once",
                       env->dir, LMDB_READERS_MAX);
    default:
        return err_set(err, ERR_INDEX, "%s: cannot %s: %s", env->path, doing,
                       mdb_strerror(rc));
    }
}
