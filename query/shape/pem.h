// pem.h - a certificate's own bytes, by its hash.

#pragma once

#include "index/index.h"

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
