// run.c - see run.h.

#include "index/store/run.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "index/base/checksum.h"
#include "index/base/sha256.h"
#include "index/entry/names.h"
#include "index/store/filter.h"

enum {
    FORMAT = 1,
    COMMIT_BYTES = 4 * 1024 * 1024, // dirty pages are malloc'ed until then
    META_LEN = CHECKSUM_LEN + 1 + 7 * 8,
};

static const char meta_name[] = "run";

struct dbs {
    lmdb_db blocks, filters, meta;
};

static bool dbs_open(struct dbs *dbs, struct lmdb_txn *txn, struct err *err)
{
    return lmdb_db_open(txn, "blocks", LMDB_ORDER_ID, &dbs->blocks, err) &&
           lmdb_db_open(txn, "filters", LMDB_ORDER_BYTES, &dbs->filters, err) &&
           lmdb_db_open(txn, "meta", LMDB_ORDER_BYTES, &dbs->meta, err);
}

static struct bytes meta_key(void)
{
    return bytes_of(meta_name, sizeof meta_name - 1);
}

static bool no_memory(const char *path, struct err *err)
{
    return err_set(err, ERR_MEMORY, "%s: no memory", path);
}

static bool damaged(const char *path, const char *what, struct err *err)
{
    return err_set(err, ERR_INDEX, "index damaged: %s: %s", path, what);
}

struct bytes run_key(struct bytes key, uint8_t out[1 + RUN_KEY_HASH_LEN],
                     bool *exact)
{
    uint8_t kind = key.len == 0 ? 0 : key.data[0];

    *exact = false;
    if (kind == TERM_SERIAL) {
        struct sha256_hash hash = sha256(key);

        out[0] = kind;
        memcpy(out + 1, hash.bytes, RUN_KEY_HASH_LEN);
        return bytes_of(out, 1 + RUN_KEY_HASH_LEN);
    }
    if (key.len == 1 + SHA256_LEN &&
        (kind == TERM_CERT_SHA256 || kind == TERM_TBS_SHA256 ||
         kind == TERM_SPKI_SHA256)) {
        memcpy(out, key.data, 1 + RUN_KEY_HASH_LEN);
        return bytes_of(out, 1 + RUN_KEY_HASH_LEN);
    }
    *exact = true;
    return key;
}

// ------------------------------------------------------------ meta

static void meta_write(uint8_t out[META_LEN], const struct run_stat *stat,
                       uint64_t seed)
{
    const uint64_t numbers[] = {
        stat->first_id, stat->end_id,       stat->keys, stat->postings,
        stat->blocks,   stat->filter_bytes, seed};

    out[CHECKSUM_LEN] = FORMAT;
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        bytes_put_uint(out + CHECKSUM_LEN + 1 + 8 * i, numbers[i], 8);
    }
    block_seal(meta_key(), out, META_LEN);
}

static bool meta_read(const char *path, struct bytes block,
                      struct run_stat *stat, uint64_t *seed, struct err *err)
{
    struct bytes view;
    uint64_t format;

    if (!block_open(meta_key(), block, &view)) {
        return damaged(path, "the checksum of its head differs", err);
    }
    if (!bytes_read_uint(&view, &format, 1) || format != FORMAT) {
        return err_set(err, ERR_INDEX, "%s: a run of another format", path);
    }
    if (!bytes_read_uint(&view, &stat->first_id, 8) ||
        !bytes_read_uint(&view, &stat->end_id, 8) ||
        !bytes_read_uint(&view, &stat->keys, 8) ||
        !bytes_read_uint(&view, &stat->postings, 8) ||
        !bytes_read_uint(&view, &stat->blocks, 8) ||
        !bytes_read_uint(&view, &stat->filter_bytes, 8) ||
        !bytes_read_uint(&view, seed, 8) || view.len != 0) {
        return damaged(path, "its head cannot be read", err);
    }
    return true;
}

// ------------------------------------------------------------ writing

struct run_writer {
    struct lmdb *env;
    struct lmdb_txn *txn;
    struct dbs dbs;
    struct block_builder builder;
    unsigned id_len;
    size_t uncommitted;
    uint64_t seed;
    uint64_t *hashes; // of the keys of the filter that is being made
    size_t num_hashes;
    struct buffer filter;
    struct buffer last_key;
    bool finished;
    struct run_stat stat;
    char *path;
};

static bool writer_begin(struct run_writer *writer, struct err *err)
{
    writer->uncommitted = 0;
    return lmdb_begin(&writer->txn, writer->env, true, err);
}

