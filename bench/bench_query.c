// bench_query.c - how long answers take, beside what the sockets alone cost.
//
//   bench_query export INDEX FOLDER        FOLDER/names.tsv, for PostgreSQL
//   bench_query BUILD INDEX FOLDER FIGURES
//
// Names that exist and have 1 to 3 issuances, whole answers, everything in the
// page cache, the server's one thread and the client on two cores.  The
// yardstick of a figure is measured in turns with it: a server on the same ring
// that gives an answer of as many bytes to everything.  Percentiles go to
// FOLDER/latency.tsv.
//
//   BENCH_POSTGRES   socket of a PostgreSQL that holds names.tsv
//   BENCH_MOVE       a command that adds to the index and compacts it

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/asker.h"
#include "bench/constant.h"
#include "bench/figures.h"
#include "bench/load_tools.h"
#include "bench/measure.h"
#include "bench/postgres.h"
#include "bench/process.h"
#include "bench/sample.h"
#include "query/shape/native.h"

enum {
    NAMES_MAX = 20000,
    ISSUANCES_MAX = 3,
    RUNS = 5,
    ROUNDS = 4000, // of each run
    DEPTH = 64,
    BATCHES = 3000,
    GOOD = 10,
    IDLE = 1000,
    ABUSIVE = 100,
    PATH_SIZE = 4096,
};

static struct bytes names[NAMES_MAX];
static size_t num_names;
static struct random randomness;
static struct figures figures;
static const char *build, *served, *folder;
static char server_path[PATH_SIZE], constant_path[PATH_SIZE];
static FILE *latencies;

// ------------------------------------------------------------- samples

struct samples {
    const char *name;
    size_t num;
    double cpu_us; // of the server, a request
    double ns[RUNS * ROUNDS];
};

static void set(const char *name, const char *what, double value)
{
    char full[FIGURE_NAME_SIZE];

    (void)snprintf(full, sizeof full, "%s_%s", name, what);
    figures_set(&figures, full, value);
}

// Percentiles into the figures and, for the plot, one in how many is slower.
static void keep(struct samples *s)
{
    static const double slower[] = {2,   4,   10,  20,   50,
                                    100, 200, 500, 1000, 2000};

    if (s->num == 0) return;
    set(s->name, "p50_us", measure_percentile(s->ns, s->num, 50) / 1000);
    set(s->name, "p99_us", measure_percentile(s->ns, s->num, 99) / 1000);
    set(s->name, "p999_us", measure_percentile(s->ns, s->num, 99.9) / 1000);
    set(s->name, "cpu_us", s->cpu_us);
    for (size_t i = 0; i < COUNT_OF(slower); i++) {
        (void)fprintf(latencies, "%s\t%.0f\t%.2f\n", s->name, slower[i],
                      measure_percentile(s->ns, s->num, 100 - 100 / slower[i]) /
                          1000);
    }
}

static struct bytes some_name(void)
{
    return names[random_below(&randomness, num_names)];
}

// One client, one request at a time; `server` 0: its CPU is not looked at.
static void take_turns(struct samples *s, struct asker *client, size_t num,
                       pid_t server)
{
    uint64_t cpu = server > 0 ? process_cpu_ns(server) : 0;

    for (size_t i = 0; i < num && s->num < COUNT_OF(s->ns); i++) {
        struct bytes name = some_name();
        uint64_t start = measure_now_ns();

        asker_ask(client, name);
        asker_wait(client, NULL);
        s->ns[s->num++] = (double)(measure_now_ns() - start);
    }
    if (server > 0) {
        s->cpu_us +=
            (double)(process_cpu_ns(server) - cpu) / 1000 / ROUNDS / RUNS;
    }
}

// ------------------------------------------------------------- in the process

// Writes the whole answer; how many issuances it has.
static uint64_t answer_one(struct snapshot *snapshot, struct bytes name,
                           struct buffer *out, struct arena *arena)
{
    struct filters filters = {0};
    struct native native = {0};
    struct question question;
    struct answer *answer;
    struct err err = {0};
    bool done = false;
    uint64_t num;

    arena_reset(arena);
    buffer_reset(out);
    if (!question_parse(&question, &filters, name, "name", arena, &err) ||
        !answer_open(&answer, &question, snapshot, 0, &err)) {
        die("%s", err.text);
    }
    native_begin(&native);
    while (!done) {
        if (!native_next(&native, answer, snapshot, 0, out, &done, &err)) {
            die("%s", err.text);
        }
    }
    num = answer_count(answer);
    answer_close(answer);
    native_cleanup(&native);
    return num;
}

