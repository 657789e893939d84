// bench_query.c - how long an answer takes: in the process, and over the
// socket.
//
//   bench_query BUILD INDEX FOLDER
//
// Random names that exist, the whole JSON, everything in the page cache.  The
// yardstick is a bare echo of as many bytes over the same kind of socket.

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/measure.h"
#include "bench/sample.h"
#include "index/base/text.h"
#include "index/net/http.h"
#include "index/store/keys.h"
#include "query/shape/native.h"

enum { NAMES_MAX = 20000, ROUNDS = 20000, PATH_SIZE = 4096 };

static struct bytes names[NAMES_MAX];
static size_t num_names;
static double ns[ROUNDS];
static struct random randomness;

static void print_row(const char *what)
{
    double sum = 0;

    for (int i = 0; i < ROUNDS; i++) {
        sum += ns[i];
    }
    printf("  %-44s %8.1f %8.1f %8.1f %10.0f\n", what,
           measure_percentile(ns, ROUNDS, 50) / 1000,
           measure_percentile(ns, ROUNDS, 99) / 1000,
           measure_percentile(ns, ROUNDS, 99.9) / 1000,
           (double)ROUNDS / sum * 1e9);
    (void)fflush(stdout);
}

static void answer_one(struct snapshot *snapshot, struct bytes name,
                       struct buffer *out, struct arena *arena)
{
    struct filters filters = {0};
    struct native native = {0};
    struct question question;
    struct answer *answer;
    struct err err = {0};
    bool done = false;

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
    answer_close(answer);
    native_cleanup(&native);
}

static size_t measure_in_process(struct snapshot *snapshot)
{
    struct buffer out = {0};
    struct arena arena = {0};
    size_t bytes = 0;

    for (int warm = 1; warm >= 0; warm--) {
        bytes = 0;
        for (int i = 0; i < ROUNDS; i++) {
            struct bytes name = names[random_below(&randomness, num_names)];
            uint64_t start = measure_now_ns();

            answer_one(snapshot, name, &out, &arena);
            ns[i] = (double)(measure_now_ns() - start);
            bytes += out.len;
        }
    }
    buffer_cleanup(&out);
    arena_cleanup(&arena);
    print_row("in the process, JSON written");
    return bytes / ROUNDS;
}

// ------------------------------------------------------------- sockets

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

static void send_all(int fd, struct bytes bytes)
{
    while (bytes.len > 0) {
        ssize_t len = send(fd, bytes.data, bytes.len, MSG_NOSIGNAL);

        if (len <= 0) die("send");
        (void)bytes_skip(&bytes, (size_t)len);
    }
}

static void receive_response(int fd, struct http_response *response)
{
    static uint8_t piece[65536];
    enum http_progress progress = HTTP_MORE;
    bool head = true;
    struct err err = {0};

    http_response_reset(response);
    while (progress != HTTP_END) {
        ssize_t len = recv(fd, piece, sizeof piece, 0);
        struct bytes in = bytes_of(piece, len > 0 ? (size_t)len : 0), part;

        if (len <= 0) die("the server closed the connection");
        if (head) {
            progress = http_response_head(response, &in, &err);
            head = progress == HTTP_MORE;
        }
        while (!head && progress == HTTP_PART) {
            progress = http_body_read(&response->body, &in, &part, &err);
        }
        if (!head && progress == HTTP_MORE) progress = HTTP_PART;
        if (progress == HTTP_BROKEN) die("%s", err.text);
    }
    if (response->status != 200) die("status %u", response->status);
}

static void append_request(struct buffer *out, struct bytes name)
{
    buffer_append_text(out, "GET /v1/certs?q=");
    for (size_t i = 0; i < name.len; i++) {
        buffer_printf(out, "%%%02x", name.data[i]);
    }
    buffer_append_text(out, " HTTP/1.1\r\nHost: sanct\r\n\r\n");
}

