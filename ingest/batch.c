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
    batch->num_unparsed = 0;
    batch->written = false;
    batch->err = (struct err){0};
    buffer_reset(&batch->issuers);
    chunk_reset(batch->chunk, log, batch->first);
}

bool batch_add(struct batch *batch, const struct entry *entry, struct err *err)
{
    assert(batch->frontier.size < batch->end);
    batch->leaves[batch->frontier.size - batch->first] = entry->leaf_hash;
    merkle_append(&batch->frontier, &entry->leaf_hash);
    batch->num_names += entry->names.num_terms;
    if ((entry->flags & FLAG_UNPARSED) != 0) batch->num_unparsed++;
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
