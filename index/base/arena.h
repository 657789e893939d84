// arena.h - memory that is given back all at once.
//
// What is parsed from one batch lives in the batch's arena and goes with it.
//
// Lifetime  valid as {0}; a block lives until arena_reset or arena_cleanup.
// Limit     `max` bytes in all when it is not 0; beyond it NULL.

#pragma once

#include "index/base/bytes.h"

struct arena_block;

struct arena {
    struct arena_block *blocks; // newest first
    size_t used;                // in the newest
    size_t total;               // bytes held, all blocks together
    size_t max;                 // 0: no limit
};

// arena_alloc gives `len` bytes, aligned for any type, not cleared; or NULL.
void *arena_alloc(struct arena *arena, size_t len);

// arena_zalloc gives `num` cleared elements of `size` bytes; or NULL.
void *arena_zalloc(struct arena *arena, size_t num, size_t size);

// arena_copy copies `bytes` into the arena; `out` is left alone on failure.
MUST_USE bool arena_copy(struct arena *arena, struct bytes bytes,
                         struct bytes *out);

// arena_reset forgets everything and keeps the largest block.
void arena_reset(struct arena *arena);

// arena_cleanup frees everything.
void arena_cleanup(struct arena *arena);
