// addresses.h - which of a host's addresses to try, and in which order.  (pure)
//
// The one that took the last connection comes first, then the others with the
// two families by turn (RFC 8305 section 4); those that failed a short while
// ago come last, so a dead address costs its time once and not every time.
//
// Result    times are milliseconds of any monotonic clock, given by the caller.

#pragma once

#include "ingest/fetch/resolve.h"

enum {
    // How long an address that failed is passed over: doubled with each
    // failure in a row, up to the longest.
    ADDRESSES_DEAD_FIRST_MS = 60 * 1000,
    ADDRESSES_DEAD_MAX_MS = 16 * 60 * 1000,
};

// Valid as {0}: no address.
struct addresses {
    struct resolve_addresses found; // as the resolver sorted them
    uint64_t dead_until_ms[RESOLVE_ADDRESSES_MAX];
    unsigned num_failures[RESOLVE_ADDRESSES_MAX]; // in a row
    size_t last_good;                             // an index of `found`
};

// addresses_set takes what was found; what is known of an address that was
// there before stays known.
void addresses_set(struct addresses *addresses,
                   const struct resolve_addresses *found);

// addresses_order fills `order` with indexes of `found`, the first to be tried
// first, and gives their number: all of them, the dead ones too.
size_t addresses_order(const struct addresses *addresses, uint64_t now_ms,
                       size_t order[RESOLVE_ADDRESSES_MAX]);

// addresses_connected and addresses_failed remember what came of one; nothing,
// when a newer answer no longer has it.
void addresses_connected(struct addresses *addresses,
                         const struct resolve_address *one);
void addresses_failed(struct addresses *addresses,
                      const struct resolve_address *one, uint64_t now_ms);
