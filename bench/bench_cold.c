// bench_cold.c - names whose blocks are not in the page cache.
//
//   bench_cold BUILD INDEX FOLDER FIGURES
//
// A server is started, everything of the index but the trees is dropped from
// the page cache, and 64 connections ask for random names that exist, each once
// and the whole JSON.  Beside that: a client that asks for a few warm names,
// with the cold load and without it; and the yardstick, random reads of 4 KiB
// past the page cache, 32 at a time, by the same kind of ring.  An index that
// fits into memory becomes warm as it is asked: the load ends before that.
// Percentiles go to FOLDER/latency.tsv, behind those of bench_query.

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/asker.h"
#include "bench/figures.h"
#include "bench/measure.h"
#include "bench/process.h"
#include "bench/sample.h"
#include "index/index.h"
#include "index/net/ring.h"
#include "index/store/keys.h"

enum {
    NAMES_MAX = 100000,
    CLIENTS = 64,
    LOOKUPS = 20000,
    WARM_NAMES = 50,
    WARM_ROUNDS = 5000,
    READS = 20000,
    READ_DEPTH = 32,
    PAGE = 4096,
    PATH_SIZE = 4096,
};

static struct bytes names[NAMES_MAX];
static size_t num_names;
static double ns[WARM_ROUNDS], cold_ns[LOOKUPS];
static struct figures figures;
static FILE *latencies;
static struct random randomness;

// ------------------------------------------------------------- names

// Names of the index, in random order.
static void collect_names(struct snapshot *snapshot, struct arena *arena)
{
    num_names = sample_names(snapshot, names, NAMES_MAX, &randomness, arena);
    if (num_names < 2 * LOOKUPS) die("the index holds too few names");
    for (size_t i = num_names - 1; i > 0; i--) {
        size_t other = (size_t)random_below(&randomness, i + 1);
        struct bytes name = names[i];

        names[i] = names[other];
        names[other] = name;
    }
}

// ------------------------------------------------------------- clients

// Asks for names from `first` on, one at a time on each connection; seconds.
static double load(const char *path, size_t first, size_t num)
{
    static struct asker clients[CLIENTS];
    struct pollfd polls[CLIENTS];
    uint64_t asked_ns[CLIENTS], start;
    size_t asked = 0, done = 0;

    for (size_t i = 0; i < CLIENTS; i++) {
        clients[i] = (struct asker){.fd = asker_connect(path)};
        polls[i] = (struct pollfd){.fd = clients[i].fd, .events = POLLIN};
    }
    start = measure_now_ns();
    for (size_t i = 0; i < CLIENTS; i++) {
        asked_ns[i] = measure_now_ns();
        asker_ask(&clients[i], names[first + asked++]);
    }
    while (done < num) {
        if (poll(polls, CLIENTS, -1) < 0) die("poll");
        for (size_t i = 0; i < CLIENTS; i++) {
            struct asker *c = &clients[i];

            if (polls[i].revents == 0 || !asker_take(c, NULL)) continue;
            cold_ns[done++] = (double)(measure_now_ns() - asked_ns[i]);
            asked_ns[i] = measure_now_ns();
            if (asked < num) asker_ask(c, names[first + asked++]);
        }
    }
    for (size_t i = 0; i < CLIENTS; i++) {
        asker_close(&clients[i]);
    }
    return (double)(measure_now_ns() - start) / 1e9;
}

static double num_cold_blocks(const char *path)
{
    struct buffer body = {0};
    struct asker c;
    const char *at;
    double value;

    asker_open(&c, path);
    asker_get(&c, "/metrics");
    asker_wait(&c, &body);
    buffer_append_byte(&body, '\0');
    at = strstr((const char *)body.data, "\nsanct_cold_blocks_total ");
    value = at == NULL ? 0 : strtod(at + 25, NULL);
    buffer_cleanup(&body);
    asker_close(&c);
    return value;
}

// For the plot: one in how many is slower.
static void keep(const char *name, double *values, size_t num)
{
    static const double slower[] = {2, 4, 10, 20, 50, 100, 200, 500, 1000};

    for (size_t i = 0; i < COUNT_OF(slower); i++) {
        (void)fprintf(latencies, "%s\t%.0f\t%.2f\n", name, slower[i],
                      measure_percentile(values, num, 100 - 100 / slower[i]) /
                          1000);
    }
}

