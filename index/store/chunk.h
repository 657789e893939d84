// chunk.h - consecutive entries of one log, encoded for the index.
//
// Whichever thread parsed the entries encodes them: records, keys, checksums
// of what does not depend on the place.  What does (ids, issuers' numbers) is
// filled in when the index appends it.
//
// Lifetime  a chunk copies what it needs of an entry.
// Thread    one at a time.

#pragma once

#include "index/base/arena.h"
#include "index/entry/entry.h"
#include "index/store/log.h"

struct chunk;

// chunk_new makes an empty chunk; chunk_free() it.
MUST_USE bool chunk_new(struct chunk **out, struct err *err);
void chunk_free(struct chunk *chunk);

// chunk_reset empties it for entries of `log` from `first` on.
void chunk_reset(struct chunk *chunk, const struct index_log *log,
                 uint64_t first);

// chunk_add encodes the next entry: record and keys.  ERR_MEMORY only.
MUST_USE bool chunk_add(struct chunk *chunk, const struct entry *entry,
                        struct err *err);

// chunk_join adds the entries of `part`, which follow its own, as they are
// encoded.  ERR_MEMORY only.
MUST_USE bool chunk_join(struct chunk *chunk, const struct chunk *part,
                         struct err *err);

// chunk_leaf_hashes gives the leaf hash of each entry, chunk_issuers the
// fingerprints that are in its entries' chains, each once; good until the next
// change.
const struct sha256_hash *chunk_leaf_hashes(const struct chunk *chunk);
const struct sha256_hash *chunk_issuers(const struct chunk *chunk, size_t *num);

// chunk_size_bytes is the memory it holds, num_entries how many are in it.
size_t chunk_size_bytes(const struct chunk *chunk);
uint64_t chunk_num_entries(const struct chunk *chunk);
