// bench_table.c - the table of goals of the index, from the figures of a run.
//
//   bench_table FIGURES GROWTH
//
// Also adds a line for this run to GROWTH, a file of tabs: entries, keep,
// threads, CPU microseconds, entries a second, bytes, look-up p50 and p99,
// first page of the largest name, all compacted.

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "bench/figures.h"
#include "bench/measure.h"

enum {
    PATH_SIZE = 4096,
    POINTS_MAX = 64,
    MILLION = 1000000,
    FULL_SIZE = 100 * MILLION,
};

static struct figures figures;

static double of(const char *name)
{
    return figures_or(&figures, name, NAN);
}

#define ROW(...) TABLE_ROW(&figures, __VA_ARGS__)

// The naive tree as it filled: bench_yardsticks wrote a line a point.
struct point {
    double num, cpu_ns, wall_ns, bytes;
};

static size_t read_trend(struct point points[POINTS_MAX])
{
    char path[PATH_SIZE];
    FILE *file;
    size_t num = 0;

    (void)snprintf(path, sizeof path, "%s.naive.tsv", figures.path);
    file = fopen(path, "re");
    while (file != NULL && num < POINTS_MAX &&
           fscanf(file, "%lf %lf %lf %lf", &points[num].num,
                  &points[num].cpu_ns, &points[num].wall_ns,
                  &points[num].bytes) == 4) {
        num++;
    }
    if (file != NULL) (void)fclose(file);
    return num;
}

// What it would take for a name at `num`, of wall time, by its last two points:
// it slows down by as much with every doubling.  That holds while it fits in
// memory; beyond, every name waits for the disk.
static double naive_at(double num)
{
    struct point points[POINTS_MAX];
    size_t n = read_trend(points);
    double slope;

    if (n < 2) return NAN;
    slope = (points[n - 1].wall_ns - points[n - 2].wall_ns) /
            log2(points[n - 1].num / points[n - 2].num);
    return points[n - 1].wall_ns +
           fmax(slope, 0) * log2(num / points[n - 1].num);
}

static void table_trend(void)
{
    struct point points[POINTS_MAX];
    size_t n = read_trend(points);

    printf("\nOne LMDB tree of names, as it fills (batches, durable)\n\n"
           "  %14s %12s %12s %12s\n",
           "names", "CPU ns each", "wall ns each", "bytes each");
    for (size_t i = 0; i < n; i++) {
        printf("  %14.0f %12.0f %12.0f %12.1f\n", points[i].num,
               points[i].cpu_ns, points[i].wall_ns, points[i].bytes);
    }
    printf("  %14.0f %12s %12.0f %12s  extrapolated, while it fits in memory\n",
           FULL_SIZE * of("naive_postings_per_entry"), "",
           of("naive_full_size_ns"), "");
}

// What an entry cost in the last run of a million kept the same way.
static double cpu_of_a_million(const char *growth)
{
    FILE *file = fopen(growth, "re");
    char line[256], keep[16];
    double entries, threads, cpu, found = NAN;
    const char *ours = of("keep_full") > 0 ? "full" : "facts";

    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (sscanf(line, "%lf %15s %lf %lf", &entries, keep, &threads, &cpu) ==
                4 &&
            entries == MILLION && strcmp(keep, ours) == 0) {
            found = cpu;
        }
    }
    if (file != NULL) (void)fclose(file);
    return found;
}

static void derive(const char *growth)
{
    double per_entry = of("naive_postings_per_entry");

    // The naive tree takes in names alone, ours is all of the index.
    figures_set(&figures, "against_naive",
                of("naive_last_ns") * per_entry * of("entries_per_s") / 1e9);
    figures_set(&figures, "against_naive_cpu",
                of("naive_last_cpu_ns") * per_entry / of("cpu_us") / 1e3);
    figures_set(&figures, "naive_full_size_ns",
                naive_at(FULL_SIZE * per_entry));
    figures_set(&figures, "names_against_naive",
                of("naive_last_ns") / of("runs_ns"));
    figures_set(&figures, "names_against_full_size",
                of("naive_full_size_ns") / of("runs_ns"));
    if (of("entries") > MILLION) {
        figures_set(&figures, "against_million",
                    of("cpu_us") / cpu_of_a_million(growth));
    }
    figures_set(&figures, "reads_per_block",
                of("cold_reads") / of("cold_blocks"));
    figures_set(&figures, "over_alone", of("bytes") - of("alone_bytes"));
    figures_set(&figures, "memory_over_mib", of("peak_mib") - of("memory_mib"));
    figures_set(
        &figures, "stream_least_per_s",
        fmin(of("net24_facts_per_s"),
             fmin(of("net48_facts_per_s"), of("subdomains_facts_per_s"))));
    figures_set(&figures, "range_page_us",
                fmax(of("net24_page_us"),
                     fmax(of("net48_page_us"), of("subdomains_page_us"))));
}

