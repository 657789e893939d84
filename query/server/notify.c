// notify.c - see notify.h.

#include "query/server/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "index/base/text.h"

enum { LISTEN_FIRST = 3 }; // SD_LISTEN_FDS_START

static int notify_fd = -1;

// A variable's number, if the one of this process is meant.
static bool read_number(const char *name, const char *pid_name, uint64_t *value)
{
    const char *text = getenv(name), *pid = getenv(pid_name);
    uint64_t owner;

    if (text == NULL || !text_parse_uint(value, bytes_from_text(text))) {
        return false;
    }
    if (pid == NULL) return true;
    return text_parse_uint(&owner, bytes_from_text(pid)) &&
           owner == (uint64_t)getpid();
}

void notify_open(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = getenv("NOTIFY_SOCKET");
    size_t len = path == NULL ? 0 : strlen(path);

    if (notify_fd >= 0 || len < 2 || len > sizeof address.sun_path ||
        (path[0] != '/' && path[0] != '@')) {
        return;
    }
    memcpy(address.sun_path, path, len);
    if (path[0] == '@') address.sun_path[0] = '\0'; // abstract: no zero ends it
    notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (notify_fd < 0) return;
    // Connected now: nothing can be once the server is confined.
    if (connect(notify_fd, (const struct sockaddr *)(const void *)&address,
                (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) !=
        0) {
        (void)close(notify_fd);
        notify_fd = -1;
    }
}

void notify_say(const char *state)
{
    if (notify_fd < 0) return;
    (void)send(notify_fd, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT);
}

unsigned notify_watchdog_ms(void)
{
    uint64_t us;

    if (notify_fd < 0 || !read_number("WATCHDOG_USEC", "WATCHDOG_PID", &us)) {
        return 0;
    }
    us /= 2000;
    return us > 3600000 ? 3600000 : (unsigned)us;
}

static bool is_listening_unix(int fd)
{
    struct sockaddr_storage address;
    int type = 0, listens = 0;
    socklen_t len = sizeof address, int_len = sizeof type;

    if (getsockname(fd, (struct sockaddr *)(void *)&address, &len) != 0 ||
        address.ss_family != AF_UNIX) {
        return false;
    }
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &int_len) != 0 ||
        type != SOCK_STREAM) {
        return false;
    }
    int_len = sizeof listens;
    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &int_len) == 0 &&
           listens != 0;
}

bool notify_take_sockets(int fds[NOTIFY_SOCKETS_MAX], size_t *num,
                         struct err *err)
{
    uint64_t given = 0;
    bool is_given = getenv("LISTEN_PID") != NULL &&
                    read_number("LISTEN_FDS", "LISTEN_PID", &given);

    *num = 0;
    (void)unsetenv("LISTEN_FDS");
    (void)unsetenv("LISTEN_PID");
    (void)unsetenv("LISTEN_FDNAMES");
    if (!is_given) return true;
    if (given > NOTIFY_SOCKETS_MAX) {
        return err_set(err, ERR_USAGE,
                       "LISTEN_FDS: at most %d sockets can be handed over",
                       NOTIFY_SOCKETS_MAX);
    }
    for (int i = 0; i < (int)given; i++) {
        if (!is_listening_unix(LISTEN_FIRST + i)) {
            return err_set(err, ERR_USAGE,
                           "LISTEN_FDS: listening Unix stream sockets can be "
                           "handed over, nothing else");
        }
        (void)fcntl(LISTEN_FIRST + i, F_SETFD, FD_CLOEXEC);
        fds[i] = LISTEN_FIRST + i;
    }
    *num = (size_t)given;
    return true;
}
