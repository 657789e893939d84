// fina.h - the incident of 1.1.1.1, replayed with stand-ins.
//
// Twelve certificates under the names of both issuers of Fina, at their real
// dates; the genuine issuer's own for the same address, over the years; and a
// rogue thirteenth, whose issuer copies the genuine one's name under another
// key.  Each as precertificate and as final certificate, really signed.

#pragma once

#include "tests/support/issuance.h"

enum {
    FINA_CERTIFICATES = 12,
    FINA_GENUINE = 7,
    FINA_ROGUE = FINA_CERTIFICATES + FINA_GENUINE, // its number
    FINA_ISSUANCES = FINA_ROGUE + 1,
    FINA_ENTRIES = 2 * FINA_ISSUANCES,
};

enum fina_issuer {
    FINA_RDC_2015,
    FINA_RDC_2020,
    FINA_GENUINE_ISSUER,
    FINA_ROGUE_ISSUER,
    FINA_ISSUERS,
};

struct fina {
    uint64_t seed;
    struct authority roots[3];
    struct authority issuers[FINA_ISSUERS];
};

// fina_new makes the authorities; NULL without memory.
struct fina *fina_new(uint64_t seed);
void fina_free(struct fina *fina);

// fina_issue fills issuance `which`: Fina's, the genuine ones, the rogue.
void fina_issue(const struct fina *fina, unsigned which, struct issuance *out);
