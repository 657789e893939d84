// loader.c - see loader.h.

#include "bench/loader.h"

#include <pthread.h>

#include "index/base/text.h"

enum {
    BATCH = 256, // entries made at once: they stay in the cache
    SLOTS_MORE = 2,
    // index_set_memory is given a quarter of --memory, as ingest does.
    MEMORY_SHARE = 4,
};
static const uint64_t heads_from = 1767225600000; // 2026-01-01, milliseconds

// A chunk on its way.
struct slot {
    struct chunk *chunk;
    uint64_t first, end;
    bool ready;
    struct sha256_hash root; // of a whole chunk
    struct sha256_hash *leaves;
};

struct crew {
    struct loader *loader;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    uint64_t next, end; // what is to be made
    uint64_t appended;  // entries before it have been
    uint64_t generator_ns;
    size_t num_slots;
    struct slot *slots; // a ring: the chunk at `first` has first / CHUNK
};

static struct slot *slot_of(struct crew *crew, uint64_t first)
{
    return &crew->slots[first / LOADER_CHUNK % crew->num_slots];
}

void loader_open(struct loader *loader, const struct settings *settings,
                 const struct corpus *corpus, const char *dir)
{
    struct snapshot *snapshot;
    struct err err = {0};

    *loader = (struct loader){.settings = *settings, .corpus = corpus};
    loader->key = fixed_key_new(FIXED_KEY_P256, SETTINGS_SEED, "bench");
    if (loader->key == NULL) die("no memory");
    loader->log = (struct index_log){.id = loader->key->spki_id,
                                     .name = "bench",
                                     .api = LOG_API_RFC6962,
                                     .keep = settings->keep};
    if (!index_open(&loader->index, dir, INDEX_WRITE, &err) ||
        !index_set_memory(loader->index, settings->memory / MEMORY_SHARE,
                          &err) ||
        !index_add_log(loader->index, &loader->log,
                       buffer_bytes(&loader->key->spki), &err)) {
        die("%s: %s", dir, err.text);
    }
    if (loader->log.verified == 0) {
        for (unsigned i = 0; i < CORPUS_ISSUERS; i++) {
            if (!index_add_issuer(loader->index, corpus_issuer(corpus, i),
                                  &err)) {
                die("%s: %s", dir, err.text);
            }
        }
        return;
    }
    if (!snapshot_open(&snapshot, loader->index, &err) ||
        !snapshot_frontier(snapshot, loader->log.number, loader->log.verified,
                           &loader->frontier, &err)) {
        die("%s: %s", dir, err.text);
    }
    snapshot_close(snapshot);
}

void loader_close(struct loader *loader)
{
    index_close(loader->index);
    fixed_key_free(loader->key);
    buffer_cleanup(&loader->served);
    *loader = (struct loader){0};
}

// ------------------------------------------------------------ making

// What a thread keeps.
struct maker {
    struct crew *crew;
    struct buffer bytes;
    struct corpus_entry entries[BATCH];
    struct arena arena;
    uint64_t generator_ns;
};

static void make_batch(struct maker *maker, uint64_t first, size_t num)
{
    uint64_t begun = measure_clock_ns(CLOCK_THREAD_CPUTIME_ID);

    buffer_reset(&maker->bytes);
    for (size_t i = 0; i < num; i++) {
        corpus_append(maker->crew->loader->corpus, first + i, &maker->bytes,
                      &maker->entries[i]);
    }
    if (!buffer_ok(&maker->bytes)) die("no memory");
    maker->generator_ns += measure_clock_ns(CLOCK_THREAD_CPUTIME_ID) - begun;
}

