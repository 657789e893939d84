// merge.h - many runs become one, and which of them should.
//
// Cursors read in order, one writer appends: memory is a block for each run and
// a few MiB of the writer's, whatever their size.
//
// Lifetime  runs are borrowed; nothing of them changes.
// Order     runs hold different ids, but for equal postings, of which one is
//           left, its `via` all of theirs.
// Thread    any; `progress` is called on it.
// Result    ERR_INTERRUPTED when `progress` said stop; the file is then gone.

#pragma once

#include "index/store/run.h"

enum { MERGE_RUNS_MAX = 64 };

// merge_progress learns how many postings are done and tells whether to go on.
typedef bool merge_progress(void *context, uint64_t done, uint64_t total);

// merge_runs merges `num` (1 to MERGE_RUNS_MAX) runs into the new file `path`,
// finished as run_writer_finish does.  `progress` may be NULL.
MUST_USE bool merge_runs(const char *path, struct run *const *runs, size_t num,
                         merge_progress *progress, void *context,
                         struct run_stat *stat, struct err *err);

// merge_space_bytes is what the file may need at most: to be looked for before.
uint64_t merge_space_bytes(const struct run_stat *stats, size_t num);

// Which runs to merge next: positions in the list given.
struct merge_choice {
    size_t num; // 0: nothing to do
    size_t chosen[MERGE_RUNS_MAX];
};

// merge_choose looks at the sizes (postings) of all runs that are not being
// merged: those that differ by less than MERGE_APART times are a tier, and a
// tier of MERGE_FAN runs becomes one, well apart from those it was made of
// though they are not all of a size.  So there are at most (MERGE_FAN - 1) runs
// in each of log(total) tiers when nothing is left to do, and each posting is
// written log(total) times: twice until there are 4096 times as many entries as
// in a flush.  Smallest tier first.
//
// A run more costs a look-up 25 ns where its filter says no (bench_runs), a
// merge more costs a posting 80 ns: the fan is wide.
enum { MERGE_FAN = 16, MERGE_APART = MERGE_FAN / 2 };
void merge_choose(struct merge_choice *choice, const uint64_t *sizes,
                  size_t num);

// merge_choose_all is what compacting takes: the smallest ones up to
// MERGE_RUNS_MAX at a time until one is left.
void merge_choose_all(struct merge_choice *choice, const uint64_t *sizes,
                      size_t num);
