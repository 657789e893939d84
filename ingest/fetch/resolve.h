// resolve.h - the addresses of a host, asked for beside the rings.
//
// getaddrinfo blocks, so it runs in helper threads, up to RESOLVE_THREADS_MAX
// so that a few dead name servers do not hold up every log.
//
// Lifetime  a lookup lives until resolve_drop, finished or not.  A resolver
//           may be closed while helpers are still asking: they end alone.
// Result    `notify_fd`, an eventfd, is written when a lookup has finished.
// Thread    any; a lookup belongs to one.

#pragma once

#include <sys/socket.h>

#include "index/base/err.h"

struct resolver;       // opaque
struct resolve_lookup; // opaque

enum {
    RESOLVE_ADDRESSES_MAX = 16,
    RESOLVE_THREADS_MAX = 16,
    RESOLVE_CACHE_MS = 5 * 60 * 1000,
    RESOLVE_AGAIN_MS = 1000, // where the host has failed
    RESOLVE_HOST_MAX = 256,
};

struct resolve_address {
    struct sockaddr_storage address;
    socklen_t len;
};

struct resolve_addresses {
    size_t num;
    struct resolve_address list[RESOLVE_ADDRESSES_MAX]; // best first
};

// Asks for a host's addresses, and may block: 0, or an error of getaddrinfo.
typedef int resolve_ask(struct resolve_addresses *addresses, const char *host,
                        uint16_t port);

// resolver_open makes a resolver without threads yet; `ask` stands in the
// place of getaddrinfo where it is not NULL.
MUST_USE bool resolver_open(struct resolver **resolver, resolve_ask *ask,
                            struct err *err);

// resolver_close lets go of it.
void resolver_close(struct resolver *resolver);

// resolve_literal reads an address that needs no asking.
MUST_USE bool resolve_literal(struct resolve_addresses *addresses,
                              const char *host, uint16_t port);

// resolve_start asks for `host`; NULL when there is no memory.
struct resolve_lookup *resolve_start(struct resolver *resolver,
                                     const char *host, uint16_t port,
                                     int notify_fd);

// resolve_is_done tells whether the answer is there.
bool resolve_is_done(struct resolve_lookup *lookup);

// resolve_take gives the answer of a lookup that is done, and lets it go.
MUST_USE bool resolve_take(struct resolve_lookup *lookup,
                           struct resolve_addresses *addresses,
                           struct err *err);

// resolve_drop lets a lookup go that nobody waits for any more.
void resolve_drop(struct resolve_lookup *lookup);

// resolve_write_address writes "192.0.2.1:443" or "[2001:db8::1]:443".
char *resolve_write_address(char *out, size_t size,
                            const struct resolve_address *address);
