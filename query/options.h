// options.h - the command line of sanct-query.
//
// Lifetime  valid as {0}; options_cleanup() frees it.  Words of argv are
//           borrowed.
// Result    ERR_USAGE: a sentence that names the option.

#pragma once

#include "index/base/log.h"
#include "query/question.h"

enum output_format {
    OUTPUT_TABLE,
    OUTPUT_JSON,
    OUTPUT_NDJSON,
    OUTPUT_PEM,
    OUTPUT_DER,
};

struct options {
    const char *index;  // NULL: the usual place
    const char *socket; // NULL: read the index
    enum output_format format;
    enum log_format log_format;
    bool help, version;
    bool count, strict, from_stdin;
    struct filters filters;
    struct buffer parameters; // the filters as a URL has them: "&since=…"
    char *const *whats;
    size_t num_whats;
    struct arena arena;
};

// options_parse reads the command line; where it is wrong too, what was read
// so far is set.
MUST_USE bool options_parse(struct options *options, int argc, char **argv,
                            struct err *err);

// options_cleanup frees it.
void options_cleanup(struct options *options);

// options_usage is what --help prints.
extern const char options_usage[];

// options_append_encoded appends text percent-encoded.
void options_append_encoded(struct buffer *out, struct bytes text);
