// static.c - a log of tiles, over HTTP or in a folder; see source.h.
//
// A position is proven from hash tiles, which are proven from the top down to
// the pinned checkpoint (verify/tiles.h).  Proofs wait for one another: they
// share one tile a level, and nearly all find theirs there.
//
//   prove -> post -> step: tile missing -> ask -> put -> step
//                          none missing -> path -> done, next
//   tile does not fit: all once more over a new connection, then bad tiles

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "ingest/source/source.h"

static bool read_head(struct source *source, struct bytes served,
                      struct head *head, struct err *err)
{
    return head_parse_checkpoint(head, served, source->origin, source->key,
                                 err);
}

// ---------------------------------------------------------------- entries

static unsigned piece_width(struct source *source, uint64_t first, uint64_t end)
{
    uint64_t width = TILE_WIDTH - first % TILE_WIDTH;

    (void)source;
    return (unsigned)(width < end - first ? width : end - first);
}

// The entries of a tile that the pinned tree has.
static unsigned tile_width(const struct source *source, uint64_t tile)
{
    uint64_t width = source->size - tile * TILE_WIDTH;

    return width < TILE_WIDTH ? (unsigned)width : TILE_WIDTH;
}

static unsigned asked_width(const struct piece *piece)
{
    if (piece->full_tile) return TILE_WIDTH;
    return tile_width(piece->source, piece->first / TILE_WIDTH);
}

static void prepare_piece(struct ask *ask)
{
    struct piece *piece = ask->context;

    ask->path[0] = '/';
    (void)tile_path(ask->path + 1, TILE_DATA, piece->first / TILE_WIDTH,
                    asked_width(piece));
}

// A partial tile may be gone once the full one is there: then that one's
// prefix is it (CT-PROTOCOLS section 8.4).  The two are tried by turns.
static void refused_piece(struct ask *ask)
{
    struct piece *piece = ask->context;

    piece->full_tile = !piece->full_tile;
}

static bool cut_piece(struct piece *piece, struct worker *worker,
                      struct arena *arena, struct err *err)
{
    uint64_t tile_first = piece->first - piece->first % TILE_WIDTH;
    unsigned width = asked_width(piece);
    struct entry_bytes *entries = arena_alloc(arena, width * sizeof *entries);

    (void)worker;
    if (entries == NULL) {
        return err_set(err, ERR_MEMORY, "no memory for a tile");
    }
    if (!tile_parse_data(entries, width, tile_first,
                         buffer_bytes(piece->ask.content), arena, err)) {
        return false;
    }
    piece->entries = entries + (piece->first - tile_first);
    piece->num_entries = piece->num_wanted;
    return true;
}

// ---------------------------------------------------------------- proofs

static void step(struct source *source);

static void end_first(struct source *source, enum proof_result result)
{
    struct proof *proof = source->proofs;

    source->proofs = proof->next;
    if (source->proofs == NULL) source->last_proof = &source->proofs;
    proof_end(proof, result);
}

static void prepare_tile(struct ask *ask)
{
    struct source *source = ask->context;

    ask->path[0] = '/';
    (void)tile_path(ask->path + 1, (int)source->tile.level, source->tile.tile,
                    source->full_tile ? TILE_WIDTH : source->tile.width);
}

static void refused_tile(struct ask *ask)
{
    struct source *source = ask->context;

    if (source->tile.width < TILE_WIDTH) source->full_tile = !source->full_tile;
}

static bool read_tile(struct ask *ask, struct worker *worker, struct err *err)
{
    struct source *source = ask->context;
    struct sha256_hash hashes[TILE_WIDTH];

    (void)worker;
    return tile_parse_hashes(
        hashes, source->full_tile ? TILE_WIDTH : source->tile.width,
        buffer_bytes(ask->content), err);
}

static void bad_tile(struct source *source)
{
    struct proof *proof = source->proofs;

    (void)err_set(&proof->err, ERR_VERIFY,
                  "hash tile %u/%" PRIu64 " of width %u does not lead to the "
                  "signed root",
                  source->tile.level, source->tile.tile, source->tile.width);
    end_first(source, PROOF_BAD_TILES);
}

static void on_tile(struct ask *ask)
{
    struct source *source = ask->context;
    struct sha256_hash hashes[TILE_WIDTH];

    source->tile_busy = false;
    if (ask->result != ASK_ANSWERED) {
        source->proofs->err = ask->err;
        end_first(source, ask->result == ASK_CANCELED ? PROOF_CANCELED
                                                      : PROOF_GIVEN_UP);
        step(source);
        return;
    }
    memcpy(hashes, ask->body.data, source->tile.width * sizeof hashes[0]);
    if (tiles_put(source->tiles, &source->tile, hashes)) {
        struct tile_id next;

        // The right edge is one claim in several tiles: it stays asked for
        // anew until all of it is there.
        if (!tiles_need(source->tiles, 0, &next)) source->tile_fresh = false;
    } else if (!source->tile_fresh) {
        source->tile_fresh = true;
    } else {
        source->tile_fresh = false;
        bad_tile(source);
    }
    step(source);
}

static void ask_tile(struct source *source)
{
    struct ask *ask = &source->tile_ask;

    source->tile_busy = true;
    source->full_tile = false;
    ask->body_max = TILE_WIDTH * SHA256_LEN;
    ask->fresh = source->tile_fresh;
    ask->prepare = prepare_tile;
    ask->refused = refused_tile;
    ask->read = read_tile;
    ask->done = on_tile;
    ask->context = source;
    asker_ask(source->asker, ask);
}

static void step(struct source *source)
{
    while (source->canceling && source->proofs != NULL && !source->tile_busy) {
        end_first(source, PROOF_CANCELED);
    }
    if (source->proofs == NULL) source->canceling = false;
    while (source->proofs != NULL && !source->tile_busy) {
        struct proof *proof = source->proofs;
        struct merkle_frontier theirs;
        struct merkle_proof right;

        if (tiles_need(source->tiles, proof->position, &source->tile)) {
            ask_tile(source);
            return;
        }
        if (!tiles_path(source->tiles, proof->position, &theirs, &right) ||
            !proof_judge(proof, &theirs, &right)) {
            // What is held was proven, so this is ours to have got wrong.
            (void)err_set(&proof->err, ERR_VERIFY,
                          "no path from the tiles to %" PRIu64,
                          proof->position);
            end_first(source, PROOF_BAD_TILES);
            continue;
        }
        end_first(source, proof->result);
    }
}

static void on_post(struct ring_op *op, int result)
{
    (void)result;
    step(RING_OWNER(op, struct source, post));
}

static void post(struct source *source)
{
    if (!ring_busy(&source->post)) {
        ring_post(source->ring, &source->post, 0, on_post);
    }
}

static void prove(struct source *source, struct proof *proof)
{
    proof->next = NULL;
    *source->last_proof = proof;
    source->last_proof = &proof->next;
    post(source);
}

static void cancel(struct source *source)
{
    if (source->proofs == NULL) return;
    source->canceling = true;
    post(source);
}

const struct source_ops source_static = {
    .head_path = "/checkpoint",
    .read_head = read_head,
    .piece_width = piece_width,
    .prepare_piece = prepare_piece,
    .cut_piece = cut_piece,
    .refused_piece = refused_piece,
    .prove = prove,
    .cancel = cancel,
};
