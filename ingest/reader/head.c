// head.c - which head is pinned; see state.h.
//
//   served -> signature, origin -> final_tree_head -> all accepted heads
//     one size, two roots                      fork
//     within what is held: our root there      fork, or nothing changes
//     smaller than the newest, beyond ours     met on the way (checks)
//     larger: proof from the newest to it      accepted; fork; or refused:
//                                              then the newest is read first,
//                                              and reading on proves it

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "index/base/log.h"
#include "ingest/reader/state.h"
#include "ingest/source/archive_check.h"

// A log that has ended is looked at again only in case it lies.
enum { POLLS_OF_ENDED = 120 };

static void on_head(struct ask *ask);
static void judge(struct reader *reader);
static void plan_gaps(struct reader *reader);

// ---------------------------------------------------------------- asking

// Reads it; a head that reads well and does not hold is an answer, too.
static bool read_served(struct ask *ask, struct worker *worker, struct err *err)
{
    struct reader *reader = ask->context;
    struct source *source = &reader->source;

    (void)worker;
    reader->head_err = (struct err){0};
    if (source->ops->read_head(source, buffer_bytes(ask->content),
                               &reader->head, err)) {
        return true;
    }
    if (err->code != ERR_VERIFY) return false;
    reader->head_err = *err;
    return true;
}

static void ask_now(struct reader *reader)
{
    struct ask *ask = &reader->head_ask;

    (void)snprintf(ask->path, sizeof ask->path, "%s",
                   reader->source.ops->head_path);
    ask->body_max = HEAD_SERVED_MAX;
    ask->fresh = reader->head_again;
    ask->optional = probe_is_optional(reader);
    ask->read = read_served;
    ask->done = on_head;
    ask->context = reader;
    reader->num_asked++;
    asker_ask(reader->asker, ask);
}

void head_ask(struct reader *reader)
{
    reader->mode = MODE_IDLE;
    reader->head_again = false;
    reader->more = false;
    asker_progressed(reader->asker);
    ask_now(reader);
}

static void say_api(struct reader *reader)
{
    struct index_log log = reader->log;
    struct err err;

    if (reader->config.api_known) return;
    reader->config.api_known = true;
    reader->probe = PROBE_NONE;
    if (!index_add_log(pipeline_index(reader->pipeline), &log,
                       log_key_der(reader->config.key), &err)) {
        pipeline_fail(reader->pipeline, &err);
    }
}

static void on_head(struct ask *ask)
{
    struct reader *reader = ask->context;

    if (reader_returned(reader, &reader->num_asked)) return;
    if (ask->result != ASK_ANSWERED) {
        if (ask->err.code == ERR_VERIFY) {
            fault_damaged(reader, &ask->err, 0, 0);
        } else if (!fallback_begin(reader, &ask->err) &&
                   probe_failed(reader, ask)) {
            ask_now(reader);
        }
        return;
    }
    if (reader->head_err.code != ERR_NONE) {
        if (reader->head_again) {
            fault_head(reader);
            return;
        }
        reader->head_again = true;
        asker_drop_idle(reader->asker);
        ask_now(reader);
        return;
    }
    buffer_reset(&reader->served);
    buffer_append(&reader->served, buffer_bytes(&ask->body));
    reader->head.served = buffer_bytes(&reader->served);
    say_api(reader);
    judge(reader);
}

// ---------------------------------------------------------------- judging

static const struct head *newest_accepted(const struct reader *reader)
{
    const struct head *newest = NULL;

    for (size_t i = 0; i < reader->num_accepted; i++) {
        if (newest == NULL || reader->accepted[i].size >= newest->size) {
            newest = &reader->accepted[i];
        }
    }
    return newest;
}

// Gives a head to the index.
static bool accept_head(struct reader *reader, const struct head *head)
{
    struct err err;

    if (index_accept_head(pipeline_index(reader->pipeline), reader->log.number,
                          head, &err)) {
        return true;
    }
    reader_fail(reader, &err);
    return false;
}

// Pins a head and begins to read what it has and we have not.
static void pin(struct reader *reader, const struct head *head, bool accepted)
{
    struct buffer served = {0};

    buffer_append(&served, head->served);
    buffer_cleanup(&reader->pin_served);
    reader->pin = *head;
    reader->pin_served = served;
    reader->pin.served = buffer_bytes(&reader->pin_served);
    reader->pin_accepted = accepted;
    reader->totals.has_head = true;
    reader->totals.size = head->size;
    reader->totals.root = head->root;
    reader->totals.head_time_ms = head->timestamp_ms;
    reader->totals.phase = READER_READING;
    if (!buffer_ok(&served) || !source_pin(&reader->source, head)) {
        struct err err;

        (void)err_set(&err, ERR_MEMORY, "no memory for a head");
        reader_fail(reader, &err);
        return;
    }
    plan_gaps(reader);
}

