// catalogue.c - see catalogue.h.

#include "index/store/catalogue.h"

#include <inttypes.h>
#include <stdlib.h>

#include "index/store/row.h"

enum { NUMBER_LEN = 4, PLACE_LEN = 12, HEAD_KEY_LEN = 20 };

static bool no_memory(struct err *err)
{
    return err_set(err, ERR_MEMORY, "index: no memory");
}

static struct bytes place_key(uint8_t out[PLACE_LEN], uint32_t log,
                              uint64_t first)
{
    bytes_put_uint(out, log, NUMBER_LEN);
    bytes_put_uint(out + NUMBER_LEN, first, 8);
    return bytes_of(out, PLACE_LEN);
}

// Reads log and first of a key; false when it is another log's.
static bool read_place(struct bytes key, uint32_t log, uint64_t *first)
{
    uint64_t number;

    return key.len == PLACE_LEN && bytes_read_uint(&key, &number, NUMBER_LEN) &&
           number == log && bytes_read_uint(&key, first, 8);
}

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
    uint8_t format[NUMBER_LEN];

    bytes_put_uint(format, CATALOGUE_FORMAT, sizeof format);
    return lmdb_put(txn, c->meta, bytes_from_text("format"),
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
           lmdb_db_open(txn, "ranges", LMDB_ORDER_BYTES, &c->ranges, err);
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

static bool read_hash(struct bytes *row, struct sha256_hash *hash)
{
    struct bytes part;

    if (!bytes_read_take(row, &part, SHA256_LEN)) return false;
    memcpy(hash->bytes, part.data, SHA256_LEN);
    return true;
}

static bool read_byte(struct bytes *row, unsigned *value, unsigned max)
{
    uint64_t byte;

    if (!bytes_read_uint(row, &byte, 1) || byte > max) return false;
    *value = (unsigned)byte;
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

// ------------------------------------------------------------ heads

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

struct head_pair {
    unsigned num; // of this size
    struct head first, newest;
};

static bool find_heads(const struct catalogue *c, struct lmdb_txn *txn,
                       uint32_t log, uint64_t size, struct head_pair *out,
                       struct err *err)
{
    uint8_t raw[HEAD_KEY_LEN];
    struct bytes key = head_key(raw, log, size, 0);
    struct lmdb_cursor *cursor;
    struct head head;
    enum lmdb_move move = LMDB_SEEK;
    bool ok, found;

    *out = (struct head_pair){0};
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
                      uint32_t log, const struct head_pair *held,
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
    struct head_pair held;

    if (!find_heads(c, txn, log->number, head->size, &held, err)) return false;
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

// ------------------------------------------------------------ ranges

static bool put_range(const struct catalogue *c, struct lmdb_txn *txn,
                      uint32_t log, uint64_t first, uint64_t end,
                      struct err *err)
{
    uint8_t raw[PLACE_LEN];
    struct buffer row = {0};
    bool ok;

    row_begin(&row);
    buffer_append_uint(&row, end, 8);
    ok = row_put(txn, c->ranges, place_key(raw, log, first), &row, err);
    buffer_cleanup(&row);
    return ok;
}

static bool read_range(struct lmdb_cursor *cursor, enum lmdb_move move,
                       struct bytes key, uint32_t log, struct log_range *range,
                       bool *found, struct err *err)
{
    struct bytes value, row;

    if (!lmdb_cursor_move(cursor, move, &key, &value, found, err)) return false;
    if (!*found) return true;
    if (!read_place(key, log, &range->first)) {
        *found = false;
        return true;
    }
    if (!row_open("ranges", key, value, &row, err)) return false;
    if (!bytes_read_uint(&row, &range->end, 8) || range->end <= range->first) {
        return row_damaged("ranges", err);
    }
    return true;
}

// The ranges before and after `first`.
static bool find_ranges(const struct catalogue *c, struct lmdb_txn *txn,
                        uint32_t log, uint64_t first, struct log_range *before,
                        struct log_range *after, struct err *err)
{
    uint8_t raw[PLACE_LEN];
    struct lmdb_cursor *cursor;
    struct bytes key = place_key(raw, log, first), value, at = key;
    bool found, has_before, has_after = false, ok;

    if (!lmdb_cursor_open(&cursor, txn, c->ranges, err)) return false;
    ok = lmdb_cursor_move(cursor, LMDB_SEEK, &at, &value, &found, err);
    ok = ok && read_range(cursor, found ? LMDB_PREV : LMDB_LAST, key, log,
                          before, &has_before, err);
    ok = ok && (!found || read_range(cursor, LMDB_SEEK, key, log, after,
                                     &has_after, err));
    lmdb_cursor_close(cursor);
    if (!ok) return false;
    if (!has_before) *before = (struct log_range){0, 0};
    if (!has_after) *after = (struct log_range){UINT64_MAX, UINT64_MAX};
    return true;
}

// Joins [first, end) to its neighbours; what is held already is refused.
static bool join_range(const struct catalogue *c, struct lmdb_txn *txn,
                       const struct index_log *log, uint64_t first,
                       uint64_t end, struct log_range *joined, struct err *err)
{
    struct log_range before, after;
    uint8_t raw[PLACE_LEN];

    if (!find_ranges(c, txn, log->number, first, &before, &after, err)) {
        return false;
    }
    if (before.end > first || after.first < end) {
        return err_set(err, ERR_INDEX,
                       "%s: entries %" PRIu64 "..%" PRIu64 " are held already",
                       log->name, first, end - 1);
    }
    *joined = (struct log_range){first, end};
    if (before.end == first && before.end > before.first) {
        joined->first = before.first;
    }
    if (after.first == end) {
        joined->end = after.end;
        if (!lmdb_delete(txn, c->ranges,
                         place_key(raw, log->number, after.first), err)) {
            return false;
        }
    }
    return put_range(c, txn, log->number, joined->first, joined->end, err);
}

static bool list_ranges(struct lmdb_cursor *cursor, uint32_t log,
                        struct log_range **out, size_t *num,
                        struct arena *arena, struct err *err)
{
    uint8_t raw[PLACE_LEN];
    struct bytes key = place_key(raw, log, 0);
    enum lmdb_move move = LMDB_SEEK;
    size_t size = 0;
    bool found;

    for (;; move = LMDB_NEXT) {
        struct log_range range;

        if (!read_range(cursor, move, key, log, &range, &found, err)) {
            return false;
        }
        if (!found) return true;
        if (*num == size) {
            struct log_range *larger;

            size = size == 0 ? 4 : size * 2;
            larger = arena_zalloc(arena, size, sizeof *larger);
            if (larger == NULL) return no_memory(err);
            if (*num != 0) memcpy(larger, *out, *num * sizeof *larger);
            *out = larger;
        }
        (*out)[(*num)++] = range;
    }
}

bool catalogue_list_ranges(const struct catalogue *c, struct lmdb_txn *txn,
                           uint32_t log, struct log_range **out, size_t *num,
                           struct arena *arena, struct err *err)
{
    struct lmdb_cursor *cursor;
    bool ok;

    *out = NULL;
    *num = 0;
    if (!lmdb_cursor_open(&cursor, txn, c->ranges, err)) return false;
    ok = list_ranges(cursor, log, out, num, arena, err);
    lmdb_cursor_close(cursor);
    return ok;
}

// ------------------------------------------------------------ chunks

static size_t num_nodes(uint64_t size)
{
    return (size_t)__builtin_popcountll(size);
}

static void append_nodes(struct buffer *row, const struct sha256_hash *nodes,
                         size_t num)
{
    for (size_t i = 0; i < num; i++) {
        buffer_append(row, sha256_bytes(&nodes[i]));
    }
}

static bool read_nodes(struct bytes *row, struct sha256_hash *nodes, size_t num)
{
    for (size_t i = 0; i < num; i++) {
        if (!read_hash(row, &nodes[i])) return false;
    }
    return true;
}

static bool frontier_equal(const struct merkle_frontier *a,
                           const struct merkle_frontier *b)
{
    return a->size == b->size &&
           memcmp(a->nodes, b->nodes, num_nodes(a->size) * SHA256_LEN) == 0;
}

static bool put_chunk(const struct catalogue *c, struct lmdb_txn *txn,
                      const struct chunk_info *chunk,
                      const struct merkle_frontier *end, bool with_left,
                      struct err *err)
{
    const struct chunk_proof *proof = &chunk->proof;
    uint8_t raw[PLACE_LEN];
    struct buffer row = {0};
    bool ok;

    row_begin(&row);
    buffer_append_uint(&row, chunk->num_entries, 8);
    buffer_append_uint(&row, chunk->id, 8);
    buffer_append_uint(&row, proof->head.size, 8);
    append_nodes(&row, end->nodes, num_nodes(end->size));
    buffer_append_byte(&row, with_left);
    if (with_left) {
        append_nodes(&row, proof->left.nodes, num_nodes(proof->left.size));
    }
    buffer_append_byte(&row, (uint8_t)proof->right.num_nodes);
    append_nodes(&row, proof->right.nodes, proof->right.num_nodes);
    ok = row_put(txn, c->chunks, place_key(raw, chunk->log, chunk->first), &row,
                 err);
    buffer_cleanup(&row);
    return ok;
}

// Reads a chunk's row; `*with_left` false: the left frontier is still missing.
static bool read_chunk(struct bytes row, struct chunk_info *chunk,
                       struct merkle_frontier *end, bool *with_left)
{
    struct chunk_proof *proof = &chunk->proof;
    unsigned has_left, num_right;

    proof->left.size = chunk->first;
    if (!bytes_read_uint(&row, &chunk->num_entries, 8) ||
        chunk->num_entries == 0 ||
        chunk->num_entries > UINT64_MAX - chunk->first ||
        !bytes_read_uint(&row, &chunk->id, 8) ||
        !bytes_read_uint(&row, &proof->head.size, 8)) {
        return false;
    }
    end->size = chunk->first + chunk->num_entries;
    if (!read_nodes(&row, end->nodes, num_nodes(end->size)) ||
        !read_byte(&row, &has_left, 1) ||
        (has_left != 0 &&
         !read_nodes(&row, proof->left.nodes, num_nodes(chunk->first))) ||
        !read_byte(&row, &num_right, MERKLE_PROOF_MAX) ||
        !read_nodes(&row, proof->right.nodes, num_right) || row.len != 0) {
        return false;
    }
    proof->right.num_nodes = num_right;
    *with_left = has_left != 0;
    return true;
}

bool catalogue_walk_open(struct catalogue_walk *walk, const struct catalogue *c,
                         struct lmdb_txn *txn, uint32_t log, uint64_t from,
                         struct err *err)
{
    *walk = (struct catalogue_walk){
        .catalogue = c, .txn = txn, .log = log, .chunk = {.first = from}};
    return lmdb_cursor_open(&walk->cursor, txn, c->chunks, err);
}

void catalogue_walk_close(struct catalogue_walk *walk)
{
    lmdb_cursor_close(walk->cursor);
    walk->cursor = NULL;
}

// Takes what the cursor stands on.  `found` is false for another log's chunk.
static bool walk_take(struct catalogue_walk *walk, struct bytes key,
                      struct bytes value, bool *with_left, bool *found,
                      struct err *err)
{
    struct bytes row;

    *found = read_place(key, walk->log, &walk->chunk.first);
    if (!*found) return true;
    walk->chunk.log = walk->log;
    if (!row_open("chunks", key, value, &row, err)) return false;
    return read_chunk(row, &walk->chunk, &walk->end, with_left) ||
           row_damaged("chunks", err);
}

// The frontier at the chunk's start is its neighbour's end.
static bool walk_left(struct catalogue_walk *walk, struct err *err)
{
    struct chunk_info neighbour = {0};
    struct merkle_frontier end;
    struct bytes key, value, row;
    bool found, with_left;

    if (!lmdb_cursor_move(walk->cursor, LMDB_PREV, &key, &value, &found, err)) {
        return false;
    }
    if (!found || !read_place(key, walk->log, &neighbour.first)) {
        return row_damaged("chunks", err);
    }
    if (!row_open("chunks", key, value, &row, err)) return false;
    if (!read_chunk(row, &neighbour, &end, &with_left) ||
        end.size != walk->chunk.first) {
        return row_damaged("chunks", err);
    }
    walk->chunk.proof.left = end;
    return lmdb_cursor_move(walk->cursor, LMDB_NEXT, &key, &value, &found, err);
}

static bool walk_head(struct catalogue_walk *walk, struct err *err)
{
    struct head_pair held;

    if (!find_heads(walk->catalogue, walk->txn, walk->log,
                    walk->chunk.proof.head.size, &held, err)) {
        return false;
    }
    if (held.num == 0) {
        return err_set(err, ERR_INDEX,
                       "index damaged: the head of a chunk is not there");
    }
    walk->chunk.proof.head = held.first;
    return true;
}

// Puts the cursor on the chunk that holds entry `from`, or the next one.
static bool walk_seek(struct catalogue_walk *walk, uint64_t from,
                      struct bytes *key, struct bytes *value, bool *found,
                      struct err *err)
{
    uint8_t raw[PLACE_LEN];
    bool with_left, here, below;

    *key = place_key(raw, walk->log, from);
    if (!lmdb_cursor_move(walk->cursor, LMDB_SEEK, key, value, found, err)) {
        return false;
    }
    if (*found && bytes_equal(*key, place_key(raw, walk->log, from))) {
        return true;
    }
    here = *found;
    if (!lmdb_cursor_move(walk->cursor, here ? LMDB_PREV : LMDB_LAST, key,
                          value, found, err)) {
        return false;
    }
    if (*found) {
        if (!walk_take(walk, *key, *value, &with_left, &below, err)) {
            return false;
        }
        if (below && walk->end.size > from) return true;
    }
    if (!here) {
        *found = false;
        return true;
    }
    *key = place_key(raw, walk->log, from);
    return lmdb_cursor_move(walk->cursor, LMDB_SEEK, key, value, found, err);
}

bool catalogue_walk_next(struct catalogue_walk *walk, bool *found,
                         struct err *err)
{
    struct merkle_frontier before = walk->end;
    struct bytes key, value;
    bool with_left = false, first = !walk->started;

    walk->started = true;
    if (!(first ? walk_seek(walk, walk->chunk.first, &key, &value, found, err)
                : lmdb_cursor_move(walk->cursor, LMDB_NEXT, &key, &value, found,
                                   err))) {
        return false;
    }
    if (!*found) return true;
    if (!walk_take(walk, key, value, &with_left, found, err)) return false;
    if (!*found) return true;
    if (!with_left && walk->chunk.first != 0) {
        if (!first && before.size == walk->chunk.first) {
            walk->chunk.proof.left = before;
        } else if (!walk_left(walk, err)) {
            return false;
        }
    }
    return walk_head(walk, err);
}

// Finds the chunk that holds entry `from`, or the next one.
static bool find_chunk(const struct catalogue *c, struct lmdb_txn *txn,
                       uint32_t log, uint64_t from, struct catalogue_walk *walk,
                       bool *found, struct err *err)
{
    bool ok;

    if (!catalogue_walk_open(walk, c, txn, log, from, err)) return false;
    ok = catalogue_walk_next(walk, found, err);
    catalogue_walk_close(walk);
    return ok;
}

// Compares the frontiers at both ends with those of the chunks that adjoin;
// `after_left` tells whether there is one that ends where this one begins.
static bool check_neighbours(const struct catalogue *c, struct lmdb_txn *txn,
                             const struct index_log *log,
                             const struct chunk_info *chunk,
                             const struct merkle_frontier *end,
                             bool *after_left, struct err *err)
{
    struct catalogue_walk walk;
    bool found = false, fits = true;

    *after_left = false;
    if (chunk->first != 0 && !find_chunk(c, txn, log->number, chunk->first - 1,
                                         &walk, &found, err)) {
        return false;
    }
    if (found && walk.end.size == chunk->first) {
        *after_left = true;
        fits = frontier_equal(&walk.end, &chunk->proof.left);
    }
    if (!find_chunk(c, txn, log->number, end->size, &walk, &found, err)) {
        return false;
    }
    if (found && walk.chunk.first == end->size) {
        fits = fits && frontier_equal(&walk.chunk.proof.left, end);
    }
    return fits || err_set(err, ERR_INDEX,
                           "%s: entries %" PRIu64 "..%" PRIu64
                           " do not fit those that are held beside them",
                           log->name, chunk->first, end->size - 1);
}

bool catalogue_add_chunk(const struct catalogue *c, struct lmdb_txn *txn,
                         struct index_log *log, const struct chunk_info *chunk,
                         const struct merkle_frontier *end, struct err *err)
{
    struct log_range joined = {0};
    bool adjoins;

    if (!join_range(c, txn, log, chunk->first, end->size, &joined, err) ||
        !check_neighbours(c, txn, log, chunk, end, &adjoins, err) ||
        !put_chunk(c, txn, chunk, end, !adjoins, err)) {
        return false;
    }
    log->indexed += chunk->num_entries;
    if (joined.first == 0) log->verified = joined.end;
    return true;
}
