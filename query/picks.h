// picks.h - the issuances that a pass of an answer found: the first few by
// position, each once.
//
// Lifetime  valid as {0}; picks_cleanup() frees it.
// Limit     twice as many as `max`, of some 60 bytes.

#pragma once

#include "query/shelf.h"

struct pick {
    uint64_t position; // the lowest id by which the question finds it
    uint64_t id;
    int64_t not_before;
    struct sha256_hash hash; // of the TBSCertificate; zeros: not known
};

struct picks {
    struct pick *items;
    size_t num, room, max;
    uint64_t bound; // nothing above it is picked
    bool overflow;  // there is more than was picked
};

// picks_begin forgets all and takes the first `max` (> 0) from now on.
void picks_begin(struct picks *picks, size_t max);

// picks_add takes one in, unless others come before it.
MUST_USE bool picks_add(struct picks *picks, const struct pick *pick,
                        struct err *err);

// picks_settle sorts by position, drops what is there twice and what is too
// much.
void picks_settle(struct picks *picks);

// picks_sort_by_date sorts by not_before, then by hash.  With `lacks_hashes` a
// hash that is not known is taken from the shelf where the date does not say
// it; `arena` is what that needs, and reset.
MUST_USE bool picks_sort_by_date(struct picks *picks, bool lacks_hashes,
                                 struct shelf *shelf, struct arena *arena,
                                 struct err *err);

// picks_cleanup frees it.
void picks_cleanup(struct picks *picks);
