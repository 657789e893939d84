// bench_store.c - what a posting and a block cost, in time and in bytes.
//
//   bench_store [FOLDER]
//
//   BENCH_ENTRIES   postings, 1,000,000 unless said otherwise
//   FOLDER          real entries (tile/data/... or get-entries*.json); else the
//                   test log's
//
// Figures are CPU time.  Beside them the yardstick of the same run: qsort of
// the same postings, the same records compressed one by one.

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench/measure.h"
#include "index/entry/names.h"
#include "index/store/keys.h"
#include "index/store/merge.h"
#include "index/store/run.h"
#include "index/store/segment.h"
#include "index/store/sort.h"
#include "index/store/zstd.h"
#include "tests/support/entries.h"
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

static double rate(uint64_t start, uint64_t num)
{
    return (double)(measure_cpu_ns() - start) / (double)num;
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
        start = measure_cpu_ns();
        OR_DIE(sort_finish(&sort, &err));
        ns[i] = rate(start, num);
    }
    comparing = &sort;
    start = measure_cpu_ns();
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
    uint64_t start = measure_cpu_ns(), wall = measure_now_ns();

    OR_DIE(run_writer_open(&writer, path, 0, num / 2 + 1, &err));
    for (;;) {
        OR_DIE(sort_next(sort, &key, &hits, &n, &found, &err));
        if (!found) break;
        OR_DIE(run_writer_add(writer, key, hits, n, &err));
    }
    OR_DIE(run_writer_finish(writer, &stat, &err));
    run_writer_close(writer);
    printf("append a run        %7.1f ns a posting   (on the wall %.1f); %.1f "
           "bytes a posting, %.1f a key, filters %.2f bits a key\n",
           rate(start, stat.postings),
           (double)(measure_now_ns() - wall) / (double)stat.postings,
           (double)stat.bytes / (double)stat.postings,
           (double)stat.bytes / (double)stat.keys,
           8 * (double)stat.filter_bytes / (double)stat.keys);
    return stat.postings;
}

// Keys one after the other, made before the clock runs.
struct key_list {
    struct buffer bytes;
    size_t ends[NUM_LOOKUPS];
};

static struct bytes key_at(const struct key_list *list, size_t i)
{
    size_t at = i == 0 ? 0 : list->ends[i - 1];

    return bytes_of(list->bytes.data + at, list->ends[i] - at);
}

static void make_list(struct key_list *list, uint64_t first, uint64_t step,
                      uint64_t below)
{
    struct buffer key = {0};

    buffer_reset(&list->bytes);
    for (size_t i = 0; i < NUM_LOOKUPS; i++) {
        make_key(&key, first + i * step % below);
        buffer_append(&list->bytes, buffer_bytes(&key));
        list->ends[i] = list->bytes.len;
    }
    buffer_cleanup(&key);
}

static void bench_find(const struct run *run, const struct key_list *list)
{
    struct run_cursor *cursor;
    struct buffer end = {0};
    struct err err;
    struct hit hit;
    struct bytes at;
    bool found;
    uint64_t start = 0, hits = 0;

    OR_DIE(run_cursor_open(&cursor, run, &err));
    for (size_t i = 0; i < 2 * NUM_LOOKUPS; i++) { // the first half warms
        struct bytes key = key_at(list, i % NUM_LOOKUPS);

        if (i == NUM_LOOKUPS) start = measure_cpu_ns();
        buffer_reset(&end);
        buffer_append(&end, key);
        buffer_append_byte(&end, 0);
        OR_DIE(run_cursor_range(cursor, key, buffer_bytes(&end), &err));
        OR_DIE(run_cursor_next(cursor, &at, &hit, &found, &err));
        hits += found;
    }
    printf("look a key up       %7.1f ns, tree and block; found %llu of %d\n",
           rate(start, NUM_LOOKUPS), (unsigned long long)hits, 2 * NUM_LOOKUPS);
    start = measure_cpu_ns();
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
    buffer_cleanup(&end);
}

static void bench_lookup(const char *path, uint64_t num)
{
    static struct key_list list;
    struct run *run;
    struct err err;
    uint64_t start = measure_now_ns(), yes = 0;

    OR_DIE(run_open(&run, path, &err));
    printf("open                %7.1f us; filters %.1f KiB\n",
           (double)(measure_now_ns() - start) / 1e3,
           (double)run_stat(run)->filter_bytes / 1024);
    make_list(&list, 0, 104729, num);
    bench_find(run, &list);
    make_list(&list, 10 * num, 1, NUM_LOOKUPS);
    start = measure_cpu_ns();
    for (size_t i = 0; i < NUM_LOOKUPS; i++) {
        yes += run_may_have(run, key_at(&list, i));
    }
    printf("filter              %7.1f ns; %.2f %% of false yes\n",
           rate(start, NUM_LOOKUPS), 100.0 * (double)yes / NUM_LOOKUPS);
    run_close(run);
    buffer_cleanup(&list.bytes);
}

