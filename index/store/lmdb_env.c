// lmdb_env.c - environments and files: open, check, map, sync.  See lmdb.h.

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "index/store/lmdb_parts.h"

enum {
    NUM_DBS_MAX = 16,
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

// One file must not be opened twice (closing either would drop the locks of
// both): of lmdb_all_open.
static pthread_mutex_t open_mutex = PTHREAD_MUTEX_INITIALIZER;

// ------------------------------------------------------------ checks

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

    LMDB_CALL(rc, mdb_env_info(env->env, &info));
    if (rc != 0) return lmdb_fail(env, 0, rc, "read its state", err);
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
void lmdb_find_map(struct lmdb *env)
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
    (void)mdb_env_set_assert(env->env, lmdb_on_assert);
    if ((rc = mdb_env_set_maxdbs(env->env, NUM_DBS_MAX)) != 0 ||
        (rc = mdb_env_set_maxreaders(env->env, LMDB_READERS_MAX)) != 0 ||
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
        LMDB_CALL(rc, env_open(env, map_size));
        map_size /= 2;
        // EINVAL: valgrind has no place for so much.
    } while ((rc == ENOMEM || (rc == EINVAL && !env->is_file)) &&
             map_size >= MAP_SIZE_MIN);
    if (rc != 0) return lmdb_fail(env, 0, rc, "open it", err);
    (void)mdb_env_stat(env->env, &stat);
    env->page_size = stat.ms_psize;
    if (mdb_env_get_fd(env->env, &fd) != 0 || fstat(fd, &stat_now) != 0) {
        return err_set(err, ERR_INDEX, "%s: %s", env->path, strerror(errno));
    }
    // Blocks that are read through it lie anywhere.
    if (env->is_file && !env->writable) {
        (void)posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
    }
    env->device = stat_now.st_dev;
    env->inode = stat_now.st_ino;
    env->is_ours = stat_now.st_uid == geteuid() || geteuid() == 0;
    lmdb_find_map(env);
    lmdb_sound_init(env, &stat_now.st_mtim);
    if (!check_length(env, err)) return false;
    if (!env->is_file) lmdb_check_readers(env);
    return true;
}

static void free_env(struct lmdb *env)
{
    if (env->env != NULL) mdb_env_close(env->env);
    if (atomic_load(&env->direct_fd) >= 0) (void)close(env->direct_fd);
    (void)pthread_mutex_destroy(&env->mutex);
    free(env->sound);
    free(env);
}

// The environment of this folder, if this process has it open.
static struct lmdb *find_open(const char *dir)
{
    char path[PATH_MAX];
    struct stat now;

    (void)snprintf(path, sizeof path, "%s/data.mdb", dir);
    if (stat(path, &now) != 0) return NULL;
    for (struct lmdb *e = lmdb_all_open; e != NULL; e = e->next) {
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
    atomic_init(&env->direct_fd, DIRECT_UNTRIED);
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
    env->next = lmdb_all_open;
    lmdb_all_open = env;
    if (!open_new(env, mode, err)) {
        lmdb_all_open = env->next;
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
    lmdb_guard_install();
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
    lmdb_guard_install();
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

void lmdb_begin_writing(struct lmdb *env)
{
    uint64_t size = lmdb_size_bytes(env);
    int fd;

    if (size <= env->begun_bytes || mdb_env_get_fd(env->env, &fd) != 0) return;
    // Only a hint: what fails is told by the sync.
    (void)sync_file_range(fd, (off_t)env->begun_bytes,
                          (off_t)(size - env->begun_bytes),
                          SYNC_FILE_RANGE_WRITE);
    env->begun_bytes = size;
}

bool lmdb_file_sync(struct lmdb *env, struct err *err)
{
    int fd, rc = mdb_env_get_fd(env->env, &fd), dir;

    if (rc == 0 && fsync(fd) != 0) rc = errno;
    if (rc != 0) return lmdb_fail_write(env, 0, rc, err);
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
        struct lmdb *volatile *link = &lmdb_all_open;

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

bool lmdb_place_of(const struct lmdb *env, const uint8_t *at,
                   struct lmdb_place *place)
{
    *place = (struct lmdb_place){
        .map = env->map, .map_size = env->map_size, .is_ours = env->is_ours};
    if (env->map == NULL || at < env->map || at >= env->map + env->map_size ||
        mdb_env_get_fd(env->env, &place->fd) != 0) {
        return false;
    }
    place->offset = (uint64_t)(at - env->map);
    return true;
}

// Opens the file once more; what lies under its name may be another by now.
static int open_direct(const struct lmdb *env)
{
    int fd = env->is_file && !env->writable
                 ? open(env->path, O_RDONLY | O_CLOEXEC | O_DIRECT)
                 : -1;
    struct stat now;

    if (fd >= 0 && (fstat(fd, &now) != 0 || now.st_dev != env->device ||
                    now.st_ino != env->inode)) {
        (void)close(fd);
        fd = -1;
    }
    return fd;
}

int lmdb_direct_fd(struct lmdb *env)
{
    int fd = atomic_load_explicit(&env->direct_fd, memory_order_acquire), own;

    if (fd != DIRECT_UNTRIED) return fd;
    own = open_direct(env);
    if (atomic_compare_exchange_strong(&env->direct_fd, &fd, own)) return own;
    if (own >= 0) (void)close(own); // another thread was faster
    return fd;
}

const char *lmdb_path(const struct lmdb *env)
{
    return env->path;
}

void lmdb_check_readers(struct lmdb *env)
{
    int dead, rc;

    LMDB_CALL(rc, mdb_reader_check(env->env, &dead));
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
