// read.c - entries in order, proven; see state.h.
//
//   ask a window of pieces ahead -> the first one ready -> understand, encode
//   -> batch full -> proof -> writer -> batch free
//
//   short answer        the rest of the piece is asked for next
//   no batch free       nothing is understood until one is
//   batch contradicts   fault_wrong, when all before it are proven
//   proof refused       spool_start, when all before it are proven

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "ingest/reader/state.h"

enum {
    PIECES_MAX = 64,
};

struct issuer_ask {
    struct ask ask;
    struct sha256_hash fingerprint;
    struct reader *reader;
    struct issuer_ask *next;
};

static void on_piece(struct piece *piece);

static uint64_t cpu_now_ns(void)
{
    struct timespec now;

    if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now) != 0) return 0;
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

uint64_t read_chunk_end(const struct reader *reader, uint64_t first)
{
    const struct log_range *gap = &reader->gaps[reader->gap];
    uint64_t cuts[READER_CHECKS_MAX + 2];
    size_t num_cuts = 0;

    for (size_t i = 0; i < reader->num_checks; i++) {
        cuts[num_cuts++] = reader->checks[i].size;
    }
    if (reader->has_suspect) {
        cuts[num_cuts++] = reader->suspect_first;
        cuts[num_cuts++] = reader->suspect_end;
    }
    return chunk_end(first, reader->chunk_width, gap->end, cuts, num_cuts);
}

// ---------------------------------------------------------------- issuers

static void on_issuer(struct ask *ask)
{
    struct issuer_ask *issuer = ask->context;
    struct reader *reader = issuer->reader;
    struct issuer_ask **at = &reader->issuer_asks;

    // Missing issuers are no error (CLI.md).
    if (ask->result == ASK_ANSWERED) {
        batch_add_issuer(&reader->issuers, buffer_bytes(&ask->body));
    }
    while (*at != issuer) {
        at = &(*at)->next;
    }
    *at = issuer->next;
    ask_cleanup(ask);
    free(issuer);
    if (reader_returned(reader, &reader->num_asked)) return;
    read_pump(reader);
}

static bool read_issuer(struct ask *ask, struct err *err)
{
    struct issuer_ask *issuer = ask->context;
    struct sha256_hash hash = sha256(buffer_bytes(&ask->body));

    return sha256_equal(&hash, &issuer->fingerprint) ||
           err_set(err, ERR_MALFORMED, "not the certificate of that hash");
}

static bool is_held(struct reader *reader, const struct sha256_hash *print)
{
    struct snapshot *snapshot;
    struct bytes der;
    struct err err;
    bool found;

    if (!snapshot_open(&snapshot, pipeline_index(reader->pipeline), &err)) {
        return true;
    }
    found = snapshot_issuer(snapshot, print, &der, &err);
    snapshot_close(snapshot);
    return found;
}

static void ask_issuer(struct reader *reader, const struct sha256_hash *print)
{
    static const char digits[] = "0123456789abcdef";
    struct issuer_ask *issuer = calloc(1, sizeof *issuer);
    char *path;

    if (issuer == NULL) return;
    issuer->reader = reader;
    issuer->fingerprint = *print;
    issuer->next = reader->issuer_asks;
    reader->issuer_asks = issuer;
    path = stpcpy(issuer->ask.path, "/issuer/");
    for (size_t i = 0; i < SHA256_LEN; i++) {
        *path++ = digits[print->bytes[i] >> 4];
        *path++ = digits[print->bytes[i] & 15];
    }
    *path = '\0';
    issuer->ask.body_max = SOURCE_ISSUER_MAX;
    issuer->ask.optional = true;
    issuer->ask.read = read_issuer;
    issuer->ask.done = on_issuer;
    issuer->ask.context = issuer;
    reader->num_asked++;
    asker_ask(reader->asker, &issuer->ask);
}

