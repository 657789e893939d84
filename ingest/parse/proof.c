// proof.c - see proof.h.

#include "ingest/parse/proof.h"

#include "index/base/json.h"

static bool read_nodes(struct merkle_proof *proof, const struct json *array,
                       struct err *err)
{
    struct buffer node = {.max = SHA256_LEN};
    size_t num_nodes = json_size(array);
    bool ok = json_is_array(array) && num_nodes <= MERKLE_PROOF_MAX;

    proof->num_nodes = 0;
    for (size_t i = 0; ok && i < num_nodes; i++) {
        buffer_reset(&node);
        ok = json_base64(json_at(array, i), &node) && node.len == SHA256_LEN;
        if (ok) memcpy(proof->nodes[i].bytes, node.data, SHA256_LEN);
    }
    buffer_cleanup(&node);
    if (!ok) return err_set(err, ERR_MALFORMED, "proof: no list of hashes");
    proof->num_nodes = num_nodes;
    return true;
}

bool proof_parse_consistency(struct merkle_proof *proof, struct bytes body,
                             struct err *err)
{
    struct json *document;
    bool ok;

    if (!json_parse(&document, body, err)) return false;
    ok = read_nodes(proof, json_member(document, "consistency"), err);
    json_free(document);
    return ok;
}

bool proof_parse_by_hash(struct merkle_proof *path, uint64_t *leaf_index,
                         struct bytes body, struct err *err)
{
    struct json *document;
    bool ok;

    if (!json_parse(&document, body, err)) return false;
    ok = json_uint(json_member(document, "leaf_index"), leaf_index);
    if (!ok) {
        (void)err_set(err, ERR_MALFORMED, "proof: no leaf_index");
    } else {
        ok = read_nodes(path, json_member(document, "audit_path"), err);
    }
    json_free(document);
    return ok;
}

bool proof_parse_entry(struct merkle_proof *path, struct buffer *leaf_input,
                       struct bytes body, struct err *err)
{
    struct json *document;
    bool ok;

    if (!json_parse(&document, body, err)) return false;
    buffer_reset(leaf_input);
    ok = json_base64(json_member(document, "leaf_input"), leaf_input);
    if (!ok) {
        (void)err_set(err, ERR_MALFORMED, "proof: no leaf_input");
    } else {
        ok = read_nodes(path, json_member(document, "audit_path"), err);
    }
    json_free(document);
    return ok;
}
