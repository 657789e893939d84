// merge.c - see merge.h.

#include "index/store/merge.h"

#include <stdlib.h>

enum {
    HITS_MAX = 4096,        // of one key, handed to the writer at once
    PROGRESS_EVERY = 65536, // postings
    SPACE_SPARE = 1 << 20,
};

// A run's next posting.
struct source {
    struct run_cursor *cursor;
    struct bytes key;
    struct hit hit;
};

struct merging {
    struct source sources[MERGE_RUNS_MAX];
    struct source *heap[MERGE_RUNS_MAX]; // lowest first
    size_t num_sources, num;
    struct run_writer *writer;
    struct buffer key; // of the hits
    struct hit hits[HITS_MAX];
    size_t num_hits;
    uint64_t done, total;
    merge_progress *progress;
    void *context;
};

// ------------------------------------------------------------ the heap

static bool is_below(const struct source *a, const struct source *b)
{
    int order = bytes_compare(a->key, b->key);

    return order != 0 ? order < 0 : a->hit.id < b->hit.id;
}

static void sink(struct merging *m, size_t at)
{
    struct source *moved = m->heap[at];

    for (;;) {
        size_t child = 2 * at + 1;

        if (child >= m->num) break;
        if (child + 1 < m->num &&
            is_below(m->heap[child + 1], m->heap[child])) {
            child++;
        }
        if (!is_below(m->heap[child], moved)) break;
        m->heap[at] = m->heap[child];
        at = child;
    }
    m->heap[at] = moved;
}

// Moves the lowest source on and puts it where it belongs now.
static bool advance(struct merging *m, struct err *err)
{
    struct source *source = m->heap[0];
    bool found;

    if (!run_cursor_next(source->cursor, &source->key, &source->hit, &found,
                         err)) {
        return false;
    }
    if (!found) m->heap[0] = m->heap[--m->num];
    if (m->num > 1) sink(m, 0);
    return true;
}

// ------------------------------------------------------------ merging

static bool start(struct merging *m, struct run *const *runs, size_t num,
                  struct err *err)
{
    static const struct bytes all = {0};

    for (size_t i = 0; i < num; i++) {
        struct source *source = &m->sources[i];
        bool found;

        if (!run_cursor_open(&source->cursor, runs[i], err)) return false;
        m->num_sources++;
        if (!run_cursor_range(source->cursor, all, all, err) ||
            !run_cursor_next(source->cursor, &source->key, &source->hit, &found,
                             err)) {
            return false;
        }
        if (found) m->heap[m->num++] = source;
        m->total += run_stat(runs[i])->postings;
    }
    for (size_t i = m->num / 2; i > 0; i--) {
        sink(m, i - 1);
    }
    return true;
}

static bool flush(struct merging *m, struct err *err)
{
    bool ok = run_writer_add(m->writer, buffer_bytes(&m->key), m->hits,
                             m->num_hits, err);

    m->num_hits = 0;
    return ok;
}

static bool take(struct merging *m, const struct source *source,
                 struct err *err)
{
    struct hit *last = m->num_hits == 0 ? NULL : &m->hits[m->num_hits - 1];
    bool same = last != NULL && bytes_equal(source->key, buffer_bytes(&m->key));

    if (same && last->id == source->hit.id) {
        last->via |= source->hit.via;
        return true;
    }
    // The last hit waits for its equal from another run.
    if (same && m->num_hits == HITS_MAX) {
        struct hit kept = *last;

        m->num_hits--;
        if (!flush(m, err)) return false;
        m->hits[m->num_hits++] = kept;
    }
    if (!same) {
        if (!flush(m, err)) return false;
        buffer_reset(&m->key);
        buffer_append(&m->key, source->key);
        if (!buffer_ok(&m->key)) {
            return err_set(err, ERR_MEMORY, "merge: no memory");
        }
    }
    m->hits[m->num_hits++] = source->hit;
    return true;
}

static bool report(struct merging *m, struct err *err)
{
    if (m->progress == NULL || m->progress(m->context, m->done, m->total)) {
        return true;
    }
    return err_set(err, ERR_INTERRUPTED, "merge stopped");
}

