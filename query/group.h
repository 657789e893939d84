// group.h - which entries are one issuance.
//
// Entries of one log-form TBSCertificate belong together, unless their
// precertificates name different issuer keys: then each key has an issuance,
// and a final certificate joins the one whose key its signature proves; those
// that prove none are an issuance of their own.  What does not parse stands
// alone under its certificate's hash.
//
// Lifetime  a group lies in the caller's arena.

#pragma once

#include "query/shelf.h"

struct group_member {
    uint64_t id;
    struct entry_facts facts;
};

struct gathering; // gather.h

struct group {
    uint64_t id;                  // the issuance's: its lowest member's
    bool is_split;                // others share its TBSCertificate
    struct group_member *members; // by id; of what was gathered facts.group
                                  // may be missing (zeros)
    size_t num_members;
    const struct gathering *gathering; // that it comes from, or NULL
};

// group_find gives the issuance that entry `id` belongs to, with the members
// below `end_id`.  `facts` are the entry's.
MUST_USE bool group_find(struct group *out, struct shelf *shelf, uint64_t id,
                         const struct entry_facts *facts, uint64_t end_id,
                         struct arena *arena, struct err *err);

// group_settle makes a group of entries of one TBSCertificate that of entry
// `id`: those of another issuer's key leave it.
MUST_USE bool group_settle(struct group *group, struct shelf *shelf,
                           uint64_t id, struct arena *arena, struct err *err);

// group_has_hash tells whether an entry's facts hold its group's hash.
bool group_has_hash(const struct entry_facts *facts);

// How an entry's issuer key is known.
enum issuer_proof {
    ISSUER_UNPROVEN, // no precertificate leaf, no issuer or no bytes held
    ISSUER_PROVEN,   // by the leaf's hash or a signature
    ISSUER_REFUTED,  // the signature fails under the chain's issuer
};

// group_prove_issuer finds the issuer's key of an entry: proven, or as its
// chain claims it.  `has_key` is false where there is no claim either.
MUST_USE bool group_prove_issuer(struct snapshot *snapshot,
                                 const struct entry *entry, bool has_bytes,
                                 enum issuer_proof *proof, bool *has_key,
                                 struct sha256_hash *key, struct err *err);

// group_claim_issuer is group_prove_issuer without verifying a signature.
MUST_USE bool group_claim_issuer(struct snapshot *snapshot,
                                 const struct entry *entry,
                                 enum issuer_proof *proof, bool *has_key,
                                 struct sha256_hash *key, struct err *err);
