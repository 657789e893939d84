// bench_yardsticks.c - what an index's figures are held against.
//
//   bench_yardsticks FOLDER FIGURES     memory, sorting, records one by one,
//                                       names in one LMDB tree, and in runs
//   bench_yardsticks rows               the postings as COPY reads them
//   bench_yardsticks ask SOCKET FIGURES look-ups in PostgreSQL, prepared
//
// Postings are the names and addresses of the corpus's entries (settings.h), as
// many as BENCH_NAIVE says at most.

#include <inttypes.h>

#include "bench/names_only.h"
#include "bench/postgres.h"
#include "index/base/text.h"
#include "index/store/zstd.h"

enum {
    COPY_BYTES = 256 << 20,
    SORT_ITEMS = 4000000,
    SAMPLES = 20000, // half of them train
    KINDS = 8,       // precertificates and finals, in rounds of so many
    LOOKUPS = 20000,
    DIGITS = 8, // of a sort key, a byte each
};

// ------------------------------------------------------------ memory, sorting

static void bench_copy(struct figures *figures)
{
    uint8_t *from = malloc(COPY_BYTES), *to = malloc(COPY_BYTES);
    double ns[MEASURE_RUNS];

    if (from == NULL || to == NULL) die("no memory");
    memset(from, 1, COPY_BYTES);
    memset(to, 2, COPY_BYTES);
    for (int r = 0; r < MEASURE_RUNS; r++) {
        uint64_t begun = measure_now_ns();

        memcpy(to, from, COPY_BYTES);
        ns[r] = (double)(measure_now_ns() - begun);
        from[r] = to[r + 1]; // so that no copy can be left out
    }
    figures_set(figures, "memcpy_gb_per_s",
                COPY_BYTES / measure_percentile(ns, MEASURE_RUNS, 50));
    free(from);
    free(to);
}

struct item {
    uint64_t key, posting;
};

// Sorts by a byte at a time, from the last: as fast as sorting gets.
static void radix_sort(struct item *items, struct item *spare, size_t num)
{
    for (unsigned digit = 0; digit < DIGITS; digit++) {
        size_t counts[256] = {0}, at = 0;
        struct item *from = digit % 2 == 0 ? items : spare;
        struct item *to = digit % 2 == 0 ? spare : items;

        for (size_t i = 0; i < num; i++) {
            counts[from[i].key >> 8 * digit & 255]++;
        }
        for (size_t i = 0; i < 256; i++) {
            size_t count = counts[i];

            counts[i] = at;
            at += count;
        }
        for (size_t i = 0; i < num; i++) {
            to[counts[from[i].key >> 8 * digit & 255]++] = from[i];
        }
    }
}

static int compare_items(const void *a, const void *b)
{
    const struct item *x = a, *y = b;

    return (x->key > y->key) - (x->key < y->key);
}

static void fill_items(struct item *items)
{
    uint64_t at = 1;

    for (size_t i = 0; i < SORT_ITEMS; i++) {
        at = at * UINT64_C(6364136223846793005) + 1442695040888963407;
        items[i] = (struct item){at ^ at >> 29, i};
    }
}

static void bench_sort(struct figures *figures)
{
    struct item *items = calloc(SORT_ITEMS, sizeof *items);
    struct item *spare = calloc(SORT_ITEMS, sizeof *spare);
    uint64_t begun;

    if (items == NULL || spare == NULL) die("no memory");
    fill_items(items);
    radix_sort(items, spare, SORT_ITEMS); // touches its memory
    fill_items(items);
    begun = measure_cpu_ns();
    radix_sort(items, spare, SORT_ITEMS);
    figures_set(figures, "radix_sort_ns",
                (double)(measure_cpu_ns() - begun) / SORT_ITEMS);
    fill_items(items);
    begun = measure_cpu_ns();
    qsort(items, SORT_ITEMS, sizeof *items, compare_items);
    figures_set(figures, "qsort_ns",
                (double)(measure_cpu_ns() - begun) / SORT_ITEMS);
    free(items);
    free(spare);
}

// ------------------------------------------------------------ records

// The certificates alone: a precertificate as it was submitted.
static struct bytes certificate_of(const struct corpus_entry *entry,
                                   struct bytes made)
{
    enum { LEAF_HEAD = 15, LEAF_END = 10 };

    return entry->precert_len > 0
               ? bytes_of(made.data + entry->leaf_len, entry->precert_len)
               : bytes_of(made.data + LEAF_HEAD,
                          entry->leaf_len - LEAF_HEAD - LEAF_END);
}

