// bench_store.c - what a posting and a block cost, in time and in bytes.
//
//   BENCH_ENTRIES   postings, 1,000,000 unless said otherwise
//
// Every figure stands beside a yardstick of the same run: a copy of the same
// bytes, qsort of the same postings.

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench/measure.h"
#include "index/entry/names.h"
#include "index/store/keys.h"
#include "index/store/merge.h"
#include "index/store/run.h"
#include "index/store/sort.h"
#include "tests/support/random.h"

enum { NUM_RUNS = 4, NUM_LOOKUPS = 200000 };

static char dir[] = "bench_store.XXXXXX";

static const char *path_of(const char *name)
{
    static char path[128];

    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

#define OR_DIE(call)                                                           \
    do {                                                                       \
        if (!(call)) die("%s", err.text);                                      \
    } while (0)

// A name as logs have them: 25 bytes of key in the middle.
static void make_key(struct buffer *key, uint64_t number)
{
    static const char *const tops[] = {"com", "com", "com", "net",
                                       "org", "de",  "io",  "co.uk"};
    static const char *const hosts[] = {
        "", "www.", "www.", "mail.", "api.", "*.", "autodiscover.", "cpanel."};
    struct random random = random_for(1, "name", number / 3);
    char name[64];
    size_t len = 0, letters = 5 + random_below(&random, 12);
    const char *host = hosts[random_below(&random, COUNT_OF(hosts))];

    if (number % 3 == 1) host = "";
    len = strlen(host);
    memcpy(name, host, len);
    for (size_t i = 0; i < letters; i++) {
        name[len++] = (char)('a' + random_below(&random, 26));
    }
    len += (size_t)snprintf(name + len, sizeof name - len, ".%s",
                            tops[random_below(&random, COUNT_OF(tops))]);
    buffer_reset(key);
    keys_append(key, TERM_DNS, bytes_of(name, len));
}

static void fill(struct sort *sort, uint64_t first, uint64_t num)
{
    struct buffer key = {0};
    struct err err;

    for (uint64_t i = first; i < first + num; i++) {
        make_key(&key, i * 7919 % (first + num));
        OR_DIE(sort_add(sort, buffer_bytes(&key), i / 2,
                        i % 5 == 0 ? VIA_SAN_DNS | VIA_CN : VIA_SAN_DNS, &err));
    }
    buffer_cleanup(&key);
}

static const struct sort *comparing;

static int compare(const void *a, const void *b)
{
    const struct sort_item *x = a, *y = b;

    return bytes_compare(bytes_of(comparing->keys.data + x->at, x->len),
                         bytes_of(comparing->keys.data + y->at, y->len));
}

static double rate_cpu(uint64_t start, uint64_t num)
{
    return (double)(measure_cpu_ns() - start) / (double)num;
}

static double rate(uint64_t start, uint64_t num)
{
    return (double)(measure_now_ns() - start) / (double)num;
}

static void bench_sort(uint64_t num)
{
    double ns[MEASURE_RUNS], yard;
    struct sort sort = {0};
    struct sort_item *copy;
    struct err err;
    uint64_t start;

    fill(&sort, 0, num);
    printf("keys of %.1f bytes\n", (double)sort.keys.len / (double)num);
    copy = malloc(num * sizeof *copy);
    if (copy == NULL) die("no memory");
    memcpy(copy, sort.items, num * sizeof *copy);
    OR_DIE(sort_finish(&sort, &err)); // touches its memory
    for (size_t i = 0; i < MEASURE_RUNS; i++) {
        memcpy(sort.items, copy, num * sizeof *copy);
        start = measure_now_ns();
        OR_DIE(sort_finish(&sort, &err));
        ns[i] = rate(start, num);
    }
    comparing = &sort;
    start = measure_now_ns();
    qsort(copy, num, sizeof *copy, compare);
    yard = rate(start, num);
    printf("sort                %7.1f ns a posting   (qsort %.1f)\n",
           measure_percentile(ns, MEASURE_RUNS, 50), yard);
    free(copy);
    sort_cleanup(&sort);
}

static uint64_t write_run(struct sort *sort, const char *path, uint64_t num)
{
    struct run_writer *writer;
    struct run_stat stat;
    const struct hit *hits;
    struct bytes key;
    size_t n;
    bool found;
    struct err err;
    uint64_t start = measure_now_ns(), cpu = measure_cpu_ns();

    OR_DIE(run_writer_open(&writer, path, 0, num / 2 + 1, &err));
    for (;;) {
        OR_DIE(sort_next(sort, &key, &hits, &n, &found, &err));
        if (!found) break;
        OR_DIE(run_writer_add(writer, key, hits, n, &err));
    }
    OR_DIE(run_writer_finish(writer, &stat, &err));
    run_writer_close(writer);
    printf("append a run        %7.1f ns a posting   (CPU %.1f); %.1f bytes a "
           "posting, %.1f a key, filters %.2f bits a key\n",
           rate(start, stat.postings),
           (double)(measure_cpu_ns() - cpu) / (double)stat.postings,
           (double)stat.bytes / (double)stat.postings,
           (double)stat.bytes / (double)stat.keys,
           8 * (double)stat.filter_bytes / (double)stat.keys);
    return stat.postings;
}

static void bench_lookup(const char *path, uint64_t num)
{
    struct run *run;
    struct run_cursor *cursor;
    struct buffer key = {0}, end = {0};
    struct err err;
    struct hit hit;
    struct bytes at;
    bool found;
    uint64_t start, hits = 0, yes = 0, ns = 0;

    start = measure_now_ns();
    OR_DIE(run_open(&run, path, UINT64_MAX, &err));
    printf("open                %7.1f us; filters %.1f KiB\n",
           (double)(measure_now_ns() - start) / 1e3,
           (double)run_filter_bytes(run) / 1024);
    OR_DIE(run_cursor_open(&cursor, run, &err));
    for (int i = 0; i < 2 * NUM_LOOKUPS; i++) { // the first half warms
        make_key(&key, (uint64_t)i * 104729 % num);
        buffer_reset(&end);
        buffer_append(&end, buffer_bytes(&key));
        buffer_append_byte(&end, 0);
        start = measure_now_ns();
        OR_DIE(run_cursor_range(cursor, buffer_bytes(&key), buffer_bytes(&end),
                                &err));
        OR_DIE(run_cursor_next(cursor, &at, &hit, &found, &err));
        if (i >= NUM_LOOKUPS) ns += measure_now_ns() - start;
        hits += found;
    }
    printf("look a key up       %7.1f ns, tree and block; found %llu of %d\n",
           (double)ns / NUM_LOOKUPS, (unsigned long long)hits, 2 * NUM_LOOKUPS);
    ns = 0;
    for (int i = 0; i < NUM_LOOKUPS; i++) {
        make_key(&key, (uint64_t)i + 10 * num);
        start = measure_now_ns();
        yes += run_may_have(run, buffer_bytes(&key));
        ns += measure_now_ns() - start;
    }
    printf("filter              %7.1f ns; %.2f %% of false yes\n",
           (double)ns / NUM_LOOKUPS, 100.0 * (double)yes / NUM_LOOKUPS);
    start = measure_now_ns();
    hits = 0;
    OR_DIE(
        run_cursor_range(cursor, (struct bytes){0}, (struct bytes){0}, &err));
    for (;;) {
        OR_DIE(run_cursor_next(cursor, &at, &hit, &found, &err));
        if (!found) break;
        hits++;
    }
    printf("walk                %7.1f ns a posting\n", rate(start, hits));
    run_cursor_close(cursor);
    run_close(run);
    buffer_cleanup(&key);
    buffer_cleanup(&end);
}

// The time that one block takes alone: read, checked, a key found in it.
static void bench_block(void)
{
    struct block_builder builder = {0};
    struct sort sort = {0};
    const struct hit *hits;
    struct bytes key, at, value;
    struct block_reader reader;
    struct buffer keys = {0};
    size_t n, num = 0, lens[400], ats[400];
    bool found;
    struct err err;
    double sum[2] = {0};

    fill(&sort, 0, 5000);
    OR_DIE(sort_finish(&sort, &err));
    block_begin(&builder, 0, 3);
    for (;;) {
        OR_DIE(sort_next(&sort, &key, &hits, &n, &found, &err));
        if (!found || block_add(&builder, key, hits, n) < n) break;
        ats[num] = keys.len;
        lens[num++] = key.len;
        buffer_append(&keys, key);
    }
    if (!block_end(&builder, &at, &value)) die("no memory");
    for (int round = 0; round < 2; round++) {
        uint64_t start = measure_now_ns();

        for (int i = 0; i < NUM_LOOKUPS; i++) {
            size_t k = (size_t)i * 31 % num;

            if (round == 0 || i == 0) {
                if (!block_read(&reader, at, value)) die("block");
            }
            if (round == 1)
                reader.rest = bytes_of(value.data + 16, value.len - 16);
            if (!block_seek(&reader, bytes_of(keys.data + ats[k], lens[k]),
                            &found) ||
                !found) {
                die("block: key not found");
            }
        }
        sum[round] = rate(start, NUM_LOOKUPS);
    }
    printf("a key in a block    %7.1f ns, checksum included; without %.1f; "
           "%zu keys in %zu bytes\n",
           sum[0], sum[1], num, value.len);
    block_cleanup(&builder);
    sort_cleanup(&sort);
    buffer_cleanup(&keys);
}

static void bench_merge(uint64_t num)
{
    struct run *runs[NUM_RUNS];
    struct run_stat stat;
    struct err err;
    uint64_t start, cpu;

    for (int i = 0; i < NUM_RUNS; i++) {
        char name[16];
        struct sort sort = {0};

        (void)snprintf(name, sizeof name, "part%d", i);
        fill(&sort, num / NUM_RUNS * (uint64_t)i, num / NUM_RUNS);
        OR_DIE(sort_finish(&sort, &err));
        (void)write_run(&sort, path_of(name), num);
        sort_cleanup(&sort);
        OR_DIE(run_open(&runs[i], path_of(name), 0, &err));
    }
    start = measure_now_ns();
    cpu = measure_cpu_ns();
    OR_DIE(
        merge_runs(path_of("merged"), runs, NUM_RUNS, NULL, NULL, &stat, &err));
    printf("merge %d runs        %7.1f ns a posting   (CPU %.1f); %.1f bytes a "
           "posting\n",
           NUM_RUNS, rate(start, stat.postings),
           (double)(measure_cpu_ns() - cpu) / (double)stat.postings,
           (double)stat.bytes / (double)stat.postings);
    for (int i = 0; i < NUM_RUNS; i++) {
        char name[16];

        run_close(runs[i]);
        (void)snprintf(name, sizeof name, "part%d", i);
        (void)unlink(path_of(name));
    }
    (void)unlink(path_of("merged"));
}

int main(void)
{
    const char *text = getenv("BENCH_ENTRIES");
    uint64_t num = text == NULL ? 1000000 : strtoull(text, NULL, 10);
    struct sort sort = {0};
    struct err err;

    if (num < 10000) num = 10000;
    if (mkdtemp(dir) == NULL) die("no folder for the bench");
    bench_sort(num);
    fill(&sort, 0, num);
    OR_DIE(sort_finish(&sort, &err));
    (void)write_run(&sort, path_of("run"), num);
    sort_cleanup(&sort);
    bench_block();
    bench_lookup(path_of("run"), num);
    (void)unlink(path_of("run"));
    bench_merge(num);
    (void)rmdir(dir);
    return 0;
}
