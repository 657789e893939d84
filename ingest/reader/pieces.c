// pieces.c - what is asked for ahead, and what workers make of it; see state.h.
//
//   pieces_ask -> source -> worker: understand, encode -> on_piece -> read_pump
//
// Pieces come back in any order and are taken in theirs.  What is under way or
// waits is bounded by memory: a body as it came and its part, for each.

#include <stdlib.h>

#include "ingest/reader/state.h"

// What lies ahead is memory that has to be touched and caches that grow cold:
// two pieces for each connection keep them all busy, and a few the workers.
enum {
    PIECES_MIN = 16,
    PIECES_MAX = 128,
};

// ---------------------------------------------------------------- workers

static bool encode(const struct piece *piece, unsigned at,
                   struct worker *worker)
{
    struct reader *reader = piece->context;
    const struct entry_bytes *bytes = &piece->entries[at];
    struct entry entry;

    arena_reset(&worker->entry);
    if (piece->certificates != NULL) {
        issuers_copy(reader, piece->part, bytes, piece->certificates[at]);
    }
    return entry_understand(&entry, bytes, &worker->entry) &&
           part_add(piece->part, &entry);
}

// On a worker: of the reader only what stays while pieces are under way.
static bool take_entries(struct piece *piece, struct worker *worker,
                         struct err *err)
{
    struct reader *reader = piece->context;
    struct part *part = piece->part;

    (void)err;
    cpu_meter_start(&worker->meter);
    part_reset(part, &reader->log, piece->first);
    for (unsigned i = 0; !reader->spooling && i < piece->num_entries; i++) {
        if (encode(piece, i, worker)) continue;
        part->no_memory = true;
        break;
    }
    part_finish(part);
    part->cpu_ns = cpu_meter_stop(&worker->meter);
    part->body_bytes = piece->ask.body.size + piece->ask.file.packed.size;
    if (piece->keep) part->body_bytes += piece->arena.total;
    return true;
}

// ---------------------------------------------------------------- the lists

static struct piece *new_piece(struct reader *reader)
{
    struct piece *piece = reader->spare;

    if (piece != NULL) {
        reader->spare = piece->next;
        piece_reset(piece);
    } else {
        piece = calloc(1, sizeof *piece);
        if (piece == NULL) return NULL;
    }
    piece->part = reader->spare_parts;
    if (piece->part != NULL) {
        reader->spare_parts = piece->part->next;
        piece->part->next = NULL;
    } else if (!part_new(&piece->part, NULL)) {
        free(piece);
        return NULL;
    }
    return piece;
}

static void spare(struct reader *reader, struct piece *piece)
{
    pieces_give_parts(reader, piece->part);
    piece->part = NULL;
    piece->next = reader->spare;
    reader->spare = piece;
}

void pieces_give_parts(struct reader *reader, struct part *part)
{
    while (part != NULL) {
        struct part *next = part->next;

        part->next = reader->spare_parts;
        reader->spare_parts = part;
        part = next;
    }
}

void pieces_drop_held(struct reader *reader)
{
    while (reader->held != NULL) {
        struct piece *piece = reader->held;

        reader->held = piece->next;
        spare(reader, piece);
    }
}

// ---------------------------------------------------------------- asking

static void on_piece(struct piece *piece)
{
    struct reader *reader = piece->context;
    struct part *part = piece->part;

    cpu_meter_start(&reader->meter);
    issuers_take(reader, piece);
    if (piece->ask.result == ASK_ANSWERED) {
        size_t mean =
            (part->body_bytes + part_size_bytes(part)) / piece->num_entries;

        reader->bytes_per_entry = (reader->bytes_per_entry * 7 + mean) / 8;
        reader->totals.cpu_ns += part->cpu_ns;
        piece->is_ready = true;
    }
    if (reader_returned(reader, &reader->num_asked)) return;
    if (piece->ask.result == ASK_GIVEN_UP) {
        reader->gave_up = true;
        piece->is_ready = true;
    }
    read_pump(reader);
    reader->totals.cpu_ns += cpu_meter_stop(&reader->meter);
}

