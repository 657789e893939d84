// resolve.c - see resolve.h.

#include "ingest/fetch/resolve.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

// Shared by its owner, every helper thread and every lookup; the last frees.
struct resolver {
    pthread_mutex_t lock;
    pthread_cond_t asked;
    struct resolve_lookup *first;
    struct resolve_lookup **last;
    unsigned num_threads;
    unsigned num_idle;
    unsigned num_references;
    resolve_ask *ask;
    bool closing;
};

struct resolve_lookup {
    struct resolver *resolver;
    struct resolve_lookup *next;
    int notify_fd;
    bool done;
    bool dropped;
    int error; // EAI_…
    struct resolve_addresses addresses;
    uint16_t port;
    char host[RESOLVE_HOST_MAX];
};

// Called with the lock held, and gives it back.
static void unlock_and_release(struct resolver *resolver)
{
    bool is_last = --resolver->num_references == 0;

    pthread_mutex_unlock(&resolver->lock);
    if (!is_last) return;
    pthread_mutex_destroy(&resolver->lock);
    pthread_cond_destroy(&resolver->asked);
    free(resolver);
}

static resolve_ask ask_system;

bool resolver_open(struct resolver **resolver, resolve_ask *ask,
                   struct err *err)
{
    struct resolver *made = calloc(1, sizeof *made);

    *resolver = made;
    if (made == NULL) return err_set(err, ERR_MEMORY, "resolver: no memory");
    pthread_mutex_init(&made->lock, NULL);
    pthread_cond_init(&made->asked, NULL);
    made->last = &made->first;
    made->num_references = 1;
    made->ask = ask != NULL ? ask : ask_system;
    return true;
}

void resolver_close(struct resolver *resolver)
{
    if (resolver == NULL) return;
    pthread_mutex_lock(&resolver->lock);
    resolver->closing = true;
    pthread_cond_broadcast(&resolver->asked);
    unlock_and_release(resolver);
}

// ---------------------------------------------------------------- asking

static int ask(struct resolve_addresses *addresses, const char *host,
               uint16_t port, int flags)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_flags = flags | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    char service[8];
    int error;

    addresses->num = 0;
    (void)snprintf(service, sizeof service, "%u", port);
    error = getaddrinfo(host, service, &hints, &found);
    if (error != 0) return error;
    for (struct addrinfo *one = found;
         one != NULL && addresses->num < RESOLVE_ADDRESSES_MAX;
         one = one->ai_next) {
        struct resolve_address *to = &addresses->list[addresses->num];

        if (one->ai_addrlen > sizeof to->address) continue;
        memcpy(&to->address, one->ai_addr, one->ai_addrlen);
        to->len = one->ai_addrlen;
        addresses->num++;
    }
    freeaddrinfo(found);
    return addresses->num > 0 ? 0 : EAI_NONAME;
}

static int ask_system(struct resolve_addresses *addresses, const char *host,
                      uint16_t port)
{
    return ask(addresses, host, port, 0);
}

bool resolve_literal(struct resolve_addresses *addresses, const char *host,
                     uint16_t port)
{
    return ask(addresses, host, port, AI_NUMERICHOST) == 0;
}

// Frees a lookup; called with the lock held, and gives it back.
static void free_and_unlock(struct resolve_lookup *lookup)
{
    struct resolver *resolver = lookup->resolver;

    free(lookup);
    unlock_and_release(resolver);
}

static void finish(struct resolve_lookup *lookup,
                   const struct resolve_addresses *addresses, int error)
{
    struct resolver *resolver = lookup->resolver;
    uint64_t one = 1;

    pthread_mutex_lock(&resolver->lock);
    if (lookup->dropped) {
        free_and_unlock(lookup);
        return;
    }
    lookup->addresses = *addresses;
    lookup->error = error;
    lookup->done = true;
    // Under the lock: resolve_drop lets the caller close the descriptor.
    if (write(lookup->notify_fd, &one, sizeof one) < 0) {
        // A full counter wakes the reader as well.
    }
    pthread_mutex_unlock(&resolver->lock);
}

