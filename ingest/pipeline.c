// pipeline.c - see pipeline.h.

#include "ingest/pipeline.h"

#include <stdlib.h>
#include <time.h>

#include "index/base/log.h"
#include "ingest/hash_set.h"

enum {
    CHUNKS_A_TRANSACTION = 8,
    // What one entry makes LMDB hold until a transaction ends, measured on
    // the test log: the pages of its record and of some four keys.
    TRANSACTION_BYTES_PER_ENTRY = 6 << 10,
    // Room for logs that a list may yet bring.
    LOGS_SPARE_MIN = 4,
    LOGS_SPARE_SHARE = 4,
    SPARE_SHARE = 8, // of --memory, for logs that need more than others
    IDLE_MS = 200,   // without a batch, until what waits is flushed
};

struct ring_thread {
    struct pipeline *pipeline;
    pthread_t thread;
    bool started;
    struct ring *_Atomic ring; // for wakes; NULL: not open, or closed again
    pthread_mutex_t ring_lock; // a wake must not meet the close
    struct queue back;         // from the writer
    size_t first, num;         // its logs: first, first + step, ...
    struct pool_door door;
    size_t num_running;
    bool stop_seen;
    atomic_uint_fast64_t num_syscalls;
};

struct log_slot {
    struct reader_config config;
    struct reader *_Atomic reader; // NULL: not yet
    struct ring_thread *thread;
    atomic_bool begun;     // or ended without
    atomic_bool has_news;  // of its end:
    struct index_log news; // under the pipeline's lock
};

struct pipeline {
    struct index *index;
    const struct pipeline_options *options;
    struct fetch_shared *shared;
    struct log_slot *logs[PIPELINE_LOGS_MAX]; // those below num_logs stay
    atomic_size_t num_logs;
    size_t logs_max;     // that the memory is shared by
    atomic_size_t spare; // memory that no log needs now
    atomic_bool started, joining;
    struct ring_thread *threads;
    unsigned num_threads;
    struct pool *pool;
    pthread_t writer;
    bool writer_started;
    struct queue to_write;
    atomic_size_t backlog; // batches at the writer
    atomic_bool stop;
    atomic_size_t num_ended;
    pthread_mutex_t lock; // of what follows
    bool failed;
    struct err err;
    struct hash_set issuers;
    pthread_mutex_t evidence_lock;
};

// ---------------------------------------------------------------- for readers

struct index *pipeline_index(const struct pipeline *pipeline)
{
    return pipeline->index;
}

const struct pipeline_options *pipeline_options(const struct pipeline *pipeline)
{
    return pipeline->options;
}

void pipeline_write(struct pipeline *pipeline, struct batch *batch)
{
    atomic_fetch_add(&pipeline->backlog, 1);
    queue_put(&pipeline->to_write, batch);
}

bool pipeline_evidence(struct pipeline *pipeline,
                       const struct evidence *evidence, struct err *err)
{
    bool ok;

    (void)pthread_mutex_lock(&pipeline->evidence_lock);
    ok = evidence_write(index_dir(pipeline->index), evidence, err);
    (void)pthread_mutex_unlock(&pipeline->evidence_lock);
    return ok;
}

static void wake(struct ring_thread *thread)
{
    (void)pthread_mutex_lock(&thread->ring_lock);
    if (thread->ring != NULL) ring_wake(thread->ring);
    (void)pthread_mutex_unlock(&thread->ring_lock);
}

void pipeline_stop(struct pipeline *pipeline)
{
    atomic_store(&pipeline->stop, true);
    for (unsigned i = 0; i < pipeline->num_threads; i++) {
        wake(&pipeline->threads[i]);
    }
}

void pipeline_fail(struct pipeline *pipeline, const struct err *err)
{
    (void)pthread_mutex_lock(&pipeline->lock);
    if (!pipeline->failed) {
        pipeline->failed = true;
        pipeline->err = *err;
    }
    (void)pthread_mutex_unlock(&pipeline->lock);
    pipeline_stop(pipeline);
}

static bool is_failed(struct pipeline *pipeline)
{
    bool failed;

    (void)pthread_mutex_lock(&pipeline->lock);
    failed = pipeline->failed;
    (void)pthread_mutex_unlock(&pipeline->lock);
    return failed;
}

bool pipeline_claim_issuer(struct pipeline *pipeline,
                           const struct sha256_hash *fingerprint)
{
    bool is_new;

    (void)pthread_mutex_lock(&pipeline->lock);
    is_new = hash_set_add(&pipeline->issuers, fingerprint);
    (void)pthread_mutex_unlock(&pipeline->lock);
    return is_new;
}

