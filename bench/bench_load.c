// bench_load.c - entries into an index without a network: what an entry costs.
//
//   bench_load FOLDER FIGURES
//
// settings.h says what the environment asks for.  The index is FOLDER/index;
// what every stretch cost is kept in FOLDER/load.tsv, so that a load that was
// ended, or killed, goes on where it was.  Ends with 3 while it is not all in.

#include <inttypes.h>
#include <sys/stat.h>

#include "bench/figures.h"
#include "bench/loader.h"
#include "bench/process.h"

enum { PATH_SIZE = 4096, EXIT_PART = 3, STRETCHES = 10, STRETCH_MIN = 1000000 };

// What stretches took, of all calls.
struct total {
    uint64_t entries, cpu_ns, wall_ns, generator_ns, peak;
};

static void add(struct total *total, const struct total *more)
{
    total->entries += more->entries;
    total->cpu_ns += more->cpu_ns;
    total->wall_ns += more->wall_ns;
    total->generator_ns += more->generator_ns;
    if (more->peak > total->peak) total->peak = more->peak;
}

// Sums up load.tsv: what began before `split`, and all.
static void read_stretches(const char *path, uint64_t split,
                           struct total *first, struct total *all)
{
    FILE *file = fopen(path, "re");
    uint64_t begin;
    struct total one;

    *first = *all = (struct total){0};
    if (file == NULL) return;
    while (fscanf(file,
                  "%" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
                  " %" SCNu64,
                  &begin, &one.entries, &one.cpu_ns, &one.wall_ns,
                  &one.generator_ns, &one.peak) == 6) {
        if (begin < split) add(first, &one);
        add(all, &one);
    }
    (void)fclose(file);
}

static void write_stretch(const char *path, uint64_t begin,
                          const struct loader_cost *cost, uint64_t peak)
{
    FILE *file = fopen(path, "ae");

    if (file == NULL) die("%s: cannot be written", path);
    (void)fprintf(file,
                  "%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64
                  "\t%" PRIu64 "\n",
                  begin, cost->entries, cost->cpu_ns, cost->wall_ns,
                  cost->generator_ns, peak);
    if (fclose(file) != 0) die("%s: cannot be written", path);
}

// A tenth, then, where that is worth a line each, the other tenths.
static uint64_t stretch_end(uint64_t at, uint64_t entries)
{
    uint64_t tenth = entries / STRETCHES;

    if (at < tenth) return tenth;
    if (tenth < STRETCH_MIN) return entries;
    at = (at / tenth + 1) * tenth;
    return at + tenth > entries ? entries : at;
}

static void report(const struct settings *settings, const char *figures_path,
                   const char *stretches)
{
    struct figures figures;
    struct total first, all;
    double entries, wall;

    read_stretches(stretches, settings->entries / STRETCHES, &first, &all);
    figures_read(&figures, figures_path);
    entries = (double)all.entries;
    wall = (double)all.wall_ns;
    figures_set(&figures, "entries", (double)settings->entries);
    figures_set(&figures, "keep_full", settings->keep == KEEP_FULL);
    figures_set(&figures, "threads", settings->threads);
    figures_set(&figures, "memory_mib", (double)(settings->memory >> 20));
    figures_set(&figures, "cpu_us", (double)all.cpu_ns / entries / 1e3);
    figures_set(&figures, "cpu_first_us",
                (double)first.cpu_ns / (double)first.entries / 1e3);
    figures_set(&figures, "cpu_growth",
                (double)all.cpu_ns / entries /
                    ((double)first.cpu_ns / (double)first.entries));
    figures_set(&figures, "generator_us",
                (double)all.generator_ns / entries / 1e3);
    figures_set(&figures, "entries_per_s", entries * 1e9 / wall);
    // As if the entries were there: the generator took that from both cores.
    figures_set(&figures, "entries_per_s_alone",
                entries * 1e9 /
                    (wall - (double)all.generator_ns / settings->threads));
    figures_set(&figures, "peak_mib", (double)all.peak / (1 << 20));
    figures_write(&figures);
}

int main(int argc, char **argv)
{
    struct settings settings = settings_read();
    struct corpus *corpus = settings_corpus(&settings);
    char dir[PATH_SIZE], stretches[PATH_SIZE];
    struct loader loader;
    struct watch watch;
    uint64_t stop;

    if (argc != 3) die("usage: bench_load FOLDER FIGURES");
    if (settings.entries < STRETCHES * LOADER_CHUNK) {
        die("BENCH_ENTRIES: too few");
    }
    (void)snprintf(dir, sizeof dir, "%s/index", argv[1]);
    (void)snprintf(stretches, sizeof stretches, "%s/load.tsv", argv[1]);
    loader_open(&loader, &settings, corpus, dir);
    stop = settings.entries - loader.frontier.size < settings.part
               ? settings.entries
               : loader.frontier.size + settings.part;
    while (loader.frontier.size < stop) {
        uint64_t begin = loader.frontier.size;
        uint64_t end = stretch_end(begin, settings.entries);
        struct loader_cost cost;

        if (end > stop) end = stop;
        watch_start(&watch);
        cost = loader_run(&loader, end, true);
        write_stretch(stretches, begin, &cost, watch_stop(&watch));
        (void)fprintf(stderr,
                      "bench_load: %" PRIu64 " of %" PRIu64
                      " entries, %.2f us of CPU each, %.0f a second\n",
                      end, settings.entries,
                      (double)cost.cpu_ns / (double)cost.entries / 1e3,
                      (double)cost.entries * 1e9 / (double)cost.wall_ns);
    }
    loader_close(&loader);
    corpus_free(corpus);
    if (stop < settings.entries) return EXIT_PART;
    report(&settings, argv[2], stretches);
    return 0;
}
