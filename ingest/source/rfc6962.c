// rfc6962.c - a log that answers get-entries and proves by request; source.h.
//
// A position is proven by the first of these that leads to the pinned head:
//
//   get-sth-consistency   twice, the second time over a new connection: some
//                         caches answer another question (FAULTS.md section 4)
//   get-proof-by-hash     the path of the leaf before the position
//   get-entry-and-proof   the same by index: equal leaves share one hash
//
// The second and third also tell a wrong frontier of ours from a wrong proof
// where the position is a power of two, at which a consistency proof does not
// name the first tree.

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "index/base/text.h"
#include "ingest/parse/proof.h"
#include "ingest/source/source.h"

enum {
    LEAF_TYPE_AT = 10, // of entry_type in a MerkleTreeLeaf
    FULL_ANSWERS_TO_GROW = 32,
};

static bool read_head(struct source *source, struct bytes served,
                      struct head *head, struct err *err)
{
    return head_parse_sth(head, served, source->key, err);
}

// ---------------------------------------------------------------- entries

// Up to the next multiple of what the log is known to give: that is where
// many logs cut (CT-PROTOCOLS section 5.1).
static unsigned piece_width(struct source *source, uint64_t first, uint64_t end)
{
    uint64_t width = source->batch - first % source->batch;

    return (unsigned)(width < end - first ? width : end - first);
}

static void prepare_piece(struct ask *ask)
{
    struct piece *piece = ask->context;

    (void)snprintf(ask->path, sizeof ask->path,
                   "/ct/v1/get-entries?start=%" PRIu64 "&end=%" PRIu64,
                   piece->first, piece->first + piece->num_wanted - 1);
}

// A short answer tells how many entries the log gives: up to a multiple of a
// power of two where it ends on one.  Which power, only an answer from such a
// multiple on tells: from between two of them, as when a log has grown, the
// largest that may be it is tried.
static void learn_piece(struct source *source, const struct piece *piece)
{
    uint64_t end = piece->first + piece->num_entries;
    unsigned batch = piece->num_entries;

    source->batch_known = true;
    if (piece->num_entries == piece->num_wanted) {
        if (++source->num_full < FULL_ANSWERS_TO_GROW) return;
        source->num_full = 0;
        if (source->batch * 2 <= source->batch_max) source->batch *= 2;
        return;
    }
    source->num_full = 0;
    for (unsigned power = 1; power <= source->batch_max; power *= 2) {
        if (power >= piece->num_entries && end % power == 0) batch = power;
    }
    source->batch = batch;
}

static enum leaf_type type_of(struct bytes leaf)
{
    uint64_t header, entry_type;

    if (bytes_read_uint(&leaf, &header, 2) && header == 0 &&
        bytes_skip(&leaf, LEAF_TYPE_AT - 2) &&
        bytes_read_uint(&leaf, &entry_type, 2) && entry_type <= LEAF_PRECERT) {
        return (enum leaf_type)entry_type;
    }
    return LEAF_UNKNOWN;
}

static bool cut_piece(struct piece *piece, struct worker *worker,
                      struct arena *arena, struct err *err)
{
    struct buffer *body = piece->ask.content;
    size_t most = piece->num_wanted, num;
    struct get_entry *answers = arena_alloc(arena, most * sizeof *answers);
    struct entry_bytes *entries = arena_alloc(arena, most * sizeof *entries);
    struct bytes **chains = arena_alloc(arena, most * sizeof *chains);

    if (answers == NULL || entries == NULL || chains == NULL) {
        return err_set(err, ERR_MEMORY, "no memory for %zu entries", most);
    }
    if (!get_entries_parse(answers, most, &num, body->data, body->len, err)) {
        return false;
    }
    for (size_t i = 0; i < num; i++) {
        entries[i] = (struct entry_bytes){.index = piece->first + i,
                                          .leaf = answers[i].leaf_input};
        if (!entry_parse_extra(&entries[i], type_of(answers[i].leaf_input),
                               answers[i].extra_data, &worker->chains,
                               &chains[i], arena)) {
            return err_set(err, ERR_MEMORY, "no memory for an entry");
        }
    }
    piece->entries = entries;
    piece->certificates = chains;
    piece->num_entries = (unsigned)num;
    return true;
}

// Refused: some logs do so when the answer would be too large for them.
static void refused_piece(struct ask *ask)
{
    struct piece *piece = ask->context;

    if (piece->num_wanted > 1) piece->num_wanted /= 2;
    piece->source->batch = piece->num_wanted;
}

// ---------------------------------------------------------------- proofs

enum stage {
    CONSISTENCY,
    CONSISTENCY_FRESH,
    BY_HASH,
    BY_INDEX,
    NO_MORE,
};

static void next_stage(struct proof *proof);

static void append_percent(char *out, size_t size, const struct buffer *base64)
{
    size_t len = strlen(out);

    for (size_t i = 0; i < base64->len && len + 4 < size; i++) {
        uint8_t c = base64->data[i];
        bool plain = c != '+' && c != '/' && c != '=';

        len += (size_t)snprintf(out + len, size - len, plain ? "%c" : "%%%02X",
                                (unsigned)c);
    }
}