static void encode_batch(struct maker *maker, struct slot *slot, uint64_t first,
                         size_t num)
{
    const struct corpus *corpus = maker->crew->loader->corpus;
    struct bytes rest = buffer_bytes(&maker->bytes);
    struct err err = {0};

    for (size_t i = 0; i < num; i++) {
        struct entry_bytes bytes = {.index = first + i};
        struct entry entry;

        if (!bytes_read_take(&rest, &bytes.leaf, maker->entries[i].leaf_len) ||
            !bytes_read_take(&rest, &bytes.precert,
                             maker->entries[i].precert_len)) {
            die("corpus");
        }
        bytes.chain =
            corpus_chain(corpus, maker->entries[i].issuer, &bytes.num_chain);
        if (!entry_understand(&entry, &bytes, &maker->arena) ||
            !chunk_add(slot->chunk, &entry, &err)) {
            die("no memory");
        }
        slot->leaves[first + i - slot->first] = entry.leaf_hash;
        arena_reset(&maker->arena);
    }
}

static void fill(struct maker *maker, struct slot *slot)
{
    struct merkle_frontier frontier = {0};

    chunk_reset(slot->chunk, &maker->crew->loader->log, slot->first);
    for (uint64_t i = slot->first; i < slot->end; i += BATCH) {
        size_t num = slot->end - i < BATCH ? slot->end - i : BATCH;

        make_batch(maker, i, num);
        encode_batch(maker, slot, i, num);
    }
    if (slot->end - slot->first < LOADER_CHUNK) return;
    merkle_append_many(&frontier, slot->leaves, LOADER_CHUNK);
    slot->root = frontier.nodes[0];
}

static uint64_t chunk_end(const struct crew *crew, uint64_t first)
{
    uint64_t end = (first / LOADER_CHUNK + 1) * LOADER_CHUNK;

    return end < crew->end ? end : crew->end;
}

static void *make_chunks(void *context)
{
    struct crew *crew = context;
    struct maker *maker = calloc(1, sizeof *maker);

    if (maker == NULL) die("no memory");
    maker->crew = crew;
    (void)pthread_mutex_lock(&crew->mutex);
    while (crew->next < crew->end) {
        struct slot *slot = slot_of(crew, crew->next);

        // No further than the slots reach beyond what was appended.
        if (crew->next / LOADER_CHUNK >=
            crew->appended / LOADER_CHUNK + crew->num_slots) {
            (void)pthread_cond_wait(&crew->changed, &crew->mutex);
            continue;
        }
        slot->first = crew->next;
        slot->end = crew->next = chunk_end(crew, crew->next);
        (void)pthread_mutex_unlock(&crew->mutex);
        fill(maker, slot);
        (void)pthread_mutex_lock(&crew->mutex);
        slot->ready = true;
        (void)pthread_cond_broadcast(&crew->changed);
    }
    crew->generator_ns += maker->generator_ns;
    (void)pthread_mutex_unlock(&crew->mutex);
    buffer_cleanup(&maker->bytes);
    arena_cleanup(&maker->arena);
    free(maker);
    return NULL;
}

// ------------------------------------------------------------ appending

// The head as get-sth answers (RFC 6962 sections 3.5 and 4.3).
static void sign(struct loader *loader, struct head *head)
{
    struct buffer message = {0}, signature = {0};

    buffer_append_uint(&message, 0x0001, 2); // v1, tree_hash
    buffer_append_uint(&message, head->timestamp_ms, 8);
    buffer_append_uint(&message, head->size, 8);
    buffer_append(&message, sha256_bytes(&head->root));
    buffer_append_uint(&signature, 0x0403, 2); // sha256, ecdsa
    buffer_append_uint(&signature, 0, 2);
    fixed_key_sign(loader->key, buffer_bytes(&message), &signature);
    bytes_put_uint(signature.data + 2, signature.len - 4, 2);
    buffer_reset(&loader->served);
    buffer_printf(&loader->served,
                  "{\"tree_size\":%llu,\"timestamp\":%llu,"
                  "\"sha256_root_hash\":\"",
                  (unsigned long long)head->size,
                  (unsigned long long)head->timestamp_ms);
    text_append_base64(&loader->served, sha256_bytes(&head->root));
    buffer_append_text(&loader->served, "\",\"tree_head_signature\":\"");
    text_append_base64(&loader->served, buffer_bytes(&signature));
    buffer_append_text(&loader->served, "\"}");
    head->served = buffer_bytes(&loader->served);
    buffer_cleanup(&message);
    buffer_cleanup(&signature);
}

