// part.c - see part.h.

#include "ingest/part.h"

#include <assert.h>
#include <stdlib.h>

bool part_new(struct part **out, struct err *err)
{
    struct part *part = calloc(1, sizeof *part);

    if (part == NULL) return err_set(err, ERR_MEMORY, "no memory for a part");
    if (!chunk_new(&part->chunk, err)) {
        part_free(part);
        return false;
    }
    *out = part;
    return true;
}

void part_free(struct part *part)
{
    while (part != NULL) {
        struct part *next = part->next;

        chunk_free(part->chunk);
        buffer_cleanup(&part->issuers);
        free(part);
        part = next;
    }
}

void part_reset(struct part *part, const struct index_log *log, uint64_t first)
{
    part->first = first;
    part->num_names = 0;
    part->num_roots = 0;
    part->no_memory = false;
    chunk_reset(part->chunk, log, first);
}

bool part_add(struct part *part, const struct entry *entry)
{
    part->num_names += entry->names.num_terms;
    return chunk_add(part->chunk, entry, NULL);
}

// The largest complete subtree that begins at `first` and has at most `num`
// leaves.
static unsigned root_level(uint64_t first, uint64_t num)
{
    unsigned most = 63 - (unsigned)__builtin_clzll(num);
    unsigned aligned = first == 0 ? most : (unsigned)__builtin_ctzll(first);

    return aligned < most ? aligned : most;
}

void part_finish(struct part *part)
{
    const struct sha256_hash *leaves = chunk_leaf_hashes(part->chunk);
    uint64_t at = part->first, end = at + chunk_num_entries(part->chunk);

    while (at < end) {
        struct part_root *root = &part->roots[part->num_roots];
        struct merkle_frontier tree = {0};

        assert(part->num_roots < PART_ROOTS_MAX);
        root->level = root_level(at, end - at);
        merkle_append_many(&tree, leaves, (size_t)1 << root->level);
        root->hash = tree.nodes[0];
        leaves += tree.size;
        at += tree.size;
        part->num_roots++;
    }
}

size_t part_size_bytes(const struct part *part)
{
    return sizeof *part + part->issuers.size + chunk_size_bytes(part->chunk);
}
