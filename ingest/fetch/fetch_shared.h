// fetch_shared.h - what all fetches of a process share, from the inside: for
// fetch.c only.

#pragma once

#include "ingest/fetch/fetch.h"
#include "ingest/fetch/tls.h"
#include "ingest/fetch/url.h"

enum { FETCH_USER_AGENT_MAX = 256 };

struct fetch_shared {
    struct tls_context *tls;
    struct resolver *resolver;
    struct hosts *hosts;
    bool has_proxy;   // told by the user, for every log
    struct url proxy; // or found in the environment, for https
    bool has_env_proxy;
    char no_proxy[1024];
    char user_agent[FETCH_USER_AGENT_MAX];
};