static bool writer_init(struct run_writer *writer, const char *path,
                        struct err *err)
{
    writer->path = strdup(path);
    writer->hashes = malloc(FILTER_KEYS_MAX * sizeof *writer->hashes);
    if (writer->path == NULL || writer->hashes == NULL) {
        return no_memory(path, err);
    }
    if (getrandom(&writer->seed, sizeof writer->seed, 0) !=
        (ssize_t)sizeof writer->seed) {
        return err_set(err, ERR_INDEX, "%s: no random number", path);
    }
    return lmdb_file_create(&writer->env, path, err) &&
           writer_begin(writer, err) &&
           dbs_open(&writer->dbs, writer->txn, err);
}

bool run_writer_open(struct run_writer **out, const char *path,
                     uint64_t first_id, uint64_t end_id, struct err *err)
{
    struct run_writer *writer = calloc(1, sizeof *writer);

    if (writer == NULL) return no_memory(path, err);
    writer->stat.first_id = first_id;
    writer->stat.end_id = end_id;
    writer->id_len = postings_id_len(end_id - first_id);
    if (!writer_init(writer, path, err)) {
        run_writer_close(writer);
        return false;
    }
    block_begin(&writer->builder, first_id, writer->id_len);
    *out = writer;
    return true;
}

static bool put(struct run_writer *writer, lmdb_db db, struct bytes key,
                struct bytes value, struct err *err)
{
    uint8_t *space;

    if (!lmdb_append(writer->txn, db, key, value.len, &space, err)) {
        return false;
    }
    memcpy(space, value.data, value.len);
    writer->uncommitted += value.len;
    return true;
}

static bool put_block(struct run_writer *writer, struct err *err)
{
    struct bytes key, value;

    if (!block_end(&writer->builder, &key, &value)) {
        return no_memory(writer->path, err);
    }
    if (!put(writer, writer->dbs.blocks, key, value, err)) return false;
    writer->stat.blocks++;
    block_begin(&writer->builder, writer->stat.first_id, writer->id_len);
    if (writer->uncommitted < COMMIT_BYTES) return true;
    if (!lmdb_commit(writer->txn, err)) {
        writer->txn = NULL;
        return false;
    }
    writer->txn = NULL;
    return writer_begin(writer, err);
}

static bool put_filter(struct run_writer *writer, struct err *err)
{
    struct buffer *filter = &writer->filter;
    struct bytes key = buffer_bytes(&writer->last_key);

    if (writer->num_hashes == 0) return true;
    buffer_reset(filter);
    buffer_append_uint(filter, 0, CHECKSUM_LEN);
    filter_append(filter, writer->hashes, writer->num_hashes);
    if (!buffer_ok(filter)) return no_memory(writer->path, err);
    block_seal(key, filter->data, filter->len);
    writer->stat.filter_bytes += filter->len - CHECKSUM_LEN + key.len;
    writer->num_hashes = 0;
    return put(writer, writer->dbs.filters, key, buffer_bytes(filter), err);
}

// Counts a key and notes its hash when it is another than the one before.
static bool note_key(struct run_writer *writer, struct bytes key,
                     struct err *err)
{
    if (bytes_equal(key, buffer_bytes(&writer->last_key))) return true;
    if (writer->num_hashes == FILTER_KEYS_MAX && !put_filter(writer, err)) {
        return false;
    }
    buffer_reset(&writer->last_key);
    buffer_append(&writer->last_key, key);
    if (!buffer_ok(&writer->last_key)) return no_memory(writer->path, err);
    writer->hashes[writer->num_hashes++] = filter_hash(writer->seed, key);
    writer->stat.keys++;
    return true;
}

bool run_writer_add(struct run_writer *writer, struct bytes key,
                    const struct hit *hits, size_t num, struct err *err)
{
    if (num == 0) return true;
    if (key.len == 0 || key.len > BLOCK_KEY_MAX) {
        return err_set(err, ERR_INDEX, "%s: a key of %zu bytes", writer->path,
                       key.len);
    }
    if (!note_key(writer, key, err)) return false;
    writer->stat.postings += num;
    for (;;) {
        size_t taken = block_add(&writer->builder, key, hits, num);

        hits += taken;
        num -= taken;
        if (num == 0) return true;
        if (!put_block(writer, err)) return false;
    }
}

bool run_writer_finish(struct run_writer *writer, struct run_stat *stat,
                       struct err *err)
{
    uint8_t meta[META_LEN];
    struct lmdb_txn *txn;

