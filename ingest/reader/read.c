// read.c - entries in order, proven; see state.h.
//
//   ask a window of pieces ahead -> workers understand and encode each
//   -> in order into a batch -> batch full -> proof -> writer -> batch free
//
//   short answer        the rest of the piece is asked for next
//   no batch free       pieces wait until one is
//   batch contradicts   fault_wrong, when all before it are proven
//   proof refused       spool_start, when all before it are proven

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "ingest/reader/state.h"

enum {
    // A batch that fills slowly is proven and written as far as it is.
    SLOW_BATCH_MS = 10 * 1000,
};

uint64_t read_chunk_end(const struct reader *reader, uint64_t first)
{
    const struct log_range *gap = &reader->gaps[reader->gap];
    uint64_t cuts[READER_CHECKS_MAX + 2];
    size_t num_cuts = 0;

    for (size_t i = 0; i < reader->num_checks; i++) {
        cuts[num_cuts++] = reader->checks[i].size;
    }
    if (reader->has_suspect) {
        cuts[num_cuts++] = reader->suspect_first;
        cuts[num_cuts++] = reader->suspect_end;
    }
    return chunk_end(first, reader->chunk_width, gap->end, cuts, num_cuts);
}

// ---------------------------------------------------------------- batches

static void no_memory(struct reader *reader)
{
    struct err err;

    (void)err_set(&err, ERR_MEMORY, "no memory for an entry");
    reader_fail(reader, &err);
}

bool read_open_batch(struct reader *reader, uint64_t end)
{
    for (unsigned i = 0; i < reader->num_batches; i++) {
        struct batch *batch = reader->batches[i];

        if (batch->state != BATCH_FREE) continue;
        batch->state = BATCH_FILLING;
        batch->begun_ms = ring_now_ms();
        batch_reset(batch, &reader->log, &reader->frontier, end);
        reader->filling = batch;
        return true;
    }
    return false;
}

bool read_add(struct reader *reader, const struct entry_bytes *bytes)
{
    struct entry entry;

    if (entry_understand(&entry, bytes, &reader->arena) &&
        batch_add(reader->filling, &entry, NULL)) {
        return true;
    }
    no_memory(reader);
    return false;
}

void read_hand_on(struct reader *reader)
{
    while (reader->proving != NULL && reader->settled == NULL) {
        struct batch *batch = reader->proving;

        if (batch->state == BATCH_WRONG) {
            fault_wrong(reader, batch);
            return;
        }
        if (batch->state == BATCH_REFUSED) {
            spool_start(reader, batch->first);
            return;
        }
        if (batch->state != BATCH_PROVEN) return;
        reader->proving = batch->next;
        if (reader->proving == NULL) reader->last_proving = &reader->proving;
        for (size_t i = 0; i < reader->num_checks; i++) {
            struct sha256_hash root = merkle_root(&batch->frontier);

            if (reader->checks[i].size == batch->end &&
                !sha256_equal(&root, &reader->checks[i].root)) {
                batch->state = BATCH_FREE;
                fault_fork(reader, &reader->pin, &reader->checks[i],
                           &batch->frontier, &batch->proof.right);
                return;
            }
        }
        if (reader->has_suspect && batch->end >= reader->suspect_end) {
            // Read again it came right: an error of transport.
            reader->has_suspect = false;
            reader->fresh = false;
        }
        reader->num_searches = 0;
        asker_progressed(reader->asker);
        buffer_append(&batch->issuers, buffer_bytes(&reader->issuers));
        buffer_reset(&reader->issuers);
        batch->state = BATCH_WRITING;
        reader->num_writing++;
        pipeline_write(reader->pipeline, batch);
    }
}

static void on_proof(struct proof *proof)
{
    struct batch *batch = proof->context;
    struct reader *reader = batch->reader;

    switch (proof->result) {
    case PROOF_HOLDS:
        batch->proof.right = proof->right;
        batch->state = BATCH_PROVEN;
        break;
    case PROOF_CONTRADICTS:
        batch->state = BATCH_WRONG;
        break;
    case PROOF_REFUSED:
        batch->state = BATCH_REFUSED;
        break;
    case PROOF_BAD_TILES:
    case PROOF_GIVEN_UP:
    case PROOF_CANCELED:
        break;
    }
    if (reader_returned(reader, &reader->num_asked)) return;
    if (proof->result == PROOF_BAD_TILES) {
        fault_tiles(reader, &proof->err);
        return;
    }
    if (proof->result == PROOF_GIVEN_UP || proof->result == PROOF_CANCELED) {
        fault_given_up(reader, &proof->err, reader->source.tile_ask.status,
                       batch->first, reader->pin.size);
        return;
    }
    read_hand_on(reader);
    read_pump(reader);
}

// The batch is full: how does it lie under the head?
static void prove(struct reader *reader, struct batch *batch)
{
    struct proof *proof = &batch->request;
    struct sha256_hash root;

    batch->proof.head = reader->pin;
    batch->state = BATCH_PROVING;
    batch->next = NULL;
    *reader->last_proving = batch;
    reader->last_proving = &batch->next;
    if (batch->end == reader->pin.size) {
        root = merkle_root(&batch->frontier);
        batch->proof.right.num_nodes = 0;
        batch->state =
            sha256_equal(&root, &reader->pin.root) ? BATCH_PROVEN : BATCH_WRONG;
        return;
    }
    proof->position = batch->end;
    proof->has_ours = true;
    proof->ours = batch->frontier;
    proof->has_leaf = true;
    proof->leaf = batch->leaves[batch->end - 1 - batch->first];
    proof->done = on_proof;
    proof->context = batch;
    reader->num_asked++;
    source_prove(&reader->source, proof);
}

