// socket_path.c - see socket_path.h.

#include "index/net/socket_path.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static bool address_of(struct sockaddr_un *address, const char *path,
                       struct err *err)
{
    size_t len = strlen(path);

    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (len == 0 || len >= sizeof address->sun_path) {
        return err_set(err, ERR_USAGE,
                       "socket %s: a path has 1 to %zu bytes, this one %zu",
                       path, sizeof address->sun_path - 1, len);
    }
    memcpy(address->sun_path, path, len + 1);
    return true;
}

// Makes way at `path`: only a socket that nobody answers on is removed.
static bool clear_path(const struct sockaddr_un *address, struct err *err)
{
    const char *path = address->sun_path;
    struct stat status;
    int fd, result;

    if (lstat(path, &status) != 0) {
        if (errno == ENOENT) return true;
        return err_set(err, ERR_USAGE, "socket %s: %s", path, strerror(errno));
    }
    if (!S_ISSOCK(status.st_mode)) {
        return err_set(err, ERR_USAGE,
                       "socket %s: something that is no socket is there", path);
    }
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return err_set(err, ERR_NETWORK, "socket: %s", strerror(errno));
    }
    result = connect(fd, (const struct sockaddr *)(const void *)address,
                     sizeof *address);
    (void)close(fd);
    if (result == 0 || errno == EAGAIN) {
        return err_set(err, ERR_USAGE,
                       "socket %s: another server answers there", path);
    }
    if (errno != ECONNREFUSED) {
        return err_set(err, ERR_USAGE, "socket %s: %s", path, strerror(errno));
    }
    if (unlink(path) != 0 && errno != ENOENT) {
        return err_set(err, ERR_USAGE,
                       "socket %s: cannot remove the dead one: %s", path,
                       strerror(errno));
    }
    return true;
}

// Binds with mode 0660 from the first moment: the umask stands in the way of
// everybody else until chmod has set it exactly.
static bool bind_at(int fd, const struct sockaddr_un *address, struct err *err)
{
    mode_t mask = umask(0117);
    int result = bind(fd, (const struct sockaddr *)(const void *)address,
                      sizeof *address);
    int error = errno;

    (void)umask(mask);
    if (result != 0 || chmod(address->sun_path, 0660) != 0) {
        return err_set(err, ERR_USAGE, "socket %s: %s", address->sun_path,
                       strerror(result != 0 ? error : errno));
    }
    return true;
}

bool socket_path_open(int *fd, const char *path, struct err *err)
{
    struct sockaddr_un address;
    int sock;

    if (!address_of(&address, path, err) || !clear_path(&address, err)) {
        return false;
    }
    sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (sock < 0) {
        return err_set(err, ERR_NETWORK, "socket: %s", strerror(errno));
    }
    if (!bind_at(sock, &address, err)) {
        (void)close(sock);
        return false;
    }
    *fd = sock;
    return true;
}

void socket_path_close(int fd, const char *path)
{
    struct sockaddr_un bound;
    socklen_t len = sizeof bound;
    struct stat status;

    if (fd < 0) return;
    // Only what is still a socket, and was ours, is removed.
    if (getsockname(fd, (struct sockaddr *)(void *)&bound, &len) == 0 &&
        strcmp(bound.sun_path, path) == 0 && lstat(path, &status) == 0 &&
        S_ISSOCK(status.st_mode)) {
        (void)unlink(path);
    }
    (void)close(fd);
}
