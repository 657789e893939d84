// reader.c - see reader.h and state.h: beginning and end.

#include <assert.h>
#include <stdlib.h>
#include <time.h>

#include "ingest/reader/state.h"
#include "ingest/source/archive_check.h"

enum {
    CONNECTIONS_RFC6962 = 8,
    CONNECTIONS_STATIC = 16,
    // Of the memory, for the directories of zips.
    DIRECTORIES_SHARE = 16,
};

// ---------------------------------------------------------------- settling

static void settle_now(struct ring_op *op, int result)
{
    struct reader *reader = RING_OWNER(op, struct reader, post);
    reader_step *step = reader->settled;

    (void)result;
    if (step == NULL || reader->num_asked > 0 || reader->num_writing > 0) {
        return;
    }
    reader->settled = NULL;
    step(reader);
}

static void settle_check(struct reader *reader)
{
    if (reader->settled == NULL || reader->num_asked > 0 ||
        reader->num_writing > 0 || ring_busy(&reader->post)) {
        return;
    }
    // A step of its own in the ring: who caused it may still be at work.
    ring_post(reader->options.ring, &reader->post, 0, settle_now);
}

void reader_settle(struct reader *reader, bool drain, reader_step *step)
{
    // The end is the last step that anybody asks for.
    if (reader->ending && reader->settled != NULL) return;
    reader->settled = step;
    if (!drain) {
        source_cancel(&reader->source);
        asker_cancel(reader->asker);
    }
    settle_check(reader);
}

bool reader_returned(struct reader *reader, unsigned *counter)
{
    assert(*counter > 0);
    (*counter)--;
    settle_check(reader);
    return reader->settled != NULL;
}

// ---------------------------------------------------------------- the index

bool reader_reload(struct reader *reader, struct err *err)
{
    struct snapshot *snapshot;
    const struct index_log *log;
    bool ok;

    arena_reset(&reader->heads_arena);
    reader->accepted = NULL;
    reader->num_accepted = 0;
    if (!pipeline_snapshot(reader->pipeline, &snapshot, err)) {
        return false;
    }
    log = snapshot_find_log(snapshot, reader->log.number);
    ok = log != NULL || err_set(err, ERR_INDEX, "log %u is gone",
                                (unsigned)reader->log.number);
    if (ok) {
        enum log_api api = reader->log.api;

        reader->log = *log;
        reader->log.api = api;
        ok = snapshot_heads(snapshot, reader->log.number, &reader->accepted,
                            &reader->num_accepted, &reader->heads_arena, err);
    }
    // What the snapshot gave must outlive it.
    for (size_t i = 0; ok && i < reader->num_accepted; i++) {
        struct bytes *served = &reader->accepted[i].served;

        ok = arena_copy(&reader->heads_arena, *served, served) ||
             err_set(err, ERR_MEMORY, "no memory for heads");
    }
    snapshot_close(snapshot);
    return ok;
}

// ---------------------------------------------------------------- beginning

static unsigned num_connections(const struct reader *reader)
{
    unsigned given = pipeline_options(reader->pipeline)->connections;

    if (given > 0) return given;
    return reader->log.api == LOG_API_STATIC ? CONNECTIONS_STATIC
                                             : CONNECTIONS_RFC6962;
}

void reader_set_source(struct reader *reader)
{
    struct source *source = &reader->source;

    source_cleanup(source);
    source_init(source, reader->log.api);
    source->ring = reader->options.ring;
    source->key = reader->config.key;
    source->origin = reader->config.log.origin;
    reader->connections = num_connections(reader);
}

bool reader_open_asker(struct reader *reader, struct err *err)
{
    const struct pipeline_options *given = pipeline_options(reader->pipeline);
    const struct reader_config *config = &reader->config;
    struct asker_options options = {
        .url = config->archive != NULL ? NULL
               : reader->fell_back     ? config->fallback_url
                                       : config->log.url,
        .archive = config->archive,
        .binds = given->binds,
        .num_binds = given->num_binds,
        .door = reader->options.door,
        .connections = reader->connections,
        .rate = given->rate,
        .retry_ms = given->follow ? UINT64_MAX : given->retry_ms,
        .has_other = !reader->fell_back && config->fallback_url[0] != '\0',
        .bytes_before =
            reader->asker != NULL ? asker_bytes_received(reader->asker) : 0,
        .live = &reader->live,
    };

    if (!asker_open(&reader->asker, reader->options.ring,
                    reader->options.shared, &options, err)) {
        return false;
    }
    reader->source.asker = reader->asker;
    return true;
}

bool reader_new(struct reader **out, const struct reader_config *config,
                const struct reader_options *options, struct err *err)
{
    struct reader *reader = calloc(1, sizeof *reader);

    if (reader == NULL) return err_set(err, ERR_MEMORY, "no memory");
    reader->config = *config;
    reader->options = *options;
    reader->pipeline = options->pipeline;
    reader->log = config->log;
    reader->last_piece = &reader->pieces;
    reader->last_proving = &reader->proving;
    (void)pthread_mutex_init(&reader->lock, NULL);
    reader_set_source(reader);
    if (!share_begin(reader, err) || !reader_open_asker(reader, err)) {
        reader_free(reader);
        return false;
    }
    if (config->archive != NULL) {
        archive_limit(config->archive, options->memory / DIRECTORIES_SHARE);
    }
    reader->totals.status = READER_PARTIAL;
    *out = reader;
    return true;
}

