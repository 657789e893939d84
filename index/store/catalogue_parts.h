// catalogue_parts.h - what the files behind catalogue.h share.

#pragma once

#include "index/store/catalogue.h"
#include "index/store/row.h"

enum { NUMBER_LEN = 4, PLACE_LEN = 12, HEAD_KEY_LEN = 20 };

static inline bool no_memory(struct err *err)
{
    return err_set(err, ERR_MEMORY, "index: no memory");
}

static inline bool read_hash(struct bytes *row, struct sha256_hash *hash)
{
    struct bytes part;

    if (!bytes_read_take(row, &part, SHA256_LEN)) return false;
    memcpy(hash->bytes, part.data, SHA256_LEN);
    return true;
}

static inline bool read_byte(struct bytes *row, unsigned *value, unsigned max)
{
    uint64_t byte;

    if (!bytes_read_uint(row, &byte, 1) || byte > max) return false;
    *value = (unsigned)byte;
    return true;
}

// The heads of one size that are kept.
struct catalogue_heads {
    unsigned num; // of this size
    struct head first, newest;
};

// catalogue_find_heads reads them; `num` 0: there is none.
MUST_USE bool catalogue_find_heads(const struct catalogue *catalogue,
                                   struct lmdb_txn *txn, uint32_t log,
                                   uint64_t size, struct catalogue_heads *out,
                                   struct err *err);
