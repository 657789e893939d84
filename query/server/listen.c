// listen.c - see listen.h.

#include "query/server/listen.h"

#include <errno.h>
#include <grp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "index/base/text.h"
#include "index/entry/names.h"
#include "index/net/socket_path.h"

enum { BACKLOG = 1024 };

const char *listen_default_path(void)
{
    static char path[sizeof((struct sockaddr_un *)0)->sun_path + 64];
    const char *runtime = getenv("XDG_RUNTIME_DIR");

    if (geteuid() == 0 || runtime == NULL || runtime[0] == '\0') {
        return "/run/sanct/sanct.sock";
    }
    (void)snprintf(path, sizeof path, "%s/sanct.sock", runtime);
    return path;
}

static bool set_group(const char *path, const char *group, struct err *err)
{
    struct group *entry;

    if (group == NULL) return true;
    entry = getgrnam(group);
    if (entry == NULL) {
        return err_set(err, ERR_USAGE, "--group %s: there is no such group",
                       group);
    }
    if (chown(path, (uid_t)-1, entry->gr_gid) != 0) {
        return err_set(err, ERR_USAGE, "--group %s: %s", group,
                       strerror(errno));
    }
    return true;
}

bool listen_open(int *fd, const char *path, const char *group, struct err *err)
{
    if (!socket_path_open(fd, path, err)) return false;
    if (!set_group(path, group, err)) {
        listen_close(*fd, path);
        return false;
    }
    if (listen(*fd, BACKLOG) != 0) {
        (void)err_set(err, ERR_NETWORK, "socket %s: %s", path, strerror(errno));
        listen_close(*fd, path);
        return false;
    }
    return true;
}

struct tcp_address {
    struct sockaddr_storage storage;
    socklen_t len;
    bool is_loopback;
};

static bool parse_tcp(struct tcp_address *out, const char *text,
                      struct err *err)
{
    const char *colon = strrchr(text, ':');
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct bytes host;
    uint8_t octets[16];
    uint64_t port;
    size_t len;

    if (colon == NULL) goto bad;
    host = bytes_of(text, (size_t)(colon - text));
    if (!text_parse_uint(&port, bytes_from_text(colon + 1)) || port > 65535 ||
        !names_parse_ip(host, octets, &len) ||
        (memchr(host.data, ':', host.len) != NULL && host.data[0] != '[')) {
        goto bad;
    }
    if (len == 4) {
        in.sin_port = htons((uint16_t)port);
        memcpy(&in.sin_addr, octets, len);
        memcpy(&out->storage, &in, sizeof in);
        out->len = sizeof in;
        out->is_loopback = octets[0] == 127;
    } else {
        in6.sin6_port = htons((uint16_t)port);
        memcpy(&in6.sin6_addr, octets, len);
        memcpy(&out->storage, &in6, sizeof in6);
        out->len = sizeof in6;
        out->is_loopback = IN6_IS_ADDR_LOOPBACK(&in6.sin6_addr);
    }
    return true;
bad:
    return err_set(err, ERR_USAGE,
                   "--listen %s: ADDR:PORT is wanted, [ADDR]:PORT of IPv6",
                   text);
}

bool listen_open_tcp(int *fd, const char *text, bool is_public, struct err *err)
{
    struct tcp_address address = {0};
    int on = 1, sock;

    if (!parse_tcp(&address, text, err)) return false;
    if (!address.is_loopback && !is_public) {
        return err_set(err, ERR_USAGE,
                       "--listen %s: others could ask this server; "
                       "--listen-public says that they may",
                       text);
    }
    sock = socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (sock < 0) {
        return err_set(err, ERR_NETWORK, "socket: %s", strerror(errno));
    }
    (void)setsockopt(sock, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    // Connections inherit it: answers are written whole.
    (void)setsockopt(sock, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (bind(sock, (const struct sockaddr *)(const void *)&address.storage,
             address.len) != 0 ||
        listen(sock, BACKLOG) != 0) {
        (void)err_set(err, ERR_USAGE, "--listen %s: %s", text, strerror(errno));
        (void)close(sock);
        return false;
    }
    *fd = sock;
    return true;
}

void listen_close(int fd, const char *path)
{
    socket_path_close(fd, path);
}
