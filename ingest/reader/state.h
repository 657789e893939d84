// state.h - the inside of a reader, for the files of this folder only.
//
//   head.c    which head is pinned: signature, forks, final_tree_head
//   probe.c   which protocol it speaks, where nobody has said so
//   pieces.c  what is asked for ahead; workers understand and encode it
//   issuers.c the certificates that chains name
//   share.c   how much memory it has
//   read.c    entries in order: pieces -> batches -> proofs -> writer
//   fault.c   what does not fit: search, second reading, halt, evidence
//   spool.c   where the log proves nothing: all of it to disk first
//   fallback.c where its tiles are missing: get-entries
//   reader.c  beginning and end
//
//   ask_head -> judge -> extension proven -> plan gaps -> read each -> finish
//     head twice bad               halt: head
//     two heads cannot be true     halt: fork
//     chunk contradicts the head   search, read again, then halt: entries
//     hash tiles contradict it     halt: tiles
//     proofs refused               spool to the head, then its root decides
//     no answer for --retry        partial, proven up to what is missing
//     tiles missing or wrong       get-entries, where the log has them
//
// Every change of course goes through reader_settle: questions are called
// back, the writer and the workers are waited for, and only then the next step
// begins.  So what workers read of a reader changes between steps only.

#pragma once

#include <pthread.h>

#include "ingest/batch.h"
#include "ingest/pipeline.h"
#include "ingest/reader/reader.h"
#include "ingest/reader/spool.h"
#include "ingest/verify/chunk.h"

enum {
    READER_BATCHES_MAX = 8,
    READER_CHECKS_MAX = 8,
    BYTES_PER_ENTRY_FIRST = 5000, // RFC 6962 JSON of real logs: 4,400
};

typedef void reader_step(struct reader *reader);

enum reader_mode {
    MODE_IDLE,   // between steps
    MODE_READ,   // pieces -> batches
    MODE_REPLAY, // spool -> batches
};

// What is asked to learn a protocol that is not known.
enum probe {
    PROBE_NONE,
    PROBE_STH,
    PROBE_CHECKPOINT,
    PROBE_LAST, // for as long as --retry allows
};

struct probe_answer {
    unsigned status;
    char path[32];
    char said[160];
    char moved_to[200]; // the URL to give instead; or empty
};

struct reader {
    struct reader_config config;
    struct reader_options options;
    struct pipeline *pipeline;
    struct index_log log;
    struct asker *asker;
    struct live live;
    struct source source;
    enum reader_mode mode;
    size_t memory; // its share, and what it has borrowed

    // Settling.
    reader_step *settled; // what follows; NULL: not settling
    unsigned num_asked;   // pieces, proofs, heads, issuers under way
    unsigned num_writing; // batches at the writer
    bool stopping, ending;
    struct ring_op post, timer;

    // Heads.
    struct ask head_ask;
    bool head_again; // asked a second time
    enum probe probe;
    struct probe_answer probed[2]; // to get-sth, and to the checkpoint
    unsigned num_probed;
    struct err head_err; // why the head does not hold
    struct head head;    // the newest that was served and holds
    struct buffer served;
    struct arena heads_arena;
    struct head *accepted;
    size_t num_accepted;
    struct head pin;
    struct buffer pin_served;
    bool pin_accepted;
    bool more;          // when `pin` is read through, `head` comes
    struct proof proof; // of extension, gap or search: one at a time
    struct head checks[READER_CHECKS_MAX]; // smaller heads, met on the way
    size_t num_checks;

    // What is to be read.
    bool caught_up;         // once, under --follow
    uint64_t partial_tile;  // the tile at the edge that is not full
    uint64_t partial_since; // when it was first seen
    struct arena gaps_arena;
    struct log_range *gaps;
    size_t num_gaps, gap;
    bool has_missing; // in an archive, the first of it:
    uint64_t missing_first, missing_end;
    struct archive_check *check;
    bool checked;