static void table_load(void)
{
    ROW("indexing: CPU an entry, merges included", "cpu_us", "us", GOAL_AT_MOST,
        4.5, "memcpy %.1f GB/s; sort %.0f ns an item (qsort %.0f)",
        of("memcpy_gb_per_s"), of("radix_sort_ns"), of("qsort_ns"));
    ROW("  entries/s, the generator on the same cores", "entries_per_s", "/s",
        GOAL_NONE, 0, "%.0f threads parse", of("threads"));
    ROW("  entries/s, its share taken off", "entries_per_s_alone", "/s",
        GOAL_AT_LEAST, 350000, "generator %.2f us of CPU an entry",
        of("generator_us"));
    ROW("  CPU an entry against that of the first tenth", "cpu_growth", "x",
        GOAL_AT_MOST, 1.25, "first tenth %.2f us", of("cpu_first_us"));
    if (of("entries") > MILLION) {
        ROW("  CPU an entry against 1 M, by the growth file", "against_million",
            "x", GOAL_AT_MOST, 1.25, "both kept the same way%s", "");
    }
    ROW("  compaction, CPU an entry", "compact_cpu_us", "us", GOAL_NONE, 0,
        "%.1f s of wall time", of("compact_s"));
    ROW("names alone: runs against one LMDB tree", "names_against_naive", "x",
        GOAL_AT_LEAST, 10,
        "sorted, written, merged into one: %.0f ns a name (CPU %.0f); the tree "
        "%.0f (%.0f) at %.2g names",
        of("runs_ns"), of("runs_cpu_ns"), of("naive_last_ns"),
        of("naive_last_cpu_ns"), of("naive_postings"));
    ROW("  the tree at 100 M entries, extrapolated", "names_against_full_size",
        "x", GOAL_NONE, 0,
        "%.0f ns a name by its trend, while it fits in memory",
        of("naive_full_size_ns"));
    ROW("  all that an entry costs against its names there", "against_naive",
        "x", GOAL_NONE, 0,
        "entries/s, ours parsed, hashed, compressed; by CPU %.1f x",
        of("against_naive_cpu"));
    ROW("own memory, above --memory", "memory_over_mib", "MiB", GOAL_AT_MOST,
        64, "peak %.0f MiB of %.0f; %.0f when compacting", of("peak_mib"),
        of("memory_mib"), of("compact_peak_mib"));
}

static void table_sizes(void)
{
    bool full = of("keep_full") > 0;

    ROW("bytes an entry, compacted", "bytes", "B",
        full ? GOAL_NONE : GOAL_AT_MOST, 220,
        "records %.0f, keys %.0f, other %.0f; as loaded %.0f",
        of("bytes_records"), of("bytes_keys"), of("bytes_other"),
        of("bytes_loaded"));
    if (full) {
        ROW("  above the certificates one by one", "over_alone", "B",
            GOAL_AT_MOST, 110,
            "%.0f B with a dictionary (%.0f without), %.0f ns each",
            of("alone_bytes"), of("certificate_bytes"), of("alone_ns"));
    }
    ROW("  postings an entry", "postings", "", GOAL_NONE, 0,
        "%.0f segments, %.0f runs as loaded", of("segments_loaded"),
        of("runs_loaded"));
    ROW("trees, of the index's size", "tree_percent", "%", GOAL_AT_MOST, 2,
        "%.1f MiB, all resident after the walk but %.0f pages", of("tree_mib"),
        of("tree_missing"));
    ROW("open after a writer was killed", "open_after_kill_s", "s",
        GOAL_AT_MOST, 1, "%.0f files; compacted %.3f s", of("files_loaded"),
        of("open_s"));
}