    if (writer->builder.num_items > 0 && !put_block(writer, err)) return false;
    if (!put_filter(writer, err)) return false;
    meta_write(meta, &writer->stat, writer->seed);
    if (!put(writer, writer->dbs.meta, meta_key(), bytes_of(meta, sizeof meta),
             err)) {
        return false;
    }
    txn = writer->txn;
    writer->txn = NULL;
    if (!lmdb_commit(txn, err) || !lmdb_file_sync(writer->env, err)) {
        return false;
    }
    writer->stat.bytes = lmdb_size_bytes(writer->env);
    writer->finished = true;
    if (stat != NULL) *stat = writer->stat;
    return true;
}

void run_writer_close(struct run_writer *writer)
{
    if (writer == NULL) return;
    lmdb_abort(writer->txn);
    if (writer->env != NULL) {
        lmdb_close(writer->env);
        if (!writer->finished) (void)unlink(writer->path);
    }
    block_cleanup(&writer->builder);
    buffer_cleanup(&writer->filter);
    buffer_cleanup(&writer->last_key);
    free(writer->hashes);
    free(writer->path);
    free(writer);
}

// ------------------------------------------------------------ opening

// The filter of the keys up to and with a last one.
struct part {
    size_t key_at, key_len; // in run->filters
    size_t at, len;
};

struct run {
    struct lmdb *env;
    struct dbs dbs;
    struct run_stat stat;
    uint64_t seed;
    bool has_filters;
    struct buffer filters;
    struct part *parts;
    size_t num_parts;
    char *path;
};

static bool load_part(struct run *run, struct bytes key, struct bytes value,
                      struct err *err)
{
    struct part *part = &run->parts[run->num_parts];
    struct bytes content;

    if (!block_open(key, value, &content)) {
        return damaged(run->path, "the checksum of a filter differs", err);
    }
    if (content.len == 0 || content.len % FILTER_LINE_LEN != 0 ||
        run->num_parts > run->stat.keys / FILTER_KEYS_MAX ||
        run->filters.len + content.len + key.len > run->stat.filter_bytes) {
        return damaged(run->path, "a filter cannot be read", err);
    }
    *part = (struct part){run->filters.len, key.len, run->filters.len + key.len,
                          content.len};
    buffer_append(&run->filters, key);
    buffer_append(&run->filters, content);
    run->num_parts++;
    return true;
}

static bool load_filters(struct run *run, struct lmdb_txn *txn, struct err *err)
{
    size_t most = (size_t)(run->stat.keys / FILTER_KEYS_MAX) + 1;
    struct lmdb_cursor *cursor;
    struct bytes key, value;
    bool found = true, ok = true;

    run->parts = calloc(most, sizeof *run->parts);
    if (run->parts == NULL ||
        !buffer_reserve(&run->filters, (size_t)run->stat.filter_bytes)) {
        return no_memory(run->path, err);
    }
    if (!lmdb_cursor_open(&cursor, txn, run->dbs.filters, err)) return false;
    while (ok && found) {
        ok = lmdb_cursor_move(cursor,
                              run->num_parts == 0 ? LMDB_FIRST : LMDB_NEXT,
                              &key, &value, &found, err) &&
             (!found || load_part(run, key, value, err));
    }
    lmdb_cursor_close(cursor);
    run->has_filters = ok;
    return ok;
}

static bool check_stat(const struct run *run, struct err *err)
{
    const struct run_stat *stat = &run->stat;

    if (stat->first_id > stat->end_id || stat->keys > stat->postings ||
        stat->filter_bytes > stat->bytes || stat->blocks > stat->bytes ||
        stat->keys > stat->bytes) {
        return damaged(run->path, "its head cannot be read", err);
    }
    return true;
}

static bool load(struct run *run, struct lmdb_txn *txn,
                 uint64_t filter_bytes_max, struct err *err)
{
    struct bytes meta;
    bool found;

    if (!dbs_open(&run->dbs, txn, err)) {
        return err_wrap(err, "%s", run->path);
    }
    if (!lmdb_get(txn, run->dbs.meta, meta_key(), &meta, &found, err)) {
        return false;
    }
    if (!found) return damaged(run->path, "it has no head", err);
    run->stat.bytes = lmdb_size_bytes(run->env);
    return meta_read(run->path, meta, &run->stat, &run->seed, err) &&
           check_stat(run, err) &&
           (run->stat.filter_bytes > filter_bytes_max ||
            load_filters(run, txn, err));
}

bool run_open(struct run **out, const char *path, uint64_t filter_bytes_max,
              struct err *err)
{
    struct run *run = calloc(1, sizeof *run);
    struct lmdb_txn *txn = NULL;
    bool ok;

