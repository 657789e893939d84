// spool.c - a log that proves nothing on the way; see state.h, spool.h.
//
//   proof refused -> settle -> everything from there to the head on disk
//     root at the head as signed   replay: batches, proven by our own tree
//     not                          once more, then halted

#include "ingest/reader/state.h"

static void spool_begin(struct reader *reader);

void spool_drop(struct reader *reader)
{
    spool_close(reader->spool);
    reader->spool = NULL;
    subtrees_cleanup(&reader->subtrees);
    reader->spooling = false;
}

void spool_start(struct reader *reader, uint64_t first)
{
    const struct log_range *gap = &reader->gaps[reader->gap];
    struct err err;

    if (gap->end != reader->pin.size) {
        (void)err_set(
            &err, ERR_NETWORK, "the log gives no proof for entries %llu..%llu",
            (unsigned long long)first, (unsigned long long)gap->end - 1);
        reader_end(reader, READER_PARTIAL, &err);
        return;
    }
    reader->spool_left = reader->proving->proof.left;
    reader->spool_again = false;
    reader_settle(reader, false, spool_begin);
}

static void spool_begin(struct reader *reader)
{
    unsigned level = (unsigned)__builtin_ctzll(reader->chunk_width);
    uint64_t first = reader->spool_left.size;
    struct err err;

    read_stop(reader);
    spool_drop(reader);
    if (!spool_open(&reader->spool, index_dir(pipeline_index(reader->pipeline)),
                    &err)) {
        reader_fail(reader, &err);
        return;
    }
    first = (first + reader->chunk_width - 1) & ~(reader->chunk_width - 1);
    subtrees_init(&reader->subtrees, level, first);
    reader->spool_chunk = (struct merkle_frontier){0};
    reader->spool_fork = NULL;
    reader->spooling = true;
    reader->has_suspect = false;
    reader->frontier = reader->spool_left;
    read_begin(reader);
}

// Keeps the roots of aligned chunks: what lies right of a chunk in the replay.
static bool keep_root(struct reader *reader, const struct sha256_hash *leaf)
{
    struct merkle_frontier *chunk = &reader->spool_chunk;
    uint64_t index = reader->frontier.size - 1;
    struct sha256_hash root;

    if (chunk->size == 0 && index % reader->chunk_width != 0) return true;
    merkle_append(chunk, leaf);
    if (chunk->size < reader->chunk_width) return true;
    root = merkle_root(chunk);
    *chunk = (struct merkle_frontier){0};
    return subtrees_append(&reader->subtrees, &root);
}

bool spool_take(struct reader *reader, const struct entry_bytes *bytes)
{
    struct sha256_hash leaf = merkle_leaf_hash(bytes->leaf), root;
    struct err err;

    merkle_append(&reader->frontier, &leaf);
    for (size_t i = 0; i < reader->num_checks; i++) {
        if (reader->checks[i].size != reader->frontier.size) continue;
        root = merkle_root(&reader->frontier);
        if (!sha256_equal(&root, &reader->checks[i].root)) {
            reader->spool_fork = &reader->checks[i];
        }
    }
    if (!keep_root(reader, &leaf)) {
        (void)err_set(&err, ERR_MEMORY, "no memory for hashes");
    } else if (spool_write(reader->spool, bytes, &err)) {
        return true;
    }
    reader_fail(reader, &err);
    return false;
}

void spool_finish(struct reader *reader)
{
    struct sha256_hash root = merkle_root(&reader->frontier);
    struct err err;

    if (!sha256_equal(&root, &reader->pin.root)) {
        if (reader->spool_again) {
            fault_range(reader, reader->spool_left.size, reader->pin.size);
            return;
        }
        reader->spool_again = true;
        reader->fresh = true;
        asker_drop_idle(reader->asker);
        reader_settle(reader, true, spool_begin);
        return;
    }
    if (reader->spool_fork != NULL) {
        fault_fork(reader, &reader->pin, reader->spool_fork, NULL, NULL);
        return;
    }
    reader->spool_whole = reader->frontier;
    reader->frontier = reader->spool_left;
    reader->spooling = false;
    reader->fresh = false;
    reader->mode = MODE_REPLAY;
    if (!spool_rewind(reader->spool, &err)) {
        reader_fail(reader, &err);
        return;
    }
    spool_pump(reader);
}

// Fills the batch at hand from the spool.
static bool fill(struct reader *reader)
{
    struct err err;

    while (!batch_is_full(reader->filling)) {
        struct entry_bytes bytes;

        arena_reset(&reader->arena);
        if (!spool_read(reader->spool, &bytes, &reader->arena, &err)) {
            reader_fail(reader, &err);
            return false;
        }
        if (!read_add(reader, &bytes)) return false;
    }
    return true;
}

static bool prove(struct reader *reader, struct batch *batch)
{
    struct err err;

    batch->proof.head = reader->pin;
    batch->proof.right.num_nodes = 0;
    if (batch->end < reader->pin.size &&
        !span_path(batch->end, &reader->spool_whole, subtrees_node,
                   &reader->subtrees, NULL, &batch->proof.right)) {
        (void)err_set(&err, ERR_MEMORY, "spool: no path at %llu",
                      (unsigned long long)batch->end);
        reader_fail(reader, &err);
        return false;
    }
    batch->state = BATCH_PROVEN;
    batch->next = NULL;
    *reader->last_proving = batch;
    reader->last_proving = &batch->next;
    return true;
}

void spool_pump(struct reader *reader)
{
    while (reader->frontier.size < reader->pin.size) {
        uint64_t end = chunk_end(reader->frontier.size, reader->chunk_width,
                                 reader->pin.size, NULL, 0);

        if (!read_open_batch(reader, end)) return;
        if (!fill(reader)) return;
        if (!prove(reader, reader->filling)) return;
        reader->frontier = reader->filling->frontier;
        reader->filling = NULL;
        read_hand_on(reader);
        if (reader->settled != NULL) return;
    }
    spool_drop(reader);
    reader->mode = MODE_IDLE;
    reader->gap++;
    reader_settle(reader, true, head_next_gap);
}
