// authority.h - a certification authority of the test log.
//
// Lifetime  an authority refers to its parent, which must outlive it.
// Limit     a chain of CHAIN_MAX authorities.

#pragma once

#include "tests/support/certgen.h"

enum { CHAIN_MAX = 4, KEY_ID_LEN = 20 };

struct authority {
    struct certgen_name name;
    const char *host;                 // of its CRL and OCSP URLs
    bool validated;                   // it validates organisations
    enum certgen_signature algorithm; // how it signs
    const struct authority *parent;   // NULL: a root
    struct fixed_key *key; // NULL: a key of random bytes, which signs nothing
    struct buffer spki;
    struct buffer name_der;
    struct buffer certificate;
    struct sha256_hash spki_id;
    struct sha256_hash fingerprint; // of the certificate
};

// authority_init makes key and certificate; name, host, validated and parent
// are set already.  A root or an authority with `real` has a real key of kind
// `kind`, any other a modulus of random bytes.  The certificate is always
// really signed by the parent.
void authority_init(struct authority *authority, enum fixed_key_kind kind,
                    bool real, uint64_t seed, const char *label);
void authority_cleanup(struct authority *authority);

// authority_key_id is what subject and authority key identifiers hold.
struct bytes authority_key_id(const struct authority *authority);

// authority_fingerprints appends the SHA-256 of each certificate of the chain,
// the authority's first, the root's last.
void authority_fingerprints(const struct authority *authority,
                            struct buffer *out);

// authority_chain appends an ASN.1CertChain (RFC 6962 section 3.1).
void authority_chain(const struct authority *authority, struct buffer *out);
