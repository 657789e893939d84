// names_only.c - see names_only.h.

#include "bench/names_only.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "index/store/keys.h"
#include "index/store/lmdb.h"
#include "index/store/merge.h"
#include "index/store/posting.h"
#include "index/store/sort.h"

enum {
    PATH_SIZE = 4096,
    BATCH = 100000,             // postings in a transaction, or added at once
    BATCH_MORE = 10000,         // that its last entry has at most
    TREND = 8,                  // points of it
    RUN_POSTINGS_MIN = 1000000, // some 40 MiB to sort
};

void names_each(const struct settings *settings, const struct corpus *corpus,
                names_visit *visit, void *context)
{
    struct buffer bytes = {0};
    struct arena arena = {0};
    bool more = true;

    for (uint64_t i = 0; more && i < settings->entries; i++) {
        struct corpus_entry made;
        struct entry_bytes served = {.index = i};
        struct entry entry;

        buffer_reset(&bytes);
        arena_reset(&arena);
        corpus_append(corpus, i, &bytes, &made);
        served.leaf = bytes_of(bytes.data, made.leaf_len);
        if (!entry_understand_parts(&entry, &served, ENTRY_NAMES, &arena)) {
            die("no memory");
        }
        for (size_t k = 0; more && k < entry.names.num_terms; k++) {
            more = visit(context, &entry.names.terms[k], i);
        }
    }
    buffer_cleanup(&bytes);
    arena_cleanup(&arena);
}

// ------------------------------------------------------------ one tree

// The naive index: key and id, as they come, into one tree.
struct naive {
    const struct settings *settings;
    struct figures *figures;
    FILE *trend;
    struct lmdb *env;
    lmdb_db db;
    struct buffer key, rows; // rows of a batch, one after the other
    size_t ends[BATCH], num_rows;
    uint64_t num, num_entries, next_point, last_num;
    double cpu_ns, wall_ns; // of putting
    double last_cpu_ns, last_wall_ns;
};

// A batch is a transaction, and what it takes is all that counts.
static void naive_put(struct naive *naive)
{
    uint64_t wall = measure_now_ns(), cpu = measure_cpu_ns();
    struct lmdb_txn *txn;
    struct err err = {0};
    size_t at = 0;

    if (naive->num_rows == 0) return;
    if (!lmdb_begin(&txn, naive->env, true, &err) ||
        !lmdb_db_open(txn, "postings", LMDB_ORDER_ID, &naive->db, &err)) {
        die("%s", err.text);
    }
    for (size_t i = 0; i < naive->num_rows; at = naive->ends[i++]) {
        if (!lmdb_put(txn, naive->db,
                      bytes_of(naive->rows.data + at, naive->ends[i] - at),
                      (struct bytes){0}, &err)) {
            die("%s", err.text);
        }
    }
    if (!lmdb_commit(txn, &err)) die("%s", err.text);
    naive->cpu_ns += (double)(measure_cpu_ns() - cpu);
    naive->wall_ns += (double)(measure_now_ns() - wall);
    naive->num += naive->num_rows;
    naive->num_rows = 0;
    buffer_reset(&naive->rows);
}

static void naive_point(struct naive *naive)
{
    double num = (double)(naive->num - naive->last_num);
    double cpu = (naive->cpu_ns - naive->last_cpu_ns) / num;
    double wall = (naive->wall_ns - naive->last_wall_ns) / num;
    double bytes = (double)lmdb_size_bytes(naive->env) / (double)naive->num;

    (void)fprintf(naive->trend, "%" PRIu64 "\t%.0f\t%.0f\t%.1f\n", naive->num,
                  cpu, wall, bytes);
    figures_set(naive->figures, "naive_last_ns", wall);
    figures_set(naive->figures, "naive_last_cpu_ns", cpu);
    figures_set(naive->figures, "naive_bytes", bytes);
    naive->last_num = naive->num;
    naive->last_cpu_ns = naive->cpu_ns;
    naive->last_wall_ns = naive->wall_ns;
}