static bool close_batch(struct reader *reader)
{
    struct batch *batch = reader->filling;

    reader->filling = NULL;
    // The bytes of a suspect are evidence when it does not come right.
    if (!reader->has_suspect) pieces_drop_held(reader);
    prove(reader, batch);
    read_hand_on(reader);
    return reader->settled == NULL;
}

// ---------------------------------------------------------------- pieces

static bool spool_piece(struct reader *reader, const struct piece *piece)
{
    for (unsigned i = 0; i < piece->num_entries; i++) {
        if (!spool_take(reader, &piece->entries[i])) return false;
    }
    return true;
}

// Takes the first piece into the batch.  False: stop for now.
static bool take_piece(struct reader *reader)
{
    struct piece *piece = reader->pieces;
    struct batch *batch = reader->filling;
    bool joined;

    assert(piece->first == reader->frontier.size);
    if (reader->spooling) {
        return spool_piece(reader, piece) && pieces_pop(reader);
    }
    if (batch == NULL) {
        if (!read_open_batch(reader,
                             read_chunk_end(reader, reader->frontier.size))) {
            return false;
        }
        batch = reader->filling;
    }
    if (!batch_add_part(batch, piece->part, &joined)) {
        no_memory(reader);
        return false;
    }
    if (!joined) piece->part = NULL;
    reader->frontier = batch->frontier;
    if (!pieces_pop(reader)) return false;
    if (ring_now_ms() - batch->begun_ms >= SLOW_BATCH_MS) {
        batch->end = batch->frontier.size;
    }
    if (batch_is_full(batch)) return close_batch(reader);
    return true;
}

// ---------------------------------------------------------------- the loop

// The first piece was given up: what came before it is still proven.
static void give_up_here(struct reader *reader)
{
    struct piece *piece = reader->pieces;
    struct batch *batch = reader->filling;

    if (!reader->spooling) {
        if (batch != NULL && batch->frontier.size > batch->first) {
            batch->end = batch->frontier.size;
            (void)close_batch(reader);
        }
        if (reader->proving != NULL || reader->settled != NULL) return;
    }
    fault_given_up(reader, &piece->ask.err, piece->ask.status, piece->first,
                   piece->first + piece->num_wanted);
}

void read_begin(struct reader *reader)
{
    reader->gave_up = false;
    reader->asked = reader->frontier.size;
    if (reader->bytes_per_entry == 0) {
        // A body that grows has room for twice what it holds.
        reader->bytes_per_entry = 2 * BYTES_PER_ENTRY_FIRST;
    }
    reader->mode = MODE_READ;
    share_widen(reader, reader->gaps[reader->gap].end - reader->asked);
    read_pump(reader);
}

void read_pump(struct reader *reader)
{
    const struct log_range *gap;

    if (reader->settled != NULL || reader->ending) return;
    if (reader->mode == MODE_REPLAY) {
        spool_pump(reader);
        return;
    }
    if (reader->mode != MODE_READ) return;
    gap = &reader->gaps[reader->gap];
    pieces_ask(reader);
    while (reader->pieces != NULL && reader->pieces->is_ready) {
        if (reader->pieces->ask.result != ASK_ANSWERED) {
            give_up_here(reader);
            return;
        }
        if (reader->pieces->part->no_memory) {
            no_memory(reader);
            return;
        }
        if (!take_piece(reader)) break;
        if (reader->settled != NULL || reader->ending) return;
        pieces_ask(reader);
    }
    if (reader->settled != NULL || reader->ending) return;
    if (reader->frontier.size < gap->end || reader->pieces != NULL) return;
    if (reader->spooling) {
        reader->mode = MODE_IDLE;
        spool_finish(reader);
        return;
    }
    if (reader->filling == NULL && reader->proving == NULL) {
        // All proven: the writer is waited for, then comes the next gap.
        reader->mode = MODE_IDLE;
        reader->gap++;
        reader_settle(reader, true, head_next_gap);
    }
}

void read_stop(struct reader *reader)
{
    assert(reader->num_asked == 0 && reader->num_writing == 0);
    pieces_stop(reader);
    reader->filling = NULL;
    reader->proving = NULL;
    reader->last_proving = &reader->proving;
    for (unsigned i = 0; i < reader->num_batches; i++) {
        reader->batches[i]->state = BATCH_FREE;
        pieces_give_parts(reader, batch_drop_parts(reader->batches[i]));
    }
    reader->mode = MODE_IDLE;
}

void reader_take_back(struct reader *reader, struct batch *batch)
{
    batch->state = BATCH_FREE;
    pieces_give_parts(reader, batch_drop_parts(batch));
    if (batch->written) {
        reader->totals.entries += batch->end - batch->first;
        reader->totals.done += batch->end - batch->first;
        reader->totals.num_names += batch->num_names;
        reader->totals.cpu_ns += batch->cpu_ns;
        reader->pin_accepted = true;
        reader_show(reader);
    }
    if (reader_returned(reader, &reader->num_writing)) return;
    if (!batch->written) {
        reader_end(reader, READER_PARTIAL, &batch->err);
        return;
    }
    if (reader->mode == MODE_READ) {
        share_widen(reader, reader->gaps[reader->gap].end - reader->asked);
    }
    read_pump(reader);
}
