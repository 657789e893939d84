// run.c - see run.h.

#include "index/store/run.h"

#include <stdlib.h>

#include "index/base/checksum.h"
#include "index/store/filter.h"
#include "index/store/run_file.h"
#include "index/store/run_filter.h"

enum { BLOCK_NAME_LEN_MAX = 64 };

// ------------------------------------------------------------ opening

struct run {
    struct lmdb *env;
    struct run_dbs dbs;
    struct run_stat stat;
    uint64_t seed;
    struct run_filters *filters;
    char *path;
};

static bool check_stat(const struct run *run, struct err *err)
{
    const struct run_stat *stat = &run->stat;

    if (stat->first_id > stat->end_id || stat->keys > stat->postings ||
        stat->filter_bytes > stat->bytes || stat->blocks > stat->bytes ||
        stat->keys > stat->bytes) {
        return run_damaged(run->path, "its head cannot be read", err);
    }
    return true;
}

static bool load(struct run *run, struct lmdb_txn *txn, struct err *err)
{
    struct bytes meta;
    bool found;

    if (!run_dbs_open(&run->dbs, txn, err)) {
        return err_wrap(err, "%s", run->path);
    }
    if (!lmdb_get(txn, run->dbs.meta, bytes_from_text(RUN_META), &meta, &found,
                  err)) {
        return false;
    }
    if (!found) return run_damaged(run->path, "it has no head", err);
    run->stat.bytes = lmdb_size_bytes(run->env);
    return run_meta_read(run->path, meta, &run->stat, &run->seed, err) &&
           check_stat(run, err);
}

bool run_open(struct run **out, const char *path, struct err *err)
{
    struct run *run = calloc(1, sizeof *run);
    struct lmdb_txn *txn = NULL;
    bool ok;

    if (run == NULL) return run_no_memory(path, err);
    run->path = strdup(path);
    run->filters = calloc(1, sizeof *run->filters);
    ok = ((run->path != NULL && run->filters != NULL) ||
          run_no_memory(path, err)) &&
         lmdb_file_open(&run->env, path, err) &&
         lmdb_begin(&txn, run->env, false, err) && load(run, txn, err);
    // The tables stay open for all readers only when this one is committed.
    if (ok) {
        ok = lmdb_commit(txn, err);
    } else {
        lmdb_abort(txn);
    }
    if (!ok) {
        run_close(run);
        return false;
    }
    run_filters_init(run->filters, run->env, run->dbs.filters, run->path,
                     &run->stat);
    *out = run;
    return true;
}

void run_close(struct run *run)
{
    if (run == NULL) return;
    if (run->filters != NULL) run_filters_cleanup(run->filters);
    lmdb_close(run->env);
    free(run->filters);
    free(run->path);
    free(run);
}

const struct run_stat *run_stat(const struct run *run)
{
    return &run->stat;
}

uint64_t run_probe_prefix(struct bytes key)
{
    return run_filters_prefix(key);
}

bool run_probe(const struct run *run, struct bytes key, uint64_t prefix,
               struct run_probe *probe)
{
    probe->hash = filter_hash(run->seed, key);
    probe->line = NULL;
    // Whoever opens it is told.
    if (lmdb_is_broken(run->env)) return true;
    return run_filters_find(run->filters, key, prefix, probe->hash,
                            &probe->line);
}

bool run_probe_pass(const struct run *run, const struct run_probe *probe,
                    struct gate *gate, struct err *err)
{
    return probe->line == NULL ||
           gate_pass(gate, run->env, bytes_of(probe->line, FILTER_LINE_LEN),
                     err);
}

bool run_probe_may_have(const struct run_probe *probe)
{
    return probe->line == NULL || filter_may_have(probe->line, probe->hash);
}

bool run_may_have(const struct run *run, struct bytes key)
{
    struct run_probe probe;

    return run_probe(run, key, run_probe_prefix(key), &probe) &&
           run_probe_may_have(&probe);
}

bool run_check_filters(const struct run *run, struct err *err)
{
    return run_filters_check(run->filters, err);
}

// ------------------------------------------------------------ cursors

struct run_cursor {
    const struct run *run;
    struct gate *gate; // NULL: none
    bool trusts;       // what was found sound of late
    struct lmdb_txn *txn;
    struct lmdb_cursor *cursor;
    struct buffer start; // keys before it, and its ids up to `after`, are not
                         // given
    uint64_t after;
    bool has_after;
    struct buffer end; // empty: everything
    struct buffer seek;
    struct bytes block_key, block; // where it stands in the tree
    struct bytes held;             // where its bytes are
    bool has_block;                // `block` is yet to be read
    bool at_start;                 // no hit was given since it was placed
    bool at_end;                   // the tree has no further block
    size_t shared;                 // run_cursor_shared
    struct block_reader reader;
};