// The extension of the newest accepted head was asked for.
static void on_extension(struct proof *proof)
{
    struct reader *reader = proof->context;
    const struct head *newest = newest_accepted(reader);
    struct sha256_hash root;

    if (reader_returned(reader, &reader->num_asked)) return;
    switch (proof->result) {
    case PROOF_HOLDS:
    case PROOF_CONTRADICTS:
        root = merkle_root(&proof->theirs);
        if (!sha256_equal(&root, &newest->root)) {
            fault_fork(reader, newest, &reader->head, &proof->theirs,
                       &proof->right);
            return;
        }
        if (accept_head(reader, &reader->head)) {
            pin(reader, &reader->head, true);
        }
        return;
    case PROOF_REFUSED:
        // Read to the newest first; from there on our own tree proves it.
        if (newest->size > reader->log.verified) {
            reader->more = true;
            pin(reader, newest, true);
        } else {
            pin(reader, &reader->head, false);
        }
        return;
    case PROOF_BAD_TILES:
        fault_tiles(reader, &proof->err);
        return;
    case PROOF_GIVEN_UP:
    case PROOF_CANCELED:
        fault_given_up(reader, &proof->err, 0, 0, reader->head.size);
        return;
    }
}

static void ask_extension(struct reader *reader, const struct head *newest)
{
    struct err err;

    if (!source_pin(&reader->source, &reader->head)) {
        (void)err_set(&err, ERR_MEMORY, "no memory for a head");
        reader_fail(reader, &err);
        return;
    }
    reader->proof.position = newest->size;
    reader->proof.has_ours = false;
    reader->proof.has_leaf = false;
    reader->proof.done = on_extension;
    reader->proof.context = reader;
    reader->num_asked++;
    source_prove(&reader->source, &reader->proof);
}

// Our own root at a size that we hold.
static bool own_root(struct reader *reader, uint64_t size,
                     struct merkle_frontier *frontier)
{
    struct snapshot *snapshot;
    struct err err;
    bool ok;

    if (!pipeline_snapshot(reader->pipeline, &snapshot, &err)) {
        reader_fail(reader, &err);
        return false;
    }
    ok = snapshot_frontier(snapshot, reader->log.number, size, frontier, &err);
    snapshot_close(snapshot);
    if (!ok) reader_fail(reader, &err);
    return ok;
}

// A head that lies within what is held; true: it is consistent.
static bool judge_held(struct reader *reader, const struct head *newest)
{
    struct head *head = &reader->head;
    struct merkle_frontier frontier = {0};
    struct sha256_hash root;

    if (head->size > 0 && !own_root(reader, head->size, &frontier)) {
        return false;
    }
    root = merkle_root(&frontier);
    if (sha256_equal(&root, &head->root)) return true;
    if (newest == NULL) {
        // Nothing is held, so this is the empty tree with another root.
        (void)err_set(&reader->head_err, ERR_VERIFY,
                      "a tree of no entries with a root that is not SHA-256 "
                      "of nothing");
        fault_head(reader);
    } else {
        fault_fork(reader, newest, head, head->size > 0 ? &frontier : NULL,
                   NULL);
    }
    return false;
}

static bool judge_final(struct reader *reader)
{
    const struct index_log *log = &reader->config.log;
    const struct head *head = &reader->head;

    if (!log->has_final) return true;
    if (head->size < log->final_size ||
        (head->size == log->final_size &&
         sha256_equal(&head->root, &log->final_root))) {
        return true;
    }
    fault_final(reader);
    return false;
}

// Decides what to do with the head that came.
static void judge(struct reader *reader)
{
    const struct head *head = &reader->head;
    const struct head *newest = newest_accepted(reader);
    bool is_younger;

    reader->more = false;
    reader->num_checks = 0;
    if (!judge_final(reader)) return;
    for (size_t i = 0; i < reader->num_accepted; i++) {
        const struct head *other = &reader->accepted[i];

        if (other->size == head->size &&
            !sha256_equal(&other->root, &head->root)) {
            fault_fork(reader, other, head, NULL, NULL);
            return;
        }
    }
    if (head->size <= reader->log.verified && !judge_held(reader, newest)) {
        return;
    }
    if (newest == NULL) {
        if (accept_head(reader, head)) pin(reader, head, true);
        return;
    }
    is_younger =
        head->size == newest->size && head->timestamp_ms > newest->timestamp_ms;
    if (is_younger && !accept_head(reader, head)) return;
    if (head->size == newest->size) {
        pin(reader, is_younger ? head : newest, true);
    } else if (head->size < newest->size) {
        // A stale front end, which changes nothing; beyond what is held it is
        // compared when reading passes it.
        if (head->size > reader->log.verified) {
            reader->checks[reader->num_checks++] = *head;
        }
        pin(reader, newest, true);
    } else if (newest->size == 0) {
        if (accept_head(reader, head)) pin(reader, head, true);
    } else {
        ask_extension(reader, newest);
    }
}