// `name`: of the series to keep, or NULL.
static void measure_warm(const char *path, const char *name, double out[2])
{
    struct asker c;

    asker_open(&c, path);
    for (int round = 0; round < WARM_ROUNDS; round++) {
        uint64_t start = measure_now_ns();

        asker_ask(&c,
                  names[num_names - 1 - random_below(&randomness, WARM_NAMES)]);
        asker_wait(&c, NULL);
        ns[round] = (double)(measure_now_ns() - start);
    }
    out[0] = measure_percentile(ns, WARM_ROUNDS, 50) / 1000;
    out[1] = measure_percentile(ns, WARM_ROUNDS, 99) / 1000;
    if (name != NULL) keep(name, ns, WARM_ROUNDS);
    asker_close(&c);
}

// ------------------------------------------------------------- yardstick

struct reading {
    struct ring_op op;
    uint8_t *page;
};
static struct {
    struct ring *ring;
    int fd;
    uint64_t pages;
    unsigned left, done;
} disk;

static void on_read(struct ring_op *op, int result);

static void read_one(struct reading *r)
{
    if (disk.left == 0) return;
    disk.left--;
    ring_read(disk.ring, &r->op, disk.fd, r->page, PAGE,
              (int64_t)(random_below(&randomness, disk.pages) * PAGE), on_read);
}

static void on_read(struct ring_op *op, int result)
{
    if (result != PAGE) die("a read of the yardstick failed");
    disk.done++;
    read_one(RING_OWNER(op, struct reading, op));
}

// Random reads of the largest file, past the page cache; how many a second.
static double measure_disk(const char *path)
{
    static struct reading readings[READ_DEPTH];
    struct err err = {0};
    struct stat now;
    uint64_t start;

    disk.fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
    if (disk.fd < 0 || fstat(disk.fd, &now) != 0) return 0;
    disk.pages = (uint64_t)now.st_size / PAGE;
    disk.left = READS;
    if (!ring_open(&disk.ring, READ_DEPTH, &err)) die("%s", err.text);
    start = measure_now_ns();
    for (size_t i = 0; i < READ_DEPTH; i++) {
        readings[i].page = aligned_alloc(PAGE, PAGE);
        if (readings[i].page == NULL) die("no memory");
        read_one(&readings[i]);
    }
    while (disk.done < READS) {
        if (!ring_run(disk.ring, true, &err)) die("%s", err.text);
    }
    start = measure_now_ns() - start;
    ring_close(disk.ring);
    (void)close(disk.fd);
    return READS / ((double)start / 1e9);
}

// ------------------------------------------------------------- all of it

// The trees stay: there is one page of them for some eighty blocks.
static void make_cold(const char *index)
{
    struct tree_pages pages;

    process_evict(index);
    (void)process_walk_trees(index);
    pages = process_walk_trees(index);
    printf("  of %llu blocks' pages %llu are in the page cache\n",
           (unsigned long long)pages.blocks,
           (unsigned long long)pages.resident_blocks);
}

static void measure_cold(const char *index, const char *path, pid_t server)
{
    double seconds, blocks, cpu;

    make_cold(index);
    blocks = num_cold_blocks(path);
    cpu = (double)process_cpu_ns(server) / 1000;
    seconds = load(path, 0, LOOKUPS);
    blocks = num_cold_blocks(path) - blocks;
    cpu = (double)process_cpu_ns(server) / 1000 - cpu;
    figures_set(&figures, "cold_lookups_per_s", LOOKUPS / seconds);
    figures_set(&figures, "cold_blocks_each", blocks / LOOKUPS);
    figures_set(&figures, "cold_cpu_us", cpu / LOOKUPS);
    figures_set(&figures, "cold_blocks_per_s", blocks / seconds);
    keep("cold", cold_ns, LOOKUPS);
    figures_set(&figures, "cold_p50_us",
                measure_percentile(cold_ns, LOOKUPS, 50) / 1000);
    figures_set(&figures, "cold_p99_us",
                measure_percentile(cold_ns, LOOKUPS, 99) / 1000);
}