bool pipeline_borrow(struct pipeline *pipeline, size_t bytes)
{
    size_t spare = atomic_load(&pipeline->spare);

    do {
        if (spare < bytes) return false;
    } while (
        !atomic_compare_exchange_weak(&pipeline->spare, &spare, spare - bytes));
    return true;
}

void pipeline_give_back(struct pipeline *pipeline, size_t bytes)
{
    atomic_fetch_add(&pipeline->spare, bytes);
}

// ---------------------------------------------------------------- the writer

static bool add_issuers(struct pipeline *pipeline, struct batch *batch,
                        struct err *err)
{
    struct bytes rest = buffer_bytes(&batch->issuers), der;

    if (!buffer_ok(&batch->issuers)) {
        return err_set(err, ERR_MEMORY, "no memory for issuers");
    }
    while (bytes_read_vector(&rest, &der, 4)) {
        if (!index_add_issuer(pipeline->index, der, err)) return false;
    }
    return true;
}

static bool append(struct pipeline *pipeline, struct batch *first,
                   struct err *err)
{
    struct chunk *chunks[CHUNKS_A_TRANSACTION * BATCH_PARTS_MAX];
    struct chunk_proof *proofs = malloc(CHUNKS_A_TRANSACTION * sizeof *proofs);
    size_t num = 0, num_chunks = 0;
    bool ok = proofs != NULL || err_set(err, ERR_MEMORY, "no memory");

    for (struct batch *batch = first; ok && batch != NULL;
         batch = batch->next) {
        ok = add_issuers(pipeline, batch, err);
        proofs[num] = batch->proof;
        proofs[num].num_parts = batch_chunks(batch, chunks + num_chunks);
        num_chunks += proofs[num++].num_parts;
    }
    ok = ok && index_append(pipeline->index, chunks, proofs, num, err);
    free(proofs);
    return ok;
}

static void give_back(struct pipeline *pipeline, struct batch *batch)
{
    for (size_t i = 0; i < pipeline->num_logs; i++) {
        struct log_slot *slot = pipeline->logs[i];

        if (slot->reader != batch->reader) continue;
        atomic_fetch_sub(&pipeline->backlog, 1);
        queue_put(&slot->thread->back, batch);
        wake(slot->thread);
        return;
    }
    abort(); // a batch of no log
}

// What was appended becomes visible when nothing more has come for a while.
static void wait_for_batch(struct pipeline *pipeline)
{
    uint64_t idle_ms = 0;

    while (!queue_wait(&pipeline->to_write, IDLE_MS)) {
        struct err err;

        idle_ms += IDLE_MS;
        if (is_failed(pipeline)) continue;
        if (!index_flush_idle(pipeline->index, idle_ms, &err)) {
            pipeline_fail(pipeline, &err);
        }
    }
}

static void flush_rest(struct pipeline *pipeline)
{
    struct err err;

    if (is_failed(pipeline)) return;
    if (!index_flush(pipeline->index, &err)) pipeline_fail(pipeline, &err);
}

static void *run_writer(void *context)
{
    struct pipeline *pipeline = context;
    uint64_t entries_max =
        pipeline->options->memory / 4 / TRANSACTION_BYTES_PER_ENTRY;
    struct batch *first;

    (void)pthread_setname_np(pthread_self(), "sanct-writer");
    for (;;) {
        wait_for_batch(pipeline);
        first =
            queue_take(&pipeline->to_write, CHUNKS_A_TRANSACTION, entries_max);
        if (first == NULL) break;
        uint64_t begun = pool_cpu_ns(), cpu_ns;
        struct err err = {0};
        size_t num = 0;
        bool ok = !is_failed(pipeline) && append(pipeline, first, &err);

        if (!ok && err.code != ERR_NONE) pipeline_fail(pipeline, &err);
        cpu_ns = pool_cpu_ns() - begun;
        for (struct batch *batch = first; batch != NULL; batch = batch->next) {
            num++;
        }
        while (first != NULL) {
            struct batch *next = first->next;

            first->written = ok;
            first->err = err;
            first->cpu_ns = cpu_ns / num;
            give_back(pipeline, first);
            first = next;
        }
    }
    flush_rest(pipeline);
    return NULL;
}

bool pipeline_snapshot(struct pipeline *pipeline, struct snapshot **out,
                       struct err *err)
{
    return index_flush(pipeline->index, err) &&
           snapshot_open(out, pipeline->index, err);
}

