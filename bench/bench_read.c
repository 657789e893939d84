// bench_read.c - what it costs to read an index, layer by layer.
//
//   bench_read INDEX [KIND [ROUNDS]]
//
// An exact name is looked up, then more and more is read of each entry that
// bears it: its facts, its record (decompressed), the entry (understood).  CPU
// time of all entries of a name together, warm.  With KIND nothing is measured:
// for callgrind.

#include <string.h>

#include "bench/measure.h"
#include "bench/sample.h"
#include "index/handle.h"
#include "index/store/keys.h"

enum { NAMES_MAX = 20000, POSTINGS_MAX = 6, ROUNDS_DEFAULT = 100000 };

enum depth { DEPTH_KEY, DEPTH_FACTS, DEPTH_RECORD, DEPTH_ENTRY, DEPTH_ALL };

static const char *const depths[] = {"key", "facts", "record", "entry", "all"};

struct bench {
    struct snapshot *snapshot;
    struct arena arena, names_arena;
    struct bytes names[NAMES_MAX]; // keys, of names with few postings
    size_t num_names;
    uint64_t postings;
};

static void read_entry(struct bench *bench, uint64_t id, enum depth depth)
{
    struct entry_facts facts;
    struct record record;
    struct entry entry;
    struct bytes plain;
    struct err err = {0};
    bool has_bytes, ok = true;

    if (depth == DEPTH_FACTS) {
        ok = snapshot_facts(bench->snapshot, id, &facts, &err);
    } else if (depth == DEPTH_RECORD) {
        ok = snapshot_record(bench->snapshot, id, &record, &plain,
                             &bench->arena, &err);
    } else if (depth > DEPTH_RECORD) {
        ok = snapshot_entry(bench->snapshot, id,
                            depth == DEPTH_ALL ? (unsigned)ENTRY_ALL : 0,
                            &entry, &has_bytes, &bench->arena, &err);
    }
    if (!ok) die("%s", err.text);
}

// How many postings of a key there are; of each the entry is read.
static uint64_t look_up(struct bench *bench, struct bytes key, enum depth depth)
{
    struct bytes end = bytes_of(key.data, key.len + 1); // a zero follows
    struct posting posting;
    struct cursor *cursor;
    struct err err = {0};
    uint64_t num = 0;
    bool found = true;

    arena_reset(&bench->arena);
    if (!cursor_open(&cursor, bench->snapshot, key, end, &err)) {
        die("%s", err.text);
    }
    for (;; num++) {
        if (!cursor_next(cursor, &posting, &found, &err)) die("%s", err.text);
        if (!found) break;
        read_entry(bench, posting.id, depth);
    }
    cursor_close(cursor);
    return num;
}

static void collect(struct bench *bench)
{
    static struct bytes sample[NAMES_MAX];
    struct random random = random_for(1, "read", 0);
    struct arena arena = {0};
    struct buffer key = {0};
    size_t num =
        sample_names(bench->snapshot, sample, NAMES_MAX, &random, &arena);

    for (size_t i = 0; i < num; i++) {
        struct bytes *name = &bench->names[bench->num_names];
        uint64_t postings;

        buffer_reset(&key);
        keys_append(&key, TERM_DNS, sample[i]);
        buffer_append_byte(&key, 0);
        if (!arena_copy(&bench->names_arena, buffer_bytes(&key), name)) {
            die("no memory");
        }
        name->len--;
        postings = look_up(bench, *name, DEPTH_KEY);
        if (postings > 0 && postings <= POSTINGS_MAX) bench->num_names++;
    }
    if (bench->num_names == 0) die("the index has no names");
    buffer_cleanup(&key);
    arena_cleanup(&arena);
}

static void run(struct bench *bench, enum depth depth, size_t rounds)
{
    struct random random = random_for(1, "round", 0);

    bench->postings = 0;
    for (size_t i = 0; i < rounds; i++) {
        bench->postings += look_up(
            bench, bench->names[random_below(&random, bench->num_names)],
            depth);
    }
}

static void measure(struct bench *bench, enum depth depth, size_t rounds)
{
    double us[MEASURE_RUNS];

    run(bench, depth, rounds);
    for (int i = 0; i < MEASURE_RUNS; i++) {
        uint64_t start = measure_cpu_ns();

        run(bench, depth, rounds);
        us[i] = (double)(measure_cpu_ns() - start) / 1000 / (double)rounds;
    }
    printf("  %-8s %8.2f us a name of %.2f entries\n", depths[depth],
           measure_percentile(us, MEASURE_RUNS, 50),
           (double)bench->postings / (double)rounds);
    (void)fflush(stdout);
}

int main(int argc, char **argv)
{
    static struct bench bench;
    size_t rounds = ROUNDS_DEFAULT;
    struct index *index;
    struct err err = {0};

    if (argc < 2 || argc > 4) die("usage: bench_read INDEX [KIND [ROUNDS]]");
    if (argc == 4) rounds = strtoul(argv[3], NULL, 10);
    if (!index_open(&index, argv[1], INDEX_READ, &err) ||
        !snapshot_open(&bench.snapshot, index, &err)) {
        die("%s", err.text);
    }
    snapshot_trust(bench.snapshot);
    collect(&bench);
    for (unsigned i = 0; i < COUNT_OF(depths); i++) {
        if (argc == 2) {
            measure(&bench, (enum depth)i, rounds);
        } else if (strcmp(argv[2], depths[i]) == 0) {
            run(&bench, (enum depth)i, rounds);
        }
    }
    if (argc == 2) {
        printf("  readers of %zu segments take %.1f KiB\n",
               bench.snapshot->num_segments,
               (double)bench.snapshot->reader_bytes / 1024);
    }
    arena_cleanup(&bench.arena);
    arena_cleanup(&bench.names_arena);
    snapshot_close(bench.snapshot);
    index_close(index);
    return 0;
}
