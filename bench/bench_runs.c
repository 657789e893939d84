// bench_runs.c - what look-ups, pages and ranges cost by the number of runs.
//
//   bench_runs
//
//   BENCH_ENTRIES   1,000,000 unless said otherwise: as many postings of names,
//                   and as many of one name
//
// The same postings in 1, 4, 16 and 40 runs, asked through cursors as queries
// ask; blocks are counted as cursors name them.  Times are on the wall, each
// the median or a percentile of many.

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench/measure.h"
#include "index/entry/names.h"
#include "index/handle.h"
#include "index/store/keys.h"
#include "index/store/sort.h"
#include "tests/support/random.h"

enum {
    RUNS_MAX = 40,
    LOOKUPS = 20000,
    PAGE = 100,
    PAGES = 400,
    HOSTS = 100000
};

static char dir[] = "bench_runs.XXXXXX";

#define OR_DIE(call)                                                           \
    do {                                                                       \
        if (!(call)) die("%s", err.text);                                      \
    } while (0)

// ------------------------------------------------------------ postings

enum what { ANY_NAME, ONE_NAME, ONE_HOST, ONE_ADDRESS };

static void make_key(struct buffer *key, enum what what, uint64_t number)
{
    struct random random = random_for(1, "name", number);
    char name[64];
    uint8_t address[4] = {192, 0, (uint8_t)(number % 7), (uint8_t)number};
    size_t len = 0, letters = 6 + random_below(&random, 9);

    buffer_reset(key);
    switch (what) {
    case ANY_NAME:
        for (size_t i = 0; i < letters; i++) {
            name[len++] = (char)('a' + random_below(&random, 26));
        }
        (void)snprintf(name + len, sizeof name - len, "%s",
                       number % 3 == 0 ? ".net" : ".com");
        break;
    case ONE_NAME:
        (void)snprintf(name, sizeof name, "big.example");
        break;
    case ONE_HOST:
        (void)snprintf(name, sizeof name, "h%u.many.example", (unsigned)number);
        break;
    case ONE_ADDRESS:
        keys_append(key, TERM_IPV4, bytes_of(address, sizeof address));
        return;
    }
    keys_append(key, TERM_DNS, bytes_from_text(name));
}

// A name comes back three times, each time in another part of the ids.
static void fill(struct sort *sort, uint64_t first, uint64_t end, uint64_t num)
{
    struct buffer key = {0};
    struct err err;

    for (uint64_t id = first; id < end; id++) {
        make_key(&key, ANY_NAME, id % (num / 3 + 1));
        OR_DIE(sort_add(sort, buffer_bytes(&key), id, VIA_SAN_DNS, &err));
        make_key(&key, ONE_NAME, 0);
        OR_DIE(sort_add(sort, buffer_bytes(&key), id, VIA_SAN_DNS, &err));
        if (id % (num / HOSTS + 1) == 0) {
            make_key(&key, ONE_HOST, id);
            OR_DIE(sort_add(sort, buffer_bytes(&key), id, VIA_SAN_DNS, &err));
            make_key(&key, ONE_ADDRESS, id);
            OR_DIE(sort_add(sort, buffer_bytes(&key), id, VIA_SAN_IP, &err));
        }
    }
    buffer_cleanup(&key);
}

static const char *path_of(size_t number)
{
    static char path[64];

    (void)snprintf(path, sizeof path, "%s/%zu", dir, number);
    return path;
}

static void write_run(struct sort *sort, size_t number, uint64_t first,
                      uint64_t end)
{
    struct run_writer *writer;
    const struct hit *hits;
    struct bytes key;
    struct err err;
    bool found;
    size_t n;

    OR_DIE(sort_finish(sort, &err));
    OR_DIE(run_writer_open(&writer, path_of(number), first, end, &err));
    for (;;) {
        OR_DIE(sort_next(sort, &key, &hits, &n, &found, &err));
        if (!found) break;
        OR_DIE(run_writer_add(writer, key, hits, n, &err));
    }
    OR_DIE(run_writer_finish(writer, NULL, &err));
    run_writer_close(writer);
}

// ------------------------------------------------------------ asking

struct asked {
    uint64_t ns, postings, blocks;
};

// Reads up to `num` postings of [first, end), after an id where there is one.
static struct asked ask(struct snapshot *snapshot, struct bytes first,
                        struct bytes end, uint64_t after, uint64_t num,
                        bool count)
{
    struct asked asked = {.ns = measure_now_ns()};
    struct cursor *cursor;
    struct posting posting;
    struct bytes block;
    struct err err;
    bool found = true;
    size_t named;

    OR_DIE(cursor_open(&cursor, snapshot, first, end, &err));
    if (after > 0) OR_DIE(cursor_seek_after(cursor, first, after, &err));
    while (found && asked.postings < num) {
        if (count) {
            OR_DIE(cursor_blocks(cursor, &block, 1, &named, &err));
            asked.blocks += named;
        }
        OR_DIE(cursor_next(cursor, &posting, &found, &err));
        asked.postings += found;
    }
    cursor_close(cursor);
    asked.ns = measure_now_ns() - asked.ns;
    return asked;
}

static void one_key(struct buffer *key, enum what what, uint64_t number)
{
    make_key(key, what, number);
    buffer_append_byte(key, 0);
}

