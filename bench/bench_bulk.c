// bench_bulk.c - entries into the index without a network, and look-ups.
//
//   bench_bulk FOLDER
//
// BENCH_ENTRIES (1,000,000) entries, made from those of the test log: in every
// round each has another serial number and key, and every third round other
// names, so that a name is renewed twice.  Printed are the CPU that
// understanding, encoding and indexing take, merges included, what it grows by
// from a tenth of the entries to all of them, bytes before and after
// compaction, and look-ups in the process; full and facts.

#include <ftw.h>
#include <inttypes.h>
#include <sys/stat.h>

#include "bench/measure.h"
#include "bench/watch.h"
#include "index/index.h"
#include "index/store/keys.h"
#include "tests/support/testlog.h"

enum {
    POOL = 20000,
    CHUNK = 4096,
    MEMORY = 256 << 20, // a quarter of --memory 1G
    PLACES_MAX = 64,
    LOOKUPS = 20000,
    SERIAL_PATCH = 6,
    KEY_PATCH = 8,
};

// Bytes that change from round to round.
struct place {
    uint8_t *at;
    uint8_t len;
    bool is_name;
    uint8_t was[KEY_PATCH];
};

struct made {
    struct buffer leaf, precert;
    struct sha256_hash chain[ENTRY_CHAIN_MAX];
    size_t num_chain, num_places;
    struct place places[PLACES_MAX];
};

static struct made *pool;

// Notes all places of `bytes` in a buffer.
static void note(struct made *made, struct buffer *in, struct bytes bytes,
                 size_t skip, size_t len, bool is_name)
{
    size_t from = 0;

    while (bytes.len >= skip + len && from + bytes.len <= in->len &&
           made->num_places < PLACES_MAX) {
        uint8_t *at =
            memmem(in->data + from, in->len - from, bytes.data, bytes.len);
        struct place *place = &made->places[made->num_places];

        if (at == NULL) return;
        *place = (struct place){
            .at = at + skip, .len = (uint8_t)len, .is_name = is_name};
        memcpy(place->was, place->at, len);
        made->num_places++;
        from = (size_t)(at - in->data) + bytes.len;
    }
}

static void note_both(struct made *made, struct bytes bytes, size_t skip,
                      size_t len, bool is_name)
{
    note(made, &made->leaf, bytes, skip, len, is_name);
    note(made, &made->precert, bytes, skip, len, is_name);
}

static void understand(const struct made *made, uint64_t index,
                       struct entry *entry, struct arena *arena)
{
    struct entry_bytes bytes = {.index = index,
                                .leaf = buffer_bytes(&made->leaf),
                                .precert = buffer_bytes(&made->precert),
                                .chain = made->chain,
                                .num_chain = made->num_chain};

    if (!entry_understand(entry, &bytes, arena)) die("no memory");
}

static void make_pool(void)
{
    struct testlog_options options = {.entries = POOL, .seed = 8};
    struct buffer memory = {0};
    struct arena arena = {0};
    struct testlog *log;
    struct err err = {0};

    if (!testlog_open(&log, &options, &err)) die("%s", err.text);
    pool = calloc(POOL, sizeof *pool);
    if (pool == NULL) die("no memory");
    for (uint64_t i = 0; i < POOL; i++) {
        struct made *made = &pool[i];
        struct testlog_entry from;
        struct entry entry;

        if (!testlog_entry(log, i, &from, &memory)) die("no entry");
        buffer_append(&made->leaf, from.leaf);
        buffer_append(&made->precert, from.precert);
        while (from.chain.len >= SHA256_LEN) {
            memcpy(made->chain[made->num_chain++].bytes, from.chain.data,
                   SHA256_LEN);
            (void)bytes_skip(&from.chain, SHA256_LEN);
        }
        understand(made, i, &entry, &arena);
        note_both(made, entry.cert.serial,
                  entry.cert.serial.len > SERIAL_PATCH
                      ? entry.cert.serial.len - SERIAL_PATCH
                      : 0,
                  SERIAL_PATCH, false);
        if (entry.cert.spki.len > KEY_PATCH) {
            note_both(made, entry.cert.spki, entry.cert.spki.len - KEY_PATCH,
                      KEY_PATCH, false);
        }
        for (size_t k = 0; k < entry.names.num_terms; k++) {
            const struct term *term = &entry.names.terms[k];
            const uint8_t *dot = memchr(term->value.data, '.', term->value.len);

            // The label before the last dot of most: a registered name.
            if (term->kind != TERM_DNS || dot == NULL || term->value.len < 8 ||
                term->value.data[0] == '*' || dot - term->value.data < 3) {
                continue;
            }
            note_both(made, term->value, 0, 3, true);
        }
        arena_reset(&arena);
    }
    buffer_cleanup(&memory);
    arena_cleanup(&arena);
    testlog_stop(log);
}

