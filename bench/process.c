// process.c - see process.h.
//
// Trees are read by the format of LMDB 0.9 (mdb.c: MDB_page, MDB_node, MDB_db),
// not by the library, which would map and keep them.

#include "bench/process.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/measure.h"

enum {
    PAGE = 4096,
    PAGE_BRANCH = 1,
    NODE_SUBTREE = 2,
    PATH_SIZE = 4096,
    WATCH_US = 10000,
    // Offsets.
    PAGE_FLAGS = 10,
    PAGE_LOWER = 12,
    PAGE_NODES = 16,
    META_DBS = 16 + 24,
    META_TXN = 16 + 24 + 2 * 48 + 8,
    DB_OVERFLOW = 24,
    DB_ROOT = 40,
    DB_SIZE = 48,
};

static uint64_t status_kib(const char *path, const char *name)
{
    FILE *file = fopen(path, "re");
    char line[256];
    size_t len = strlen(name);
    uint64_t value = 0;

    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, name, len) == 0) {
            value = strtoull(line + len, NULL, 10);
        }
    }
    if (file != NULL) (void)fclose(file);
    return value;
}

uint64_t process_memory(void)
{
    static const char path[] = "/proc/self/status";

    return (status_kib(path, "RssAnon:") + status_kib(path, "RssShmem:")) << 10;
}

uint64_t process_own_memory(pid_t pid)
{
    char path[64];

    (void)snprintf(path, sizeof path, "/proc/%ld/status", (long)pid);
    return status_kib(path, "RssAnon:") << 10;
}

void process_end(pid_t pid)
{
    (void)kill(pid, SIGTERM);
    (void)waitpid(pid, NULL, 0);
}

uint64_t process_cpu_ns(pid_t pid)
{
    clockid_t clock;

    if (clock_getcpuclockid(pid, &clock) != 0)
        die("no clock of %ld", (long)pid);
    return measure_clock_ns(clock);
}

uint64_t process_reads(void)
{
    static const char name[] = "read_bytes: ";
    char text[512];
    int fd = open("/proc/self/io", O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    const char *at;

    if (fd >= 0) (void)close(fd);
    if (len <= 0) return UINT64_MAX;
    text[len] = '\0';
    at = strstr(text, name);
    return at == NULL ? UINT64_MAX : strtoull(at + strlen(name), NULL, 10);
}

static void *watch_thread(void *context)
{
    struct watch *watch = context;

    while (!atomic_load(&watch->stop)) {
        uint64_t now = process_memory();

        if (now > atomic_load(&watch->peak)) atomic_store(&watch->peak, now);
        (void)usleep(WATCH_US);
    }
    return NULL;
}

void watch_start(struct watch *watch)
{
    *watch = (struct watch){0};
    if (pthread_create(&watch->thread, NULL, watch_thread, watch) != 0) {
        die("no thread");
    }
}

uint64_t watch_stop(struct watch *watch)
{
    atomic_store(&watch->stop, true);
    (void)pthread_join(watch->thread, NULL);
    return atomic_load(&watch->peak);
}

// ------------------------------------------------------------ files

typedef void file_visit(void *context, const char *path, int fd, uint64_t size);

static void each_file(const char *dir, file_visit *visit, void *context)
{
    DIR *entries = opendir(dir);
    struct dirent *one;

    if (entries == NULL) die("%s: cannot be read", dir);
    while ((one = readdir(entries)) != NULL) {
        char path[PATH_SIZE];
        struct stat info;
        int fd;

        if (one->d_name[0] == '.') continue;
        (void)snprintf(path, sizeof path, "%s/%s", dir, one->d_name);
        if (stat(path, &info) != 0) continue;
        if (S_ISDIR(info.st_mode)) {
            each_file(path, visit, context);
            continue;
        }
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0) continue;
        visit(context, path, fd, (uint64_t)info.st_size);
        (void)close(fd);
    }
    (void)closedir(entries);
}

// Pages that somebody has mapped are not dropped: those of this process are
// unmapped first (they come back when they are touched).
static void unmap_pages(const char *dir)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[PATH_SIZE + 128], real[PATH_SIZE];

    if (maps == NULL || realpath(dir, real) == NULL) die("%s: no such", dir);
    while (fgets(line, sizeof line, maps) != NULL) {
        uint64_t from, to;

        if (strstr(line, real) == NULL ||
            sscanf(line, "%lx-%lx", &from, &to) != 2) {
            continue;
        }
        (void)madvise((void *)(uintptr_t)from, to - from, MADV_DONTNEED);
    }
    (void)fclose(maps);
}

