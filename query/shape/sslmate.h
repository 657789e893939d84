// sslmate.h - an issuance as SSLMate's CT Search API v1 shows it (API.md
// section 3).
//
// Result    pure.  What is not known is null, never invented.

#pragma once

#include "query/answer.h"

enum sslmate_expand {
    EXPAND_DNS_NAMES = 1 << 0,
    EXPAND_ISSUER = 1 << 1,
    EXPAND_REVOCATION = 1 << 2,
    EXPAND_PROBLEM_REPORTING = 1 << 3,
    EXPAND_CERT_DER = 1 << 4,
};

// sslmate_expand_bit is the bit of a word of `expand`; 0: none.
uint32_t sslmate_expand_bit(struct bytes word);

// sslmate_append appends one issuance with these members besides those that it
// always has.
void sslmate_append(struct buffer *out, const struct issuance *issuance,
                    uint32_t expand);
