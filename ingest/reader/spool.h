// spool.h - entries on disk until their tree is whole.
//
// A file without a name in INDEX/spool/: gone with the process, however it
// ends.  Written once from the front, then read from the front.
//
// Result    ERR_INDEX: the disk.
// Thread    one at a time.

#pragma once

#include "index/entry/entry.h"

struct spool; // opaque

// spool_open makes an empty spool in an index; spool_close() drops it.
MUST_USE bool spool_open(struct spool **out, const char *index_dir,
                         struct err *err);
void spool_close(struct spool *spool);

// spool_write appends an entry.
MUST_USE bool spool_write(struct spool *spool, const struct entry_bytes *bytes,
                          struct err *err);

// spool_rewind reads on from the beginning.
MUST_USE bool spool_rewind(struct spool *spool, struct err *err);

// spool_read gives the next entry; its slices live until the next read.
MUST_USE bool spool_read(struct spool *spool, struct entry_bytes *out,
                         struct arena *arena, struct err *err);
