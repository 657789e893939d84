// row.h - values of the small tables: a checksum, then the content.
//
// Result    damage is ERR_INDEX and names the table.

#pragma once

#include "index/base/buffer.h"
#include "index/store/lmdb.h"

// row_begin empties `row` and leaves room for the checksum; the caller appends
// the content.
void row_begin(struct buffer *row);

// row_put stores what was appended since row_begin.
MUST_USE bool row_put(struct lmdb_txn *txn, lmdb_db db, struct bytes key,
                      struct buffer *row, struct err *err);

// row_get finds a value and checks it; `content` is what follows the checksum.
MUST_USE bool row_get(struct lmdb_txn *txn, lmdb_db db, const char *table,
                      struct bytes key, struct bytes *content, bool *found,
                      struct err *err);

// row_open checks a value that a cursor gave.
MUST_USE bool row_open(const char *table, struct bytes key, struct bytes value,
                       struct bytes *content, struct err *err);

// row_damaged says that a row of `table` does not hold what it should.
bool row_damaged(const char *table, struct err *err);
