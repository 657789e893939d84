// catalogue.c - meta and logs.  See catalogue.h.

#include <inttypes.h>
#include <stdlib.h>
#include <sys/random.h>

#include "index/store/catalogue_parts.h"

// ------------------------------------------------------------ meta

static bool check_format(const struct catalogue *c, struct lmdb_txn *txn,
                         bool *found, struct err *err)
{
    struct bytes value;
    uint64_t format;

    if (!lmdb_get(txn, c->meta, bytes_from_text("format"), &value, found,
                  err)) {
        return false;
    }
    if (!*found) return true;
    if (value.len != NUMBER_LEN ||
        !bytes_read_uint(&value, &format, NUMBER_LEN)) {
        return row_damaged("meta", err);
    }
    if (format == CATALOGUE_FORMAT) return true;
    return err_set(err, ERR_INDEX,
                   "the index has format %" PRIu64
                   "; this program reads and writes format %d",
                   format, CATALOGUE_FORMAT);
}

static bool begin_meta(const struct catalogue *c, struct lmdb_txn *txn,
                       struct err *err)
{
    static const struct catalogue_counts none = {
        .next_id = 1, .next_log = 1, .next_issuer = 1};
    uint8_t format[NUMBER_LEN], seed[8];
    struct buffer row = {0};
    bool ok;

    bytes_put_uint(format, CATALOGUE_FORMAT, sizeof format);
    if (getrandom(seed, sizeof seed, 0) != (ssize_t)sizeof seed) {
        return err_set(err, ERR_INDEX, "no random number for the index");
    }
    row_begin(&row);
    buffer_append(&row, bytes_of(seed, sizeof seed));
    ok = row_put(txn, c->meta, bytes_from_text("seed"), &row, err);
    buffer_cleanup(&row);
    return ok &&
           lmdb_put(txn, c->meta, bytes_from_text("format"),
                    bytes_of(format, sizeof format), err) &&
           catalogue_put_counts(c, txn, &none, err);
}

bool catalogue_open(struct catalogue *c, struct lmdb_txn *txn, struct err *err)
{
    bool found;

    // Before any other table: another format may have others.
    if (!lmdb_db_open(txn, "meta", LMDB_ORDER_BYTES, &c->meta, err) ||
        !check_format(c, txn, &found, err) ||
        (!found && !begin_meta(c, txn, err))) {
        return false;
    }
    return lmdb_db_open(txn, "logs", LMDB_ORDER_BYTES, &c->logs, err) &&
           lmdb_db_open(txn, "heads", LMDB_ORDER_BYTES, &c->heads, err) &&
           lmdb_db_open(txn, "chunks", LMDB_ORDER_BYTES, &c->chunks, err) &&
           lmdb_db_open(txn, "ranges", LMDB_ORDER_BYTES, &c->ranges, err) &&
           lmdb_db_open(txn, "files", LMDB_ORDER_BYTES, &c->files, err);
}

bool catalogue_get_counts(const struct catalogue *c, struct lmdb_txn *txn,
                          struct catalogue_counts *counts, struct err *err)
{
    struct bytes row;
    uint64_t next_log, next_issuer;
    bool found;

    if (!row_get(txn, c->meta, "meta", bytes_from_text("counts"), &row, &found,
                 err)) {
        return false;
    }
    if (!found || !bytes_read_uint(&row, &counts->next_id, 8) ||
        !bytes_read_uint(&row, &counts->tail_entries, 8) ||
        !bytes_read_uint(&row, &counts->keys, 8) ||
        !bytes_read_uint(&row, &counts->postings, 8) ||
        !bytes_read_uint(&row, &counts->postings_sum, 8) ||
        !bytes_read_uint(&row, &counts->unparsed, 8) ||
        !bytes_read_uint(&row, &next_log, NUMBER_LEN) ||
        !bytes_read_uint(&row, &next_issuer, NUMBER_LEN) ||
        counts->next_id == 0) {
        return row_damaged("meta", err);
    }
    counts->next_log = (uint32_t)next_log;
    counts->next_issuer = (uint32_t)next_issuer;
    return true;
}

bool catalogue_put_counts(const struct catalogue *c, struct lmdb_txn *txn,
                          const struct catalogue_counts *counts,
                          struct err *err)
{
    struct buffer row = {0};
    bool ok;

    row_begin(&row);
    buffer_append_uint(&row, counts->next_id, 8);
    buffer_append_uint(&row, counts->tail_entries, 8);
    buffer_append_uint(&row, counts->keys, 8);
    buffer_append_uint(&row, counts->postings, 8);
    buffer_append_uint(&row, counts->postings_sum, 8);
    buffer_append_uint(&row, counts->unparsed, 8);
    buffer_append_uint(&row, counts->next_log, NUMBER_LEN);
    buffer_append_uint(&row, counts->next_issuer, NUMBER_LEN);
    ok = row_put(txn, c->meta, bytes_from_text("counts"), &row, err);
    buffer_cleanup(&row);
    return ok;
}

// ------------------------------------------------------------ logs

static void append_text(struct buffer *row, const char *text)
{
    buffer_append_uint(row, strlen(text), 2);
    buffer_append_text(row, text);
}

bool catalogue_put_log(const struct catalogue *c, struct lmdb_txn *txn,
                       const struct index_log *log, struct bytes key_der,
                       struct err *err)
{
    uint8_t key[NUMBER_LEN];
    struct buffer row = {0};
    bool ok;