// Each issuer is kept once, from whichever log and protocol it comes first.
static void take_issuers(struct reader *reader, const struct entry_bytes *bytes,
                         const struct bytes *certificates)
{
    for (size_t i = 0; i < bytes->num_chain; i++) {
        struct sha256_hash *seen =
            &reader
                 ->issuers_seen[bytes->chain[i].bytes[0] % READER_ISSUERS_SEEN];

        // A log has few issuers: nearly always it is one just seen, and the
        // other threads need not be asked.
        if (sha256_equal(seen, &bytes->chain[i])) continue;
        *seen = bytes->chain[i];
        if (!pipeline_claim_issuer(reader->pipeline, &bytes->chain[i])) {
            continue;
        }
        if (certificates != NULL) {
            batch_add_issuer(&reader->issuers, certificates[i]);
        } else if (reader->log.api == LOG_API_STATIC &&
                   !is_held(reader, &bytes->chain[i])) {
            ask_issuer(reader, &bytes->chain[i]);
        }
    }
}

// ---------------------------------------------------------------- batches

bool read_open_batch(struct reader *reader, uint64_t end)
{
    for (unsigned i = 0; i < reader->num_batches; i++) {
        struct batch *batch = reader->batches[i];

        if (batch->state != BATCH_FREE) continue;
        batch->state = BATCH_FILLING;
        batch_reset(batch, &reader->log, &reader->frontier, end);
        reader->filling = batch;
        return true;
    }
    return false;
}

bool read_add(struct reader *reader, const struct entry_bytes *bytes)
{
    struct entry entry;
    struct err err;

    if (!entry_understand(&entry, bytes, &reader->arena)) {
        (void)err_set(&err, ERR_MEMORY, "no memory for an entry");
    } else if (batch_add(reader->filling, &entry, &err)) {
        return true;
    }
    reader_fail(reader, &err);
    return false;
}

static void free_held(struct reader *reader)
{
    while (reader->held != NULL) {
        struct piece *piece = reader->held;

        reader->held = piece->next;
        piece->next = reader->spare;
        reader->spare = piece;
    }
}

void read_hand_on(struct reader *reader)
{
    while (reader->proving != NULL && reader->settled == NULL) {
        struct batch *batch = reader->proving;

        if (batch->state == BATCH_WRONG) {
            fault_wrong(reader, batch);
            return;
        }
        if (batch->state == BATCH_REFUSED) {
            spool_start(reader, batch->first);
            return;
        }
        if (batch->state != BATCH_PROVEN) return;
        reader->proving = batch->next;
        if (reader->proving == NULL) reader->last_proving = &reader->proving;
        for (size_t i = 0; i < reader->num_checks; i++) {
            struct sha256_hash root = merkle_root(&batch->frontier);

            if (reader->checks[i].size == batch->end &&
                !sha256_equal(&root, &reader->checks[i].root)) {
                batch->state = BATCH_FREE;
                fault_fork(reader, &reader->pin, &reader->checks[i],
                           &batch->frontier, &batch->proof.right);
                return;
            }
        }
        if (reader->has_suspect && batch->end >= reader->suspect_end) {
            // Read again it came right: an error of transport.
            reader->has_suspect = false;
            reader->fresh = false;
        }
        reader->num_searches = 0;
        asker_progressed(reader->asker);
        buffer_append(&batch->issuers, buffer_bytes(&reader->issuers));
        buffer_reset(&reader->issuers);
        batch->state = BATCH_WRITING;
        reader->num_writing++;
        pipeline_write(reader->pipeline, batch);
    }
}

static void on_proof(struct proof *proof)
{
    struct batch *batch = proof->context;
    struct reader *reader = batch->reader;

    switch (proof->result) {
    case PROOF_HOLDS:
        batch->proof.right = proof->right;
        batch->state = BATCH_PROVEN;
        break;
    case PROOF_CONTRADICTS:
        batch->state = BATCH_WRONG;
        break;
    case PROOF_REFUSED:
        batch->state = BATCH_REFUSED;
        break;
    case PROOF_BAD_TILES:
    case PROOF_GIVEN_UP:
    case PROOF_CANCELED:
        break;
    }
    if (reader_returned(reader, &reader->num_asked)) return;
    if (proof->result == PROOF_BAD_TILES) {
        fault_tiles(reader, &proof->err);
        return;
    }
    if (proof->result == PROOF_GIVEN_UP || proof->result == PROOF_CANCELED) {
        fault_given_up(reader, &proof->err, reader->source.tile_ask.status,
                       batch->first, reader->pin.size);
        return;
    }
    read_hand_on(reader);
    read_pump(reader);
}

