// bench_cold.c - names whose blocks are not in the page cache.
//
//   bench_cold BUILD INDEX FOLDER
//
// A server is started, everything of the index but the trees is dropped from
// the page cache, and 64 connections ask for random names that exist, each once
// and the whole JSON.  Beside that: a client that asks for a few warm names,
// with the cold load and without it; and the yardstick, random reads of 4 KiB
// past the page cache, 32 at a time, by the same kind of ring.  An index that
// fits into memory becomes warm as it is asked: the load ends before that.

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/measure.h"
#include "bench/process.h"
#include "bench/sample.h"
#include "index/index.h"
#include "index/net/http.h"
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
static double ns[WARM_ROUNDS];
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

static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    for (int i = 0; i < 200; i++) {
        if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0) {
            return fd;
        }
        usleep(50000);
    }
    die("%s: %s", path, strerror(errno));
}

static void send_text(int fd, const char *format, ...) PRINTF_LIKE(2, 3);
static void send_text(int fd, const char *format, ...)
{
    char text[2048];
    va_list args;
    int len;

    va_start(args, format);
    len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (send(fd, text, (size_t)len, MSG_NOSIGNAL) != len) die("send");
}

static void ask(int fd, struct bytes name)
{
    char text[1024] = "";
    size_t at = 0;

    for (size_t i = 0; i < name.len && at + 4 < sizeof text; i++) {
        at += (size_t)snprintf(text + at, 4, "%%%02x", name.data[i]);
    }
    send_text(fd, "GET /v1/certs?q=%s HTTP/1.1\r\nHost: sanct\r\n\r\n", text);
}

// Takes what has come; true when the response is whole.
static bool take(int fd, struct http_response *response, bool *in_body,
                 struct buffer *body)
{
    static uint8_t piece[65536];
    ssize_t len = recv(fd, piece, sizeof piece, 0);
    struct bytes in = bytes_of(piece, len > 0 ? (size_t)len : 0), part;
    enum http_progress progress = HTTP_PART;
    struct err err = {0};

    if (len <= 0) die("the server closed the connection");
    if (!*in_body) {
        progress = http_response_head(response, &in, &err);
        *in_body = progress != HTTP_MORE;
    }
    while (*in_body && progress == HTTP_PART) {
        progress = http_body_read(&response->body, &in, &part, &err);
        if (progress == HTTP_PART && body != NULL) buffer_append(body, part);
    }
    if (progress == HTTP_BROKEN) die("%s", err.text);
    if (progress != HTTP_END) return false;
    if (response->status != 200) die("status %u", response->status);
    http_response_reset(response);
    *in_body = false;
    return true;
}

struct client {
    int fd;
    struct http_response response;
    bool in_body;
};

// Asks for names from `first` on, one at a time on each connection; seconds.
static double load(const char *path, size_t first, size_t num)
{
    static struct client clients[CLIENTS];
    struct pollfd polls[CLIENTS];
    size_t asked = 0, done = 0;
    uint64_t start;

    for (size_t i = 0; i < CLIENTS; i++) {
        clients[i] = (struct client){.fd = connect_to(path)};
        polls[i] = (struct pollfd){.fd = clients[i].fd, .events = POLLIN};
    }
    start = measure_now_ns();
    for (size_t i = 0; i < CLIENTS; i++) {
        ask(clients[i].fd, names[first + asked++]);
    }
    while (done < num) {
        if (poll(polls, CLIENTS, -1) < 0) die("poll");
        for (size_t i = 0; i < CLIENTS; i++) {
            struct client *c = &clients[i];

            if (polls[i].revents == 0 ||
                !take(c->fd, &c->response, &c->in_body, NULL)) {
                continue;
            }
            done++;
            if (asked < num) ask(c->fd, names[first + asked++]);
        }
    }
    for (size_t i = 0; i < CLIENTS; i++) {
        (void)close(clients[i].fd);
        http_response_cleanup(&clients[i].response);
    }
    return (double)(measure_now_ns() - start) / 1e9;
}