// Makes an entry of the pool another one.
static void change(struct made *made, uint64_t round)
{
    for (size_t i = 0; i < made->num_places; i++) {
        struct place *place = &made->places[i];
        uint64_t salt = place->is_name ? round / 3 : round * 0x9e3779b97f4a7c15;

        for (size_t k = 0; k < place->len; k++) {
            place->at[k] =
                place->is_name
                    ? (uint8_t)('a' + (place->was[k] + salt % 26) % 26)
                    : (uint8_t)(place->was[k] ^ (uint8_t)(salt >> (8 * k)));
            if (place->is_name) salt /= 26;
        }
    }
}

// ------------------------------------------------------------ loading

struct load {
    struct index *index;
    struct index_log log;
    struct chunk *chunk;
    struct merkle_frontier frontier, left;
    struct arena arena;
};

static void append(struct load *load)
{
    struct chunk_proof proof = {.left = load->left};
    struct err err = {0};

    proof.head = (struct head){.kind = HEAD_STH,
                               .size = load->frontier.size,
                               .timestamp_ms = load->frontier.size,
                               .root = merkle_root(&load->frontier),
                               .served = bytes_from_text("bench")};
    if (!index_append(load->index, &load->chunk, &proof, 1, &err)) {
        die("append: %s", err.text);
    }
}

static void fill(struct load *load, uint64_t first, uint64_t end)
{
    struct err err = {0};

    load->frontier = load->left;
    chunk_reset(load->chunk, &load->log, first);
    for (uint64_t i = first; i < end; i++) {
        struct made *made = &pool[i % POOL];
        struct entry entry;

        change(made, i / POOL);
        understand(made, i, &entry, &load->arena);
        merkle_append(&load->frontier, &entry.leaf_hash);
        if (!chunk_add(load->chunk, &entry, &err)) die("%s", err.text);
        arena_reset(&load->arena);
    }
}

static void load_range(struct load *load, uint64_t first, uint64_t end)
{
    struct err err = {0};

    for (uint64_t i = first; i < end; i += CHUNK) {
        uint64_t stop = i + CHUNK < end ? i + CHUNK : end;

        load->left = load->frontier;
        fill(load, i, stop);
        append(load);
    }
    if (!index_flush(load->index, &err)) die("flush: %s", err.text);
}

// ------------------------------------------------------------ figures

static double bytes_per_entry(struct index *index, struct index_stat *stat)
{
    struct snapshot *snapshot;
    struct err err = {0};

    if (!snapshot_open(&snapshot, index, &err) ||
        !snapshot_stat(snapshot, stat, &err)) {
        die("stat: %s", err.text);
    }
    snapshot_close(snapshot);
    return (double)stat->bytes_total / (double)stat->entries;
}

static void look_up(struct index *index, uint64_t entries, const char *what)
{
    double *ns = calloc(LOOKUPS, sizeof *ns);
    struct arena arena = {0};
    struct buffer key = {0};
    struct snapshot *snapshot;
    struct err err = {0};
    uint64_t num = 0, at = 1;

    if (ns == NULL || !snapshot_open(&snapshot, index, &err)) die("no memory");
    for (size_t i = 0; i < LOOKUPS; i++) {
        struct cursor *cursor;
        struct posting posting;
        struct entry entry;
        uint64_t begun;
        bool found = true;

        at = at * UINT64_C(6364136223846793005) + 1442695040888963407;
        change(&pool[(at >> 33) % POOL], (at >> 20) % (entries / POOL + 1));
        understand(&pool[(at >> 33) % POOL], 0, &entry, &arena);
        if (entry.names.num_terms == 0) continue;
        buffer_reset(&key);
        keys_append(&key, entry.names.terms[0].kind,
                    entry.names.terms[0].value);
        buffer_append_byte(&key, 0);
        begun = measure_now_ns();
        if (!cursor_open(&cursor, snapshot, bytes_of(key.data, key.len - 1),
                         buffer_bytes(&key), &err)) {
            die("%s", err.text);
        }
        for (int k = 0; found && k < 100; k++) {
            if (!cursor_next(cursor, &posting, &found, &err)) {
                die("%s", err.text);
            }
        }
        cursor_close(cursor);
        ns[num++] = (double)(measure_now_ns() - begun);
        arena_reset(&arena);
    }
    printf("  look-up of a name, %-22s p50 %6.2f us, p99 %6.2f us\n", what,
           measure_percentile(ns, num, 50) / 1000,
           measure_percentile(ns, num, 99) / 1000);
    snapshot_close(snapshot);
    buffer_cleanup(&key);
    arena_cleanup(&arena);
    free(ns);
}

