// check_parts.h - what the files behind check.h share.

#pragma once

#include "index/check.h"
#include "index/handle.h"

struct check_chunk {
    uint64_t id, first;
    uint32_t log;
};

struct check_sum {
    uint64_t num, sum;
};

struct check {
    struct snapshot *snapshot;
    const struct check_options *options;
    uint64_t num_faults;
    struct arena arena; // of one log
    struct check_chunk *chunks;
    size_t num_chunks, size_chunks;
    uint64_t derived; // postings that the entries give, of the tail
    struct check_sum derived_runs, held_runs;
};

// check_say reports one fault.
void check_say(struct check *check, const char *format, ...) PRINTF_LIKE(2, 3);

// check_go_on reports an error as a fault; false when it is one that ends all.
bool check_go_on(struct check *check, struct err *err);

// check_add_posting adds a posting to a sum over postings in runs, whatever
// their order; `of_run` tells that its key is as runs have it.
void check_add_posting(const struct check *check, struct check_sum *sum,
                       struct bytes row, uint32_t via, bool of_run);

// check_runs looks at every block of every run.
MUST_USE bool check_runs(struct check *check, struct err *err);

// check_chunk_deep makes a chunk's leaf hashes and keys again.
MUST_USE bool check_chunk_deep(struct check *check, const struct index_log *log,
                               const struct chunk_info *chunk,
                               const struct merkle_frontier *end,
                               struct err *err);

// check_keys_deep looks for postings that no entry gives, after every chunk
// was checked.
MUST_USE bool check_keys_deep(struct check *check, struct err *err);
