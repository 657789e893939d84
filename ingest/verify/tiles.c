// tiles.c - see tiles.h.

#include "ingest/verify/tiles.h"

#include <stdlib.h>

#include "ingest/verify/chunk.h"

struct level {
    unsigned edge_width; // of the partial tile at the right edge; 0: none
    bool has_edge;
    struct sha256_hash edge[TILE_WIDTH];
    bool has_path;
    uint64_t path_tile;
    struct sha256_hash path[TILE_WIDTH];
};

struct tiles {
    uint64_t size;
    struct sha256_hash root;
    bool proven;                  // the edge leads to the root
    struct merkle_frontier whole; // then
    struct level levels[MERKLE_DEPTH_MAX / TILE_BITS];
};

enum { LEVELS = MERKLE_DEPTH_MAX / TILE_BITS };

bool tiles_new(struct tiles **out, uint64_t size,
               const struct sha256_hash *root)
{
    struct tiles *tiles = calloc(1, sizeof *tiles);

    if (tiles == NULL) return false;
    tiles->size = size;
    tiles->root = *root;
    for (unsigned level = 0; level < LEVELS; level++) {
        tiles->levels[level].edge_width =
            (unsigned)(size >> (TILE_BITS * level)) % TILE_WIDTH;
    }
    *out = tiles;
    return true;
}

void tiles_free(struct tiles *tiles)
{
    free(tiles);
}

// How many slots of a level the tree fills.
static uint64_t num_slots(const struct tiles *tiles, unsigned level)
{
    return tiles->size >> (TILE_BITS * level);
}

void tiles_take_edge(struct tiles *tiles, const struct tiles *smaller)
{
    if (!smaller->proven || smaller->size >= tiles->size) return;
    // What makes it larger is at one level at least: that is asked for.
    for (unsigned level = 0; level < LEVELS; level++) {
        struct level *at = &tiles->levels[level];

        if (at->edge_width == 0 ||
            num_slots(tiles, level) != num_slots(smaller, level)) {
            continue;
        }
        memcpy(at->edge, smaller->levels[level].edge, sizeof at->edge);
        at->has_edge = true;
    }
}

// The tile of `level` on the way from the leaf before `position` to the root.
static uint64_t tile_on_path(uint64_t position, unsigned level)
{
    uint64_t slot = (position - 1) >> (TILE_BITS * level);

    return slot / TILE_WIDTH;
}

static bool is_at_edge(const struct tiles *tiles, unsigned level, uint64_t tile)
{
    return tile >= num_slots(tiles, level) / TILE_WIDTH;
}

static bool need_edge(const struct tiles *tiles, struct tile_id *out)
{
    for (unsigned level = LEVELS; level-- > 0;) {
        const struct level *at = &tiles->levels[level];

        if (at->edge_width == 0 || at->has_edge) continue;
        *out = (struct tile_id){.level = level,
                                .tile = num_slots(tiles, level) / TILE_WIDTH,
                                .width = at->edge_width};
        return true;
    }
    return false;
}

bool tiles_need(const struct tiles *tiles, uint64_t position,
                struct tile_id *out)
{
    unsigned lowest;

    if (!tiles->proven && need_edge(tiles, out)) return true;
    if (position == 0) return false;
    lowest = (unsigned)__builtin_ctzll(position) / TILE_BITS;
    for (unsigned level = LEVELS; level-- > lowest;) {
        const struct level *at = &tiles->levels[level];
        uint64_t tile = tile_on_path(position, level);

        if (is_at_edge(tiles, level, tile)) continue;
        if (at->has_path && at->path_tile == tile) continue;
        *out =
            (struct tile_id){.level = level, .tile = tile, .width = TILE_WIDTH};
        return true;
    }
    return false;
}

bool tiles_edge(const struct tiles *tiles, unsigned level,
                struct merkle_frontier *out)
{
    *out = (struct merkle_frontier){0};
    for (unsigned above = LEVELS; --above > level;) {
        const struct level *at = &tiles->levels[above];

        for (unsigned i = 0; i < at->edge_width; i++) {
            if (!merkle_append_subtree(out, &at->edge[i], TILE_BITS * above)) {
                return false;
            }
        }
    }
    return true;
}

// The edge is whole: does it lead to the root?
static bool prove_edge(struct tiles *tiles)
{
    struct merkle_frontier whole;
    struct sha256_hash root;

    if (!tiles_edge(tiles, 0, &whole)) return false;
    merkle_append_many(&whole, tiles->levels[0].edge,
                       tiles->levels[0].edge_width);
    root = merkle_root(&whole);
    tiles->proven = sha256_equal(&root, &tiles->root);
    tiles->whole = whole;
    for (unsigned level = 0; !tiles->proven && level < LEVELS; level++) {
        tiles->levels[level].has_edge = false;
    }
    return tiles->proven;
}

// A slot of a level, out of the tile that is held.
static bool find_slot(const struct tiles *tiles, unsigned level, uint64_t slot,
                      struct sha256_hash *out)
{
    const struct level *at = &tiles->levels[level];
    uint64_t tile = slot / TILE_WIDTH;

    if (slot >= num_slots(tiles, level)) return false;
    if (is_at_edge(tiles, level, tile)) {
        if (!at->has_edge) return false;
        *out = at->edge[slot % TILE_WIDTH];
        return true;
    }
    if (!at->has_path || at->path_tile != tile) return false;
    *out = at->path[slot % TILE_WIDTH];
    return true;
}

bool tiles_put(struct tiles *tiles, const struct tile_id *id,
               const struct sha256_hash *hashes)
{
    struct level *at = &tiles->levels[id->level];
    struct merkle_frontier frontier = {0};
    struct sha256_hash root, slot;
    struct tile_id next;

    if (id->width < TILE_WIDTH) {
        memcpy(at->edge, hashes, id->width * sizeof *hashes);
        at->has_edge = true;
        return need_edge(tiles, &next) || prove_edge(tiles);
    }
    merkle_append_many(&frontier, hashes, TILE_WIDTH);
    root = merkle_root(&frontier);
    if (!find_slot(tiles, id->level + 1, id->tile, &slot) ||
        !sha256_equal(&root, &slot)) {
        return false;
    }
    memcpy(at->path, hashes, sizeof at->path);
    at->has_path = true;
    at->path_tile = id->tile;
    return true;
}

// A complete subtree: one slot, or several of one tile.
static bool tile_node(void *context, unsigned level, uint64_t at,
                      struct sha256_hash *out)
{
    const struct tiles *tiles = context;
    unsigned tile_level = level / TILE_BITS, up = level % TILE_BITS;
    struct merkle_frontier frontier = {0};
    struct sha256_hash slot;

    if (tile_level >= LEVELS) return false;
    for (uint64_t i = 0; i < UINT64_C(1) << up; i++) {
        if (!find_slot(tiles, tile_level, (at << up) + i, &slot)) return false;
        merkle_append(&frontier, &slot);
    }
    *out = merkle_root(&frontier);
    return true;
}

bool tiles_path(struct tiles *tiles, uint64_t position,
                struct merkle_frontier *left, struct merkle_proof *right)
{
    if (!tiles->proven || position == 0 || position > tiles->size) return false;
    if (position == tiles->size) {
        *left = tiles->whole;
        right->num_nodes = 0;
        return true;
    }
    return span_path(position, &tiles->whole, tile_node, tiles, left, right);
}