    // Reading: [.., frontier.size) understood, [.., asked) asked for.
    struct merkle_frontier frontier;
    uint64_t asked;
    bool fresh;   // over new connections
    bool gave_up; // a piece: nothing beyond it is asked for
    struct piece *pieces, **last_piece;
    struct piece *held; // of a suspect batch, as evidence
    struct piece *spare;
    struct part *spare_parts;
    unsigned num_pieces;
    size_t bytes_per_entry; // as they come and encoded, a mean
    struct batch *batches[READER_BATCHES_MAX];
    unsigned num_batches;
    unsigned connections; // to the log, at most
    struct batch *filling;
    struct batch *proving, **last_proving; // in order
    uint64_t chunk_width;
    struct arena arena;    // of one entry
    struct buffer issuers; // to go with the next batch
    struct issuer_ask *issuer_asks;
    struct sha256_hash issuers_seen[ISSUERS_SEEN];

    // What does not fit.
    bool has_suspect;
    uint64_t suspect_first, suspect_end;
    struct bisect search;
    struct batch *suspect;
    unsigned num_searches; // since a batch was last proven
    bool search_start;     // the search's first position is not proven either

    // The spool.
    // Without the tiles that it offers.
    bool fell_back;
    struct wanted_issuer *wanted; // asked for, and not there
    size_t num_wanted;

    struct spool *spool;
    bool spooling, spool_again;
    struct merkle_frontier spool_left;  // before its first entry
    struct merkle_frontier spool_whole; // after its last
    const struct head *spool_fork; // a smaller head that our tree passed by
    struct merkle_frontier spool_chunk; // of the aligned chunk at hand
    struct subtrees subtrees;

    struct reader_totals totals; // the ring thread's
    struct cpu_meter meter;
    uint64_t started_ms;
    uint64_t num_added; // entries held beyond those at the start
    pthread_mutex_t lock;
    struct reader_totals shown; // under the lock
};

// ---------------------------------------------------------------- reader.c

// reader_settle waits until nothing is under way, calling back what is asked
// unless `drain`, and then takes the step.
void reader_settle(struct reader *reader, bool drain, reader_step *step);

// reader_returned counts one question or batch back; true when the reader is
// settling: whoever asks does nothing more.
bool reader_returned(struct reader *reader, unsigned *counter);

// reader_end ends it for good, after settling.
void reader_end(struct reader *reader, enum reader_status status,
                const struct err *err);

// reader_fail ends it because index or memory failed, and all others too.
void reader_fail(struct reader *reader, const struct err *err);

// reader_reload reads what the index holds of the log.
bool reader_reload(struct reader *reader, struct err *err);

// reader_show copies the totals for others to see.
void reader_show(struct reader *reader);

// reader_set_source has it read by `log.api`; reader_open_asker asks there.
void reader_set_source(struct reader *reader);
MUST_USE bool reader_open_asker(struct reader *reader, struct err *err);

// ---------------------------------------------------------------- head.c

// head_ask begins a round: asks for a head.
void head_ask(struct reader *reader);

// head_next_gap begins the next gap, or finishes the round.
void head_next_gap(struct reader *reader);

// ---------------------------------------------------------------- probe.c

// probe_begin finds out the protocol where it is not known; probe_is_optional
// tells whether the head that is asked for may be refused.
void probe_begin(struct reader *reader);
bool probe_is_optional(const struct reader *reader);

// probe_failed learns that no head came.  True: ask again, as `log.api` is now;
// false: the reader has ended, in a sentence.
bool probe_failed(struct reader *reader, const struct ask *ask);

// ---------------------------------------------------------------- share.c

// share_begin makes batches for the log's share of the memory; share_end gives
// it back when the log has ended, share_cleanup frees what is left.
MUST_USE bool share_begin(struct reader *reader, struct err *err);
void share_end(struct reader *reader);
void share_cleanup(struct reader *reader);

