// source.h - one log, whichever protocol it speaks: heads, entries, proofs.
//
//   source_read_head    what a head's bytes say
//   source_ask_piece    some entries from an index on
//   source_prove        how a position lies under the pinned head
//
// rfc6962.c and static.c stand behind it; a folder of tiles is static.c over
// files (ask.h).  Here nothing is decided: what an answer means for the log is
// the reader's to say.
//
// Lifetime  a piece and a proof belong to the source from the call to `done`.
//           A piece's entries live while `take` runs, with `keep` as long as
//           the piece.
// Order     `done` runs only inside ring_run(); proofs end in any order.
// Thread    the ring's, `take` a worker's.

#pragma once

#include "index/entry/entry.h"
#include "index/entry/head.h"
#include "index/entry/merkle.h"
#include "index/index.h"
#include "ingest/parse/get_entries.h"
#include "ingest/source/ask.h"
#include "ingest/verify/tiles.h"

enum {
    SOURCE_BODY_MAX = 64 << 20,      // of an answer with entries
    SOURCE_INFLATED_MAX = 128 << 20, // of a data tile
    SOURCE_BATCH_MAX = 1024,         // entries asked for at once
    SOURCE_PROOF_MAX = 1 << 20,      // of an answer with a proof
    SOURCE_ISSUER_MAX = 1 << 20,
};

struct source;
struct part;
struct piece;
struct proof;
typedef bool piece_take(struct piece *piece, struct worker *worker,
                        struct err *err);
typedef void piece_done(struct piece *piece);
typedef void proof_done(struct proof *proof);

// Some entries of a log, as they came.
struct piece {
    // Set by the caller of source_ask_piece.
    bool fresh;       // over a connection of its own
    bool keep;        // the entries, not only while `take` runs
    piece_take *take; // its entries, on a worker
    piece_done *done;
    void *context;

    // Set by source_ask_piece.
    uint64_t first;
    unsigned num_wanted;
    struct source *source;

    // The result, in ask.result; when it is ASK_ANSWERED:
    unsigned num_entries; // 1 to num_wanted, from `first` on
    struct entry_bytes *entries;
    struct bytes **certificates; // of each entry's chain, one for each
                                 // fingerprint; NULL: the log sends none
    struct ask ask;

    // The reader's own.
    struct piece *next;
    struct part *part;    // what `take` makes of it
    uint64_t planned_end; // of what this piece, or its rest, is to bring
    bool is_ready;

    // The source's own.
    bool full_tile; // a partial tile was not there
    struct arena arena;
};

enum proof_result {
    PROOF_HOLDS,       // `right` leads from our frontier to the head
    PROOF_CONTRADICTS, // `theirs` and `right` do, and are not ours
    PROOF_REFUSED,     // the log has no proof that can be used
    PROOF_BAD_TILES,   // its hash tiles do not lead to its head; see `err`
    PROOF_GIVEN_UP,    // no answer; see `err`
    PROOF_CANCELED,
};

struct proof {
    // Set by the caller.
    uint64_t position; // 0 < position < size of the head
    bool has_ours;     // else `theirs` is what is asked for
    struct merkle_frontier ours;
    bool has_leaf;
    struct sha256_hash leaf; // of entry position - 1
    proof_done *done;
    void *context;

    // The result.
    enum proof_result result;
    struct merkle_frontier theirs;
    struct merkle_proof right;
    struct err err;

    // The source's own.
    struct source *source;
    struct proof *next;
    struct ask ask;
    unsigned stage;
};

struct source_ops {
    const char *head_path;
    bool (*read_head)(struct source *source, struct bytes served,
                      struct head *head, struct err *err);
    unsigned (*piece_width)(struct source *source, uint64_t first,
                            uint64_t end);
    void (*prepare_piece)(struct ask *ask);
    // Takes a body apart, on a worker; what it makes goes into the arena.
    bool (*cut_piece)(struct piece *piece, struct worker *worker,
                      struct arena *arena, struct err *err);
    // What an answer tells of the log; may be NULL.
    void (*learn_piece)(struct source *source, const struct piece *piece);
    void (*refused_piece)(struct ask *ask);
    void (*prove)(struct source *source, struct proof *proof);
    void (*cancel)(struct source *source);
};

struct source {
    const struct source_ops *ops;
    struct ring *ring;
    struct asker *asker;
    const struct log_key *key;
    const char *origin;
    bool pinned;
    uint64_t size; // of the pinned head
    struct sha256_hash root;

    // RFC 6962: entries a call, as learnt.
    unsigned batch, batch_max;
    bool batch_known;
    unsigned num_full; // answers in a row that were not cut

    // Static.
    struct tiles *tiles;
    struct proof *proofs, **last_proof; // one at a time: they share the tiles
    struct ask tile_ask;
    struct tile_id tile;
    bool full_tile, tile_fresh, tile_busy, canceling;
    struct ring_op post;
};

extern const struct source_ops source_rfc6962, source_static;

// source_init sets it out for a protocol; source_cleanup frees what it holds
// (the asker is the caller's), when nothing is under way.
void source_init(struct source *source, enum log_api api);
void source_cleanup(struct source *source);

// source_pin says under which head proofs are asked for; what is proven under a
// head of that tree stays.  False: no memory.
MUST_USE bool source_pin(struct source *source, const struct head *head);

// source_ask_piece asks for entries from `first` on, of [first, end).
void source_ask_piece(struct source *source, struct piece *piece,
                      uint64_t first, uint64_t end);

// piece_reset makes a piece {0} but for memory that it may use again;
// piece_cleanup frees that, too.
void piece_reset(struct piece *piece);
void piece_cleanup(struct piece *piece);

// source_prove asks how a position lies under the pinned head.
void source_prove(struct source *source, struct proof *proof);

// source_cancel has proofs that wait come back as PROOF_CANCELED; questions
// under way are the asker's to cancel.
void source_cancel(struct source *source);

// proof_judge sets the result from a frontier and siblings that came: they
// must lead to the pinned head.  False when they do not: no proof.
bool proof_judge(struct proof *proof, const struct merkle_frontier *theirs,
                 const struct merkle_proof *right);

// proof_end has `done` called.
void proof_end(struct proof *proof, enum proof_result result);