static bool naive_visit(void *context, const struct term *term, uint64_t entry)
{
    struct naive *naive = context;

    buffer_reset(&naive->key);
    keys_append(&naive->key, term->kind, term->value);
    posting_row(&naive->rows, buffer_bytes(&naive->key), entry);
    naive->ends[naive->num_rows++] = naive->rows.len;
    naive->num_entries = entry + 1;
    if (naive->num_rows == BATCH) naive_put(naive);
    if (naive->num >= naive->next_point) {
        naive_point(naive);
        naive->next_point = naive->num * 2;
    }
    return naive->num + naive->num_rows < naive->settings->naive;
}

void names_into_tree(struct figures *figures, const struct corpus *corpus,
                     const struct settings *settings, const char *folder)
{
    struct naive *naive = calloc(1, sizeof *naive);
    char dir[PATH_SIZE], path[PATH_SIZE];
    struct err err = {0};

    if (naive == NULL) die("no memory");
    naive->settings = settings;
    naive->figures = figures;
    naive->next_point = settings->naive >> (TREND - 1);
    (void)snprintf(dir, sizeof dir, "%s/naive", folder);
    (void)snprintf(path, sizeof path, "%s.naive.tsv", figures->path);
    naive->trend = fopen(path, "we");
    if ((mkdir(dir, 0777) != 0 && errno != EEXIST) || naive->trend == NULL ||
        !lmdb_open(&naive->env, dir, LMDB_CREATE, &err)) {
        die("%s: %s", dir, err.text);
    }
    names_each(settings, corpus, naive_visit, naive);
    naive_put(naive);
    if (naive->num > naive->last_num) naive_point(naive);
    figures_set(figures, "naive_postings", (double)naive->num);
    figures_set(figures, "naive_postings_per_entry",
                (double)naive->num / (double)naive->num_entries);
    figures_set(figures, "naive_ns", naive->wall_ns / (double)naive->num);
    figures_set(figures, "naive_cpu_ns", naive->cpu_ns / (double)naive->num);
    (void)fclose(naive->trend);
    lmdb_close(naive->env);
    buffer_cleanup(&naive->rows);
    buffer_cleanup(&naive->key);
    free(naive);
}

// ------------------------------------------------------------ runs

struct runs {
    const char *folder;
    uint64_t most;      // postings to take in
    struct buffer keys; // of a batch, one after the other
    size_t ends[BATCH + BATCH_MORE];
    uint64_t ids[BATCH + BATCH_MORE];
    size_t num_batch;
    struct sort sort;
    uint64_t num, num_sorted, run_size;
    uint64_t first_id, end_id; // of the run to come
    struct run *runs[MERGE_RUNS_MAX];
    size_t num_runs;
    double cpu_ns, wall_ns; // of all but the making of names
};

static void run_path(const struct runs *runs, char out[PATH_SIZE], size_t run)
{
    (void)snprintf(out, PATH_SIZE, "%s/names-%zu", runs->folder, run);
}

// What was sorted becomes a run on the disk.
static void write_run(struct runs *runs)
{
    struct run_writer *writer = NULL;
    char path[PATH_SIZE];
    struct err err = {0};
    bool ok, found = true;

    if (runs->num_runs == MERGE_RUNS_MAX) die("names: too many runs");
    run_path(runs, path, runs->num_runs);
    ok = sort_finish(&runs->sort, &err) &&
         run_writer_open(&writer, path, runs->first_id, runs->end_id, &err);
    while (ok && found) {
        const struct hit *hits;
        struct bytes key;
        size_t num;

        ok = sort_next(&runs->sort, &key, &hits, &num, &found, &err) &&
             (!found || run_writer_add(writer, key, hits, num, &err));
    }
    if (!ok || !run_writer_finish(writer, NULL, &err)) die("%s", err.text);
    run_writer_close(writer);
    if (!run_open(&runs->runs[runs->num_runs++], path, &err)) {
        die("%s", err.text);
    }
    sort_reset(&runs->sort);
    runs->num_sorted = 0;
    runs->first_id = runs->end_id;
}

