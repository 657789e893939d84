// batch.h - one chunk on its way down: entries, encoded, and their proof.
//
//   reader: batch_reset, batch_add_part ... -> proof -> writer -> back to it
//                          `- a worker joins the parts into one chunk
//
// A reader has a fixed number of batches; none free means that nothing more
// is taken, so batches are both memory limit and back-pressure.
//
// Thread    whoever holds it: the reader's or the writer's; a worker has the
//           chunk and `joined` while it joins.

#pragma once

#include "index/index.h"
#include "ingest/part.h"
#include "ingest/source/source.h"

enum {
    BATCH_ENTRIES_MAX = 4096,
    BATCH_PARTS_MAX = 128, // that wait to be joined
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
    struct batch *next; // in the reader's or the writer's list
    struct chunk *chunk;
    struct chunk_proof proof; // head.served is the reader's
    uint64_t first, end;      // planned; `end` is where it will end
    uint64_t begun_ms;
    struct merkle_frontier frontier; // after the last entry added
    struct sha256_hash *leaves;      // hashes of all entries
    struct buffer issuers;           // certificates, u32 length before each

    struct part *parts, **last_part; // not joined yet, in order
    unsigned num_parts;
    struct job join;
    struct part *joined; // by the job, to be used again
    bool is_joining, is_last_join;
    bool is_whole;    // no more parts come
    bool is_complete; // and all are joined
    bool no_memory;
    uint64_t join_ns; // of the last job

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

// batch_add_part takes the next entries; the part is the batch's until it is
// in `joined`.
void batch_add_part(struct batch *batch, struct part *part);

// batch_join begins to join the parts at hand; `done` is called with the
// batch's job, in which batch_take_joined gives the parts back.
void batch_join(struct batch *batch, struct pool_door *door, job_done *done);
struct part *batch_take_joined(struct batch *batch);

// batch_drop_parts gives back what is not joined.
struct part *batch_drop_parts(struct batch *batch);

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
