// sieve.h - does an issuance pass a question's filters?
//
// First by the facts that lie uncompressed beside each entry, then, only where
// an issuer is asked for, by the certificate.  A filter fails open: what
// cannot be read passes, because an attacker chose the bytes.
//
// Lifetime  valid as {0}; sieve_cleanup() frees it.

#pragma once

#include "query/group.h"
#include "query/question.h"

struct sieve {
    const struct filters *filters;
    uint64_t now_ms;
    uint32_t *logs; // numbers of those that `log` names
    size_t num_logs;
    struct arena scratch;
};

// sieve_init binds the filters of an empty sieve to an index.  ERR_USAGE: it
// has no such log.
MUST_USE bool sieve_init(struct sieve *sieve, const struct filters *filters,
                         const struct snapshot *snapshot, uint64_t now_ms,
                         struct err *err);

// sieve_reset lets go of the filters; sieve_init may follow.
void sieve_reset(struct sieve *sieve);

// sieve_cleanup frees it.
void sieve_cleanup(struct sieve *sieve);

// sieve_passes tells whether an issuance passes all of them.
MUST_USE bool sieve_passes(struct sieve *sieve, const struct group *group,
                           struct shelf *shelf, bool *passes, struct err *err);

// sieve_asks_for_key tells whether issuers' keys are among the filters.
bool sieve_asks_for_key(const struct filters *filters);