// ---------------------------------------------------------------- what to read

// Plans [first, end), as far as an archive has it; the network has all.
static void add_gap(struct reader *reader, uint64_t first, uint64_t end)
{
    const struct archive *archive = asker_archive(reader->asker);

    if (first >= end) return;
    reader->totals.goal += end - first;
    while (first < end) {
        struct log_range here = {first, end};

        if (archive != NULL &&
            !archive_range(archive, first, &here.first, &here.end)) {
            here = (struct log_range){end, end};
        }
        if (here.end > end) here.end = end;
        if (here.first > end) here.first = end;
        if (here.first > first && !reader->has_missing) {
            reader->has_missing = true;
            reader->missing_first = first;
            reader->missing_end = here.first;
        }
        if (here.first < here.end) reader->gaps[reader->num_gaps++] = here;
        first = here.end;
    }
}

// How many gaps there can be: each hole may be cut by each range.
static size_t num_gaps_max(const struct reader *reader, size_t num_held)
{
    const struct archive *archive = asker_archive(reader->asker);

    return num_held + 1 + (archive != NULL ? archive_num_ranges(archive) : 0);
}

// The ranges of [first, end) that the index does not hold.
static bool plan(struct reader *reader, uint64_t first, uint64_t end,
                 struct err *err)
{
    struct snapshot *snapshot;
    struct log_range *held;
    size_t num_held;
    bool ok;

    arena_reset(&reader->gaps_arena);
    reader->num_gaps = 0;
    reader->gap = 0;
    reader->totals.goal = 0;
    reader->has_missing = false;
    if (!pipeline_snapshot(reader->pipeline, &snapshot, err)) {
        return false;
    }
    ok = snapshot_ranges(snapshot, reader->log.number, &held, &num_held,
                         &reader->gaps_arena, err);
    if (ok) {
        reader->gaps =
            arena_zalloc(&reader->gaps_arena, num_gaps_max(reader, num_held),
                         sizeof *reader->gaps);
        ok = reader->gaps != NULL || err_set(err, ERR_MEMORY, "no memory");
    }
    for (size_t i = 0; ok && i < num_held; i++) {
        add_gap(reader, first, held[i].first < end ? held[i].first : end);
        if (held[i].end > first) first = held[i].end;
    }
    if (ok) add_gap(reader, first, end);
    snapshot_close(snapshot);
    return ok;
}

// Under --follow a data tile that is not full is waited for, for some time
// (CT-PROTOCOLS section 8.4); its hashes prove the head meanwhile.
static uint64_t without_partial(struct reader *reader, uint64_t end)
{
    const struct pipeline_options *options = pipeline_options(reader->pipeline);
    uint64_t now = ring_now_ms();

    if (!reader->caught_up || reader->log.api != LOG_API_STATIC ||
        end % TILE_WIDTH == 0) {
        return end;
    }
    if (reader->partial_tile != end / TILE_WIDTH) {
        reader->partial_tile = end / TILE_WIDTH;
        reader->partial_since = now;
    }
    if (now >= reader->partial_since + options->partial_after_ms) return end;
    return end - end % TILE_WIDTH;
}

// Plans what the pinned head leaves to read, and begins.
static void plan_gaps(struct reader *reader)
{
    uint64_t first = 0, end = without_partial(reader, reader->pin.size);
    struct err err;

    if (reader->config.has_range) {
        first = reader->config.range_first;
        if (reader->config.range_end < end) end = reader->config.range_end;
        if (first > end) first = end;
    }
    if (!plan(reader, first, end, &err)) {
        reader_fail(reader, &err);
        return;
    }
    reader->totals.done = end - first - reader->totals.goal;
    reader->totals.goal = end - first;
    reader_show(reader);
    head_next_gap(reader);
}

static void on_gap_start(struct proof *proof)
{
    struct reader *reader = proof->context;
    struct err err;

    if (reader_returned(reader, &reader->num_asked)) return;
    switch (proof->result) {
    case PROOF_HOLDS:
    case PROOF_CONTRADICTS:
        reader->frontier = proof->theirs;
        read_begin(reader);
        return;
    case PROOF_REFUSED:
        (void)err_set(&err, ERR_NETWORK,
                      "no proof of where entry %" PRIu64 " lies",
                      proof->position);
        reader_end(reader, READER_PARTIAL, &err);
        return;
    case PROOF_BAD_TILES:
        fault_tiles(reader, &proof->err);
        return;
    case PROOF_GIVEN_UP:
    case PROOF_CANCELED:
        fault_given_up(reader, &proof->err, reader->source.tile_ask.status,
                       proof->position, reader->pin.size);
        return;
    }
}