bool run_cursor_open(struct run_cursor **out, const struct run *run,
                     struct err *err)
{
    struct run_cursor *cursor = calloc(1, sizeof *cursor);

    if (cursor == NULL) return run_no_memory(run->path, err);
    cursor->run = run;
    cursor->at_end = true; // until it is placed
    if (!lmdb_begin(&cursor->txn, run->env, false, err) ||
        !lmdb_cursor_open(&cursor->cursor, cursor->txn, run->dbs.blocks, err)) {
        run_cursor_close(cursor);
        return false;
    }
    *out = cursor;
    return true;
}

void run_cursor_close(struct run_cursor *cursor)
{
    if (cursor == NULL) return;
    lmdb_cursor_close(cursor->cursor);
    lmdb_abort(cursor->txn);
    buffer_cleanup(&cursor->start);
    buffer_cleanup(&cursor->end);
    buffer_cleanup(&cursor->seek);
    free(cursor);
}

void run_cursor_set_gate(struct run_cursor *cursor, struct gate *gate)
{
    cursor->gate = gate;
}

void run_cursor_trust(struct run_cursor *cursor)
{
    cursor->trusts = true;
}

// Places it in the tree at the block that holds what comes after `start`.
static bool place(struct run_cursor *cursor, struct err *err)
{
    struct bytes key;

    buffer_reset(&cursor->seek);
    buffer_append(&cursor->seek, buffer_bytes(&cursor->start));
    buffer_append_uint(&cursor->seek, cursor->has_after ? cursor->after + 1 : 0,
                       LMDB_ID_LEN);
    if (!buffer_ok(&cursor->seek) || !buffer_ok(&cursor->start) ||
        !buffer_ok(&cursor->end)) {
        return run_no_memory(cursor->run->path, err);
    }
    key = buffer_bytes(&cursor->seek);
    cursor->reader.rest = bytes_of(NULL, 0);
    cursor->reader.postings = (struct postings){0};
    cursor->at_start = true;
    if (!lmdb_cursor_move(cursor->cursor, LMDB_SEEK, &key, &cursor->block,
                          &cursor->has_block, err)) {
        return false;
    }
    cursor->block_key = key;
    cursor->at_end = !cursor->has_block;
    return true;
}

static bool set_start(struct run_cursor *cursor, struct bytes key)
{
    buffer_reset(&cursor->start);
    // No key is this long, so nothing lies between it and what it begins with.
    if (key.len > BLOCK_KEY_MAX) key.len = BLOCK_KEY_MAX;
    buffer_append(&cursor->start, key);
    return buffer_ok(&cursor->start);
}

bool run_cursor_range(struct run_cursor *cursor, struct bytes first,
                      struct bytes end, struct err *err)
{
    buffer_reset(&cursor->end);
    buffer_append(&cursor->end, end);
    cursor->has_after = false;
    if (!set_start(cursor, first)) return run_no_memory(cursor->run->path, err);
    return place(cursor, err);
}

bool run_cursor_range_after(struct run_cursor *cursor, struct bytes key,
                            uint64_t id, struct bytes end, struct err *err)
{
    buffer_reset(&cursor->end);
    buffer_append(&cursor->end, end);
    cursor->has_after = true;
    cursor->after = id;
    if (!set_start(cursor, key)) return run_no_memory(cursor->run->path, err);
    return place(cursor, err);
}

struct bytes run_cursor_block(const struct run_cursor *cursor)
{
    return cursor->has_block ? cursor->block : bytes_of(NULL, 0);
}

void run_cursor_expect(const struct run_cursor *cursor)
{
    gate_expect(cursor->gate, cursor->run->env, run_cursor_block(cursor));
}

void run_cursor_bring_near(const struct run_cursor *cursor)
{
    struct bytes block = run_cursor_block(cursor);

    if (block.len == 0) return;
    __builtin_prefetch(block.data);
    // Where the places of its keys are.
    __builtin_prefetch(block.data + block.len - 1);
}

static bool is_past(const struct run_cursor *cursor, struct bytes key)
{
    return cursor->end.len > 0 &&
           bytes_compare(key, buffer_bytes(&cursor->end)) >= 0;
}

// Whether the range ends with the key that the reader stands at.
static bool is_last_key(const struct run_cursor *cursor)
{
    struct bytes key = block_key(&cursor->reader);
    struct bytes end = buffer_bytes(&cursor->end);

    return end.len == key.len + 1 && end.data[key.len] == 0 &&
           bytes_starts_with(end, key);
}