static void prepare_proof(struct ask *ask)
{
    struct proof *proof = ask->context;
    uint64_t size = proof->source->size;
    struct buffer hash = {0};

    switch ((enum stage)proof->stage) {
    case CONSISTENCY:
    case CONSISTENCY_FRESH:
        (void)snprintf(ask->path, sizeof ask->path,
                       "/ct/v1/get-sth-consistency?first=%" PRIu64
                       "&second=%" PRIu64,
                       proof->position, size);
        return;
    case BY_HASH:
        text_append_base64(&hash, sha256_bytes(&proof->leaf));
        (void)snprintf(
            ask->path, sizeof ask->path,
            "/ct/v1/get-proof-by-hash?tree_size=%" PRIu64 "&hash=", size);
        append_percent(ask->path, sizeof ask->path, &hash);
        buffer_cleanup(&hash);
        return;
    case BY_INDEX:
        (void)snprintf(ask->path, sizeof ask->path,
                       "/ct/v1/get-entry-and-proof?leaf_index=%" PRIu64
                       "&tree_size=%" PRIu64,
                       proof->position - 1, size);
        return;
    case NO_MORE:
        return;
    }
}

// A path of the leaf before the position: all that is left of it, the leaf,
// all that is right of it.
static bool judge_path(struct proof *proof, const struct merkle_proof *path,
                       const struct sha256_hash *leaf)
{
    struct merkle_frontier theirs;
    struct merkle_proof right;

    if (!merkle_audit_split(path, proof->position - 1, proof->source->size, 0,
                            &theirs, &right)) {
        return false;
    }
    merkle_append(&theirs, leaf);
    return proof_judge(proof, &theirs, &right);
}

static bool judge_consistency(struct proof *proof, struct bytes body)
{
    struct sha256_hash first_root = {0};
    struct merkle_frontier theirs;
    struct merkle_proof nodes, right;

    if (!proof_parse_consistency(&nodes, body, NULL)) return false;
    if (proof->has_ours) first_root = merkle_root(&proof->ours);
    return merkle_consistency_split(&nodes, proof->position,
                                    proof->source->size, &first_root, &theirs,
                                    &right) &&
           proof_judge(proof, &theirs, &right);
}

static bool judge_answer(struct proof *proof, struct bytes body)
{
    struct merkle_proof path;
    struct buffer leaf = {0};
    struct sha256_hash hash;
    uint64_t index;
    bool ok = false;

    switch ((enum stage)proof->stage) {
    case CONSISTENCY:
    case CONSISTENCY_FRESH:
        return judge_consistency(proof, body);
    case BY_HASH:
        return proof_parse_by_hash(&path, &index, body, NULL) &&
               index == proof->position - 1 &&
               judge_path(proof, &path, &proof->leaf);
    case BY_INDEX:
        if (proof_parse_entry(&path, &leaf, body, NULL)) {
            hash = merkle_leaf_hash(buffer_bytes(&leaf));
            ok = judge_path(proof, &path, &hash);
        }
        buffer_cleanup(&leaf);
        return ok;
    case NO_MORE:
        break;
    }
    return false;
}

static void on_proof(struct ask *ask)
{
    struct proof *proof = ask->context;
    bool holds = false;

    if (ask->result == ASK_CANCELED || ask->result == ASK_GIVEN_UP) {
        proof->err = ask->err;
        ask_cleanup(ask);
        proof_end(proof, ask->result == ASK_CANCELED ? PROOF_CANCELED
                                                     : PROOF_GIVEN_UP);
        return;
    }
    if (ask->result == ASK_ANSWERED) {
        holds = judge_answer(proof, buffer_bytes(&ask->body));
    } else if (proof->stage == CONSISTENCY) {
        proof->stage++; // refused, not wrong: no second try
    }
    ask_cleanup(ask);
    if (holds) {
        proof_end(proof, proof->result);
        return;
    }
    proof->stage++;
    next_stage(proof);
}

// Skips what cannot answer here and asks.
static void next_stage(struct proof *proof)
{
    bool is_power = (proof->position & (proof->position - 1)) == 0;

    if (proof->stage <= CONSISTENCY_FRESH && is_power && !proof->has_ours) {
        proof->stage = BY_HASH;
    }
    if (proof->stage == BY_HASH && !proof->has_leaf) proof->stage = BY_INDEX;
    if (proof->stage == NO_MORE) {
        proof_end(proof, PROOF_REFUSED);
        return;
    }
    proof->ask.body_max = SOURCE_PROOF_MAX;
    proof->ask.optional = true;
    proof->ask.fresh = proof->stage == CONSISTENCY_FRESH;
    proof->ask.prepare = prepare_proof;
    proof->ask.done = on_proof;
    proof->ask.context = proof;
    asker_ask(proof->source->asker, &proof->ask);
}

static void prove(struct source *source, struct proof *proof)
{
    (void)source;
    next_stage(proof);
}

// The asker calls every question back, and here that is all there is.
static void cancel(struct source *source)
{
    (void)source;
}

const struct source_ops source_rfc6962 = {
    .head_path = "/ct/v1/get-sth",
    .read_head = read_head,
    .piece_width = piece_width,
    .prepare_piece = prepare_piece,
    .cut_piece = cut_piece,
    .learn_piece = learn_piece,
    .refused_piece = refused_piece,
    .prove = prove,
    .cancel = cancel,
};
