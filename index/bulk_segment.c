// bulk_segment.c - see bulk_segment.h.

#include "index/bulk_segment.h"

#include <stdlib.h>

#include "index/base/varint.h"
#include "index/handle.h"
#include "index/store/chunk_content.h"
#include "index/store/segment.h"

enum {
    // So many segments share a dictionary: entries of the same logs are alike,
    // and learning one takes longer than compressing ten thousand of them.
    DICTIONARY_SEGMENTS = 16,
};

struct bulk_input {
    struct bulk_input *next;
    struct chunk *chunk;
    bool is_first;     // of those that are proven as one
    uint32_t *numbers; // the index's, of the chunk's issuers
};

static bool no_memory(struct err *err)
{
    return err_set(err, ERR_MEMORY, "index: no memory");
}

static void free_input(struct bulk_input *input)
{
    if (input == NULL) return;
    free(input->numbers);
    free(input);
}

// ------------------------------------------------------------ a segment

// The record of an entry as the segment takes it.
static bool make_record(const struct bulk_input *input,
                        const struct chunk_entry *entry, struct buffer *row,
                        struct record *record, struct err *err)
{
    const struct chunk *chunk = input->chunk;
    const uint8_t *body = chunk->bodies.data + entry->at;

    buffer_reset(row);
    buffer_append(row, bytes_of(body, entry->head_len));
    varint_append(row, entry->num_chain);
    for (size_t i = 0; i < entry->num_chain; i++) {
        varint_append(
            row, input->numbers[chunk->chain_numbers[entry->chain_at + i]]);
    }
    if (!buffer_ok(row)) return no_memory(err);
    return record_read_head(record, buffer_bytes(row)) ||
           err_set(err, ERR_INDEX, "a chunk holds a record that is none");
}

static bool write_input(const struct bulk_input *input,
                        struct segment_writer *writer, struct buffer *row,
                        struct err *err)
{
    const struct chunk *chunk = input->chunk;

    for (size_t i = 0; i < chunk->num_entries; i++) {
        const struct chunk_entry *entry = &chunk->entries[i];
        struct bytes plain = bytes_of(
            chunk->bodies.data + entry->at + entry->head_len, entry->plain_len);
        struct record record;
        uint32_t issuer = 0;

        if (entry->num_chain > 0) {
            issuer = input->numbers[chunk->chain_numbers[entry->chain_at]];
        }
        if (!make_record(input, entry, row, &record, err) ||
            !segment_writer_add(writer, &record, issuer, plain, err)) {
            return false;
        }
    }
    return true;
}

// The next chunk of a segment, or NULL at its end; false: it is given up.
static bool take_input(struct bulk *bulk, struct bulk_segment *segment,
                       struct bulk_input **out, struct err *err)
{
    struct bulk_input *input;
    bool is_whole;

    (void)pthread_mutex_lock(&bulk->flush_mutex);
    while (segment->first == NULL && !segment->is_whole &&
           !bulk->segments_stop) {
        (void)pthread_cond_wait(&bulk->segments_changed, &bulk->flush_mutex);
    }
    input = segment->first;
    if (input != NULL) {
        segment->first = input->next;
        if (segment->first == NULL) segment->last = &segment->first;
    }
    is_whole = segment->is_whole;
    (void)pthread_mutex_unlock(&bulk->flush_mutex);
    *out = input;
    return input != NULL || is_whole ||
           err_set(err, ERR_INTERRUPTED, "a segment was given up");
}

// Has the memory of the bodies used again, and whoever waits for it go on.
static void give_back(struct bulk *bulk, struct bulk_input *input)
{
    struct buffer bodies = input->chunk->bodies;

    input->chunk->bodies = (struct buffer){0};
    free_input(input);
    (void)pthread_mutex_lock(&bulk->flush_mutex);
    bulk->body_bytes -= bodies.size;
    if (bulk->num_spares < BULK_SPARES_MAX &&
        bulk->body_bytes + bulk->spare_bytes + bodies.size <=
            bulk_bodies_max(bulk)) {
        buffer_reset(&bodies);
        bulk->spare_bytes += bodies.size;
        bulk->spares[bulk->num_spares++] = bodies;
        bodies = (struct buffer){0};
    }
    (void)pthread_cond_broadcast(&bulk->flush_changed);
    (void)pthread_mutex_unlock(&bulk->flush_mutex);
    buffer_cleanup(&bodies);
}

static bool write_inputs(struct bulk *bulk, struct bulk_segment *segment,
                         struct segment_writer *writer, struct err *err)
{
    struct bulk_input *input;
    struct buffer row = {0};
    bool ok;