    bytes_put_uint(key, log->number, sizeof key);
    row_begin(&row);
    buffer_append(&row, sha256_bytes(&log->id));
    append_text(&row, log->name);
    append_text(&row, log->url);
    append_text(&row, log->origin);
    buffer_append_byte(&row, (uint8_t)log->api);
    buffer_append_byte(&row, (uint8_t)log->keep);
    buffer_append_uint(&row, log->mmd_seconds, 8);
    buffer_append_byte(&row, log->ended);
    buffer_append_byte(&row, log->has_final);
    buffer_append_uint(&row, log->final_size, 8);
    buffer_append(&row, sha256_bytes(&log->final_root));
    buffer_append_byte(&row, (uint8_t)log->halt);
    buffer_append_uint(&row, log->indexed, 8);
    buffer_append_uint(&row, log->verified, 8);
    buffer_append_uint(&row, log->unparsed, 8);
    buffer_append_byte(&row, log->has_head);
    buffer_append_byte(&row, (uint8_t)log->head_kind);
    buffer_append_uint(&row, log->head_size, 8);
    buffer_append_uint(&row, log->head_timestamp_ms, 8);
    buffer_append(&row, sha256_bytes(&log->head_root));
    buffer_append(&row, key_der);
    ok = row_put(txn, c->logs, bytes_of(key, sizeof key), &row, err);
    buffer_cleanup(&row);
    return ok;
}

static bool read_text(struct bytes *row, char *out, size_t size)
{
    struct bytes text;

    if (!bytes_read_vector(row, &text, 2) || text.len >= size) return false;
    if (text.len != 0) memcpy(out, text.data, text.len);
    out[text.len] = '\0';
    return true;
}

static bool read_log(struct bytes row, struct index_log *log,
                     struct bytes *key_der)
{
    unsigned api, keep, ended, has_final, halt, has_head, kind;

    if (!read_hash(&row, &log->id) ||
        !read_text(&row, log->name, sizeof log->name) ||
        !read_text(&row, log->url, sizeof log->url) ||
        !read_text(&row, log->origin, sizeof log->origin) ||
        !read_byte(&row, &api, LOG_API_STATIC) ||
        !read_byte(&row, &keep, KEEP_FACTS) ||
        !bytes_read_uint(&row, &log->mmd_seconds, 8) ||
        !read_byte(&row, &ended, 1) || !read_byte(&row, &has_final, 1) ||
        !bytes_read_uint(&row, &log->final_size, 8) ||
        !read_hash(&row, &log->final_root) ||
        !read_byte(&row, &halt, HALT_FORK) ||
        !bytes_read_uint(&row, &log->indexed, 8) ||
        !bytes_read_uint(&row, &log->verified, 8) ||
        !bytes_read_uint(&row, &log->unparsed, 8) ||
        !read_byte(&row, &has_head, 1) ||
        !read_byte(&row, &kind, HEAD_CHECKPOINT) ||
        !bytes_read_uint(&row, &log->head_size, 8) ||
        !bytes_read_uint(&row, &log->head_timestamp_ms, 8) ||
        !read_hash(&row, &log->head_root)) {
        return false;
    }
    log->api = (enum log_api)api;
    log->keep = (enum index_keep)keep;
    log->ended = ended != 0;
    log->has_final = has_final != 0;
    log->halt = (enum index_halt)halt;
    log->has_head = has_head != 0;
    log->head_kind = (enum head_kind)kind;
    if (key_der != NULL) *key_der = row;
    return true;
}

bool catalogue_get_log(const struct catalogue *c, struct lmdb_txn *txn,
                       uint32_t number, struct index_log *log,
                       struct bytes *key_der, struct err *err)
{
    uint8_t key[NUMBER_LEN];
    struct bytes row;
    bool found;

    bytes_put_uint(key, number, sizeof key);
    if (!row_get(txn, c->logs, "logs", bytes_of(key, sizeof key), &row, &found,
                 err)) {
        return false;
    }
    if (!found) {
        return err_set(err, ERR_NOT_FOUND, "the index has no log %u", number);
    }
    *log = (struct index_log){.number = number};
    return read_log(row, log, key_der) || row_damaged("logs", err);
}

static bool list_logs(struct lmdb_cursor *cursor, struct index_log **out,
                      size_t *num, struct err *err)
{
    struct bytes key, value, row;
    enum lmdb_move move = LMDB_FIRST;
    size_t size = 0;
    bool found;

    for (;; move = LMDB_NEXT) {
        uint64_t number;

        if (!lmdb_cursor_move(cursor, move, &key, &value, &found, err)) {
            return false;
        }
        if (!found) return true;
        if (!row_open("logs", key, value, &row, err)) return false;
        if (*num == size) {
            struct index_log *larger;

            size = size == 0 ? 16 : size * 2;
            larger = realloc(*out, size * sizeof *larger);
            if (larger == NULL) return no_memory(err);
            *out = larger;
        }
        if (key.len != NUMBER_LEN ||
            !bytes_read_uint(&key, &number, NUMBER_LEN) ||
            !read_log(row, &(*out)[*num], NULL)) {
            return row_damaged("logs", err);
        }
        (*out)[(*num)++].number = (uint32_t)number;
    }
}

bool catalogue_list_logs(const struct catalogue *c, struct lmdb_txn *txn,
                         struct index_log **out, size_t *num, struct err *err)
{
    struct lmdb_cursor *cursor;
    bool ok;

    *out = NULL;
    *num = 0;
    if (!lmdb_cursor_open(&cursor, txn, c->logs, err)) return false;
    ok = list_logs(cursor, out, num, err);
    lmdb_cursor_close(cursor);
    if (!ok) {
        free(*out);
        *out = NULL;
        *num = 0;
    }
    return ok;
}
