// issuers.c - the certificates that chains name; see state.h.
//
//   RFC 6962   the entries bring them: a worker copies what is new
//   static     asked for by fingerprint, once a process

#include <stdatomic.h>
#include <stdlib.h>

#include "ingest/reader/state.h"

struct issuer_ask {
    struct ask ask;
    struct sha256_hash fingerprint;
    struct reader *reader;
    struct issuer_ask *next;
};

// Entries that get-entries gives later may bring it (fallback.c).
struct wanted_issuer {
    struct sha256_hash fingerprint;
    atomic_bool was_copied;
};

static void want(struct reader *reader, const struct sha256_hash *print)
{
    struct wanted_issuer *wanted;

    if (reader->config.fallback_url[0] == '\0') return;
    wanted = realloc(reader->wanted,
                     (reader->num_wanted + 1) * sizeof *reader->wanted);
    if (wanted == NULL) return;
    reader->wanted = wanted;
    wanted += reader->num_wanted++;
    wanted->fingerprint = *print;
    atomic_init(&wanted->was_copied, false);
}

static bool is_wanted(struct reader *reader, const struct sha256_hash *print)
{
    for (size_t i = 0; i < reader->num_wanted; i++) {
        struct wanted_issuer *wanted = &reader->wanted[i];

        if (sha256_equal(&wanted->fingerprint, print)) {
            return !atomic_exchange(&wanted->was_copied, true);
        }
    }
    return false;
}

void issuers_cleanup(struct reader *reader)
{
    free(reader->wanted);
    reader->wanted = NULL;
    reader->num_wanted = 0;
}

static void on_issuer(struct ask *ask)
{
    struct issuer_ask *issuer = ask->context;
    struct reader *reader = issuer->reader;
    struct issuer_ask **at = &reader->issuer_asks;

    // Missing issuers are no error (CLI.md).
    if (ask->result == ASK_ANSWERED) {
        batch_add_issuer(&reader->issuers, buffer_bytes(&ask->body));
    } else {
        want(reader, &issuer->fingerprint);
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

static bool read_issuer(struct ask *ask, struct worker *worker, struct err *err)
{
    struct issuer_ask *issuer = ask->context;
    struct sha256_hash hash = sha256(buffer_bytes(ask->content));

    (void)worker;
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

// Each issuer is kept once, from whichever log and protocol it comes first.  A
// log has few: nearly always it is one just seen, and the other threads need
// not be asked.
static bool is_new(struct reader *reader, struct sha256_hash *seen,
                   const struct sha256_hash *print)
{
    seen += print->bytes[0] % ISSUERS_SEEN;
    if (sha256_equal(seen, print)) return false;
    *seen = *print;
    return pipeline_claim_issuer(reader->pipeline, print);
}

void issuers_copy(struct reader *reader, struct part *part,
                  const struct entry_bytes *bytes,
                  const struct bytes *certificates)
{
    for (size_t i = 0; i < bytes->num_chain; i++) {
        if (is_new(reader, part->issuers_seen, &bytes->chain[i]) ||
            is_wanted(reader, &bytes->chain[i])) {
            batch_add_issuer(&part->issuers, certificates[i]);
        }
    }
}

static void look_for(struct reader *reader, const struct sha256_hash *print)
{
    if (is_new(reader, reader->issuers_seen, print) &&
        !is_held(reader, print)) {
        ask_issuer(reader, print);
    }
}

void issuers_take(struct reader *reader, struct piece *piece)
{
    struct part *part = piece->part;

    // Whatever becomes of the piece: nobody tells of them again.
    buffer_append(&reader->issuers, buffer_bytes(&part->issuers));
    buffer_reset(&part->issuers);
    if (piece->ask.result != ASK_ANSWERED ||
        reader->log.api != LOG_API_STATIC) {
        return;
    }
    if (piece->keep) {
        for (unsigned i = 0; i < piece->num_entries; i++) {
            for (size_t k = 0; k < piece->entries[i].num_chain; k++) {
                look_for(reader, &piece->entries[i].chain[k]);
            }
        }
    } else {
        size_t num;
        const struct sha256_hash *prints = chunk_issuers(part->chunk, &num);

        for (size_t i = 0; i < num; i++) {
            look_for(reader, &prints[i]);
        }
    }
}
