// bulk.c - chunks wait and are flushed.  See bulk.h.

#include "index/bulk.h"

#include <stdlib.h>
#include <unistd.h>

#include "index/base/log.h"
#include "index/bulk_segment.h"
#include "index/handle.h"
#include "index/store/chunk_content.h"

enum {
    TAIL_MAX = 16 * 1024,
    LOAD_MIN = 512,
    TAIL_FULL = 128 * 1024,
    TAIL_ENTRIES_A_TRANSACTION = 4096,
    SEGMENT_ENTRIES = 32 * 1024, // where several are written at once
    SEGMENT_ENTRIES_ALONE = 512 * 1024,
    IDLE_FILES_MS = 2000,
    WAIT_MS_MAX = 20000,
    SORT_BYTES_A_KEY = 80, // besides what the chunk holds; for one set of two
    // Of more memory than this a chunk that was emptied is not kept.
    SPARE_BYTES = 1024 * 1024,
    SPARE_BYTES_AN_ENTRY = 4096,
};

// One thread fills the next set, and there are keys to sort.
static size_t segments_at_once(void)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);

    if (cores <= 2) return 1;
    return cores - 1 < BULK_SEGMENTS_MAX ? (size_t)cores - 1
                                         : BULK_SEGMENTS_MAX;
}

// Where several segments are written at once, one may wait for its thread as a
// whole; else what is not in the caches any more is only memory to be touched.
uint64_t bulk_bodies_max(const struct bulk *bulk)
{
    return bulk->memory / (bulk->segments_max > 1 ? 2 : 8);
}

