// catalogue_files.c - which files belong to the index.  See catalogue.h.

#include <stdlib.h>

#include "index/store/catalogue_parts.h"

enum { FILE_KEY_LEN = 9, FILES_FIRST = 64 };

static struct bytes file_key(uint8_t out[FILE_KEY_LEN],
                             const struct catalogue_file *file)
{
    out[0] = (uint8_t)file->kind;
    bytes_put_uint(out + 1, file->number, 8);
    return bytes_of(out, FILE_KEY_LEN);
}

bool catalogue_put_file(const struct catalogue *c, struct lmdb_txn *txn,
                        const struct catalogue_file *file, struct err *err)
{
    uint8_t raw[FILE_KEY_LEN];
    struct buffer row = {0};
    bool ok;

    row_begin(&row);
    buffer_append_uint(&row, file->first_id, 8);
    buffer_append_uint(&row, file->end_id, 8);
    buffer_append_uint(&row, file->keys, 8);
    buffer_append_uint(&row, file->postings, 8);
    buffer_append_uint(&row, file->bytes, 8);
    ok = row_put(txn, c->files, file_key(raw, file), &row, err);
    buffer_cleanup(&row);
    return ok;
}

bool catalogue_delete_file(const struct catalogue *c, struct lmdb_txn *txn,
                           const struct catalogue_file *file, struct err *err)
{
    uint8_t raw[FILE_KEY_LEN];

    return lmdb_delete(txn, c->files, file_key(raw, file), err);
}

static bool read_file(struct bytes key, struct bytes row,
                      struct catalogue_file *file)
{
    uint64_t kind;

    if (!bytes_read_uint(&key, &kind, 1) ||
        (kind != CATALOGUE_SEGMENT && kind != CATALOGUE_RUN) ||
        !bytes_read_uint(&key, &file->number, 8) || key.len != 0) {
        return false;
    }
    file->kind = (enum catalogue_kind)kind;
    return bytes_read_uint(&row, &file->first_id, 8) &&
           bytes_read_uint(&row, &file->end_id, 8) &&
           bytes_read_uint(&row, &file->keys, 8) &&
           bytes_read_uint(&row, &file->postings, 8) &&
           bytes_read_uint(&row, &file->bytes, 8) && row.len == 0 &&
           file->first_id < file->end_id;
}

static bool list_files(struct lmdb_cursor *cursor, struct catalogue_file **out,
                       size_t *num, struct err *err)
{
    enum lmdb_move move = LMDB_FIRST;
    struct bytes key, value, row;
    size_t size = 0;
    bool found;

    for (;; move = LMDB_NEXT) {
        if (!lmdb_cursor_move(cursor, move, &key, &value, &found, err)) {
            return false;
        }
        if (!found) return true;
        if (!row_open("files", key, value, &row, err)) return false;
        if (*num == size) {
            struct catalogue_file *larger;

            size = size == 0 ? FILES_FIRST : size * 2;
            larger = realloc(*out, size * sizeof *larger);
            if (larger == NULL) return no_memory(err);
            *out = larger;
        }
        if (!read_file(key, row, &(*out)[*num])) {
            return row_damaged("files", err);
        }
        (*num)++;
    }
}

bool catalogue_list_files(const struct catalogue *c, struct lmdb_txn *txn,
                          struct catalogue_file **out, size_t *num,
                          struct err *err)
{
    struct lmdb_cursor *cursor;
    bool ok;

    *out = NULL;
    *num = 0;
    if (!lmdb_cursor_open(&cursor, txn, c->files, err)) return false;
    ok = list_files(cursor, out, num, err);
    lmdb_cursor_close(cursor);
    if (!ok) {
        free(*out);
        *out = NULL;
        *num = 0;
    }
    return ok;
}

bool catalogue_seed(const struct catalogue *c, struct lmdb_txn *txn,
                    uint64_t *seed, struct err *err)
{
    struct bytes row;
    bool found;

    if (!row_get(txn, c->meta, "meta", bytes_from_text("seed"), &row, &found,
                 err)) {
        return false;
    }
    return (found && bytes_read_uint(&row, seed, 8) && row.len == 0) ||
           row_damaged("meta", err);
}
