// scan.h - takes answers in JSON apart while they stream.
//
// An answer can be longer than memory; its issuances come one by one, and what
// remains of it (count, cursor, coverage, logs) is a small document.  It reads
// what shape/native writes, whether this process or a server wrote it; blanks
// and newlines between answers are skipped.
//
// Lifetime  valid as {0} with its callbacks set; scan_cleanup() frees it.
// Result    ERR_NETWORK: that is no answer.
// Limit     SCAN_PART_MAX bytes for one issuance or for what remains.

#pragma once

#include "index/base/buffer.h"
#include "index/base/err.h"

enum { SCAN_PART_MAX = 16 * 1024 * 1024, SCAN_KEY_MAX = 16 };

struct scan {
    // The bytes of answers as they come, without what lies between them.
    bool (*on_bytes)(void *context, struct bytes bytes, struct err *err);
    // One issuance's JSON; NULL where nobody wants them.
    bool (*on_issuance)(void *context, struct bytes json, struct err *err);
    // The end of an answer: the rest of it with `issuances` empty, and how
    // many there were.
    bool (*on_end)(void *context, struct bytes json, uint64_t num_issuances,
                   struct err *err);
    void *context;

    unsigned depth;
    bool in_string, is_escaped;
    bool in_issuances;
    uint64_t num_issuances;
    char key[SCAN_KEY_MAX]; // the last string at depth 1
    size_t key_len;
    struct buffer part, rest;
};

// scan_feed takes the next bytes.
MUST_USE bool scan_feed(struct scan *scan, struct bytes bytes, struct err *err);

// scan_reset forgets the answer at hand.
void scan_reset(struct scan *scan);

// scan_is_between tells whether no answer is begun and not ended.
bool scan_is_between(const struct scan *scan);

// scan_cleanup frees it.
void scan_cleanup(struct scan *scan);