void bulk_init(struct bulk *bulk)
{
    bulk->tail_max = TAIL_MAX;
    bulk->load_min = LOAD_MIN;
    bulk->tail_full = TAIL_FULL;
    bulk->segments_max = segments_at_once();
    bulk->segment_entries =
        bulk->segments_max == 1 ? SEGMENT_ENTRIES_ALONE : SEGMENT_ENTRIES;
    bulk->last_waiting = &bulk->waiting;
    bulk->next_number = 1;
    (void)pthread_mutex_init(&bulk->append_mutex, NULL);
    (void)pthread_mutex_init(&bulk->flush_mutex, NULL);
    (void)pthread_cond_init(&bulk->flush_changed, NULL);
    (void)pthread_cond_init(&bulk->segments_changed, NULL);
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

// ------------------------------------------------------------ a set

static void free_chunks(struct bulk_set *set, size_t left)
{
    while (set->num_made > left) {
        chunk_free(set->chunks[--set->num_made]);
    }
}

static void set_cleanup(struct bulk_set *set)
{
    bulk_free_segments(set);
    free_chunks(set, 0);
    while (set->proofs_made > 0) {
        buffer_cleanup(&set->proofs[--set->proofs_made].served);
    }
    free(set->chunks);
    free(set->proofs);
    *set = (struct bulk_set){0};
}

// Empties it and keeps the chunks' memory, but for what one entry in a million
// made large.
static void set_reset(struct bulk_set *set)
{
    static const struct index_log no_log = {0};
    size_t kept = 0;

    bulk_free_segments(set);
    for (size_t i = 0; i < set->num_chunks; i++) {
        struct chunk *chunk = set->chunks[i];
        uint64_t room = SPARE_BYTES + chunk_num_entries(chunk) *
                                          (uint64_t)SPARE_BYTES_AN_ENTRY;

        if (chunk_size_bytes(chunk) > room) {
            chunk_free(chunk);
            continue;
        }
        chunk_reset(chunk, &no_log, 0);
        set->chunks[kept++] = chunk;
    }
    set->num_made = kept;
    set->num_chunks = 0;
    set->num_proofs = 0;
    set->num_entries = 0;
    set->num_bytes = 0;
    set->held_bytes = 0;
}

// Makes room for one more element of an array.
static bool grow(void *array, size_t *size, size_t num, size_t each)
{
    void **slot = array;
    size_t more = *size == 0 ? 64 : *size * 2;
    void *larger;

    if (num < *size) return true;
    larger = realloc(*slot, more * each);
    if (larger == NULL) return false;
    *slot = larger;
    *size = more;
    return true;
}

static bool take_chunk(struct bulk *bulk, struct chunk *chunk, struct err *err)
{
    struct bulk_set *set = &bulk->filling;
    struct chunk *taken;

    if (set->num_chunks == set->num_made) {
        if (!grow(&set->chunks, &set->size_chunks, set->num_made,
                  sizeof(struct chunk *))) {
            return no_memory(err);
        }
        if (!chunk_new(&set->chunks[set->num_made], err)) return false;
        set->num_made++;
    }
    taken = set->chunks[set->num_chunks++];
    chunk_swap(taken, chunk);
    if (chunk->bodies.data == NULL) chunk->bodies = bulk_take_spare(bulk);
    set->num_entries += taken->num_entries;
    set->held_bytes += taken->bodies.size;
    set->num_bytes += chunk_size_bytes(taken) - taken->bodies.size +
                      taken->num_keys * SORT_BYTES_A_KEY / 2;
    return true;
}

// Takes over what a proof is of.
static bool take_proven(struct bulk *bulk, struct chunk *const *chunks,
                        size_t num, const struct chunk_proof *proof,
                        struct err *err)
{
    struct bulk_set *set = &bulk->filling;
    struct bulk_proof *taken;

    if (!grow(&set->proofs, &set->size_proofs, set->num_proofs,
              sizeof *set->proofs)) {
        return no_memory(err);
    }
    taken = &set->proofs[set->num_proofs];
    if (set->num_proofs == set->proofs_made) {
        *taken = (struct bulk_proof){0};
        set->proofs_made++;
    }
    taken->proof = *proof;
    taken->first = set->num_chunks;
    buffer_reset(&taken->served);
    buffer_append(&taken->served, proof->head.served);
    if (!buffer_ok(&taken->served)) return no_memory(err);
    taken->proof.head.served = buffer_bytes(&taken->served);
    for (size_t i = 0; i < num; i++) {
        if (chunks[i]->num_entries == 0) continue;
        if (!take_chunk(bulk, chunks[i], err)) return false;
    }
    taken->num_chunks = set->num_chunks - taken->first;
    if (taken->num_chunks == 0) return true;
    set->num_bytes += sizeof *taken;
    if (set->num_proofs++ == 0) {
        (void)clock_gettime(CLOCK_MONOTONIC, &set->since);
    }
    return true;
}

// ------------------------------------------------------------ to the tail

static uint64_t entries_of(const struct bulk_set *set, size_t proof)
{
    const struct bulk_proof *p = &set->proofs[proof];
    uint64_t num = 0;

    for (size_t i = 0; i < p->num_chunks; i++) {
        num += set->chunks[p->first + i]->num_entries;
    }
    return num;
}

static bool write_tail(struct index *index, const struct bulk_set *set,
                       struct err *err)
{
    size_t i = 0;
    bool ok = true;

    while (ok && i < set->num_proofs) {
        uint64_t num = 0;
        struct writing w;

        if (!writing_begin(&w, index, err)) return false;
        while (ok && i < set->num_proofs &&
               (num == 0 ||
                num + entries_of(set, i) <= TAIL_ENTRIES_A_TRANSACTION)) {
            const struct bulk_proof *p = &set->proofs[i];

            num += entries_of(set, i);
            ok = writing_append(&w, set->chunks + p->first, p->num_chunks,
                                &p->proof, true, err);
            i++;
        }
        ok = writing_end(&w, ok, err);
    }
    return ok;
}

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

// ------------------------------------------------------------ the thread

// Those of a set that is not flushed, after a failure; none is being written.
static void remove_segments(const struct index *index,
                            const struct bulk_set *set)
{
    for (const struct bulk_segment *segment = set->segments; segment != NULL;
         segment = segment->next) {
        files_remove(&index->files, &segment->file, 1);
    }
}

// The segments of a set that is not flushed are written to their end before
// anybody frees what they are written from.
static bool give_up(struct index *index, struct bulk_set *set)
{
    struct err ignored;

    (void)!bulk_wait_segments(index, set, &ignored);
    remove_segments(index, set);
    return false;
}

static bool flush_set(struct index *index, struct bulk_set *set,
                      struct err *err)
{
    uint64_t in_tail;

    if (!bulk_wait_for_merge(index, err)) return give_up(index, set);
    if (set->num_fed > 0) {
        return bulk_write_files(index, set, err);
    }
    return write_tail(index, set, err) && tail_entries(index, &in_tail, err) &&
           (in_tail < index->bulk.tail_full ||
            bulk_flush_tail(index, NULL, NULL, err));
}

static void *run_flushing(void *context)
{
    struct index *index = context;
    struct bulk *bulk = &index->bulk;

    (void)pthread_mutex_lock(&bulk->flush_mutex);
    for (;;) {
        struct err err = {0};
        bool ok;

        while (!bulk->flushing_busy && !bulk->flush_stop) {
            (void)pthread_cond_wait(&bulk->flush_changed, &bulk->flush_mutex);
        }
        if (!bulk->flushing_busy) break;
        (void)pthread_mutex_unlock(&bulk->flush_mutex);
        ok = flush_set(index, &bulk->flushing, &err);
        set_reset(&bulk->flushing);
        (void)pthread_mutex_lock(&bulk->flush_mutex);
        if (!ok) {
            bulk->failed = true;
            bulk->flush_err = err;
        }
        bulk->flushing_busy = false;
        (void)pthread_cond_broadcast(&bulk->flush_changed);
    }
    (void)pthread_mutex_unlock(&bulk->flush_mutex);
    return NULL;
}

static bool start_flushing(struct index *index, struct err *err)
{
    struct bulk *bulk = &index->bulk;

    if (bulk->flush_started) return true;
    if (pthread_create(&bulk->flush_thread, NULL, run_flushing, index) != 0) {
        return err_set(err, ERR_MEMORY, "no thread for writing");
    }
    (void)pthread_setname_np(bulk->flush_thread, "sanct-flush");
    bulk->flush_started = true;
    return true;
}

static void stop_flushing(struct bulk *bulk)
{
    if (!bulk->flush_started) return;
    (void)pthread_mutex_lock(&bulk->flush_mutex);
    bulk->flush_stop = true;
    (void)pthread_cond_broadcast(&bulk->flush_changed);
    (void)pthread_mutex_unlock(&bulk->flush_mutex);
    (void)pthread_join(bulk->flush_thread, NULL);
    bulk->flush_started = false;
}

// ------------------------------------------------------------ flushing

// Tells whether all went well until now; with `wait`, all that was handed over.
static bool check_flushed(struct bulk *bulk, bool wait, struct err *err)
{
    bool ok;

    (void)pthread_mutex_lock(&bulk->flush_mutex);
    while (wait && bulk->flushing_busy) {
        (void)pthread_cond_wait(&bulk->flush_changed, &bulk->flush_mutex);
    }
    ok = !bulk->failed;
    if (!ok && err != NULL) *err = bulk->flush_err;
    (void)pthread_mutex_unlock(&bulk->flush_mutex);
    return ok;
}

// Gives what waits to the thread, as soon as that has done the set before.
// `full`: there is no room for more.
static bool hand_over(struct index *index, bool full, struct err *err)
{
    struct bulk *bulk = &index->bulk;
    struct bulk_set set;
    uint64_t min;

    if (bulk->filling.num_chunks == 0) return check_flushed(bulk, false, err);
    if (!check_flushed(bulk, true, err) ||
        !bulk_find_first_id(index, &bulk->filling, err)) {
        return false;
    }
    min = full || bulk->loading ? bulk->load_min : bulk->tail_max;
    if ((bulk->filling.num_entries >= min || bulk->filling.num_fed > 0) &&
        !bulk_feed(index, &bulk->filling, true, err)) {
        return false;
    }
    // What the set before it left behind and this one had no use for.
    free_chunks(&bulk->filling, bulk->filling.num_chunks);
    set = bulk->flushing;
    bulk->flushing = bulk->filling;
    bulk->filling = set;
    (void)pthread_mutex_lock(&bulk->flush_mutex);
    bulk->flushing_busy = true;
    bulk->flushing_end_id =
        bulk->flushing.first_id + bulk->flushing.num_entries;
    (void)pthread_cond_broadcast(&bulk->flush_changed);
    (void)pthread_mutex_unlock(&bulk->flush_mutex);
    return true;
}

static uint64_t waited_ms(const struct bulk_set *set)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)(now.tv_sec - set->since.tv_sec) * 1000 +
           (uint64_t)(now.tv_nsec / 1000000) -
           (uint64_t)(set->since.tv_nsec / 1000000);
}