static void bench_alone(struct figures *figures, const struct corpus *corpus,
                        uint64_t entries)
{
    static size_t lens[SAMPLES];
    struct buffer all = {0}, one = {0}, dictionary = {0}, frames = {0};
    struct zstd_dictionary *trained;
    struct zstd_codec *codec;
    struct err err = {0};
    size_t half = SAMPLES / 2, at = 0, plain = 0;
    uint64_t rounds = entries / SAMPLES / KINDS + 1, begun;

    for (size_t i = 0; i < SAMPLES; i++) {
        struct corpus_entry entry;
        struct bytes certificate;

        buffer_reset(&one);
        // Spread over the log, all kinds of entries alike.
        corpus_append(corpus, rounds * KINDS * i + i % KINDS, &one, &entry);
        certificate = certificate_of(&entry, buffer_bytes(&one));
        buffer_append(&all, certificate);
        lens[i] = certificate.len;
        if (i < half) at += certificate.len;
    }
    if (!zstd_train(&dictionary, bytes_of(all.data, at), lens, half, &err) ||
        !zstd_dictionary_new(&trained, buffer_bytes(&dictionary), &err) ||
        !zstd_codec_new(&codec, &err)) {
        die("%s", err.text);
    }
    begun = measure_cpu_ns();
    for (size_t i = half; i < SAMPLES; at += lens[i], i++) {
        plain += lens[i];
        if (!zstd_compress(codec, trained, bytes_of(all.data + at, lens[i]),
                           &frames, &err)) {
            die("%s", err.text);
        }
    }
    figures_set(figures, "alone_ns",
                (double)(measure_cpu_ns() - begun) / (double)half);
    figures_set(figures, "alone_bytes", (double)frames.len / (double)half);
    figures_set(figures, "certificate_bytes", (double)plain / (double)half);
    zstd_codec_free(codec);
    zstd_dictionary_free(trained);
    buffer_cleanup(&all);
    buffer_cleanup(&one);
    buffer_cleanup(&dictionary);
    buffer_cleanup(&frames);
}

// ------------------------------------------------------------ PostgreSQL

struct rows {
    uint64_t left;
    struct buffer key;
};

static void append_labels(struct buffer *out, struct bytes name)
{
    while (name.len > 0) { // the last label first
        size_t at = name.len;

        while (at > 0 && name.data[at - 1] != '.') {
            at--;
        }
        buffer_append(out, bytes_of(name.data + at, name.len - at));
        buffer_append_byte(out, '.');
        name.len = at == 0 ? 0 : at - 1;
    }
}

// A name is stored with its labels reversed, an address as hex.
static void row_key(struct buffer *out, const struct term *term)
{
    buffer_reset(out);
    if (term->kind == TERM_DNS) {
        append_labels(out, term->value);
    } else {
        text_append_hex(out, term->value);
    }
}

static bool print_row(void *context, const struct term *term, uint64_t entry)
{
    struct rows *rows = context;

    row_key(&rows->key, term);
    (void)printf("%.*s\t%" PRIu64 "\n", (int)rows->key.len,
                 (const char *)rows->key.data, entry);
    return --rows->left > 0;
}

static int print_rows(const struct settings *settings,
                      const struct corpus *corpus)
{
    struct rows rows = {.left = settings->naive};

    names_each(settings, corpus, print_row, &rows);
    buffer_cleanup(&rows.key);
    return fflush(stdout) == 0 ? 0 : 1;
}

static void ask_postgres(struct figures *figures, const struct corpus *corpus,
                         const struct settings *settings, const char *socket)
{
    static double ns[LOOKUPS];
    struct postgres *postgres = postgres_open(
        socket, "select entry from postings where name = $1 limit 100");
    // Names of entries that were copied: two postings an entry, at most.
    uint64_t below = settings->naive / 2 < settings->entries
                         ? settings->naive / 2
                         : settings->entries;
    struct buffer key = {0};
    uint64_t found = 0;

    for (int round = 0; round < 2; round++) { // the first one warms
        uint64_t at = 1;

        found = 0;
        for (size_t i = 0; i < LOOKUPS; i++) {
            char name[CORPUS_NAME_SIZE] = "";
            uint64_t begun;

            at = at * UINT64_C(6364136223846793005) + 1442695040888963407;
            while (!corpus_first_name(corpus, (at >> 16) % below, name)) {
                at += UINT64_C(1) << 16;
            }
            buffer_reset(&key);
            append_labels(&key, bytes_from_text(name));
            begun = measure_now_ns();
            found += postgres_ask(postgres, buffer_bytes(&key)) > 0;
            ns[i] = (double)(measure_now_ns() - begun);
        }
    }
    figures_set(figures, "postgres_p50_us",
                measure_percentile(ns, LOOKUPS, 50) / 1e3);
    figures_set(figures, "postgres_p99_us",
                measure_percentile(ns, LOOKUPS, 99) / 1e3);
    figures_set(figures, "postgres_found", (double)found / LOOKUPS);
    postgres_close(postgres);
    buffer_cleanup(&key);
}

int main(int argc, char **argv)
{
    struct settings settings = settings_read();
    struct corpus *corpus = settings_corpus(&settings);
    static struct figures figures;
    int status = 0;

    if (argc == 2 && strcmp(argv[1], "rows") == 0) {
        status = print_rows(&settings, corpus);
    } else if (argc == 4 && strcmp(argv[1], "ask") == 0) {
        figures_read(&figures, argv[3]);
        ask_postgres(&figures, corpus, &settings, argv[2]);
        figures_write(&figures);
    } else if (argc == 3) {
        figures_read(&figures, argv[2]);
        bench_copy(&figures);
        bench_sort(&figures);
        bench_alone(&figures, corpus, settings.entries);
        names_into_tree(&figures, corpus, &settings, argv[1]);
        names_into_runs(&figures, corpus, &settings, argv[1]);
        figures_write(&figures);
    } else {
        die("usage: bench_yardsticks FOLDER FIGURES | rows | ask SOCKET "
            "FIGURES");
    }
    corpus_free(corpus);
    return status;
}
