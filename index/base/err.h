// err.h - what went wrong: a code to branch on, a sentence to print.
//
// A function that can fail returns bool, is MUST_USE, and fills `err` only when
// it returns false.  Each layer may put its context in front, so that the text
// reads outside-in: "argon2026h1: entries 0..255: leaf: header truncated".
//
// Result    err_set and err_wrap return false, so `return err_set(...)` works.
// Limit     a sentence of ERR_TEXT_MAX bytes; what is longer is cut.  Bytes
//           from outside must be escaped first (text_escape).

#pragma once

#include "index/base/bytes.h"

enum { ERR_TEXT_MAX = 512 };

enum err_code {
    ERR_NONE,
    ERR_MALFORMED,   // the bytes are not what their format says
    ERR_UNSUPPORTED, // well-formed, of a kind that is not known here
    ERR_USAGE,       // the user asked for what cannot be: exit 2
    ERR_CONFIG,      // a log description or list is unusable: exit 3
    ERR_NETWORK,     // no answer, or none that can be read: exit 4
    ERR_VERIFY,      // what a log says contradicts what it signed: exit 5
    ERR_INDEX,       // the index is damaged, locked, full, of another format: 6
    ERR_MEMORY,      // no memory left for it: exit 6
    ERR_NOT_FOUND,   // asked for by name or number, and not there
    ERR_INTERRUPTED, // a signal ended it: exit 130 or 143
    ERR_COLD,        // not in memory yet: ask again (index/store/gate.h)
};

struct err {
    enum err_code code;
    char text[ERR_TEXT_MAX];
};

// err_set fills `err` with a code and a sentence; `err` may be NULL.
bool err_set(struct err *err, enum err_code code, const char *format, ...)
    PRINTF_LIKE(3, 4);

// err_wrap puts a context and ": " in front of the sentence.
bool err_wrap(struct err *err, const char *format, ...) PRINTF_LIKE(2, 3);

// err_exit_code is the exit code that CLI.md gives an error of this code.
int err_exit_code(enum err_code code);
