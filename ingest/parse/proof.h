// proof.h - the proofs that an RFC 6962 log gives, out of their JSON. (pure)
//
// RFC 6962 sections 4.4, 4.5 and 4.8.  Whether a proof proves anything is
// index/entry/merkle.h's to say.
//
// Result    ERR_MALFORMED: no answer.
// Limit     MERKLE_PROOF_MAX nodes.

#pragma once

#include "index/base/buffer.h"
#include "index/base/err.h"
#include "index/entry/merkle.h"

// proof_parse_consistency reads a get-sth-consistency answer.
MUST_USE bool proof_parse_consistency(struct merkle_proof *proof,
                                      struct bytes body, struct err *err);

// proof_parse_by_hash reads a get-proof-by-hash answer.
MUST_USE bool proof_parse_by_hash(struct merkle_proof *path,
                                  uint64_t *leaf_index, struct bytes body,
                                  struct err *err);

// proof_parse_entry reads a get-entry-and-proof answer; `leaf_input` gets the
// MerkleTreeLeaf.
MUST_USE bool proof_parse_entry(struct merkle_proof *path,
                                struct buffer *leaf_input, struct bytes body,
                                struct err *err);
