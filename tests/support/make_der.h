// make_der.h - certificates that no CA would issue, for tests.
//
//   size_t at = out->len;
//   ... append the content ...
//   make_wrap(out, 0x30, at);

#pragma once

#include "index/base/buffer.h"

// make_wrap puts tag and length in front of everything from `at` on.
void make_wrap(struct buffer *out, uint8_t tag, size_t at);

// make_element appends one element.
void make_element(struct buffer *out, uint8_t tag, struct bytes content);

// make_hex appends what hex with blanks stands for.
void make_hex(struct buffer *out, const char *hex);

struct make_cert {
    struct bytes subject;    // content of the Name; empty: CN=subject.example
    struct bytes extensions; // content of Extensions; empty: no [3]
    const char *not_before;  // UTCTime; NULL: 240101000000Z
    const char *issuer;      // common name; NULL: Test CA
};

// make_tbs appends a TBSCertificate, make_certificate one with a signature.
void make_tbs(struct buffer *out, const struct make_cert *what);
void make_certificate(struct buffer *out, const struct make_cert *what);

// make_rdn appends an RDN of one attribute of id-at (2.5.4.`type`).
void make_rdn(struct buffer *out, uint8_t type, uint8_t tag, struct bytes text);

// make_extension appends an Extension; `oid` in hex.
void make_extension(struct buffer *out, const char *oid, struct bytes value);

// make_log_form appends the log form of a TBSCertificate; false where
// log_form_visit is.
bool make_log_form(struct buffer *out, struct bytes tbs);

// make_san appends a SubjectAltName extension of these GeneralNames.
void make_san(struct buffer *out, struct bytes general_names);