// share_widen borrows memory where so many entries are still to be read;
// share_narrow returns it, when nothing is under way.
void share_widen(struct reader *reader, uint64_t num_left);
void share_narrow(struct reader *reader);

// ---------------------------------------------------------------- read.c

// read_begin reads the current gap from `frontier` on.
void read_begin(struct reader *reader);

// read_pump does whatever can be done now.
void read_pump(struct reader *reader);

// read_stop drops pieces and batches that are not at the writer.
void read_stop(struct reader *reader);

// read_open_batch begins a batch if one is free.
bool read_open_batch(struct reader *reader, uint64_t end);

// read_add understands one entry into the filling batch.
bool read_add(struct reader *reader, const struct entry_bytes *bytes);

// read_hand_on gives proven batches to the writer, in order.
void read_hand_on(struct reader *reader);

// read_chunk_end is where the chunk from `first` on ends.
uint64_t read_chunk_end(const struct reader *reader, uint64_t first);

// ---------------------------------------------------------------- pieces.c

// pieces_ask asks for pieces while there is room for them.
void pieces_ask(struct reader *reader);

// pieces_pop takes the first piece off; what it lacks is asked for in its
// place.  False: the reader has failed.
bool pieces_pop(struct reader *reader);

// pieces_give_parts takes parts back, to be used again.
void pieces_give_parts(struct reader *reader, struct part *part);

// pieces_drop_held drops what is held; pieces_stop all pieces, when none is
// under way; pieces_cleanup frees them.
void pieces_drop_held(struct reader *reader);
void pieces_stop(struct reader *reader);
void pieces_cleanup(struct reader *reader);

// --------------------------------------------------------------- issuers.c

// issuers_copy copies those of an entry's certificates into the part that
// nobody has seen yet; on a worker.
void issuers_copy(struct reader *reader, struct part *part,
                  const struct entry_bytes *bytes,
                  const struct bytes *certificates);

// issuers_take takes what came with a piece, and asks for what did not.
void issuers_take(struct reader *reader, struct piece *piece);

// ---------------------------------------------------------------- fault.c

// fault_wrong deals with the first batch that contradicts the head.
void fault_wrong(struct reader *reader, struct batch *batch);

// fault_head, fault_fork, fault_final, fault_tiles: what a head did wrong.
void fault_head(struct reader *reader);
void fault_fork(struct reader *reader, const struct head *accepted,
                const struct head *other, const struct merkle_frontier *left,
                const struct merkle_proof *right);
void fault_final(struct reader *reader);
void fault_tiles(struct reader *reader, const struct err *err);

// fault_range halts the log for all of [first, end).
void fault_range(struct reader *reader, uint64_t first, uint64_t end);

// fault_damaged halts the log: a zip is damaged where it holds something of
// [first, end), or its head.
void fault_damaged(struct reader *reader, const struct err *err, uint64_t first,
                   uint64_t end);

// fault_given_up ends the run for the log: partial, with evidence where the
// log had signed for what is missing.
void fault_given_up(struct reader *reader, const struct err *err,
                    unsigned status, uint64_t first, uint64_t end);

// issuers_cleanup forgets those that were not there.
void issuers_cleanup(struct reader *reader);

// ---------------------------------------------------------------- fallback.c

// fallback_begin goes on by get-entries where it can; `why` is what is wrong
// with the tiles.  False: nothing has changed.
bool fallback_begin(struct reader *reader, const struct err *why);

// ---------------------------------------------------------------- spool.c

// spool_start reads from `first` to the head into the spool.
void spool_start(struct reader *reader, uint64_t first);

// spool_take keeps an entry; its leaf hash goes into the frontier.
bool spool_take(struct reader *reader, const struct entry_bytes *bytes);

// spool_finish compares the root at the head, and replays or halts.
void spool_finish(struct reader *reader);

// spool_pump goes on with the replay while batches are free.
void spool_pump(struct reader *reader);

// spool_drop forgets the spool.
void spool_drop(struct reader *reader);
