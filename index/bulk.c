// bulk.c - chunks wait and are flushed.  See bulk.h.

#include "index/bulk.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "index/base/log.h"
#include "index/base/varint.h"
#include "index/handle.h"
#include "index/store/chunk_content.h"
#include "index/store/run.h"
#include "index/store/segment.h"

enum {
    TAIL_MAX = 16 * 1024,
    TAIL_FULL = 128 * 1024,
    TAIL_ENTRIES_A_TRANSACTION = 4096,
    IDLE_FILES_MS = 2000,
    WAIT_MS_MAX = 20000,
    SORT_BYTES_A_KEY = 80, // besides what the chunk holds
};

void bulk_init(struct bulk *bulk)
{
    bulk->tail_max = TAIL_MAX;
    bulk->tail_full = TAIL_FULL;
    bulk->next_number = 1;
    (void)pthread_mutex_init(&bulk->append_mutex, NULL);
    (void)pthread_mutex_init(&bulk->merge_mutex, NULL);
    (void)pthread_cond_init(&bulk->merge_changed, NULL);
}

static bool no_memory(struct err *err)
{
    return err_set(err, ERR_MEMORY, "index: no memory");
}

uint64_t bulk_take_number(struct index *index)
{
    uint64_t number;

    (void)pthread_mutex_lock(&index->bulk.merge_mutex);
    number = index->bulk.next_number++;
    (void)pthread_mutex_unlock(&index->bulk.merge_mutex);
    return number;
}

// ------------------------------------------------------------ waiting

static void drop_chunks(struct bulk *bulk)
{
    for (size_t i = 0; i < bulk->num_chunks; i++) {
        chunk_free(bulk->chunks[i].chunk);
        buffer_cleanup(&bulk->chunks[i].served);
    }
    bulk->num_chunks = 0;
    bulk->num_entries = 0;
    bulk->num_bytes = 0;
}

static bool take_chunk(struct index *index, struct chunk *chunk,
                       const struct chunk_proof *proof, struct err *err)
{
    struct bulk *bulk = &index->bulk;
    struct bulk_chunk *slot;

    if (chunk->num_entries == 0) return true;
    if (bulk->num_chunks == bulk->size_chunks) {
        size_t size = bulk->size_chunks == 0 ? 64 : 2 * bulk->size_chunks;

        slot = realloc(bulk->chunks, size * sizeof *slot);
        if (slot == NULL) return no_memory(err);
        bulk->chunks = slot;
        bulk->size_chunks = size;
    }
    slot = &bulk->chunks[bulk->num_chunks];
    *slot = (struct bulk_chunk){.proof = *proof};
    buffer_append(&slot->served, proof->head.served);
    slot->proof.head.served = buffer_bytes(&slot->served);
    if (!buffer_ok(&slot->served) || !chunk_new(&slot->chunk, err)) {
        buffer_cleanup(&slot->served);
        return no_memory(err);
    }
    chunk_swap(slot->chunk, chunk);
    if (bulk->num_chunks++ == 0) {
        (void)clock_gettime(CLOCK_MONOTONIC, &bulk->since);
    }
    bulk->num_entries += slot->chunk->num_entries;
    bulk->num_bytes += chunk_size_bytes(slot->chunk) + sizeof *slot +
                       slot->chunk->num_keys * SORT_BYTES_A_KEY;
    return true;
}

// ------------------------------------------------------------ to the tail

static bool flush_to_tail(struct index *index, struct err *err)
{
    struct bulk *bulk = &index->bulk;
    size_t i = 0;
    bool ok = true;

    while (ok && i < bulk->num_chunks) {
        uint64_t num = 0;
        struct writing w;

        if (!writing_begin(&w, index, err)) return false;
        while (ok && i < bulk->num_chunks &&
               (num == 0 || num + bulk->chunks[i].chunk->num_entries <=
                                TAIL_ENTRIES_A_TRANSACTION)) {
            num += bulk->chunks[i].chunk->num_entries;
            ok = writing_append(&w, bulk->chunks[i].chunk,
                                &bulk->chunks[i].proof, true, err);
            i++;
        }
        ok = writing_end(&w, ok, err);
    }
    return ok;
}

// ------------------------------------------------------------ to files

// What becomes a segment and a run.
struct flush {
    struct index *index;
    uint32_t **numbers; // of each chunk's issuers
    uint64_t first_id, end_id;
    struct catalogue_file segment, run;
    uint64_t adding_id; // of the first entry of the chunk at hand
    bool keys_ok;
    struct err keys_err;
};