static void append(struct loader *loader, struct slot *slot)
{
    struct chunk_proof proof = {.left = loader->frontier};
    uint64_t num = slot->end - slot->first;
    struct err err = {0};

    if (num == LOADER_CHUNK) {
        unsigned level = (unsigned)__builtin_ctz(LOADER_CHUNK);

        if (!merkle_append_subtree(&loader->frontier, &slot->root, level)) {
            die("a chunk that is not aligned");
        }
    } else {
        merkle_append_many(&loader->frontier, slot->leaves, num);
    }
    proof.head = (struct head){.kind = HEAD_STH,
                               .size = loader->frontier.size,
                               .timestamp_ms = heads_from + slot->end,
                               .root = merkle_root(&loader->frontier)};
    sign(loader, &proof.head);
    if (!index_append(loader->index, &slot->chunk, &proof, 1, &err)) {
        die("append: %s", err.text);
    }
}

static void append_all(struct crew *crew)
{
    (void)pthread_mutex_lock(&crew->mutex);
    while (crew->appended < crew->end) {
        struct slot *slot = slot_of(crew, crew->appended);

        if (!slot->ready || slot->first != crew->appended) {
            (void)pthread_cond_wait(&crew->changed, &crew->mutex);
            continue;
        }
        (void)pthread_mutex_unlock(&crew->mutex);
        append(crew->loader, slot);
        (void)pthread_mutex_lock(&crew->mutex);
        slot->ready = false;
        crew->appended = slot->end;
        (void)pthread_cond_broadcast(&crew->changed);
    }
    (void)pthread_mutex_unlock(&crew->mutex);
}

static void make_slots(struct crew *crew)
{
    struct err err = {0};

    crew->slots = calloc(crew->num_slots, sizeof *crew->slots);
    if (crew->slots == NULL) die("no memory");
    for (size_t i = 0; i < crew->num_slots; i++) {
        crew->slots[i].leaves =
            calloc(LOADER_CHUNK, sizeof *crew->slots[i].leaves);
        if (crew->slots[i].leaves == NULL ||
            !chunk_new(&crew->slots[i].chunk, &err)) {
            die("no memory");
        }
    }
}

struct loader_cost loader_run(struct loader *loader, uint64_t end, bool flush)
{
    uint64_t first = loader->frontier.size, wall, cpu;
    unsigned num = loader->settings.threads;
    pthread_t threads[LOADER_THREADS_MAX];
    struct crew crew = {.loader = loader,
                        .mutex = PTHREAD_MUTEX_INITIALIZER,
                        .changed = PTHREAD_COND_INITIALIZER,
                        .next = first,
                        .end = end,
                        .appended = first,
                        .num_slots = num + SLOTS_MORE};
    struct err err = {0};

    if (num > LOADER_THREADS_MAX) die("BENCH_THREADS: too many");
    make_slots(&crew);
    wall = measure_now_ns();
    cpu = measure_cpu_ns();
    for (unsigned i = 0; i < num; i++) {
        if (pthread_create(&threads[i], NULL, make_chunks, &crew) != 0) {
            die("no thread");
        }
    }
    append_all(&crew);
    for (unsigned i = 0; i < num; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    if (flush && !index_flush(loader->index, &err)) {
        die("flush: %s", err.text);
    }
    wall = measure_now_ns() - wall;
    cpu = measure_cpu_ns() - cpu;
    for (size_t i = 0; i < crew.num_slots; i++) {
        chunk_free(crew.slots[i].chunk);
        free(crew.slots[i].leaves);
    }
    free(crew.slots);
    return (struct loader_cost){.entries = end - first,
                                .cpu_ns = cpu - crew.generator_ns,
                                .generator_ns = crew.generator_ns,
                                .wall_ns = wall};
}
