// test_notify.c - a server that systemd starts: told, handed, reloaded,
// watched.

#include "tests/support/check.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "index/index.h"
#include "query/server/notify.h"
#include "query/server/server.h"
#include "tests/support/folder.h"

static char folder[FOLDER_LEN];

static int bind_at(const char *name, int type)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval limit = {.tv_sec = 20};
    int fd = socket(AF_UNIX, type, 0);

    assert_true(fd >= 0);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s/%s", folder,
                   name);
    (void)unlink(address.sun_path);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static int make_folder(void **state)
{
    struct index *index = NULL;
    struct err err = {0};
    char dir[96];

    (void)state;
    folder_make(folder);
    (void)snprintf(dir, sizeof dir, "%s/index", folder);
    if (!index_open(&index, dir, INDEX_WRITE, &err)) return -1;
    index_close(index);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    folder_remove(folder);
    return 0;
}

static void set_number(const char *name, long value)
{
    char text[32];

    (void)snprintf(text, sizeof text, "%ld", value);
    assert_int_equal(setenv(name, text, 1), 0);
}

// ------------------------------------------------------------- a whole service

static _Noreturn void serve_as_service(int listener, int other)
{
    char dir[96], notify[96];
    struct server_options options = {.socket_path = "/nowhere/sock",
                                     .threads = 2};
    struct index *index = NULL;
    struct err err = {0};

    (void)snprintf(dir, sizeof dir, "%s/index", folder);
    (void)snprintf(notify, sizeof notify, "%s/notify", folder);
    (void)setenv("NOTIFY_SOCKET", notify, 1);
    set_number("WATCHDOG_USEC", 1000000);
    set_number("WATCHDOG_PID", getpid());
    set_number("LISTEN_PID", getpid());
    set_number("LISTEN_FDS", 2);
    // Neither may lie where the other goes.
    listener = fcntl(listener, F_DUPFD, 10);
    other = fcntl(other, F_DUPFD, 10);
    if (dup2(listener, 3) != 3 || dup2(other, 4) != 4) _exit(80);
    if (!index_open(&index, dir, INDEX_READ, &err) ||
        !server_run(index, &options, &err)) {
        print_error("%s\n", err.text);
        _exit(90);
    }
    index_close(index);
    _exit(0);
}

static void expect(int fd, const char *wanted)
{
    char text[256];
    ssize_t len;

    do { // the watchdog's come in between
        len = recv(fd, text, sizeof text - 1, 0);
        assert_true(len > 0);
        text[len] = '\0';
    } while (strcmp(wanted, "WATCHDOG=1") != 0 &&
             strcmp(text, "WATCHDOG=1") == 0);
    if (strncmp(text, wanted, strlen(wanted)) != 0) {
        print_error("'%s', not '%s'\n", text, wanted);
    }
    assert_true(strncmp(text, wanted, strlen(wanted)) == 0);
}

static void check_answer(const char *name)
{
    static const char request[] = "GET /healthz HTTP/1.0\r\n\r\n";
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char answer[512];
    ssize_t len;
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s/%s", folder,
                   name);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address),
                     0);
    assert_true(send(fd, request, sizeof request - 1, 0) > 0);
    len = recv(fd, answer, sizeof answer - 1, MSG_WAITALL);
    assert_true(len > 0);
    answer[len] = '\0';
    assert_non_null(strstr(answer, "{\"status\":\"ok\"}"));
    (void)close(fd);
}