static bool add_issuer_key(void *context, struct bytes key, uint64_t entry,
                           struct err *err)
{
    struct flush *flush = context;

    return sort_add(&flush->index->bulk.sort, key, flush->adding_id + entry,
                    VIA_UNAUTHENTICATED, err);
}

static bool number_chunks(struct flush *flush, struct writing *w,
                          struct err *err)
{
    struct index *index = flush->index;
    struct bulk *bulk = &index->bulk;

    flush->first_id = w->counts.next_id;
    flush->end_id = flush->first_id;
    for (size_t i = 0; i < bulk->num_chunks; i++) {
        const struct chunk *chunk = bulk->chunks[i].chunk;

        flush->adding_id = flush->end_id;
        if (!tail_number_issuers(&index->tail, w->txn, chunk, &w->counts,
                                 &flush->numbers[i], err) ||
            !tail_each_issuer_key(&index->tail, w->txn, chunk, add_issuer_key,
                                  flush, err)) {
            return false;
        }
        flush->end_id += chunk->num_entries;
    }
    return true;
}

// The first transaction: issuers known until now are those that the entries to
// come know, and no others before these entries are visible.
static bool begin_files(struct flush *flush, struct err *err)
{
    struct index *index = flush->index;
    struct writing w;
    bool ok;

    flush->numbers = calloc(index->bulk.num_chunks, sizeof *flush->numbers);
    if (flush->numbers == NULL) return no_memory(err);
    if (!writing_begin(&w, index, err)) return false;
    ok = number_chunks(flush, &w, err);
    if (ok) {
        // What comes in from here on waits.  (When the commit fails the index
        // is dead, so nothing is lost that would have been kept.)
        buffer_reset(&index->issuers);
        index->num_issuers = 0;
        index->issuers_wait = true;
    }
    if (!writing_end(&w, ok, err)) return false;
    flush->segment = (struct catalogue_file){.kind = CATALOGUE_SEGMENT,
                                             .number = bulk_take_number(index)};
    flush->run = (struct catalogue_file){.kind = CATALOGUE_RUN,
                                         .number = bulk_take_number(index)};
    return true;
}

// The record of an entry as the segment takes it.
static bool make_record(const struct flush *flush, size_t position,
                        const struct chunk_entry *entry, struct buffer *row,
                        struct record *record, struct err *err)
{
    const struct chunk *chunk = flush->index->bulk.chunks[position].chunk;
    const uint8_t *body = chunk->bodies.data + entry->at;

    buffer_reset(row);
    buffer_append(row, bytes_of(body, entry->head_len));
    varint_append(row, entry->num_chain);
    for (size_t i = 0; i < entry->num_chain; i++) {
        varint_append(
            row, flush->numbers[position]
                               [chunk->chain_numbers[entry->chain_at + i]]);
    }
    if (!buffer_ok(row)) return no_memory(err);
    return record_read_head(record, buffer_bytes(row)) ||
           err_set(err, ERR_INDEX, "a chunk holds a record that is none");
}

static bool write_records(struct flush *flush, struct segment_writer *writer,
                          struct err *err)
{
    const struct bulk *bulk = &flush->index->bulk;
    struct buffer row = {0};
    bool ok = true;

    for (size_t i = 0; ok && i < bulk->num_chunks; i++) {
        const struct chunk *chunk = bulk->chunks[i].chunk;

        for (size_t k = 0; ok && k < chunk->num_entries; k++) {
            const struct chunk_entry *entry = &chunk->entries[k];
            struct record record;
            uint32_t issuer = 0;

            if (entry->num_chain > 0) {
                issuer =
                    flush->numbers[i][chunk->chain_numbers[entry->chain_at]];
            }
            ok = make_record(flush, i, entry, &row, &record, err) &&
                 segment_writer_add(
                     writer, &record, issuer,
                     bytes_of(chunk->bodies.data + entry->at + entry->head_len,
                              entry->plain_len),
                     err);
        }
    }
    buffer_cleanup(&row);
    return ok;
}

static bool write_segment(struct flush *flush, struct err *err)
{
    struct index *index = flush->index;
    struct segment_writer *writer;
    struct segment_stat stat;
    char path[PATH_MAX];
    bool ok;

    if (!files_path(&index->files, &flush->segment, path, err) ||
        !segment_writer_open(&writer, path, flush->first_id, index->group_seed,
                             err)) {
        return false;
    }
    ok = write_records(flush, writer, err) &&
         segment_writer_finish(writer, &stat, err);
    segment_writer_close(writer);
    if (!ok) return false;
    flush->segment.first_id = stat.first_id;
    flush->segment.end_id = stat.end_id;
    flush->segment.bytes = stat.bytes;
    return true;
}