// The batch is full: how does it lie under the head?
static void prove(struct reader *reader, struct batch *batch)
{
    struct proof *proof = &batch->request;
    struct sha256_hash root;

    batch->proof.head = reader->pin;
    batch->state = BATCH_PROVING;
    batch->next = NULL;
    *reader->last_proving = batch;
    reader->last_proving = &batch->next;
    if (batch->end == reader->pin.size) {
        root = merkle_root(&batch->frontier);
        batch->proof.right.num_nodes = 0;
        batch->state =
            sha256_equal(&root, &reader->pin.root) ? BATCH_PROVEN : BATCH_WRONG;
        return;
    }
    proof->position = batch->end;
    proof->has_ours = true;
    proof->ours = batch->frontier;
    proof->has_leaf = true;
    proof->leaf = batch->leaves[batch->end - 1 - batch->first];
    proof->done = on_proof;
    proof->context = batch;
    reader->num_asked++;
    source_prove(&reader->source, proof);
}

static bool close_batch(struct reader *reader)
{
    struct batch *batch = reader->filling;

    reader->filling = NULL;
    // The bytes of a suspect are evidence when it does not come right.
    if (!reader->has_suspect) free_held(reader);
    prove(reader, batch);
    read_hand_on(reader);
    return reader->settled == NULL;
}

// ---------------------------------------------------------------- pieces

static struct piece *new_piece(struct reader *reader)
{
    struct piece *piece = reader->spare;

    if (piece != NULL) {
        reader->spare = piece->next;
        piece_cleanup(piece);
        *piece = (struct piece){0};
        return piece;
    }
    return calloc(1, sizeof *piece);
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
    piece->done = on_piece;
    piece->context = reader;
    reader->num_pieces++;
    reader->num_asked++;
    source_ask_piece(&reader->source, piece, first, end, reader->fresh);
    piece->planned_end = first + piece->num_wanted;
    return true;
}

// How many pieces may be under way or wait: as many as the connections carry,
// as the memory holds, and one at least.
static unsigned window(const struct reader *reader)
{
    // A body that grows has room for twice what it holds.
    size_t per_entry = 2 * reader->bytes_per_entry;
    size_t piece_bytes =
        per_entry *
        (reader->log.api == LOG_API_STATIC ? TILE_WIDTH : reader->source.batch);
    size_t most = reader->options.memory / 2 / (piece_bytes + 1);

    if (!reader->source.batch_known) return 1;
    if (most > PIECES_MAX) most = PIECES_MAX;
    return most < 1 ? 1 : (unsigned)most;
}

static void ask_more(struct reader *reader)
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

