// bulk_files.c - a set of chunks becomes segments and a run.  See bulk.h.
//
// Ids are given in the order of the chunks: each segment holds those of some
// neighbours, the run the keys of all.

#include <stdlib.h>

#include "index/base/varint.h"
#include "index/handle.h"
#include "index/store/chunk_content.h"
#include "index/store/run.h"
#include "index/store/segment.h"

// So many segments share a dictionary: entries of the same logs are alike, and
// learning one takes longer than compressing ten thousand of them.
enum { DICTIONARY_SEGMENTS = 16 };

struct flush;

// What becomes one segment.
struct part {
    const struct flush *flush;
    size_t first, end; // chunks of the set
    uint64_t first_id;
    struct catalogue_file file;
    struct buffer dictionary; // that it was written with
    pthread_t thread;
    bool started, ok;
    struct err err;
};

struct flush {
    struct index *index;
    const struct bulk_set *set;
    uint32_t **numbers; // of each chunk's issuers
    uint64_t first_id, end_id;
    uint64_t adding_id; // of the first entry of the chunk at hand
    struct part *parts;
    size_t num_parts;
    struct catalogue_file run;
    bool keys_ok;
    struct err keys_err;
};

static bool no_memory(struct err *err)
{
    return err_set(err, ERR_MEMORY, "index: no memory");
}

