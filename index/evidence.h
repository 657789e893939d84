// evidence.h - what logs did wrong, kept so that it can be shown again.
//
//   INDEX/evidence/LOG_ID_HEX-20261124T101445.123Z-KIND/
//     incident.json   log, key, kind, heads as served, range, what was expected
//                     and computed, and what the proof needs
//     leaves          the MerkleTreeLeafs of the range, u32 length before each
//     nodes           or hashes: 32 bytes each
//     ...             the bytes as they came, under the caller's names
//
// A folder proves its incident without the network and without the index:
//
//   head     the bytes served do not hold under the key and origin
//   fork     heads[0] is the accepted head and heads[1] the other one, both
//            signed: one size with two roots; or the tree of the larger has
//            another root at the smaller's size than the smaller (`left` at
//            that size and `right` lead to the larger); or what was served for
//            the range does not lead from the smaller to the larger
//   entries  heads[0] is signed, and the entries kept are not those that it
//   tiles    demands; tiles keep hashes of 2^level leaves each
//   final    heads[0] is signed, and lies beyond final_tree_head or has another
//            root at its size
//   missing  heads[0] is signed and covers the range, which was not served
//
// Entries and tiles are shown wrong in one of two ways.  With `demanded`, a
// frontier at `end` that `right` leads to heads[0].root (so the head vouches
// for it): `left` and the leaves give another one.  Without: `left`, the leaves
// and `right` do not lead to heads[0].root.
//
// Order     everything is written under a name that begins with ".tmp", synced,
//           renamed and the folder synced: an incident is there whole or not.
// Thread    one writer at a time for an index; readers any.
// Result    ERR_INDEX: the disk; ERR_MALFORMED: not an evidence folder's bytes.
// Limit     EVIDENCE_INCIDENTS_MAX folders a log and kind: beyond that a log
//           only repeats itself, and must not fill the disk.

#pragma once

#include "index/entry/head.h"
#include "index/entry/merkle.h"

enum { EVIDENCE_INCIDENTS_MAX = 64, EVIDENCE_HEADS_MAX = 2 };

enum evidence_kind {
    EVIDENCE_HEAD,
    EVIDENCE_FORK,
    EVIDENCE_ENTRIES,
    EVIDENCE_TILES,
    EVIDENCE_FINAL,
    EVIDENCE_MISSING,
};

// Bytes as they came; `name` may be a path, its slashes become "_".
struct evidence_file {
    const char *name;
    struct bytes bytes;
};

struct evidence {
    enum evidence_kind kind;
    const char *log_name;
    const char *origin;   // of checkpoints; NULL or "" where only STHs come
    struct bytes key_der; // gives the log id
    uint64_t time_ms;     // now
    // As served.  Of EVIDENCE_HEAD only `kind` and `served` are meant.
    struct head heads[EVIDENCE_HEADS_MAX];
    size_t num_heads;
    uint64_t first, end;  // the range; both 0 where it is not about one
    const char *expected; // a sentence each, without bytes of strangers
    const char *computed; // that were not escaped
    // How the range lies under heads[0]; NULL and 0 where not known.
    const struct merkle_frontier *left; // at `first`; fork: at the smaller size
    const struct bytes *leaves;         // MerkleTreeLeafs from `first` on, or
    size_t num_leaves;
    const struct sha256_hash *nodes; // roots of 2^level leaves each
    size_t num_nodes;
    unsigned level;
    const struct merkle_frontier *demanded; // at `end`
    const struct merkle_proof *right;       // from `end` to the (larger) head
    bool has_final;                         // final_tree_head
    uint64_t final_size;
    struct sha256_hash final_root;
    const struct evidence_file *files;
    size_t num_files;
};

// evidence_write keeps an incident below INDEX folder `dir`, unless the same
// one is there already.  The same is: of a head the same expected and computed,
// of a fork the same two heads (size and root), of final the same tree head, of
// the others the same range; polls and newer timestamps make no new incident.
MUST_USE bool evidence_write(const char *dir, const struct evidence *evidence,
                             struct err *err);

// An incident that is kept, as list and check show it.
struct evidence_info {
    const char *folder; // its name below INDEX/evidence
    enum evidence_kind kind;
    struct sha256_hash log_id;
    const char *log_name;
    const char *time;     // RFC 3339
    uint64_t first, end;  // both 0: not about a range
    const char *expected; // "" where there is none
    const char *computed;
    bool readable;        // false: `sentence` says what is damaged; of the
                          // rest only `folder` is meant
    bool proven;          // evidence_check: it proves what it says
    const char *sentence; // evidence_check: why, or why not
};

// Called once an incident; false (with err) ends the walk.
typedef bool evidence_visit(void *context, const struct evidence_info *info,
                            struct err *err);

// evidence_list visits every incident of an index, by folder name; none is no
// error.  `info` is good during the visit.
MUST_USE bool evidence_list(const char *dir, evidence_visit *visit,
                            void *context, struct err *err);

// evidence_check does the same and proves each again from its bytes alone; the
// caller exits with 5 when one is not `proven`.
MUST_USE bool evidence_check(const char *dir, evidence_visit *visit,
                             void *context, struct err *err);

// evidence_kind_word is the kind as folders and incident.json write it.
const char *evidence_kind_word(enum evidence_kind kind);