static void measure_beside(const char *index, const char *path)
{
    double alone[2], beside[2];
    pid_t child;
    int status;

    make_cold(index);
    measure_warm(path, NULL, alone);
    measure_warm(path, "warm_alone", alone);
    (void)fflush(NULL);
    child = fork();
    if (child == 0) {
        (void)load(path, LOOKUPS, LOOKUPS);
        _exit(0);
    }
    measure_warm(path, "warm_beside_cold", beside);
    (void)waitpid(child, &status, 0);
    figures_set(&figures, "warm_alone_p99_us", alone[1]);
    figures_set(&figures, "warm_beside_p99_us", beside[1]);
    figures_set(&figures, "warm_beside_ratio", beside[1] / alone[1]);
}

static double of(const char *name)
{
    return figures_or(&figures, name, 0);
}

#define ROW(...) TABLE_ROW(&figures, __VA_ARGS__)

static void print_table(void)
{
    char title[160];

    (void)snprintf(title, sizeof title,
                   "Cold: %d connections, each name once, its blocks not in "
                   "the page cache",
                   CLIENTS);
    table_begin(title);
    ROW("blocks read, by the device's rate", "cold_blocks_ratio", "x",
        GOAL_AT_LEAST, 0.6, "%.0f /s; random reads of 4 KiB, %d deep: %.0f /s",
        of("cold_blocks_per_s"), READ_DEPTH, of("device_reads_per_s"));
    ROW("look-ups", "cold_lookups_per_s", "/s", GOAL_NONE, 0,
        "%.2f blocks each; p50 %.0f us, p99 %.0f", of("cold_blocks_each"),
        of("cold_p50_us"), of("cold_p99_us"));
    ROW("CPU in the server, a look-up", "cold_cpu_us", "us", GOAL_NONE, 0,
        "%.1f us a block",
        of("cold_cpu_us") / figures_or(&figures, "cold_blocks_each", 1));
    ROW("warm names beside them, p99 by alone", "warm_beside_ratio", "x",
        GOAL_AT_MOST, 2, "%.0f us, alone %.0f", of("warm_beside_p99_us"),
        of("warm_alone_p99_us"));
}

static void run(const char *index, const char *path, const char *largest,
                pid_t server)
{
    double unused[2], reads = measure_disk(largest);

    figures_set(&figures, "device_reads_per_s", reads);
    measure_warm(path, NULL, unused);
    measure_cold(index, path, server);
    figures_set(&figures, "cold_blocks_ratio", of("cold_blocks_per_s") / reads);
    measure_beside(index, path);
    figures_write(&figures);
    print_table();
}

// The largest segment.
static void find_largest(const char *index, char out[PATH_SIZE])
{
    char command[PATH_SIZE + 64];
    FILE *list;

    (void)snprintf(command, sizeof command, "ls -S '%s'/segments/* | head -1",
                   index);
    list = popen(command, "r");
    if (list == NULL || fgets(out, PATH_SIZE, list) == NULL) {
        die("%s has no segments", index);
    }
    out[strcspn(out, "\n")] = '\0';
    (void)pclose(list);
}

int main(int argc, char **argv)
{
    char path[PATH_SIZE], largest[PATH_SIZE];
    struct snapshot *snapshot;
    struct arena arena = {0};
    struct index *index;
    struct err err = {0};
    pid_t pid;

    if (argc != 5) die("usage: bench_cold BUILD INDEX FOLDER FIGURES");
    figures_read(&figures, argv[4]);
    (void)snprintf(path, sizeof path, "%s/latency.tsv", argv[3]);
    latencies = fopen(path, "ae");
    if (latencies == NULL) die("%s: cannot be written", path);
    if (!index_open(&index, argv[2], INDEX_READ, &err) ||
        !snapshot_open(&snapshot, index, &err)) {
        die("%s", err.text);
    }
    snapshot_trust(snapshot);
    randomness = random_for(1, "cold", 0);
    collect_names(snapshot, &arena);
    snapshot_close(snapshot);
    index_close(index);
    find_largest(argv[2], largest);
    (void)snprintf(path, sizeof path, "%s/sock", argv[3]);
    pid = asker_start_server(argv[1], argv[2], path, false);
    run(argv[2], path, largest, pid);
    process_end(pid);
    arena_cleanup(&arena);
    return fclose(latencies) == 0 ? 0 : 1;
}
