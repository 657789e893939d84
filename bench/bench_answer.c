// bench_answer.c - what an answer costs in the process, by how long it is.
//
//   bench_answer INDEX [KIND [ROUNDS]]
//
// KIND is one of the rows below; alone it is a loop for callgrind or perf.
// Names that exist are a sample of the index's, sorted by how many issuances
// they have; everything is in the page cache.  CPU time, medians of runs.

#include <string.h>

#include "bench/measure.h"
#include "bench/sample.h"
#include "index/store/keys.h"
#include "query/shape/native.h"
#include "tests/support/random.h"

enum {
    SAMPLE = 20000,
    ROUNDS_DEFAULT = 20000,
    CLASSES = 4, // by issuances: 1, 2, 3, more
    NOW_S = 1800000000,
};

struct names {
    struct bytes *list;
    size_t num;
};

struct bench {
    struct snapshot *snapshot;
    struct native native;
    struct buffer out;
    struct arena arena, names_arena;
    struct names by_count[CLASSES], all, absent;
    uint64_t bytes, issuances;
};

static struct random randomness;

// ------------------------------------------------------------- asking

static void parse(struct bench *bench, struct bytes what,
                  const struct filters *filters, struct question *question)
{
    struct err err = {0};

    arena_reset(&bench->arena);
    if (!question_parse(question, filters, what, "q", &bench->arena, &err)) {
        die("%s", err.text);
    }
}

static void answer_whole(struct bench *bench, struct bytes what,
                         const struct filters *filters)
{
    struct question question;
    struct answer *answer;
    struct err err = {0};
    bool done = false;

    buffer_reset(&bench->out);
    parse(bench, what, filters, &question);
    if (!answer_open(&answer, &question, bench->snapshot,
                     (uint64_t)NOW_S * 1000, &err)) {
        die("%s", err.text);
    }
    native_begin(&bench->native);
    while (!done) {
        if (!native_next(&bench->native, answer, bench->snapshot,
                         (uint64_t)NOW_S * 1000, &bench->out, &done, &err)) {
            die("%s", err.text);
        }
    }
    bench->issuances += answer_count(answer);
    bench->bytes += bench->out.len;
    answer_close(answer);
}

static uint64_t answer_number(struct bench *bench, struct bytes what)
{
    static const struct filters none;
    enum answer_step step = ANSWER_WORKING;
    const struct issuance *issuance;
    struct question question;
    struct answer *answer;
    struct err err = {0};
    uint64_t count;

    parse(bench, what, &none, &question);
    if (!answer_open_count(&answer, &question, bench->snapshot,
                           (uint64_t)NOW_S * 1000, &err)) {
        die("%s", err.text);
    }
    while (step != ANSWER_END) {
        if (!answer_next(answer, bench->snapshot, &step, &issuance, &err)) {
            die("%s", err.text);
        }
    }
    count = answer_count(answer);
    bench->issuances += count;
    answer_close(answer);
    return count;
}

// ------------------------------------------------------------- names

static void add_name(struct bench *bench, struct names *names,
                     struct bytes name)
{
    if (names->list == NULL) {
        names->list = calloc(2 * SAMPLE, sizeof *names->list);
        if (names->list == NULL) die("no memory");
    }
    if (!arena_copy(&bench->names_arena, name, &names->list[names->num++])) {
        die("no memory");
    }
}

static void collect_names(struct bench *bench)
{
    static struct bytes sample[SAMPLE];
    struct buffer text = {0};
    struct arena arena = {0};
    size_t num =
        sample_names(bench->snapshot, sample, SAMPLE, &randomness, &arena);

    for (size_t i = 0; i < num; i++) {
        uint64_t count = answer_number(bench, sample[i]);
        size_t class = count >= CLASSES ? CLASSES - 1 : (size_t)count - 1;

        if (count == 0) die("a name that exists is not found");
        add_name(bench, &bench->by_count[class], sample[i]);
        add_name(bench, &bench->all, sample[i]);
        buffer_reset(&text);
        buffer_printf(&text, "n%llu.",
                      (unsigned long long)random_next(&randomness));
        buffer_append(&text, sample[i]);
        add_name(bench, &bench->absent, buffer_bytes(&text));
    }
    buffer_cleanup(&text);
    arena_cleanup(&arena);
}