// ---------------------------------------------------------------- ring threads

static void on_ended(void *context)
{
    struct ring_thread *thread = context;

    thread->num_running--;
    atomic_fetch_add(&thread->pipeline->num_ended, 1);
}

static void begin_logs(struct ring_thread *thread);
static void spread_news(struct ring_thread *thread);

static void on_wake(void *context)
{
    struct ring_thread *thread = context;
    struct pipeline *pipeline = thread->pipeline;
    struct batch *batch = queue_take_all(&thread->back);

    pool_take_back(&thread->door);
    while (batch != NULL) {
        struct batch *next = batch->next;

        reader_take_back(batch->reader, batch);
        batch = next;
    }
    begin_logs(thread);
    spread_news(thread);
    if (!atomic_load(&pipeline->stop) || thread->stop_seen) return;
    thread->stop_seen = true;
    for (size_t i = 0; i < pipeline->num_logs; i++) {
        struct log_slot *slot = pipeline->logs[i];

        if (slot->thread == thread && slot->reader != NULL) {
            reader_stop(slot->reader);
        }
    }
}

static bool open_reader(struct ring_thread *thread, struct log_slot *slot,
                        struct err *err)
{
    struct pipeline *pipeline = thread->pipeline;
    const struct pipeline_options *options = pipeline->options;
    // A quarter of --memory is for the transaction, a quarter for stacks, what
    // the allocator wastes and what is lent.
    size_t memory = (size_t)(options->memory / 2 / pipeline->logs_max);
    struct reader_options reader = {
        .pipeline = pipeline,
        .ring = thread->ring,
        .shared = pipeline->shared,
        .door = &thread->door,
        .memory = memory,
        .ended = on_ended,
        .context = thread,
    };
    struct reader *made;

    if (!reader_new(&made, &slot->config, &reader, err)) return false;
    atomic_store(&slot->reader, made);
    return true;
}

// Begins those of the thread's logs that are new to it; when all is to stop,
// they have ended before they began.
static void begin_logs(struct ring_thread *thread)
{
    struct pipeline *pipeline = thread->pipeline;
    size_t num_logs = atomic_load(&pipeline->num_logs);

    for (size_t i = 0; i < num_logs; i++) {
        struct log_slot *slot = pipeline->logs[i];
        struct err err;

        if (slot->thread != thread || atomic_exchange(&slot->begun, true)) {
            continue;
        }
        if (atomic_load(&pipeline->stop)) {
            atomic_fetch_add(&pipeline->num_ended, 1);
        } else if (open_reader(thread, slot, &err)) {
            thread->num_running++;
            reader_start(slot->reader);
        } else {
            atomic_fetch_add(&pipeline->num_ended, 1);
            pipeline_fail(pipeline, &err);
        }
    }
}

// Readers learn what a list says anew of their logs.
static void spread_news(struct ring_thread *thread)
{
    struct pipeline *pipeline = thread->pipeline;
    size_t num_logs = atomic_load(&pipeline->num_logs);

    for (size_t i = 0; i < num_logs; i++) {
        struct log_slot *slot = pipeline->logs[i];
        struct index_log news;

        if (slot->thread != thread || slot->reader == NULL ||
            !atomic_exchange(&slot->has_news, false)) {
            continue;
        }
        (void)pthread_mutex_lock(&pipeline->lock);
        news = slot->news;
        (void)pthread_mutex_unlock(&pipeline->lock);
        reader_set_final(slot->reader, &news);
    }
}

// Logs that came too late to be begun: each counts once as ended.
static void end_unbegun(struct pipeline *pipeline)
{
    size_t num_logs = atomic_load(&pipeline->num_logs);

    if (!atomic_load(&pipeline->stop)) return;
    for (size_t i = 0; i < num_logs; i++) {
        if (!atomic_exchange(&pipeline->logs[i]->begun, true)) {
            atomic_fetch_add(&pipeline->num_ended, 1);
        }
    }
}

// A thread without a log waits for those that may be added.
static bool may_get_more(struct pipeline *pipeline)
{
    return pipeline->options->may_grow && !atomic_load(&pipeline->stop) &&
           !atomic_load(&pipeline->joining);
}

