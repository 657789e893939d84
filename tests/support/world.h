// world.h - the certificates of a made-up web, any number of them.
//
// Every entry is a pure function of seed and number.  Sites are renewed and
// reissued; names, keys, sizes and issuers are spread as in real logs: on the
// average 1.9 names, one to a hundred; RSA and ECDSA keys; a fifth without a
// subject; addresses here and there; five precertificates to three finals.
//
// Thread    any, once made.

#pragma once

#include "tests/support/issuance.h"

enum {
    WORLD_ROOTS = 3,
    WORLD_ISSUERS = 8,
    WORLD_P256_KEYS = 1024,
    WORLD_P384_KEYS = 128,
    WORLD_BLOCK = 64,     // entries that are planned together,
    WORLD_ISSUANCES = 40, // of so many issuances, each with a precertificate
};

struct world {
    uint64_t seed;
    struct authority roots[WORLD_ROOTS];
    struct authority issuers[WORLD_ISSUERS];
    uint8_t p256[WORLD_P256_KEYS][64];
    uint8_t p384[WORLD_P384_KEYS][96];
};

// What stands at one place of the log.
struct world_place {
    uint64_t issuance;
    bool precert;
};

// world_new makes the authorities and the keys; NULL without memory.
struct world *world_new(uint64_t seed);
void world_free(struct world *world);

// world_place tells what entry `number` is.
struct world_place world_place(const struct world *world, uint64_t number);

// world_issue fills an issuance of about `now`, seconds since 1970.
void world_issue(const struct world *world, uint64_t number, int64_t now,
                 struct issuance *out);
