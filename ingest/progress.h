// progress.h - how far it is, on stderr: a bar a log on a terminal, else a
// line every ten seconds.
//
// Thread    one; the bars make way for log lines of any thread.

#pragma once

#include "ingest/options.h"
#include "ingest/rates.h"

enum { PROGRESS_TICK_MS = 20 };

// progress_open chooses how; progress_tick is called every PROGRESS_TICK_MS,
// progress_close at the end.
void progress_open(enum progress_kind kind);
void progress_tick(const struct pipeline *pipeline, const struct rates *rates,
                   uint64_t now_ms);
void progress_close(void);

// progress_memory_bytes is what the process has of its own now: RssAnon and
// RssShmem.
uint64_t progress_memory_bytes(void);
