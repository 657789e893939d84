// merge.c - see merge.h.

#include "index/store/merge.h"

#include <endian.h>
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
    uint64_t code;
};

struct merging {
    struct source sources[MERGE_RUNS_MAX];
    // A tree of losers: the children of node i are 2i and 2i + 1, the sources
    // are the leaves; losers[0] is the lowest of all.
    struct source *losers[MERGE_RUNS_MAX];
    size_t num_sources, num_open;
    struct run_writer *writer;
    struct buffer key; // of the hits: the last that was taken
    struct hit hits[HITS_MAX];
    size_t num_hits;
    uint64_t done, total;
    merge_progress *progress;
    void *context;
};

// ------------------------------------------------------------ the tree
//
// Names that stand beside one another begin alike, so comparing them from the
// front costs the most where it tells the least.  A code says where a key
// differs from the one that was taken last, and how: in 16 bits how many bytes
// they share, the more the lower, then the next six bytes.  Of two keys the
// lower code is the lower key; only the same code needs the keys.  A loser's
// code is against the one that it lost to, which is the one taken last when
// they meet again (offset-value coding).

#define AT_END UINT64_MAX
enum { CODE_SHIFT = 48, CODE_BYTES = 6 };

static inline uint64_t make_code(struct bytes key, size_t shared)
{
    size_t left = key.len - shared;
    uint64_t next;

    memcpy(&next, key.data + shared, sizeof next);
    next = be64toh(next) >> (64 - CODE_SHIFT);
    if (left < CODE_BYTES) {
        next &= ~UINT64_C(0) << 8 * (CODE_BYTES - left);
    }
    return (uint64_t)(UINT16_MAX - shared) << CODE_SHIFT | next;
}

static size_t shared_of(uint64_t code)
{
    return UINT16_MAX - (size_t)(code >> CODE_SHIFT);
}

// Tells sources with the same code apart; the loser gets its code against the
// winner.
static bool is_before_by_key(struct source *a, struct source *b)
{
    size_t shared = shared_of(a->code);
    struct source *loser = b;

    shared += bytes_common(bytes_of(a->key.data + shared, a->key.len - shared),
                           bytes_of(b->key.data + shared, b->key.len - shared));
    if (shared == a->key.len && shared == b->key.len) {
        if (a->hit.id > b->hit.id) loser = a;
    } else if (shared == b->key.len ||
               (shared < a->key.len &&
                a->key.data[shared] > b->key.data[shared])) {
        loser = a;
    }
    loser->code = make_code(loser->key, shared);
    return loser == b;
}

// Whether `a` comes before `b`.
static inline bool is_before(struct source *a, struct source *b)
{
    uint64_t differ = a->code ^ b->code;
    bool before = a->code < b->code;
    const struct source *winner = before ? a : b;
    struct source *loser = before ? b : a;
    size_t shared, most;

    if (differ == 0) return a->code == AT_END || is_before_by_key(a, b);
    if (differ >> CODE_SHIFT != 0) return before;
    shared = shared_of(loser->code) +
             ((unsigned)__builtin_clzll(differ) - (64 - CODE_SHIFT)) / 8;
    // What fills up a key that ends is not of it.
    most = winner->key.len < loser->key.len ? winner->key.len : loser->key.len;
    loser->code = make_code(loser->key, shared < most ? shared : most);
    return before;
}

// Finds the winner of the part of the tree under a node.
static struct source *build(struct merging *m, size_t node)
{
    struct source *left, *right;

    if (node >= m->num_sources) return &m->sources[node - m->num_sources];
    left = build(m, 2 * node);
    right = build(m, 2 * node + 1);
    if (is_before(left, right)) {
        m->losers[node] = right;
        return left;
    }
    m->losers[node] = left;
    return right;
}

// Lets a source that has moved on play its way up.
static void replay(struct merging *m, struct source *source)
{
    size_t node = (size_t)(source - m->sources) + m->num_sources;

    for (node /= 2; node > 0; node /= 2) {
        if (!is_before(source, m->losers[node])) {
            struct source *winner = m->losers[node];

            m->losers[node] = source;
            source = winner;
        }
    }
    m->losers[0] = source;
}

static bool read_on(struct merging *m, struct source *source, struct err *err)
{
    bool found;

    if (!run_cursor_next(source->cursor, &source->key, &source->hit, &found,
                         err)) {
        return false;
    }
    if (!found) m->num_open--;
    source->code =
        found ? make_code(source->key, run_cursor_shared(source->cursor))
              : AT_END;
    return true;
}

// ------------------------------------------------------------ merging

static bool start(struct merging *m, struct run *const *runs, size_t num,
                  struct err *err)
{
    static const struct bytes all = {0};

    for (size_t i = 0; i < num; i++) {
        struct source *source = &m->sources[i];

        if (!run_cursor_open(&source->cursor, runs[i], err)) return false;
        m->num_sources++;
        m->num_open++;
        if (!run_cursor_range(source->cursor, all, all, err) ||
            !read_on(m, source, err)) {
            return false;
        }
        m->total += run_stat(runs[i])->postings;
    }
    m->losers[0] = build(m, 1);
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
    size_t shared = shared_of(source->code);
    bool same =
        last != NULL && shared == source->key.len && shared == m->key.len;

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
        m->key.len = 0;
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
    while (m->num_open > 0) {
        struct source *lowest = m->losers[0];

        if (m->done++ % PROGRESS_EVERY == 0 && !report(m, err)) return false;
        if (!take(m, lowest, err) || !read_on(m, lowest, err)) return false;
        replay(m, lowest);
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

        while (end < num && ranked[end].size / MERGE_APART < low) {
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