static bool ask_piece(struct reader *reader, struct piece *piece,
                      uint64_t first, uint64_t end)
{
    struct err err;

    if (piece == NULL) {
        (void)err_set(&err, ERR_MEMORY, "no memory for a piece");
        reader_fail(reader, &err);
        return false;
    }
    piece->fresh = reader->fresh;
    // The bytes of a suspect are evidence when it does not come right.
    piece->keep = reader->spooling ||
                  (reader->has_suspect && first >= reader->suspect_first &&
                   first < reader->suspect_end);
    piece->take = take_entries;
    piece->done = on_piece;
    piece->context = reader;
    reader->num_pieces++;
    reader->num_asked++;
    source_ask_piece(&reader->source, piece, first, end);
    piece->planned_end = first + piece->num_wanted;
    return true;
}

// How many pieces may be under way or wait: as many as the connections carry,
// as the memory holds, and one at least.
static unsigned window(const struct reader *reader)
{
    size_t piece_bytes =
        reader->bytes_per_entry *
        (reader->log.api == LOG_API_STATIC ? TILE_WIDTH : reader->source.batch);
    size_t most = reader->memory / 2 / (piece_bytes + 1);
    size_t wanted =
        reader->config.archive != NULL ? 0 : 2 * (size_t)reader->connections;

    if (!reader->source.batch_known) return 1;
    if (wanted < PIECES_MIN) wanted = PIECES_MIN;
    if (wanted > PIECES_MAX) wanted = PIECES_MAX;
    if (most > wanted) most = wanted;
    return most < 1 ? 1 : (unsigned)most;
}

void pieces_ask(struct reader *reader)
{
    const struct log_range *gap = &reader->gaps[reader->gap];
    unsigned most = window(reader);

    if (reader->gave_up) return;
    while (reader->asked < gap->end && reader->num_pieces < most) {
        uint64_t end = read_chunk_end(reader, reader->asked);
        struct piece *piece = new_piece(reader);

        if (piece != NULL) {
            piece->next = NULL;
            *reader->last_piece = piece;
            reader->last_piece = &piece->next;
        }
        if (!ask_piece(reader, piece, reader->asked, end)) return;
        reader->asked += piece->num_wanted;
    }
}

bool pieces_pop(struct reader *reader)
{
    struct piece *piece = reader->pieces, *rest;
    uint64_t at = piece->first + piece->num_entries;
    uint64_t planned_end = piece->planned_end;
    struct piece **held = &reader->held;

    reader->pieces = piece->next;
    if (reader->pieces == NULL) reader->last_piece = &reader->pieces;
    reader->num_pieces--;
    if (piece->keep && !reader->spooling) {
        while (*held != NULL) {
            held = &(*held)->next;
        }
        piece->next = NULL;
        *held = piece;
    } else {
        spare(reader, piece);
    }
    if (at == planned_end) return true;
    rest = new_piece(reader);
    if (rest != NULL) {
        rest->next = reader->pieces;
        if (reader->pieces == NULL) reader->last_piece = &rest->next;
        reader->pieces = rest;
    }
    if (!ask_piece(reader, rest, at, planned_end)) return false;
    rest->planned_end = planned_end;
    return true;
}

void pieces_stop(struct reader *reader)
{
    while (reader->pieces != NULL) {
        struct piece *piece = reader->pieces;

        reader->pieces = piece->next;
        spare(reader, piece);
    }
    pieces_drop_held(reader);
    reader->last_piece = &reader->pieces;
    reader->num_pieces = 0;
}

static void free_pieces(struct piece *piece)
{
    while (piece != NULL) {
        struct piece *next = piece->next;

        part_free(piece->part);
        piece_cleanup(piece);
        free(piece);
        piece = next;
    }
}

void pieces_cleanup(struct reader *reader)
{
    free_pieces(reader->pieces);
    free_pieces(reader->held);
    free_pieces(reader->spare);
    part_free(reader->spare_parts);
    reader->pieces = reader->held = reader->spare = NULL;
    reader->last_piece = &reader->pieces;
    reader->spare_parts = NULL;
}