// Names with few issuances; gives the mean length of their answers.
static size_t choose_names(struct snapshot *snapshot, struct arena *arena,
                           FILE *export)
{
    struct arena scratch = {0};
    struct buffer out = {0};
    size_t bytes = 0, num = 0;

    num_names = sample_names(snapshot, names, NAMES_MAX, &randomness, arena);
    for (size_t i = 0; i < num_names; i++) {
        if (answer_one(snapshot, names[i], &out, &scratch) > ISSUANCES_MAX) {
            continue;
        }
        bytes += out.len;
        names[num++] = names[i];
        if (export == NULL) continue;
        (void)fprintf(export, "%.*s\t", (int)names[i].len, names[i].data);
        for (size_t k = 0; k < out.len; k++) {
            if (out.data[k] == '\\') (void)fputc('\\', export);
            (void)fputc(out.data[k], export);
        }
        (void)fputc('\n', export);
    }
    num_names = num;
    if (num == 0) die("the index holds no names");
    arena_cleanup(&scratch);
    buffer_cleanup(&out);
    return bytes / num;
}

static void measure_in_process(struct snapshot *snapshot)
{
    static struct samples s = {.name = "answer"};
    struct buffer out = {0};
    struct arena arena = {0};
    uint64_t cpu = measure_cpu_ns();

    for (int i = 0; i < RUNS * ROUNDS; i++) {
        struct bytes name = some_name();
        uint64_t start = measure_now_ns();

        (void)answer_one(snapshot, name, &out, &arena);
        s.ns[s.num++] = (double)(measure_now_ns() - start);
    }
    s.cpu_us = (double)(measure_cpu_ns() - cpu) / 1000 / (RUNS * ROUNDS);
    keep(&s);
    buffer_cleanup(&out);
    arena_cleanup(&arena);
}

// ------------------------------------------------------------- one client

static void measure_one_client(pid_t server, pid_t constant)
{
    static struct samples ours = {.name = "sanctd"}, echo = {.name = "echo"};
    static struct samples warming;
    struct asker to_ours, to_echo;

    asker_open(&to_ours, server_path);
    asker_open(&to_echo, constant_path);
    take_turns(&warming, &to_ours, RUNS * ROUNDS, 0);
    for (int run = 0; run < RUNS; run++) {
        take_turns(&ours, &to_ours, ROUNDS, server);
        take_turns(&echo, &to_echo, ROUNDS, constant);
    }
    keep(&ours);
    keep(&echo);
    asker_close(&to_ours);
    asker_close(&to_echo);
}

// The same from a server that waits awake: a core that sleeps between requests
// has lost its caches when it wakes.
static void measure_awake(void)
{
    static struct samples s = {.name = "awake"};
    pid_t server = asker_start_server(build, served, server_path, true);
    struct asker client;

    asker_open(&client, server_path);
    for (int run = 0; run <= RUNS; run++) {
        if (run == 1) s.num = 0; // the first warms
        take_turns(&s, &client, ROUNDS, 0);
    }
    keep(&s);
    asker_close(&client);
    process_end(server);
}

// ------------------------------------------------------------- PostgreSQL

static void measure_postgres(void)
{
    static struct samples s = {.name = "postgres"};
    const char *path = getenv("BENCH_POSTGRES");
    struct postgres *postgres;
    uint64_t start;

    if (path == NULL) return;
    postgres = postgres_open(path, "select answer from answers where name=$1");
    for (int warm = 1; warm >= 0; warm--) {
        s.num = 0;
        for (int i = 0; i < RUNS * ROUNDS; i++) {
            start = measure_now_ns();
            if (postgres_ask(postgres, some_name()) == 0) die("not there");
            s.ns[s.num++] = (double)(measure_now_ns() - start);
        }
    }
    keep(&s);
    postgres_close(postgres);
}

// ------------------------------------------------------------- many at once

static void append_command(struct buffer *out, bool exists, uint64_t number)
{
    char absent[64];
    struct bytes name = some_name();

    if (!exists) {
        (void)snprintf(absent, sizeof absent, "n%llu.absent.example",
                       (unsigned long long)number);
        name = bytes_from_text(absent);
    }
    buffer_printf(out, "*2\r\n$5\r\nCOUNT\r\n$%zu\r\n", name.len);
    buffer_append(out, name);
    buffer_append_text(out, "\r\n");
}

