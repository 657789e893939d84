// host.h - which Host a request over TCP may name.
//
// A page in a browser can make a name of its own point to this machine and
// then read what is served here (DNS rebinding); it cannot make the browser
// send another Host.  So over TCP a request names the address that it came to,
// "localhost", or a name that was allowed by --host.

#pragma once

#include "index/base/bytes.h"

enum { HOST_NAMES_MAX = 64 };

struct host_rules {
    const char *names[HOST_NAMES_MAX];
    size_t num_names;
};

// The address that a connection came to.
struct host_local {
    uint8_t octets[16];
    size_t len; // 4 or 16; an IPv4-mapped one has 4
};

// host_local_of asks a socket for it; len 0 where that is no IP address.
struct host_local host_local_of(int fd);

// host_is_allowed judges a Host field's value, a port behind it or not.
bool host_is_allowed(const struct host_rules *rules,
                     const struct host_local *local, struct bytes host);
