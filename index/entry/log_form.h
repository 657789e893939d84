// log_form.h - the log-form TBSCertificate: what a log signs of a certificate.
//
// The TBSCertificate without its poison and SCT list extensions; what is left
// stays as it stands, the lengths around it are rewritten, and a [3] that
// holds no extension any more goes too (CT-PROTOCOLS section 11).  It is given
// piece by piece, so that it can be hashed or compared without a copy.
//
// Lifetime  a piece is good for the call only.

#pragma once

#include "index/base/bytes.h"
#include "index/base/sha256.h"
#include "index/entry/der.h"

// A visitor returns false to stop.
typedef bool log_form_piece(void *context, struct bytes piece);

// log_form_visit gives the log form of a TBSCertificate (tag and length
// included).  False when its extensions cannot be taken apart (no piece was
// given) or the visitor stopped.
MUST_USE bool log_form_visit(struct bytes tbs, log_form_piece *visit,
                             void *context);

enum { LOG_FORM_PIECES_MAX = 12 };

// All pieces of a log form at once.
struct log_form {
    struct bytes pieces[LOG_FORM_PIECES_MAX];
    size_t num_pieces;
    uint8_t copies[LOG_FORM_PIECES_MAX][DER_HEADER_MAX]; // of short ones
};

// log_form_collect gives the pieces that log_form_visit would; they are good as
// long as `form` and `tbs` stay where they are.  False also where they are more
// than LOG_FORM_PIECES_MAX, as of no certificate that anybody issues.
MUST_USE bool log_form_collect(struct log_form *form, struct bytes tbs);

// log_form_sha256 hashes the log form.
MUST_USE bool log_form_sha256(struct bytes tbs, struct sha256_hash *hash);

// log_form_equals tells whether the log form of `tbs` is exactly `expected`.
MUST_USE bool log_form_equals(struct bytes tbs, struct bytes expected);
