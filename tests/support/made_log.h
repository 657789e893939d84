// made_log.h - a small log in memory: entries, signed heads, proofs.
//
// Certificates are made from a seed: finals and precertificates, names in
// common and of their own, addresses, some that cannot be read.  Trees and
// proofs are computed by the definitions of RFC 6962 section 2.1, sharing no
// code with index/entry/merkle.
//
// Result    what fails ends the test.

#pragma once

#include "index/index.h"
#include "tests/support/signer.h"

struct made_log {
    struct signer *signer;
    struct index_log log; // for index_add_log
    uint64_t num;
    struct buffer *leaves;   // MerkleTreeLeafs
    struct buffer *precerts; // empty for a final
    struct sha256_hash *hashes;
    struct sha256_hash chain[2];
    struct buffer issuers[2];    // their certificates
    struct sha256_hash key_hash; // of the first one's key
};

// made_log_new makes a log of `num` entries; `name` is also its seed.
void made_log_new(struct made_log *log, const char *name, uint64_t num);
void made_log_free(struct made_log *log);

// made_log_entry understands an entry in `arena`.
void made_log_entry(const struct made_log *log, uint64_t index,
                    struct entry *entry, struct arena *arena);

// made_log_root is the root at a size.
struct sha256_hash made_log_root(const struct made_log *log, uint64_t size);

// made_log_proof proves [first, end) under the head of `size`; its head's
// bytes lie in `served`.
void made_log_proof(const struct made_log *log, uint64_t first, uint64_t end,
                    uint64_t size, struct chunk_proof *proof,
                    struct buffer *served);

// made_log_append appends [first, end) to an index.
bool made_log_append(const struct made_log *log, struct index *index,
                     uint64_t first, uint64_t end, uint64_t size,
                     struct err *err);