// ------------------------------------------------------------- rows

enum kind { KIND_WHOLE, KIND_COUNT, KIND_BULK, KIND_PAGE };

static const struct row {
    const char *name;
    enum kind kind;
    int class; // -1: all that exist, -2: none that does
} rows[] = {
    {"1", KIND_WHOLE, 0},           {"2", KIND_WHOLE, 1},
    {"3", KIND_WHOLE, 2},           {"more", KIND_WHOLE, 3},
    {"absent", KIND_WHOLE, -2},     {"count", KIND_COUNT, -1},
    {"bulk", KIND_BULK, -1},        {"bulk-absent", KIND_BULK, -2},
    {"subtree-100", KIND_PAGE, -1},
};

static const struct names *names_of(const struct bench *bench,
                                    const struct row *row)
{
    return row->class == -1   ? &bench->all
           : row->class == -2 ? &bench->absent
                              : &bench->by_count[row->class];
}

static void run(struct bench *bench, const struct row *row, size_t rounds)
{
    static const struct filters none;
    struct filters page = {.scope = SCOPE_SUBDOMAINS, .limit = 100};
    const struct names *names = names_of(bench, row);

    bench->bytes = bench->issuances = 0;
    bench->native.stream = row->kind == KIND_BULK;
    randomness = random_for(1, "answer", 1);
    for (size_t i = 0; i < rounds; i++) {
        struct bytes name = names->list[random_below(&randomness, names->num)];

        switch (row->kind) {
        case KIND_WHOLE:
        case KIND_BULK:
            answer_whole(bench, name, &none);
            break;
        case KIND_COUNT:
            (void)answer_number(bench, name);
            break;
        case KIND_PAGE:
            // The top-level domain's.
            while (memchr(name.data, '.', name.len) != NULL) {
                (void)bytes_skip(&name, 1);
            }
            answer_whole(bench, name, &page);
            break;
        }
    }
}

static void measure(struct bench *bench, const struct row *row, size_t rounds)
{
    double us[MEASURE_RUNS];

    if (names_of(bench, row)->num == 0) return;
    if (row->kind == KIND_PAGE) rounds = rounds / 100 + 1;
    run(bench, row, rounds);
    for (int i = 0; i < MEASURE_RUNS; i++) {
        uint64_t start = measure_cpu_ns();

        run(bench, row, rounds);
        us[i] = (double)(measure_cpu_ns() - start) / 1000 / (double)rounds;
    }
    printf("  %-14s %10.2f %12.0f %10.0f %10.2f\n", row->name,
           measure_percentile(us, MEASURE_RUNS, 50),
           1e6 / measure_percentile(us, MEASURE_RUNS, 50),
           (double)bench->bytes / (double)rounds,
           (double)bench->issuances / (double)rounds);
    (void)fflush(stdout);
}

int main(int argc, char **argv)
{
    static struct bench bench;
    struct index *index;
    struct err err = {0};
    size_t rounds = ROUNDS_DEFAULT;

    if (argc < 2 || argc > 4) die("usage: bench_answer INDEX [KIND [ROUNDS]]");
    if (argc == 4) rounds = strtoul(argv[3], NULL, 10);
    if (!index_open(&index, argv[1], INDEX_READ, &err) ||
        !snapshot_open(&bench.snapshot, index, &err)) {
        die("%s", err.text);
    }
    snapshot_trust(bench.snapshot);
    randomness = random_for(1, "answer", 0);
    collect_names(&bench);
    if (argc == 2) {
        printf("\nAnswers in the process, warm, CPU time\n\n");
        printf("  %-14s %10s %12s %10s %10s\n", "issuances", "us", "a second",
               "bytes", "issuances");
    }
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (argc == 2) {
            measure(&bench, &rows[i], rounds);
        } else if (strcmp(argv[2], rows[i].name) == 0) {
            run(&bench, &rows[i], rounds);
        }
    }
    native_cleanup(&bench.native);
    buffer_cleanup(&bench.out);
    arena_cleanup(&bench.arena);
    arena_cleanup(&bench.names_arena);
    for (size_t i = 0; i < CLASSES; i++) {
        free(bench.by_count[i].list);
    }
    free(bench.all.list);
    free(bench.absent.list);
    snapshot_close(bench.snapshot);
    index_close(index);
    return 0;
}
