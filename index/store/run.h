// run.h - an immutable file of keys and their postings, in order.
//
// An LMDB file without a folder:
//
//   blocks    last key, last id(7) -> block of keys (block.h)
//   filters   last key             -> filter (filter.h) as a block: checksum,
//                                     FILTER_PAD_LEN zeros, lines
//   meta      "run"                -> struct run_stat and the seed, as a block
//
// It is written once, by append, in commits of a few MiB without sync; only
// run_writer_finish puts it on the disk, whole, under its name.  What was not
// finished is removed by the caller at start (nobody names it).
//
// Keys of the kinds that are only asked for whole are kept short: run_key().
//
// Lifetime  a cursor ends before its run is closed; a file that was unlinked
//           stays readable until then.
// Order     by key, then id.
// Thread    a run may be shared; a cursor and a writer belong to one thread at
//           a time.
// Result    damage is ERR_INDEX and names the file.  A writer that failed can
//           only be closed.

#pragma once

#include "index/store/block.h"
#include "index/store/gate.h"
#include "index/store/short_key.h"

enum { RUN_KEY_HASH_LEN = SHORT_KEY_LEN - 1 };

// run_key makes the key that a run holds for a key of keys.h, in `out`:
// TERM_CERT_SHA256, TERM_TBS_SHA256 and TERM_SPKI_SHA256 keep the kind and the
// first 6 octets, TERM_SERIAL the kind and the first 6 of its key's SHA-256,
// all others are as they are.  `exact` false: another key may have the same, so
// the caller compares what it asked for with the entry (record's hashes,
// certificate's serial) and drops hits that differ.
struct bytes run_key(struct bytes key, uint8_t out[1 + RUN_KEY_HASH_LEN],
                     bool *exact);

struct run_stat {
    uint64_t first_id, end_id; // ids are of [first_id, end_id)
    uint64_t keys, postings;   // keys: different ones
    uint64_t blocks, filter_bytes;
    uint64_t bytes; // the file's length
};

// ------------------------------------------------------------ writing

struct run_writer;

// run_writer_open makes the file `path`, which must not exist, for ids of
// [first_id, end_id).
MUST_USE bool run_writer_open(struct run_writer **out, const char *path,
                              uint64_t first_id, uint64_t end_id,
                              struct err *err);

// run_writer_add adds a key's hits; keys rise, but one may come again with
// higher ids.
MUST_USE bool run_writer_add(struct run_writer *writer, struct bytes key,
                             const struct hit *hits, size_t num,
                             struct err *err);

// run_writer_finish writes what is left and puts file and folder on the disk;
// close the writer afterwards.
MUST_USE bool run_writer_finish(struct run_writer *writer,
                                struct run_stat *stat, struct err *err);

// run_writer_close ends it; the file of a writer that was not finished is
// removed.
void run_writer_close(struct run_writer *writer);

// ------------------------------------------------------------ reading

struct run;

// run_open opens a file: its head is read, and no block or filter.
MUST_USE bool run_open(struct run **out, const char *path, struct err *err);
void run_close(struct run *run);
const struct run_stat *run_stat(const struct run *run);

// run_may_have tells whether the run may hold `key`, by its filters; they are
// mapped, so that one that was not asked of late is read.
bool run_may_have(const struct run *run, struct bytes key);

// A question to a run's filters, in two steps, so that a caller asks many runs
// at the cost of one: run_probe is false when the run lacks the key, and else
// brings near what run_probe_may_have looks at.  `prefix` is the key's
// run_probe_prefix.
struct run_probe {
    const uint8_t *line;
    uint64_t hash;
};
uint64_t run_probe_prefix(struct bytes key);
bool run_probe(const struct run *run, struct bytes key, uint64_t prefix,
               struct run_probe *probe);
bool run_probe_may_have(const struct run_probe *probe);

// run_probe_pass asks a gate for what run_probe_may_have looks at.
MUST_USE bool run_probe_pass(const struct run *run,
                             const struct run_probe *probe, struct gate *gate,
                             struct err *err);

// run_check_filters tells whether all filters are sound.
MUST_USE bool run_check_filters(const struct run *run, struct err *err);

struct run_cursor;

// run_cursor_open makes a cursor, to be used for many ranges.
MUST_USE bool run_cursor_open(struct run_cursor **out, const struct run *run,
                              struct err *err);
void run_cursor_close(struct run_cursor *cursor);

// run_cursor_set_gate has `gate` asked for every block; NULL: nobody is.
void run_cursor_set_gate(struct run_cursor *cursor, struct gate *gate);

// run_cursor_trust has it take for sound what anybody found sound of late
// (lmdb_was_sound).
void run_cursor_trust(struct run_cursor *cursor);

// run_cursor_range stands before the first posting of [first, end); an empty
// `end` is the end of everything.  Only the tree is touched.
MUST_USE bool run_cursor_range(struct run_cursor *cursor, struct bytes first,
                               struct bytes end, struct err *err);

// run_cursor_range_after stands before the first posting after (key, id) of a
// range that ends at `end`.
MUST_USE bool run_cursor_range_after(struct run_cursor *cursor,
                                     struct bytes key, uint64_t id,
                                     struct bytes end, struct err *err);

// run_cursor_block names the block that run_cursor_next will read, before it
// is touched: empty when it needs none (a hit is at hand, or the end).  The
// caller may bring these bytes into memory first.
struct bytes run_cursor_block(const struct run_cursor *cursor);

// run_cursor_expect tells the gate about that block.
void run_cursor_expect(const struct run_cursor *cursor);

// run_cursor_bring_near has the processor fetch, without waiting, what is
// looked at first of the block that run_cursor_next will read.
void run_cursor_bring_near(const struct run_cursor *cursor);

// run_cursor_next gives the next posting; `key` is good until the next step,
// and BLOCK_KEY_SPARE bytes behind it may be read.  After ERR_COLD the same
// call may be made again.
MUST_USE bool run_cursor_next(struct run_cursor *cursor, struct bytes *key,
                              struct hit *hit, bool *found, struct err *err);

// run_cursor_shared is how many bytes of the key that was given are those of
// the one given before it, of the same range; 0 for the first.
size_t run_cursor_shared(const struct run_cursor *cursor);
