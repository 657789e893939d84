// faults.h - what the test log does wrong on demand (FAULTS.md section 7).

#pragma once

#include "index/base/buffer.h"
#include "index/base/err.h"

enum fault {
    FAULT_FLIP_ENTRY,
    FAULT_FLIP_EXTRA,
    FAULT_FLIP_HASH,
    FAULT_FLIP_TILE,
    FAULT_UNKNOWN_TYPE,
    FAULT_LEAF_INDEX,
    FAULT_SWAP,
    FAULT_DUP,
    FAULT_DROP,
    FAULT_FORK,
    FAULT_FORK_SAME_SIZE,
    FAULT_STH_BADSIG,
    FAULT_STH_SHRINK,
    FAULT_STH_SIZE_TEXT,
    FAULT_STH_SIZE,
    FAULT_STH_TIME,
    FAULT_WRONG_KEY,
    FAULT_WRONG_ORIGIN,
    FAULT_STALE,
    FAULT_FUTURE,
    FAULT_NO_PROOFS,
    FAULT_BAD_PROOFS,
    FAULT_LONG_PROOFS,
    FAULT_SHORT_PROOFS,
    FAULT_CACHED_CONSISTENCY,
    FAULT_SHORT,
    FAULT_ZERO,
    FAULT_MORE,
    FAULT_WRONG_RANGE,
    FAULT_TILE_SHORT,
    FAULT_NO_PARTIALS,
    FAULT_NO_ISSUERS,
    FAULT_NO_CHECKPOINT,
    FAULT_NO_TILES,
    FAULT_NO_ENTRIES,
    FAULT_FLIP_DATA,
    FAULT_NO_GZIP,
    FAULT_GZIP_CUT,
    FAULT_GZIP_CRC,
    FAULT_GZIP_BOMB,
    FAULT_HTTP_429_EVERY,
    FAULT_HTTP_500_EVERY,
    FAULT_HTTP_503_EVERY,
    FAULT_HTML_200_EVERY,
    FAULT_REDIRECT_EVERY,
    FAULT_DROP_CONNECTION_EVERY,
    FAULT_TRUNCATE_EVERY,
    FAULT_STALL_EVERY,
    FAULT_TRAIL_EVERY,
    FAULT_TRICKLE_EVERY,
    FAULT_CHUNKED,
    FAULT_GZIP_JSON,
    NUM_FAULTS,
};

struct faults {
    bool on[NUM_FAULTS];
    uint64_t value[NUM_FAULTS];
    uint64_t bit[NUM_FAULTS];
};

// faults_parse reads "NAME=VALUE,NAME=VALUE:BIT,NAME,..." over `faults`.
MUST_USE bool faults_parse(struct faults *faults, const char *text,
                           struct err *err);

// faults_help appends one line for each, for --help.
void faults_help(struct buffer *out);
