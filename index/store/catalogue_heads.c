// catalogue_heads.c - the signed heads that were accepted.  See catalogue.h.

#include <inttypes.h>

#include "index/store/catalogue_parts.h"

static struct bytes head_key(uint8_t out[HEAD_KEY_LEN], uint32_t log,
                             uint64_t size, uint64_t timestamp_ms)
{
    bytes_put_uint(out, log, NUMBER_LEN);
    bytes_put_uint(out + 4, size, 8);
    bytes_put_uint(out + 12, timestamp_ms, 8);
    return bytes_of(out, HEAD_KEY_LEN);
}

static bool read_head(struct bytes key, struct bytes value, struct head *head,
                      struct err *err)
{
    unsigned kind;
    struct bytes row;

    if (!row_open("heads", key, value, &row, err)) return false;
    if (key.len != HEAD_KEY_LEN || !bytes_skip(&key, NUMBER_LEN) ||
        !bytes_read_uint(&key, &head->size, 8) ||
        !bytes_read_uint(&key, &head->timestamp_ms, 8) ||
        !read_byte(&row, &kind, HEAD_CHECKPOINT) ||
        !read_hash(&row, &head->root)) {
        return row_damaged("heads", err);
    }
    head->kind = (enum head_kind)kind;
    head->served = row;
    return true;
}

// Moves to the next head of `log` from the key on; of `size` alone unless it
// is UINT64_MAX.
static bool next_head(struct lmdb_cursor *cursor, enum lmdb_move move,
                      struct bytes *key, uint32_t log, uint64_t size,
                      struct head *head, bool *found, struct err *err)
{
    uint8_t prefix[HEAD_KEY_LEN];
    struct bytes value;
    size_t len = size == UINT64_MAX ? NUMBER_LEN : PLACE_LEN;

    (void)head_key(prefix, log, size, 0);
    if (!lmdb_cursor_move(cursor, move, key, &value, found, err)) return false;
    if (!*found) return true;
    *found = bytes_starts_with(*key, bytes_of(prefix, len));
    return !*found || read_head(*key, value, head, err);
}

bool catalogue_find_heads(const struct catalogue *c, struct lmdb_txn *txn,
                          uint32_t log, uint64_t size,
                          struct catalogue_heads *out, struct err *err)
{
    uint8_t raw[HEAD_KEY_LEN];
    struct bytes key = head_key(raw, log, size, 0);
    struct lmdb_cursor *cursor;
    struct head head;
    enum lmdb_move move = LMDB_SEEK;
    bool ok, found;

    *out = (struct catalogue_heads){0};
    if (!lmdb_cursor_open(&cursor, txn, c->heads, err)) return false;
    while (
        (ok = next_head(cursor, move, &key, log, size, &head, &found, err)) &&
        found) {
        if (out->num++ == 0) out->first = head;
        out->newest = head;
        move = LMDB_NEXT;
    }
    lmdb_cursor_close(cursor);
    return ok;
}

static bool put_head(const struct catalogue *c, struct lmdb_txn *txn,
                     uint32_t log, const struct head *head, struct err *err)
{
    uint8_t raw[HEAD_KEY_LEN];
    struct bytes key = head_key(raw, log, head->size, head->timestamp_ms);
    struct buffer row = {0};
    bool ok;

    row_begin(&row);
    buffer_append_byte(&row, (uint8_t)head->kind);
    buffer_append(&row, sha256_bytes(&head->root));
    buffer_append(&row, head->served);
    ok = row_put(txn, c->heads, key, &row, err);
    buffer_cleanup(&row);
    return ok;
}

static bool is_newer(const struct index_log *log, const struct head *head)
{
    return !log->has_head || head->size > log->head_size ||
           (head->size == log->head_size &&
            head->timestamp_ms > log->head_timestamp_ms);
}

// Keeps the first and the newest head of a size.
static bool keep_head(const struct catalogue *c, struct lmdb_txn *txn,
                      uint32_t log, const struct catalogue_heads *held,
                      const struct head *head, struct err *err)
{
    uint8_t key[HEAD_KEY_LEN];

    if (held->num > 0 && head->timestamp_ms <= held->newest.timestamp_ms) {
        return true;
    }
    if (held->num > 1 &&
        !lmdb_delete(txn, c->heads,
                     head_key(key, log, head->size, held->newest.timestamp_ms),
                     err)) {
        return false;
    }
    return put_head(c, txn, log, head, err);
}

bool catalogue_add_head(const struct catalogue *c, struct lmdb_txn *txn,
                        struct index_log *log, const struct head *head,
                        struct err *err)
{
    struct catalogue_heads held;

    if (!catalogue_find_heads(c, txn, log->number, head->size, &held, err))
        return false;
    if (held.num > 0 && !sha256_equal(&held.first.root, &head->root)) {
        return err_set(err, ERR_VERIFY,
                       "%s: a head of size %" PRIu64
                       " with another root was accepted before",
                       log->name, head->size);
    }
    if (!keep_head(c, txn, log->number, &held, head, err)) return false;
    if (!is_newer(log, head)) return true;
    log->has_head = true;
    log->head_kind = head->kind;
    log->head_size = head->size;
    log->head_timestamp_ms = head->timestamp_ms;
    log->head_root = head->root;
    return true;
}

static bool list_heads(struct lmdb_cursor *cursor, uint32_t log,
                       struct head **out, size_t *num, struct arena *arena,
                       struct err *err)
{
    uint8_t raw[HEAD_KEY_LEN];
    struct bytes key = head_key(raw, log, 0, 0);
    enum lmdb_move move = LMDB_SEEK;
    size_t size = 0;
    bool found;

    for (;; move = LMDB_NEXT) {
        struct head head;

        if (!next_head(cursor, move, &key, log, UINT64_MAX, &head, &found,
                       err)) {
            return false;
        }
        if (!found) return true;
        if (*num == size) {
            struct head *larger;

            size = size == 0 ? 16 : size * 2;
            larger = arena_zalloc(arena, size, sizeof *larger);
            if (larger == NULL) return no_memory(err);
            if (*num != 0) memcpy(larger, *out, *num * sizeof *larger);
            *out = larger;
        }
        (*out)[(*num)++] = head;
    }
}

bool catalogue_list_heads(const struct catalogue *c, struct lmdb_txn *txn,
                          uint32_t log, struct head **out, size_t *num,
                          struct arena *arena, struct err *err)
{
    struct lmdb_cursor *cursor;
    bool ok;

    *out = NULL;
    *num = 0;
    if (!lmdb_cursor_open(&cursor, txn, c->heads, err)) return false;
    ok = list_heads(cursor, log, out, num, arena, err);
    lmdb_cursor_close(cursor);
    return ok;
}
