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
    part_free(batch->joined);
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
    assert(batch->parts == NULL && batch->joined == NULL);
    batch->last_part = &batch->parts;
    batch->num_parts = 0;
    batch->is_whole = false;
    batch->is_complete = false;
    batch->no_memory = false;
    buffer_reset(&batch->issuers);
    chunk_reset(batch->chunk, log, batch->first);
}

void batch_add_part(struct batch *batch, struct part *part)
{
    uint64_t num = chunk_num_entries(part->chunk);

    assert(batch->num_parts < BATCH_PARTS_MAX);
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
    part->next = NULL;
    *batch->last_part = part;
    batch->last_part = &part->next;
    batch->num_parts++;
}

static void join(struct job *job, struct worker *worker)
{
    struct batch *batch = JOB_OWNER(job, struct batch, join);
    const struct chunk *parts[BATCH_PARTS_MAX];
    uint64_t begun = pool_cpu_ns();
    size_t num = 0;

    (void)worker;
    for (struct part *part = batch->joined; part != NULL; part = part->next) {
        parts[num++] = part->chunk;
    }
    if (!chunk_join(batch->chunk, parts, num, NULL)) batch->no_memory = true;
    batch->join_ns = pool_cpu_ns() - begun;
}

void batch_join(struct batch *batch, struct pool_door *door, job_done *done)
{
    assert(!batch->is_joining);
    batch->is_joining = true;
    batch->is_last_join = batch->is_whole;
    batch->joined = batch_drop_parts(batch);
    batch->join = (struct job){.run = join, .done = done};
    pool_put(door, &batch->join);
}

struct part *batch_take_joined(struct batch *batch)
{
    struct part *joined = batch->joined;

    batch->joined = NULL;
    batch->is_joining = false;
    batch->is_complete = batch->is_last_join;
    return joined;
}

struct part *batch_drop_parts(struct batch *batch)
{
    struct part *parts = batch->parts;

    batch->parts = NULL;
    batch->last_part = &batch->parts;
    batch->num_parts = 0;
    return parts;
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