// After a block's last hit the tree names the next one, unless the range ends
// with it.
static bool step_tree(struct run_cursor *cursor, struct err *err)
{
    if (cursor->at_end || cursor->reader.postings.num_left > 0 ||
        cursor->reader.rest.len > 0) {
        return true;
    }
    if (!cursor->reader.goes_on && is_last_key(cursor)) {
        cursor->at_end = true;
        return true;
    }
    if (!lmdb_cursor_move(cursor->cursor, LMDB_NEXT, &cursor->block_key,
                          &cursor->block, &cursor->has_block, err)) {
        return false;
    }
    cursor->at_end = !cursor->has_block;
    return true;
}

// Names the block by its last key, as far as it can be read.
static bool fail_block(const struct run_cursor *cursor, const char *what,
                       struct err *err)
{
    char name[BLOCK_NAME_LEN_MAX + 1];
    size_t len = cursor->block_key.len;

    len = len < LMDB_ID_LEN ? 0 : len - LMDB_ID_LEN;
    if (len > BLOCK_NAME_LEN_MAX) len = BLOCK_NAME_LEN_MAX;
    for (size_t i = 0; i < len; i++) {
        uint8_t c = cursor->block_key.data[i];

        name[i] = c > ' ' && c < 0x7f ? (char)c : '.';
    }
    name[len] = '\0';
    return err_set(err, ERR_INDEX,
                   "index damaged: %s: the block of keys up to \"%s\": %s",
                   cursor->run->path, name, what);
}

static bool block_damaged(const struct run_cursor *cursor, struct err *err)
{
    return fail_block(cursor, "cannot be read", err);
}

static bool read_block(void *context, struct err *err)
{
    struct run_cursor *cursor = context;
    const struct lmdb *env = cursor->run->env;
    struct bytes content = cursor->held;

    if (cursor->trusts &&
        lmdb_was_sound(env, cursor->block_key, cursor->block) &&
        bytes_skip(&content, CHECKSUM_LEN)) {
        return block_read_content(&cursor->reader, content) ||
               block_damaged(cursor, err);
    }
    if (!block_read(&cursor->reader, cursor->block_key, cursor->held)) {
        return fail_block(cursor, "its checksum differs", err);
    }
    lmdb_note_sound(env, cursor->block_key, cursor->block);
    return true;
}

// Reads the block that the tree names and stands at its first item, of the
// range's start or above it.
static bool load_block(struct run_cursor *cursor, struct err *err)
{
    bool found;

    cursor->held = cursor->block;
    if (!gate_fetch(cursor->gate, cursor->run->env, &cursor->held, err)) {
        return false;
    }
    cursor->has_block = false;
    if (cursor->block_key.len <= LMDB_ID_LEN) {
        return block_damaged(cursor, err);
    }
    if (!lmdb_touch(read_block, cursor, err)) return false;
    if (!cursor->at_start) return true;
    if (!block_seek(&cursor->reader, buffer_bytes(&cursor->start), &found)) {
        return block_damaged(cursor, err);
    }
    return true;
}

// Steps over ids of the range's first key that were asked to be left out.
static bool skip_seen(struct run_cursor *cursor, struct err *err)
{
    struct postings *postings = &cursor->reader.postings;

    if (!cursor->at_start || !cursor->has_after ||
        !bytes_equal(block_key(&cursor->reader),
                     buffer_bytes(&cursor->start))) {
        return true;
    }
    return postings_seek_after(postings, cursor->after) ||
           block_damaged(cursor, err);
}

// Finds a hit; `found` false at the end of the range.
static bool find(struct run_cursor *cursor, bool *found, struct err *err)
{
    struct block_reader *reader = &cursor->reader;

    for (;;) {
        if (!skip_seen(cursor, err)) return false;
        *found = reader->postings.num_left > 0;
        if (*found) {
            *found = !is_past(cursor, block_key(reader));
            return true;
        }
        if (reader->rest.len > 0) {
            if (!block_next(reader, found)) return block_damaged(cursor, err);
            continue;
        }
        if (!cursor->has_block && !step_tree(cursor, err)) return false;
        if (!cursor->has_block) return true;
        if (!load_block(cursor, err)) return false;
    }
}

bool run_cursor_next(struct run_cursor *cursor, struct bytes *key,
                     struct hit *hit, bool *found, struct err *err)
{
    struct block_reader *reader = &cursor->reader;

    if (!find(cursor, found, err)) return false;
    if (!*found) return true;
    *key = block_key(reader);
    cursor->shared = cursor->at_start ? 0 : reader->shared;
    reader->shared = reader->key_len; // what the key's next hit has
    if (!postings_next(&reader->postings, hit, found)) {
        return block_damaged(cursor, err);
    }
    cursor->at_start = false;
    return step_tree(cursor, err);
}

size_t run_cursor_shared(const struct run_cursor *cursor)
{
    return cursor->shared;
}
