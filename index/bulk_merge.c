// bulk_merge.c - runs become fewer.  See bulk.h.

#include <inttypes.h>
#include <stdlib.h>
#include <sys/statvfs.h>

#include "index/base/log.h"
#include "index/handle.h"
#include "index/store/merge.h"

enum {
    // A flush waits for the thread above that: tiers leave 45 (merge.h), and
    // more come while the largest are merged.
    RUNS_MAX = 80,
    SPACE_SPARE = 16 << 20,
};

// ------------------------------------------------------------ naming

bool bulk_name_files(struct index *index, const struct catalogue_file *add,
                     size_t num_add, const struct catalogue_file *drop,
                     size_t num_drop, struct err *err)
{
    const struct catalogue *catalogue = &index->catalogue;
    struct writing w;
    bool ok = true;

    if (!writing_begin(&w, index, err)) return false;
    for (size_t i = 0; ok && i < num_drop; i++) {
        ok = catalogue_delete_file(catalogue, w.txn, &drop[i], err);
    }
    for (size_t i = 0; ok && i < num_add; i++) {
        ok = catalogue_put_file(catalogue, w.txn, &add[i], err);
    }
    ok = writing_end(&w, ok, err);
    if (ok) {
        files_remove(&index->files, drop, num_drop);
    } else if (!index->dead) {
        files_remove(&index->files, add, num_add);
    }
    return ok;
}

bool bulk_check_space(const struct index *index, uint64_t need, struct err *err)
{
    struct statvfs fs;
    uint64_t room;

    if (statvfs(index->dir, &fs) != 0) return true; // the write will tell
    room = (uint64_t)fs.f_bavail * fs.f_frsize;
    return room >= need + SPACE_SPARE ||
           err_set(err, ERR_INDEX,
                   "%s: %" PRIu64 " MiB are free where %" PRIu64
                   " MiB may be needed",
                   index->dir, room >> 20, (need + SPACE_SPARE) >> 20);
}

// ------------------------------------------------------------ merging

struct merge_work {
    struct index *index;
    struct catalogue_file *list; // segments, then runs
    size_t num_list;
    struct catalogue_file *held; // the runs
    size_t num_held;
    struct index_file *files[MERGE_RUNS_MAX];
    struct run *runs[MERGE_RUNS_MAX];
    struct catalogue_file dropped[MERGE_RUNS_MAX];
    size_t num;
    compact_progress *progress;
    void *context;
};

static bool list_runs(struct merge_work *work, struct err *err)
{
    struct index *index = work->index;
    struct lmdb_txn *txn;
    size_t first = 0;
    bool ok;

    if (!lmdb_begin(&txn, index->env, false, err)) return false;
    ok = catalogue_list_files(&index->catalogue, txn, &work->list,
                              &work->num_list, err);
    lmdb_abort(txn);
    if (!ok) return false;
    while (first < work->num_list && work->list[first].kind != CATALOGUE_RUN) {
        first++;
    }
    work->held = work->list + first;
    work->num_held = work->num_list - first;
    return true;
}

static bool choose(struct merge_work *work, bool all, struct err *err)
{
    uint64_t *sizes = calloc(work->num_held + 1, sizeof *sizes);
    struct merge_choice choice = {0};

    if (sizes == NULL) return err_set(err, ERR_MEMORY, "merge: no memory");
    for (size_t i = 0; i < work->num_held; i++) {
        sizes[i] = work->held[i].postings;
    }
    if (all) {
        merge_choose_all(&choice, sizes, work->num_held);
    } else {
        merge_choose(&choice, sizes, work->num_held);
    }
    free(sizes);
    for (size_t i = 0; i < choice.num; i++) {
        work->dropped[i] = work->held[choice.chosen[i]];
    }
    work->num = choice.num;
    return true;
}

static bool take_runs(struct merge_work *work, struct err *err)
{
    struct run_stat stats[MERGE_RUNS_MAX];
    bool gone;

    for (size_t i = 0; i < work->num; i++) {
        if (!files_take(&work->index->files, &work->dropped[i], &work->files[i],
                        &gone, err)) {
            return false;
        }
        work->runs[i] = work->files[i]->run;
        stats[i] = *run_stat(work->runs[i]);
    }
    return bulk_check_space(work->index, merge_space_bytes(stats, work->num),
                            err);
}

static bool on_progress(void *context, uint64_t done, uint64_t total)
{
    const struct merge_work *work = context;

    return work->progress == NULL ||
           work->progress(work->context, "merge", done, total);
}

static bool merge(struct merge_work *work, struct err *err)
{
    struct index *index = work->index;
    struct catalogue_file made = {.kind = CATALOGUE_RUN};
    struct run_stat stat;
    char path[PATH_MAX];

    made.number = bulk_take_number(index);
    if (!files_path(&index->files, &made, path, err) ||
        !merge_runs(path, work->runs, work->num, on_progress, work, &stat,
                    err)) {
        return false;
    }
    made.first_id = stat.first_id;
    made.end_id = stat.end_id;
    made.keys = stat.keys;
    made.postings = stat.postings;
    made.bytes = stat.bytes;
    return bulk_name_files(index, &made, 1, work->dropped, work->num, err);
}