// Commands, DEPTH at a time on one connection.
static void measure_bulk(const char *what, bool exists, pid_t server)
{
    int fd = asker_connect(server_path);
    struct buffer out = {0};
    uint64_t cpu = 0, start = 0;
    char in[8192];

    for (int i = -BATCHES / 10; i < BATCHES; i++) {
        size_t num = 0;

        if (i == 0) {
            cpu = process_cpu_ns(server);
            start = measure_now_ns();
        }
        buffer_reset(&out);
        for (unsigned k = 0; k < DEPTH; k++) {
            append_command(&out, exists, (uint64_t)(i + BATCHES) * DEPTH + k);
        }
        asker_send_all(fd, buffer_bytes(&out));
        while (num < DEPTH) {
            ssize_t len = recv(fd, in, sizeof in, 0);

            if (len <= 0) die("the server closed the connection");
            for (ssize_t k = 0; k < len; k++) {
                num += in[k] == '\n';
            }
        }
    }
    set(what, "per_core",
        1e9 * DEPTH * BATCHES / (double)(process_cpu_ns(server) - cpu));
    set(what, "per_s",
        1e9 * DEPTH * BATCHES / (double)(measure_now_ns() - start));
    buffer_cleanup(&out);
    (void)close(fd);
}

static pid_t start_constant(const char *end, struct buffer *answer)
{
    return constant_start(constant_path, bytes_from_text(end),
                          buffer_bytes(answer));
}

// ------------------------------------------------------------- a crowd

static void be_good(struct samples *s)
{
    struct asker clients[GOOD];

    for (size_t i = 0; i < GOOD; i++) {
        asker_open(&clients[i], server_path);
    }
    for (int i = 0; i < ROUNDS / GOOD; i++) {
        for (size_t k = 0; k < GOOD; k++) {
            take_turns(s, &clients[k], 1, 0);
        }
    }
    for (size_t i = 0; i < GOOD; i++) {
        asker_close(&clients[i]);
    }
}

// What an abuser does: never reads, breaks the protocol, or dawdles.
static void abuse(int *fd, unsigned kind)
{
    static const char *const texts[] = {
        "GET /v1/stat HTTP/1.1\r\nHost: x\r\n\r\n", "*1\r\n$99999999\r\n", "G"};
    const char *text = texts[kind % COUNT_OF(texts)];

    if (send(*fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT) >= 0 ||
        errno == EAGAIN) {
        return;
    }
    (void)close(*fd);
    *fd = asker_connect(server_path);
}

// Runs until it is killed; `ready` gets a byte when all are there.
static void be_a_crowd(int ready)
{
    static int fds[ABUSIVE];

    for (unsigned i = 0; i < IDLE; i++) {
        struct asker client;

        asker_open(&client, server_path);
        asker_ask(&client, some_name());
        asker_wait(&client, NULL);
    }
    for (unsigned i = 0; i < ABUSIVE; i++) {
        fds[i] = asker_connect(server_path);
    }
    for (unsigned round = 0;; round++) {
        for (unsigned i = 0; i < ABUSIVE; i++) {
            abuse(&fds[i], i);
        }
        if (round == 200 && write(ready, "", 1) != 1) _exit(1);
        (void)usleep(1000);
    }
}

static void measure_crowd(pid_t server)
{
    static struct samples quiet = {.name = "good_quiet"};
    static struct samples beside = {.name = "good_beside_crowd"};
    uint64_t before = process_own_memory(server), after;
    int fds[2];
    char byte;
    pid_t pid;

    for (int run = 0; run < RUNS; run++) {
        be_good(&quiet);
    }
    if (pipe(fds) != 0) die("pipe");
    (void)fflush(stdout);
    pid = fork();
    if (pid == 0) be_a_crowd(fds[1]);
    if (read(fds[0], &byte, 1) != 1) die("the crowd is gone");
    for (int run = 0; run < RUNS; run++) {
        be_good(&beside);
    }
    after = process_own_memory(server);
    keep(&quiet);
    keep(&beside);
    set("crowd", "kib_a_connection",
        after < before ? 0
                       : (double)(after - before) / 1024 / (IDLE + ABUSIVE));
    process_end(pid);
    (void)close(fds[0]);
    (void)close(fds[1]);
}

// ------------------------------------------------------------- updates

