// names_only.h - the names of a corpus put into an index of nothing else: one
// LMDB tree in batches, and, as sanct does, sorted runs merged into one.
//
// Postings are the names and addresses of the corpus's entries, as many as
// BENCH_NAIVE (settings.h) says at most; both take in the same ones and leave
// them on the disk.
//
// Thread    the caller's, and no other: so CPU time and wall time compare.
// Result    what cannot go on ends the program.

#pragma once

#include "bench/figures.h"
#include "bench/settings.h"
#include "index/entry/entry.h"

// names_each visits names and addresses of entries in order, until the visitor
// stops.
typedef bool names_visit(void *context, const struct term *term,
                         uint64_t entry);
void names_each(const struct settings *settings, const struct corpus *corpus,
                names_visit *visit, void *context);

// names_into_tree puts each posting into one tree, as they come, in FOLDER, and
// writes a line a point of its trend beside the figures: FIGURES.naive.tsv.
//
//   naive_ns, naive_cpu_ns            a posting, all of them
//   naive_last_ns, naive_last_cpu_ns  since half of them were in
//   naive_bytes                       a posting
//   naive_postings, naive_postings_per_entry
void names_into_tree(struct figures *figures, const struct corpus *corpus,
                     const struct settings *settings, const char *folder);

// names_into_runs sorts them in memory, writes runs and merges these into one,
// in FOLDER.
//
//   runs_ns, runs_cpu_ns              a posting
//   runs_merge_ns                     of it, merging
//   runs_bytes                        a posting
//   runs_postings                     the same ones
void names_into_runs(struct figures *figures, const struct corpus *corpus,
                     const struct settings *settings, const char *folder);
