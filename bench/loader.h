// loader.h - the corpus into an index, as ingest's threads do it.
//
// The heads are signed, so that `sanct-index verify --deep` holds.  Threads
// take chunks in order, make their entries, understand, hash and encode them;
// the caller's thread appends them in order.  What making the entries cost is
// measured and taken off.
//
// Thread    the one that called loader_open.
// Result    what fails ends the program (die).

#pragma once

#include "bench/settings.h"
#include "index/index.h"
#include "tests/support/fixed_key.h"

enum { LOADER_CHUNK = 4096, LOADER_THREADS_MAX = 16 };

struct loader {
    struct settings settings;
    const struct corpus *corpus;
    struct index *index;
    struct index_log log;
    struct fixed_key *key; // signs a head for every chunk
    struct buffer served;  // the newest one
    struct merkle_frontier frontier;
};

// What a stretch of loading took.
struct loader_cost {
    uint64_t entries;
    uint64_t cpu_ns;       // of the process, without the generator
    uint64_t generator_ns; // CPU
    uint64_t wall_ns;      // all of it
};

// loader_open opens or makes the index in `dir` and finds out where it ends:
// frontier.size.
void loader_open(struct loader *loader, const struct settings *settings,
                 const struct corpus *corpus, const char *dir);
void loader_close(struct loader *loader);

// loader_run appends entries up to `end`; with `flush` they are durable when it
// returns.
struct loader_cost loader_run(struct loader *loader, uint64_t end, bool flush);
