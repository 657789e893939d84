// host.c - see host.h.

#include "query/server/host.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include "index/entry/names.h"
#include "index/net/http_text.h"

struct host_local host_local_of(int fd)
{
    struct host_local local = {0};
    struct sockaddr_storage storage;
    socklen_t len = sizeof storage;

    if (getsockname(fd, (struct sockaddr *)(void *)&storage, &len) != 0) {
        return local;
    }
    if (storage.ss_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)&storage;

        local.len = 4;
        memcpy(local.octets, &in->sin_addr, 4);
    } else if (storage.ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const void *)&storage;

        local.len = 16;
        memcpy(local.octets, &in6->sin6_addr, 16);
        names_unmap_ip(local.octets, &local.len);
    }
    return local;
}

// Takes ":PORT" off the end; a bare IPv6 address keeps all of its colons.
static struct bytes without_port(struct bytes host)
{
    size_t end = host.len;

    while (end > 0 && host.data[end - 1] >= '0' && host.data[end - 1] <= '9') {
        end--;
    }
    if (end == 0 || host.data[end - 1] != ':') return host;
    end--;
    if (end > 0 && host.data[end - 1] != ']' &&
        memchr(host.data, ':', end) != NULL) {
        return host;
    }
    host.len = end;
    return host;
}

bool host_is_allowed(const struct host_rules *rules,
                     const struct host_local *local, struct bytes host)
{
    uint8_t octets[16];
    size_t len;

    host = without_port(host);
    if (host.len > 1 && host.data[host.len - 1] == '.') host.len--;
    if (http_equal(host, "localhost")) return true;
    for (size_t i = 0; i < rules->num_names; i++) {
        if (http_equal(host, rules->names[i])) return true;
    }
    return local->len > 0 && names_parse_ip(host, octets, &len) &&
           len == local->len && memcmp(octets, local->octets, len) == 0;
}
