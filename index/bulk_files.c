// bulk_files.c - a set of chunks becomes segments and a run.  See bulk.h.
//
// Ids are given in the order of the chunks: each segment holds those of some
// neighbours, the run the keys of all.

#include <stdlib.h>

#include "index/bulk_segment.h"
#include "index/handle.h"
#include "index/store/chunk_content.h"
#include "index/store/run.h"

struct flush {
    struct index *index;
    struct bulk_set *set;
    uint64_t first_id, end_id;
    uint64_t adding_id; // of the first entry of the chunk at hand
    struct catalogue_file run;
};

// ------------------------------------------------------------ issuers

static bool add_issuer_key(void *context, struct bytes key, uint64_t entry,
                           struct err *err)
{
    struct flush *flush = context;

    return sort_add(&flush->index->bulk.sort, key, flush->adding_id + entry,
                    VIA_UNAUTHENTICATED, err);
}

static bool find_issuers(struct flush *flush, struct writing *w,
                         struct err *err)
{
    struct tail_issuer_memory memory = {0};
    struct index *index = flush->index;

    flush->first_id = w->counts.next_id;
    flush->end_id = flush->first_id;
    for (size_t i = 0; i < flush->set->num_chunks; i++) {
        const struct chunk *chunk = flush->set->chunks[i];

        flush->adding_id = flush->end_id;
        if (!tail_each_issuer_key(&index->tail, w->txn, chunk, &memory,
                                  add_issuer_key, flush, err)) {
            return false;
        }
        flush->end_id += chunk->num_entries;
    }
    return flush->first_id == flush->set->first_id ||
           err_set(err, ERR_INDEX, "%s: entries came in while others waited",
                   index->dir);
}

// The first transaction: issuers known until now are those that the entries to
// come know, and no others before these entries are visible.
static bool know_issuers(struct flush *flush, struct err *err)
{
    struct index *index = flush->index;
    struct writing w;
    bool ok, changed;

    if (!writing_begin(&w, index, err)) return false;
    changed = index->num_issuers > 0;
    ok = find_issuers(flush, &w, err);
    if (ok) {
        // What comes in from here on waits.  (When the commit fails the index
        // is dead, so nothing is lost that would have been kept.)
        buffer_reset(&index->issuers);
        index->num_issuers = 0;
        index->issuers_wait = true;
    }
    // Most of the time none has come: nothing to put on the disk.
    if (ok && !changed) {
        writing_drop(&w);
        return true;
    }
    return writing_end(&w, ok, err);
}

// ------------------------------------------------------------ the run

static bool sort_keys(struct flush *flush, struct err *err)
{
    struct sort *sort = &flush->index->bulk.sort;
    uint64_t id = flush->first_id;

    for (size_t i = 0; i < flush->set->num_chunks; i++) {
        const struct chunk *chunk = flush->set->chunks[i];

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

// ------------------------------------------------------------ all of it

static bool note_chunks(struct flush *flush, struct writing *w, struct err *err)
{
    const struct index *index = flush->index;
    bool ok =
        w->counts.next_id == flush->first_id ||
        err_set(err, ERR_INDEX, "%s: entries came in while others were written",
                index->dir);

    for (size_t i = 0; ok && i < flush->set->num_proofs; i++) {
        const struct bulk_proof *proof = &flush->set->proofs[i];

        ok = writing_append(w, flush->set->chunks + proof->first,
                            proof->num_chunks, &proof->proof, false, err);
    }
    for (const struct bulk_segment *segment = flush->set->segments;
         ok && segment != NULL; segment = segment->next) {
        ok = catalogue_put_file(&index->catalogue, w->txn, &segment->file, err);
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

    for (const struct bulk_segment *segment = flush->set->segments;
         segment != NULL; segment = segment->next) {
        files_remove(files, &segment->file, 1);
    }
    if (flush->run.number != 0) files_remove(files, &flush->run, 1);
}

static bool write_run(struct flush *flush, struct err *err)
{
    flush->run = (struct catalogue_file){
        .kind = CATALOGUE_RUN, .number = bulk_take_number(flush->index)};
    return sort_keys(flush, err) &&
           bulk_write_run(flush->index, &flush->run, flush->first_id,
                          flush->end_id, err);
}

// The run while the segments end.
static bool write_files(struct flush *flush, struct err *err)
{
    struct err ignored;
    bool ok = know_issuers(flush, err) && write_run(flush, err);

    return bulk_wait_segments(flush->index, flush->set, ok ? err : &ignored) &&
           ok;
}

bool bulk_write_files(struct index *index, struct bulk_set *set,
                      struct err *err)
{
    struct flush flush = {.index = index, .set = set};
    bool ok;

    sort_reset(&index->bulk.sort);
    ok = write_files(&flush, err) && name_files(&flush, err);
    // Of a commit that failed nobody knows what the disk holds.
    if (!ok && !index->dead) remove_files(&flush);
    (void)pthread_mutex_lock(&index->write_mutex);
    index->issuers_wait = false;
    (void)pthread_mutex_unlock(&index->write_mutex);
    if (ok) bulk_merge_wanted(index, 1);
    return ok;
}
