// list_watch.c - see list_watch.h.

#include "ingest/list_watch.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "index/base/log.h"

enum { AFTER_FAILURE_MS = 60 * 60 * 1000 };

struct list_watch {
    const struct options *options;
    uint64_t every_ms;
    pthread_t thread;
    atomic_bool stop;
    pthread_mutex_t lock; // of what follows
    pthread_cond_t changed;
    bool has_choice;
    struct choice choice;
};

// Waits, unless it is to stop: then false.
static bool wait_ms(struct list_watch *watch, uint64_t ms)
{
    struct timespec until = {0};
    int result = 0;

    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(ms / 1000);
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    (void)pthread_mutex_lock(&watch->lock);
    while (!atomic_load(&watch->stop) && result == 0) {
        result = pthread_cond_timedwait(&watch->changed, &watch->lock, &until);
    }
    (void)pthread_mutex_unlock(&watch->lock);
    return !atomic_load(&watch->stop);
}

static void hand_over(struct list_watch *watch, struct choice *choice)
{
    (void)pthread_mutex_lock(&watch->lock);
    if (watch->has_choice) choice_cleanup(&watch->choice);
    watch->choice = *choice;
    watch->has_choice = true;
    (void)pthread_mutex_unlock(&watch->lock);
}

static void *run(void *context)
{
    struct list_watch *watch = context;
    uint64_t pause_ms = watch->every_ms;

    while (wait_ms(watch, pause_ms)) {
        struct choice choice;
        struct err err = {0};

        pause_ms = watch->every_ms;
        if (choice_make_again(&choice, watch->options, &watch->stop, &err)) {
            hand_over(watch, &choice);
        } else if (!atomic_load(&watch->stop)) {
            log_line(LOG_WARNING, "the list from before stands: %s", err.text);
            if (pause_ms > AFTER_FAILURE_MS) pause_ms = AFTER_FAILURE_MS;
        }
    }
    return NULL;
}

bool list_watch_start(struct list_watch **out, const struct options *options,
                      uint64_t every_ms, struct err *err)
{
    struct list_watch *watch = calloc(1, sizeof *watch);
    pthread_condattr_t attributes;

    if (watch == NULL) return err_set(err, ERR_MEMORY, "no memory for a list");
    watch->options = options;
    watch->every_ms = every_ms;
    (void)pthread_mutex_init(&watch->lock, NULL);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&watch->changed, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    if (pthread_create(&watch->thread, NULL, run, watch) != 0) {
        (void)pthread_mutex_destroy(&watch->lock);
        (void)pthread_cond_destroy(&watch->changed);
        free(watch);
        return err_set(err, ERR_MEMORY, "no thread for a list");
    }
    *out = watch;
    return true;
}

bool list_watch_take(struct list_watch *watch, struct choice *choice)
{
    bool taken;

    if (watch == NULL) return false;
    (void)pthread_mutex_lock(&watch->lock);
    taken = watch->has_choice;
    if (taken) *choice = watch->choice;
    watch->has_choice = false;
    (void)pthread_mutex_unlock(&watch->lock);
    return taken;
}

void list_watch_stop(struct list_watch *watch)
{
    if (watch == NULL) return;
    (void)pthread_mutex_lock(&watch->lock);
    atomic_store(&watch->stop, true);
    (void)pthread_cond_signal(&watch->changed);
    (void)pthread_mutex_unlock(&watch->lock);
    (void)pthread_join(watch->thread, NULL);
    if (watch->has_choice) choice_cleanup(&watch->choice);
    (void)pthread_mutex_destroy(&watch->lock);
    (void)pthread_cond_destroy(&watch->changed);
    free(watch);
}
