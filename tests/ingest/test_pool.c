// test_pool.c - jobs run on workers and come back on the ring's thread.

#include <stdatomic.h>

#include "ingest/pool.h"
#include "tests/support/check.h"

enum { NUM_JOBS = 500, ROUNDS = 4 };

struct task {
    struct job job;
    struct counts *counts;
    unsigned rounds;
    atomic_uint num_runs;
};

struct counts {
    struct pool_door door;
    unsigned num_done;
    pthread_t ring_thread;
};

static void run(struct job *job, struct worker *worker)
{
    struct task *task = JOB_OWNER(job, struct task, job);

    CHECK(worker->inflater != NULL);
    // What a job before left is gone.
    CHECK(worker->arena.used == 0);
    CHECK(arena_alloc(&worker->arena, 100) != NULL);
    atomic_fetch_add(&task->num_runs, 1);
}

static void done(struct job *job)
{
    struct task *task = JOB_OWNER(job, struct task, job);
    struct counts *counts = task->counts;

    CHECK(pthread_equal(pthread_self(), counts->ring_thread));
    CHECK(atomic_load(&task->num_runs) == ++task->rounds);
    if (task->rounds < ROUNDS) {
        pool_put(&counts->door, job);
    } else {
        counts->num_done++;
    }
}

static void woken(void *context)
{
    struct counts *counts = context;

    pool_take_back(&counts->door);
}

static void every_job_comes_back_each_time(void **state)
{
    static const unsigned num_threads[] = {0, 1, 2, 8};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(num_threads); i++) {
        struct counts counts = {.ring_thread = pthread_self()};
        struct task *tasks = calloc(NUM_JOBS, sizeof *tasks);
        struct pool *pool;
        struct ring *ring;
        struct err err;

        CHECK(ring_open(&ring, RING_DEPTH_MIN, &err));
        CHECK(pool_open(&pool, num_threads[i], &err));
        CHECK(pool_door_init(&counts.door, pool, ring, &err));
        ring_on_wake(ring, woken, &counts);
        for (size_t k = 0; k < NUM_JOBS; k++) {
            tasks[k].counts = &counts;
            tasks[k].job.run = run;
            tasks[k].job.done = done;
            pool_put(&counts.door, &tasks[k].job);
        }
        CHECK(counts.num_done == 0); // not before the ring runs
        while (counts.num_done < NUM_JOBS) {
            CHECK(ring_run(ring, true, &err));
        }
        pool_door_shut(&counts.door);
        ring_close(ring);
        pool_close(pool);
        pool_door_cleanup(&counts.door);
        free(tasks);
    }
}

// A ring that is lost takes nothing back: jobs run all the same, and end.
static void closing_waits_for_jobs(void **state)
{
    struct counts counts = {.ring_thread = pthread_self()};
    struct task *tasks = calloc(NUM_JOBS, sizeof *tasks);
    struct pool *pool;
    struct err err;

    (void)state;
    CHECK(pool_open(&pool, 3, &err));
    CHECK(pool_door_init(&counts.door, pool, NULL, &err));
    for (size_t k = 0; k < NUM_JOBS; k++) {
        tasks[k].counts = &counts;
        tasks[k].job.run = run;
        tasks[k].job.done = done;
        pool_put(&counts.door, &tasks[k].job);
    }
    pool_close(pool);
    for (size_t k = 0; k < NUM_JOBS; k++) {
        CHECK(atomic_load(&tasks[k].num_runs) == 1);
    }
    CHECK(counts.num_done == 0);
    pool_door_cleanup(&counts.door);
    free(tasks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_job_comes_back_each_time),
        cmocka_unit_test(closing_waits_for_jobs),
    };

    (void)setenv("CMOCKA_MESSAGE_OUTPUT", "stdout", 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
