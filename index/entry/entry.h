// entry.h - one log entry, as it came and as it was understood.
//
// An entry is understood once, by one function, wherever it comes from: the
// network at ingest, the disk at query and verify.  Pure.
//
// Lifetime  slices point into the caller's bytes or into the arena.

#pragma once

#include "index/base/arena.h"
#include "index/entry/cert.h"
#include "index/entry/chain_cache.h"
#include "index/entry/leaf.h"
#include "index/entry/names.h"

enum { ENTRY_CHAIN_MAX = 4096 };

// What a log served for one entry, whichever protocol brought it.
struct entry_bytes {
    uint64_t index;
    struct bytes leaf;    // MerkleTreeLeaf; authenticated by the tree
    struct bytes precert; // pre_certificate of extra_data or TileLeaf; empty
                          // where there is none.  Not authenticated.
    // The leaf was built from `precert`: it has the TBSCertificate that this
    // gives (record.h).
    bool leaf_from_precert;
    const struct sha256_hash *chain; // fingerprints, issuer of the leaf first
    size_t num_chain;                // Not authenticated.
    bool extra_unreadable;           // extra_data is no chain: kept in `extra`
    struct bytes extra;              // then the bytes as they came, else empty
};

struct entry {
    struct entry_bytes bytes;
    struct sha256_hash leaf_hash;
    struct leaf leaf;
    struct cert cert;       // of the leaf: Certificate or TBSCertificate
    struct term_list names; // authenticated terms, then those of `precert`
                            // alone marked VIA_UNAUTHENTICATED
    struct sha256_hash certificate_sha256; // x509: the certificate; precert:
    bool has_certificate_sha256;           // the precertificate, where held
    struct sha256_hash tbs_sha256;         // log-form TBSCertificate
    bool has_tbs_sha256;                   // false: does not parse so far
    struct sha256_hash spki_sha256;
    bool has_spki_sha256;
    struct bytes issuer_key_hash; // 32 bytes from a precert leaf, else empty
    bool tbs_from_precert; // the precertificate gives the leaf's TBS back
    uint32_t flags;        // names.flags and FLAG_UNPARSED …
    unsigned parts;        // which of enum entry_part were understood
    char reason[96];       // where FLAG_UNPARSED: what could not be read
};

// What costs time and is not always wanted; all else is always understood.
// What was not asked for reads as not known: has_… is false, names are empty,
// leaf_hash is zeros.
enum entry_part {
    ENTRY_LEAF_HASH = 1,
    ENTRY_CERTIFICATE_SHA256 = 2,
    ENTRY_TBS_SHA256 = 4,
    ENTRY_SPKI_SHA256 = 8,
    ENTRY_NAMES = 16, // and the flags that come with them
    ENTRY_ALL = 31,
};

// entry_understand reads everything there is to know; a broken entry is
// flagged, never refused.  False: no memory.
MUST_USE bool entry_understand(struct entry *entry,
                               const struct entry_bytes *bytes,
                               struct arena *arena);

// entry_understand_parts is entry_understand for those of `parts` (enum
// entry_part) alone.
MUST_USE bool entry_understand_parts(struct entry *entry,
                                     const struct entry_bytes *bytes,
                                     unsigned parts, struct arena *arena);

// entry_understand_more understands what is missing of `parts` in an entry that
// was understood before; its bytes must still be there.  False: no memory.
MUST_USE bool entry_understand_more(struct entry *entry, unsigned parts,
                                    struct arena *arena);

// entry_hash_many understands what is missing of `parts` that are hashes, up to
// ENTRY_HASHED_MAX entries' side by side; their bytes must still be there.
enum { ENTRY_HASHED_MAX = 8 };
void entry_hash_many(struct entry *const *entries, const unsigned *parts,
                     size_t num);

// entry_parse_tile_leaf takes one TileLeaf off the front (C2SP static-ct-api)
// and rebuilds its MerkleTreeLeaf in the arena; `index` is left alone.  A chain
// of no whole number of fingerprints sets extra_unreadable and is no error.
// ERR_UNSUPPORTED: an entry type whose end cannot be told.
MUST_USE bool entry_parse_tile_leaf(struct entry_bytes *out, struct bytes *tile,
                                    struct arena *arena, struct err *err);

// entry_parse_extra reads the extra_data of a get-entries answer for a leaf of
// this type (RFC 6962 section 4.6): the precertificate, the chain's
// certificates and, in the arena, their fingerprints; `index` and `leaf` are
// left alone.  What cannot be read, and a chain of over ENTRY_CHAIN_MAX
// certificates, sets extra_unreadable and is no error.  `cache` (may be NULL)
// saves hashing.  False: no memory.
MUST_USE bool entry_parse_extra(struct entry_bytes *out, enum leaf_type type,
                                struct bytes extra_data,
                                struct chain_cache *cache,
                                struct bytes **certificates,
                                struct arena *arena);