static void *run_ring(void *context)
{
    struct ring_thread *thread = context;
    struct pipeline *pipeline = thread->pipeline;
    struct ring *ring = NULL;
    struct err err;

    (void)pthread_setname_np(pthread_self(), "sanct-ring");
    if (!ring_open(&ring, RING_DEPTH, &err)) {
        pipeline_fail(pipeline, &err);
        atomic_fetch_add(&pipeline->num_ended, thread->num);
        return NULL;
    }
    ring_on_wake(ring, on_wake, thread);
    (void)pthread_mutex_lock(&thread->ring_lock);
    thread->ring = ring;
    (void)pthread_mutex_unlock(&thread->ring_lock);
    if (!pool_door_init(&thread->door, pipeline->pool, ring, &err)) {
        pipeline_fail(pipeline, &err);
        atomic_fetch_add(&pipeline->num_ended, thread->num);
        return NULL;
    }
    begin_logs(thread);
    ring_wake(ring); // a stop may have come before there was a ring
    while (thread->num_running > 0 || may_get_more(pipeline)) {
        if (!ring_run(ring, true, &err)) {
            pipeline_fail(pipeline, &err);
            atomic_fetch_add(&pipeline->num_ended, thread->num_running);
            return NULL;
        }
        atomic_store(&thread->num_syscalls, ring_num_syscalls(ring));
    }
    pool_door_shut(&thread->door);
    (void)pthread_mutex_lock(&thread->ring_lock);
    thread->ring = NULL;
    (void)pthread_mutex_unlock(&thread->ring_lock);
    while (ring_num_in_flight(ring) > 0 && ring_run(ring, true, &err)) {
        // Late comers: timers that were called back.
    }
    ring_close(ring);
    end_unbegun(pipeline);
    return NULL;
}

// ---------------------------------------------------------------- the caller

bool pipeline_open(struct pipeline **out, struct index *index,
                   const struct pipeline_options *options, struct err *err)
{
    struct fetch_shared_options shared = {
        .contact = options->contact,
        .ca_file = options->ca_file,
        .tls_skip = options->tls_skip,
        .proxy = options->proxy,
    };
    struct pipeline *pipeline = calloc(1, sizeof *pipeline);

    if (pipeline == NULL) return err_set(err, ERR_MEMORY, "no memory");
    pipeline->index = index;
    pipeline->options = options;
    queue_init(&pipeline->to_write);
    (void)pthread_mutex_init(&pipeline->lock, NULL);
    (void)pthread_mutex_init(&pipeline->evidence_lock, NULL);
    if (!fetch_shared_open(&pipeline->shared, &shared, err)) {
        pipeline_close(pipeline);
        return false;
    }
    *out = pipeline;
    return true;
}

bool pipeline_add(struct pipeline *pipeline, const struct reader_config *config,
                  struct err *err)
{
    size_t num_logs = atomic_load(&pipeline->num_logs);
    struct log_slot *slot =
        num_logs < PIPELINE_LOGS_MAX ? calloc(1, sizeof *slot) : NULL;

    if (slot == NULL) return err_set(err, ERR_MEMORY, "no memory for logs");
    slot->config = *config;
    pipeline->logs[num_logs] = slot;
    if (atomic_load(&pipeline->started)) {
        slot->thread = &pipeline->threads[num_logs % pipeline->num_threads];
        slot->thread->num++;
    }
    atomic_store(&pipeline->num_logs, num_logs + 1);
    if (slot->thread == NULL) return true;
    wake(slot->thread);
    if (atomic_load(&pipeline->stop)) end_unbegun(pipeline);
    return true;
}

bool pipeline_has_room(const struct pipeline *pipeline)
{
    return pipeline->options->may_grow &&
           atomic_load(&pipeline->num_logs) < pipeline->logs_max;
}

void pipeline_set_final(struct pipeline *pipeline, size_t position,
                        const struct index_log *log)
{
    struct log_slot *slot = pipeline->logs[position];

    (void)pthread_mutex_lock(&pipeline->lock);
    slot->news = *log;
    (void)pthread_mutex_unlock(&pipeline->lock);
    atomic_store(&slot->has_news, true);
    wake(slot->thread);
}

// By how many logs the memory is shared: those there are, and some more where
// they may come.
static size_t logs_max(const struct pipeline *pipeline)
{
    size_t num = atomic_load(&pipeline->num_logs), max = num;

    if (pipeline->options->may_grow) {
        max += num / LOGS_SPARE_SHARE + LOGS_SPARE_MIN;
    }
    return max < PIPELINE_LOGS_MAX ? max : PIPELINE_LOGS_MAX;
}

