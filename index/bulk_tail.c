// bulk_tail.c - what the tail holds becomes files.  See bulk.h.
//
// Nobody appends meanwhile (append_mutex); one reader shows the tail as it is.
// Its entries are not always neighbours: of each range of ids comes a segment.
// Keys are sorted in pieces, each a run.

#include <inttypes.h>
#include <stdlib.h>

#include "index/base/varint.h"
#include "index/handle.h"
#include "index/store/run.h"
#include "index/store/segment.h"

enum {
    SORT_BYTES_MAX = 128 << 20,
    ARENA_KEEP_MAX = 4 << 20,
    PROGRESS_EVERY = 4096,
    // At most, and much less most of the time: for the look at the disk.
    SPACE_BYTES_PER_BYTE = 2,
};

struct made_files {
    struct catalogue_file *files;
    size_t num, size;
};

struct tail_work {
    struct index *index;
    struct snapshot *snapshot;
    struct made_files made;
    struct segment_writer *writer; // of the segment at hand
    uint64_t next_id;              // of it
    uint64_t first_id, end_id;     // of all of the tail
    uint64_t done;
    struct arena arena;
    compact_progress *progress;
    void *context;
};

static bool no_memory(struct err *err)
{
    return err_set(err, ERR_MEMORY, "index: no memory");
}

static struct catalogue_file *add_file(struct tail_work *work,
                                       enum catalogue_kind kind)
{
    struct made_files *made = &work->made;

    if (made->num == made->size) {
        size_t size = made->size == 0 ? 8 : 2 * made->size;
        struct catalogue_file *files =
            realloc(made->files, size * sizeof *files);

        if (files == NULL) return NULL;
        made->files = files;
        made->size = size;
    }
    made->files[made->num] = (struct catalogue_file){
        .kind = kind, .number = bulk_take_number(work->index)};
    return &made->files[made->num++];
}

static bool goes_on(struct tail_work *work, struct err *err)
{
    if (work->done++ % PROGRESS_EVERY != 0 || work->progress == NULL ||
        work->progress(work->context, "tail", work->done,
                       work->snapshot->counts.tail_entries +
                           work->snapshot->counts.postings)) {
        return true;
    }
    return err_set(err, ERR_INTERRUPTED, "stopped");
}

// ------------------------------------------------------------ segments

static bool end_segment(struct tail_work *work, struct err *err)
{
    struct catalogue_file *file;
    struct segment_stat stat;

    if (work->writer == NULL) return true;
    file = &work->made.files[work->made.num - 1];
    if (!segment_writer_finish(work->writer, &stat, err)) return false;
    segment_writer_close(work->writer);
    work->writer = NULL;
    file->first_id = stat.first_id;
    file->end_id = stat.end_id;
    file->bytes = stat.bytes;
    return true;
}

static bool begin_segment(struct tail_work *work, uint64_t id, struct err *err)
{
    struct catalogue_file *file;
    char path[PATH_MAX];

    if (work->writer != NULL && work->next_id == id) return true;
    if (!end_segment(work, err)) return false;
    file = add_file(work, CATALOGUE_SEGMENT);
    if (file == NULL) return no_memory(err);
    work->next_id = id;
    return files_path(&work->index->files, file, path, err) &&
           segment_writer_open(&work->writer, path, id, work->index->group_seed,
                               (struct bytes){0}, err);
}

static bool add_entry(struct tail_work *work, uint64_t id, struct err *err)
{
    struct record record;
    struct bytes plain, chain;
    uint64_t issuer = 0;
    bool ok;

    ok = snapshot_record(work->snapshot, id, &record, &plain, &work->arena,
                         err) &&
         begin_segment(work, id, err);
    if (ok) {
        chain = record.chain;
        if (record.num_chain > 0 && !varint_read(&chain, &issuer)) issuer = 0;
        ok = segment_writer_add(work->writer, &record, (uint32_t)issuer, plain,
                                err);
    }
    work->next_id = id + 1;
    if (work->first_id == 0) work->first_id = id;
    work->end_id = id + 1;
    if (work->arena.total > ARENA_KEEP_MAX) {
        arena_cleanup(&work->arena);
    } else {
        arena_reset(&work->arena);
    }
    return ok && goes_on(work, err);
}

