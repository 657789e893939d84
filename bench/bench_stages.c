// bench_stages.c - what each step of ingest costs, per entry, on one core, and
// the work that nobody can leave out.
//
//   bench_stages ENTRIES FOLDER FIGURES
//
// The entries are the corpus's.  Irreducible are AES-GCM open, inflate or
// base64, and SHA-256 of the leaf, for the same bytes: of a tile (gzip), of
// get-entries (JSON), of an archive (deflate, no TLS).

#include <libdeflate.h>
#include <openssl/aead.h>
#include <unistd.h>

#include "bench/figures.h"
#include "bench/settings.h"
#include "index/base/text.h"
#include "index/index.h"
#include "ingest/parse/base64.h"
#include "ingest/parse/get_entries.h"
#include "ingest/parse/inflate.h"
#include "ingest/parse/tile.h"

enum {
    RECORD = 16 << 10, // of TLS
    CHUNK = 4096,
    INFLATED_MAX = 64 << 20,
    MEMORY = 256 << 20, // of a --memory of 1 GiB
    GZIP_LEVEL = 6,
    LEAF_TYPE_AT = 11, // the last byte of a leaf's entry type
};

// 256 entries, as both protocols carry them.
struct piece {
    struct bytes gzip, json;
    struct bytes sealed_gzip, sealed_json; // as TLS records hold them
    struct bytes digits; // base64 of what is needed of the JSON
    size_t lens[2 * TILE_WIDTH], num;
};

static struct piece *pieces;
static uint64_t num_pieces;
static const uint8_t key[16], nonce[12];

// ------------------------------------------------------------ making

static struct bytes copy(const struct buffer *from)
{
    uint8_t *data = malloc(from->len);

    if (data == NULL) die("no memory");
    memcpy(data, from->data, from->len);
    return bytes_of(data, from->len);
}

static void append_tile_leaf(struct buffer *out, struct bytes leaf,
                             struct bytes precert, struct bytes chain)
{
    buffer_append(out, bytes_of(leaf.data + 2, leaf.len - 2));
    if (precert.len > 0) {
        buffer_append_uint(out, precert.len, 3);
        buffer_append(out, precert);
    }
    buffer_append_uint(out, chain.len, 2);
    buffer_append(out, chain);
}

static void append_digits(struct piece *piece, struct buffer *digits,
                          struct bytes bytes)
{
    size_t before = digits->len;

    if (bytes.len == 0) return;
    text_append_base64(digits, bytes);
    piece->lens[piece->num++] = digits->len - before;
}

static void append_json(struct buffer *out, const struct corpus *corpus,
                        const struct corpus_entry *entry, struct bytes leaf,
                        struct bytes precert)
{
    struct buffer extra = {0};

    if (precert.len > 0) {
        buffer_append_uint(&extra, precert.len, 3);
        buffer_append(&extra, precert);
    }
    corpus_chain_wire(corpus, entry->issuer, &extra);
    buffer_append_text(out, out->len == 0 ? "{\"entries\":[" : ",");
    buffer_append_text(out, "{\"leaf_input\":\"");
    text_append_base64(out, leaf);
    buffer_append_text(out, "\",\"extra_data\":\"");
    text_append_base64(out, buffer_bytes(&extra));
    buffer_append_text(out, "\"}");
    buffer_cleanup(&extra);
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

static void make_piece(struct piece *piece, const struct corpus *corpus,
                       uint64_t first, EVP_AEAD_CTX *aead,
                       struct libdeflate_compressor *gzip)
{
    struct buffer tile = {0}, json = {0}, digits = {0}, packed = {0}, one = {0};

