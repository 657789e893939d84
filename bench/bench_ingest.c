// bench_ingest.c - a log backfilled over the network, whole programs.
//
//   bench_ingest BUILD ENTRIES FOLDER
//
// The test log serves in a process of its own on the same cores, so the figure
// that counts is our process's CPU time per entry; entries a second of wall
// time stand beside it.  The last index is left in FOLDER/index-API.

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/measure.h"
#include "index/base/json.h"

enum { RUNS = 3, PATH_SIZE = 4096, WAIT_S = 120 };

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

// Runs a program, gives what it printed and its CPU seconds.
static double run(const char *const argv[], struct buffer *out)
{
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
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
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

struct figures {
    double entries, cpu_us, wall_s, syscalls, memory_bytes, disk_bytes;
};

static void remove_tree(const char *dir)
{
    char command[PATH_SIZE + 16];

    (void)snprintf(command, sizeof command, "rm -rf '%s'", dir);
    if (system(command) != 0) die("%s failed", command);
}

static struct figures backfill(const char *api, const char *keep)
{
    char program[PATH_SIZE], dir[PATH_SIZE], name[64], file[PATH_SIZE];
    char url[PATH_SIZE], log[PATH_SIZE];
    struct buffer out = {0};
    struct figures figures = {0};
    struct json *json;
    double cpu_s;

    path_of(program, build, "sanct-ingest");
    (void)snprintf(name, sizeof name, "index-%s-%s", api, keep);
    path_of(dir, folder, name);
    path_of(log, folder, "log");
    (void)snprintf(name, sizeof name, "%s.json", api);
    path_of(file, log, name);
    url_of(file, url);
    remove_tree(dir);
    {
        const char *const argv[] = {program, "-i",         dir,    "--log",
                                    file,    "--keep",     keep,   "--json",
                                    "--progress", "none", url, NULL};
        cpu_s = run(argv, &out);
    }
    json = parse(&out);
    figures.entries = (double)uint_of(json, "entries");
    figures.syscalls = (double)uint_of(json, "syscalls");
    figures.memory_bytes = (double)uint_of(json, "peak_memory_bytes");
    figures.cpu_us = cpu_s * 1e6 / figures.entries;
    json_free(json);
    path_of(program, build, "sanct-index");
    {
        const char *const argv[] = {program, "stat", "--json", "-i", dir, NULL};
        (void)run(argv, &out);
    }
    json = parse(&out);
    figures.disk_bytes =
        (double)uint_of(json_member(json, "bytes"), "total");
    json_free(json);
    buffer_cleanup(&out);
    return figures;
}

static void measure(const char *api, const char *keep)
{
    double cpu[RUNS], wall[RUNS];
    struct figures f = {0};

    for (int r = 0; r < RUNS; r++) {
        uint64_t start = measure_now_ns();

        f = backfill(api, keep);
        wall[r] = (double)(measure_now_ns() - start) / 1e9;
        cpu[r] = f.cpu_us;
    }
    printf("  %-8s %-6s %10.0f %12.0f %10.2f %12.1f %10.1f %10.0f\n", api, keep,
           f.entries, f.entries / measure_percentile(wall, RUNS, 50),
           measure_percentile(cpu, RUNS, 50), f.syscalls * 1000 / f.entries,
           f.memory_bytes / 1e6, f.disk_bytes / f.entries);
    (void)fflush(stdout);
}

int main(int argc, char **argv)
{
    pid_t log;

    if (argc != 4) die("usage: bench_ingest BUILD ENTRIES FOLDER");
    build = argv[1];
    folder = argv[3];
    log = start_log(argv[2]);
    printf("\nBackfill over the network, fetched, verified, indexed, durable "
           "(median of %d runs)\n\n",
           RUNS);
    printf("  %-8s %-6s %10s %12s %10s %12s %10s %10s\n", "api", "keep",
           "entries", "entries/s", "CPU us", "syscalls", "memory", "disk");
    printf("  %-8s %-6s %10s %12s %10s %12s %10s %10s\n", "", "", "",
           "wall", "per entry", "per 1,000", "MB", "B/entry");
    measure("static", "full");
    measure("rfc6962", "full");
    measure("static", "facts");
    (void)kill(log, SIGTERM);
    (void)waitpid(log, NULL, 0);
    return 0;
}
