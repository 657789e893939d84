// posting.h - a posting: an entry holds a key.  Its row, and which keys those
// of an entry are.
//
//   row    the key (keys.h), then the entry's id in LMDB_ID_LEN bytes
//   value  16 bits of a checksum over row and via, then via (2 bytes, absent
//          where it is 0)
//
// Order     LMDB_ORDER_ID: by key, then id.
// Result    pure.

#pragma once

#include "index/base/buffer.h"
#include "index/entry/entry.h"
#include "index/store/lmdb.h" // LMDB_ID_LEN

enum { POSTING_VALUE_MAX = 4 };
#define POSTING_ID_MAX ((UINT64_C(1) << 53) - 1)

struct posting {
    struct bytes key; // keys.h; good until the next step
    uint64_t id;
    uint32_t via; // bits of enum name_via; 0 for hashes and serials
};

// posting_row makes the row of a key and an id in `out`.
void posting_row(struct buffer *out, struct bytes key, uint64_t id);

// posting_value writes the value and gives its length; `sum` gets the row's
// share in the checksum over all rows, which is their sum.
size_t posting_value(uint8_t out[POSTING_VALUE_MAX], struct bytes row,
                     uint32_t via, uint64_t *sum);

// posting_read takes a row and its value apart; false when it is damaged.
MUST_USE bool posting_read(struct posting *posting, struct bytes row,
                           struct bytes value, uint64_t *sum);

// A visitor of terms; false stops.
typedef bool posting_visit(void *context, enum term_kind kind,
                           struct bytes value, uint32_t via);

// posting_each_term visits every term that an entry is found by, but for a
// final certificate's issuer key, which needs the issuer.  A term may come
// twice with another via.  False when the visitor stopped it.
bool posting_each_term(const struct entry *entry, posting_visit *visit,
                       void *context);