// Takes the first piece off; what it lacks is asked for in its place.
static bool pop_piece(struct reader *reader, uint64_t planned_end)
{
    struct piece *piece = reader->pieces, *rest;
    uint64_t at = piece->first + piece->num_entries;
    bool keep = reader->has_suspect && reader->filling != NULL &&
                reader->filling->first == reader->suspect_first;
    struct piece **held = &reader->held;

    reader->pieces = piece->next;
    if (reader->pieces == NULL) reader->last_piece = &reader->pieces;
    reader->num_pieces--;
    if (keep && !reader->spooling) {
        while (*held != NULL) {
            held = &(*held)->next;
        }
        piece->next = NULL;
        *held = piece;
    } else {
        piece->next = reader->spare;
        reader->spare = piece;
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

static bool take_entry(struct reader *reader, struct piece *piece, unsigned at)
{
    struct entry_bytes bytes;
    struct bytes *certificates;
    struct err err;

    arena_reset(&reader->arena);
    if (!source_entry(piece, at, &bytes, &certificates, &reader->arena)) {
        (void)err_set(&err, ERR_MEMORY, "no memory for an entry");
        reader_fail(reader, &err);
        return false;
    }
    take_issuers(reader, &bytes, certificates);
    return reader->spooling ? spool_take(reader, &bytes)
                            : read_add(reader, &bytes);
}

// Understands the first piece whole.  False: stop for now.
static bool take_piece(struct reader *reader)
{
    struct piece *piece = reader->pieces;
    uint64_t planned_end = piece->planned_end;

    if (!reader->spooling && reader->filling == NULL &&
        !read_open_batch(reader,
                         read_chunk_end(reader, reader->frontier.size))) {
        return false;
    }
    assert(piece->first == reader->frontier.size);
    for (unsigned i = 0; i < piece->num_entries; i++) {
        if (!take_entry(reader, piece, i)) return false;
    }
    if (reader->filling != NULL) reader->frontier = reader->filling->frontier;
    if (!pop_piece(reader, planned_end)) return false;
    if (reader->filling != NULL && batch_is_full(reader->filling)) {
        return close_batch(reader);
    }
    return true;
}

static void on_piece(struct piece *piece)
{
    struct reader *reader = piece->context;
    uint64_t begun = cpu_now_ns();

    if (piece->ask.result == ASK_ANSWERED) {
        size_t mean =
            (piece->ask.body.len + piece->arena.total) / piece->num_entries;

        reader->bytes_per_entry = (reader->bytes_per_entry * 7 + mean) / 8;
        piece->is_ready = true;
    }
    if (reader_returned(reader, &reader->num_asked)) return;
    if (piece->ask.result == ASK_GIVEN_UP) {
        reader->gave_up = true;
        piece->is_ready = true;
    }
    read_pump(reader);
    reader->totals.cpu_ns += cpu_now_ns() - begun;
}

// ---------------------------------------------------------------- the loop

// The first piece was given up: what came before it is still proven.
static void give_up_here(struct reader *reader)
{
    struct piece *piece = reader->pieces;
    struct batch *batch = reader->filling;

    if (!reader->spooling) {
        if (batch != NULL && batch->frontier.size > batch->first) {
            batch->end = batch->frontier.size;
            (void)close_batch(reader);
        }
        if (reader->proving != NULL || reader->settled != NULL) return;
    }
    fault_given_up(reader, &piece->ask.err, piece->ask.status, piece->first,
                   piece->first + piece->num_wanted);
}

void read_begin(struct reader *reader)
{
    reader->gave_up = false;
    reader->asked = reader->frontier.size;
    if (reader->bytes_per_entry == 0) {
        reader->bytes_per_entry = BYTES_PER_ENTRY_FIRST;
    }
    reader->mode = MODE_READ;
    read_pump(reader);
}

void read_pump(struct reader *reader)
{
    const struct log_range *gap;

    if (reader->settled != NULL || reader->ending) return;
    if (reader->mode == MODE_REPLAY) {
        spool_pump(reader);
        return;
    }
    if (reader->mode != MODE_READ) return;
    gap = &reader->gaps[reader->gap];
    ask_more(reader);
    while (reader->pieces != NULL && reader->pieces->is_ready) {
        if (reader->pieces->ask.result != ASK_ANSWERED) {
            give_up_here(reader);
            return;
        }
        if (!take_piece(reader)) break;
        if (reader->settled != NULL || reader->ending) return;
        ask_more(reader);
    }
    if (reader->settled != NULL || reader->ending) return;
    if (reader->frontier.size < gap->end || reader->pieces != NULL) return;
    if (reader->spooling) {
        reader->mode = MODE_IDLE;
        spool_finish(reader);
        return;
    }
    if (reader->filling == NULL && reader->proving == NULL) {
        // All proven: the writer is waited for, then comes the next gap.
        reader->mode = MODE_IDLE;
        reader->gap++;
        reader_settle(reader, true, head_next_gap);
    }
}

void read_stop(struct reader *reader)
{
    assert(reader->num_asked == 0 && reader->num_writing == 0);
    while (reader->pieces != NULL) {
        struct piece *piece = reader->pieces;

        reader->pieces = piece->next;
        piece->next = reader->spare;
        reader->spare = piece;
    }
    free_held(reader);
    reader->last_piece = &reader->pieces;
    reader->num_pieces = 0;
    reader->filling = NULL;
    reader->proving = NULL;
    reader->last_proving = &reader->proving;
    for (unsigned i = 0; i < reader->num_batches; i++) {
        reader->batches[i]->state = BATCH_FREE;
    }
    reader->mode = MODE_IDLE;
}

void reader_take_back(struct reader *reader, struct batch *batch)
{
    batch->state = BATCH_FREE;
    if (batch->written) {
        reader->totals.entries += batch->end - batch->first;
        reader->totals.done += batch->end - batch->first;
        reader->totals.num_names += batch->num_names;
        reader->totals.cpu_ns += batch->cpu_ns;
        reader->pin_accepted = true;
        reader_show(reader);
    }
    if (reader_returned(reader, &reader->num_writing)) return;
    if (!batch->written) {
        reader_end(reader, READER_PARTIAL, &batch->err);
        return;
    }
    read_pump(reader);
}
