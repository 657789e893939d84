// index.h - the face of the index: open it, append chunks, look up.
//
//   one writer                          any number of readers
//     index_open(INDEX_WRITE)             index_open(INDEX_READ)
//     index_add_log, index_accept_head    snapshot_open
//     chunk_add ... index_append          snapshot_seek, cursor_next
//     index_close                         snapshot_entry ... snapshot_close
//
// An entry's *id* is its place in the order of discovery: one running number
// below 2^53 over all logs.  The entries of a chunk have consecutive ids, and
// everything of a chunk becomes visible in one transaction.
//
// Lifetime  what a snapshot returns lives until snapshot_close, what was
//           decoded until the caller's arena is reset.
// Thread    an index may be shared; index_append, index_* writes are
//           serialised inside.  A snapshot belongs to one thread at a time.
// Result    ERR_INDEX: damaged, locked, full disk (the sentence names the file
//           system and what is missing), another format number.  After a
//           failed write the caller stops: nothing is retried in the process.

#pragma once

#include "index/base/arena.h"
#include "index/base/memo.h"
#include "index/entry/record.h"  // struct entry_facts
#include "index/store/chunk.h"   // chunk_new, chunk_add, ...
#include "index/store/log.h"     // struct index_log, struct chunk_proof
#include "index/store/posting.h" // struct posting

enum { INDEX_FORMAT = 3 };
enum index_mode { INDEX_READ, INDEX_WRITE };

struct index;

// index_open opens the index in `dir`.  INDEX_WRITE makes it where there is
// none (the parent must exist) and takes the writer's lock; INDEX_READ of a
// folder without an index is ERR_INDEX.
MUST_USE bool index_open(struct index **out, const char *dir,
                         enum index_mode mode, struct err *err);

// index_close closes it; NULL is fine.
void index_close(struct index *index);

// index_allow_files lets this process open as many files as the system bears:
// an index that was not compacted yet has thousands.  For programs, at their
// start; a library leaves its process alone.
void index_allow_files(void);

// index_dir is the folder it lies in.
const char *index_dir(const struct index *index);

// ---------------------------------------------------------------- logs

// index_add_log finds the log by `log->id` or adds it, updates what describes
// it (name, url, origin, api, mmd, ended, final) and fills in the rest.
// ERR_USAGE when `log->keep` is not what the log was begun with.
MUST_USE bool index_add_log(struct index *index, struct index_log *log,
                            struct bytes key_der, struct err *err);

// index_set_halt stores what stands in the way of a log, or HALT_NONE.
MUST_USE bool index_set_halt(struct index *index, uint32_t log,
                             enum index_halt halt, struct err *err);

// index_accept_head stores a head whose signature holds and that was shown to
// be consistent with all heads accepted before it.  It becomes the log's
// newest where it is larger, or as large and younger.
MUST_USE bool index_accept_head(struct index *index, uint32_t log,
                                const struct head *head, struct err *err);

// index_add_issuer keeps an issuer's certificate once, under its fingerprint.
// It waits for the next write (or index_close) and is there from then on.
MUST_USE bool index_add_issuer(struct index *index, struct bytes der,
                               struct err *err);

// ---------------------------------------------------------------- chunks

// index_append makes proven chunks visible, in order, in one transaction: of
// each proof one, or those that follow one another and were proven as one
// (chunk_proof_num).  The caller has shown that left, the chunk's leaves and
// right give head.root: the index asserts nothing about it here, verify does.
// Entries that the index holds already are refused (ERR_INDEX).
MUST_USE bool index_append(struct index *index, struct chunk *const *chunks,
                           const struct chunk_proof *proofs, size_t num_proofs,
                           struct err *err);

// index_set_memory lets appended chunks wait in memory, up to about so many
// bytes: many become a segment and a run (store/), which is what a large log
// needs; few go to the tail.  From then on index_append takes the chunks'
// content (and may leave them other memory), and threads of the index's own
// write what half of the bytes have been used up for while the other half
// fills; an append waits when both are full.  What was taken is visible and on
// the disk after index_flush or index_close.  What fails is told by the next
// append or flush, and by all after it.  Runs are merged on one more thread.
MUST_USE bool index_set_memory(struct index *index, uint64_t bytes,
                               struct err *err);

// index_flush makes everything visible that was appended.
MUST_USE bool index_flush(struct index *index, struct err *err);

// index_flush_idle is for a writer that has had nothing to append for a while:
// it flushes what would go to the tail, and after `idle_ms` of some seconds, or
// when it waited long, everything.
MUST_USE bool index_flush_idle(struct index *index, uint64_t idle_ms,
                               struct err *err);

// index_compact leaves one run and large segments; nothing else may be
// appended meanwhile.  Answers do not change.  `progress` (may be NULL) learns
// how much of which step is done and says whether to go on: else
// ERR_INTERRUPTED, with everything as it was before the step at hand.
typedef bool compact_progress(void *context, const char *step, uint64_t done,
                              uint64_t total);
