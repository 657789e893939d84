// fetch_shared.c - see fetch_shared.h: what the command line and the
// environment say of every log.

#include "ingest/fetch/fetch_shared.h"

#include <stdio.h>
#include <stdlib.h>

static bool is_visible(const char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < ' ' || *text == 0x7f) return false;
    }
    return true;
}

static bool set_user_agent(struct fetch_shared *shared, const char *contact,
                           struct err *err)
{
    int len;

    if (contact == NULL || contact[0] == '\0') {
        (void)snprintf(shared->user_agent, sizeof shared->user_agent,
                       "sanct/" SANCT_VERSION);
        return true;
    }
    len = snprintf(shared->user_agent, sizeof shared->user_agent,
                   "sanct/" SANCT_VERSION " (+%s)", contact);
    if (!is_visible(contact) || (size_t)len >= sizeof shared->user_agent) {
        return err_set(err, ERR_USAGE,
                       "the contact is longer than a line of a request, or "
                       "holds control characters");
    }
    return true;
}

static bool read_proxy(struct fetch_shared *shared, const char *text,
                       struct err *err)
{
    if (!url_parse(&shared->proxy, text, err)) {
        return err_wrap(err, "proxy");
    }
    if (shared->proxy.is_https) {
        return err_set(err, ERR_USAGE,
                       "proxy: '%s': http:// is needed, the "
                       "log's own TLS goes through it",
                       shared->proxy.host);
    }
    return true;
}

static const char *env_of(const char *upper, const char *lower)
{
    const char *value = getenv(lower);

    if (value == NULL || value[0] == '\0') value = getenv(upper);
    return value == NULL ? "" : value;
}

static bool set_proxy(struct fetch_shared *shared, const char *proxy,
                      struct err *err)
{
    const char *env = env_of("HTTPS_PROXY", "https_proxy");

    (void)snprintf(shared->no_proxy, sizeof shared->no_proxy, "%s",
                   env_of("NO_PROXY", "no_proxy"));
    if (proxy != NULL && proxy[0] == '\0') return true;
    if (proxy != NULL) {
        shared->has_proxy = true;
        return read_proxy(shared, proxy, err);
    }
    if (env[0] == '\0') return true;
    shared->has_env_proxy = true;
    return read_proxy(shared, env, err);
}

bool fetch_shared_open(struct fetch_shared **shared,
                       const struct fetch_shared_options *options,
                       struct err *err)
{
    struct fetch_shared *made = calloc(1, sizeof *made);

    *shared = NULL;
    if (made == NULL) return err_set(err, ERR_MEMORY, "fetch: no memory");
    if (!set_user_agent(made, options->contact, err) ||
        !set_proxy(made, options->proxy, err) ||
        !tls_context_open(&made->tls, options->ca_file, options->tls_skip,
                          err) ||
        !resolver_open(&made->resolver, options->resolve, err) ||
        !hosts_new(&made->hosts, err)) {
        fetch_shared_close(made);
        return false;
    }
    *shared = made;
    return true;
}

void fetch_shared_close(struct fetch_shared *shared)
{
    if (shared == NULL) return;
    tls_context_close(shared->tls);
    resolver_close(shared->resolver);
    hosts_free(shared->hosts);
    free(shared);
}