    if (run == NULL) return no_memory(path, err);
    run->path = strdup(path);
    ok = (run->path != NULL || no_memory(path, err)) &&
         lmdb_file_open(&run->env, path, err) &&
         lmdb_begin(&txn, run->env, false, err) &&
         load(run, txn, filter_bytes_max, err);
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
    *out = run;
    return true;
}

void run_close(struct run *run)
{
    if (run == NULL) return;
    lmdb_close(run->env);
    buffer_cleanup(&run->filters);
    free(run->parts);
    free(run->path);
    free(run);
}

const struct run_stat *run_stat(const struct run *run)
{
    return &run->stat;
}

uint64_t run_filter_bytes(const struct run *run)
{
    return run->filters.size + run->num_parts * sizeof *run->parts;
}

bool run_may_have(const struct run *run, struct bytes key)
{
    size_t first = 0, end = run->num_parts;
    const uint8_t *filters = run->filters.data;

    if (!run->has_filters) return true;
    while (first < end) {
        size_t middle = first + (end - first) / 2;
        const struct part *part = &run->parts[middle];

        if (bytes_compare(bytes_of(filters + part->key_at, part->key_len),
                          key) < 0) {
            first = middle + 1;
        } else {
            end = middle;
        }
    }
    return first < run->num_parts &&
           filter_may_have(
               bytes_of(filters + run->parts[first].at, run->parts[first].len),
               filter_hash(run->seed, key));
}

// ------------------------------------------------------------ cursors

struct run_cursor {
    const struct run *run;
    struct lmdb_txn *txn;
    struct lmdb_cursor *cursor;
    struct buffer start; // keys before it, and its ids up to `after`, are not
                         // given
    uint64_t after;
    bool has_after;
    struct buffer end; // empty: everything
    struct buffer seek;
    struct bytes block_key, block; // where it stands in the tree
    bool has_block;                // `block` is yet to be read
    bool at_start;                 // no hit was given since it was placed
    bool at_end;                   // the tree has no further block
    struct block_reader reader;
};

bool run_cursor_open(struct run_cursor **out, const struct run *run,
                     struct err *err)
{
    struct run_cursor *cursor = calloc(1, sizeof *cursor);

    if (cursor == NULL) return no_memory(run->path, err);
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
        return no_memory(cursor->run->path, err);
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
    if (!set_start(cursor, first)) return no_memory(cursor->run->path, err);
    return place(cursor, err);
}

bool run_cursor_seek_after(struct run_cursor *cursor, struct bytes key,
                           uint64_t id, struct err *err)
{
    cursor->has_after = true;
    cursor->after = id;
    if (!set_start(cursor, key)) return no_memory(cursor->run->path, err);
    return place(cursor, err);
}

struct bytes run_cursor_block(const struct run_cursor *cursor)
{
    return cursor->has_block ? cursor->block : bytes_of(NULL, 0);
}

static bool is_past(const struct run_cursor *cursor, struct bytes key)
{
    return cursor->end.len > 0 &&
           bytes_compare(key, buffer_bytes(&cursor->end)) >= 0;
}

// After a block's last hit the tree names the next one.
static bool step_tree(struct run_cursor *cursor, struct err *err)
{
    if (cursor->at_end || cursor->reader.postings.num_left > 0 ||
        cursor->reader.rest.len > 0) {
        return true;
    }
    if (!lmdb_cursor_move(cursor->cursor, LMDB_NEXT, &cursor->block_key,
                          &cursor->block, &cursor->has_block, err)) {
        return false;
    }
    cursor->at_end = !cursor->has_block;
    return true;
}

static bool block_damaged(const struct run_cursor *cursor, struct err *err)
{
    return damaged(cursor->run->path, "a block of keys cannot be read", err);
}

// Reads the block that the tree names and stands at its first item, of the
// range's start or above it.
static bool load_block(struct run_cursor *cursor, struct err *err)
{
    bool found;

    cursor->has_block = false;
    if (cursor->block_key.len <= LMDB_ID_LEN) {
        return block_damaged(cursor, err);
    }
    if (!block_read(&cursor->reader, cursor->block_key, cursor->block)) {
        return damaged(cursor->run->path,
                       "the checksum of a block of keys differs", err);
    }
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
    if (!find(cursor, found, err)) return false;
    if (!*found) return true;
    *key = block_key(&cursor->reader);
    if (!postings_next(&cursor->reader.postings, hit, found)) {
        return block_damaged(cursor, err);
    }
    cursor->at_start = false;
    return step_tree(cursor, err);
}