MUST_USE bool index_compact(struct index *index, compact_progress *progress,
                            void *context, struct err *err);

// ---------------------------------------------------------------- reading

struct snapshot; // one moment of the index, unchanged until it is closed

MUST_USE bool snapshot_open(struct snapshot **out, struct index *index,
                            struct err *err);
void snapshot_close(struct snapshot *snapshot);

// snapshot_renew moves to the newest state; `changed` tells whether it is
// another one.  What was returned before is gone.
MUST_USE bool snapshot_renew(struct snapshot *snapshot, bool *changed,
                             struct err *err);

// snapshot_park lets go of the moment and keeps everything that makes the next
// snapshot_renew cheap; nothing else may be asked in between.
void snapshot_park(struct snapshot *snapshot);

// snapshot_set_gate has `gate` (index/store/gate.h) asked for every block
// before anything is looked up: what the snapshot is asked may then fail with
// ERR_COLD, and is asked again later.  NULL: nobody is.
struct gate;
void snapshot_set_gate(struct snapshot *snapshot, struct gate *gate);

// snapshot_trust is for who answers questions: a block that was found sound is
// not checked again for a minute, while nobody writes to its file.  Right after
// snapshot_open.
void snapshot_trust(struct snapshot *snapshot);

// snapshot_expect tells the gate that an entry will be asked for.
void snapshot_expect(struct snapshot *snapshot, uint64_t id);

// snapshot_bring_near has the processor fetch side by side what snapshot_facts
// and, `with_records`, snapshot_entries of up to SNAPSHOT_NEAR_MAX ids look at
// first; nothing but trees is read.
enum { SNAPSHOT_NEAR_MAX = 8 };
void snapshot_bring_near(struct snapshot *snapshot, const uint64_t *ids,
                         size_t num, bool with_records);

// snapshot_num_runs is how many runs of names there are: more than a few wait
// to be merged.
size_t snapshot_num_runs(const struct snapshot *snapshot);

// snapshot_memo is for whoever makes text of what a snapshot holds; it forgets
// all when the snapshot moves to another state.
struct memo *snapshot_memo(struct snapshot *snapshot);

// snapshot_guest is the place where whoever asks keeps one thing with the
// snapshot; NULL at first.  snapshot_close has it dropped.
struct snapshot_guest {
    void (*drop)(struct snapshot_guest *guest);
};
struct snapshot_guest **snapshot_guest(struct snapshot *snapshot);

// snapshot_num_logs and snapshot_log list the logs, by number.
size_t snapshot_num_logs(const struct snapshot *snapshot);
const struct index_log *snapshot_log(const struct snapshot *snapshot,
                                     size_t position);

// snapshot_find_log finds a log by its number; NULL when there is none.
const struct index_log *snapshot_find_log(const struct snapshot *snapshot,
                                          uint32_t number);

// snapshot_ranges gives the ranges of a log that are held, merged, in order.
MUST_USE bool snapshot_ranges(struct snapshot *snapshot, uint32_t log,
                              struct log_range **out, size_t *num_ranges,
                              struct arena *arena, struct err *err);

// snapshot_key gives the log's public key (DER).
MUST_USE bool snapshot_key(struct snapshot *snapshot, uint32_t log,
                           struct bytes *der, struct err *err);

// snapshot_frontier gives the frontier of [0, size) for size <= verified.
MUST_USE bool snapshot_frontier(struct snapshot *snapshot, uint32_t log,
                                uint64_t size, struct merkle_frontier *out,
                                struct err *err);

// snapshot_heads gives every accepted head of a log, by size, then time.
MUST_USE bool snapshot_heads(struct snapshot *snapshot, uint32_t log,
                             struct head **out, size_t *num_heads,
                             struct arena *arena, struct err *err);

// snapshot_issuer gives an issuer's certificate; ERR_NOT_FOUND.
MUST_USE bool snapshot_issuer(struct snapshot *snapshot,
                              const struct sha256_hash *fingerprint,
                              struct bytes *der, struct err *err);

// snapshot_issuer_key gives the SHA-256 of an issuer's public key; `*found` is
// false where its certificate is not held or has none that can be read.
MUST_USE bool snapshot_issuer_key(struct snapshot *snapshot,
                                  const struct sha256_hash *fingerprint,
                                  bool *found, struct sha256_hash *key,
                                  struct err *err);

// A cursor walks postings by (key, id).
struct cursor;

// cursor_open starts at the first posting of [first, end), a range of keys as
// keys.h makes them: those of one key alone are [key, key 00).  An empty `end`
// is the end of everything.  Keys of certificates, TBSCertificates, public keys
// and serials are to be asked for one by one: in a wider range they may come
// shortened (run.h).  cursor_close() it before the snapshot is renewed or
// closed.
MUST_USE bool cursor_open(struct cursor **out, struct snapshot *snapshot,
                          struct bytes first, struct bytes end,
                          struct err *err);
void cursor_close(struct cursor *cursor);

