// host.c - see host.h.

#include "ingest/fetch/host.h"

#include <pthread.h>
#include <stdlib.h>
#include <strings.h>

struct host {
    struct host *next;
    char *authority;
    pthread_mutex_t lock;
    struct limit limit;
};

struct hosts {
    pthread_mutex_t lock;
    struct host *first;
};

bool hosts_new(struct hosts **out, struct err *err)
{
    struct hosts *hosts = calloc(1, sizeof *hosts);

    *out = hosts;
    if (hosts == NULL) return err_set(err, ERR_MEMORY, "no memory for hosts");
    (void)pthread_mutex_init(&hosts->lock, NULL);
    return true;
}

void hosts_free(struct hosts *hosts)
{
    if (hosts == NULL) return;
    while (hosts->first != NULL) {
        struct host *host = hosts->first;

        hosts->first = host->next;
        (void)pthread_mutex_destroy(&host->lock);
        free(host->authority);
        free(host);
    }
    (void)pthread_mutex_destroy(&hosts->lock);
    free(hosts);
}

static struct host *add(struct hosts *hosts, const char *authority)
{
    struct host *host = calloc(1, sizeof *host);

    if (host == NULL) return NULL;
    host->authority = strdup(authority);
    if (host->authority == NULL) {
        free(host);
        return NULL;
    }
    (void)pthread_mutex_init(&host->lock, NULL);
    limit_init(&host->limit, (uint64_t)(uintptr_t)host);
    host->next = hosts->first;
    hosts->first = host;
    return host;
}

struct host *hosts_find(struct hosts *hosts, const char *authority)
{
    struct host *host;

    (void)pthread_mutex_lock(&hosts->lock);
    host = hosts->first;
    while (host != NULL && strcasecmp(host->authority, authority) != 0) {
        host = host->next;
    }
    if (host == NULL) host = add(hosts, authority);
    (void)pthread_mutex_unlock(&hosts->lock);
    return host;
}

uint64_t host_reserve(struct host *host, struct limit_place *place,
                      uint64_t now_ms)
{
    uint64_t at_ms;

    (void)pthread_mutex_lock(&host->lock);
    at_ms = limit_reserve(&host->limit, place, now_ms);
    (void)pthread_mutex_unlock(&host->lock);
    return at_ms;
}

void host_good(struct host *host, uint64_t turn, uint64_t now_ms)
{
    (void)pthread_mutex_lock(&host->lock);
    limit_good(&host->limit, turn, now_ms);
    (void)pthread_mutex_unlock(&host->lock);
}

uint64_t host_refused(struct host *host, uint64_t turn, uint64_t asked_ms,
                      uint64_t now_ms)
{
    uint64_t at_ms;

    (void)pthread_mutex_lock(&host->lock);
    at_ms = limit_refused(&host->limit, turn, asked_ms, now_ms);
    (void)pthread_mutex_unlock(&host->lock);
    return at_ms;
}

struct limit host_limit(struct host *host)
{
    struct limit limit;

    (void)pthread_mutex_lock(&host->lock);
    limit = host->limit;
    (void)pthread_mutex_unlock(&host->lock);
    return limit;
}