    while ((ok = take_input(bulk, segment, &input, err)) && input != NULL) {
        ok = write_input(input, writer, &row, err);
        give_back(bulk, input);
        if (!ok) break;
    }
    buffer_cleanup(&row);
    return ok;
}

static bool copy_dictionary(struct bulk *bulk, struct buffer *out,
                            struct err *err)
{
    (void)pthread_mutex_lock(&bulk->flush_mutex);
    buffer_append(out, buffer_bytes(&bulk->dictionary));
    (void)pthread_mutex_unlock(&bulk->flush_mutex);
    return buffer_ok(out) || no_memory(err);
}

// What a segment learnt serves the next ones, for a while.
static void keep_dictionary(struct bulk *bulk, struct bytes dictionary)
{
    (void)pthread_mutex_lock(&bulk->flush_mutex);
    if (bulk->dictionary.len == 0) {
        bulk->dictionary_uses = 0;
        buffer_append(&bulk->dictionary, dictionary);
    }
    bulk->dictionary_uses++;
    if (bulk->dictionary_uses >= DICTIONARY_SEGMENTS ||
        !buffer_ok(&bulk->dictionary)) {
        buffer_cleanup(&bulk->dictionary);
    }
    (void)pthread_mutex_unlock(&bulk->flush_mutex);
}

static bool write_segment(struct index *index, struct bulk_segment *segment,
                          struct err *err)
{
    struct segment_writer *writer = NULL;
    struct buffer dictionary = {0};
    struct segment_stat stat;
    char path[PATH_MAX];
    bool ok;

    ok = copy_dictionary(&index->bulk, &dictionary, err) &&
         files_path(&index->files, &segment->file, path, err) &&
         segment_writer_open(&writer, path, segment->first_id,
                             index->group_seed, buffer_bytes(&dictionary), err);
    buffer_cleanup(&dictionary);
    ok = ok && write_inputs(&index->bulk, segment, writer, err) &&
         segment_writer_finish(writer, &stat, err);
    if (ok) keep_dictionary(&index->bulk, segment_writer_dictionary(writer));
    segment_writer_close(writer);
    if (!ok) return false;
    segment->file.first_id = stat.first_id;
    segment->file.end_id = stat.end_id;
    segment->file.bytes = stat.bytes;
    return true;
}

// ------------------------------------------------------------ threads

static void drop_inputs(struct bulk *bulk, struct bulk_segment *segment)
{
    while (segment->first != NULL) {
        struct bulk_input *input = segment->first;

        segment->first = input->next;
        bulk->body_bytes -= input->chunk->bodies.size;
        free_input(input);
    }
    segment->last = &segment->first;
}

static void *run_segments(void *context)
{
    struct index *index = context;
    struct bulk *bulk = &index->bulk;

    (void)pthread_mutex_lock(&bulk->flush_mutex);
    for (;;) {
        struct bulk_segment *segment;
        struct err err = {0};
        bool ok;

        while (bulk->waiting == NULL && !bulk->segments_stop) {
            (void)pthread_cond_wait(&bulk->segments_changed,
                                    &bulk->flush_mutex);
        }
        segment = bulk->waiting;
        if (segment == NULL) break;
        bulk->waiting = segment->waiting;
        if (bulk->waiting == NULL) bulk->last_waiting = &bulk->waiting;
        (void)pthread_mutex_unlock(&bulk->flush_mutex);
        ok = write_segment(index, segment, &err);
        (void)pthread_mutex_lock(&bulk->flush_mutex);
        if (!ok && !bulk->failed) {
            bulk->failed = true;
            bulk->flush_err = err;
        }
        segment->ok = ok;
        segment->err = err;
        segment->is_done = true;
        bulk->num_segments--;
        drop_inputs(bulk, segment);
        (void)pthread_cond_broadcast(&bulk->flush_changed);
    }
    (void)pthread_mutex_unlock(&bulk->flush_mutex);
    return NULL;
}

// One thread more when there are fewer than segments, up to segments_max.
static bool start_thread(struct index *index, struct err *err)
{
    struct bulk *bulk = &index->bulk;
    size_t num = bulk->num_segment_threads;

    if (num >= bulk->num_segments || num >= bulk->segments_max ||
        num == BULK_SEGMENTS_MAX) {
        return true;
    }
    if (pthread_create(&bulk->segment_threads[num], NULL, run_segments,
                       index) != 0) {
        return num > 0 ||
               err_set(err, ERR_MEMORY, "no thread for writing segments");
    }
    (void)pthread_setname_np(bulk->segment_threads[num], "sanct-segment");
    bulk->num_segment_threads++;
    return true;
}

