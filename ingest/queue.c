// queue.c - see queue.h.

#include "ingest/queue.h"

#include <time.h>

void queue_init(struct queue *queue)
{
    pthread_condattr_t attributes;

    *queue = (struct queue){0};
    queue->last = &queue->first;
    (void)pthread_mutex_init(&queue->lock, NULL);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&queue->changed, &attributes);
    (void)pthread_condattr_destroy(&attributes);
}

void queue_cleanup(struct queue *queue)
{
    (void)pthread_mutex_destroy(&queue->lock);
    (void)pthread_cond_destroy(&queue->changed);
}

void queue_put(struct queue *queue, struct batch *batch)
{
    (void)pthread_mutex_lock(&queue->lock);
    batch->next = NULL;
    *queue->last = batch;
    queue->last = &batch->next;
    (void)pthread_cond_signal(&queue->changed);
    (void)pthread_mutex_unlock(&queue->lock);
}

// Takes batches off the front; the lock is held.
static struct batch *cut(struct queue *queue, size_t max, uint64_t entries_max)
{
    struct batch *first = queue->first, *last = first;
    uint64_t entries;

    if (first == NULL) return NULL;
    entries = first->end - first->first;
    for (size_t i = 1; i < max && last->next != NULL; i++) {
        entries += last->next->end - last->next->first;
        if (entries > entries_max) break;
        last = last->next;
    }
    queue->first = last->next;
    if (queue->first == NULL) queue->last = &queue->first;
    last->next = NULL;
    return first;
}

struct batch *queue_take(struct queue *queue, size_t max, uint64_t entries_max)
{
    struct batch *first;

    (void)pthread_mutex_lock(&queue->lock);
    while (queue->first == NULL && !queue->closed) {
        (void)pthread_cond_wait(&queue->changed, &queue->lock);
    }
    first = cut(queue, max, entries_max);
    (void)pthread_mutex_unlock(&queue->lock);
    return first;
}

bool queue_wait(struct queue *queue, uint64_t ms)
{
    struct timespec end;
    bool is_there;
    int rc = 0;

    (void)clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += (time_t)(ms / 1000);
    end.tv_nsec += (long)(ms % 1000) * 1000000;
    if (end.tv_nsec >= 1000000000) {
        end.tv_nsec -= 1000000000;
        end.tv_sec++;
    }
    (void)pthread_mutex_lock(&queue->lock);
    while (queue->first == NULL && !queue->closed && rc == 0) {
        rc = pthread_cond_timedwait(&queue->changed, &queue->lock, &end);
    }
    is_there = queue->first != NULL || queue->closed;
    (void)pthread_mutex_unlock(&queue->lock);
    return is_there;
}

struct batch *queue_take_all(struct queue *queue)
{
    struct batch *first;

    (void)pthread_mutex_lock(&queue->lock);
    first = cut(queue, SIZE_MAX, UINT64_MAX);
    (void)pthread_mutex_unlock(&queue->lock);
    return first;
}

void queue_close(struct queue *queue)
{
    (void)pthread_mutex_lock(&queue->lock);
    queue->closed = true;
    (void)pthread_cond_broadcast(&queue->changed);
    (void)pthread_mutex_unlock(&queue->lock);
}