static bool merge_all(struct merging *m, struct err *err)
{
    while (m->num > 0) {
        if (m->done++ % PROGRESS_EVERY == 0 && !report(m, err)) return false;
        if (!take(m, m->heap[0], err) || !advance(m, err)) return false;
    }
    return flush(m, err) && report(m, err);
}

static bool open_writer(struct merging *m, const char *path,
                        struct run *const *runs, size_t num, struct err *err)
{
    uint64_t first_id = UINT64_MAX, end_id = 0;

    for (size_t i = 0; i < num; i++) {
        const struct run_stat *stat = run_stat(runs[i]);

        if (stat->first_id < first_id) first_id = stat->first_id;
        if (stat->end_id > end_id) end_id = stat->end_id;
    }
    return run_writer_open(&m->writer, path, first_id, end_id, err);
}

bool merge_runs(const char *path, struct run *const *runs, size_t num,
                merge_progress *progress, void *context, struct run_stat *stat,
                struct err *err)
{
    struct merging *m = calloc(1, sizeof *m);
    bool ok;

    if (m == NULL) return err_set(err, ERR_MEMORY, "merge: no memory");
    m->progress = progress;
    m->context = context;
    ok = open_writer(m, path, runs, num, err) && start(m, runs, num, err) &&
         merge_all(m, err) && run_writer_finish(m->writer, stat, err);
    run_writer_close(m->writer);
    for (size_t i = 0; i < m->num_sources; i++) {
        run_cursor_close(m->sources[i].cursor);
    }
    buffer_cleanup(&m->key);
    free(m);
    return ok;
}

uint64_t merge_space_bytes(const struct run_stat *stats, size_t num)
{
    uint64_t sum = 0;

    // Ids may take a byte more than they did in each alone.
    for (size_t i = 0; i < num; i++) {
        sum += stats[i].bytes + 4 * stats[i].postings;
    }
    return sum + SPACE_SPARE;
}

// ------------------------------------------------------------ what to merge

struct ranked {
    uint64_t size;
    size_t at;
};

static int compare_ranked(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;

    if (x->size != y->size) return x->size < y->size ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

static struct ranked *rank(const uint64_t *sizes, size_t num)
{
    struct ranked *ranked = calloc(num + 1, sizeof *ranked);

    if (ranked == NULL) return NULL;
    for (size_t i = 0; i < num; i++) {
        ranked[i] = (struct ranked){sizes[i], i};
    }
    qsort(ranked, num, sizeof *ranked, compare_ranked);
    return ranked;
}

static void choose(struct merge_choice *choice, const struct ranked *ranked,
                   size_t num)
{
    choice->num = num < MERGE_RUNS_MAX ? num : MERGE_RUNS_MAX;
    for (size_t i = 0; i < choice->num; i++) {
        choice->chosen[i] = ranked[i].at;
    }
}

void merge_choose(struct merge_choice *choice, const uint64_t *sizes,
                  size_t num)
{
    struct ranked *ranked = rank(sizes, num);
    size_t first = 0;

    *choice = (struct merge_choice){0};
    while (ranked != NULL && first < num) {
        uint64_t low = ranked[first].size == 0 ? 1 : ranked[first].size;
        size_t end = first;

        while (end < num && ranked[end].size / MERGE_FAN < low) {
            end++;
        }
        if (end - first >= MERGE_FAN) {
            choose(choice, ranked + first, end - first);
            break;
        }
        first = end;
    }
    free(ranked);
}

void merge_choose_all(struct merge_choice *choice, const uint64_t *sizes,
                      size_t num)
{
    struct ranked *ranked = rank(sizes, num);

    *choice = (struct merge_choice){0};
    // Only the first merge takes fewer than it may: the large ones come once.
    if (num > MERGE_RUNS_MAX) {
        num = (num - 2) % (MERGE_RUNS_MAX - 1) + 2;
    }
    if (ranked != NULL && num > 1) choose(choice, ranked, num);
    free(ranked);
}
