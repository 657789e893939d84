// pool.c - see pool.h.

#include "ingest/pool.h"

#include <stdlib.h>
#include <time.h>

enum {
    // What one large body left behind is not kept for the next.
    INFLATED_KEPT_MAX = 8 << 20,
};

struct pool_thread {
    struct pool *pool;
    pthread_t thread;
    struct worker worker;
};

struct pool {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct job *first, **last;
    unsigned num_idle; // threads that wait for a job
    bool closed;
    struct pool_thread *threads;
    unsigned num_threads;
};

// ---------------------------------------------------------------- workers

static void worker_cleanup(struct worker *worker)
{
    inflater_free(worker->inflater);
    chain_cache_cleanup(&worker->chains);
    buffer_cleanup(&worker->inflated);
    arena_cleanup(&worker->arena);
    arena_cleanup(&worker->entry);
}

static void work(struct job *job, struct worker *worker)
{
    struct pool_door *door = job->door;

    job->run(job, worker);
    arena_reset(&worker->arena);
    arena_reset(&worker->entry);
    if (worker->inflated.size > INFLATED_KEPT_MAX) {
        buffer_cleanup(&worker->inflated);
    }
    (void)pthread_mutex_lock(&door->lock);
    // Whoever found the list empty has woken the ring for those behind, too.
    if (door->first == NULL && door->ring != NULL &&
        door->pool->num_threads > 0) {
        ring_wake(door->ring);
    }
    job->next = NULL;
    *door->last = job;
    door->last = &job->next;
    (void)pthread_mutex_unlock(&door->lock);
}

// Waits for a job; NULL at the end.
static struct job *take(struct pool *pool)
{
    struct job *job;

    (void)pthread_mutex_lock(&pool->lock);
    pool->num_idle++;
    while (pool->first == NULL && !pool->closed) {
        (void)pthread_cond_wait(&pool->changed, &pool->lock);
    }
    pool->num_idle--;
    job = pool->first;
    if (job != NULL) {
        pool->first = job->next;
        if (pool->first == NULL) pool->last = &pool->first;
    }
    (void)pthread_mutex_unlock(&pool->lock);
    return job;
}

static void *run_thread(void *context)
{
    struct pool_thread *thread = context;
    struct job *job;

    (void)pthread_setname_np(pthread_self(), "sanct-worker");
    while ((job = take(thread->pool)) != NULL) {
        work(job, &thread->worker);
    }
    return NULL;
}

// ---------------------------------------------------------------- the pool

static bool start_thread(struct pool *pool, struct err *err)
{
    struct pool_thread *thread = &pool->threads[pool->num_threads];

    thread->pool = pool;
    if (!inflater_new(&thread->worker.inflater, err)) return false;
    if (pthread_create(&thread->thread, NULL, run_thread, thread) != 0) {
        worker_cleanup(&thread->worker);
        return err_set(err, ERR_MEMORY, "no thread for a worker");
    }
    pool->num_threads++;
    return true;
}

bool pool_open(struct pool **out, unsigned num_threads, struct err *err)
{
    struct pool *pool = calloc(1, sizeof *pool);

    if (pool == NULL) return err_set(err, ERR_MEMORY, "no memory");
    (void)pthread_mutex_init(&pool->lock, NULL);
    (void)pthread_cond_init(&pool->changed, NULL);
    pool->last = &pool->first;
    pool->threads = calloc(num_threads + 1, sizeof *pool->threads);
    if (pool->threads == NULL) {
        pool_close(pool);
        return err_set(err, ERR_MEMORY, "no memory for workers");
    }
    while (pool->num_threads < num_threads) {
        if (start_thread(pool, err)) continue;
        pool_close(pool);
        return false;
    }
    *out = pool;
    return true;
}

void pool_close(struct pool *pool)
{
    if (pool == NULL) return;
    (void)pthread_mutex_lock(&pool->lock);
    pool->closed = true;
    (void)pthread_cond_broadcast(&pool->changed);
    (void)pthread_mutex_unlock(&pool->lock);
    for (unsigned i = 0; i < pool->num_threads; i++) {
        (void)pthread_join(pool->threads[i].thread, NULL);
        worker_cleanup(&pool->threads[i].worker);
    }
    (void)pthread_mutex_destroy(&pool->lock);
    (void)pthread_cond_destroy(&pool->changed);
    free(pool->threads);
    free(pool);
}

// ---------------------------------------------------------------- the door

bool pool_door_init(struct pool_door *door, struct pool *pool,
                    struct ring *ring, struct err *err)
{
    *door = (struct pool_door){.pool = pool, .ring = ring};
    door->last = &door->first;
    (void)pthread_mutex_init(&door->lock, NULL);
    return inflater_new(&door->worker.inflater, err);
}

void pool_door_shut(struct pool_door *door)
{
    (void)pthread_mutex_lock(&door->lock);
    door->ring = NULL;
    (void)pthread_mutex_unlock(&door->lock);
}

void pool_door_cleanup(struct pool_door *door)
{
    if (door->pool == NULL) return;
    worker_cleanup(&door->worker);
    (void)pthread_mutex_destroy(&door->lock);
    *door = (struct pool_door){0};
}

void pool_take_back(struct pool_door *door)
{
    struct job *job;

    (void)pthread_mutex_lock(&door->lock);
    job = door->first;
    door->first = NULL;
    door->last = &door->first;
    (void)pthread_mutex_unlock(&door->lock);
    while (job != NULL) {
        struct job *next = job->next;

        job->done(job);
        job = next;
    }
}

static void on_post(struct ring_op *op, int result)
{
    (void)result;
    pool_take_back(RING_OWNER(op, struct pool_door, post));
}

void pool_put(struct pool_door *door, struct job *job)
{
    struct pool *pool = door->pool;

    job->door = door;
    if (pool->num_threads == 0) {
        work(job, &door->worker);
        if (!ring_busy(&door->post)) {
            ring_post(door->ring, &door->post, 0, on_post);
        }
        return;
    }
    (void)pthread_mutex_lock(&pool->lock);
    job->next = NULL;
    *pool->last = job;
    pool->last = &job->next;
    if (pool->num_idle > 0) (void)pthread_cond_signal(&pool->changed);
    (void)pthread_mutex_unlock(&pool->lock);
}

uint64_t pool_cpu_ns(void)
{
    struct timespec now = {0};

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

void cpu_meter_start(struct cpu_meter *meter)
{
    meter->weight = meter->num < CPU_SAMPLE        ? 1
                    : meter->num % CPU_SAMPLE == 0 ? CPU_SAMPLE
                                                   : 0;
    meter->num++;
    if (meter->weight > 0) meter->begun = pool_cpu_ns();
}

uint64_t cpu_meter_stop(struct cpu_meter *meter)
{
    if (meter->weight == 0) return 0;
    return (pool_cpu_ns() - meter->begun) * meter->weight;
}