// Gives the segments what there is, when the set will not go to the tail; waits
// where they lag far behind.
static bool feed(struct index *index, bool *fed, struct err *err)
{
    struct bulk *bulk = &index->bulk;
    struct bulk_set *set = &bulk->filling;
    uint64_t min = bulk->tail_max > bulk->load_min && !bulk->loading
                       ? bulk->tail_max
                       : bulk->load_min;

    *fed = set->num_fed > 0 || set->num_entries >= min;
    if (!*fed) return true;
    if (!bulk_feed(index, set, false, err)) return false;
    (void)pthread_mutex_lock(&bulk->flush_mutex);
    while (bulk->body_bytes > bulk_bodies_max(bulk) && !bulk->failed) {
        (void)pthread_cond_wait(&bulk->flush_changed, &bulk->flush_mutex);
    }
    (void)pthread_mutex_unlock(&bulk->flush_mutex);
    return true;
}

bool bulk_append(struct index *index, struct chunk *const *chunks,
                 const struct chunk_proof *proofs, size_t num_proofs,
                 struct err *err)
{
    struct bulk *bulk = &index->bulk;
    struct bulk_set *set = &bulk->filling;
    bool ok, fed = false;

    (void)pthread_mutex_lock(&bulk->append_mutex);
    ok = check_flushed(bulk, false, err);
    for (size_t i = 0; ok && i < num_proofs; i++) {
        size_t num = chunk_proof_num(&proofs[i]);

        ok = take_proven(bulk, chunks, num, &proofs[i], err);
        chunks += num;
    }
    ok = ok && feed(index, &fed, err);
    if (ok && set->num_chunks > 0) {
        bool full = fed ? set->num_bytes >= bulk->memory / 4
                        : set->num_bytes + set->held_bytes >= bulk->memory / 2;

        if (full || waited_ms(set) >= WAIT_MS_MAX) {
            ok = hand_over(index, full, err);
            bulk->loading = full;
        }
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
    ok = start_flushing(index, err) && bulk_start_merging(index, err);
    if (ok) bulk->memory = bytes > 0 ? bytes : 1;
    (void)pthread_mutex_unlock(&bulk->append_mutex);
    return ok;
}

bool index_flush(struct index *index, struct err *err)
{
    struct bulk *bulk = &index->bulk;
    bool ok;

    if (bulk->memory == 0) return true;
    (void)pthread_mutex_lock(&bulk->append_mutex);
    ok = hand_over(index, false, err) && check_flushed(bulk, true, err);
    (void)pthread_mutex_unlock(&bulk->append_mutex);
    return ok;
}

bool index_flush_idle(struct index *index, uint64_t idle_ms, struct err *err)
{
    struct bulk *bulk = &index->bulk;
    struct bulk_set *set = &bulk->filling;
    bool ok;

    if (bulk->memory == 0) return true;
    (void)pthread_mutex_lock(&bulk->append_mutex);
    ok = check_flushed(bulk, false, err);
    if (ok && set->num_chunks > 0 &&
        (set->num_entries < bulk->tail_max || idle_ms >= IDLE_FILES_MS ||
         waited_ms(set) >= WAIT_MS_MAX)) {
        ok = hand_over(index, false, err);
        bulk->loading = false;
    }
    (void)pthread_mutex_unlock(&bulk->append_mutex);
    return ok;
}

void bulk_close(struct index *index)
{
    struct bulk *bulk = &index->bulk;
    struct err err;

    if (bulk->memory != 0 && check_flushed(bulk, true, NULL) &&
        !index_flush(index, &err)) {
        log_line(LOG_WARNING, "entries that waited were not kept: %s",
                 err.text);
    }
    stop_flushing(bulk);
    bulk_stop_segments(bulk);
    remove_segments(index, &bulk->filling);
    bulk_stop_merging(index);
    set_cleanup(&bulk->filling);
    set_cleanup(&bulk->flushing);
    sort_cleanup(&bulk->sort);
    buffer_cleanup(&bulk->dictionary);
    (void)pthread_cond_destroy(&bulk->merge_changed);
    (void)pthread_mutex_destroy(&bulk->merge_mutex);
    (void)pthread_cond_destroy(&bulk->segments_changed);
    (void)pthread_cond_destroy(&bulk->flush_changed);
    (void)pthread_mutex_destroy(&bulk->flush_mutex);
    (void)pthread_mutex_destroy(&bulk->append_mutex);
}
