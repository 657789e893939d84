// tile.h - tiles of a static log: where they are and what they hold. (pure)
//
// C2SP static-ct-api; CT-PROTOCOLS section 8.  A tile holds TILE_WIDTH items,
// a partial one fewer: hashes of 32 bytes at a level, or TileLeafs at level 0.
//
// Result    ERR_MALFORMED: the bytes are no such tile (no answer).

#pragma once

#include "index/entry/entry.h"

enum {
    TILE_WIDTH = 256,
    TILE_BITS = 8,
    TILE_LEVELS = 6, // 0 to 5: 2^40 leaves and beyond
    TILE_DATA = -1,  // a "level": the tile of entries
    TILE_PATH_MAX = 64,
};

// tile_path writes "tile/data/x001/234.p/17" or the like; `width` is 1 to
// TILE_WIDTH.  Returns `out`.
char *tile_path(char out[TILE_PATH_MAX], int level, uint64_t tile,
                unsigned width);

// tile_parse_hashes reads exactly `width` hashes.
MUST_USE bool tile_parse_hashes(struct sha256_hash *out, unsigned width,
                                struct bytes tile, struct err *err);

// tile_parse_data reads exactly `width` TileLeafs, the first of index `first`,
// into `entries`; leaves are rebuilt in the arena.
MUST_USE bool tile_parse_data(struct entry_bytes *entries, unsigned width,
                              uint64_t first, struct bytes tile,
                              struct arena *arena, struct err *err);