// cursor_accept_short lets a cursor of one key also give postings of other keys
// that are shortened to the same: for who looks at the entries anyway.  Before
// the first cursor_next.
void cursor_accept_short(struct cursor *cursor);

// cursor_bring_near finds, where few runs have what is asked for, all their
// blocks, and has the processor fetch them without waiting.
MUST_USE bool cursor_bring_near(struct cursor *cursor, struct err *err);

// cursor_next gives the next posting; at the end `*found` is false.
MUST_USE bool cursor_next(struct cursor *cursor, struct posting *posting,
                          bool *found, struct err *err);

// cursor_blocks names blocks that cursor_next will read and that were not
// touched yet, up to `max`: for who counts what a look-up reads.  Only trees
// are touched.
MUST_USE bool cursor_blocks(struct cursor *cursor, struct bytes *blocks,
                            size_t max, size_t *num, struct err *err);

// cursor_seek_after moves so that cursor_next gives the first posting that
// comes after (key, after): to go on where a page ended, or to skip ids.
MUST_USE bool cursor_seek_after(struct cursor *cursor, struct bytes key,
                                uint64_t after, struct err *err);

// snapshot_facts reads them; ERR_INDEX when the record is damaged.  `group` may
// be missing (zeros): compare group_mark, ask snapshot_group.
MUST_USE bool snapshot_facts(struct snapshot *snapshot, uint64_t id,
                             struct entry_facts *facts, struct err *err);

// snapshot_group gives the group of an entry's facts.
MUST_USE bool snapshot_group(struct snapshot *snapshot, uint64_t id,
                             struct sha256_hash *group, struct arena *arena,
                             struct err *err);

// snapshot_entry reads the entry and understands those of its parts that are
// wanted (enum entry_part), in `arena`.  Of an index kept as facts the
// certificate's bytes are not there (`*has_bytes` is false): cert holds what
// was kept, hashes are those of the original.
MUST_USE bool snapshot_entry(struct snapshot *snapshot, uint64_t id,
                             unsigned parts, struct entry *entry,
                             bool *has_bytes, struct arena *arena,
                             struct err *err);

// snapshot_entries reads up to SNAPSHOT_ENTRIES_MAX entries side by side, whose
// facts are known, and understands none of their parts.
enum { SNAPSHOT_ENTRIES_MAX = 8 };
struct entry_request {
    uint64_t id;
    const struct entry_facts *facts; // as snapshot_facts gave them
    struct entry *entry;             // where it goes
    bool has_bytes;                  // as of snapshot_entry
};
MUST_USE bool snapshot_entries(struct snapshot *snapshot,
                               struct entry_request *requests, size_t num,
                               struct arena *arena, struct err *err);

// snapshot_find_entry finds the id of a log's entry; ERR_NOT_FOUND.
MUST_USE bool snapshot_find_entry(struct snapshot *snapshot, uint32_t log,
                                  uint64_t index, uint64_t *id,
                                  struct err *err);

// snapshot_each_chunk visits a log's chunks by first entry, with their proofs.
typedef bool chunk_visit(void *context, const struct chunk_info *chunk,
                         struct err *err);
MUST_USE bool snapshot_each_chunk(struct snapshot *snapshot, uint32_t log,
                                  chunk_visit *visit, void *context,
                                  struct err *err);

// snapshot_find_chunk gives the chunk that holds a log's entry, with its proof;
// ERR_NOT_FOUND.
MUST_USE bool snapshot_find_chunk(struct snapshot *snapshot, uint32_t log,
                                  uint64_t index, struct chunk_info *out,
                                  struct err *err);

// snapshot_leaf_hash gives the leaf hash of an entry: of KEEP_FULL from the
// leaf's bytes, of KEEP_FACTS as it was kept.
MUST_USE bool snapshot_leaf_hash(struct snapshot *snapshot, uint64_t id,
                                 struct sha256_hash *hash, struct arena *arena,
                                 struct err *err);

// snapshot_next_id is one above the highest id: an `after` that will only give
// what comes later.
uint64_t snapshot_next_id(const struct snapshot *snapshot);

struct index_stat {
    // A key that stands in several runs is counted in each.
    uint64_t entries, keys, postings, unparsed;
    uint64_t segments, runs, tail_entries;
    uint64_t bytes_total, bytes_entries, bytes_names, bytes_other;
    // Of bytes_names, what look-ups want to find in memory: the runs' filters,
    // ten bits a key.
    uint64_t bytes_filters;
};

// snapshot_stat counts.
MUST_USE bool snapshot_stat(struct snapshot *snapshot, struct index_stat *stat,
                            struct err *err);

// log_status is what answers say of a log at a moment: halted, partial (not
// all of the newest head is held, or never reached), stale (CLI.md), complete.
enum log_status {
    STATUS_COMPLETE,
    STATUS_PARTIAL,
    STATUS_STALE,
    STATUS_HALTED
};
enum log_status log_status(const struct index_log *log, uint64_t now_ms);
const char *log_status_word(enum log_status status);