static bool sort_keys(struct flush *flush, struct err *err)
{
    struct bulk *bulk = &flush->index->bulk;
    uint64_t id = flush->first_id;

    for (size_t i = 0; i < bulk->num_chunks; i++) {
        const struct chunk *chunk = bulk->chunks[i].chunk;

        for (size_t k = 0; k < chunk->num_keys; k++) {
            const struct chunk_key *key = &chunk->keys[k];
            uint8_t shortened[1 + RUN_KEY_HASH_LEN];
            bool exact;
            struct bytes held =
                run_key(bytes_of(chunk->key_bytes.data + key->at, key->len),
                        shortened, &exact);

            if (!sort_add(&bulk->sort, held, id + key->entry, key->via, err)) {
                return false;
            }
        }
        id += chunk->num_entries;
    }
    return sort_finish(&bulk->sort, err);
}

bool bulk_write_run(struct index *index, struct catalogue_file *file,
                    uint64_t first_id, uint64_t end_id, struct err *err)
{
    struct sort *sort = &index->bulk.sort;
    struct run_writer *writer;
    struct run_stat stat;
    char path[PATH_MAX];
    bool ok, found = true;

    if (!files_path(&index->files, file, path, err) ||
        !run_writer_open(&writer, path, first_id, end_id, err)) {
        return false;
    }
    for (ok = true; ok && found;) {
        const struct hit *hits;
        struct bytes key;
        size_t num;

        ok = sort_next(sort, &key, &hits, &num, &found, err) &&
             (!found || run_writer_add(writer, key, hits, num, err));
    }
    ok = ok && run_writer_finish(writer, &stat, err);
    run_writer_close(writer);
    if (!ok) return false;
    file->first_id = first_id;
    file->end_id = end_id;
    file->keys = stat.keys;
    file->postings = stat.postings;
    file->bytes = stat.bytes;
    return true;
}

static void *write_keys(void *context)
{
    struct flush *flush = context;

    flush->keys_ok = sort_keys(flush, &flush->keys_err) &&
                     bulk_write_run(flush->index, &flush->run, flush->first_id,
                                    flush->end_id, &flush->keys_err);
    return NULL;
}

// Segment and run, on two threads where there are two to be had.
static bool write_files(struct flush *flush, struct err *err)
{
    pthread_t thread;
    bool started = pthread_create(&thread, NULL, write_keys, flush) == 0, ok;

    ok = write_segment(flush, err);
    if (started) {
        (void)pthread_join(thread, NULL);
    } else {
        (void)write_keys(flush);
    }
    if (!ok) return false;
    if (!flush->keys_ok) *err = flush->keys_err;
    return flush->keys_ok;
}

static bool note_chunks(struct flush *flush, struct writing *w, struct err *err)
{
    const struct index *index = flush->index;

    if (w->counts.next_id != flush->first_id) {
        return err_set(err, ERR_INDEX,
                       "%s: entries came in while others were written",
                       index->dir);
    }
    for (size_t i = 0; i < index->bulk.num_chunks; i++) {
        if (!writing_append(w, index->bulk.chunks[i].chunk,
                            &index->bulk.chunks[i].proof, false, err)) {
            return false;
        }
    }
    return catalogue_put_file(&index->catalogue, w->txn, &flush->segment,
                              err) &&
           catalogue_put_file(&index->catalogue, w->txn, &flush->run, err);
}

static bool name_files(struct flush *flush, struct err *err)
{
    struct writing w;

    return writing_begin(&w, flush->index, err) &&
           writing_end(&w, note_chunks(flush, &w, err), err);
}

static bool flush_to_files(struct index *index, struct err *err)
{
    struct bulk *bulk = &index->bulk;
    struct flush flush = {.index = index};
    bool ok;

    sort_reset(&bulk->sort);
    ok = begin_files(&flush, err);
    if (ok) {
        ok = write_files(&flush, err) && name_files(&flush, err);
        // Of a commit that failed nobody knows what the disk holds.
        if (!ok && !index->dead) {
            files_remove(&index->files, &flush.segment, 1);
            files_remove(&index->files, &flush.run, 1);
        }
    }
    (void)pthread_mutex_lock(&index->write_mutex);
    index->issuers_wait = false;
    (void)pthread_mutex_unlock(&index->write_mutex);
    for (size_t i = 0; flush.numbers != NULL && i < bulk->num_chunks; i++) {
        free(flush.numbers[i]);
    }
    free(flush.numbers);
    if (ok) bulk_merge_wanted(index, 1);
    return ok;
}

