// fault.c - what a log did wrong, and what comes of it; see state.h.
//
//   batch contradicts -> settle -> search for the smallest range that does
//     -> read again over new connections, what is good before it apart
//     -> comes right: on; still wrong: evidence, halted

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "index/base/log.h"
#include "index/base/text.h"
#include "ingest/reader/state.h"

enum {
    SEARCHES_MAX = 3, // without a batch proven in between
    OWN_LEAVES_MAX = 1 << 20,
};

static void search_step(struct reader *reader);

// ---------------------------------------------------------------- evidence

static void fill_common(const struct reader *reader, struct evidence *evidence)
{
    struct timespec now = {0};

    (void)clock_gettime(CLOCK_REALTIME, &now);
    evidence->log_name = reader->log.name;
    evidence->origin = reader->log.origin;
    evidence->key_der = log_key_der(reader->config.key);
    evidence->time_ms =
        (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static bool keep(struct reader *reader, struct evidence *evidence)
{
    struct err err;

    fill_common(reader, evidence);
    if (pipeline_evidence(reader->pipeline, evidence, &err)) return true;
    reader_fail(reader, &err);
    return false;
}

// What tiles say is not yet what the log says, where it has get-entries too.
static bool is_of_tiles(const struct evidence *evidence)
{
    return evidence->kind == EVIDENCE_HEAD ||
           evidence->kind == EVIDENCE_ENTRIES ||
           evidence->kind == EVIDENCE_TILES;
}

// Stops the log with evidence.
static void halt_log(struct reader *reader, enum index_halt halt,
                     struct evidence *evidence, const struct err *err)
{
    struct err failed;

    if (!keep(reader, evidence)) return;
    if (is_of_tiles(evidence) && fallback_begin(reader, err)) return;
    if (!index_set_halt(pipeline_index(reader->pipeline), reader->log.number,
                        halt, &failed)) {
        reader_fail(reader, &failed);
        return;
    }
    reader_end(reader, READER_HALTED, err);
}

// Puts the zip in front that holds what is wrong.
static void name_zip(const struct reader *reader, const char *path,
                     struct err *err)
{
    struct archive *archive = asker_archive(reader->asker);
    const char *holder = archive == NULL || !archive_has_zips(archive)
                             ? NULL
                             : archive_holder(archive, path);

    if (holder != NULL) (void)err_wrap(err, "%s: %s", holder, path + 1);
}

static void name_tile(const struct reader *reader, int level, uint64_t tile,
                      unsigned width, struct err *err)
{
    char path[TILE_PATH_MAX + 1] = "/";

    (void)tile_path(path + 1, level, tile, width);
    name_zip(reader, path, err);
}

static void name_data_tile(const struct reader *reader, uint64_t entry,
                           struct err *err)
{
    uint64_t tile = entry / TILE_WIDTH;
    uint64_t width = reader->pin.size - tile * TILE_WIDTH;

    name_tile(reader, TILE_DATA, tile,
              width < TILE_WIDTH ? (unsigned)width : TILE_WIDTH, err);
}

// ---------------------------------------------------------------- heads

void fault_head(struct reader *reader)
{
    struct evidence evidence = {
        .kind = EVIDENCE_HEAD,
        .num_heads = 1,
        .expected = "a head that this log's key and origin sign",
        .computed = reader->head_err.text,
    };

    name_zip(reader, reader->head_ask.path, &reader->head_err);
    evidence.heads[0].kind =
        reader->log.api == LOG_API_STATIC ? HEAD_CHECKPOINT : HEAD_STH;
    evidence.heads[0].served = buffer_bytes(&reader->head_ask.body);
    halt_log(reader, HALT_DATA, &evidence, &reader->head_err);
}

// The siblings right of `position`, from the leaves that the index holds:
// they let the evidence of a smaller head stand without the index.
static bool own_right(struct reader *reader, uint64_t position, uint64_t size,
                      struct merkle_proof *right)
{
    struct merkle_frontier whole;
    struct subtrees trees;
    struct snapshot *snapshot;
    bool ok;

    if (size > reader->log.verified || size - position > OWN_LEAVES_MAX ||
        !pipeline_snapshot(reader->pipeline, &snapshot, NULL)) {
        return false;
    }
    subtrees_init(&trees, 0, position);
    ok = snapshot_frontier(snapshot, reader->log.number, size, &whole, NULL);
    for (uint64_t i = position; ok && i < size; i++) {
        struct entry entry;
        bool has_bytes;
        uint64_t id;

        arena_reset(&reader->arena);
        ok = snapshot_find_entry(snapshot, reader->log.number, i, &id, NULL) &&
             snapshot_entry(snapshot, id, ENTRY_ALL, &entry, &has_bytes,
                            &reader->arena, NULL) &&
             subtrees_append(&trees, &entry.leaf_hash);
    }
    ok = ok && span_path(position, &whole, subtrees_node, &trees, NULL, right);
    subtrees_cleanup(&trees);
    snapshot_close(snapshot);
    return ok;
}

void fault_fork(struct reader *reader, const struct head *accepted,
                const struct head *other, const struct merkle_frontier *left,
                const struct merkle_proof *right)
{
    struct evidence evidence = {
        .kind = EVIDENCE_FORK,
        .heads = {*accepted, *other},
        .num_heads = 2,
        .expected = "one tree under all heads that the log signs",
        .left = left,
        .right = right,
    };
    struct merkle_proof own;
    struct err err;

    if (left != NULL && right == NULL &&
        own_right(reader, left->size, accepted->size, &own)) {
        evidence.right = &own;
    }
    (void)err_set(&err, ERR_VERIFY,
                  accepted->size == other->size
                      ? "two signed heads of %" PRIu64 " and %" PRIu64
                        " entries with different roots"
                      : "the signed heads of %" PRIu64 " and %" PRIu64
                        " entries are not of one tree",
                  accepted->size, other->size);
    evidence.computed = err.text;
    halt_log(reader, HALT_FORK, &evidence, &err);
}

void fault_final(struct reader *reader)
{
    const struct index_log *log = &reader->config.log;
    struct evidence evidence = {
        .kind = EVIDENCE_FINAL,
        .heads = {reader->head},
        .num_heads = 1,
        .expected = "final_tree_head and nothing beyond it",
        .has_final = true,
        .final_size = log->final_size,
        .final_root = log->final_root,
    };
    struct err err;

    (void)err_set(&err, ERR_VERIFY,
                  reader->head.size == log->final_size
                      ? "the head of %" PRIu64 " entries has another root than "
                        "final_tree_head, of %" PRIu64
                      : "the head of %" PRIu64 " entries lies beyond "
                        "final_tree_head, of %" PRIu64,
                  reader->head.size, log->final_size);
    evidence.computed = err.text;
    halt_log(reader, HALT_DATA, &evidence, &err);
}

// ---------------------------------------------------------------- tiles

// How a hash tile lies under the head: a full one between what the tiles above
// it demand, the edge's last behind what its others claim.
static bool place_tile(const struct reader *reader, struct evidence *evidence,
                       struct merkle_frontier *left,
                       struct merkle_frontier *demanded,
                       struct merkle_proof *right)
{
    const struct source *source = &reader->source;
    struct merkle_proof not_needed;

    if (source->tile.width < TILE_WIDTH) {
        return tiles_edge(source->tiles, source->tile.level, left) &&
               left->size == evidence->first;
    }
    evidence->demanded = demanded;
    return tiles_path(source->tiles, evidence->end, demanded, right) &&
           (evidence->first == 0 ||
            tiles_path(source->tiles, evidence->first, left, &not_needed));
}

void fault_tiles(struct reader *reader, const struct err *err)
{
    struct source *source = &reader->source;
    unsigned shift = TILE_BITS * source->tile.level;
    struct merkle_frontier left = {0}, demanded;
    struct sha256_hash nodes[TILE_WIDTH];
    struct merkle_proof right = {0};
    char path[TILE_PATH_MAX];
    struct evidence_file file = {
        .name = tile_path(path, (int)source->tile.level, source->tile.tile,
                          source->tile.width),
        .bytes = buffer_bytes(&source->tile_ask.body),
    };
    struct evidence evidence = {
        .kind = EVIDENCE_TILES,
        .num_heads = 1,
        .first = source->tile.tile * TILE_WIDTH << shift,
        .expected = "hash tiles that lead to the signed root",
        .computed = err->text,
        .files = &file,
        .num_files = 1,
    };
    struct err why = *err;

    name_tile(reader, (int)source->tile.level, source->tile.tile,
              source->tile.width, &why);
    // What the tiles did not fit: the head served last, or the pinned one.
    evidence.heads[0] = sha256_equal(&source->root, &reader->head.root)
                            ? reader->head
                            : reader->pin;
    evidence.end = evidence.first + ((uint64_t)source->tile.width << shift);
    if (file.bytes.len >= source->tile.width * sizeof nodes[0] &&
        place_tile(reader, &evidence, &left, &demanded, &right)) {
        memcpy(nodes, file.bytes.data, source->tile.width * sizeof nodes[0]);
        evidence.left = &left;
        evidence.nodes = nodes;
        evidence.num_nodes = source->tile.width;
        evidence.level = shift;
        evidence.right = &right;
    }
    halt_log(reader, HALT_DATA, &evidence, &why);
}

// ---------------------------------------------------------------- entries

// The leaves of [first, end) as they were read, for the evidence; the slices
// lie in the pieces that are held.
static size_t held_leaves(struct reader *reader, uint64_t first, uint64_t end,
                          struct bytes *leaves)
{
    size_t num = 0;

    for (struct piece *piece = reader->held; piece != NULL;
         piece = piece->next) {
        for (unsigned i = 0; i < piece->num_entries; i++) {
            if (piece->first + i != first + num || first + num >= end) continue;
            leaves[num++] = piece->entries[i].leaf;
        }
    }
    return num;
}

static void halt_entries(struct reader *reader, struct batch *batch)
{
    uint64_t num = batch->end - batch->first;
    struct evidence evidence = {
        .kind = EVIDENCE_ENTRIES,
        .heads = {reader->pin},
        .num_heads = 1,
        .first = batch->first,
        .end = batch->end,
        .expected = "entries that lead to the signed root",
        .left = &batch->proof.left,
    };
    static const struct merkle_proof nothing_right;
    struct bytes *leaves = calloc(num, sizeof *leaves);
    struct err err;

    if (batch->end == reader->pin.size) {
        evidence.right = &nothing_right;
    } else {
        evidence.demanded = &batch->request.theirs;
        evidence.right = &batch->request.right;
    }
    if (leaves != NULL &&
        held_leaves(reader, batch->first, batch->end, leaves) == num) {
        evidence.leaves = leaves;
        evidence.num_leaves = num;
    }
    if (num == 1) {
        (void)err_set(&err, ERR_VERIFY,
                      "entry %" PRIu64 " as served does not lie under the "
                      "signed head of %" PRIu64 " entries",
                      batch->first, reader->pin.size);
    } else {
        (void)err_set(&err, ERR_VERIFY,
                      "entries %" PRIu64 "..%" PRIu64 " as served do not lie "
                      "under the signed head of %" PRIu64 " entries",
                      batch->first, batch->end - 1, reader->pin.size);
    }
    name_data_tile(reader, batch->first, &err);
    evidence.computed = err.text;
    halt_log(reader, HALT_DATA, &evidence, &err);
    free(leaves);
}

void fault_range(struct reader *reader, uint64_t first, uint64_t end)
{
    struct evidence evidence = {
        .kind = EVIDENCE_ENTRIES,
        .heads = {reader->pin},
        .num_heads = 1,
        .first = first,
        .end = end,
        .expected = "entries that lead to the signed root",
    };
    struct err err;

    (void)err_set(&err, ERR_VERIFY,
                  "entries %" PRIu64 "..%" PRIu64 " as served do not lie "
                  "under the signed head of %" PRIu64 " entries",
                  first, end - 1, reader->pin.size);
    evidence.computed = err.text;
    halt_log(reader, HALT_DATA, &evidence, &err);
}

// ---------------------------------------------------------------- the search

// Reads on from the batch: what is good before the suspect range, then that.
static void read_again(struct reader *reader)
{
    struct batch *batch = reader->suspect;

    reader->has_suspect = true;
    reader->suspect_first = reader->search.good;
    reader->suspect_end = reader->search.bad;
    reader->fresh = true;
    asker_drop_idle(reader->asker);
    log_line(LOG_WARNING,
             "%s: entries %" PRIu64 "..%" PRIu64
             " do not lie under the signed head: reading them again",
             reader->log.name, reader->suspect_first, reader->suspect_end - 1);
    reader->frontier = batch->proof.left;
    read_begin(reader);
}

static void on_search(struct proof *proof)
{
    struct reader *reader = proof->context;
    bool holds = proof->result == PROOF_HOLDS;

    if (reader_returned(reader, &reader->num_asked)) return;
    switch (proof->result) {
    case PROOF_HOLDS:
    case PROOF_CONTRADICTS:
        if (!reader->search_start) {
            *(holds ? &reader->search.good : &reader->search.bad) =
                proof->position;
            search_step(reader);
            return;
        }
        // Our own tree, all of it accepted before, against the new head.
        reader->search_start = false;
        if (holds) {
            search_step(reader);
        } else if (reader->num_accepted > 0) {
            fault_fork(reader, &reader->accepted[reader->num_accepted - 1],
                       &reader->pin, &proof->theirs, &proof->right);
        }
        return;
    case PROOF_REFUSED:
        read_again(reader);
        return;
    case PROOF_BAD_TILES:
        fault_tiles(reader, &proof->err);
        return;
    case PROOF_GIVEN_UP:
    case PROOF_CANCELED:
        fault_given_up(reader, &proof->err, 0, reader->search.good,
                       reader->search.bad);
        return;
    }
}

static void search_step(struct reader *reader)
{
    struct batch *batch = reader->suspect;
    struct proof *proof = &reader->proof;
    uint64_t position = reader->search.good;

    if (!reader->search_start && !bisect_next(&reader->search, &position)) {
        read_again(reader);
        return;
    }
    proof->position = position;
    proof->has_ours = true;
    batch_frontier(batch, position, &proof->ours);
    proof->has_leaf = position > batch->first;
    if (proof->has_leaf) {
        proof->leaf = batch->leaves[position - 1 - batch->first];
    }
    proof->done = on_search;
    proof->context = reader;
    reader->num_asked++;
    source_prove(&reader->source, proof);
}

static void search_begin(struct reader *reader)
{
    struct batch *batch = reader->suspect;

    read_stop(reader);
    reader->search = (struct bisect){batch->first, batch->end};
    reader->search_start = !reader->pin_accepted && batch->first > 0;
    search_step(reader);
}

void fault_wrong(struct reader *reader, struct batch *batch)
{
    bool is_suspect = reader->has_suspect &&
                      batch->first >= reader->suspect_first &&
                      batch->end <= reader->suspect_end;

    if (is_suspect || ++reader->num_searches > SEARCHES_MAX) {
        halt_entries(reader, batch);
        return;
    }
    reader->has_suspect = false;
    reader->suspect = batch;
    reader_settle(reader, false, search_begin);
}

// ---------------------------------------------------------------- no answer

void fault_damaged(struct reader *reader, const struct err *err, uint64_t first,
                   uint64_t end)
{
    struct evidence evidence = {
        .kind = reader->totals.has_head ? EVIDENCE_MISSING : EVIDENCE_HEAD,
        .heads = {reader->pin},
        .num_heads = 1,
        .first = reader->totals.has_head ? first : 0,
        .end = reader->totals.has_head ? end : 0,
        .expected = "members of zips that are whole",
        .computed = err->text,
    };
    struct err why = *err;

    if (!reader->totals.has_head) evidence.heads[0].kind = HEAD_CHECKPOINT;
    halt_log(reader, HALT_DATA, &evidence, &why);
}

void fault_given_up(struct reader *reader, const struct err *err,
                    unsigned status, uint64_t first, uint64_t end)
{
    struct evidence evidence = {
        .kind = EVIDENCE_MISSING,
        .heads = {reader->pin},
        .num_heads = 1,
        .first = first,
        .end = end,
        .expected = "what the log has signed for",
        .computed = err->text,
    };
    struct err why = *err;

    if (err->code == ERR_VERIFY) {
        fault_damaged(reader, err, first, end);
        return;
    }
    if (fallback_begin(reader, err)) return;
    // A network that is down is not the log's word; an answer is.
    if (status != 0 && reader->pin.size >= end && !keep(reader, &evidence)) {
        return;
    }
    reader_end(reader, READER_PARTIAL, &why);
}
