// lines.h - one WHAT per line, from bytes as they come.                 (pure)
//
//   while (lines_next(&lines, &in, &line)) ask(line);
//   ...                                   // more input
//   if (lines_last(&lines, &line)) ask(line);
//
// CRLF is taken, blank lines are skipped, the last line needs no newline.
//
// Lifetime  valid as {0}; lines_cleanup() frees it.  A line is good until the
//           next call and as long as `in`.
// Limit     of a longer line the first QUESTION_LEN_MAX + 1 bytes come, which
//           question_parse refuses; the rest is passed over.

#pragma once

#include "index/base/buffer.h"

struct lines {
    struct buffer part; // of a line that came in pieces
    bool is_taken;      // `part` was given out
};

// lines_next takes the next whole line off `in`; false when there is none, and
// all of `in` is then taken.
bool lines_next(struct lines *lines, struct bytes *in, struct bytes *line);

// lines_last gives what stands behind the last newline; false: nothing.
bool lines_last(struct lines *lines, struct bytes *line);

// lines_cleanup frees it.
void lines_cleanup(struct lines *lines);
