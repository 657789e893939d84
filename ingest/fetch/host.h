// host.h - what several logs on one host share: its limit, and its pauses.
//
// Limits are set by client address and host more often than by log, so a 429 to
// one log slows all logs of that host and port, and no other.
//
// Lifetime  until hosts_free.
// Thread    any.

#pragma once

#include "index/base/err.h"
#include "ingest/fetch/limit.h"

struct host;  // opaque
struct hosts; // opaque

// hosts_new makes an empty set; hosts_free() it and all its hosts.
MUST_USE bool hosts_new(struct hosts **out, struct err *err);
void hosts_free(struct hosts *hosts);

// hosts_find gives the one of an authority ("host:port"), any case; NULL when
// there is no memory.
struct host *hosts_find(struct hosts *hosts, const char *authority);

// host_reserve, host_good and host_refused are those of limit.h, locked.
uint64_t host_reserve(struct host *host, struct limit_place *place,
                      uint64_t now_ms);
void host_good(struct host *host, uint64_t turn, uint64_t now_ms);
uint64_t host_refused(struct host *host, uint64_t turn, uint64_t asked_ms,
                      uint64_t now_ms);

// host_limit gives a copy, for those who tell of it.
struct limit host_limit(struct host *host);