bool pipeline_start(struct pipeline *pipeline, struct err *err)
{
    unsigned num_threads = pipeline->options->num_threads;

    if (num_threads > pipeline->num_logs) {
        num_threads = (unsigned)pipeline->num_logs;
    }
    pipeline->logs_max = logs_max(pipeline);
    atomic_store(&pipeline->spare, pipeline->options->memory / SPARE_SHARE);
    // With one thread there is nobody to hand work to.
    if (!pool_open(&pipeline->pool,
                   pipeline->options->num_threads > 1
                       ? pipeline->options->num_threads
                       : 0,
                   err)) {
        return false;
    }
    pipeline->threads = calloc(num_threads, sizeof *pipeline->threads);
    if (pipeline->threads == NULL) return err_set(err, ERR_MEMORY, "no memory");
    for (unsigned i = 0; i < num_threads; i++) {
        struct ring_thread *thread = &pipeline->threads[i];

        thread->pipeline = pipeline;
        queue_init(&thread->back);
        (void)pthread_mutex_init(&thread->ring_lock, NULL);
        pipeline->num_threads++;
    }
    for (size_t i = 0; i < pipeline->num_logs; i++) {
        pipeline->logs[i]->thread = &pipeline->threads[i % num_threads];
        pipeline->logs[i]->thread->num++;
    }
    atomic_store(&pipeline->started, true);
    if (pthread_create(&pipeline->writer, NULL, run_writer, pipeline) != 0) {
        return err_set(err, ERR_MEMORY, "no thread for the writer");
    }
    pipeline->writer_started = true;
    for (unsigned i = 0; i < num_threads; i++) {
        struct ring_thread *thread = &pipeline->threads[i];

        if (pthread_create(&thread->thread, NULL, run_ring, thread) != 0) {
            (void)err_set(err, ERR_MEMORY, "no thread for a ring");
            pipeline_fail(pipeline, err);
            return false;
        }
        thread->started = true;
    }
    return true;
}

bool pipeline_is_done(const struct pipeline *pipeline)
{
    return atomic_load(&pipeline->num_ended) >= pipeline->num_logs;
}

bool pipeline_join(struct pipeline *pipeline, struct err *err)
{
    atomic_store(&pipeline->joining, true);
    for (unsigned i = 0; i < pipeline->num_threads; i++) {
        if (!pipeline->threads[i].started) continue;
        wake(&pipeline->threads[i]);
        (void)pthread_join(pipeline->threads[i].thread, NULL);
        pipeline->threads[i].started = false;
    }
    pool_close(pipeline->pool);
    pipeline->pool = NULL;
    queue_close(&pipeline->to_write);
    if (pipeline->writer_started) (void)pthread_join(pipeline->writer, NULL);
    pipeline->writer_started = false;
    if (!pipeline->failed) return true;
    *err = pipeline->err;
    return false;
}

size_t pipeline_num_logs(const struct pipeline *pipeline)
{
    return pipeline->num_logs;
}

struct reader_totals pipeline_totals(const struct pipeline *pipeline,
                                     size_t position)
{
    struct reader *reader = pipeline->logs[position]->reader;

    if (reader == NULL) return (struct reader_totals){0};
    return reader_totals(reader);
}

const struct reader_config *pipeline_config(const struct pipeline *pipeline,
                                            size_t position)
{
    return &pipeline->logs[position]->config;
}

size_t pipeline_backlog(const struct pipeline *pipeline)
{
    return atomic_load(&pipeline->backlog);
}

uint64_t pipeline_num_syscalls(const struct pipeline *pipeline)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < pipeline->num_threads; i++) {
        sum += atomic_load(&pipeline->threads[i].num_syscalls);
    }
    return sum;
}

void pipeline_close(struct pipeline *pipeline)
{
    if (pipeline == NULL) return;
    pool_close(pipeline->pool);
    for (size_t i = 0; i < pipeline->num_logs; i++) {
        reader_free(pipeline->logs[i]->reader);
        log_key_free(pipeline->logs[i]->config.key);
        free(pipeline->logs[i]);
    }
    for (unsigned i = 0; i < pipeline->num_threads; i++) {
        pool_door_cleanup(&pipeline->threads[i].door);
        queue_cleanup(&pipeline->threads[i].back);
        (void)pthread_mutex_destroy(&pipeline->threads[i].ring_lock);
    }
    fetch_shared_close(pipeline->shared);
    queue_cleanup(&pipeline->to_write);
    (void)pthread_mutex_destroy(&pipeline->lock);
    (void)pthread_mutex_destroy(&pipeline->evidence_lock);
    hash_set_cleanup(&pipeline->issuers);
    free(pipeline->threads);
    free(pipeline);
}