    for (uint64_t i = first; i < first + TILE_WIDTH; i++) {
        struct corpus_entry entry;
        struct bytes leaf, precert;
        const struct sha256_hash *chain;
        size_t num;

        buffer_reset(&one);
        corpus_append(corpus, i, &one, &entry);
        leaf = bytes_of(one.data, entry.leaf_len);
        precert = bytes_of(one.data + entry.leaf_len, entry.precert_len);
        chain = corpus_chain(corpus, entry.issuer, &num);
        append_tile_leaf(&tile, leaf, precert,
                         bytes_of(chain, num * sizeof *chain));
        append_json(&json, corpus, &entry, leaf, precert);
        append_digits(piece, &digits, leaf);
        append_digits(piece, &digits, precert);
    }
    buffer_append_text(&json, "]}");
    if (!buffer_reserve(&packed,
                        libdeflate_gzip_compress_bound(gzip, tile.len))) {
        die("no memory");
    }
    packed.len = libdeflate_gzip_compress(gzip, tile.data, tile.len,
                                          packed.data, packed.size);
    piece->gzip = copy(&packed);
    piece->json = copy(&json);
    piece->digits = copy(&digits);
    piece->sealed_gzip = seal(aead, piece->gzip);
    piece->sealed_json = seal(aead, piece->json);
    buffer_cleanup(&tile);
    buffer_cleanup(&json);
    buffer_cleanup(&digits);
    buffer_cleanup(&packed);
    buffer_cleanup(&one);
}

static void make_pieces(uint64_t entries, EVP_AEAD_CTX *aead)
{
    struct libdeflate_compressor *gzip =
        libdeflate_alloc_compressor(GZIP_LEVEL);
    struct corpus *corpus = corpus_new(
        &(struct corpus_options){.entries = entries, .seed = SETTINGS_SEED});

    num_pieces = entries / TILE_WIDTH;
    pieces = calloc(num_pieces, sizeof *pieces);
    if (pieces == NULL || gzip == NULL || corpus == NULL) die("no memory");
    for (uint64_t i = 0; i < num_pieces; i++) {
        make_piece(&pieces[i], corpus, i * TILE_WIDTH, aead, gzip);
    }
    libdeflate_free_compressor(gzip);
    corpus_free(corpus);
}

// ------------------------------------------------------------ stages

enum stage {
    STAGE_OPEN_GZIP,
    STAGE_INFLATE,
    STAGE_OPEN_JSON,
    STAGE_BASE64,
    STAGE_HASH,
    STAGE_CUT_JSON,
    STAGE_CUT,
    STAGE_UNDERSTAND,
    STAGE_PROVE,
    STAGE_ENCODE,
    STAGE_APPEND,
    NUM_STAGES
};

static const struct {
    const char *what, *name;
} stages[NUM_STAGES] = {
    {"AES-GCM open, of tiles", "open_tile_ns"},
    {"inflate", "inflate_ns"},
    {"AES-GCM open, of get-entries", "open_json_ns"},
    {"base64 of leaf and precertificate", "base64_ns"},
    {"SHA-256 of the leaf", "leaf_ns"},
    {"get-entries: scan, decode, cut into entries", "cut_json_ns"},
    {"tile: cut into entries", "cut_ns"},
    {"understand: certificate, names, hashes", "understand_ns"},
    {"prove: nodes of the tree", "prove_ns"},
    {"encode: record, keys", "encode_ns"},
    {"append: compress, sort, write, merge, sync", "append_ns"},
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

static void decode_digits(const struct piece *piece)
{
    static uint8_t out[1 << 16];
    size_t at = 0, len;

    for (size_t i = 0; i < piece->num; at += piece->lens[i++]) {
        if (!base64_decode(out, &len,
                           bytes_of(piece->digits.data + at, piece->lens[i]))) {
            die("base64");
        }
    }
}

static void hash_leaves(const struct entry_bytes *bytes)
{
    for (size_t i = 0; i < TILE_WIDTH; i++) {
        struct sha256_hash hash = merkle_leaf_hash(bytes[i].leaf);

        // Not to be left out.
        __asm__ volatile("" : : "r"(&hash) : "memory");
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
    if (!index_append(run->index, &run->chunk, &proof, 1, &err)) {
        die("append: %s", err.text);
    }
    run->in_chunk = 0;
}

// Adds this thread's CPU for one step to a stage.
#define STEP(run, stage, statement)                                            \
    do {                                                                       \
        uint64_t start_ = measure_clock_ns(CLOCK_THREAD_CPUTIME_ID);           \
        statement;                                                             \
        (run)->ns[stage] +=                                                    \
            (double)(measure_clock_ns(CLOCK_THREAD_CPUTIME_ID) - start_);      \
    } while (0)

static void understand_all(struct entry *entries,
                           const struct entry_bytes *bytes, struct arena *arena)
{
    for (size_t i = 0; i < TILE_WIDTH; i++) {
        if (!entry_understand(&entries[i], &bytes[i], arena)) die("no memory");
    }
}

static void prove(struct run *run, const struct entry *entries)
{
    struct sha256_hash leaves[TILE_WIDTH];

    for (size_t i = 0; i < TILE_WIDTH; i++) {
        leaves[i] = entries[i].leaf_hash;
    }
    merkle_append_many(&run->frontier, leaves, TILE_WIDTH);
}

static void encode_all(struct run *run, const struct entry *entries)
{
    struct err err = {0};

    for (size_t i = 0; i < TILE_WIDTH; i++) {
        if (!chunk_add(run->chunk, &entries[i], &err)) die("%s", err.text);
    }
}

static void cut_json(struct buffer *text, struct arena *arena)
{
    static struct get_entry answers[TILE_WIDTH];
    static struct chain_cache chains;
    struct err err = {0};
    size_t num;

    if (!get_entries_parse(answers, TILE_WIDTH, &num, text->data, text->len,
                           &err)) {
        die("get-entries: %s", err.text);
    }
    for (size_t i = 0; i < num; i++) {
        struct entry_bytes bytes = {0};
        struct bytes *certificates;
        bool precert = answers[i].leaf_input.data[LEAF_TYPE_AT] == LEAF_PRECERT;

        if (!entry_parse_extra(&bytes, precert ? LEAF_PRECERT : LEAF_X509,
                               answers[i].extra_data, &chains, &certificates,
                               arena)) {
            die("no memory");
        }
    }
}

// What is done for RFC 6962 instead of inflating and cutting a tile.
static void run_json(struct run *run, const struct piece *piece,
                     struct arena *arena)
{
    static struct buffer text;

    STEP(run, STAGE_OPEN_JSON, open_records(run, piece->sealed_json));
    STEP(run, STAGE_BASE64, decode_digits(piece));
    buffer_reset(&text); // it is decoded where it lies
    buffer_append(&text, piece->json);
    STEP(run, STAGE_CUT_JSON, cut_json(&text, arena));
    arena_reset(arena);
}

static void run_piece(struct run *run, uint64_t number, struct arena *arena)
{
    static struct entry_bytes bytes[TILE_WIDTH];
    static struct entry entries[TILE_WIDTH];
    static struct buffer plain;
    const struct piece *piece = &pieces[number];
    struct err err = {0};
    bool ok = true;

    run_json(run, piece, arena);
    STEP(run, STAGE_OPEN_GZIP, open_records(run, piece->sealed_gzip));
    STEP(run, STAGE_INFLATE,
         ok = inflate_gzip(run->inflater, &plain, piece->gzip, INFLATED_MAX,
                           &err));
    if (!ok) die("inflate: %s", err.text);
    STEP(run, STAGE_CUT,
         ok = tile_parse_data(bytes, TILE_WIDTH, number * TILE_WIDTH,
                              buffer_bytes(&plain), arena, &err));
    if (!ok) die("tile: %s", err.text);
    STEP(run, STAGE_HASH, hash_leaves(bytes));
    if (run->in_chunk == 0) {
        run->left = run->frontier;
        chunk_reset(run->chunk, &run->log, number * TILE_WIDTH);
    }
    STEP(run, STAGE_UNDERSTAND, understand_all(entries, bytes, arena));
    STEP(run, STAGE_PROVE, prove(run, entries));
    STEP(run, STAGE_ENCODE, encode_all(run, entries));
    arena_reset(arena);
    run->in_chunk += TILE_WIDTH;
    if (run->in_chunk == CHUNK || number + 1 == num_pieces) append_chunk(run);
}

static void run_once(struct run *run, const char *folder, int number)
{
    struct arena arena = {0};
    struct err err = {0};
    char dir[4096];
    double all;
    uint64_t begun;

    (void)snprintf(dir, sizeof dir, "%s/stages-%d", folder, number);
    *run = (struct run){.aead = run->aead, .inflater = run->inflater};
    run->log = (struct index_log){.id = sha256(bytes_from_text("bench")),
                                  .name = "bench",
                                  .api = LOG_API_STATIC,
                                  .keep = KEEP_FULL};
    if (!index_open(&run->index, dir, INDEX_WRITE, &err) ||
        !index_set_memory(run->index, MEMORY, &err) ||
        !index_add_log(run->index, &run->log, bytes_from_text("key"), &err) ||
        !chunk_new(&run->chunk, &err)) {
        die("%s: %s", dir, err.text);
    }
    begun = measure_cpu_ns();
    for (uint64_t i = 0; i < num_pieces; i++) {
        run_piece(run, i, &arena);
    }
    index_close(run->index); // flushes
    // Threads of the index's own take part: it is what the process took, less
    // what is known.
    all = (double)(measure_cpu_ns() - begun);
    for (int s = 0; s < STAGE_APPEND; s++) {
        all -= run->ns[s];
    }
    run->ns[STAGE_APPEND] = all;
    chunk_free(run->chunk);
    arena_cleanup(&arena);
}

static void print(const double medians[NUM_STAGES], struct figures *figures)
{
    double tile =
        medians[STAGE_OPEN_GZIP] + medians[STAGE_INFLATE] + medians[STAGE_HASH];
    double json =
        medians[STAGE_OPEN_JSON] + medians[STAGE_BASE64] + medians[STAGE_HASH];
    double shared = medians[STAGE_UNDERSTAND] + medians[STAGE_PROVE] +
                    medians[STAGE_ENCODE] + medians[STAGE_APPEND];

    printf("\nStages of ingest, one core, CPU ns per entry (median of %d "
           "runs)\n\n",
           MEASURE_RUNS);
    for (int s = 0; s < NUM_STAGES; s++) {
        printf("  %-46s %7.0f\n", stages[s].what, medians[s]);
        figures_set(figures, stages[s].name, medians[s]);
    }
    printf("  %-46s %7.0f   with all else %.0f\n",
           "irreducible, static CT: open, inflate, SHA-256", tile,
           medians[STAGE_OPEN_GZIP] + medians[STAGE_INFLATE] +
               medians[STAGE_CUT] + shared);
    printf("  %-46s %7.0f   with all else %.0f\n",
           "irreducible, RFC 6962: open, base64, SHA-256", json,
           medians[STAGE_OPEN_JSON] + medians[STAGE_CUT_JSON] + shared);
    figures_set(figures, "irreducible_static_us", tile / 1e3);
    figures_set(figures, "irreducible_rfc6962_us", json / 1e3);
    figures_set(figures, "irreducible_archive_us",
                (medians[STAGE_INFLATE] + medians[STAGE_HASH]) / 1e3);
    figures_set(figures, "index_us",
                (medians[STAGE_ENCODE] + medians[STAGE_APPEND]) / 1e3);
}

int main(int argc, char **argv)
{
    uint64_t entries = argc > 1 ? strtoull(argv[1], NULL, 10) : 0;
    double ns[NUM_STAGES][MEASURE_RUNS], medians[NUM_STAGES];
    struct figures figures;
    struct run run = {0};
    struct err err = {0};
    EVP_AEAD_CTX aead;

    if (argc != 4 || entries < TILE_WIDTH) {
        die("usage: bench_stages ENTRIES FOLDER FIGURES");
    }
    if (!EVP_AEAD_CTX_init(&aead, EVP_aead_aes_128_gcm(), key, sizeof key, 16,
                           NULL) ||
        !inflater_new(&run.inflater, &err)) {
        die("set-up: %s", err.text);
    }
    run.aead = &aead;
    make_pieces(entries, &aead);
    // The first run warms up memory that was never touched; it does not count.
    for (int r = -1; r < MEASURE_RUNS; r++) {
        run_once(&run, argv[2], r + 1);
        for (int s = 0; r >= 0 && s < NUM_STAGES; s++) {
            ns[s][r] = run.ns[s] / (double)(num_pieces * TILE_WIDTH);
        }
    }
    for (int s = 0; s < NUM_STAGES; s++) {
        medians[s] = measure_percentile(ns[s], MEASURE_RUNS, 50);
    }
    figures_read(&figures, argv[3]);
    print(medians, &figures);
    figures_write(&figures);
    return 0;
}