// Closes what was merged as soon as nobody reads it: until then its pages take
// room on the disk.
static void close_dropped(struct merge_work *work)
{
    size_t kept = (size_t)(work->held - work->list);

    for (size_t i = 0; i < work->num_held; i++) {
        bool dropped = false;

        for (size_t k = 0; k < work->num; k++) {
            dropped =
                dropped || work->dropped[k].number == work->held[i].number;
        }
        if (!dropped) work->list[kept++] = work->held[i];
    }
    files_sweep(&work->index->files, work->list, kept);
}

bool bulk_merge(struct index *index, bool all, compact_progress *progress,
                void *context, bool *did, struct err *err)
{
    struct merge_work work = {
        .index = index, .progress = progress, .context = context};
    size_t left = 0;
    bool ok;

    *did = false;
    ok = list_runs(&work, err) && choose(&work, all, err);
    if (ok) left = work.num_held;
    if (ok && work.num > 0) {
        *did = true;
        ok = take_runs(&work, err) && merge(&work, err);
        for (size_t i = 0; i < work.num; i++) {
            files_give_back(&index->files, work.files[i]);
        }
        if (ok) left = work.num_held - work.num + 1;
        if (ok) close_dropped(&work);
    }
    free(work.list);
    if (ok) {
        (void)pthread_mutex_lock(&index->bulk.merge_mutex);
        index->bulk.num_runs = left;
        (void)pthread_mutex_unlock(&index->bulk.merge_mutex);
    }
    return ok;
}

// ------------------------------------------------------------ the thread

static bool goes_on(void *context, const char *step, uint64_t done,
                    uint64_t total)
{
    struct bulk *bulk = context;
    bool stop;

    (void)step;
    (void)done;
    (void)total;
    (void)pthread_mutex_lock(&bulk->merge_mutex);
    stop = bulk->merge_stop;
    (void)pthread_mutex_unlock(&bulk->merge_mutex);
    return !stop;
}

// Waits for work; false at the end.
static bool wait_for_work(struct bulk *bulk)
{
    bool stop;

    (void)pthread_mutex_lock(&bulk->merge_mutex);
    while (!bulk->merge_wanted && !bulk->merge_stop) {
        (void)pthread_cond_wait(&bulk->merge_changed, &bulk->merge_mutex);
    }
    bulk->merge_wanted = false;
    bulk->merging = true;
    stop = bulk->merge_stop;
    (void)pthread_mutex_unlock(&bulk->merge_mutex);
    return !stop;
}

static void *run_merging(void *context)
{
    struct index *index = context;
    struct bulk *bulk = &index->bulk;

    while (wait_for_work(bulk)) {
        struct err err = {0};
        bool did = true, ok = true;

        while (ok && did) {
            ok = bulk_merge(index, false, goes_on, bulk, &did, &err);
            (void)pthread_mutex_lock(&bulk->merge_mutex);
            if (!ok && err.code != ERR_INTERRUPTED) {
                bulk->merge_failed = true;
                bulk->merge_err = err;
            }
            bulk->merging = ok && did;
            (void)pthread_cond_broadcast(&bulk->merge_changed);
            (void)pthread_mutex_unlock(&bulk->merge_mutex);
        }
        if (!ok) break;
    }
    return NULL;
}

bool bulk_start_merging(struct index *index, struct err *err)
{
    struct bulk *bulk = &index->bulk;

    if (bulk->merge_started) return true;
    if (pthread_create(&bulk->merge_thread, NULL, run_merging, index) != 0) {
        return err_set(err, ERR_MEMORY, "no thread for merging");
    }
    (void)pthread_setname_np(bulk->merge_thread, "sanct-merge");
    bulk->merge_started = true;
    bulk_merge_wanted(index, 0);
    return true;
}

void bulk_stop_merging(struct index *index)
{
    struct bulk *bulk = &index->bulk;

    if (!bulk->merge_started) return;
    (void)pthread_mutex_lock(&bulk->merge_mutex);
    bulk->merge_stop = true;
    (void)pthread_cond_broadcast(&bulk->merge_changed);
    (void)pthread_mutex_unlock(&bulk->merge_mutex);
    (void)pthread_join(bulk->merge_thread, NULL);
    bulk->merge_started = false;
    bulk->merge_stop = false;
}

void bulk_merge_wanted(struct index *index, size_t num_new)
{
    struct bulk *bulk = &index->bulk;

    (void)pthread_mutex_lock(&bulk->merge_mutex);
    bulk->merge_wanted = true;
    bulk->num_runs += num_new;
    (void)pthread_cond_broadcast(&bulk->merge_changed);
    (void)pthread_mutex_unlock(&bulk->merge_mutex);
}

bool bulk_wait_for_merge(struct index *index, struct err *err)
{
    struct bulk *bulk = &index->bulk;
    bool ok;

    (void)pthread_mutex_lock(&bulk->merge_mutex);
    while (bulk->num_runs >= RUNS_MAX && !bulk->merge_failed &&
           bulk->merge_started && (bulk->merge_wanted || bulk->merging)) {
        (void)pthread_cond_wait(&bulk->merge_changed, &bulk->merge_mutex);
    }
    ok = !bulk->merge_failed;
    if (!ok) *err = bulk->merge_err;
    (void)pthread_mutex_unlock(&bulk->merge_mutex);
    return ok;
}
