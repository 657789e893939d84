// bench_ingest.c - a log backfilled from the network and from zips, whole
// programs.
//
//   bench_ingest BUILD ENTRIES FOLDER
//
// The test log serves in a process of its own on the same cores, so the figure
// that counts is our process's CPU time per entry; entries a second of wall
// time stand beside it.  The last index is left in FOLDER/index-API-KEEP, and
// the figures in FOLDER/figures.json for bench_published.

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/measure.h"
#include "index/base/json.h"

enum {
    RUNS = 3,
    PATH_SIZE = 4096,
    WAIT_S = 120,
    NUM_ZIPS = 4,
    ARGUMENTS_MAX = 16,
    TILE_ENTRIES = 256,
    DISK_BYTES = 128 * 1024 * 1024,
    DISK_PIECE = 1024 * 1024,
    RUSAGE_BLOCK = 512, // bytes, whatever the disk's are
};

static const char *build, *folder;

static void path_of(char out[PATH_SIZE], const char *base, const char *name)
{
    if (snprintf(out, PATH_SIZE, "%s/%s", base, name) >= PATH_SIZE) {
        die("%s/%s: too long", base, name);
    }
}

static pid_t start_log(const char *entries)
{
    char program[PATH_SIZE], dir[PATH_SIZE], ready[PATH_SIZE];
    pid_t pid = fork();

    path_of(program, build, "testlog");
    path_of(dir, folder, "log");
    path_of(ready, dir, "ready");
    if (pid == 0) {
        execl(program, program, "serve", "--entries", entries, "--seed", "1",
              "--dir", dir, "--for", "3000", (char *)NULL);
        die("cannot start %s", program);
    }
    for (int i = 0; i < WAIT_S * 10; i++) {
        if (access(ready, R_OK) == 0) return pid;
        usleep(100000);
    }
    die("the test log did not start");
}

static void read_all(int fd, struct buffer *out)
{
    ssize_t len = 1;

    buffer_reset(out);
    while (len > 0) {
        if (!buffer_reserve(out, 65536)) die("no memory");
        len = read(fd, out->data + out->len, 65536);
        if (len > 0) out->len += (size_t)len;
    }
    (void)close(fd);
}

struct spent {
    double cpu_s, wall_s, written_bytes;
};

// Runs a program, gives what it printed and what it took.
static struct spent run(const char *const argv[], struct buffer *out)
{
    uint64_t start = measure_now_ns();
    int pipe_fds[2], status;
    struct rusage usage;
    pid_t pid;

