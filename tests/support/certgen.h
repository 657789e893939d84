// certgen.h - certificates written from a description.
//
// One description gives all three forms of an issuance: the precertificate, the
// final certificate, and the TBSCertificate that the log signs for both
// (RFC 6962 section 3.2), which must come out the same whichever it is taken
// from.  Pure; fast enough for 100,000 certificates a second.
//
// Lifetime  a description borrows everything it points to.

#pragma once

#include "index/base/buffer.h"
#include "tests/support/fixed_key.h"

// A Name; a NULL attribute is left out, all NULL is the empty Name.
struct certgen_name {
    const char *country;
    const char *state;
    const char *locality;
    const char *organization;
    const char *common_name;
};

enum certgen_signature {
    CERTGEN_ECDSA_SHA256,
    CERTGEN_ECDSA_SHA384,
    CERTGEN_RSA_SHA256,
};

enum certgen_form { CERTGEN_LOGGED, CERTGEN_PRECERT, CERTGEN_FINAL };

struct certgen_spec {
    struct bytes issuer; // Name, DER
    struct certgen_name subject;
    struct bytes serial; // magnitude
    int64_t not_before;  // seconds since 1970
    int64_t not_after;
    struct bytes spki;         // SubjectPublicKeyInfo, DER
    struct bytes authority_id; // of the issuer's key; empty: left out
    const char *const *dns;
    size_t num_dns;
    const struct bytes *addresses;
    size_t num_addresses;
    const char *host; // of the issuer's CRL, OCSP and certificate URLs; or NULL
    struct bytes scts; // SignedCertificateTimestampList, for the final
    unsigned ct_at;    // the place of poison and SCT list among the extensions
    bool validated;    // the organisation was: another policy
    bool authority;    // a CA's own certificate
    enum certgen_signature algorithm;
};

// certgen_name_der appends a Name.
void certgen_name_der(struct buffer *out, const struct certgen_name *name);

// certgen_tbs appends a TBSCertificate.
void certgen_tbs(struct buffer *out, const struct certgen_spec *spec,
                 enum certgen_form form);

// certgen_wrap appends a Certificate of a TBSCertificate and a signature.
void certgen_wrap(struct buffer *out, struct bytes tbs,
                  enum certgen_signature algorithm, struct bytes signature);

// certgen_signed appends a Certificate, really signed.
void certgen_signed(struct buffer *out, const struct certgen_spec *spec,
                    enum certgen_form form, const struct fixed_key *key);

// certgen_algorithm is how a key signs certificates.
enum certgen_signature certgen_algorithm(const struct fixed_key *key);