static void bench_names(struct snapshot *snapshot, uint64_t num,
                        const char *what, uint64_t from)
{
    double *ns = calloc(LOOKUPS, sizeof *ns);
    struct buffer key = {0};
    uint64_t postings = 0;

    if (ns == NULL) die("no memory");
    for (uint64_t i = 0; i < 2 * LOOKUPS; i++) { // the first half warms
        struct asked asked;

        one_key(&key, ANY_NAME, from + i * 104729 % (num / 3 + 1));
        asked = ask(snapshot, bytes_of(key.data, key.len - 1),
                    buffer_bytes(&key), 0, PAGE, false);
        ns[i % LOOKUPS] = (double)asked.ns;
        postings += asked.postings;
    }
    printf("  %-22s p50 %6.2f us, p99 %6.2f us; %.2f postings\n", what,
           measure_percentile(ns, LOOKUPS, 50) / 1000,
           measure_percentile(ns, LOOKUPS, 99) / 1000,
           (double)postings / (2 * LOOKUPS));
    buffer_cleanup(&key);
    free(ns);
}

static void bench_pages(struct snapshot *snapshot, uint64_t num)
{
    double ns[2][PAGES];
    struct buffer key = {0};
    struct asked asked;

    one_key(&key, ONE_NAME, 0);
    for (uint64_t i = 0; i < PAGES; i++) {
        for (int k = 0; k < 2; k++) {
            asked = ask(snapshot, bytes_of(key.data, key.len - 1),
                        buffer_bytes(&key), k == 0 ? 0 : 1 + i * 7919 % num,
                        PAGE, false);
            ns[k][i] = (double)asked.ns;
        }
    }
    asked = ask(snapshot, bytes_of(key.data, key.len - 1), buffer_bytes(&key),
                0, PAGE, true);
    printf("  page of one name       first %6.2f us, in the middle %6.2f us\n",
           measure_percentile(ns[0], PAGES, 50) / 1000,
           measure_percentile(ns[1], PAGES, 50) / 1000);
    // With more runs those are named, too, that a later page will read.
    if (snapshot->num_runs == 1) {
        printf("  blocks touched for it  %llu\n",
               (unsigned long long)asked.blocks);
    }
    buffer_cleanup(&key);
}

static void bench_range(struct snapshot *snapshot, const char *what,
                        struct bytes first, struct bytes end)
{
    double ns[PAGES];
    struct asked asked;

    for (size_t i = 0; i < PAGES; i++) {
        ns[i] = (double)ask(snapshot, first, end, 0, PAGE, false).ns;
    }
    asked = ask(snapshot, first, end, 0, UINT64_MAX, false);
    printf("  %-22s first page %6.2f us; %llu postings, %.0f a second\n", what,
           measure_percentile(ns, PAGES, 50) / 1000,
           (unsigned long long)asked.postings,
           (double)asked.postings * 1e9 / (double)asked.ns);
}

static void bench_ranges(struct snapshot *snapshot)
{
    static const uint8_t address[4] = {192, 0, 3, 0};
    struct buffer first = {0}, end = {0};

    (void)keys_subtree(&first, &end, bytes_from_text("many.example"), false);
    bench_range(snapshot, "subdomains", buffer_bytes(&first),
                buffer_bytes(&end));
    buffer_reset(&first);
    buffer_reset(&end);
    keys_prefix(&first, &end, bytes_of(address, sizeof address), 24);
    bench_range(snapshot, "/24", buffer_bytes(&first), buffer_bytes(&end));
    bench_range(snapshot, "everything", (struct bytes){0}, (struct bytes){0});
    buffer_cleanup(&first);
    buffer_cleanup(&end);
}

// A snapshot of runs alone.
static void bench(uint64_t num, size_t num_runs)
{
    struct index_file files[RUNS_MAX] = {0};
    struct snapshot_run runs[RUNS_MAX] = {0};
    static struct snapshot snapshot;
    struct sort sort = {0};
    struct err err;
    uint64_t start;

    snapshot = (struct snapshot){.runs = runs, .num_runs = num_runs};
    for (size_t i = 0; i < num_runs; i++) {
        files[i].info.first_id = num / num_runs * i;
        files[i].info.end_id = num / num_runs * (i + 1);
        sort_reset(&sort);
        fill(&sort, files[i].info.first_id, files[i].info.end_id, num);
        write_run(&sort, i, files[i].info.first_id, files[i].info.end_id);
        runs[i].file = &files[i];
    }
    sort_cleanup(&sort);
    start = measure_now_ns();
    for (size_t i = 0; i < num_runs; i++) {
        OR_DIE(run_open(&files[i].run, path_of(i), &err));
    }
    printf("%zu runs, opened in %.2f ms\n", num_runs,
           (double)(measure_now_ns() - start) / 1e6);
    bench_names(&snapshot, num, "a name", 0);
    bench_names(&snapshot, num, "a name that is not", num);
    bench_pages(&snapshot, num);
    bench_ranges(&snapshot);
    snapshot_drop_cursors(&snapshot);
    for (size_t i = 0; i < num_runs; i++) {
        while (runs[i].num_idle > 0) {
            run_cursor_close(runs[i].idle[--runs[i].num_idle]);
        }
        run_close(files[i].run);
        (void)unlink(path_of(i));
    }
}

int main(void)
{
    static const size_t nums[] = {1, 4, 16, RUNS_MAX};
    const char *text = getenv("BENCH_ENTRIES");
    uint64_t num = text == NULL ? 1000000 : strtoull(text, NULL, 10);

    if (num < HOSTS) num = HOSTS;
    if (mkdtemp(dir) == NULL) die("no folder for the bench");
    for (size_t i = 0; i < COUNT_OF(nums); i++) {
        bench(num, nums[i]);
    }
    (void)rmdir(dir);
    return 0;
}
