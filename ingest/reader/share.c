// share.c - the memory that a log has; see state.h.
//
//   share_begin    its share: all logs have the same
//   share_widen    while much is to be read: twice as much, and again, out of
//                  what is spare
//   share_narrow   all is held: what was borrowed goes back
//   share_end      the log has ended: its share is spare from now on
//
// Half is for batches, as many as a pipeline needs, of as many entries as there
// is room for: a proof for each is a request.  Half is for answers, of as many
// entries as leave room for two of them.

#include <assert.h>

#include "ingest/reader/state.h"

enum {
    // A batch of 4,096 entries as encoded, and the pieces that wait for it.
    BATCH_MEMORY = 6 << 20,
    WIDTH_MIN = 256,
    BATCHES_MIN = 3,
    BATCH_ASKED_MIN = 32,
    // Room for READER_BATCHES_MAX of the widest; more is of no use.
    SHARE_MAX = 2 * READER_BATCHES_MAX * BATCH_MEMORY,
};

static void set_batch_max(struct reader *reader)
{
    struct source *source = &reader->source;
    size_t most = reader->memory / 4 / (2 * BYTES_PER_ENTRY_FIRST);
    bool gave_all = source->batch == source->batch_max;
    unsigned batch = SOURCE_BATCH_MAX;

    while (batch > BATCH_ASKED_MIN && batch > most) {
        batch /= 2;
    }
    source->batch_max = batch;
    // A log that gave all that was asked for may give more.
    if (gave_all || source->batch > batch) source->batch = batch;
}

static bool apply(struct reader *reader, struct err *err)
{
    size_t half = reader->memory / 2, size = BATCH_MEMORY, num;

    reader->chunk_width = BATCH_ENTRIES_MAX;
    while (reader->chunk_width > WIDTH_MIN && half < BATCHES_MIN * size) {
        reader->chunk_width /= 2;
        size /= 2;
    }
    num = half / size;
    if (num < BATCHES_MIN) num = BATCHES_MIN;
    if (num > READER_BATCHES_MAX) num = READER_BATCHES_MAX;
    for (; reader->num_batches < num; reader->num_batches++) {
        if (!batch_new(&reader->batches[reader->num_batches], reader, err)) {
            return false;
        }
    }
    set_batch_max(reader);
    return true;
}

static void drop_batches(struct reader *reader)
{
    for (unsigned i = 0; i < reader->num_batches; i++) {
        batch_free(reader->batches[i]);
    }
    reader->num_batches = 0;
}

bool share_begin(struct reader *reader, struct err *err)
{
    reader->memory = reader->options.memory;
    return apply(reader, err);
}

void share_widen(struct reader *reader, uint64_t num_left)
{
    struct err err;

    while (reader->memory <= SHARE_MAX / 2 &&
           num_left > 2 * reader->chunk_width &&
           pipeline_borrow(reader->pipeline, reader->memory)) {
        reader->memory *= 2;
        if (apply(reader, &err)) continue;
        reader_fail(reader, &err);
        return;
    }
}

void share_narrow(struct reader *reader)
{
    size_t borrowed = reader->memory - reader->options.memory;
    struct err err;

    if (borrowed == 0) return;
    assert(reader->num_asked == 0 && reader->num_writing == 0);
    drop_batches(reader);
    pieces_cleanup(reader);
    reader->memory = reader->options.memory;
    if (!apply(reader, &err)) reader_fail(reader, &err);
    pipeline_give_back(reader->pipeline, borrowed);
}

void share_end(struct reader *reader)
{
    drop_batches(reader);
    pieces_cleanup(reader);
    pipeline_give_back(reader->pipeline, reader->memory);
    reader->memory = 0;
}

void share_cleanup(struct reader *reader)
{
    drop_batches(reader);
    pieces_cleanup(reader);
}