static void evict_file(void *context, const char *path, int fd, uint64_t size)
{
    (void)context;
    (void)path;
    (void)size;
    (void)fdatasync(fd); // dirty pages stay
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
}

void process_evict(const char *dir)
{
    unmap_pages(dir);
    each_file(dir, evict_file, NULL);
}

// ------------------------------------------------------------ trees

struct walk {
    struct tree_pages *out;
    int fd;
    uint64_t num_pages;
    uint8_t *resident; // a byte a page
};

static uint64_t little(const uint8_t *at, size_t width)
{
    uint64_t value = 0;

    for (size_t i = width; i > 0; i--) {
        value = value << 8 | at[i - 1];
    }
    return value;
}

static void walk_page(struct walk *walk, uint64_t number, bool main_tree);

// What stands beside a tree, in overflow pages, is counted by its record.
static void walk_tree(struct walk *walk, const uint8_t *db, bool main_tree)
{
    uint64_t root = little(db + DB_ROOT, 8);

    walk->out->blocks += little(db + DB_OVERFLOW, 8);
    if (root != UINT64_MAX) walk_page(walk, root, main_tree);
}

static void walk_node(struct walk *walk, const uint8_t *node,
                      const uint8_t *end, bool branch, bool main_tree)
{
    uint64_t low = little(node, 4), flags = little(node + 4, 2);
    const uint8_t *data = node + 8 + little(node + 6, 2);

    if (branch) {
        walk_page(walk, low | flags << 32, main_tree);
    } else if (main_tree && (flags & NODE_SUBTREE) != 0 && low == DB_SIZE &&
               data + DB_SIZE <= end) {
        walk_tree(walk, data, false);
    }
}

static void walk_page(struct walk *walk, uint64_t number, bool main_tree)
{
    uint8_t page[PAGE];
    uint64_t flags, num;

    if (number >= walk->num_pages ||
        pread(walk->fd, page, PAGE, (off_t)(number * PAGE)) != PAGE) {
        die("a page beyond the file");
    }
    walk->out->tree++;
    walk->out->resident_tree += walk->resident[number] & 1;
    walk->resident[number] = 0; // what remains is blocks'
    flags = little(page + PAGE_FLAGS, 2);
    if ((flags & PAGE_BRANCH) == 0 && !main_tree) return;
    num = (little(page + PAGE_LOWER, 2) - PAGE_NODES) / 2;
    for (uint64_t i = 0; i < num && i < PAGE / 2; i++) {
        uint64_t at = little(page + PAGE_NODES + 2 * i, 2);

        if (at + 8 > PAGE) die("a node beyond its page");
        walk_node(walk, page + at, page + PAGE, (flags & PAGE_BRANCH) != 0,
                  main_tree);
    }
}

static void walk_file(void *context, const char *path, int fd, uint64_t size)
{
    struct tree_pages *out = context;
    struct walk walk = {out, fd, size / PAGE, NULL};
    uint8_t metas[2 * PAGE];
    void *map;
    size_t newer;

    if (strstr(path, "lock") != NULL || size < sizeof metas) return;
    out->files++;
    out->bytes += size;
    walk.resident = calloc(walk.num_pages, 1);
    map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
    if (walk.resident == NULL || map == MAP_FAILED ||
        mincore(map, size / PAGE * PAGE, walk.resident) != 0) {
        die("%s: cannot be mapped", path);
    }
    (void)munmap(map, size);
    // One page at a time, as LMDB reads them.
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
    if (pread(fd, metas, sizeof metas, 0) != sizeof metas) die("%s", path);
    newer = little(metas + META_TXN, 8) < little(metas + PAGE + META_TXN, 8)
                ? PAGE
                : 0;
    out->tree += 2;
    out->resident_tree += (walk.resident[0] & 1u) + (walk.resident[1] & 1u);
    walk.resident[0] = walk.resident[1] = 0;
    walk_tree(&walk, metas + newer + META_DBS, false);          // free pages
    walk_tree(&walk, metas + newer + META_DBS + DB_SIZE, true); // main
    for (uint64_t i = 0; i < walk.num_pages; i++) {
        out->resident_blocks += walk.resident[i] & 1;
    }
    free(walk.resident);
}

struct tree_pages process_walk_trees(const char *dir)
{
    struct tree_pages out = {0};

    each_file(dir, walk_file, &out);
    return out;
}