void bulk_stop_segments(struct bulk *bulk)
{
    (void)pthread_mutex_lock(&bulk->flush_mutex);
    bulk->segments_stop = true;
    (void)pthread_cond_broadcast(&bulk->segments_changed);
    (void)pthread_mutex_unlock(&bulk->flush_mutex);
    while (bulk->num_segment_threads > 0) {
        (void)pthread_join(bulk->segment_threads[--bulk->num_segment_threads],
                           NULL);
    }
    while (bulk->num_spares > 0) {
        buffer_cleanup(&bulk->spares[--bulk->num_spares]);
    }
}

struct buffer bulk_take_spare(struct bulk *bulk)
{
    struct buffer spare = {0};

    (void)pthread_mutex_lock(&bulk->flush_mutex);
    if (bulk->num_spares > 0) spare = bulk->spares[--bulk->num_spares];
    bulk->spare_bytes -= spare.size;
    (void)pthread_mutex_unlock(&bulk->flush_mutex);
    return spare;
}

// ------------------------------------------------------------ feeding

bool bulk_find_first_id(struct index *index, struct bulk_set *set,
                        struct err *err)
{
    struct bulk *bulk = &index->bulk;
    struct catalogue_counts counts;
    struct lmdb_txn *txn;
    bool waits, ok;

    if (set->first_id != 0) return true;
    (void)pthread_mutex_lock(&bulk->flush_mutex);
    waits = bulk->flushing_busy;
    if (waits) set->first_id = bulk->flushing_end_id;
    (void)pthread_mutex_unlock(&bulk->flush_mutex);
    if (waits) return true;
    if (!lmdb_begin(&txn, index->env, false, err)) return false;
    ok = catalogue_get_counts(&index->catalogue, txn, &counts, err);
    lmdb_abort(txn);
    if (ok) set->first_id = counts.next_id;
    return ok;
}

static bool number_issuers(struct index *index, struct writing *w,
                           struct bulk_input *input, struct err *err)
{
    const struct chunk *chunk = input->chunk;

    input->numbers = calloc(chunk->num_issuers + 1, sizeof *input->numbers);
    if (input->numbers == NULL) return no_memory(err);
    for (size_t i = 0; i < chunk->num_issuers; i++) {
        const struct sha256_hash *issuer = &chunk->issuers[i];
        struct bulk_number *kept =
            &index->bulk.numbers[issuer->bytes[0] % BULK_NUMBERS_KEPT];
        uint32_t number;

        if (kept->number == 0 || !sha256_equal(&kept->issuer, issuer)) {
            if (!tail_number_issuer(&index->tail, w->txn, issuer, &w->counts,
                                    &number, err)) {
                return false;
            }
            *kept = (struct bulk_number){*issuer, number + 1};
        }
        input->numbers[i] = kept->number - 1;
    }
    return true;
}

// What a proof is of, as the segments take it.
static bool make_some(struct index *index, struct writing *w,
                      const struct bulk_set *set,
                      const struct bulk_proof *proof, struct bulk_input ***last,
                      struct err *err)
{
    for (size_t i = 0; i < proof->num_chunks; i++) {
        struct bulk_input *input = calloc(1, sizeof *input);

        if (input == NULL) return no_memory(err);
        **last = input;
        *last = &input->next;
        input->chunk = set->chunks[proof->first + i];
        input->is_first = i == 0;
        if (!number_issuers(index, w, input, err)) return false;
    }
    return true;
}

// What is to be fed, with numbers, in a transaction of its own: most of the
// time all issuers have theirs, and nothing is put on the disk.
static bool make_inputs(struct index *index, const struct bulk_set *set,
                        struct bulk_input **inputs, struct err *err)
{
    struct bulk_input **last = inputs;
    struct writing w;
    bool ok = true;

    if (!writing_begin(&w, index, err)) return false;
    for (size_t i = set->num_fed; ok && i < set->num_proofs; i++) {
        ok = make_some(index, &w, set, &set->proofs[i], &last, err);
    }
    if (ok && w.counts.next_issuer == w.before.next_issuer) {
        writing_drop(&w);
        return true;
    }
    return writing_end(&w, ok, err);
}

static void end_segment(struct bulk *bulk, struct bulk_segment *segment)
{
    if (segment == NULL) return;
    (void)pthread_mutex_lock(&bulk->flush_mutex);
    segment->is_whole = true;
    (void)pthread_cond_broadcast(&bulk->segments_changed);
    (void)pthread_mutex_unlock(&bulk->flush_mutex);
}

