// pool.h - threads for the work on bodies that needs a core and no socket.
//
//   job->run    on a worker: inflate, parse, hash, understand, encode
//   job->done   back on the ring's thread, inside ring_run
//
// A pool without threads runs a job where it is put: with one processor there
// is nothing to hand over.
//
// Lifetime  a job is the pool's from pool_put to `done`, which may put it
//           again.  A door outlives its jobs, a pool its doors.
// Order     jobs begin in the order they were put and end in any.
// Thread    a door is of the thread of its ring, a worker of the job it runs.
// Limit     none of its own: the readers bound what is under way (reader/).

#pragma once

#include <pthread.h>

#include "index/base/arena.h"
#include "index/entry/chain_cache.h"
#include "index/net/ring.h"
#include "ingest/parse/inflate.h"

struct pool; // opaque
struct job;

// Processor time of what happens often.  Asking for it is a system call: after
// the first few times one in CPU_SAMPLE is measured, and stands for them all.
enum { CPU_SAMPLE = 16 };

struct cpu_meter {
    unsigned num, weight;
    uint64_t begun;
};

// What a thread reads bodies with; buffers and arenas are the job's alone.
struct worker {
    struct inflater *inflater;
    struct chain_cache chains;
    struct buffer inflated;
    struct arena arena; // of a body
    struct arena entry; // of one entry
    struct cpu_meter meter;
};

typedef void job_run(struct job *job, struct worker *worker);
typedef void job_done(struct job *job);

struct job {
    // Set by the caller; the rest {0}.
    job_run *run;
    job_done *done;

    // The pool's own.
    struct pool_door *door;
    struct job *next;
};

// JOB_OWNER gives the struct of `type` whose member `member` is `job`.
#define JOB_OWNER(job, type, member)                                           \
    ((type *)(void *)((char *)(job)-offsetof(type, member)))

// Where a ring's thread puts jobs and gets them back.
struct pool_door {
    struct pool *pool;
    struct ring *ring; // under the lock; NULL: nobody is woken
    pthread_mutex_t lock;
    struct job *first, **last; // that have run
    struct worker worker;      // where the pool has no threads
    struct ring_op post;
};

// pool_open starts `num_threads` workers, or none; pool_close waits until every
// job has run, and ends them.  Their `done` is not called any more.
MUST_USE bool pool_open(struct pool **out, unsigned num_threads,
                        struct err *err);
void pool_close(struct pool *pool);

// pool_door_init makes a door for `ring`; after pool_door_shut the ring may be
// closed, after pool_door_cleanup nothing is left.
MUST_USE bool pool_door_init(struct pool_door *door, struct pool *pool,
                             struct ring *ring, struct err *err);
void pool_door_shut(struct pool_door *door);
void pool_door_cleanup(struct pool_door *door);

// pool_put gives a job to the workers.
void pool_put(struct pool_door *door, struct job *job);

// pool_take_back calls `done` for jobs that have run: when the ring was woken.
void pool_take_back(struct pool_door *door);

// pool_cpu_ns is the processor time of the calling thread.
uint64_t pool_cpu_ns(void);

// cpu_meter_start begins to measure, cpu_meter_stop says how many nanoseconds
// that were; on one thread.
void cpu_meter_start(struct cpu_meter *meter);
uint64_t cpu_meter_stop(struct cpu_meter *meter);
