// proof.c - see proof.h.

#include "query/proof.h"

#include <stdlib.h>

enum { STEP_LEAVES = 128 };

// ------------------------------------------------------------- the tree

struct span {
    uint64_t first, end, size;
    const struct merkle_frontier *left;
    const struct sha256_hash *leaves;
    const struct merkle_proof *right;
    uint64_t right_starts[MERKLE_PROOF_MAX]; // where each sibling begins
    size_t num_right;
};

// The largest power of two below `num` (RFC 6962 section 2.1), num > 1.
static uint64_t split_of(uint64_t num)
{
    return UINT64_C(1) << (63 - __builtin_clzll(num - 1));
}

// Lists where the right-hand siblings of the span's last leaf begin; they are
// stored from the leaf up.
static bool find_right(struct span *span)
{
    uint64_t start = 0, end = span->size, starts[MERKLE_PROOF_MAX];
    size_t num = 0;

    while (end - start > 1) {
        uint64_t middle = start + split_of(end - start);

        if (span->end - 1 < middle) {
            starts[num++] = middle;
            end = middle;
        } else {
            start = middle;
        }
    }
    for (size_t i = 0; i < num; i++) {
        span->right_starts[i] = starts[num - 1 - i];
    }
    span->num_right = num;
    return num == span->right->num_nodes;
}

// The root of the subtree [start, end).
static bool subtree(const struct span *span, uint64_t start, uint64_t end,
                    struct sha256_hash *out)
{
    struct sha256_hash left, right;
    uint64_t middle;

    if (end <= span->first) { // a node of the frontier, one for each bit
        unsigned level = (unsigned)__builtin_ctzll(end - start);
        uint64_t above = level == 63 ? 0 : span->first >> (level + 1);

        if ((span->first >> level & 1) == 0) return false;
        *out = span->left->nodes[__builtin_popcountll(above)];
        return true;
    }
    if (start >= span->end) {
        for (size_t i = 0; i < span->num_right; i++) {
            if (span->right_starts[i] != start) continue;
            *out = span->right->nodes[i];
            return true;
        }
        return false;
    }
    if (end - start == 1) {
        *out = span->leaves[start - span->first];
        return true;
    }
    middle = start + split_of(end - start);
    if (!subtree(span, start, middle, &left) ||
        !subtree(span, middle, end, &right)) {
        return false;
    }
    *out = merkle_node_hash(&left, &right);
    return true;
}

bool proof_path(struct merkle_proof *path, uint64_t index, uint64_t size,
                const struct merkle_frontier *left,
                const struct sha256_hash *leaves, uint64_t num_leaves,
                const struct merkle_proof *right)
{
    struct span span = {.first = left->size,
                        .end = left->size + num_leaves,
                        .size = size,
                        .left = left,
                        .leaves = leaves,
                        .right = right};
    struct sha256_hash siblings[MERKLE_PROOF_MAX];
    uint64_t start = 0, end = size;
    size_t num = 0;

    if (num_leaves == 0 || left->size > size ||
        num_leaves > size - left->size || index < span.first ||
        index >= span.end || !find_right(&span)) {
        return false;
    }
    while (end - start > 1) {
        uint64_t middle = start + split_of(end - start);

        if (index < middle) {
            if (!subtree(&span, middle, end, &siblings[num++])) return false;
            end = middle;
        } else {
            if (!subtree(&span, start, middle, &siblings[num++])) return false;
            start = middle;
        }
    }
    path->num_nodes = num;
    for (size_t i = 0; i < num; i++) {
        path->nodes[i] = siblings[num - 1 - i];
    }
    return true;
}

// ------------------------------------------------------------- the index

bool proof_begin(struct proof *proof, struct snapshot *snapshot, uint32_t log,
                 uint64_t index, struct err *err)
{
    struct chunk_info *chunk = &proof->chunk;

    proof_cleanup(proof);
    proof->index = index;
    if (!snapshot_find_chunk(snapshot, log, index, chunk, err)) return false;
    proof->head = chunk->proof.head;
    buffer_append(&proof->served, proof->head.served);
    proof->head.served = buffer_bytes(&proof->served);
    chunk->proof.head.served = proof->head.served;
    proof->leaves = calloc(chunk->num_entries, sizeof *proof->leaves);
    return (proof->leaves != NULL && buffer_ok(&proof->served)) ||
           err_set(err, ERR_MEMORY, "no memory for a proof");
}

static bool finish(struct proof *proof, struct err *err)
{
    const struct chunk_info *chunk = &proof->chunk;
    struct sha256_hash root;

    proof->leaf = proof->leaves[proof->index - chunk->first];
    if (proof_path(&proof->path, proof->index, proof->head.size,
                   &chunk->proof.left, proof->leaves, proof->num_leaves,
                   &chunk->proof.right) &&
        merkle_inclusion_root(&proof->leaf, proof->index, proof->head.size,
                              &proof->path, &root) &&
        sha256_equal(&root, &proof->head.root)) {
        return true;
    }
    return err_set(err, ERR_INDEX,
                   "index damaged: entry %llu does not lead to its head's root",
                   (unsigned long long)proof->index);
}

// Has the blocks of the next leaves read side by side.
static void expect_leaves(const struct proof *proof, struct snapshot *snapshot)
{
    uint64_t end = proof->chunk.num_entries - proof->num_leaves;

    if (end > STEP_LEAVES) end = STEP_LEAVES;
    for (uint64_t i = 0; i < end; i++) {
        snapshot_expect(snapshot, proof->chunk.id + proof->num_leaves + i);
    }
}

bool proof_next(struct proof *proof, struct snapshot *snapshot, bool *done,
                struct err *err)
{
    struct arena arena = {0};
    bool ok = true;

    for (int i = 0;
         ok && i < STEP_LEAVES && proof->num_leaves < proof->chunk.num_entries;
         i++) {
        ok = snapshot_leaf_hash(snapshot, proof->chunk.id + proof->num_leaves,
                                &proof->leaves[proof->num_leaves], &arena, err);
        if (ok) proof->num_leaves++;
        arena_reset(&arena);
    }
    arena_cleanup(&arena);
    if (!ok && err->code == ERR_COLD) expect_leaves(proof, snapshot);
    *done = ok && proof->num_leaves == proof->chunk.num_entries;
    return ok && (!*done || finish(proof, err));
}

void proof_cleanup(struct proof *proof)
{
    free(proof->leaves);
    buffer_cleanup(&proof->served);
    *proof = (struct proof){0};
}