static bool begin_segment(struct index *index, struct bulk_set *set,
                          uint64_t first_id, struct err *err)
{
    struct bulk *bulk = &index->bulk;
    struct bulk_segment *segment = calloc(1, sizeof *segment);
    bool ok;

    if (segment == NULL) return no_memory(err);
    segment->first_id = first_id;
    segment->last = &segment->first;
    segment->file = (struct catalogue_file){.kind = CATALOGUE_SEGMENT,
                                            .number = bulk_take_number(index)};
    (void)pthread_mutex_lock(&bulk->flush_mutex);
    bulk->num_segments++;
    ok = start_thread(index, err);
    if (ok) {
        *bulk->last_waiting = segment;
        bulk->last_waiting = &segment->waiting;
    } else {
        bulk->num_segments--;
    }
    (void)pthread_cond_broadcast(&bulk->segments_changed);
    (void)pthread_mutex_unlock(&bulk->flush_mutex);
    if (!ok) {
        free(segment);
        return false;
    }
    end_segment(bulk, set->last_segment);
    if (set->last_segment == NULL) {
        set->segments = segment;
    } else {
        set->last_segment->next = segment;
    }
    set->last_segment = segment;
    set->num_segments++;
    return true;
}

static bool feed_input(struct index *index, struct bulk_set *set,
                       struct bulk_input *input, struct err *err)
{
    struct bulk *bulk = &index->bulk;
    struct bulk_segment *segment = set->last_segment;
    uint64_t num = input->chunk->num_entries;

    if (input->is_first &&
        (segment == NULL || segment->num_entries >= bulk->segment_entries) &&
        !begin_segment(index, set, set->first_id + set->entries_fed, err)) {
        return false;
    }
    segment = set->last_segment;
    segment->num_entries += num;
    set->entries_fed += num;
    (void)pthread_mutex_lock(&bulk->flush_mutex);
    bulk->body_bytes += input->chunk->bodies.size;
    *segment->last = input;
    segment->last = &input->next;
    (void)pthread_cond_broadcast(&bulk->segments_changed);
    if (segment->is_done) drop_inputs(bulk, segment); // it has failed
    (void)pthread_mutex_unlock(&bulk->flush_mutex);
    return true;
}

static bool feed_inputs(struct index *index, struct bulk_set *set,
                        struct err *err)
{
    struct bulk_input *inputs = NULL;
    bool ok;

    if (set->num_fed == set->num_proofs) return true;
    ok = bulk_find_first_id(index, set, err) &&
         make_inputs(index, set, &inputs, err);
    while (inputs != NULL) {
        struct bulk_input *input = inputs;

        inputs = input->next;
        input->next = NULL;
        ok = ok && feed_input(index, set, input, err);
        if (!ok) free_input(input);
    }
    set->num_fed = set->num_proofs;
    set->held_bytes = 0;
    return ok;
}

bool bulk_feed(struct index *index, struct bulk_set *set, bool is_last,
               struct err *err)
{
    struct bulk *bulk = &index->bulk;

    if (!feed_inputs(index, set, err)) {
        (void)pthread_mutex_lock(&bulk->flush_mutex);
        if (!bulk->failed) bulk->flush_err = *err;
        bulk->failed = true;
        (void)pthread_mutex_unlock(&bulk->flush_mutex);
        return false;
    }
    if (is_last) end_segment(bulk, set->last_segment);
    return true;
}

bool bulk_wait_segments(struct index *index, struct bulk_set *set,
                        struct err *err)
{
    struct bulk *bulk = &index->bulk;
    bool ok = true;

    (void)pthread_mutex_lock(&bulk->flush_mutex);
    for (struct bulk_segment *segment = set->segments; segment != NULL;
         segment = segment->next) {
        while (!segment->is_done) {
            (void)pthread_cond_wait(&bulk->flush_changed, &bulk->flush_mutex);
        }
        if (ok && !segment->ok) *err = segment->err;
        ok = ok && segment->ok;
    }
    (void)pthread_mutex_unlock(&bulk->flush_mutex);
    return ok;
}

void bulk_free_segments(struct bulk_set *set)
{
    while (set->segments != NULL) {
        struct bulk_segment *segment = set->segments;

        set->segments = segment->next;
        free(segment);
    }
    set->last_segment = NULL;
    set->num_segments = 0;
    set->num_fed = 0;
    set->entries_fed = 0;
    set->first_id = 0;
}