static void table_look_ups(void)
{
    ROW("a name that is there, warm, p50", "exact_p50_us", "us", GOAL_AT_MOST,
        3, "as loaded %.2f; PostgreSQL over its socket %.1f",
        of("exact_p50_us_loaded"), of("postgres_p50_us"));
    ROW("  p99", "exact_p99_us", "us", GOAL_AT_MOST, 15,
        "as loaded %.2f; PostgreSQL %.1f", of("exact_p99_us_loaded"),
        of("postgres_p99_us"));
    ROW("a name that is not, warm, p50", "absent_p50_us", "us", GOAL_AT_MOST, 3,
        "p99 %.2f; as loaded %.2f and %.2f", of("absent_p99_us"),
        of("absent_p50_us_loaded"), of("absent_p99_us_loaded"));
    ROW("a name, blocks dropped: device reads a block", "reads_per_block", "",
        GOAL_AT_MOST, 1, "%.2f blocks a look-up, %.0f at most; of trees none",
        of("cold_blocks"), of("cold_reads_max"));
    ROW("  p50 of those that read", "cold_p50_us", "us", GOAL_NONE, 0,
        "p99 %.0f us; %.0f %% of look-ups; as loaded %.2f reads (most %.0f)",
        of("cold_p99_us"), 100 * of("cold_share"), of("cold_reads_loaded"),
        of("cold_reads_max_loaded"));
    ROW("first 100 issuances of the largest name", "family_page_us", "us",
        GOAL_AT_MOST, 300, "it has %.0f postings; as loaded %.0f us",
        of("family_postings"), of("family_page_us_loaded"));
    ROW("/24, /48, --subdomains: slowest first page", "range_page_us", "us",
        GOAL_AT_MOST, 500, "%.0f, %.0f, %.0f us of %.0f, %.0f, %.0f postings",
        of("net24_page_us"), of("net48_page_us"), of("subdomains_page_us"),
        of("net24_postings"), of("net48_postings"), of("subdomains_postings"));
    ROW("  streamed whole with facts: slowest", "stream_least_per_s", "/s",
        GOAL_AT_LEAST, 500000, "without facts %.2g, %.2g, %.2g a second",
        of("net24_per_s"), of("net48_per_s"), of("subdomains_per_s"));
}

static void table_postgres(void)
{
    table_begin("PostgreSQL, btree on reversed names, the same postings");
    ROW("COPY, index included", "postgres_rows_per_s", "/s", GOAL_NONE, 0,
        "%.0f rows; ours all in all %.0f names a second", of("postgres_rows"),
        of("entries_per_s") * of("naive_postings_per_entry"));
    ROW("bytes a posting, table and index", "postgres_bytes", "B", GOAL_NONE, 0,
        "ours, with all other keys, %.1f", of("bytes_keys") / of("postings"));
    ROW("prepared look-up, cached, p50", "postgres_p50_us", "us", GOAL_NONE, 0,
        "p99 %.1f us; found %.0f %%", of("postgres_p99_us"),
        100 * of("postgres_found"));
}

static void add_growth(const char *path)
{
    FILE *file = fopen(path, "ae");

    if (file == NULL) die("%s: cannot be written", path);
    (void)fprintf(file, "%.0f\t%s\t%.0f\t%.3f\t%.0f\t%.1f\t%.3f\t%.3f\t%.1f\n",
                  of("entries"), of("keep_full") > 0 ? "full" : "facts",
                  of("threads"), of("cpu_us"), of("entries_per_s"), of("bytes"),
                  of("exact_p50_us"), of("exact_p99_us"), of("family_page_us"));
    if (fclose(file) != 0) die("%s: cannot be written", path);
}

int main(int argc, char **argv)
{
    char title[128];

    if (argc != 3) die("usage: bench_table FIGURES GROWTH");
    figures_read(&figures, argv[1]);
    derive(argv[2]);
    figures_write(&figures);
    (void)snprintf(title, sizeof title,
                   "The index: %.0f entries, --keep %s, without a network",
                   of("entries"), of("keep_full") > 0 ? "full" : "facts");
    table_begin(title);
    table_load();
    table_sizes();
    table_look_ups();
    table_trend();
    table_postgres();
    add_growth(argv[2]);
    return 0;
}
