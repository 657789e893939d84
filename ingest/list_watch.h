// list_watch.h - the log list, read again from time to time while ingest runs.
//
// Lifetime  from list_watch_start to list_watch_stop, and the options must be.
// Thread    it reads in one of its own; the calls are one thread's.
// Result    what cannot be read or trusted is said, and asked for again after
//           an hour at the latest: the list before stands.

#pragma once

#include "ingest/choice.h"

struct list_watch; // opaque

// list_watch_start begins to wait; the first reading comes after `every_ms`.
MUST_USE bool list_watch_start(struct list_watch **out,
                               const struct options *options, uint64_t every_ms,
                               struct err *err);

// list_watch_take gives what was read since the last call, false when there is
// nothing new; the choice is the caller's then.
bool list_watch_take(struct list_watch *watch, struct choice *choice);

// list_watch_stop ends it, in the middle of a download too; NULL is fine.
void list_watch_stop(struct list_watch *watch);
