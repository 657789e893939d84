// bench_stages.c - what each step of ingest costs, per entry, on one core.
//
//   bench_stages ENTRIES FOLDER
//
// The entries are the test log's.  The yardstick is the work that nobody can
// leave out: AES-GCM open, inflate and SHA-256 of the leaf for the same bytes.

#include <libdeflate.h>
#include <openssl/aead.h>
#include <unistd.h>

#include "bench/measure.h"
#include "index/index.h"
#include "ingest/parse/inflate.h"
#include "ingest/parse/tile.h"
#include "tests/support/testlog.h"

enum {
    RECORD = 16 << 10, // of TLS
    CHUNK = 4096,
    INFLATED_MAX = 64 << 20,
};

struct tile {
    struct bytes gzip;
    struct bytes sealed; // the same bytes as TLS records hold them
};

static struct tile *tiles;
static uint64_t num_tiles;
static uint8_t key[16], nonce[12];

static struct bytes copy(struct bytes bytes)
{
    uint8_t *data = malloc(bytes.len);

    if (data == NULL) die("no memory");
    memcpy(data, bytes.data, bytes.len);
    return bytes_of(data, bytes.len);
}

static void append_tile_leaf(struct buffer *out,
                             const struct testlog_entry *entry)
{
    buffer_append(out, bytes_of(entry->leaf.data + 2, entry->leaf.len - 2));
    if (entry->leaf.data[11] == LEAF_PRECERT) {
        buffer_append_uint(out, entry->precert.len, 3);
        buffer_append(out, entry->precert);
    }
    buffer_append_uint(out, entry->chain.len, 2);
    buffer_append(out, entry->chain);
}

static struct bytes seal(EVP_AEAD_CTX *aead, struct bytes plain)
{
    struct buffer out = {0};

    for (size_t at = 0; at < plain.len; at += RECORD) {
        size_t len = plain.len - at < RECORD ? plain.len - at : RECORD;
        size_t sealed;

        if (!buffer_reserve(&out, RECORD + 16)) die("no memory");
        if (!EVP_AEAD_CTX_seal(aead, out.data + out.len, &sealed, RECORD + 16,
                               nonce, sizeof nonce, plain.data + at, len, NULL,
                               0)) {
            die("AES-GCM");
        }
        out.len += sealed;
    }
    return buffer_bytes(&out);
}

static void make_tiles(struct testlog *log, uint64_t entries,
                       EVP_AEAD_CTX *aead)
{
    struct libdeflate_compressor *gzip = libdeflate_alloc_compressor(6);
    struct buffer plain = {0}, packed = {0}, memory = {0};

    num_tiles = entries / TILE_WIDTH;
    tiles = calloc(num_tiles, sizeof *tiles);
    if (tiles == NULL || gzip == NULL) die("no memory");
    for (uint64_t t = 0; t < num_tiles; t++) {
        buffer_reset(&plain);
        for (uint64_t i = t * TILE_WIDTH; i < (t + 1) * TILE_WIDTH; i++) {
            struct testlog_entry entry;

            if (!testlog_entry(log, i, &entry, &memory)) die("entry");
            append_tile_leaf(&plain, &entry);
        }
        buffer_reset(&packed);
        if (!buffer_reserve(&packed,
                            libdeflate_gzip_compress_bound(gzip, plain.len))) {
            die("no memory");
        }
        packed.len = libdeflate_gzip_compress(gzip, plain.data, plain.len,
                                              packed.data, packed.size);
        tiles[t].gzip = copy(buffer_bytes(&packed));
        tiles[t].sealed = seal(aead, tiles[t].gzip);
    }
    libdeflate_free_compressor(gzip);
    buffer_cleanup(&plain);
    buffer_cleanup(&packed);
    buffer_cleanup(&memory);
}