static void on_poll(struct ring_op *op, int result)
{
    struct reader *reader = RING_OWNER(op, struct reader, timer);

    (void)result;
    if (!reader->ending) head_ask(reader);
}

static void finish_round(struct reader *reader);

static void on_checked(void *context, const struct err *found)
{
    struct reader *reader = context;
    struct err err = found != NULL ? *found : (struct err){0};

    archive_check_free(reader->check);
    reader->check = NULL;
    reader->checked = true;
    if (reader_returned(reader, &reader->num_asked)) return;
    if (err.code == ERR_NONE) {
        finish_round(reader);
    } else if (err.code == ERR_VERIFY) {
        fault_damaged(reader, &err, 0, reader->pin.size);
    } else {
        reader_end(reader, READER_PARTIAL, &err);
    }
}

// Every member of the zips, on a thread of its own.
static void check_archive(struct reader *reader)
{
    struct err err;

    reader->totals.phase = READER_CHECKING;
    reader_show(reader);
    reader->num_asked++;
    if (archive_check_start(&reader->check, asker_archive(reader->asker),
                            reader->options.ring, &reader->pin, on_checked,
                            reader, &err)) {
        return;
    }
    reader->num_asked--;
    reader_fail(reader, &err);
}

// The log has ended, and all of it is held.
static bool is_whole(const struct reader *reader)
{
    const struct index_log *log = &reader->config.log;

    return log->has_final && reader->log.verified == log->final_size;
}

// All that the pinned head has is held, or all that an archive has of it.
static void finish_round(struct reader *reader)
{
    const struct pipeline_options *options = pipeline_options(reader->pipeline);
    const struct index_log *log = &reader->config.log;
    struct err err;

    if (!reader_reload(reader, &err)) {
        reader_fail(reader, &err);
        return;
    }
    if (reader->log.halt == HALT_DATA &&
        !index_set_halt(pipeline_index(reader->pipeline), reader->log.number,
                        HALT_NONE, &err)) {
        reader_fail(reader, &err);
        return;
    }
    if (reader->more) {
        judge(reader);
        return;
    }
    share_narrow(reader);
    reader_show(reader);
    if (reader->config.check_archive && !reader->checked) {
        check_archive(reader);
        return;
    }
    if (options->follow) {
        reader->caught_up = true;
        reader->totals.phase = READER_FOLLOWING;
        reader_show(reader);
        ring_timeout(reader->options.ring, &reader->timer,
                     is_whole(reader) ? options->poll_ms * POLLS_OF_ENDED
                                      : options->poll_ms,
                     on_poll);
        return;
    }
    if (log->has_final && reader->pin.size < log->final_size) {
        (void)err_set(&err, ERR_NETWORK,
                      "has %" PRIu64 " of the %" PRIu64
                      " entries of its final tree",
                      reader->pin.size, log->final_size);
        reader_end(reader, READER_PARTIAL, &err);
        return;
    }
    if (reader->has_missing) {
        (void)err_set(&err, ERR_NETWORK,
                      "entries %" PRIu64 "..%" PRIu64
                      " are in no zip that was given",
                      reader->missing_first, reader->missing_end - 1);
        reader_end(reader, READER_PARTIAL, &err);
        return;
    }
    reader_end(reader,
               reader->log.verified >= reader->pin.size ? READER_COMPLETE
                                                        : READER_PARTIAL,
               NULL);
}

void head_next_gap(struct reader *reader)
{
    struct log_range *gap = &reader->gaps[reader->gap];
    struct err err;

    if (reader->gap == reader->num_gaps) {
        finish_round(reader);
        return;
    }
    if (!reader_reload(reader, &err)) {
        reader_fail(reader, &err);
        return;
    }
    reader->frontier = (struct merkle_frontier){0};
    if (gap->first <= reader->log.verified) {
        if (gap->first > 0 &&
            !own_root(reader, gap->first, &reader->frontier)) {
            return;
        }
        read_begin(reader);
        return;
    }
    reader->proof.position = gap->first;
    reader->proof.has_ours = false;
    reader->proof.has_leaf = false;
    reader->proof.done = on_gap_start;
    reader->proof.context = reader;
    reader->num_asked++;
    source_prove(&reader->source, &reader->proof);
}