// The time that one block takes alone: read, checked, a key found in it.
static void bench_block(void)
{
    struct block_builder builder = {0};
    struct sort sort = {0};
    const struct hit *hits;
    struct bytes key, at, value;
    struct block_reader reader = {0};
    struct buffer keys = {0};
    size_t n, num = 0, lens[400], ats[400];
    bool found;
    struct err err;
    double sum[2] = {0};

    fill(&sort, 0, 5000);
    OR_DIE(sort_finish(&sort, &err));
    block_begin(&builder, 0, 16777216);
    for (;;) {
        OR_DIE(sort_next(&sort, &key, &hits, &n, &found, &err));
        if (!found || block_add(&builder, key, hits, n) < n) break;
        ats[num] = keys.len;
        lens[num++] = key.len;
        buffer_append(&keys, key);
    }
    if (!block_end(&builder, false, &at, &value)) die("no memory");
    for (int round = 0; round < 2; round++) {
        uint64_t start = measure_cpu_ns();

        for (int i = 0; i < NUM_LOOKUPS; i++) {
            size_t k = (size_t)i * 31 % num;

            if (round == 0 || i == 0) {
                if (!block_read(&reader, at, value)) die("block");
            }
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

// Keys that are only asked for whole are kept short.
static void bench_hashes(uint64_t num)
{
    struct random random = random_for(1, "hash", 0);
    struct sort sort = {0};
    struct err err;
    uint8_t key[1 + RUN_KEY_HASH_LEN] = {TERM_CERT_SHA256};

    for (uint64_t i = 0; i < num; i++) {
        random_fill(&random, key + 1, RUN_KEY_HASH_LEN);
        OR_DIE(sort_add(&sort, bytes_of(key, sizeof key), i, 0, &err));
    }
    OR_DIE(sort_finish(&sort, &err));
    printf("hashes, cut to %d bytes:\n", RUN_KEY_HASH_LEN);
    (void)write_run(&sort, path_of("hashes"), 2 * num);
    (void)unlink(path_of("hashes"));
    sort_cleanup(&sort);
}

static void bench_merge(uint64_t num)
{
    struct run *runs[NUM_RUNS];
    struct run_stat stat;
    struct err err;
    uint64_t start, wall;

    for (int i = 0; i < NUM_RUNS; i++) {
        char name[16];
        struct sort sort = {0};

        (void)snprintf(name, sizeof name, "part%d", i);
        fill(&sort, num / NUM_RUNS * (uint64_t)i, num / NUM_RUNS);
        OR_DIE(sort_finish(&sort, &err));
        (void)write_run(&sort, path_of(name), num);
        sort_cleanup(&sort);
        OR_DIE(run_open(&runs[i], path_of(name), &err));
    }
    start = measure_cpu_ns();
    wall = measure_now_ns();
    OR_DIE(
        merge_runs(path_of("merged"), runs, NUM_RUNS, NULL, NULL, &stat, &err));
    printf("merge %d runs        %7.1f ns a posting   (on the wall %.1f); %.1f "
           "bytes a posting\n",
           NUM_RUNS, rate(start, stat.postings),
           (double)(measure_now_ns() - wall) / (double)stat.postings,
           (double)stat.bytes / (double)stat.postings);
    for (int i = 0; i < NUM_RUNS; i++) {
        char name[16];

        run_close(runs[i]);
        (void)snprintf(name, sizeof name, "part%d", i);
        (void)unlink(path_of(name));
    }
    (void)unlink(path_of("merged"));
}

// ------------------------------------------------------------ records

// The payloads of a test log, and what they are compressed one by one.
struct records {
    struct record *records;
    struct buffer plains;
    size_t *lens;
    size_t num;
    struct buffer dictionary;
    double alone; // bytes a record
};

static void load_block(struct records *out, const struct entry_block *block,
                       struct arena *arena)
{
    for (size_t i = 0; i < block->num; i++) {
        struct entry_bytes bytes = {.index = out->num,
                                    .leaf = entry_leaf(block, i),
                                    .precert = entry_precert(block, i)};
        size_t before = out->plains.len;
        struct entry entry;

        arena_reset(arena);
        if (!entry_understand(&entry, &bytes, arena)) die("no memory");
        record_of(&out->records[out->num], &entry, 1, false);
        record_append_payload(&out->plains, &out->records[out->num], &entry);
        out->lens[out->num++] = out->plains.len - before;
    }
}

static void load_records(struct records *out, const char *folder)
{
    struct testlog_options options = {.entries = 20000, .seed = 1};
    struct entries entries = {0};
    struct entry_block *scratch = calloc(1, sizeof *scratch);
    struct arena arena = {0};
    struct err err;

    if (folder != NULL) {
        OR_DIE(entries_read(&entries, folder, &err));
    } else {
        OR_DIE(entries_generate(&entries, &options, &err));
    }
    out->records = calloc(entries.size, sizeof *out->records);
    out->lens = calloc(entries.size, sizeof *out->lens);
    if (out->records == NULL || out->lens == NULL || scratch == NULL) {
        die("no memory");
    }
    for (uint64_t i = 0; i < entries.num_blocks; i++) {
        load_block(out, entries_block(&entries, i, scratch), &arena);
    }
    arena_cleanup(&arena);
    entries_cleanup(&entries);
    buffer_cleanup(&scratch->data);
    free(scratch);
}

// A dictionary of the first half; the second half is what is measured.
static void train(struct records *records, size_t half, size_t first)
{
    struct zstd_dictionary *dictionary;
    struct zstd_codec *codec;
    struct buffer frame = {0};
    struct err err;
    uint64_t start;
    size_t at = first;

    OR_DIE(zstd_train(&records->dictionary,
                      bytes_of(records->plains.data, first), records->lens,
                      half, &err));
    OR_DIE(zstd_dictionary_new(&dictionary, buffer_bytes(&records->dictionary),
                               &err));
    OR_DIE(zstd_codec_new(&codec, &err));
    start = measure_cpu_ns();
    for (size_t i = half; i < records->num; at += records->lens[i++]) {
        OR_DIE(
            zstd_compress(codec, dictionary,
                          bytes_of(records->plains.data + at, records->lens[i]),
                          &frame, &err));
    }
    records->alone = (double)frame.len / (double)(records->num - half);
    printf("compressed alone    %7.1f ns a record; %.1f bytes of %.1f\n",
           rate(start, records->num - half), records->alone,
           (double)(records->plains.len - first) /
               (double)(records->num - half));
    zstd_codec_free(codec);
    zstd_dictionary_free(dictionary);
    buffer_cleanup(&frame);
}

static void write_segment(const struct records *records, size_t half,
                          size_t first, size_t rounds)
{
    struct segment_writer *writer;
    struct segment_stat stat;
    struct err err;
    uint64_t start = measure_cpu_ns(), num = 0;

    OR_DIE(segment_writer_open(&writer, path_of("segment"), 0, 1,
                               (struct bytes){0}, &err));
    for (size_t r = 0; r < rounds; r++) {
        size_t at = first;

        for (size_t i = half; i < records->num; at += records->lens[i++]) {
            struct record record = records->records[i];

            record.facts.group.bytes[0] ^= (uint8_t)r;
            num++;
            OR_DIE(segment_writer_add(
                writer, &record, 1,
                bytes_of(records->plains.data + at, records->lens[i]), &err));
        }
    }
    OR_DIE(segment_writer_finish(writer, &stat, &err));
    segment_writer_close(writer);
    printf("segment             %7.1f ns a record; %.1f bytes a record in all "
           "(%+.1f); facts %.1f, records %.1f a block\n",
           rate(start, num), (double)stat.bytes / (double)num,
           (double)stat.bytes / (double)num - records->alone,
           4096 * (double)stat.fact_blocks / (double)num,
           (double)num / (double)stat.record_blocks);
}

static void read_segment(void)
{
    struct segment *segment;
    struct segment_reader *reader;
    struct segment_shared *shared;
    struct segment_facts facts;
    struct record record;
    struct bytes plain;
    struct err err;
    uint64_t start, num;
    double ns[2];

    OR_DIE(segment_open(&segment, path_of("segment"), &err));
    OR_DIE(segment_shared_new(&shared, &err));
    OR_DIE(segment_reader_open(&reader, segment, shared, &err));
    segment_reader_trust(reader);
    num = segment_stat(segment)->end_id;
    for (int kind = 0; kind < 2; kind++) {
        start = measure_cpu_ns();
        for (uint64_t i = 0; i < NUM_LOOKUPS; i++) {
            uint64_t id = i * 104729 % num;

            if (kind == 0) {
                OR_DIE(segment_read_facts(reader, id, &facts, &err));
            } else {
                OR_DIE(segment_read(reader, id, &record, &plain, &err));
            }
        }
        ns[kind] = rate(start, NUM_LOOKUPS);
    }
    printf("read at random      %7.1f ns the facts, %.1f ns the record with "
           "them\n",
           ns[0], ns[1]);
    segment_reader_close(reader);
    segment_shared_free(shared);
    segment_close(segment);
    (void)unlink(path_of("segment"));
}

static void bench_segment(const char *folder)
{
    struct records records = {0};
    size_t half, first = 0;

    load_records(&records, folder);
    half = records.num / 2;
    for (size_t i = 0; i < half; i++) {
        first += records.lens[i];
    }
    train(&records, half, first);
    write_segment(&records, half, first, 1 + 100000 / records.num);
    read_segment();
    free(records.records);
    free(records.lens);
    buffer_cleanup(&records.plains);
    buffer_cleanup(&records.dictionary);
}

int main(int argc, char **argv)
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
    bench_hashes(num);
    bench_merge(num);
    bench_segment(argc > 1 ? argv[1] : NULL);
    (void)rmdir(dir);
    return 0;
}
