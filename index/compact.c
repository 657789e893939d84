// compact.c - the fewest files: index_compact.  See index.h.
//
//   tail       -> segment and run
//   runs       -> one, the smallest first
//   segments   neighbours that are small -> one
//
// Every step ends in one transaction that names what is new in the place of
// what was: stopped anywhere, the index is whole.

#include <inttypes.h>
#include <stdlib.h>

#include "index/base/varint.h"
#include "index/handle.h"

enum {
    ARENA_KEEP_MAX = 4 << 20,
    PROGRESS_EVERY = 4096,
};
// Of more entries a segment is left alone.
#define SEGMENT_ENTRIES_MAX (UINT64_C(1) << 24)

struct join {
    struct index *index;
    struct snapshot *snapshot;
    size_t first, num; // segments of the snapshot
    struct arena arena;
    uint64_t done, total;
    compact_progress *progress;
    void *context;
};

static bool goes_on(struct join *join, struct err *err)
{
    if (join->done++ % PROGRESS_EVERY != 0 || join->progress == NULL ||
        join->progress(join->context, "segments", join->done, join->total)) {
        return true;
    }
    return err_set(err, ERR_INTERRUPTED, "stopped");
}

static const struct catalogue_file *info_of(const struct join *join, size_t at)
{
    return &join->snapshot->segments[at].file->info;
}

// The next segments that may become one: neighbours, small enough together.
static void choose(struct join *join, size_t from)
{
    size_t num = join->snapshot->num_segments;

    for (join->first = from; join->first < num; join->first++) {
        uint64_t first_id = info_of(join, join->first)->first_id;
        size_t end = join->first + 1;

        while (end < num &&
               info_of(join, end)->first_id == info_of(join, end - 1)->end_id &&
               info_of(join, end)->end_id - first_id <= SEGMENT_ENTRIES_MAX) {
            end++;
        }
        join->num = end - join->first;
        if (join->num > 1) return;
    }
    join->num = 0;
}

// ------------------------------------------------------------ joining

static void reset(struct arena *arena)
{
    if (arena->total > ARENA_KEEP_MAX) {
        arena_cleanup(arena);
    } else {
        arena_reset(arena);
    }
}

static bool add_entry(struct join *join, struct segment_writer *writer,
                      uint64_t id, struct err *err)
{
    struct record record;
    struct bytes plain, chain;
    uint64_t issuer = 0;

    if (!snapshot_record(join->snapshot, id, &record, &plain, &join->arena,
                         err)) {
        return false;
    }
    chain = record.chain;
    if (record.num_chain > 0 && !varint_read(&chain, &issuer)) issuer = 0;
    return segment_writer_add(writer, &record, (uint32_t)issuer, plain, err);
}

static bool write_joined(struct join *join, const char *path,
                         struct catalogue_file *made, struct err *err)
{
    uint64_t first = info_of(join, join->first)->first_id;
    uint64_t end = info_of(join, join->first + join->num - 1)->end_id;
    struct segment_writer *writer = NULL;
    struct segment_stat stat;
    bool ok;

    ok = segment_writer_open(&writer, path, first, join->index->group_seed,
                             (struct bytes){0}, err);
    for (uint64_t id = first; ok && id < end; id++) {
        ok = add_entry(join, writer, id, err) && goes_on(join, err);
        reset(&join->arena);
    }
    ok = ok && segment_writer_finish(writer, &stat, err);
    segment_writer_close(writer);
    if (!ok) return false;
    made->first_id = stat.first_id;
    made->end_id = stat.end_id;
    made->bytes = stat.bytes;
    return true;
}

static bool join_chosen(struct join *join, struct err *err)
{
    struct catalogue_file made = {.kind = CATALOGUE_SEGMENT,
                                  .number = bulk_take_number(join->index)};
    struct catalogue_file *dropped = calloc(join->num, sizeof *dropped);
    uint64_t need = 0;
    char path[PATH_MAX];
    bool ok;

    if (dropped == NULL) return err_set(err, ERR_MEMORY, "index: no memory");
    for (size_t i = 0; i < join->num; i++) {
        dropped[i] = *info_of(join, join->first + i);
        need += dropped[i].bytes;
    }
    ok = bulk_check_space(join->index, need + need / 8, err) &&
         files_path(&join->index->files, &made, path, err) &&
         write_joined(join, path, &made, err) &&
         bulk_name_files(join->index, &made, 1, dropped, join->num, err);
    free(dropped);
    return ok;
}

static bool join_segments(struct index *index, compact_progress *progress,
                          void *context, struct err *err)
{
    struct join join = {
        .index = index, .progress = progress, .context = context};
    bool ok = true, changed;
    size_t next = 0;

    if (!snapshot_open(&join.snapshot, index, err)) return false;
    for (choose(&join, 0); ok && join.num > 0; choose(&join, next)) {
        join.total = join.snapshot->counts.next_id - 1;
        next = join.first + 1;
        ok = join_chosen(&join, err) &&
             snapshot_renew(join.snapshot, &changed, err);
    }
    snapshot_close(join.snapshot);
    arena_cleanup(&join.arena);
    return ok;
}

bool index_compact(struct index *index, compact_progress *progress,
                   void *context, struct err *err)
{
    bool ok, did = true;

    if (index->mode != INDEX_WRITE) {
        return err_set(err, ERR_INDEX, "%s: open for reading only", index->dir);
    }
    if (!index_flush(index, err)) return false;
    bulk_stop_merging(index);
    (void)pthread_mutex_lock(&index->bulk.append_mutex);
    ok = bulk_flush_tail(index, progress, context, err);
    while (ok && did) {
        ok = bulk_merge(index, true, progress, context, &did, err);
    }
    ok = ok && join_segments(index, progress, context, err);
    (void)pthread_mutex_unlock(&index->bulk.append_mutex);
    if (ok && index->bulk.memory != 0) ok = bulk_start_merging(index, err);
    return ok;
}