static void serves_as_a_service(void **state)
{
    int listener = bind_at("sock", SOCK_STREAM);
    int other = bind_at("other", SOCK_STREAM);
    int notify = bind_at("notify", SOCK_DGRAM);
    char path[96];
    pid_t server;
    int status;

    (void)state;
    assert_int_equal(listen(listener, 8), 0);
    assert_int_equal(listen(other, 8), 0);
    server = fork();
    if (server == 0) serve_as_service(listener, other);
    expect(notify, "READY=1\nSTATUS=");
    check_answer("sock");
    check_answer("other");
    expect(notify, "WATCHDOG=1");
    assert_int_equal(kill(server, SIGHUP), 0);
    expect(notify, "RELOADING=1\nMONOTONIC_USEC=");
    expect(notify, "READY=1");
    check_answer("sock");
    check_answer("other");
    expect(notify, "WATCHDOG=1");
    assert_int_equal(kill(server, SIGTERM), 0);
    expect(notify, "STOPPING=1\n");
    assert_true(waitpid(server, &status, 0) == server);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    // Whoever handed the socket over keeps it.
    (void)snprintf(path, sizeof path, "%s/sock", folder);
    assert_int_equal(access(path, F_OK), 0);
    (void)close(listener);
    (void)close(other);
    (void)close(notify);
}

// ------------------------------------------------------------- what is handed
// over

enum given { A_LISTENER, A_STREAM, A_DATAGRAM, A_FILE, NOTHING };

static const struct {
    const char *name, *fds;
    bool is_for_us;
    enum given given;
    bool is_taken, is_refused;
} cases[] = {
    {"a listening socket", "1", true, A_LISTENER, true, false},
    {"for another process", "1", false, A_LISTENER, false, false},
    {"none", "0", true, A_LISTENER, false, false},
    {"no number", "one", true, A_LISTENER, false, false},
    {"two, one of them closed", "2", true, A_LISTENER, false, true},
    {"too many", "17", true, A_LISTENER, false, true},
    {"one that does not listen", "1", true, A_STREAM, false, true},
    {"a datagram socket", "1", true, A_DATAGRAM, false, true},
    {"a file", "1", true, A_FILE, false, true},
    {"closed", "1", true, NOTHING, false, true},
};

static int given_fd(enum given given)
{
    int fd = -1;

    if (given == A_FILE) return open("/dev/null", O_RDONLY);
    if (given == NOTHING) return -1;
    fd = bind_at("given", given == A_DATAGRAM ? SOCK_DGRAM : SOCK_STREAM);
    if (given == A_LISTENER) assert_int_equal(listen(fd, 1), 0);
    return fd;
}

static _Noreturn void take_in_child(size_t i)
{
    int given = given_fd(cases[i].given), fds[NOTIFY_SOCKETS_MAX];
    struct err err = {0};
    size_t num;
    bool ok;

    if (given >= 0 && dup2(given, 3) != 3) _exit(80);
    if (given < 0) (void)close(3);
    set_number("LISTEN_PID", getpid() + (cases[i].is_for_us ? 0 : 1));
    (void)setenv("LISTEN_FDS", cases[i].fds, 1);
    (void)close(4);
    ok = notify_take_sockets(fds, &num, &err);
    if (ok == cases[i].is_refused) _exit(81);
    if (!ok && strncmp(err.text, "LISTEN_FDS: ", 12) != 0) _exit(82);
    if (num != cases[i].is_taken || (num == 1 && fds[0] != 3)) _exit(83);
    // Our children are not meant.
    if (getenv("LISTEN_FDS") != NULL || getenv("LISTEN_PID") != NULL) _exit(84);
    _exit(0);
}

static void takes_listening_sockets(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        pid_t child = fork();
        int status;

        test_case = cases[i].name;
        if (child == 0) take_in_child(i);
        assert_true(waitpid(child, &status, 0) == child);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
}

static void says_nothing_without_anybody_to_hear(void **state)
{
    (void)state;
    (void)unsetenv("NOTIFY_SOCKET");
    notify_open();
    notify_say("READY=1");
    (void)setenv("NOTIFY_SOCKET", "relative", 1);
    notify_open();
    notify_say("READY=1");
    (void)setenv("NOTIFY_SOCKET", "/nowhere/at/all", 1);
    notify_open();
    notify_say("READY=1");
    set_number("WATCHDOG_USEC", 1000000);
    assert_int_equal(notify_watchdog_ms(), 0);
    (void)unsetenv("WATCHDOG_USEC");
    (void)unsetenv("NOTIFY_SOCKET");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_nothing_without_anybody_to_hear),
        cmocka_unit_test(takes_listening_sockets),
        cmocka_unit_test(serves_as_a_service),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
