// lmdb.c - see lmdb.h.

#include "index/store/lmdb.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <lmdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

enum {
    NUM_DBS_MAX = 16,
    NUM_READERS_MAX = 510,
    BEGIN_TRIES_MAX = 20,
    // Where the header of data.mdb says who wrote it: a page header of 16
    // bytes, then magic, format, an address, the map's size, the page size.
    HEADER_LEN = 144,
    HEADER_MAGIC = 16,
    HEADER_FORMAT = 20,
    HEADER_PAGE_SIZE = 40,
    HEADER_LAST_PAGE = 136,
    FORMAT_0_9 = 1,
};
#define MAGIC UINT32_C(0xBEEFC0DE)

// The mapping takes address space, nothing else; so much that it need not grow
// while readers hold it.  Where address space is short it starts smaller.
#define MAP_SIZE_FIRST ((size_t)8 << 40)
#define MAP_SIZE_FILE ((size_t)64 << 30)
#define MAP_SIZE_MIN ((size_t)64 << 20)

struct lmdb {
    struct lmdb *next; // in the list of those open
    MDB_env *env;
    pid_t pid;
    dev_t device;
    ino_t inode;
    bool writable;
    unsigned num_users;
    unsigned num_txns; // under way; the mapping stays while there are any
    pthread_mutex_t mutex;
    size_t page_size;
    const uint8_t *map; // NULL: not found out
    size_t map_size;
    bool is_file;        // a file of its own, not a folder
    char dir[PATH_MAX];  // the folder, or the file's
    char path[PATH_MAX]; // what LMDB maps
};

struct lmdb_txn {
    struct lmdb *env;
    MDB_txn *txn;
    bool write;
    bool idle;           // reset and not yet renewed
    time_t checked;      // when its file was last known to be there
    size_t last_id;      // of the moment it stands for
    uint64_t used_bytes; // no value ends above
    uint64_t bytes_put;
};

struct lmdb_cursor {
    struct lmdb_txn *txn;
    MDB_cursor *cursor;
};

// All environments of the process: one file must not be opened twice (closing
// either would drop the locks of both).
static pthread_mutex_t open_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct lmdb *volatile all_open;

// How deep this thread is inside LMDB; a fault there is damage.
static _Thread_local volatile sig_atomic_t inside;

#define CALL(rc, call) (inside++, (rc) = (call), inside--)

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

static void on_assert(MDB_env *env, const char *message)
{
    const struct lmdb *owner = mdb_env_get_userctx(env);

    end_damaged(owner != NULL ? owner->path : "", message);
}