static void measure_server(const char *build, const char *index,
                           const char *folder)
{
    char program[PATH_SIZE], path[PATH_SIZE];
    struct http_response response = {0};
    struct buffer request = {0};
    pid_t pid;
    int fd;

    (void)snprintf(program, sizeof program, "%s/sanctd", build);
    (void)snprintf(path, sizeof path, "%s/sock", folder);
    pid = fork();
    if (pid == 0) {
        execl(program, program, "-i", index, "--socket", path, "--threads", "1",
              (char *)NULL);
        die("cannot start %s", program);
    }
    fd = connect_to(path);
    for (int warm = 1; warm >= 0; warm--) {
        for (int i = 0; i < ROUNDS; i++) {
            uint64_t start;

            buffer_reset(&request);
            append_request(&request,
                           names[random_below(&randomness, num_names)]);
            start = measure_now_ns();
            send_all(fd, buffer_bytes(&request));
            receive_response(fd, &response);
            ns[i] = (double)(measure_now_ns() - start);
        }
    }
    print_row("sanctd, HTTP over a Unix socket");
    (void)close(fd);
    (void)kill(pid, SIGTERM);
    (void)waitpid(pid, NULL, 0);
    http_response_cleanup(&response);
    buffer_cleanup(&request);
}

static void echo(int fd, size_t request_len, const uint8_t *reply,
                 size_t reply_len)
{
    uint8_t in[4096];

    for (;;) {
        size_t got = 0;

        while (got < request_len) {
            ssize_t len = recv(fd, in, sizeof in, 0);

            if (len <= 0) _exit(0);
            got += (size_t)len;
        }
        send_all(fd, bytes_of(reply, reply_len));
    }
}

static void measure_echo(size_t reply_len)
{
    enum { REQUEST_LEN = 100 };
    uint8_t *reply = calloc(1, reply_len), request[REQUEST_LEN] = {0};
    int fds[2];
    pid_t pid;

    if (reply == NULL || socketpair(AF_UNIX, SOCK_STREAM, 0, fds) != 0) {
        die("socketpair");
    }
    pid = fork();
    if (pid == 0) {
        (void)close(fds[0]);
        echo(fds[1], REQUEST_LEN, reply, reply_len);
    }
    (void)close(fds[1]);
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t start = measure_now_ns();
        size_t got = 0;

        send_all(fds[0], bytes_of(request, REQUEST_LEN));
        while (got < reply_len) {
            ssize_t len = recv(fds[0], reply, reply_len, 0);

            if (len <= 0) die("echo");
            got += (size_t)len;
        }
        ns[i] = (double)(measure_now_ns() - start);
    }
    print_row("yardstick: a bare echo of as many bytes");
    (void)close(fds[0]);
    (void)waitpid(pid, NULL, 0);
    free(reply);
}

int main(int argc, char **argv)
{
    struct snapshot *snapshot;
    struct arena arena = {0};
    struct index *index;
    struct err err = {0};
    size_t reply_len;

    if (argc != 4) die("usage: bench_query BUILD INDEX FOLDER");
    if (!index_open(&index, argv[2], INDEX_READ, &err) ||
        !snapshot_open(&snapshot, index, &err)) {
        die("%s", err.text);
    }
    randomness = random_for(1, "query", 0);
    num_names = sample_names(snapshot, names, NAMES_MAX, &randomness, &arena);
    if (num_names == 0) die("the index holds no names");
    printf("\nAn exact name that exists, whole answer, warm, one client, one "
           "at a time (us)\n\n");
    printf("  %-44s %8s %8s %8s %10s\n", "", "p50", "p99", "p99.9", "a second");
    reply_len = measure_in_process(snapshot);
    measure_server(argv[1], argv[2], argv[3]);
    measure_echo(reply_len);
    printf("  an answer has %zu bytes on average\n", reply_len);
    snapshot_close(snapshot);
    index_close(index);
    arena_cleanup(&arena);
    return 0;
}
