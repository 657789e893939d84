// bench_ingest.c - a log backfilled from the network and from zips, whole
// programs.
//
//   bench_ingest network BUILD FOLDER FIGURES
//   bench_ingest archive BUILD FOLDER FIGURES
//   bench_ingest table FIGURES
//
// FOLDER/log describes a log that is served, FOLDER/zips is one.  The server
// runs on the same cores, so the figure that counts is our process's CPU time
// per entry; entries a second of wall time stand beside it.  The last index of
// each way is left in FOLDER/index-API-KEEP.

#include <fcntl.h>
#include <math.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/figures.h"
#include "bench/measure.h"
#include "index/base/json.h"

enum {
    RUNS = 3,
    PATH_SIZE = 4096,
    ZIPS_MAX = 8,
    ARGUMENTS_MAX = 32,
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

// Runs a program, on so many cores (0: all), gives what it printed and what it
// took.
static struct spent run(const char *const argv[], unsigned cores,
                        struct buffer *out)
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
        if (cores > 0) {
            cpu_set_t set;

            CPU_ZERO(&set);
            for (unsigned i = 0; i < cores; i++) {
                CPU_SET(i, &set);
            }
            (void)sched_setaffinity(0, sizeof set, &set);
        }
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
struct measured {
    double entries, names, syscalls, memory_bytes;
    double cpu_us, wall_s;
    double read_bytes, disk_bytes, written_bytes, tail_percent;
};

// What sanct-ingest reads.
struct source {
    const char *api, *keep;
    unsigned cores;      // 0: all
    char log[PATH_SIZE]; // what names the key
    char ca[PATH_SIZE];  // that vouches for it; empty: none is needed
    char what[ZIPS_MAX][PATH_SIZE];
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
    path_of(source.ca, log, "ca.pem");
    if (access(source.ca, R_OK) != 0) source.ca[0] = '\0';
    url_of(source.log, source.what[0]);
    return source;
}

static struct source archive(unsigned cores)
{
    struct source source = {.api = "archive", .keep = "full", .cores = cores};
    char dir[PATH_SIZE], name[32];
    struct stat info;