// With `last` nothing is left in memory.
static void add_batch(struct runs *runs, bool last)
{
    uint64_t wall = measure_now_ns(), cpu = measure_cpu_ns();
    struct err err = {0};
    size_t at = 0;

    for (size_t i = 0; i < runs->num_batch; at = runs->ends[i++]) {
        struct bytes key = bytes_of(runs->keys.data + at, runs->ends[i] - at);

        if (!sort_add(&runs->sort, key, runs->ids[i], VIA_SAN_DNS, &err)) {
            die("%s", err.text);
        }
    }
    runs->num += runs->num_batch;
    runs->num_sorted += runs->num_batch;
    runs->num_batch = 0;
    buffer_reset(&runs->keys);
    if (runs->num_sorted >= (last ? 1 : runs->run_size)) write_run(runs);
    runs->cpu_ns += (double)(measure_cpu_ns() - cpu);
    runs->wall_ns += (double)(measure_now_ns() - wall);
}

// A batch ends between two entries, so that runs hold different ids.
static bool runs_visit(void *context, const struct term *term, uint64_t entry)
{
    struct runs *runs = context;

    if (runs->num_batch >= BATCH && entry >= runs->end_id)
        add_batch(runs, false);
    if (runs->num_batch == BATCH + BATCH_MORE) die("names: too many");
    keys_append(&runs->keys, term->kind, term->value);
    runs->ends[runs->num_batch] = runs->keys.len;
    runs->ids[runs->num_batch++] = entry;
    runs->end_id = entry + 1;
    return runs->num + runs->num_batch < runs->most;
}

static void merge_all(struct runs *runs, struct figures *figures)
{
    uint64_t wall = measure_now_ns(), cpu = measure_cpu_ns();
    struct run_stat stat;
    char path[PATH_SIZE];
    struct err err = {0};

    run_path(runs, path, runs->num_runs);
    if (!merge_runs(path, runs->runs, runs->num_runs, NULL, NULL, &stat,
                    &err)) {
        die("%s", err.text);
    }
    cpu = measure_cpu_ns() - cpu;
    wall = measure_now_ns() - wall;
    figures_set(figures, "runs_ns",
                (runs->wall_ns + (double)wall) / (double)runs->num);
    figures_set(figures, "runs_cpu_ns",
                (runs->cpu_ns + (double)cpu) / (double)runs->num);
    figures_set(figures, "runs_merge_ns", (double)wall / (double)runs->num);
    figures_set(figures, "runs_bytes", (double)stat.bytes / (double)runs->num);
    figures_set(figures, "runs_postings", (double)runs->num);
    (void)unlink(path);
}

void names_into_runs(struct figures *figures, const struct corpus *corpus,
                     const struct settings *settings, const char *folder)
{
    struct runs *runs = calloc(1, sizeof *runs);
    char path[PATH_SIZE];

    if (runs == NULL) die("no memory");
    runs->folder = folder;
    runs->most = settings->naive;
    runs->run_size = settings->naive / (MERGE_RUNS_MAX / 2);
    if (runs->run_size < RUN_POSTINGS_MIN) runs->run_size = RUN_POSTINGS_MIN;
    names_each(settings, corpus, runs_visit, runs);
    add_batch(runs, true);
    merge_all(runs, figures);
    for (size_t i = 0; i < runs->num_runs; i++) {
        run_close(runs->runs[i]);
        run_path(runs, path, i);
        (void)unlink(path);
    }
    sort_cleanup(&runs->sort);
    buffer_cleanup(&runs->keys);
    free(runs);
}
