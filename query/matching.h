// matching.h - by which of its postings is an issuance an answer's?
//
// Lifetime  borrows what it is given.

#pragma once

#include "query/gather.h"

struct matching {
    const struct question *question;
    struct shelf *shelf;
    struct arena *scratch;
};

// matching_item tells whether the posting itself is asked for: its via, and in
// a range that holds others' keys too its name.
MUST_USE bool matching_item(const struct matching *matching,
                            const struct walk_item *item, bool *matches,
                            struct err *err);

// matching_position gives the lowest id by which the question finds the
// issuance that `item` belongs to.
MUST_USE bool matching_position(const struct matching *matching,
                                const struct walk_item *item,
                                const struct group *group, uint64_t *position,
                                struct err *err);

// matching_is_first tells whether no posting of the issuance comes before this
// one in key order.
MUST_USE bool matching_is_first(const struct matching *matching,
                                const struct walk_item *item,
                                const struct group *group, bool *first,
                                struct err *err);