static void *help(void *context)
{
    struct resolver *resolver = context;

    pthread_mutex_lock(&resolver->lock);
    for (;;) {
        struct resolve_lookup *lookup = resolver->first;
        struct resolve_addresses addresses;

        if (lookup == NULL && resolver->closing) break;
        if (lookup == NULL) {
            resolver->num_idle++;
            pthread_cond_wait(&resolver->asked, &resolver->lock);
            resolver->num_idle--;
            continue;
        }
        resolver->first = lookup->next;
        if (resolver->first == NULL) resolver->last = &resolver->first;
        pthread_mutex_unlock(&resolver->lock);
        finish(lookup, &addresses,
               resolver->ask(&addresses, lookup->host, lookup->port));
        pthread_mutex_lock(&resolver->lock);
    }
    resolver->num_threads--;
    unlock_and_release(resolver);
    return NULL;
}

// Called with the lock held.
static bool add_thread(struct resolver *resolver)
{
    pthread_attr_t attributes;
    pthread_t thread;
    bool made;

    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    made = pthread_create(&thread, &attributes, help, resolver) == 0;
    pthread_attr_destroy(&attributes);
    if (!made) return false;
    resolver->num_threads++;
    resolver->num_references++;
    return true;
}

struct resolve_lookup *resolve_start(struct resolver *resolver,
                                     const char *host, uint16_t port,
                                     int notify_fd)
{
    struct resolve_lookup *lookup = calloc(1, sizeof *lookup);

    if (lookup == NULL) return NULL;
    lookup->resolver = resolver;
    lookup->notify_fd = notify_fd;
    lookup->port = port;
    (void)snprintf(lookup->host, sizeof lookup->host, "%s", host);
    pthread_mutex_lock(&resolver->lock);
    if (resolver->num_idle == 0 &&
        resolver->num_threads < RESOLVE_THREADS_MAX && !add_thread(resolver) &&
        resolver->num_threads == 0) {
        pthread_mutex_unlock(&resolver->lock);
        free(lookup);
        return NULL;
    }
    resolver->num_references++;
    *resolver->last = lookup;
    resolver->last = &lookup->next;
    pthread_cond_signal(&resolver->asked);
    pthread_mutex_unlock(&resolver->lock);
    return lookup;
}

bool resolve_is_done(struct resolve_lookup *lookup)
{
    bool done;

    pthread_mutex_lock(&lookup->resolver->lock);
    done = lookup->done;
    pthread_mutex_unlock(&lookup->resolver->lock);
    return done;
}

bool resolve_take(struct resolve_lookup *lookup,
                  struct resolve_addresses *addresses, struct err *err)
{
    int error = lookup->error;

    *addresses = lookup->addresses;
    if (error != 0) {
        (void)err_set(err, ERR_NETWORK, "address of '%s': %s", lookup->host,
                      gai_strerror(error));
    }
    resolve_drop(lookup);
    return error == 0;
}

void resolve_drop(struct resolve_lookup *lookup)
{
    if (lookup == NULL) return;
    pthread_mutex_lock(&lookup->resolver->lock);
    if (lookup->done) {
        free_and_unlock(lookup);
        return;
    }
    lookup->dropped = true;
    pthread_mutex_unlock(&lookup->resolver->lock);
}

char *resolve_write_address(char *out, size_t size,
                            const struct resolve_address *address)
{
    char host[INET6_ADDRSTRLEN] = "?";

    if (address->address.ss_family == AF_INET6) {
        struct sockaddr_in6 in6;

        memcpy(&in6, &address->address, sizeof in6);
        (void)inet_ntop(AF_INET6, &in6.sin6_addr, host, sizeof host);
        (void)snprintf(out, size, "[%s]:%u", host, ntohs(in6.sin6_port));
    } else {
        struct sockaddr_in in4;

        memcpy(&in4, &address->address, sizeof in4);
        (void)inet_ntop(AF_INET, &in4.sin_addr, host, sizeof host);
        (void)snprintf(out, size, "%s:%u", host, ntohs(in4.sin_port));
    }
    return out;
}
