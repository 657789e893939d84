// tiles.h - the hash tiles of a static log, proven from the top. (pure)
//
//   while (tiles_need(tiles, position, &want)) fetch it, tiles_put(...)
//   tiles_path(tiles, position, &left, &right)
//
// First the right edge, a partial tile a level: together they lead to the
// head's root.  Then, from the top down, the full tile at each level on the
// way to a position: its root is a slot of the tile above.  Held is one tile
// a level beside the edge, whatever the size of the log.
//
// Result    tiles_put refuses what does not fit what is proven already.

#pragma once

#include "index/entry/merkle.h"
#include "ingest/parse/tile.h"

struct tile_id {
    unsigned level;
    uint64_t tile;
    unsigned width;
};

struct tiles; // opaque

// tiles_new begins for a tree; tiles_free() it.  False: no memory.
MUST_USE bool tiles_new(struct tiles **out, uint64_t size,
                        const struct sha256_hash *root);
void tiles_free(struct tiles *tiles);

// tiles_take_edge takes over partial tiles of a smaller tree that the larger
// one has, too; they are proven anew with the rest of its edge.
void tiles_take_edge(struct tiles *tiles, const struct tiles *smaller);

// tiles_need gives the next tile that is missing for `position`; 0 means the
// right edge alone.  False when none is.
bool tiles_need(const struct tiles *tiles, uint64_t position,
                struct tile_id *out);

// tiles_put takes the tile that tiles_need has just asked for.  False when it
// does not fit: a full tile alone, or the edge with its last tile (then all of
// the edge is wanted again).
MUST_USE bool tiles_put(struct tiles *tiles, const struct tile_id *id,
                        const struct sha256_hash *hashes);

// tiles_path gives frontier and right-hand siblings at `position`, for which
// no tile may be missing; 0 < position <= size.
MUST_USE bool tiles_path(struct tiles *tiles, uint64_t position,
                         struct merkle_frontier *left,
                         struct merkle_proof *right);

// tiles_edge gives the frontier that the edge's tiles above `level` claim.
MUST_USE bool tiles_edge(const struct tiles *tiles, unsigned level,
                         struct merkle_frontier *out);
