// resp.h - RESP2 and inline lines as they go over the wire.             (pure)
//
// A command is an array of bulk strings, or a line whose words are its
// arguments; which of the two is told by its first byte, command by command,
// so a person may type where a program has just asked.
//
// Lifetime  the arguments are views of the bytes that were read.
// Limit     RESP_ARGS_MAX arguments with the name, RESP_ARG_MAX bytes each; a
//           line has RESP_LINE_MAX bytes.  There is no quoting in lines.

#pragma once

#include "index/base/buffer.h"
#include "index/base/err.h"

enum {
    RESP_ARGS_MAX = 17,
    RESP_ARG_MAX = 64 << 10,
    RESP_LINE_MAX = (64 << 10) + 1024, // an argument, its command and blanks
};

enum resp_progress {
    RESP_MORE,    // not whole yet; nothing is taken
    RESP_COMMAND, // one is taken, perhaps an empty one of no arguments
    RESP_BROKEN,  // that is none, and `err` says why; close the connection
};

struct resp_command {
    size_t num_args;
    struct bytes args[RESP_ARGS_MAX];
};

// resp_read takes a command off the front of `in`.
MUST_USE enum resp_progress resp_read(struct resp_command *command,
                                      struct bytes *in, struct err *err);

enum resp_dialect {
    DIALECT_UNKNOWN, // too few bytes to tell
    DIALECT_HTTP,
    DIALECT_RESP, // and lines
};

// resp_sniff tells from the first bytes of a connection what is spoken: an
// upper-case word, a blank, then "/", "http://" or (OPTIONS) "* " is HTTP.
enum resp_dialect resp_sniff(struct bytes in);

// resp_is compares an argument with a word, whatever the case.
bool resp_is(struct bytes arg, const char *word);

// resp_write_simple appends "+TEXT", resp_write_int ":N", resp_write_null
// "$-1", resp_write_array "*N" ahead of N elements.
void resp_write_simple(struct buffer *out, const char *text);
void resp_write_int(struct buffer *out, uint64_t value);
void resp_write_null(struct buffer *out);
void resp_write_array(struct buffer *out, size_t num);

// resp_write_bulk appends a bulk string.
void resp_write_bulk(struct buffer *out, struct bytes bytes);

// resp_write_error appends "-CODE TEXT"; bytes of TEXT that would end the line
// or do not print become "?".
void resp_write_error(struct buffer *out, const char *code, const char *text);
