// record.h - one entry as it is stored: written and read together.
//
//   checksum      8  XXH3-64 over the key and all that follows
//   kind          1  low half enum record_kind, high half the leaf's type
//   bits          1  enum record_bit
//   log, index, timestamp, not_before, not_after - not_before, flags  varints
//   group        32
//   hashes           RECORD_FACTS: leaf, then certificate and SPKI where known
//   chain            varint count, then a varint for each issuer's number
//   plain_len        varint
//   payload          the rest, compressed when the bit says so
//
// What filters and grouping need stands before the payload and is read without
// decompressing it.  The key is the entry's id.  A payload is
//
//   form          1  enum record_form and bits
//   issuer key hash, extensions, precertificate, unreadable extra data,
//   certificate or leaf (the rest), each where the form has it
//
// RECORD_FULL gives back every byte that the log served.  RECORD_FACTS keeps a
// skeleton: the certificate with its signature, the bits of its key, the key's
// identifier and the signatures of its SCTs set to zero (they compress to
// nothing), read by the same reader, and the hashes of the original.  What
// could not be read whole is kept in full under either.  Kind 3 is left for a
// difference to another record.
//
// Lifetime  what is read points into the stored bytes or the arena.
// Result    pure.  Damage is ERR_INDEX.

#pragma once

#include "index/entry/entry.h"

enum record_kind { RECORD_FULL = 1, RECORD_FACTS = 2 };

// What filters need of an entry, read without decompressing it.
struct entry_facts {
    uint32_t log;
    uint64_t index;
    uint64_t timestamp_ms;
    enum leaf_type type;
    int64_t not_before, not_after; // or CERT_TIME_UNREADABLE
    uint32_t flags;                // enum name_flag
    // Entries of one issuance share this: the log-form TBSCertificate's hash,
    // or of what does not parse the certificate's, else the leaf's.
    struct sha256_hash group;
    bool has_tbs; // group is a TBSCertificate's
    // The group told by a number, under a secret of the index: nobody can make
    // two issuances look like one.  Set where an index reads facts.
    uint64_t group_mark;
};

struct record {
    enum record_kind kind;
    uint8_t bits;
    struct entry_facts facts;
    struct sha256_hash leaf_hash;          // RECORD_FACTS
    struct sha256_hash certificate_sha256; // where RECORD_HAS_CERTIFICATE
    struct sha256_hash spki_sha256;        // where RECORD_HAS_SPKI
    size_t num_chain;
    struct bytes chain;   // varints
    size_t plain_len;     // of the payload
    struct bytes payload; // as stored
};

enum record_bit {
    RECORD_HAS_TBS = 1,
    RECORD_COMPRESSED = 2,
    RECORD_HAS_CERTIFICATE = 4,
    RECORD_HAS_SPKI = 8,
    RECORD_TBS_FROM_PRECERT = 16,
};

// record_of sets all of `record` but chain and payload from an entry of `log`;
// `facts_only` asks for RECORD_FACTS.
void record_of(struct record *record, const struct entry *entry, uint32_t log,
               bool facts_only);

// record_append_payload appends the payload as it is before compression.
// Look at buffer_ok.
void record_append_payload(struct buffer *out, const struct record *record,
                           const struct entry *entry);

// What a payload that is little but one certificate is made of: its form, the
// issuer's key hash where it has one, extensions, then a vector that is a
// precertificate, or to the end a certificate or TBSCertificate.
struct record_layout {
    bool has_issuer_key_hash, is_precert;
};

// record_layout_of reads a payload's first byte; false: it is another payload.
MUST_USE bool record_layout_of(struct record_layout *out, uint8_t form);

// record_append_head appends kind to hashes.
void record_append_head(struct buffer *out, const struct record *record);

// record_read takes a stored value apart and checks its checksum.
MUST_USE bool record_read(struct record *record, struct bytes key,
                          struct bytes value, struct err *err);

// record_read_head takes kind to chain apart, as record_append_head and the
// chain's varints made them; no checksum, no payload.
MUST_USE bool record_read_head(struct record *record, struct bytes head);

// record_read_payload makes what the log served from the plain payload, in
// `arena`; of RECORD_FACTS a leaf around the skeleton.  The caller fills in
// the chain.  ERR_MEMORY too.
MUST_USE bool record_read_payload(struct entry_bytes *out,
                                  const struct record *record,
                                  struct bytes plain, struct arena *arena,
                                  struct err *err);

// record_restore puts the original's hashes and flags into an entry that was
// understood from a skeleton, and takes the skeleton's leaf away.
void record_restore(struct entry *entry, const struct record *record);
