// batch.h - one chunk on its way down: entries, encoded, and their proof.
//
//   reader: batch_reset, batch_add_part ... -> proof -> writer -> back to it
//
// The parts stay as workers made them; what is proven is their entries as one.
//
// A reader has a fixed number of batches; none free means that nothing more
// is taken, so batches are both memory limit and back-pressure.
//
// Thread    whoever holds it: the reader's or the writer's.

#pragma once

#include "index/index.h"
#include "ingest/part.h"
#include "ingest/source/source.h"

enum {
    BATCH_ENTRIES_MAX = 4096,
    // Smaller parts are joined to the one before, up to so many entries.
    BATCH_PART_MIN = 64,
    BATCH_PART_JOINED = 256,
    BATCH_PARTS_MAX = BATCH_ENTRIES_MAX / BATCH_PART_MIN +
                      BATCH_ENTRIES_MAX / BATCH_PART_JOINED + 1,
};

struct reader;

enum batch_state {
    BATCH_FREE,
    BATCH_FILLING,
    BATCH_PROVING,
    BATCH_PROVEN,
    BATCH_WRONG,   // contradicts the head
    BATCH_REFUSED, // the log has no proof
    BATCH_WRITING,
};

struct batch {
    enum batch_state state;
    struct reader *reader;
    struct batch *next;       // in the reader's or the writer's list
    struct chunk *chunk;      // of entries that came one by one, else empty
    struct chunk_proof proof; // head.served is the reader's
    uint64_t first, end;      // planned; `end` is where it will end
    uint64_t begun_ms;
    struct merkle_frontier frontier; // after the last entry added
    struct sha256_hash *leaves;      // hashes of all entries
    struct buffer issuers;           // certificates, u32 length before each

    struct part *parts, *last_part; // in order
    unsigned num_parts;

    struct proof request;
    uint64_t num_names;
    bool written;    // the writer's answer
    struct err err;  // when it is not
    uint64_t cpu_ns; // that writing took
};

// batch_new makes an empty batch; batch_free() it.
MUST_USE bool batch_new(struct batch **out, struct reader *reader,
                        struct err *err);
void batch_free(struct batch *batch);

// batch_reset empties it for entries [frontier->size, end) of a log.
void batch_reset(struct batch *batch, const struct index_log *log,
                 const struct merkle_frontier *frontier, uint64_t end);

// batch_add_part takes the next entries; the part is the batch's until
// batch_drop_parts, but where `joined` says that it is not needed any more.
// False: no memory.
MUST_USE bool batch_add_part(struct batch *batch, struct part *part,
                             bool *joined);
struct part *batch_drop_parts(struct batch *batch);

// batch_chunks gives the chunks that it is made of, to be appended.
size_t batch_chunks(const struct batch *batch,
                    struct chunk *out[BATCH_PARTS_MAX]);

// batch_add takes the next entry, as understood.
MUST_USE bool batch_add(struct batch *batch, const struct entry *entry,
                        struct err *err);

// batch_is_full tells whether all of [first, end) is in it.
static inline bool batch_is_full(const struct batch *batch)
{
    return batch->frontier.size == batch->end;
}

// batch_frontier gives the frontier at a position inside the batch.
void batch_frontier(const struct batch *batch, uint64_t position,
                    struct merkle_frontier *out);

// batch_add_issuer keeps a certificate for the index.
void batch_add_issuer(struct buffer *issuers, struct bytes der);