void reader_free(struct reader *reader)
{
    if (reader == NULL) return;
    share_cleanup(reader);
    issuers_cleanup(reader);
    source_cleanup(&reader->source);
    spool_drop(reader);
    ask_cleanup(&reader->head_ask);
    ask_cleanup(&reader->proof.ask);
    buffer_cleanup(&reader->served);
    buffer_cleanup(&reader->pin_served);
    buffer_cleanup(&reader->issuers);
    arena_cleanup(&reader->heads_arena);
    arena_cleanup(&reader->gaps_arena);
    arena_cleanup(&reader->arena);
    (void)pthread_mutex_destroy(&reader->lock);
    free(reader);
}

void reader_start(struct reader *reader)
{
    struct err err = {0};

    reader->started_ms = ring_now_ms();
    if (!reader_reload(reader, &err)) {
        reader_fail(reader, &err);
        return;
    }
    if (reader->log.halt == HALT_FORK) {
        (void)err_set(&err, ERR_VERIFY,
                      "halted by two heads that cannot both be true, until "
                      "'sanct index evidence clear' is said");
        reader_end(reader, READER_HALTED, &err);
        return;
    }
    probe_begin(reader);
    head_ask(reader);
}

// ---------------------------------------------------------------- the end

struct reader_totals reader_totals(struct reader *reader)
{
    struct reader_totals totals;

    (void)pthread_mutex_lock(&reader->lock);
    totals = reader->shown;
    (void)pthread_mutex_unlock(&reader->lock);
    live_read(&reader->live, &totals.live);
    return totals;
}

void reader_show(struct reader *reader)
{
    struct reader_totals *totals = &reader->totals;

    totals->wall_ms = ring_now_ms() - reader->started_ms;
    totals->api = reader->log.api;
    totals->tiles_missing = reader->fell_back;
    if (reader->asker != NULL) {
        totals->bytes_received = asker_bytes_received(reader->asker);
    }
    (void)pthread_mutex_lock(&reader->lock);
    reader->shown = *totals;
    (void)pthread_mutex_unlock(&reader->lock);
}

static void on_closed(void *context)
{
    struct reader *reader = context;

    reader->asker = NULL;
    share_end(reader);
    reader->totals.ended = true;
    reader_show(reader);
    reader->options.ended(reader->options.context);
}

// Issuers that no batch took along.
static void keep_issuers(struct reader *reader)
{
    struct bytes rest = buffer_bytes(&reader->issuers), der;
    struct err err;

    while (bytes_read_vector(&rest, &der, 4)) {
        if (!index_add_issuer(pipeline_index(reader->pipeline), der, &err)) {
            pipeline_fail(reader->pipeline, &err);
            break;
        }
    }
    buffer_reset(&reader->issuers);
}

static void end_now(struct reader *reader)
{
    struct err err;

    read_stop(reader);
    keep_issuers(reader);
    if (!reader_reload(reader, &err)) pipeline_fail(reader->pipeline, &err);
    if (!reader->totals.has_head && reader->log.has_head) {
        reader->totals.has_head = true;
        reader->totals.size = reader->log.head_size;
        reader->totals.root = reader->log.head_root;
    }
    // What an earlier run found wrong did not come right by being out of reach.
    if (reader->totals.status == READER_PARTIAL &&
        reader->log.halt != HALT_NONE) {
        reader->totals.status = READER_HALTED;
    }
    reader_show(reader);
    asker_close(reader->asker, on_closed, reader);
}

void reader_end(struct reader *reader, enum reader_status status,
                const struct err *err)
{
    if (reader->ending) return;
    reader->ending = true;
    reader->settled = NULL;
    reader->totals.status = status;
    if (err != NULL) reader->totals.err = *err;
    if (ring_busy(&reader->timer)) {
        ring_cancel(reader->options.ring, &reader->timer);
    }
    if (reader->check != NULL) archive_check_stop(reader->check);
    // What is complete may still have issuers to wait for.
    reader_settle(reader, status == READER_COMPLETE, end_now);
}

void reader_fail(struct reader *reader, const struct err *err)
{
    pipeline_fail(reader->pipeline, err);
    reader_end(reader, READER_PARTIAL, err);
}

void reader_set_final(struct reader *reader, const struct index_log *log)
{
    struct index_log *known = &reader->config.log;

    // From the next head on.
    known->ended = log->ended;
    known->has_final = log->has_final;
    known->final_size = log->final_size;
    known->final_root = log->final_root;
}

void reader_stop(struct reader *reader)
{
    bool follows = pipeline_options(reader->pipeline)->follow;
    bool is_complete =
        reader->log.has_head && reader->log.verified == reader->log.head_size;
    struct err err;

    if (reader->ending || reader->stopping) return;
    reader->stopping = true;
    (void)err_set(&err, ERR_INTERRUPTED, "interrupted");
    reader_end(reader, is_complete ? READER_COMPLETE : READER_PARTIAL,
               follows ? NULL : &err);
    source_cancel(&reader->source);
    asker_cancel(reader->asker);
}