// While entries are added and files are merged.
static void measure_moving(void)
{
    static struct samples s = {.name = "while_moving"};
    const char *command = getenv("BENCH_MOVE");
    struct asker client;
    uint64_t asked = 0;
    double slowest = 0;
    int status = 0;
    pid_t pid;

    if (command == NULL) return;
    asker_open(&client, server_path);
    (void)fflush(stdout);
    pid = fork();
    if (pid == 0) {
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    while (waitpid(pid, &status, WNOHANG) == 0) {
        s.num = asked % COUNT_OF(s.ns); // of a long load the last ones stay
        take_turns(&s, &client, 1, 0);
        if (s.ns[s.num - 1] > slowest) slowest = s.ns[s.num - 1];
        asked++;
    }
    if (status != 0) die("%s: failed", command);
    s.num = asked < COUNT_OF(s.ns) ? asked : COUNT_OF(s.ns);
    keep(&s);
    set(s.name, "slowest_us", slowest / 1000);
    set(s.name, "requests", (double)asked);
    asker_close(&client);
}

// ------------------------------------------------------------- the table

#define ROW(...) TABLE_ROW(&figures, __VA_ARGS__)

static double of(const char *name)
{
    return figures_or(&figures, name, 0);
}

static void print_one_client(void)
{
    table_begin("One client, one name of 1 to 3 issuances, whole answer, warm");
    ROW("round trip p50, by the echo's", "round_p50_ratio", "x", GOAL_AT_MOST,
        1.4, "%.1f us, echo %.1f", of("sanctd_p50_us"), of("echo_p50_us"));
    ROW("round trip p99, by the echo's", "round_p99_ratio", "x", GOAL_AT_MOST,
        2, "%.1f us, echo %.1f", of("sanctd_p99_us"), of("echo_p99_us"));
    ROW("the same with --busy-poll, p50", "awake_ratio", "x", GOAL_NONE, 0,
        "%.1f us, p99 %.1f", of("awake_p50_us"), of("awake_p99_us"));
    ROW("CPU in the server", "sanctd_cpu_us", "us", GOAL_AT_MOST, 6,
        "the echo's %.1f us; %.0f bytes", of("echo_cpu_us"),
        of("answer_bytes"));
    ROW("the answer alone, in the process", "answer_cpu_us", "us", GOAL_NONE, 0,
        "p50 %.1f us, p99 %.1f", of("answer_p50_us"), of("answer_p99_us"));
    ROW("round trip p50, by PostgreSQL's", "postgres_latency_ratio", "x",
        GOAL_AT_MOST, 0.5, "%.1f us, prepared and cached",
        of("postgres_p50_us"));
}

static void print_many(void)
{
    table_begin("Many at once, warm");
    ROW("look-ups of names that exist, a core", "existing_per_core", "/s",
        GOAL_AT_LEAST, 250000, "depth %d; %.0f /s by the clock", DEPTH,
        of("existing_per_s"));
    ROW("look-ups of names that do not, a core", "absent_per_core", "/s",
        GOAL_AT_LEAST, 1000000, "depth %d; %.0f /s by the clock", DEPTH,
        of("absent_per_s"));
    ROW("the same by PostgreSQL's, one at a time", "postgres_rate_ratio", "x",
        GOAL_AT_LEAST, 10, "PostgreSQL %.0f /s",
        1e6 / figures_or(&figures, "postgres_p50_us", 1e12));
    ROW("h2load, all names in turn, by a constant's", "h2load_names_ratio", "x",
        GOAL_NONE, 0, "%.0f /s, constant %.0f", of("h2load_names_per_s"),
        of("h2load_names_constant_per_s"));
    // Here the tools ask for one name over and over: its answer is recalled.
    ROW("h2load --h1 -c 32 -m 16, one name, by a constant's", "h2load_ratio",
        "x", GOAL_AT_LEAST, 0.75, "%.0f /s, constant %.0f; recalled",
        of("h2load_per_s"), of("h2load_constant_per_s"));
    ROW("redis-benchmark -c 32 -P 16, COUNT of one that exists",
        "redis_existing_ratio", "x", GOAL_AT_LEAST, 0.75,
        "%.0f /s, constant %.0f; recalled", of("redis_existing_per_s"),
        of("redis_existing_constant_per_s"));
    ROW("redis-benchmark, COUNT of one that does not", "redis_absent_ratio",
        "x", GOAL_AT_LEAST, 0.75, "%.0f /s, constant %.0f; recalled",
        of("redis_absent_per_s"), of("redis_absent_constant_per_s"));
    ROW("10 good beside 1,100, p99 by the quiet one", "crowd_p99_ratio", "x",
        GOAL_AT_MOST, 2, "%.1f us, quiet %.1f", of("good_beside_crowd_p99_us"),
        of("good_quiet_p99_us"));
    ROW("memory of those, a connection", "crowd_kib_a_connection", "KiB",
        GOAL_AT_MOST, 64, "%d idle, %d abusive", IDLE, ABUSIVE);
    ROW("the server's own memory, one client", "own_mib", "MiB", GOAL_AT_MOST,
        64, "filters included");
    ROW("p99 while entries are added and merged", "while_moving_p99_us", "us",
        GOAL_NONE, 0, "%.0f requests, none failed; slowest %.1f ms",
        of("while_moving_requests"), of("while_moving_slowest_us") / 1000);
}

static void divide(const char *name, const char *a, const char *b)
{
    double x, y;

    if (figures_get(&figures, a, &x) && figures_get(&figures, b, &y)) {
        figures_set(&figures, name, x / y);
    }
}

static void derive(void)
{
    divide("round_p50_ratio", "sanctd_p50_us", "echo_p50_us");
    divide("round_p99_ratio", "sanctd_p99_us", "echo_p99_us");
    divide("awake_ratio", "awake_p50_us", "echo_p50_us");
    divide("postgres_latency_ratio", "sanctd_p50_us", "postgres_p50_us");
    divide("crowd_p99_ratio", "good_beside_crowd_p99_us", "good_quiet_p99_us");
    if (of("postgres_p50_us") > 0) {
        figures_set(&figures, "postgres_rate_ratio",
                    of("existing_per_core") * of("postgres_p50_us") / 1e6);
    }
}

// ------------------------------------------------------------- all of it

static void measure_all(size_t answer_len)
{
    struct load_tools tools = {.figures = &figures,
                               .server = server_path,
                               .constant = constant_path,
                               .folder = folder,
                               .names = names,
                               .num_names = num_names};
    struct buffer answer = {0};
    pid_t server, constant;

    buffer_printf(&answer, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n",
                  answer_len);
    for (size_t i = 0; i < answer_len; i++) {
        buffer_append_byte(&answer, 'x');
    }
    server = asker_start_server(build, served, server_path, false);
    constant = start_constant("\r\n\r\n", &answer);
    measure_one_client(server, constant);
    figures_set(&figures, "own_mib",
                (double)process_own_memory(server) / 1048576);
    measure_postgres();
    measure_bulk("existing", true, server);
    measure_bulk("absent", false, server);
    load_tools_h2load(&tools);
    process_end(constant);
    load_tools_redis(&tools);
    measure_crowd(server);
    measure_moving();
    process_end(server);
    measure_awake();
    buffer_cleanup(&answer);
}

static struct snapshot *open_index(struct index **index)
{
    struct snapshot *snapshot;
    struct err err = {0};

    if (!index_open(index, served, INDEX_READ, &err) ||
        !snapshot_open(&snapshot, *index, &err)) {
        die("%s", err.text);
    }
    snapshot_trust(snapshot);
    return snapshot;
}

static FILE *open_in_folder(const char *name)
{
    char path[PATH_SIZE];
    FILE *file;

    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    file = fopen(path, "we");
    if (file == NULL) die("%s: cannot be written", path);
    return file;
}

int main(int argc, char **argv)
{
    bool export = argc == 4 && strcmp(argv[1], "export") == 0;
    struct snapshot *snapshot;
    struct arena arena = {0};
    struct index *index;
    FILE *file = NULL;
    size_t len;

    if (!export && argc != 5) {
        die("usage: bench_query export INDEX FOLDER, or "
            "bench_query BUILD INDEX FOLDER FIGURES");
    }
    (void)signal(SIGPIPE, SIG_IGN);
    build = argv[1];
    served = argv[2];
    folder = argv[3];
    randomness = random_for(1, "query", 0);
    snapshot = open_index(&index);
    if (export) file = open_in_folder("names.tsv");
    len = choose_names(snapshot, &arena, file);
    if (export) return fclose(file) == 0 ? 0 : 1;
    (void)snprintf(server_path, sizeof server_path, "%s/sock", folder);
    (void)snprintf(constant_path, sizeof constant_path, "%s/constant", folder);
    figures_read(&figures, argv[4]);
    figures_set(&figures, "answer_bytes", (double)len);
    latencies = open_in_folder("latency.tsv");
    measure_in_process(snapshot);
    snapshot_close(snapshot);
    index_close(index);
    measure_all(len);
    derive();
    figures_write(&figures);
    print_one_client();
    print_many();
    arena_cleanup(&arena);
    return fclose(latencies) == 0 ? 0 : 1;
}
