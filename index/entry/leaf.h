// leaf.h - MerkleTreeLeaf: the bytes that a log's tree authenticates.
//
// RFC 6962 section 3.4.  Reading is exact: what follows the last field makes
// the leaf unreadable.  An unreadable leaf is data: it is hashed and kept.
//
// Lifetime  the slices point into the bytes that were read.

#pragma once

#include "index/base/buffer.h"
#include "index/base/err.h"
#include "index/base/sha256.h"

enum leaf_type { LEAF_X509 = 0, LEAF_PRECERT = 1, LEAF_UNKNOWN = 0xffff };

struct leaf {
    uint64_t timestamp_ms;
    enum leaf_type type;          // LEAF_UNKNOWN: only timestamp_ms is meant
    struct bytes issuer_key_hash; // 32 bytes for a precertificate, else empty
    struct bytes certificate;     // X509: Certificate; precert: TBSCertificate
    struct bytes extensions;      // CtExtensions without their length
    bool has_leaf_index;          // from CtExtensions (C2SP static-ct-api)
    uint64_t leaf_index;          // 40 bits
};

// leaf_parse reads a whole MerkleTreeLeaf.  ERR_UNSUPPORTED: a version, leaf
// type or entry type that is not known (hash it, keep it, RFC 6962 section
// 4.6); ERR_MALFORMED: not a MerkleTreeLeaf.
MUST_USE bool leaf_parse(struct leaf *leaf, struct bytes wire, struct err *err);

// leaf_append writes the MerkleTreeLeaf that `leaf` (X509 or precert) reads
// from: leaf_parse of the result gives `leaf` again.
void leaf_append(struct buffer *out, const struct leaf *leaf);

// leaf_append_pieces does so with a certificate that lies in pieces, and
// leaf_len_pieces is how many bytes that appends.
void leaf_append_pieces(struct buffer *out, const struct leaf *leaf,
                        const struct bytes *pieces, size_t num);
size_t leaf_len_pieces(const struct leaf *leaf, const struct bytes *pieces,
                       size_t num);

// leaf_is_written_as tells whether leaf_append would write exactly `wire`.
bool leaf_is_written_as(const struct leaf *leaf, struct bytes wire);

// leaf_parse_extensions reads CtExtensions; false when they are no list of
// {type, data} or hold a type twice.  Unknown types are skipped.
MUST_USE bool leaf_parse_extensions(struct leaf *leaf, struct bytes wire);
