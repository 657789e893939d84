// queue.h - batches between threads: many put, one takes.
//
// It never holds more than there are batches, so it needs no bound of its own.
//
// Thread    any.

#pragma once

#include <pthread.h>

#include "ingest/batch.h"

struct queue {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct batch *first, **last;
    bool closed;
};

// queue_init makes it empty; queue_cleanup ends it, empty or not.
void queue_init(struct queue *queue);
void queue_cleanup(struct queue *queue);

// queue_put adds a batch at the end.
void queue_put(struct queue *queue, struct batch *batch);

// queue_take waits for batches and takes one, and then up to `max` in order,
// linked by `next`, while they hold no more than `entries_max` entries; NULL
// when the queue is closed and empty.
struct batch *queue_take(struct queue *queue, size_t max, uint64_t entries_max);

// queue_wait waits until there is a batch or the queue is closed; false when
// neither came in `ms`.
bool queue_wait(struct queue *queue, uint64_t ms);

// queue_take_all takes all there are without waiting; NULL when there is none.
struct batch *queue_take_all(struct queue *queue);

// queue_close says that nothing more will be put.
void queue_close(struct queue *queue);
