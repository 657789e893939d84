// batch.c - see batch.h.

#include "ingest/batch.h"

#include <assert.h>
#include <stdlib.h>

bool batch_new(struct batch **out, struct reader *reader, struct err *err)
{
    struct batch *batch = calloc(1, sizeof *batch);

    if (batch == NULL) return err_set(err, ERR_MEMORY, "no memory for a batch");
    batch->reader = reader;
    batch->leaves = malloc(BATCH_ENTRIES_MAX * sizeof *batch->leaves);
    if (batch->leaves == NULL || !chunk_new(&batch->chunk, err)) {
        batch_free(batch);
        return err_set(err, ERR_MEMORY, "no memory for a batch");
    }
    *out = batch;
    return true;
}

void batch_free(struct batch *batch)
{
    if (batch == NULL) return;
    chunk_free(batch->chunk);
    part_free(batch->parts);
    buffer_cleanup(&batch->issuers);
    ask_cleanup(&batch->request.ask);
    free(batch->leaves);
    free(batch);
}

void batch_reset(struct batch *batch, const struct index_log *log,
                 const struct merkle_frontier *frontier, uint64_t end)
{
    assert(end - frontier->size <= BATCH_ENTRIES_MAX);
    batch->first = frontier->size;
    batch->end = end;
    batch->proof.left = *frontier;
    batch->frontier = *frontier;
    batch->num_names = 0;
    batch->written = false;
    batch->err = (struct err){0};
    assert(batch->parts == NULL);
    buffer_reset(&batch->issuers);
    chunk_reset(batch->chunk, log, batch->first);
}

// Puts the part behind the others, or its entries into the last one.
static bool keep_part(struct batch *batch, struct part *part, bool *joined)
{
    struct part *last = batch->last_part;

    *joined = last != NULL && chunk_num_entries(part->chunk) < BATCH_PART_MIN &&
              chunk_num_entries(last->chunk) < BATCH_PART_JOINED;
    if (*joined) return chunk_join(last->chunk, part->chunk, NULL);
    assert(batch->num_parts < BATCH_PARTS_MAX);
    part->next = NULL;
    if (last == NULL) {
        batch->parts = part;
    } else {
        last->next = part;
    }
    batch->last_part = part;
    batch->num_parts++;
    return true;
}

bool batch_add_part(struct batch *batch, struct part *part, bool *joined)
{
    uint64_t num = chunk_num_entries(part->chunk);

    assert(part->first == batch->frontier.size);
    assert(num <= batch->end - batch->frontier.size);
    memcpy(batch->leaves + (part->first - batch->first),
           chunk_leaf_hashes(part->chunk), num * sizeof *batch->leaves);
    for (size_t i = 0; i < part->num_roots; i++) {
        bool fits = merkle_append_subtree(
            &batch->frontier, &part->roots[i].hash, part->roots[i].level);

        assert(fits); // aligned, and where the one before ended
        (void)fits;
    }
    assert(batch->frontier.size == part->first + num);
    batch->num_names += part->num_names;
    return keep_part(batch, part, joined);
}

struct part *batch_drop_parts(struct batch *batch)
{
    struct part *parts = batch->parts;

    batch->parts = NULL;
    batch->last_part = NULL;
    batch->num_parts = 0;
    return parts;
}

size_t batch_chunks(const struct batch *batch,
                    struct chunk *out[BATCH_PARTS_MAX])
{
    size_t num = 0;

    if (batch->parts == NULL) out[num++] = batch->chunk;
    for (const struct part *part = batch->parts; part != NULL;
         part = part->next) {
        out[num++] = part->chunk;
    }
    return num;
}

bool batch_add(struct batch *batch, const struct entry *entry, struct err *err)
{
    assert(batch->frontier.size < batch->end);
    batch->leaves[batch->frontier.size - batch->first] = entry->leaf_hash;
    merkle_append(&batch->frontier, &entry->leaf_hash);
    batch->num_names += entry->names.num_terms;
    return chunk_add(batch->chunk, entry, err);
}

void batch_frontier(const struct batch *batch, uint64_t position,
                    struct merkle_frontier *out)
{
    *out = batch->proof.left;
    merkle_append_many(out, batch->leaves + (out->size - batch->first),
                       (size_t)(position - out->size));
}

void batch_add_issuer(struct buffer *issuers, struct bytes der)
{
    buffer_append_uint(issuers, der.len, 4);
    buffer_append(issuers, der);
}