static int remove_one(const char *path, const struct stat *info, int flag,
                      struct FTW *ftw)
{
    (void)info;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static void run(const char *folder, uint64_t entries, enum index_keep keep)
{
    struct load load = {0};
    struct index_stat stat;
    struct watch watch;
    struct err err = {0};
    uint64_t cpu, clock, part = entries / 10;
    double first_ns, last_ns, before;
    char dir[4096];

    (void)snprintf(dir, sizeof dir, "%s/bulk", folder);
    load.log = (struct index_log){.id = sha256(bytes_from_text("bench")),
                                  .name = "bench",
                                  .api = LOG_API_STATIC,
                                  .keep = keep};
    if (!index_open(&load.index, dir, INDEX_WRITE, &err) ||
        !index_set_memory(load.index, MEMORY, &err) ||
        !index_add_log(load.index, &load.log, bytes_from_text("key"), &err) ||
        !chunk_new(&load.chunk, &err)) {
        die("%s", err.text);
    }
    watch_start(&watch);
    cpu = measure_cpu_ns();
    clock = measure_now_ns();
    load_range(&load, 0, part);
    first_ns = (double)(measure_cpu_ns() - cpu) / (double)part;
    load_range(&load, part, entries);
    last_ns = (double)(measure_cpu_ns() - cpu) / (double)entries;
    clock = measure_now_ns() - clock;
    watch_stop(&watch);
    before = bytes_per_entry(load.index, &stat);
    printf("bulk, --keep %s, %" PRIu64 " entries, one thread that parses\n",
           keep == KEEP_FULL ? "full" : "facts", entries);
    printf("  CPU per entry              %6.2f us (first tenth %.2f us: x "
           "%.2f)\n",
           last_ns / 1000, first_ns / 1000, last_ns / first_ns);
    printf("  entries per second         %6.0f\n",
           (double)entries * 1e9 / (double)clock);
    printf("  threads that run           %6.2f of %.2f that could\n",
           watch.cores, watch.runnable);
    printf("  own memory, at most        %6" PRIu64 " MiB (waiting: %d MiB)\n",
           watch.memory_peak_bytes >> 20, MEMORY >> 20);
    printf("  postings per entry         %6.2f\n",
           (double)stat.postings / (double)stat.entries);
    printf("  bytes per entry            %6.0f (records %.0f, names and keys "
           "%.0f, other %.0f) in %" PRIu64 " segments, %" PRIu64 " runs\n",
           before, (double)stat.bytes_entries / (double)stat.entries,
           (double)stat.bytes_names / (double)stat.entries,
           (double)stat.bytes_other / (double)stat.entries, stat.segments,
           stat.runs);
    look_up(load.index, entries, "as loaded");
    watch_start(&watch);
    clock = measure_now_ns();
    if (!index_compact(load.index, NULL, NULL, &err)) die("%s", err.text);
    clock = measure_now_ns() - clock;
    watch_stop(&watch);
    before = bytes_per_entry(load.index, &stat);
    printf("  compacted                  %6.0f (records %.0f, names and keys "
           "%.0f, other %.0f) in %.1f s, own memory %" PRIu64 " MiB\n",
           before, (double)stat.bytes_entries / (double)stat.entries,
           (double)stat.bytes_names / (double)stat.entries,
           (double)stat.bytes_other / (double)stat.entries, (double)clock / 1e9,
           watch.memory_peak_bytes >> 20);
    look_up(load.index, entries, "compacted");
    index_close(load.index);
    chunk_free(load.chunk);
    arena_cleanup(&load.arena);
    (void)nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

int main(int argc, char **argv)
{
    const char *text = getenv("BENCH_ENTRIES");
    uint64_t entries = text != NULL ? strtoull(text, NULL, 10) : 1000000;

    if (argc != 2) die("usage: bench_bulk FOLDER");
    if (entries < 10 * CHUNK) die("BENCH_ENTRIES: too few");
    make_pool();
    run(argv[1], entries, KEEP_FULL);
    run(argv[1], entries, KEEP_FACTS);
    for (size_t i = 0; i < POOL; i++) {
        buffer_cleanup(&pool[i].leaf);
        buffer_cleanup(&pool[i].precert);
    }
    free(pool);
    return 0;
}