// ------------------------------------------------------------ flushing

static bool tail_entries(struct index *index, uint64_t *num, struct err *err)
{
    struct catalogue_counts counts;
    struct lmdb_txn *txn;
    bool ok;

    if (!lmdb_begin(&txn, index->env, false, err)) return false;
    ok = catalogue_get_counts(&index->catalogue, txn, &counts, err);
    lmdb_abort(txn);
    if (ok) *num = counts.tail_entries;
    return ok;
}

static bool flush(struct index *index, struct err *err)
{
    struct bulk *bulk = &index->bulk;
    uint64_t in_tail;
    bool ok;

    if (bulk->failed) {
        return err_set(err, ERR_INDEX,
                       "%s: an earlier write failed; open the index again",
                       index->dir);
    }
    if (bulk->num_chunks == 0) return true;
    ok = bulk_wait_for_merge(index, err);
    if (ok && bulk->num_entries >= bulk->tail_max) {
        ok = flush_to_files(index, err);
    } else if (ok) {
        ok = flush_to_tail(index, err) && tail_entries(index, &in_tail, err) &&
             (in_tail < bulk->tail_full ||
              bulk_flush_tail(index, NULL, NULL, err));
    }
    bulk->failed = !ok;
    drop_chunks(bulk);
    return ok;
}

static uint64_t waited_ms(const struct bulk *bulk)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)(now.tv_sec - bulk->since.tv_sec) * 1000 +
           (uint64_t)(now.tv_nsec / 1000000) -
           (uint64_t)(bulk->since.tv_nsec / 1000000);
}

bool bulk_append(struct index *index, struct chunk *const *chunks,
                 const struct chunk_proof *proofs, size_t num_chunks,
                 struct err *err)
{
    struct bulk *bulk = &index->bulk;
    bool ok = true;

    (void)pthread_mutex_lock(&bulk->append_mutex);
    for (size_t i = 0; ok && i < num_chunks; i++) {
        ok = !bulk->failed && take_chunk(index, chunks[i], &proofs[i], err);
    }
    if (ok && bulk->num_chunks > 0 &&
        (bulk->num_bytes >= bulk->memory || waited_ms(bulk) >= WAIT_MS_MAX)) {
        ok = flush(index, err);
    } else if (bulk->failed) {
        ok = flush(index, err); // says why
    }
    (void)pthread_mutex_unlock(&bulk->append_mutex);
    return ok;
}

bool index_set_memory(struct index *index, uint64_t bytes, struct err *err)
{
    struct bulk *bulk = &index->bulk;
    bool ok;

    if (index->mode != INDEX_WRITE) {
        return err_set(err, ERR_INDEX, "%s: open for reading only", index->dir);
    }
    (void)pthread_mutex_lock(&bulk->append_mutex);
    ok = flush(index, err) && bulk_start_merging(index, err);
    if (ok) bulk->memory = bytes > 0 ? bytes : 1;
    (void)pthread_mutex_unlock(&bulk->append_mutex);
    return ok;
}

bool index_flush(struct index *index, struct err *err)
{
    bool ok;

    if (index->bulk.memory == 0) return true;
    (void)pthread_mutex_lock(&index->bulk.append_mutex);
    ok = flush(index, err);
    (void)pthread_mutex_unlock(&index->bulk.append_mutex);
    return ok;
}

bool index_flush_idle(struct index *index, uint64_t idle_ms, struct err *err)
{
    struct bulk *bulk = &index->bulk;
    bool ok = true;

    if (bulk->memory == 0) return true;
    (void)pthread_mutex_lock(&bulk->append_mutex);
    if (bulk->num_entries < bulk->tail_max || idle_ms >= IDLE_FILES_MS ||
        waited_ms(bulk) >= WAIT_MS_MAX) {
        ok = flush(index, err);
    }
    (void)pthread_mutex_unlock(&bulk->append_mutex);
    return ok;
}

void bulk_close(struct index *index)
{
    struct bulk *bulk = &index->bulk;
    struct err err;

    if (bulk->memory != 0 && !bulk->failed && !index->dead &&
        !index_flush(index, &err)) {
        log_line(LOG_WARNING, "entries that waited were not kept: %s",
                 err.text);
    }
    bulk_stop_merging(index);
    drop_chunks(bulk);
    free(bulk->chunks);
    sort_cleanup(&bulk->sort);
    (void)pthread_cond_destroy(&bulk->merge_changed);
    (void)pthread_mutex_destroy(&bulk->merge_mutex);
    (void)pthread_mutex_destroy(&bulk->append_mutex);
}
