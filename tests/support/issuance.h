// issuance.h - one issuance: what a CA decided, and the entries it becomes.
//
// Lifetime  points into itself: fill it in place, never copy it.

#pragma once

#include "tests/support/authority.h"
#include "tests/support/random.h"

enum {
    ISSUANCE_NAMES_MAX = 101, // of a site, and one that all have
    ISSUANCE_NAME_SIZE = 80,
    ISSUANCE_ADDRESSES_MAX = 16,
    ISSUANCE_SPKI_MAX = 600,
    ISSUANCE_SCTS_MAX = 512,
    ISSUANCE_SERIAL_LEN = 16,
    LEAF_INDEX_NONE = -1,
};

struct issuance {
    uint64_t number;
    bool special; // of the Fina replay
    const struct authority *authority;
    struct certgen_spec spec;
    struct random signatures; // where the authority signs nothing
    char common_name[ISSUANCE_NAME_SIZE];
    char organization[ISSUANCE_NAME_SIZE];
    char names[ISSUANCE_NAMES_MAX][ISSUANCE_NAME_SIZE];
    const char *dns[ISSUANCE_NAMES_MAX];
    uint8_t address_bytes[ISSUANCE_ADDRESSES_MAX][16];
    struct bytes addresses[ISSUANCE_ADDRESSES_MAX];
    uint8_t serial[ISSUANCE_SERIAL_LEN];
    uint8_t spki[ISSUANCE_SPKI_MAX];
    uint8_t scts[ISSUANCE_SCTS_MAX];
};

// issuance_begin empties `issuance` for the authority.
void issuance_begin(struct issuance *issuance,
                    const struct authority *authority, uint64_t number);

// issuance_add_name adds a dNSName, issuance_add_address an iPAddress from its
// text form.
void issuance_add_name(struct issuance *issuance, const char *name);
void issuance_add_address(struct issuance *issuance, const char *text);

// issuance_add_scts makes up a list of `num` SCTs of other logs.
void issuance_add_scts(struct issuance *issuance, struct random *random,
                       unsigned num);

// issuance_rsa_spki writes a key with a modulus of random bytes; returns its
// length.
size_t issuance_rsa_spki(uint8_t out[ISSUANCE_SPKI_MAX], struct random *random,
                         unsigned bits);

// issuance_logged appends the MerkleTreeLeaf, with the leaf_index extension
// unless `leaf_index` is LEAF_INDEX_NONE, and returns its length.  For a
// precertificate the submitted certificate follows in `out`.
size_t issuance_logged(const struct issuance *issuance, bool precert,
                       uint64_t timestamp_ms, int64_t leaf_index,
                       struct buffer *out);

// issuance_certificate appends precertificate or final certificate.
void issuance_certificate(const struct issuance *issuance,
                          enum certgen_form form, struct buffer *out);