// ------------------------------------------------------------ numbers

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

    flush->first_id = w->counts.next_id;
    flush->end_id = flush->first_id;
    for (size_t i = 0; i < flush->set->num_chunks; i++) {
        const struct chunk *chunk = flush->set->chunks[i].chunk;

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
static bool number_issuers(struct flush *flush, struct err *err)
{
    struct index *index = flush->index;
    struct writing w;
    bool ok, changed;

    if (!writing_begin(&w, index, err)) return false;
    changed = index->num_issuers > 0;
    ok = number_chunks(flush, &w, err);
    if (ok) {
        changed = changed || w.counts.next_issuer != w.before.next_issuer;
        // What comes in from here on waits.  (When the commit fails the index
        // is dead, so nothing is lost that would have been kept.)
        buffer_reset(&index->issuers);
        index->num_issuers = 0;
        index->issuers_wait = true;
    }
    // Most of the time all issuers have numbers: nothing to put on the disk.
    if (ok && !changed) {
        writing_drop(&w);
        return true;
    }
    return writing_end(&w, ok, err);
}

// ------------------------------------------------------------ segments

// The record of an entry as the segment takes it.
static bool make_record(const struct flush *flush, size_t position,
                        const struct chunk_entry *entry, struct buffer *row,
                        struct record *record, struct err *err)
{
    const struct chunk *chunk = flush->set->chunks[position].chunk;
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

static bool write_records(const struct part *part,
                          struct segment_writer *writer, struct err *err)
{
    const struct flush *flush = part->flush;
    struct buffer row = {0};
    bool ok = true;

    for (size_t i = part->first; ok && i < part->end; i++) {
        const struct chunk *chunk = flush->set->chunks[i].chunk;

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

static bool write_segment(struct part *part, struct err *err)
{
    const struct index *index = part->flush->index;
    struct segment_writer *writer;
    struct segment_stat stat;
    char path[PATH_MAX];
    bool ok;

    if (!files_path(&index->files, &part->file, path, err) ||
        !segment_writer_open(&writer, path, part->first_id, index->group_seed,
                             buffer_bytes(&index->bulk.dictionary), err)) {
        return false;
    }
    ok = write_records(part, writer, err) &&
         segment_writer_finish(writer, &stat, err);
    if (ok) buffer_append(&part->dictionary, segment_writer_dictionary(writer));
    segment_writer_close(writer);
    if (!ok) return false;
    part->file.first_id = stat.first_id;
    part->file.end_id = stat.end_id;
    part->file.bytes = stat.bytes;
    return true;
}

static void *run_segment(void *context)
{
    struct part *part = context;

    part->ok = write_segment(part, &part->err);
    return NULL;
}

// Cuts the set into parts of about as many entries.
static bool cut(struct flush *flush, struct err *err)
{
    const struct bulk *bulk = &flush->index->bulk;
    uint64_t num = flush->set->num_entries, id = flush->first_id;
    size_t max = num / bulk->segment_entries < bulk->segments_max
                     ? (size_t)(num / bulk->segment_entries)
                     : bulk->segments_max;
    uint64_t each = num / (max == 0 ? 1 : max), held = 0;
    struct part *part = NULL;

    flush->parts = calloc(max + 1, sizeof *flush->parts);
    if (flush->parts == NULL) return no_memory(err);
    for (size_t i = 0; i < flush->set->num_chunks; i++) {
        uint64_t entries = chunk_num_entries(flush->set->chunks[i].chunk);

        if (part == NULL || (held >= each && flush->num_parts < max)) {
            part = &flush->parts[flush->num_parts++];
            *part = (struct part){.flush = flush, .first = i, .first_id = id};
            part->file = (struct catalogue_file){
                .kind = CATALOGUE_SEGMENT,
                .number = bulk_take_number(flush->index)};
            held = 0;
        }
        part->end = i + 1;
        held += entries;
        id += entries;
    }
    return true;
}

// ------------------------------------------------------------ the run

static bool sort_keys(struct flush *flush, struct err *err)
{
    struct sort *sort = &flush->index->bulk.sort;
    uint64_t id = flush->first_id;

    for (size_t i = 0; i < flush->set->num_chunks; i++) {
        const struct chunk *chunk = flush->set->chunks[i].chunk;

        for (size_t k = 0; k < chunk->num_keys; k++) {
            const struct chunk_key *key = &chunk->keys[k];
            uint8_t shortened[1 + RUN_KEY_HASH_LEN];
            bool exact;
            struct bytes held =
                run_key(bytes_of(chunk->key_bytes.data + key->at, key->len),
                        shortened, &exact);

            if (!sort_add(sort, held, id + key->entry, key->via, err)) {
                return false;
            }
        }
        id += chunk->num_entries;
    }
    return sort_finish(sort, err);
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

static void *run_keys(void *context)
{
    struct flush *flush = context;

    flush->keys_ok = sort_keys(flush, &flush->keys_err) &&
                     bulk_write_run(flush->index, &flush->run, flush->first_id,
                                    flush->end_id, &flush->keys_err);
    return NULL;
}

// ------------------------------------------------------------ all of it

// Segments and run, each on a thread where there is one to be had.
static bool write_files(struct flush *flush, struct err *err)
{
    pthread_t keys_thread;
    bool started, ok = true;

    started = pthread_create(&keys_thread, NULL, run_keys, flush) == 0;
    if (started) (void)pthread_setname_np(keys_thread, "sanct-keys");
    for (size_t i = 1; i < flush->num_parts; i++) {
        struct part *part = &flush->parts[i];

        part->started =
            pthread_create(&part->thread, NULL, run_segment, part) == 0;
        if (part->started) {
            (void)pthread_setname_np(part->thread, "sanct-segment");
        }
    }
    for (size_t i = 0; i < flush->num_parts; i++) {
        struct part *part = &flush->parts[i];

        if (part->started) {
            (void)pthread_join(part->thread, NULL);
        } else {
            (void)run_segment(part);
        }
        if (ok && !part->ok) *err = part->err;
        ok = ok && part->ok;
    }
    if (started) {
        (void)pthread_join(keys_thread, NULL);
    } else {
        (void)run_keys(flush);
    }
    if (ok && !flush->keys_ok) *err = flush->keys_err;
    return ok && flush->keys_ok;
}

static bool note_chunks(struct flush *flush, struct writing *w, struct err *err)
{
    const struct index *index = flush->index;
    bool ok =
        w->counts.next_id == flush->first_id ||
        err_set(err, ERR_INDEX, "%s: entries came in while others were written",
                index->dir);

    for (size_t i = 0; ok && i < flush->set->num_chunks; i++) {
        const struct bulk_chunk *chunk = &flush->set->chunks[i];

        ok = writing_append(w, chunk->chunk, &chunk->proof, false, err);
    }
    for (size_t i = 0; ok && i < flush->num_parts; i++) {
        ok = catalogue_put_file(&index->catalogue, w->txn,
                                &flush->parts[i].file, err);
    }
    return ok &&
           catalogue_put_file(&index->catalogue, w->txn, &flush->run, err);
}

static bool name_files(struct flush *flush, struct err *err)
{
    struct writing w;

    return writing_begin(&w, flush->index, err) &&
           writing_end(&w, note_chunks(flush, &w, err), err);
}

static void remove_files(struct flush *flush)
{
    const struct files *files = &flush->index->files;

    for (size_t i = 0; i < flush->num_parts; i++) {
        files_remove(files, &flush->parts[i].file, 1);
    }
    files_remove(files, &flush->run, 1);
}

// What the first segment learnt serves the next ones, for a while.
static void keep_dictionary(struct flush *flush)
{
    struct bulk *bulk = &flush->index->bulk;

    if (bulk->dictionary.len == 0) {
        bulk->dictionary_uses = 0;
        buffer_append(&bulk->dictionary,
                      buffer_bytes(&flush->parts[0].dictionary));
    }
    bulk->dictionary_uses += flush->num_parts;
    if (bulk->dictionary_uses >= DICTIONARY_SEGMENTS ||
        !buffer_ok(&bulk->dictionary)) {
        buffer_cleanup(&bulk->dictionary);
    }
}

static bool write_all(struct flush *flush, struct err *err)
{
    if (!number_issuers(flush, err) || !cut(flush, err)) return false;
    flush->run = (struct catalogue_file){
        .kind = CATALOGUE_RUN, .number = bulk_take_number(flush->index)};
    if (write_files(flush, err) && name_files(flush, err)) {
        keep_dictionary(flush);
        return true;
    }
    // Of a commit that failed nobody knows what the disk holds.
    if (!flush->index->dead) remove_files(flush);
    return false;
}

bool bulk_write_files(struct index *index, const struct bulk_set *set,
                      struct err *err)
{
    struct flush flush = {.index = index, .set = set};
    bool ok;

    sort_reset(&index->bulk.sort);
    flush.numbers = calloc(set->num_chunks, sizeof *flush.numbers);
    ok = flush.numbers != NULL ? write_all(&flush, err) : no_memory(err);
    (void)pthread_mutex_lock(&index->write_mutex);
    index->issuers_wait = false;
    (void)pthread_mutex_unlock(&index->write_mutex);
    for (size_t i = 0; flush.numbers != NULL && i < set->num_chunks; i++) {
        free(flush.numbers[i]);
    }
    free(flush.numbers);
    for (size_t i = 0; i < flush.num_parts; i++) {
        buffer_cleanup(&flush.parts[i].dictionary);
    }
    free(flush.parts);
    if (ok) bulk_merge_wanted(index, 1);
    return ok;
}
