// summary.h - what a run came to: JSON on stdout, sentences on stderr.

#pragma once

#include "ingest/pipeline.h"

struct summary_run {
    double seconds, cpu_seconds;
    uint64_t peak_memory_bytes;
};

// summary_write appends the JSON of CLI.md.  False: the index or memory.
MUST_USE bool summary_write(struct buffer *out, const struct pipeline *pipeline,
                            const struct summary_run *run, struct err *err);

// summary_say writes a line a log to stderr: what stood in its way, or where it
// is.
void summary_say(const struct pipeline *pipeline);

// summary_exit_code is 5 when a log is halted, 4 when one got no answer, else
// 0.
int summary_exit_code(const struct pipeline *pipeline);
