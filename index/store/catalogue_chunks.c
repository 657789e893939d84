// catalogue_chunks.c - chunks, and the ranges that they make.  See catalogue.h.

#include <inttypes.h>

#include "index/store/catalogue_parts.h"

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
    struct catalogue_heads held;

    if (!catalogue_find_heads(walk->catalogue, walk->txn, walk->log,
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