    path_of(dir, folder, "zips");
    for (; source.num < ZIPS_MAX; source.num++) {
        (void)snprintf(name, sizeof name, "%03zu.zip", source.num);
        path_of(source.what[source.num], dir, name);
        if (stat(source.what[source.num], &info) != 0) break;
        source.zip_bytes += (double)info.st_size;
    }
    path_of(source.log, dir, "000.zip");
    return source;
}

static void read_summary(struct measured *f, const struct buffer *out,
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
static void read_stat(struct measured *f, const char *dir)
{
    char program[PATH_SIZE];
    const char *const argv[] = {program, "stat", "--json", "-i", dir, NULL};
    struct buffer out = {0};
    struct json *json;

    path_of(program, build, "sanct-index");
    (void)run(argv, 0, &out);
    json = parse(&out);
    f->disk_bytes =
        (double)uint_of(json_member(json, "bytes"), "total") / f->entries;
    f->tail_percent = (double)uint_of(json, "tail_entries") * 100 / f->entries;
    json_free(json);
    buffer_cleanup(&out);
}

static struct measured backfill(const struct source *source)
{
    char program[PATH_SIZE], dir[PATH_SIZE], name[64];
    const char *argv[ARGUMENTS_MAX] = {
        program,  "-i",         dir,      "--log",      source->log,
        "--keep", source->keep, "--json", "--progress", "none"};
    struct measured f = {0};
    struct buffer out = {0};
    struct spent spent;
    size_t num = 10;

    path_of(program, build, "sanct-ingest");
    (void)snprintf(name, sizeof name, "index-%s-%s", source->api, source->keep);
    path_of(dir, folder, name);
    if (source->cores == 1) {
        argv[num++] = "--threads";
        argv[num++] = "1";
    }
    if (source->ca[0] != '\0') {
        argv[num++] = "--ca-file";
        argv[num++] = source->ca;
    }
    for (size_t i = 0; i < source->num; i++) {
        argv[num++] = source->what[i];
    }
    remove_tree(dir);
    spent = run(argv, source->cores, &out);
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

// Notes a figure of one way to read: "static_full_cpu_us".
static void note(struct figures *figures, const struct source *source,
                 const char *what, double value)
{
    char name[2 * FIGURE_NAME_SIZE];

    (void)snprintf(name, sizeof name, "%s_%s%s_%s", source->api, source->keep,
                   source->cores == 1 ? "_1core" : "", what);
    figures_set(figures, name, value);
}

static void measure(struct figures *figures, const struct source *source)
{
    double cpu[RUNS], wall[RUNS];
    struct measured f = {0};

    for (int r = 0; r < RUNS; r++) {
        f = backfill(source);
        wall[r] = f.wall_s;
        cpu[r] = f.cpu_us;
    }
    note(figures, source, "entries", f.entries);
    note(figures, source, "per_s",
         f.entries / measure_percentile(wall, RUNS, 50));
    note(figures, source, "cpu_us", measure_percentile(cpu, RUNS, 50));
    note(figures, source, "syscalls", f.syscalls * 1000 / f.entries);
    note(figures, source, "memory_mib", f.memory_bytes / (1 << 20));
    note(figures, source, "read_bytes", f.read_bytes);
    note(figures, source, "disk_bytes", f.disk_bytes);
    note(figures, source, "written_bytes", f.written_bytes);
    note(figures, source, "names", f.names);
    note(figures, source, "tail_percent", f.tail_percent);
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

// ------------------------------------------------------------ the table

static struct figures figures;

static double of(const char *form, const char *way)
{
    char name[2 * FIGURE_NAME_SIZE];

    (void)snprintf(name, sizeof name, form, way);
    return figures_or(&figures, name, NAN);
}

#define ROW(...) TABLE_ROW(&figures, __VA_ARGS__)

static void table_way(const char *way, const char *title, const char *short_way,
                      enum figure_goal kind, double goal)
{
    static const char *const names[] = {"%s_cpu_us", "%s_multiple", "%s_per_s",
                                        "%s_syscalls", "%s_memory_mib"};
    char what[COUNT_OF(names)][2 * FIGURE_NAME_SIZE];

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        (void)snprintf(what[i], sizeof what[i], names[i], way);
    }
    figures_set(&figures, what[1],
                of("%s_cpu_us", way) / of("irreducible_%s_us", short_way));
    ROW(title, what[0], "us", GOAL_NONE, 0,
        "CPU an entry; read %.0f B, on disk %.0f B, %.2f names",
        of("%s_read_bytes", way), of("%s_disk_bytes", way),
        of("%s_names", way));
    ROW("  of the irreducible work", what[1], "x", kind, goal,
        "%.2f us, measured alone", of("irreducible_%s_us", short_way));
    ROW("  entries/s", what[2], "/s",
        strcmp(short_way, "archive") == 0 ? GOAL_AT_LEAST : GOAL_NONE, 350000,
        "of wall time; %.0f entries", of("%s_entries", way));
    ROW("  system calls per 1,000 entries", what[3], "",
        strcmp(short_way, "static") == 0 ? GOAL_AT_MOST : GOAL_NONE, 20, "%s",
        "");
    ROW("  own memory", what[4], "MiB", GOAL_AT_MOST, 1024 + 64, "--memory %s",
        "1024 MiB");
}

static void table_archive(void)
{
    table_way("archive_full", "archive zips, --keep full", "archive", GOAL_NONE,
              0);
    figures_set(&figures, "second_core",
                of("%s_per_s", "archive_full") /
                    of("%s_per_s", "archive_full_1core"));
    ROW("  against one core", "second_core", "x", GOAL_AT_LEAST, 1.8,
        "one core: %.0f entries/s, %.2f us; the disk takes %.0f MB/s",
        of("%s_per_s", "archive_full_1core"),
        of("%s_cpu_us", "archive_full_1core"),
        of("%s", "disk_bytes_per_s") / 1e6);
}

// Peers verify and parse, and index nothing.
static void table_peers(void)
{
    static const char *const peers[] = {
        "certspotter_static", "sunlight_client_static", "certspotter_rfc6962",
        "scanlog_rfc6962"};
    double best[2] = {NAN, NAN};

    table_begin("Peers on the same log: verified and parsed, nothing indexed "
                "(scanlog: parsed alone)");
    for (size_t i = 0; i < COUNT_OF(peers); i++) {
        bool tiles = strstr(peers[i], "static") != NULL;
        double cpu = of("%s_cpu_us", peers[i]);
        char name[2 * FIGURE_NAME_SIZE];

        (void)snprintf(name, sizeof name, "%s_cpu_us", peers[i]);
        if (isnan(cpu)) continue;
        best[!tiles] = fmin(best[!tiles], cpu); // passes over NAN
        ROW(peers[i], name, "us", GOAL_NONE, 0, "CPU an entry; %.0f entries/s",
            of("%s_per_s", peers[i]));
    }
    if (isnan(best[0]) && isnan(best[1])) {
        printf("  They were not run; why stands above.\n");
        return;
    }
    for (size_t i = 0; i < 2; i++) {
        const char *way = i == 0 ? "static_full" : "rfc6962_full";
        char with[FIGURE_NAME_SIZE], without[FIGURE_NAME_SIZE];
        double cpu = of("%s_cpu_us", way), index = of("%s", "index_us");

        (void)snprintf(with, sizeof with, "%s_of_best", way);
        (void)snprintf(without, sizeof without, "%s_read_of_best", way);
        figures_set(&figures, with, cpu / best[i]);
        figures_set(&figures, without, (cpu - index) / best[i]);
        ROW(i == 0 ? "static CT, of the best one's CPU, with the index"
                   : "RFC 6962, of the best one's CPU, with the index",
            with, "x", GOAL_AT_MOST, 0.5, "%.2f us to %.2f us", cpu, best[i]);
        ROW("  without encoding and appending", without, "x", GOAL_AT_MOST,
            0.25, "%.2f us, by the stages measured alone", cpu - index);
    }
}

static void table(void)
{
    table_begin("Backfill from the network and from zips: read, verified, "
                "indexed, durable");
    table_way("static_full", "static CT over HTTPS, --keep full", "static",
              GOAL_AT_MOST, 4);
    table_way("static_facts", "static CT over HTTPS, --keep facts", "static",
              GOAL_AT_MOST, 4);
    table_way("rfc6962_full", "RFC 6962 over HTTPS, --keep full", "rfc6962",
              GOAL_AT_MOST, 3);
    table_archive();
    table_peers();
}

// ------------------------------------------------------------ published logs

static void write_way(FILE *file, const char *name, const char *way)
{
    (void)fprintf(file,
                  "\"%s\":{\"entries_per_s\":%.0f,\"cpu_ns\":%.0f,"
                  "\"read_bytes\":%.0f,\"disk_bytes\":%.0f,"
                  "\"written_bytes\":%.0f,\"names_per_1000\":%.0f},\n",
                  name, of("%s_per_s", way), of("%s_cpu_us", way) * 1e3,
                  of("%s_read_bytes", way), of("%s_disk_bytes", way),
                  of("%s_written_bytes", way), of("%s_names", way) * 1e3);
}

// What bench_published reads.
static void write_published(void)
{
    char path[PATH_SIZE];
    FILE *file;

    path_of(path, folder, "figures.json");
    file = fopen(path, "we");
    if (file == NULL) die("%s: cannot be written", path);
    (void)fputs("{", file);
    write_way(file, "static", "static_full");
    write_way(file, "rfc6962", "rfc6962_full");
    write_way(file, "archive", "archive_full");
    (void)fprintf(
        file,
        "\"entries\":%.0f,\"tail_percent\":%.0f,"
        "\"facts_bytes\":%.0f,\"disk_bytes_per_s\":%.0f}\n",
        of("%s_entries", "static_full"), of("%s_tail_percent", "static_full"),
        of("%s_disk_bytes", "static_facts"), of("%s", "disk_bytes_per_s"));
    if (fclose(file) != 0) die("%s: cannot be written", path);
}

int main(int argc, char **argv)
{
    struct source source;

    if (argc < 3) die("usage: bench_ingest network|archive|table ...");
    figures_read(&figures, argv[argc - 1]);
    if (argc == 5) {
        build = argv[2];
        folder = argv[3];
    }
    if (argc == 5 && strcmp(argv[1], "network") == 0) {
        source = network("static", "full");
        measure(&figures, &source);
        source = network("static", "facts");
        measure(&figures, &source);
        source = network("rfc6962", "full");
        measure(&figures, &source);
    } else if (argc == 5 && strcmp(argv[1], "archive") == 0) {
        source = archive(1);
        measure(&figures, &source);
        source = archive(0);
        measure(&figures, &source);
        figures_set(&figures, "disk_bytes_per_s", disk_rate());
        write_published();
    } else if (argc == 3 && strcmp(argv[1], "table") == 0) {
        table();
    } else {
        die("usage: bench_ingest network|archive BUILD FOLDER FIGURES | table "
            "FIGURES");
    }
    figures_write(&figures);
    return 0;
}
