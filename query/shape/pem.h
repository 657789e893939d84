// pem.h - a certificate's own bytes, by its hash.

#pragma once

#include "index/base/text.h"
#include "index/index.h"

// pem_append writes a certificate as PEM.
static inline void pem_append(struct buffer *out, struct bytes der)
{
    text_append_pem(out, der);
}

// What is held under a certificate's hash.
enum pem_state {
    PEM_ABSENT,   // no entry has it
    PEM_NOT_KEPT, // an entry has, but only as facts
    PEM_FOUND,
};

// pem_find looks a certificate or precertificate up by its SHA-256; `der` then
// lies in `arena`.
MUST_USE bool pem_find(struct snapshot *snapshot,
                       const struct sha256_hash *hash, enum pem_state *state,
                       struct bytes *der, struct arena *arena, struct err *err);
