// native.h - an answer as CLI.md writes it: JSON, and NDJSON for a stream.
//
// sanct-query and sanctd both write by these functions, so the same question
// to the same index gives the same bytes.
//
//   struct native native = {.stream = true};   // one for all answers of a
//   native_begin(&native);                     // stream, begun for each
//   do {
//       native_next(&native, answer, snapshot, now_ms, &out, &done, &err);
//       ... send `out` when it is long enough, waiting as long as it takes
//   } while (!done);
//   native_cleanup(&native);
//
// Lifetime  valid as {0}; native_cleanup() frees it.
// Order     query, issuances, count, complete, cursor, coverage, [order],
//           [logs].  No newline follows: the caller adds what its stream wants.
// Result    errors are the answer's.  Part of it is then in `out` already.
// Limit     a call appends nothing, or one piece: the head, one issuance (as
//           long as its certificate is), the tail.

#pragma once

#include "query/answer.h"

struct native {
    bool stream;        // logs only in the first answer and when they changed
    bool has_issuance;  // in the answer at hand
    bool begun;         // its head is written
    struct buffer logs; // as last written in this stream
};

// What the snapshot's memo keeps of these shapes.
enum { MEMO_LOGS = 1, MEMO_ISSUER, MEMO_LOG };

// native_begin makes ready for the next answer.
void native_begin(struct native *native);

// native_next appends the next piece; `*done` after the last.
MUST_USE bool native_next(struct native *native, struct answer *answer,
                          struct snapshot *snapshot, uint64_t now_ms,
                          struct buffer *out, bool *done, struct err *err);

// native_cleanup frees what it remembers.
void native_cleanup(struct native *native);

// native_append_issuance appends one issuance with these members (bits of enum
// question_field; 0: all).
void native_append_issuance(struct buffer *out, const struct issuance *issuance,
                            uint32_t fields);

// native_append_count appends {"query":…,"count":N}.
void native_append_count(struct buffer *out, struct bytes query,
                         uint64_t count);

// native_append_error appends {"code":…,"message":…}.
void native_append_error(struct buffer *out, const struct err *err);

// native_append_line_error appends what a stream answers to a line that is no
// question: {"query":…,"error":{…}}; a long line is cut to 256 bytes.
void native_append_line_error(struct buffer *out, struct bytes line,
                              const struct err *err);