static double num_cold_blocks(const char *path)
{
    struct client c = {.fd = connect_to(path)};
    struct buffer body = {0};
    const char *at;
    double value;

    send_text(c.fd, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    while (!take(c.fd, &c.response, &c.in_body, &body)) {
    }
    buffer_append_byte(&body, '\0');
    at = strstr((const char *)body.data, "\nsanct_cold_blocks_total ");
    value = at == NULL ? 0 : strtod(at + 25, NULL);
    buffer_cleanup(&body);
    http_response_cleanup(&c.response);
    (void)close(c.fd);
    return value;
}

static void measure_warm(const char *path, const char *what, double out[2])
{
    struct client c = {.fd = connect_to(path)};

    for (int round = 0; round < WARM_ROUNDS; round++) {
        uint64_t start = measure_now_ns();

        ask(c.fd, names[num_names - 1 - random_below(&randomness, WARM_NAMES)]);
        while (!take(c.fd, &c.response, &c.in_body, NULL)) {
        }
        ns[round] = (double)(measure_now_ns() - start);
    }
    out[0] = measure_percentile(ns, WARM_ROUNDS, 50) / 1000;
    out[1] = measure_percentile(ns, WARM_ROUNDS, 99) / 1000;
    printf("  %-44s p50 %8.1f us   p99 %8.1f us\n", what, out[0], out[1]);
    http_response_cleanup(&c.response);
    (void)close(c.fd);
}

// User and system time of the server.
static double cpu_seconds(pid_t server)
{
    unsigned long user = 0, kernel = 0;
    char path[64];
    FILE *file;

    (void)snprintf(path, sizeof path, "/proc/%ld/stat", (long)server);
    file = fopen(path, "re");
    if (file == NULL ||
        fscanf(file,
               "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu "
               "%lu",
               &user, &kernel) != 2) {
        die("%s", path);
    }
    (void)fclose(file);
    return (double)(user + kernel) / (double)sysconf(_SC_CLK_TCK);
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

static pid_t start_server(const char *build, const char *index,
                          const char *path)
{
    char program[PATH_SIZE];
    pid_t pid = fork();

    if (pid != 0) return pid;
    (void)snprintf(program, sizeof program, "%s/sanctd", build);
    execl(program, program, "-i", index, "--socket", path, "--threads", "1",
          (char *)NULL);
    die("cannot start %s", program);
}

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

static void run(const char *index, const char *path, const char *largest,
                pid_t server)
{
    double reads = measure_disk(largest), seconds, blocks, cpu;
    double quiet[2], busy[2];
    int status;
    pid_t child;

    printf("  %-44s %8.0f a second\n", "yardstick: random reads of 4 KiB",
           reads);
    measure_warm(path, "warm names, first", quiet);
    measure_warm(path, "warm names, nothing beside them", quiet);
    make_cold(index);
    blocks = num_cold_blocks(path);
    cpu = cpu_seconds(server);
    seconds = load(path, 0, LOOKUPS);
    blocks = num_cold_blocks(path) - blocks;
    cpu = cpu_seconds(server) - cpu;
    printf("  %-44s %8.0f a second, %.2f blocks each\n", "cold look-ups",
           LOOKUPS / seconds, blocks / LOOKUPS);
    printf("  %-44s %8.1f us a look-up, %.1f us a block\n", "CPU in the server",
           cpu / LOOKUPS * 1e6, cpu / blocks * 1e6);
    printf("  %-44s %8.0f a second: %.2f of the yardstick\n", "blocks read",
           blocks / seconds, blocks / seconds / reads);
    make_cold(index);
    measure_warm(path, "warm names, read again", quiet);
    measure_warm(path, "warm names, nothing beside them", quiet);
    child = fork();
    if (child == 0) {
        (void)load(path, LOOKUPS, LOOKUPS);
        _exit(0);
    }
    measure_warm(path, "warm names beside cold ones", busy);
    printf("  %-44s p50 %8.2f      p99 %8.2f\n", "ratio", busy[0] / quiet[0],
           busy[1] / quiet[1]);
    (void)waitpid(child, &status, 0);
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

    if (argc != 4) die("usage: bench_cold BUILD INDEX FOLDER");
    if (!index_open(&index, argv[2], INDEX_READ, &err) ||
        !snapshot_open(&snapshot, index, &err)) {
        die("%s", err.text);
    }
    randomness = random_for(1, "cold", 0);
    collect_names(snapshot, &arena);
    snapshot_close(snapshot);
    index_close(index);
    find_largest(argv[2], largest);
    (void)snprintf(path, sizeof path, "%s/sock", argv[3]);
    pid = start_server(argv[1], argv[2], path);
    (void)close(connect_to(path));
    printf(
        "\nNames whose blocks are not in the page cache: %d connections, one "
        "thread of the server\n\n",
        CLIENTS);
    run(argv[2], path, largest, pid);
    (void)kill(pid, SIGTERM);
    (void)waitpid(pid, NULL, 0);
    arena_cleanup(&arena);
    return 0;
}
