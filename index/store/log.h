// log.h - what an index knows of a log, and how its chunks are proven.

#pragma once

#include "index/entry/head.h"
#include "index/entry/merkle.h"

enum index_keep { KEEP_FULL = 1, KEEP_FACTS = 2 };
enum log_api { LOG_API_RFC6962 = 1, LOG_API_STATIC = 2 };

enum index_halt {
    HALT_NONE,
    HALT_DATA, // bytes that do not fit a signed head; heals when they do
    HALT_FORK, // two heads that cannot both be true; until evidence is cleared
};

struct index_log {
    uint32_t number; // given by the index, from 1, never reused
    struct sha256_hash id;
    char name[128];   // as shown
    char url[512];    // that it is read from
    char origin[256]; // of checkpoints
    enum log_api api;
    enum index_keep keep;
    uint64_t mmd_seconds;
    bool ended; // read-only, retired, rejected, gone from the list
    bool has_final;
    uint64_t final_size; // final_tree_head
    struct sha256_hash final_root;
    enum index_halt halt;
    // Kept by the index:
    uint64_t indexed;  // entries held
    uint64_t verified; // [0, verified) is held and proven without a gap
    uint64_t unparsed; // entries that could not be read whole
    bool has_head;     // the newest accepted head:
    enum head_kind head_kind;
    uint64_t head_size;
    uint64_t head_timestamp_ms;
    struct sha256_hash head_root;
};

struct log_range {
    uint64_t first, end;
};

// How a chunk lies under a signed head (merkle.h, "span").
struct chunk_proof {
    struct head head;            // accepted, or accepted with this append
    struct merkle_frontier left; // at the chunk's first entry
    struct merkle_proof right;   // from its end to head.size
    size_t num_parts;            // chunks that are proven as one; 0: it is one
};

static inline size_t chunk_proof_num(const struct chunk_proof *proof)
{
    return proof->num_parts == 0 ? 1 : proof->num_parts;
}

// A chunk as it is held.
struct chunk_info {
    uint32_t log;
    uint64_t first, num_entries, id; // id of its first entry
    struct chunk_proof proof;
};