enum stage {
    STAGE_OPEN,
    STAGE_INFLATE,
    STAGE_HASH,
    STAGE_PARSE,
    STAGE_UNDERSTAND,
    STAGE_ENCODE,
    STAGE_APPEND,
    NUM_STAGES
};

static const char *const stage_names[NUM_STAGES] = {
    "AES-GCM open",
    "inflate",
    "SHA-256 of the leaf",
    "cut the tile into entries",
    "understand: certificate, names, hashes",
    "encode: record, keys",
    "append: zstd, LMDB, sync included",
};

struct run {
    double ns[NUM_STAGES]; // in all
    EVP_AEAD_CTX *aead;
    struct inflater *inflater;
    struct index *index;
    struct index_log log;
    struct chunk *chunk;
    struct merkle_frontier frontier;
    struct merkle_frontier left; // before the chunk at hand
    uint64_t in_chunk;
};

static void open_records(struct run *run, struct bytes sealed)
{
    uint8_t plain[RECORD];

    while (sealed.len > 0) {
        size_t len = sealed.len < RECORD + 16 ? sealed.len : RECORD + 16;
        size_t opened;

        if (!EVP_AEAD_CTX_open(run->aead, plain, &opened, sizeof plain, nonce,
                               sizeof nonce, sealed.data, len, NULL, 0)) {
            die("AES-GCM");
        }
        (void)bytes_skip(&sealed, len);
    }
}

static void append_chunk(struct run *run)
{
    struct chunk_proof proof = {.left = run->left};
    struct err err = {0};

    proof.head = (struct head){.kind = HEAD_STH,
                               .size = run->frontier.size,
                               .timestamp_ms = run->frontier.size,
                               .root = merkle_root(&run->frontier),
                               .served = bytes_from_text("bench")};
    if (!index_accept_head(run->index, run->log.number, &proof.head, &err) ||
        !index_append(run->index, &run->chunk, &proof, 1, &err)) {
        die("append: %s", err.text);
    }
    run->in_chunk = 0;
}

// Adds the clock of one step to a stage.
#define STEP(run, stage, statement)                                            \
    do {                                                                       \
        uint64_t start_ = measure_cpu_ns();                                    \
        statement;                                                             \
        (run)->ns[stage] += (double)(measure_cpu_ns() - start_);               \
    } while (0)

static void understand_all(struct entry *entries,
                           const struct entry_bytes *bytes, struct arena *arena)
{
    for (size_t i = 0; i < TILE_WIDTH; i++) {
        if (!entry_understand(&entries[i], &bytes[i], arena)) die("no memory");
    }
}

static void encode_all(struct run *run, const struct entry *entries)
{
    struct err err = {0};

    for (size_t i = 0; i < TILE_WIDTH; i++) {
        if (!chunk_add(run->chunk, &entries[i], &err)) die("%s", err.text);
    }
}

static void hash_all(struct run *run, const struct entry_bytes *bytes)
{
    for (size_t i = 0; i < TILE_WIDTH; i++) {
        struct sha256_hash hash = merkle_leaf_hash(bytes[i].leaf);

        merkle_append(&run->frontier, &hash);
    }
}

static void run_tile(struct run *run, uint64_t t, struct arena *arena)
{
    static struct entry_bytes bytes[TILE_WIDTH];
    static struct entry entries[TILE_WIDTH];
    static struct buffer plain;
    struct err err = {0};
    bool ok = true;

    arena_reset(arena);
    STEP(run, STAGE_OPEN, open_records(run, tiles[t].sealed));
    STEP(run, STAGE_INFLATE,
         ok = inflate_gzip(run->inflater, &plain, tiles[t].gzip, INFLATED_MAX,
                           &err));
    if (!ok) die("inflate: %s", err.text);
    STEP(run, STAGE_PARSE,
         ok = tile_parse_data(bytes, TILE_WIDTH, t * TILE_WIDTH,
                              buffer_bytes(&plain), arena, &err));
    if (!ok) die("tile: %s", err.text);
    if (run->in_chunk == 0) run->left = run->frontier;
    STEP(run, STAGE_HASH, hash_all(run, bytes));
    STEP(run, STAGE_UNDERSTAND, understand_all(entries, bytes, arena));
    if (run->in_chunk == 0) {
        chunk_reset(run->chunk, &run->log, t * TILE_WIDTH);
    }
    STEP(run, STAGE_ENCODE, encode_all(run, entries));
    run->in_chunk += TILE_WIDTH;
    if (run->in_chunk == CHUNK || t + 1 == num_tiles) {
        STEP(run, STAGE_APPEND, append_chunk(run));
    }
}

