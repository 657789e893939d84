// run_writer.c - see run.h.

#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "index/base/checksum.h"
#include "index/store/filter.h"
#include "index/store/run_file.h"

enum { COMMIT_BYTES = 4 * 1024 * 1024 }; // dirty pages are malloc'ed until then

struct run_writer {
    struct lmdb *env;
    struct lmdb_txn *txn;
    struct run_dbs dbs;
    struct block_builder builder;
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
        return run_no_memory(path, err);
    }
    if (getrandom(&writer->seed, sizeof writer->seed, 0) !=
        (ssize_t)sizeof writer->seed) {
        return err_set(err, ERR_INDEX, "%s: no random number", path);
    }
    return lmdb_file_create(&writer->env, path, err) &&
           writer_begin(writer, err) &&
           run_dbs_open(&writer->dbs, writer->txn, err);
}

bool run_writer_open(struct run_writer **out, const char *path,
                     uint64_t first_id, uint64_t end_id, struct err *err)
{
    struct run_writer *writer = calloc(1, sizeof *writer);

    if (writer == NULL) return run_no_memory(path, err);
    writer->stat.first_id = first_id;
    writer->stat.end_id = end_id;
    if (!writer_init(writer, path, err)) {
        run_writer_close(writer);
        return false;
    }
    block_begin(&writer->builder, first_id, end_id - first_id);
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

// Ends the block; `next` is the key that comes next, empty at the end.
static bool put_block(struct run_writer *writer, struct bytes next,
                      struct err *err)
{
    bool goes_on = block_is_last(&writer->builder, next);
    struct bytes key, value;

    if (!block_end(&writer->builder, goes_on, &key, &value)) {
        return run_no_memory(writer->path, err);
    }
    if (!put(writer, writer->dbs.blocks, key, value, err)) return false;
    writer->stat.blocks++;
    block_begin(&writer->builder, writer->stat.first_id,
                writer->stat.end_id - writer->stat.first_id);
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
    if (buffer_reserve(filter, CHECKSUM_LEN + FILTER_PAD_LEN)) {
        memset(filter->data, 0, CHECKSUM_LEN + FILTER_PAD_LEN);
        filter->len = CHECKSUM_LEN + FILTER_PAD_LEN;
    }
    filter_append(filter, writer->hashes, writer->num_hashes);
    if (!buffer_ok(filter)) return run_no_memory(writer->path, err);
    block_seal(key, filter->data, filter->len);
    writer->stat.filter_bytes += filter->len;
    writer->num_hashes = 0;
    return put(writer, writer->dbs.filters, key, buffer_bytes(filter), err);
}

// Counts a key and notes its hash when it is another than the one before.
static bool note_key(struct run_writer *writer, struct bytes key,
                     struct err *err)
{
    struct buffer *last = &writer->last_key;

    if (bytes_common(key, buffer_bytes(last)) == key.len &&
        key.len == last->len) {
        return true;
    }
    if (writer->num_hashes == FILTER_KEYS_MAX && !put_filter(writer, err)) {
        return false;
    }
    last->len = 0;
    buffer_append(last, key);
    if (!buffer_ok(last)) return run_no_memory(writer->path, err);
    writer->hashes[writer->num_hashes++] = filter_hash(writer->seed, key);
    writer->stat.keys++;
    return true;
}

bool run_writer_add(struct run_writer *writer, struct bytes key,
                    const struct hit *hits, size_t num, struct err *err)
{
    if (num == 0) return true;
    if (key.len == 0 || key.len > BLOCK_KEY_MAX ||
        hits[0].id < writer->stat.first_id ||
        hits[num - 1].id >= writer->stat.end_id) {
        return err_set(err, ERR_INDEX,
                       "%s: a key of %zu bytes, or an entry that is not of it",
                       writer->path, key.len);
    }
    if (!note_key(writer, key, err)) return false;
    writer->stat.postings += num;
    for (;;) {
        size_t taken = block_add(&writer->builder, key, hits, num);

        hits += taken;
        num -= taken;
        if (num == 0) return true;
        if (!put_block(writer, key, err)) return false;
    }
}

bool run_writer_finish(struct run_writer *writer, struct run_stat *stat,
                       struct err *err)
{
    uint8_t meta[RUN_META_LEN];
    struct lmdb_txn *txn;

    if (writer->builder.num_items > 0 &&
        !put_block(writer, (struct bytes){0}, err)) {
        return false;
    }
    if (!put_filter(writer, err)) return false;
    run_meta_write(meta, &writer->stat, writer->seed);
    if (!put(writer, writer->dbs.meta, bytes_from_text(RUN_META),
             bytes_of(meta, sizeof meta), err)) {
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