static void on_fault(int number, siginfo_t *info, void *context)
{
    const struct sigaction *before =
        number == SIGBUS ? &before_bus : &before_segv;
    const uint8_t *at = info->si_addr;

    for (const struct lmdb *e = all_open; e != NULL; e = e->next) {
        bool mapped =
            e->map != NULL && at >= e->map && at < e->map + e->map_size;

        if (mapped || (inside != 0 && e->next == NULL)) {
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

static void guard_install(void)
{
    struct sigaction limit;

    guard_signal(SIGBUS, &before_bus);
    guard_signal(SIGSEGV, &before_segv);
    // A file size limit must be an error of the write, not a signal.
    if (sigaction(SIGXFSZ, NULL, &limit) == 0 && limit.sa_handler == SIG_DFL) {
        (void)signal(SIGXFSZ, SIG_IGN);
    }
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
static bool fail_write(const struct lmdb *env, uint64_t bytes_put, int rc,
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

static bool fail(const struct lmdb *env, uint64_t bytes_put, int rc,
                 const char *doing, struct err *err)
{
    switch (rc) {
    case EIO:
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return fail_write(env, bytes_put, rc, err);
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
                       env->dir, NUM_READERS_MAX);
    default:
        return err_set(err, ERR_INDEX, "%s: cannot %s: %s", env->path, doing,
                       mdb_strerror(rc));
    }
}

// ------------------------------------------------------------ open and close

static bool check_header(const struct lmdb *env, struct err *err)
{
    const char *path = env->path;
    uint8_t header[HEADER_LEN];
    uint32_t magic, format, page_size;
    ssize_t len;
    int fd;

    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return err_set(err, ERR_INDEX, "%s: %s", path, strerror(errno));
    }
    len = pread(fd, header, sizeof header, 0);
    (void)close(fd);
    if (len != (ssize_t)sizeof header) {
        return err_set(err, ERR_INDEX,
                       "index damaged: %s: cut short within its first page",
                       path);
    }
    memcpy(&magic, header + HEADER_MAGIC, sizeof magic);
    memcpy(&format, header + HEADER_FORMAT, sizeof format);
    memcpy(&page_size, header + HEADER_PAGE_SIZE, sizeof page_size);
    if (magic == __builtin_bswap32(MAGIC)) {
        return err_set(err, ERR_INDEX,
                       "%s: written on a machine of the other byte order",
                       path);
    }
    if (magic != MAGIC) {
        return err_set(err, ERR_INDEX, "index damaged: %s: no LMDB file", path);
    }
    if (format != FORMAT_0_9) {
        return err_set(err, ERR_INDEX,
                       "%s: LMDB data format %u; this program reads %d", path,
                       format, FORMAT_0_9);
    }
    if (page_size != (uint32_t)sysconf(_SC_PAGESIZE)) {
        return err_set(err, ERR_INDEX,
                       "%s: pages of %u bytes; this machine has %ld", path,
                       page_size, sysconf(_SC_PAGESIZE));
    }
    return true;
}

// What LMDB would map more of than there is, is told before it tries.
static bool check_roots(const struct lmdb *env, struct err *err)
{
    uint64_t len, need, last_page;
    struct stat now;
    int fd = open(env->path, O_RDONLY | O_CLOEXEC);
    bool ok = fd >= 0 && fstat(fd, &now) == 0;

    len = ok ? (uint64_t)now.st_size : 0;
    for (int i = 0; ok && i < 2; i++) {
        ok = pread(fd, &last_page, sizeof last_page,
                   i * sysconf(_SC_PAGESIZE) + HEADER_LAST_PAGE) ==
                 (ssize_t)sizeof last_page &&
             !__builtin_add_overflow(last_page, 1, &need) &&
             need <= len / (uint64_t)sysconf(_SC_PAGESIZE);
    }
    if (fd >= 0) (void)close(fd);
    return ok ||
           err_set(err, ERR_INDEX, "index damaged: %s: cut short", env->path);
}

// LMDB does not compare the file's length with what its newest root needs.
static bool check_length(struct lmdb *env, struct err *err)
{
    uint64_t need, have;
    MDB_envinfo info;
    int rc;

    CALL(rc, mdb_env_info(env->env, &info));
    if (rc != 0) return fail(env, 0, rc, "read its state", err);
    need = ((uint64_t)info.me_last_pgno + 1) * env->page_size;
    have = lmdb_size_bytes(env);
    if (info.me_last_pgno < (size_t)1 << 50 && need <= have) return true;
    return err_set(err, ERR_INDEX,
                   "index damaged: %s: cut short: %" PRIu64
                   " bytes where %" PRIu64 " are needed",
                   env->path, have, need);
}

static pthread_mutex_t maps_mutex = PTHREAD_MUTEX_INITIALIZER;
static int maps_fd = -1;
static pid_t maps_pid; // whose mappings it tells

// /proc/self/maps from its beginning, under maps_mutex.  It stays open, since a
// confined process may open it no more and meets new files all the same.
static FILE *open_maps(void)
{
    FILE *maps;
    int fd;

    if (maps_fd >= 0 && maps_pid != getpid()) {
        (void)close(maps_fd);
        maps_fd = -1;
    }
    if (maps_fd < 0) {
        maps_fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
        maps_pid = getpid();
    }
    if (maps_fd < 0 || lseek(maps_fd, 0, SEEK_SET) != 0) return NULL;
    fd = fcntl(maps_fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0) return NULL;
    maps = fdopen(fd, "r");
    if (maps == NULL) (void)close(fd);
    return maps;
}

// The lowest mapping of the file; to know a fault in it from any other.
static void find_map(struct lmdb *env)
{
    char line[PATH_MAX + 128];
    MDB_envinfo info;
    FILE *maps;

    (void)pthread_mutex_lock(&maps_mutex);
    maps = open_maps();
    while (maps != NULL && env->map == NULL &&
           fgets(line, sizeof line, maps) != NULL) {
        unsigned long start, end, inode;

        if (sscanf(line, "%lx-%lx %*s %*s %*s %lu", &start, &end, &inode) ==
                3 &&
            inode == (unsigned long)env->inode &&
            strstr(line, strrchr(env->path, '/')) != NULL) {
            env->map = (const uint8_t *)start;
        }
    }
    if (maps != NULL) (void)fclose(maps);
    (void)pthread_mutex_unlock(&maps_mutex);
    (void)mdb_env_info(env->env, &info);
    env->map_size = info.me_mapsize;
}

static int env_open(struct lmdb *env, size_t map_size)
{
    unsigned flags =
        MDB_NOTLS | MDB_NORDAHEAD | (env->writable ? 0 : MDB_RDONLY);
    int rc = mdb_env_create(&env->env);

    // A file that is being written has no reader, and is thrown away after any
    // crash; one that is read has no writer.
    if (env->is_file) {
        flags |= MDB_NOSUBDIR | MDB_NOLOCK;
        if (env->writable) flags |= MDB_NOSYNC | MDB_NOMETASYNC;
    }

    if (rc != 0) {
        env->env = NULL;
        return rc;
    }
    (void)mdb_env_set_userctx(env->env, env);
    (void)mdb_env_set_assert(env->env, on_assert);
    if ((rc = mdb_env_set_maxdbs(env->env, NUM_DBS_MAX)) != 0 ||
        (rc = mdb_env_set_maxreaders(env->env, NUM_READERS_MAX)) != 0 ||
        (rc = mdb_env_set_mapsize(env->env, map_size)) != 0 ||
        (rc = mdb_env_open(env->env, env->is_file ? env->path : env->dir, flags,
                           0644)) != 0) {
        mdb_env_close(env->env);
        env->env = NULL;
    }
    return rc;
}

// How much to map: of a file all there is, which does not change.
static size_t first_map_size(const struct lmdb *env)
{
    struct stat now;

    if (!env->is_file) return MAP_SIZE_FIRST;
    if (env->writable) return MAP_SIZE_FILE;
    return stat(env->path, &now) == 0 ? (size_t)now.st_size : 0;
}

static bool open_new(struct lmdb *env, enum lmdb_mode mode, struct err *err)
{
    struct stat stat_now;
    size_t map_size;
    MDB_stat stat;
    int rc, fd;

    if (mode != LMDB_CREATE && !check_header(env, err)) return false;
    if (env->is_file && mode == LMDB_READ && !check_roots(env, err)) {
        return false;
    }
    env->writable = mode != LMDB_READ;
    map_size = first_map_size(env);
    do {
        CALL(rc, env_open(env, map_size));
        map_size /= 2;
    } while (rc == ENOMEM && map_size >= MAP_SIZE_MIN);
    if (rc != 0) return fail(env, 0, rc, "open it", err);
    (void)mdb_env_stat(env->env, &stat);
    env->page_size = stat.ms_psize;
    if (mdb_env_get_fd(env->env, &fd) != 0 || fstat(fd, &stat_now) != 0) {
        return err_set(err, ERR_INDEX, "%s: %s", env->path, strerror(errno));
    }
    env->device = stat_now.st_dev;
    env->inode = stat_now.st_ino;
    find_map(env);
    if (!check_length(env, err)) return false;
    if (!env->is_file) lmdb_check_readers(env);
    return true;
}

static void free_env(struct lmdb *env)
{
    if (env->env != NULL) mdb_env_close(env->env);
    (void)pthread_mutex_destroy(&env->mutex);
    free(env);
}

// The environment of this folder, if this process has it open.
static struct lmdb *find_open(const char *dir)
{
    char path[PATH_MAX];
    struct stat now;

    (void)snprintf(path, sizeof path, "%s/data.mdb", dir);
    if (stat(path, &now) != 0) return NULL;
    for (struct lmdb *e = all_open; e != NULL; e = e->next) {
        if (e->pid == getpid() && e->device == now.st_dev &&
            e->inode == now.st_ino) {
            return e;
        }
    }
    return NULL;
}

static bool env_new(struct lmdb **out, const char *dir, const char *name,
                    struct err *err)
{
    struct lmdb *env = calloc(1, sizeof *env);
    int len;

    if (env == NULL) return err_set(err, ERR_MEMORY, "%s: no memory", dir);
    (void)pthread_mutex_init(&env->mutex, NULL);
    env->pid = getpid();
    env->num_users = 1;
    len = snprintf(env->path, sizeof env->path, "%s/%s", dir, name);
    if (len < 0 || (size_t)len >= sizeof env->path) {
        free_env(env);
        return err_set(err, ERR_USAGE, "the index folder's name is too long");
    }
    memcpy(env->dir, dir, strlen(dir) + 1);
    *out = env;
    return true;
}

static bool open_listed(struct lmdb **out, struct lmdb *env,
                        enum lmdb_mode mode, struct err *err)
{
    // In the list before it is touched: a fault while opening is damage too.
    env->next = all_open;
    all_open = env;
    if (!open_new(env, mode, err)) {
        all_open = env->next;
        free_env(env);
        return false;
    }
    *out = env;
    return true;
}

static bool open_locked(struct lmdb **out, const char *dir, enum lmdb_mode mode,
                        struct err *err)
{
    struct lmdb *env = find_open(dir);

    if (env != NULL) {
        if (mode != LMDB_READ && !env->writable) {
            return err_set(err, ERR_INDEX,
                           "%s: open for reading in this process already", dir);
        }
        env->num_users++;
        *out = env;
        return true;
    }
    if (!env_new(&env, dir, "data.mdb", err)) return false;
    return open_listed(out, env, mode, err);
}

bool lmdb_open(struct lmdb **out, const char *dir, enum lmdb_mode mode,
               struct err *err)
{
    bool ok;

    (void)pthread_mutex_lock(&open_mutex);
    guard_install();
    ok = open_locked(out, dir, mode, err);
    (void)pthread_mutex_unlock(&open_mutex);
    return ok;
}

static bool file_new(struct lmdb **out, const char *path, struct err *err)
{
    const char *slash = strrchr(path, '/');
    char dir[PATH_MAX];
    size_t len = slash == NULL ? 0 : (size_t)(slash - path);

    if (len >= sizeof dir) {
        return err_set(err, ERR_USAGE, "the index folder's name is too long");
    }
    (void)snprintf(dir, sizeof dir, "%.*s", (int)len, path);
    if (len == 0) (void)snprintf(dir, sizeof dir, slash == NULL ? "." : "/");
    if (!env_new(out, dir, slash == NULL ? path : slash + 1, err)) {
        return false;
    }
    (*out)->is_file = true;
    return true;
}

static bool file_open(struct lmdb **out, const char *path, enum lmdb_mode mode,
                      struct err *err)
{
    struct lmdb *env;
    bool ok;

    if (!file_new(&env, path, err)) return false;
    (void)pthread_mutex_lock(&open_mutex);
    guard_install();
    ok = open_listed(out, env, mode, err);
    (void)pthread_mutex_unlock(&open_mutex);
    return ok;
}

bool lmdb_file_create(struct lmdb **out, const char *path, struct err *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

    if (fd < 0) {
        return err_set(err, ERR_INDEX, "%s: %s", path, strerror(errno));
    }
    (void)close(fd);
    if (file_open(out, path, LMDB_CREATE, err)) return true;
    (void)unlink(path);
    return false;
}

bool lmdb_file_open(struct lmdb **out, const char *path, struct err *err)
{
    return file_open(out, path, LMDB_READ, err);
}

bool lmdb_file_sync(struct lmdb *env, struct err *err)
{
    int fd, rc = mdb_env_get_fd(env->env, &fd), dir;

    if (rc == 0 && fsync(fd) != 0) rc = errno;
    if (rc != 0) return fail_write(env, 0, rc, err);
    dir = open(env->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0 || fsync(dir) != 0) rc = errno;
    if (dir >= 0) (void)close(dir);
    if (rc == 0) return true;
    return err_set(err, ERR_INDEX, "%s: %s", env->dir, strerror(rc));
}

void lmdb_close(struct lmdb *env)
{
    if (env == NULL) return;
    (void)pthread_mutex_lock(&open_mutex);
    if (--env->num_users == 0) {
        struct lmdb *volatile *link = &all_open;

        while (*link != env) {
            link = (struct lmdb *volatile *)&(*link)->next;
        }
        *link = env->next;
        free_env(env);
    }
    (void)pthread_mutex_unlock(&open_mutex);
}

uint64_t lmdb_size_bytes(const struct lmdb *env)
{
    struct stat now;
    int fd;

    if (mdb_env_get_fd(env->env, &fd) != 0 || fstat(fd, &now) != 0) return 0;
    return (uint64_t)now.st_size;
}

void lmdb_check_readers(struct lmdb *env)
{
    int dead, rc;

    CALL(rc, mdb_reader_check(env->env, &dead));
    (void)rc;
}

const char *lmdb_version(void)
{
    static char text[32];
    int major, minor, patch;

    (void)mdb_version(&major, &minor, &patch);
    (void)snprintf(text, sizeof text, "%d.%d.%d", major, minor, patch);
    return text;
}

// ------------------------------------------------------------ transactions

static void count_txn(struct lmdb *env)
{
    (void)pthread_mutex_lock(&env->mutex);
    env->num_txns++;
    (void)pthread_mutex_unlock(&env->mutex);
}

// Counts one that has ended or could not begin: after `rc`, where the writer
// has made the mapping larger, this process takes over its size as soon as no
// transaction is under way, and EINVAL asks to try again.
static int discount_txn(struct lmdb *env, int rc)
{
    (void)pthread_mutex_lock(&env->mutex);
    env->num_txns--;
    if (rc == MDB_MAP_RESIZED && env->num_txns == 0) {
        int resized;

        CALL(resized, mdb_env_set_mapsize(env->env, 0));
        env->map = NULL;
        find_map(env);
        rc = resized == 0 ? EINVAL : resized;
    }
    (void)pthread_mutex_unlock(&env->mutex);
    // Another thread's is under way: it will be over in a moment.
    return rc == MDB_MAP_RESIZED ? EINVAL : rc;
}

// The mapping may move only while no transaction is under way.
static void grow_map(struct lmdb *env)
{
    MDB_envinfo info;
    int rc;

    if (env->num_txns != 0) return;
    CALL(rc, mdb_env_info(env->env, &info));
    if (rc != 0 ||
        (info.me_last_pgno + 1) * env->page_size < info.me_mapsize / 4 * 3) {
        return;
    }
    CALL(rc, mdb_env_set_mapsize(env->env, info.me_mapsize * 2));
    env->map = NULL;
    find_map(env);
}

static int begin_once(struct lmdb *env, bool write, MDB_txn **txn)
{
    int rc;

    (void)pthread_mutex_lock(&env->mutex);
    if (write) grow_map(env);
    env->num_txns++;
    (void)pthread_mutex_unlock(&env->mutex);
    CALL(rc, mdb_txn_begin(env->env, NULL, write ? 0 : MDB_RDONLY, txn));
    return rc == 0 ? 0 : discount_txn(env, rc);
}

static void end_txn(struct lmdb_txn *txn)
{
    if (!txn->idle) (void)discount_txn(txn->env, 0);
    free(txn);
}

static bool check_present(const struct lmdb *env, struct err *err)
{
    struct stat now;
    int fd;

    if (mdb_env_get_fd(env->env, &fd) == 0 && fstat(fd, &now) == 0 &&
        now.st_nlink == 0) {
        return err_set(err, ERR_INDEX, "%s: was removed while it was in use",
                       env->path);
    }
    return true;
}

static void note_used(struct lmdb_txn *txn)
{
    MDB_envinfo info;
    int rc;

    CALL(rc, mdb_env_info(txn->env->env, &info));
    txn->used_bytes =
        rc != 0 ? UINT64_MAX
                : ((uint64_t)info.me_last_pgno + 1) * txn->env->page_size;
}

bool lmdb_begin(struct lmdb_txn **out, struct lmdb *env, bool write,
                struct err *err)
{
    struct lmdb_txn *txn;
    int rc = EINVAL;

    if (write && !env->writable) {
        return err_set(err, ERR_INDEX, "%s: open for reading only", env->dir);
    }
    if (write && !check_present(env, err)) return false;
    txn = calloc(1, sizeof *txn);
    if (txn == NULL) return err_set(err, ERR_MEMORY, "%s: no memory", env->dir);
    // LMDB 0.9.26 to 0.9.31 destroy the lock that another process is about to
    // take, which is EINVAL and passes (ITS#9278).
    for (int i = 0; rc == EINVAL && i < BEGIN_TRIES_MAX; i++) {
        if (i > 0) (void)nanosleep(&(struct timespec){0, 2000000}, NULL);
        rc = begin_once(env, write, &txn->txn);
    }
    if (rc != 0) {
        free(txn);
        return fail(env, 0, rc, "begin a transaction", err);
    }
    txn->env = env;
    txn->write = write;
    txn->last_id = mdb_txn_id(txn->txn);
    note_used(txn);
    *out = txn;
    return true;
}

bool lmdb_commit(struct lmdb_txn *txn, struct err *err)
{
    struct lmdb *env = txn->env;
    uint64_t bytes_put = txn->bytes_put;
    int rc;

    CALL(rc, mdb_txn_commit(txn->txn));
    end_txn(txn);
    if (rc != 0) return fail(env, bytes_put, rc, "commit", err);
    return true;
}

void lmdb_abort(struct lmdb_txn *txn)
{
    if (txn == NULL) return;
    inside++;
    mdb_txn_abort(txn->txn);
    inside--;
    end_txn(txn);
}

// A look at the file is a system call, and readers are renewed a hundred
// thousand times a second.
static bool check_now_and_then(struct lmdb_txn *txn, struct err *err)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    if (txn->checked == now.tv_sec) return true;
    txn->checked = now.tv_sec;
    return check_present(txn->env, err);
}

void lmdb_park(struct lmdb_txn *txn)
{
    if (txn->idle) return;
    mdb_txn_reset(txn->txn);
    txn->idle = true;
    (void)discount_txn(txn->env, 0);
}

bool lmdb_renew(struct lmdb_txn *txn, bool *changed, struct err *err)
{
    size_t before = txn->last_id;
    int rc = EINVAL;

    if (!check_now_and_then(txn, err)) return false;
    lmdb_park(txn);
    for (int i = 0; rc == EINVAL && i < BEGIN_TRIES_MAX; i++) {
        if (i > 0) (void)nanosleep(&(struct timespec){0, 2000000}, NULL);
        count_txn(txn->env);
        CALL(rc, mdb_txn_renew(txn->txn));
        if (rc != 0) rc = discount_txn(txn->env, rc);
    }
    if (rc != 0) return fail(txn->env, 0, rc, "renew a reader", err);
    txn->idle = false;
    txn->last_id = mdb_txn_id(txn->txn);
    *changed = txn->last_id != before;
    if (*changed) note_used(txn);
    return true;
}

// ------------------------------------------------------------ reading, writing

static MDB_val to_val(struct bytes bytes)
{
    return (MDB_val){bytes.len, (void *)(uintptr_t)bytes.data};
}

static int compare_id(const MDB_val *a, const MDB_val *b)
{
    size_t a_len = a->mv_size < LMDB_ID_LEN ? 0 : a->mv_size - LMDB_ID_LEN;
    size_t b_len = b->mv_size < LMDB_ID_LEN ? 0 : b->mv_size - LMDB_ID_LEN;
    int order =
        bytes_compare(bytes_of(a->mv_data, a_len), bytes_of(b->mv_data, b_len));

    if (order != 0) return order;
    return bytes_compare(
        bytes_of((const uint8_t *)a->mv_data + a_len, a->mv_size - a_len),
        bytes_of((const uint8_t *)b->mv_data + b_len, b->mv_size - b_len));
}

bool lmdb_db_open(struct lmdb_txn *txn, const char *name, enum lmdb_order order,
                  lmdb_db *db, struct err *err)
{
    int rc;

    CALL(rc, mdb_dbi_open(txn->txn, name, txn->write ? MDB_CREATE : 0, db));
    if (rc == 0 && order == LMDB_ORDER_ID) {
        rc = mdb_set_compare(txn->txn, *db, compare_id);
    }
    if (rc != 0) {
        (void)fail(txn->env, txn->bytes_put, rc, "open a database", err);
        return err_wrap(err, "%s", name);
    }
    return true;
}

// A damaged page may tell of a value that ends beyond the file: it is not
// touched.  (Pages that a writer changed are on the heap.)
static bool take(const struct lmdb_txn *txn, const MDB_val *val,
                 struct bytes *out, struct err *err)
{
    const uint8_t *map = txn->env->map;
    const uint8_t *at = val->mv_data;

    *out = bytes_of(at, val->mv_size);
    if (txn->write) return true;
    if (val->mv_size <= txn->used_bytes &&
        (map == NULL || (at >= map && (uint64_t)(at - map) <=
                                          txn->used_bytes - val->mv_size))) {
        return true;
    }
    *out = bytes_of(NULL, 0);
    return err_set(err, ERR_INDEX,
                   "index damaged: %s: a value of %zu bytes beyond "
                   "its end",
                   txn->env->path, val->mv_size);
}

bool lmdb_get(struct lmdb_txn *txn, lmdb_db db, struct bytes key,
              struct bytes *value, bool *found, struct err *err)
{
    MDB_val k = to_val(key), v;
    int rc;

    CALL(rc, mdb_get(txn->txn, db, &k, &v));
    *found = rc == 0;
    if (rc == MDB_NOTFOUND) return true;
    if (rc != 0) return fail(txn->env, 0, rc, "read", err);
    return take(txn, &v, value, err);
}

bool lmdb_put(struct lmdb_txn *txn, lmdb_db db, struct bytes key,
              struct bytes value, struct err *err)
{
    MDB_val k = to_val(key), v = to_val(value);
    int rc;

    txn->bytes_put += key.len + value.len;
    CALL(rc, mdb_put(txn->txn, db, &k, &v, 0));
    return rc == 0 || fail(txn->env, txn->bytes_put, rc, "write", err);
}

bool lmdb_append(struct lmdb_txn *txn, lmdb_db db, struct bytes key, size_t len,
                 uint8_t **space, struct err *err)
{
    MDB_val k = to_val(key), v = {len, NULL};
    int rc;

    txn->bytes_put += key.len + len;
    CALL(rc, mdb_put(txn->txn, db, &k, &v, MDB_APPEND | MDB_RESERVE));
    if (rc == MDB_KEYEXIST) {
        return err_set(err, ERR_INDEX,
                       "index damaged: %s: holds a key above its "
                       "newest",
                       txn->env->path);
    }
    if (rc != 0) return fail(txn->env, txn->bytes_put, rc, "write", err);
    *space = v.mv_data;
    return true;
}

bool lmdb_delete(struct lmdb_txn *txn, lmdb_db db, struct bytes key,
                 struct err *err)
{
    MDB_val k = to_val(key);
    int rc;

    CALL(rc, mdb_del(txn->txn, db, &k, NULL));
    return rc == 0 || rc == MDB_NOTFOUND ||
           fail(txn->env, txn->bytes_put, rc, "write", err);
}

bool lmdb_empty(struct lmdb_txn *txn, lmdb_db db, struct err *err)
{
    int rc;

    CALL(rc, mdb_drop(txn->txn, db, 0));
    return rc == 0 || fail(txn->env, txn->bytes_put, rc, "write", err);
}

bool lmdb_cursor_open(struct lmdb_cursor **out, struct lmdb_txn *txn,
                      lmdb_db db, struct err *err)
{
    struct lmdb_cursor *cursor = calloc(1, sizeof *cursor);
    int rc = ENOMEM;

    if (cursor != NULL) {
        cursor->txn = txn;
        CALL(rc, mdb_cursor_open(txn->txn, db, &cursor->cursor));
    }
    if (rc != 0) {
        free(cursor);
        return fail(txn->env, 0, rc, "open a cursor", err);
    }
    *out = cursor;
    return true;
}

void lmdb_cursor_close(struct lmdb_cursor *cursor)
{
    if (cursor == NULL) return;
    mdb_cursor_close(cursor->cursor);
    free(cursor);
}

bool lmdb_cursor_move(struct lmdb_cursor *cursor, enum lmdb_move move,
                      struct bytes *key, struct bytes *value, bool *found,
                      struct err *err)
{
    static const MDB_cursor_op ops[] = {
        [LMDB_FIRST] = MDB_FIRST,    [LMDB_LAST] = MDB_LAST,
        [LMDB_NEXT] = MDB_NEXT,      [LMDB_PREV] = MDB_PREV,
        [LMDB_SEEK] = MDB_SET_RANGE,
    };
    MDB_val k = {0}, v = {0};
    int rc;

    if (move == LMDB_SEEK) k = to_val(*key);
    CALL(rc, mdb_cursor_get(cursor->cursor, &k, &v, ops[move]));
    *found = rc == 0;
    if (rc == MDB_NOTFOUND) return true;
    if (rc != 0) return fail(cursor->txn->env, 0, rc, "read", err);
    return take(cursor->txn, &k, key, err) && take(cursor->txn, &v, value, err);
}

bool lmdb_cursor_put(struct lmdb_cursor *cursor, struct bytes key,
                     struct bytes value, struct err *err)
{
    struct lmdb_txn *txn = cursor->txn;
    MDB_val k = to_val(key), v = to_val(value);
    int rc;

    txn->bytes_put += key.len + value.len;
    CALL(rc, mdb_cursor_put(cursor->cursor, &k, &v, 0));
    return rc == 0 || fail(txn->env, txn->bytes_put, rc, "write", err);
}

bool lmdb_db_size(struct lmdb_txn *txn, lmdb_db db, uint64_t *items,
                  uint64_t *bytes, struct err *err)
{
    MDB_stat stat;
    int rc;

    CALL(rc, mdb_stat(txn->txn, db, &stat));
    if (rc != 0) return fail(txn->env, 0, rc, "count", err);
    *items = stat.ms_entries;
    *bytes =
        (uint64_t)stat.ms_psize *
        (stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages);
    return true;
}
