// report.h - what sanct-query prints of the answers it gets.
//
// Answers come as JSON, from the index or from a server; they are passed on or
// made into a table or certificates.  Nothing reaches stdout before it is
// certain: --json prints nothing on an error, a line of NDJSON comes whole or
// as an error.
//
// Lifetime  report_cleanup() frees it.
// Limit     REPORT_HELD_MAX bytes in memory; what must be held back beyond
//           that waits in a temporary file.

#pragma once

#include <stdio.h>

#include "index/base/sha256.h"
#include "query/options.h"
#include "query/scan.h"

enum { REPORT_HELD_MAX = 1024 * 1024 };

// How a certificate's bytes are got: from the index or from a server.
typedef bool report_fetch(void *context, const struct sha256_hash *hash,
                          struct buffer *der, struct err *err);

struct report {
    enum output_format format;
    bool is_array;   // of several answers in JSON
    bool has_answer; // one is held or printed already
    bool in_answer;  // something of the one at hand is
    struct scan scan;
    struct buffer held; // not yet certain
    FILE *spilled;      // what of it came first
    uint64_t begun_us;  // when the question at hand was asked
    report_fetch *fetch;
    void *context; // of fetch

    bool any_found;
    bool any_refused; // a line that is no question
    bool any_damaged; // a line that the index could not answer
    bool failed;      // stdout takes no more
};

// report_init makes ready.  `fetch` is needed for PEM and DER.
void report_init(struct report *report, enum output_format format,
                 bool is_array, report_fetch *fetch, void *context);

// report_cleanup frees it.
void report_cleanup(struct report *report);

// report_begin starts the clock for the next question.
void report_begin(struct report *report);

// report_feed takes the next bytes of the answers' JSON.
MUST_USE bool report_feed(struct report *report, struct bytes json,
                          struct err *err);

// report_line_error drops what came of the answer at hand and prints the error
// in its place: NDJSON only.
MUST_USE bool report_line_error(struct report *report, struct bytes line,
                                const struct err *why, struct err *err);

// report_count prints the answer to --count.
MUST_USE bool report_count(struct report *report, struct bytes query,
                           uint64_t count, struct err *err);

// report_end prints what was held back.  Without it nothing of --json, --pem
// and --der is printed.
MUST_USE bool report_end(struct report *report, struct err *err);