static bool write_entries(struct tail_work *work, struct err *err)
{
    enum lmdb_move move = LMDB_FIRST;
    struct lmdb_cursor *cursor;
    struct bytes key, value;
    bool ok, found;

    if (!lmdb_cursor_open(&cursor, work->snapshot->txn,
                          work->index->tail.entries, err)) {
        return false;
    }
    while ((ok = lmdb_cursor_move(cursor, move, &key, &value, &found, err)) &&
           found) {
        uint64_t id = 0;

        ok = (bytes_read_uint(&key, &id, LMDB_ID_LEN) && key.len == 0) ||
             err_set(err, ERR_INDEX, "index damaged: an entry under no id");
        if (!ok || !(ok = add_entry(work, id, err))) break;
        move = LMDB_NEXT;
    }
    lmdb_cursor_close(cursor);
    return ok && end_segment(work, err);
}

// ------------------------------------------------------------ runs

static bool end_run(struct tail_work *work, struct err *err)
{
    struct sort *sort = &work->index->bulk.sort;
    struct catalogue_file *file;

    if (sort->num == 0) return true;
    file = add_file(work, CATALOGUE_RUN);
    if (file == NULL) return no_memory(err);
    if (!sort_finish(sort, err) ||
        !bulk_write_run(work->index, file, work->first_id, work->end_id, err)) {
        return false;
    }
    sort_reset(sort);
    return true;
}

static bool add_key(struct tail_work *work, struct bytes row,
                    struct bytes value, struct err *err)
{
    struct sort *sort = &work->index->bulk.sort;
    uint8_t shortened[1 + RUN_KEY_HASH_LEN];
    struct posting posting;
    uint64_t sum;
    bool exact;

    if (!posting_read(&posting, row, value, &sum) ||
        posting.id < work->first_id || posting.id >= work->end_id) {
        return err_set(err, ERR_INDEX,
                       "index damaged: a posting's checksum differs");
    }
    if (!sort_add(sort, run_key(posting.key, shortened, &exact), posting.id,
                  posting.via, err)) {
        return false;
    }
    if (sort_size_bytes(sort) >= SORT_BYTES_MAX && !end_run(work, err)) {
        return false;
    }
    return goes_on(work, err);
}

static bool write_keys(struct tail_work *work, struct err *err)
{
    enum lmdb_move move = LMDB_FIRST;
    struct lmdb_cursor *cursor;
    struct bytes row, value;
    bool ok, found;

    sort_reset(&work->index->bulk.sort);
    if (!lmdb_cursor_open(&cursor, work->snapshot->txn, work->index->tail.keys,
                          err)) {
        return false;
    }
    while ((ok = lmdb_cursor_move(cursor, move, &row, &value, &found, err)) &&
           found) {
        ok = add_key(work, row, value, err);
        if (!ok) break;
        move = LMDB_NEXT;
    }
    lmdb_cursor_close(cursor);
    return ok && end_run(work, err);
}

// ------------------------------------------------------------ all of it

static bool name_files(struct tail_work *work, struct err *err)
{
    struct index *index = work->index;
    struct writing w;
    bool ok;

    if (!writing_begin(&w, index, err)) return false;
    ok = w.counts.tail_entries == work->snapshot->counts.tail_entries ||
         err_set(err, ERR_INDEX,
                 "%s: entries came in while others were written", index->dir);
    ok = ok && tail_empty(&index->tail, w.txn, &w.counts, err);
    for (size_t i = 0; ok && i < work->made.num; i++) {
        ok = catalogue_put_file(&index->catalogue, w.txn, &work->made.files[i],
                                err);
    }
    return writing_end(&w, ok, err);
}

static bool flush_tail(struct tail_work *work, struct err *err)
{
    uint64_t bytes, keys, items;

    if (!snapshot_open(&work->snapshot, work->index, err)) return false;
    if (work->snapshot->counts.tail_entries == 0) return true;
    return lmdb_db_size(work->snapshot->txn, work->index->tail.entries, &items,
                        &bytes, err) &&
           lmdb_db_size(work->snapshot->txn, work->index->tail.keys, &items,
                        &keys, err) &&
           bulk_check_space(work->index, SPACE_BYTES_PER_BYTE * (bytes + keys),
                            err) &&
           write_entries(work, err) && write_keys(work, err) &&
           name_files(work, err);
}

bool bulk_flush_tail(struct index *index, compact_progress *progress,
                     void *context, struct err *err)
{
    struct tail_work work = {
        .index = index, .progress = progress, .context = context};
    bool ok = flush_tail(&work, err);

    segment_writer_close(work.writer);
    if (!ok && !index->dead) {
        files_remove(&index->files, work.made.files, work.made.num);
    }
    if (ok && work.made.num > 0) bulk_merge_wanted(index, work.made.num);
    free(work.made.files);
    snapshot_close(work.snapshot);
    arena_cleanup(&work.arena);
    return ok;
}