static void run_once(struct run *run, const char *folder, int number)
{
    struct arena arena = {0};
    struct err err = {0};
    char dir[4096];

    (void)snprintf(dir, sizeof dir, "%s/stages-%d", folder, number);
    *run = (struct run){.aead = run->aead, .inflater = run->inflater};
    run->log = (struct index_log){.id = sha256(bytes_from_text("bench")),
                                  .name = "bench",
                                  .api = LOG_API_STATIC,
                                  .keep = KEEP_FULL};
    if (!index_open(&run->index, dir, INDEX_WRITE, &err) ||
        !index_add_log(run->index, &run->log, bytes_from_text("key"), &err) ||
        !chunk_new(&run->chunk, &err)) {
        die("%s: %s", dir, err.text);
    }
    for (uint64_t t = 0; t < num_tiles; t++) {
        run_tile(run, t, &arena);
    }
    chunk_free(run->chunk);
    index_close(run->index);
    arena_cleanup(&arena);
}

static void print(double medians[NUM_STAGES])
{
    double irreducible =
        medians[STAGE_OPEN] + medians[STAGE_INFLATE] + medians[STAGE_HASH];
    double all = 0;

    printf("\nStages of ingest, static CT, one core, CPU ns per entry "
           "(median of %d runs)\n\n",
           MEASURE_RUNS);
    for (int s = 0; s < NUM_STAGES; s++) {
        printf("  %-42s %7.0f\n", stage_names[s], medians[s]);
        all += medians[s];
    }
    printf("  %-42s %7.0f\n", "all", all);
    printf("  %-42s %7.0f   all is %.1f times that\n",
           "yardstick: open + inflate + SHA-256", irreducible,
           all / irreducible);
}

int main(int argc, char **argv)
{
    uint64_t entries = argc > 1 ? strtoull(argv[1], NULL, 10) : 0;
    struct testlog_options options = {.entries = entries, .seed = 1};
    double ns[NUM_STAGES][MEASURE_RUNS], medians[NUM_STAGES];
    struct run run = {0};
    struct testlog *log;
    struct err err = {0};
    EVP_AEAD_CTX aead;

    if (argc != 3 || entries < TILE_WIDTH) {
        die("usage: bench_stages ENTRIES FOLDER");
    }
    if (!EVP_AEAD_CTX_init(&aead, EVP_aead_aes_128_gcm(), key, sizeof key, 16,
                           NULL) ||
        !inflater_new(&run.inflater, &err) ||
        !testlog_open(&log, &options, &err)) {
        die("set-up: %s", err.text);
    }
    run.aead = &aead;
    make_tiles(log, entries, &aead);
    testlog_stop(log);
    // The first run warms up memory that was never touched; it does not count.
    for (int r = -1; r < MEASURE_RUNS; r++) {
        run_once(&run, argv[2], r + 1);
        for (int s = 0; r >= 0 && s < NUM_STAGES; s++) {
            ns[s][r] = run.ns[s] / (double)(num_tiles * TILE_WIDTH);
        }
    }
    for (int s = 0; s < NUM_STAGES; s++) {
        medians[s] = measure_percentile(ns[s], MEASURE_RUNS, 50);
    }
    print(medians);
    return 0;
}
