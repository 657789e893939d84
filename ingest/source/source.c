// source.c - see source.h.

#include "ingest/source/source.h"

#include <assert.h>
#include <stdlib.h>

void source_init(struct source *source, enum log_api api)
{
    source->ops = api == LOG_API_STATIC ? &source_static : &source_rfc6962;
    if (source->batch_max == 0) source->batch_max = SOURCE_BATCH_MAX;
    source->batch = source->batch_max;
    source->batch_known = api == LOG_API_STATIC;
    source->last_proof = &source->proofs;
}

void source_cleanup(struct source *source)
{
    tiles_free(source->tiles);
    source->tiles = NULL;
    ask_cleanup(&source->tile_ask);
}

bool source_pin(struct source *source, const struct head *head)
{
    struct tiles *before = source->tiles;
    bool ok = true;

    // Tiles that were proven under it are not asked for again.
    if (source->tiles != NULL && source->size == head->size &&
        sha256_equal(&source->root, &head->root)) {
        return true;
    }
    source->tiles = NULL;
    source->pinned = true;
    source->size = head->size;
    source->root = head->root;
    if (source->ops == &source_static) {
        ok = tiles_new(&source->tiles, head->size, &head->root);
        if (ok && before != NULL) tiles_take_edge(source->tiles, before);
    }
    tiles_free(before);
    return ok;
}

static bool read_piece(struct ask *ask, struct worker *worker, struct err *err)
{
    struct piece *piece = ask->context;
    struct arena *arena = piece->keep ? &piece->arena : &worker->arena;

    arena_reset(arena);
    piece->num_entries = 0;
    piece->certificates = NULL;
    return piece->source->ops->cut_piece(piece, worker, arena, err) &&
           piece->take(piece, worker, err);
}

static void on_piece(struct ask *ask)
{
    struct piece *piece = ask->context;
    struct source *source = piece->source;

    if (ask->result == ASK_ANSWERED && source->ops->learn_piece != NULL) {
        source->ops->learn_piece(source, piece);
    }
    piece->done(piece);
}

void source_ask_piece(struct source *source, struct piece *piece,
                      uint64_t first, uint64_t end)
{
    assert(first < end);
    piece->source = source;
    piece->first = first;
    piece->num_wanted = source->ops->piece_width(source, first, end);
    piece->num_entries = 0;
    piece->full_tile = false;
    piece->is_ready = false;
    piece->ask.body_max = SOURCE_BODY_MAX;
    piece->ask.inflated_max = SOURCE_INFLATED_MAX;
    piece->ask.sniffs_gzip = true;
    piece->ask.fresh = piece->fresh;
    piece->ask.on_worker = true;
    piece->ask.keep_body = piece->keep;
    piece->ask.prepare = source->ops->prepare_piece;
    piece->ask.read = read_piece;
    piece->ask.refused = source->ops->refused_piece;
    piece->ask.done = on_piece;
    piece->ask.context = piece;
    asker_ask(source->asker, &piece->ask);
}

void piece_reset(struct piece *piece)
{
    struct buffer packed = piece->ask.file.packed;

    piece->ask.file.packed = (struct buffer){0};
    piece_cleanup(piece);
    *piece = (struct piece){0};
    piece->ask.file.packed = packed;
}

void piece_cleanup(struct piece *piece)
{
    ask_cleanup(&piece->ask);
    arena_cleanup(&piece->arena);
    piece->entries = NULL;
    piece->certificates = NULL;
}

void source_prove(struct source *source, struct proof *proof)
{
    assert(proof->position > 0 && proof->position < source->size);
    proof->source = source;
    proof->stage = 0;
    proof->err = (struct err){0};
    source->ops->prove(source, proof);
}

void source_cancel(struct source *source)
{
    source->ops->cancel(source);
}

static bool frontier_equal(const struct merkle_frontier *a,
                           const struct merkle_frontier *b)
{
    return a->size == b->size &&
           memcmp(a->nodes, b->nodes,
                  (size_t)__builtin_popcountll(a->size) * SHA256_LEN) == 0;
}

bool proof_judge(struct proof *proof, const struct merkle_frontier *theirs,
                 const struct merkle_proof *right)
{
    const struct source *source = proof->source;
    struct sha256_hash root;

    if (theirs->size != proof->position ||
        !merkle_span_root(theirs, right, source->size, &root) ||
        !sha256_equal(&root, &source->root)) {
        return false;
    }
    proof->right = *right;
    proof->theirs = *theirs;
    proof->result = !proof->has_ours || frontier_equal(&proof->ours, theirs)
                        ? PROOF_HOLDS
                        : PROOF_CONTRADICTS;
    return true;
}

void proof_end(struct proof *proof, enum proof_result result)
{
    proof->result = result;
    proof->done(proof);
}
