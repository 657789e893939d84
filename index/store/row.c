// row.c - see row.h.

#include "index/store/row.h"

#include "index/base/checksum.h"

void row_begin(struct buffer *row)
{
    buffer_reset(row);
    buffer_append_uint(row, 0, CHECKSUM_LEN);
}

bool row_put(struct lmdb_txn *txn, lmdb_db db, struct bytes key,
             struct buffer *row, struct err *err)
{
    struct bytes content = buffer_bytes(row);

    if (!buffer_ok(row) || !bytes_skip(&content, CHECKSUM_LEN)) {
        return err_set(err, ERR_MEMORY, "index: no memory");
    }
    bytes_put_uint(row->data, checksum(key, content), CHECKSUM_LEN);
    return lmdb_put(txn, db, key, buffer_bytes(row), err);
}

bool row_damaged(const char *table, struct err *err)
{
    return err_set(err, ERR_INDEX, "index damaged: a row of %s cannot be read",
                   table);
}

bool row_open(const char *table, struct bytes key, struct bytes value,
              struct bytes *content, struct err *err)
{
    uint64_t sum;

    if (!bytes_read_uint(&value, &sum, CHECKSUM_LEN)) {
        return row_damaged(table, err);
    }
    if (sum != checksum(key, value)) {
        return err_set(err, ERR_INDEX,
                       "index damaged: the checksum of a row of %s differs",
                       table);
    }
    *content = value;
    return true;
}

bool row_get(struct lmdb_txn *txn, lmdb_db db, const char *table,
             struct bytes key, struct bytes *content, bool *found,
             struct err *err)
{
    struct bytes value;

    if (!lmdb_get(txn, db, key, &value, found, err)) return false;
    return !*found || row_open(table, key, value, content, err);
}
