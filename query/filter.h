// filter.h - does an issuance pass a question's filters?
//
// First by the facts that lie uncompressed beside each entry, then, only where
// an issuer is asked for, by the certificate.  A filter fails open: what
// cannot be read passes, because an attacker chose the bytes.
//
// Lifetime  valid as {0}; filter_cleanup() frees it.

#pragma once

#include "query/group.h"
#include "query/question.h"

struct filter {
    const struct filters *filters;
    uint64_t now_ms;
    uint32_t *logs; // numbers of those that `log` names
    size_t num_logs;
    struct arena scratch;
};

// filter_init binds the filters to an index.  ERR_USAGE: it has no such log.
MUST_USE bool filter_init(struct filter *filter, const struct filters *filters,
                          const struct snapshot *snapshot, uint64_t now_ms,
                          struct err *err);

// filter_cleanup frees it.
void filter_cleanup(struct filter *filter);

// filter_passes tells whether an issuance passes all of them.
MUST_USE bool filter_passes(struct filter *filter, const struct group *group,
                            struct snapshot *snapshot, bool *passes,
                            struct err *err);

// filter_asks_for_key tells whether issuers' keys are among the filters.
bool filter_asks_for_key(const struct filters *filters);
