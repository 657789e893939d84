// fuzz_proof.c - any bytes as the proofs of an RFC 6962 log.

#include <stdlib.h>

#include "ingest/parse/proof.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes body = bytes_of(data, size);
    struct buffer leaf = {0};
    struct merkle_proof proof;
    uint64_t index;

    if (proof_parse_consistency(&proof, body, NULL) &&
        proof.num_nodes > MERKLE_PROOF_MAX) {
        abort();
    }
    if (proof_parse_by_hash(&proof, &index, body, NULL) &&
        proof.num_nodes > MERKLE_PROOF_MAX) {
        abort();
    }
    if (proof_parse_entry(&proof, &leaf, body, NULL) &&
        proof.num_nodes > MERKLE_PROOF_MAX) {
        abort();
    }
    buffer_cleanup(&leaf);
    return 0;
}