    if (pipe(pipe_fds) != 0) die("pipe");
    pid = fork();
    if (pid == 0) {
        (void)dup2(pipe_fds[1], STDOUT_FILENO);
        (void)close(pipe_fds[0]);
        (void)close(pipe_fds[1]);
        execv(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    (void)close(pipe_fds[1]);
    read_all(pipe_fds[0], out);
    if (wait4(pid, &status, 0, &usage) != pid || status != 0) {
        die("%s failed", argv[0]);
    }
    return (struct spent){
        .cpu_s =
            (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
            (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6,
        .wall_s = (double)(measure_now_ns() - start) / 1e9,
        .written_bytes = (double)usage.ru_oublock * RUSAGE_BLOCK,
    };
}

static struct json *parse(const struct buffer *text)
{
    struct err err = {0};
    struct json *json;

    if (!json_parse(&json, buffer_bytes(text), &err)) die("%s", err.text);
    return json;
}

static uint64_t uint_of(const struct json *object, const char *name)
{
    uint64_t value;

    if (!json_uint(json_member(object, name), &value)) die("no %s", name);
    return value;
}

// The URL that a log's description file names.
static void url_of(const char *description, char url[PATH_SIZE])
{
    struct buffer text = {0};
    struct bytes value;
    struct json *json;
    int fd = open(description, O_RDONLY | O_CLOEXEC);

    if (fd < 0) die("%s: cannot be read", description);
    read_all(fd, &text);
    json = parse(&text);
    if (!json_text(json_member(json, "monitoring_url"), &value) &&
        !json_text(json_member(json, "url"), &value)) {
        die("%s: no URL", description);
    }
    (void)snprintf(url, PATH_SIZE, "%.*s", (int)value.len,
                   (const char *)value.data);
    json_free(json);
    buffer_cleanup(&text);
}

// What was read, and how: of the totals, an entry's share is told.
struct figures {
    double entries, names, syscalls, memory_bytes;
    double cpu_us, wall_s;
    double read_bytes, disk_bytes, written_bytes, tail_percent;
};

// What sanct-ingest reads.
struct source {
    const char *api, *keep;
    char log[PATH_SIZE]; // what names the key
    char what[NUM_ZIPS][PATH_SIZE];
    size_t num;
    double zip_bytes;
};

static void remove_tree(const char *dir)
{
    char command[PATH_SIZE + 16];

    (void)snprintf(command, sizeof command, "rm -rf '%s'", dir);
    if (system(command) != 0) die("%s failed", command);
}

static struct source network(const char *api, const char *keep)
{
    struct source source = {.api = api, .keep = keep, .num = 1};
    char log[PATH_SIZE], name[64];

    path_of(log, folder, "log");
    (void)snprintf(name, sizeof name, "%s.json", api);
    path_of(source.log, log, name);
    url_of(source.log, source.what[0]);
    return source;
}

// Writes the log as zips.
static struct source archive(const char *entries)
{
    struct source source = {.api = "archive", .keep = "full"};
    uint64_t per_zip = strtoull(entries, NULL, 10) / NUM_ZIPS + 1;
    char program[PATH_SIZE], dir[PATH_SIZE], number[32], name[32];
    const char *const argv[] = {
        program, "write-archive", "--entries", entries, "--seed",
        "1",     "--per-zip",     number,      dir,     NULL};
    struct buffer out = {0};
    struct stat info;

    path_of(program, build, "testlog");
    path_of(dir, folder, "zips");
    per_zip = (per_zip + TILE_ENTRIES - 1) / TILE_ENTRIES * TILE_ENTRIES;
    (void)snprintf(number, sizeof number, "%llu", (unsigned long long)per_zip);
    (void)run(argv, &out);
    buffer_cleanup(&out);
    for (; source.num < NUM_ZIPS; source.num++) {
        (void)snprintf(name, sizeof name, "%03zu.zip", source.num);
        path_of(source.what[source.num], dir, name);
        if (stat(source.what[source.num], &info) != 0) break;
        source.zip_bytes += (double)info.st_size;
    }
    path_of(source.log, dir, "000.zip");
    return source;
}

static void read_summary(struct figures *f, const struct buffer *out,
                         const struct source *source)
{
    struct json *json = parse(out);
    const struct json *log = json_at(json_member(json, "logs"), 0);

    f->entries = (double)uint_of(json, "entries");
    f->syscalls = (double)uint_of(json, "syscalls");
    f->memory_bytes = (double)uint_of(json, "peak_memory_bytes");
    f->names = (double)uint_of(log, "names") / f->entries;
    f->read_bytes = source->zip_bytes > 0
                        ? source->zip_bytes
                        : (double)uint_of(log, "bytes_received");
    f->read_bytes /= f->entries;
    json_free(json);
}

// What the index holds, and how much of it still in the tail.
static void read_stat(struct figures *f, const char *dir)
{
    char program[PATH_SIZE];
    const char *const argv[] = {program, "stat", "--json", "-i", dir, NULL};
    struct buffer out = {0};
    struct json *json;

    path_of(program, build, "sanct-index");
    (void)run(argv, &out);
    json = parse(&out);
    f->disk_bytes =
        (double)uint_of(json_member(json, "bytes"), "total") / f->entries;
    f->tail_percent = (double)uint_of(json, "tail_entries") * 100 / f->entries;
    json_free(json);
    buffer_cleanup(&out);
}

static struct figures backfill(const struct source *source)
{
    char program[PATH_SIZE], dir[PATH_SIZE], name[64];
    const char *argv[ARGUMENTS_MAX] = {
        program,  "-i",         dir,      "--log",      source->log,
        "--keep", source->keep, "--json", "--progress", "none"};
    struct figures f = {0};
    struct buffer out = {0};
    struct spent spent;
    size_t num = 10;

    path_of(program, build, "sanct-ingest");
    (void)snprintf(name, sizeof name, "index-%s-%s", source->api, source->keep);
    path_of(dir, folder, name);
    for (size_t i = 0; i < source->num; i++) {
        argv[num++] = source->what[i];
    }
    remove_tree(dir);
    spent = run(argv, &out);
    read_summary(&f, &out, source);
    buffer_cleanup(&out);
    f.wall_s = spent.wall_s;
    f.cpu_us = spent.cpu_s * 1e6 / f.entries;
    read_stat(&f, dir);
    // Where nothing is counted, what is there was written once.
    f.written_bytes = spent.written_bytes / f.entries;
    if (f.written_bytes < f.disk_bytes) f.written_bytes = f.disk_bytes;
    return f;
}

static struct figures measure(const struct source *source)
{
    double cpu[RUNS], wall[RUNS];
    struct figures f = {0};

    for (int r = 0; r < RUNS; r++) {
        f = backfill(source);
        wall[r] = f.wall_s;
        cpu[r] = f.cpu_us;
    }
    f.wall_s = measure_percentile(wall, RUNS, 50);
    f.cpu_us = measure_percentile(cpu, RUNS, 50);
    printf("  %-8s %-6s %10.0f %12.0f %10.2f %12.1f %10.1f %10.0f %10.0f\n",
           source->api, source->keep, f.entries, f.entries / f.wall_s, f.cpu_us,
           f.syscalls * 1000 / f.entries, f.memory_bytes / 1e6, f.read_bytes,
           f.disk_bytes);
    (void)fflush(stdout);
    return f;
}

// Bytes a second that the disk takes in sequence, until they are durable.
static double disk_rate(void)
{
    static uint8_t piece[DISK_PIECE];
    double rates[RUNS];
    char path[PATH_SIZE];

    path_of(path, folder, "disk");
    for (size_t i = 0; i < DISK_PIECE; i++) {
        piece[i] = (uint8_t)(i * 2654435761U >> 13);
    }
    for (int r = 0; r < RUNS; r++) {
        uint64_t start = measure_now_ns();
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        for (int i = 0; i < DISK_BYTES / DISK_PIECE; i++) {
            if (fd < 0 || write(fd, piece, DISK_PIECE) != DISK_PIECE) {
                die("%s: cannot be written", path);
            }
        }
        if (fsync(fd) != 0) die("%s: cannot be synced", path);
        rates[r] = DISK_BYTES / ((double)(measure_now_ns() - start) / 1e9);
        (void)close(fd);
        (void)unlink(path);
    }
    return measure_percentile(rates, RUNS, 50);
}

static void write_way(FILE *file, const char *name, const struct figures *f)
{
    (void)fprintf(file,
                  "\"%s\":{\"entries_per_s\":%.0f,\"cpu_ns\":%.0f,"
                  "\"read_bytes\":%.0f,\"disk_bytes\":%.0f,"
                  "\"written_bytes\":%.0f,\"names_per_1000\":%.0f},\n",
                  name, f->entries / f->wall_s, f->cpu_us * 1e3, f->read_bytes,
                  f->disk_bytes, f->written_bytes, f->names * 1e3);
}

static void write_figures(const struct figures *tiles,
                          const struct figures *rfc6962,
                          const struct figures *zips,
                          const struct figures *facts)
{
    char path[PATH_SIZE];
    FILE *file;

    path_of(path, folder, "figures.json");
    file = fopen(path, "we");
    if (file == NULL) die("%s: cannot be written", path);
    (void)fputs("{", file);
    write_way(file, "static", tiles);
    write_way(file, "rfc6962", rfc6962);
    write_way(file, "archive", zips);
    (void)fprintf(file,
                  "\"entries\":%.0f,\"tail_percent\":%.0f,"
                  "\"facts_bytes\":%.0f,\"disk_bytes_per_s\":%.0f}\n",
                  tiles->entries, tiles->tail_percent, facts->disk_bytes,
                  disk_rate());
    if (fclose(file) != 0) die("%s: cannot be written", path);
}

int main(int argc, char **argv)
{
    struct figures tiles, rfc6962, facts, zips;
    struct source source;
    pid_t log;

    if (argc != 4) die("usage: bench_ingest BUILD ENTRIES FOLDER");
    build = argv[1];
    folder = argv[3];
    log = start_log(argv[2]);
    printf("\nBackfill from the network and from zips: read, verified, "
           "indexed, durable (median of %d runs)\n\n",
           RUNS);
    printf("  %-8s %-6s %10s %12s %10s %12s %10s %10s %10s\n", "api", "keep",
           "entries", "entries/s", "CPU us", "syscalls", "memory", "read",
           "disk");
    printf("  %-8s %-6s %10s %12s %10s %12s %10s %10s %10s\n", "", "", "",
           "wall", "per entry", "per 1,000", "MB", "B/entry", "B/entry");
    source = network("static", "full");
    tiles = measure(&source);
    source = network("rfc6962", "full");
    rfc6962 = measure(&source);
    source = network("static", "facts");
    facts = measure(&source);
    (void)kill(log, SIGTERM);
    (void)waitpid(log, NULL, 0);
    source = archive(argv[2]);
    zips = measure(&source);
    write_figures(&tiles, &rfc6962, &zips, &facts);
    return 0;
}
