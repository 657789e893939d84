// check_deep.c - verify --deep: everything made again from what is stored.
//
// Keys of one window of entries are derived, sorted and looked up in order.
// When every one is there and the table holds as many postings as all entries
// give, it holds no other; only when the numbers differ is each posting traced
// back to its entry, to name the ones that are too many.  What runs hold is
// compared as a sum.

#include <inttypes.h>
#include <stdlib.h>

#include "index/base/checksum.h"
#include "index/base/text.h"
#include "index/check_parts.h"
#include "index/store/keys.h"

enum {
    WINDOW_ROWS_MAX = 256 * 1024,
    WINDOW_BYTES_MAX = 64 * 1024 * 1024,
    ARENA_KEEP_MAX = 4 * 1024 * 1024,
};

struct window_row {
    uint32_t at;
    uint16_t len;
    uint16_t via;
};

struct window {
    struct check *check;
    uint64_t id; // of the entry at hand
    struct buffer bytes;
    struct window_row *rows;
    size_t num_rows, size_rows;
};

static bool add_row(void *context, enum term_kind kind, struct bytes value,
                    uint32_t via)
{
    struct window *w = context;
    size_t at = w->bytes.len;

    if (w->num_rows == w->size_rows) {
        size_t size = w->size_rows == 0 ? 1024 : 2 * w->size_rows;
        struct window_row *rows = realloc(w->rows, size * sizeof *rows);

        if (rows == NULL) return false;
        w->rows = rows;
        w->size_rows = size;
    }
    keys_append(&w->bytes, kind, value);
    buffer_append_uint(&w->bytes, w->id, LMDB_ID_LEN);
    w->rows[w->num_rows++] = (struct window_row){
        .at = (uint32_t)at,
        .len = (uint16_t)(w->bytes.len - at),
        .via = (uint16_t)via,
    };
    return buffer_ok(&w->bytes);
}

static struct bytes row_bytes(const struct window *w,
                              const struct window_row *row)
{
    return bytes_of(w->bytes.data + row->at, row->len);
}

static int compare_rows(const void *a, const void *b, void *context)
{
    return bytes_compare(row_bytes(context, a), row_bytes(context, b));
}

// Equal rows become one, with the bits of all.
static void sort_rows(struct window *w)
{
    size_t kept = 0;

    if (w->num_rows == 0) return;
    qsort_r(w->rows, w->num_rows, sizeof *w->rows, compare_rows, w);
    for (size_t i = 1; i < w->num_rows; i++) {
        if (compare_rows(&w->rows[kept], &w->rows[i], w) == 0) {
            w->rows[kept].via |= w->rows[i].via;
        } else {
            w->rows[++kept] = w->rows[i];
        }
    }
    w->num_rows = kept + 1;
}

static void say_row(struct check *check, struct bytes row, const char *what)
{
    struct buffer name = {0};
    struct bytes key = bytes_of(row.data, row.len - LMDB_ID_LEN), id_bytes;
    enum term_kind kind;
    char shown[160] = "a key";
    uint64_t id = 0;

    id_bytes = bytes_of(row.data + key.len, LMDB_ID_LEN);
    (void)bytes_read_uint(&id_bytes, &id, LMDB_ID_LEN);
    if (keys_parse(key, &kind, &name)) {
        struct buffer text = {0};

        names_append_term(&text, kind, buffer_bytes(&name));
        (void)text_escape(shown, sizeof shown, buffer_bytes(&text));
        buffer_cleanup(&text);
    }
    buffer_cleanup(&name);
    check_say(check, "entry %" PRIu64 ": %s: %s", id, shown, what);
}

// Postings of entries in segments are in runs, those of others in the tail.
static bool is_in_run(const struct window *w, struct bytes row)
{
    const struct snapshot *snapshot = w->check->snapshot;
    struct bytes view = bytes_of(row.data + row.len - LMDB_ID_LEN, LMDB_ID_LEN);
    uint64_t id = 0;

    (void)bytes_read_uint(&view, &id, LMDB_ID_LEN);
    for (size_t i = 0; i < snapshot->num_segments; i++) {
        const struct catalogue_file *info = &snapshot->segments[i].file->info;

        if (info->first_id <= id && id < info->end_id) return true;
    }
    return false;
}

void check_add_posting(const struct check *check, struct check_sum *sum,
                       struct bytes row, uint32_t via, bool of_run)
{
    struct bytes key = bytes_of(row.data, row.len - LMDB_ID_LEN);
    uint8_t shortened[1 + RUN_KEY_HASH_LEN];
    uint8_t bytes[BLOCK_KEY_MAX + LMDB_ID_LEN];
    uint8_t secret[10];
    bool exact;

    if (!of_run) key = run_key(key, shortened, &exact);
    if (key.len > BLOCK_KEY_MAX) key.len = BLOCK_KEY_MAX;
    memcpy(bytes, key.data, key.len);
    memcpy(bytes + key.len, row.data + row.len - LMDB_ID_LEN, LMDB_ID_LEN);
    bytes_put_uint(secret, check->snapshot->index->group_seed, 8);
    bytes_put_uint(secret + 8, via & UINT16_MAX, 2);
    sum->num++;
    sum->sum += checksum(bytes_of(secret, sizeof secret),
                         bytes_of(bytes, key.len + LMDB_ID_LEN));
}

// Looks up every row of the window and empties it; of what belongs in runs a
// sum is made.
static bool flush_window(struct window *w, struct err *err)
{
    struct check *check = w->check;
    lmdb_db keys = check->snapshot->index->tail.keys;

    sort_rows(w);
    for (size_t i = 0; i < w->num_rows; i++) {
        struct bytes row = row_bytes(w, &w->rows[i]), value;
        struct posting posting;
        uint64_t sum;
        bool found;

        if (is_in_run(w, row)) {
            check_add_posting(check, &check->derived_runs, row, w->rows[i].via,
                              false);
            continue;
        }
        check->derived++;
        if (!lmdb_get(check->snapshot->txn, keys, row, &value, &found, err)) {
            return false;
        }
        if (!found) {
            say_row(check, row, "is not in the table of keys");
        } else if (posting_read(&posting, row, value, &sum) &&
                   posting.via != w->rows[i].via) {
            say_row(check, row, "stands there with another origin");
        }
    }
    w->num_rows = 0;
    buffer_reset(&w->bytes);
    return true;
}

// A final certificate's issuer key: of those entries that knew the issuer.
static bool add_issuer_row(struct window *w, const struct entry *entry,
                           struct err *err)
{
    struct snapshot *snapshot = w->check->snapshot;
    struct sha256_hash key;
    uint64_t known_from;
    bool found;

    if (entry->leaf.type != LEAF_X509 || entry->bytes.num_chain == 0 ||
        entry->cert.issuer.len == 0) {
        return true;
    }
    if (!tail_issuer_key(&snapshot->index->tail, snapshot->txn,
                         &entry->bytes.chain[0], entry->cert.issuer, &key,
                         &known_from, &found, err)) {
        return false;
    }
    return !found || known_from > w->id ||
           add_row(w, TERM_ISSUER_KEY, sha256_bytes(&key),
                   VIA_UNAUTHENTICATED) ||
           err_set(err, ERR_MEMORY, "no memory");
}

static bool add_entry(struct window *w, const struct entry *entry,
                      struct err *err)
{
    if (!posting_each_term(entry, add_row, w)) {
        return err_set(err, ERR_MEMORY, "no memory");
    }
    return add_issuer_row(w, entry, err);
}

static bool facts_agree(const struct snapshot *snapshot,
                        const struct record *record, const struct entry *entry)
{
    struct record again;

    record_of(&again, entry, record->facts.log, false);
    return again.facts.timestamp_ms == record->facts.timestamp_ms &&
           again.facts.type == record->facts.type &&
           again.facts.not_before == record->facts.not_before &&
           again.facts.not_after == record->facts.not_after &&
           again.facts.flags == record->facts.flags &&
           again.facts.has_tbs == record->facts.has_tbs &&
           segment_group(snapshot->index->group_seed, &again.facts.group) ==
               record->facts.group_mark;
}

// Makes one entry again; the frontier goes on with its leaf hash.
static bool check_entry(struct window *w, struct merkle_frontier *frontier,
                        struct arena *arena, struct err *err)
{
    struct snapshot *snapshot = w->check->snapshot;
    struct record record;
    struct bytes plain;
    struct entry entry;

    if (!snapshot_record(snapshot, w->id, &record, &plain, arena, err)) {
        return false;
    }
    if (!snapshot_decode(snapshot, &record, plain, ENTRY_ALL, &entry, arena,
                         err)) {
        return err_wrap(err, "entry %" PRIu64, w->id);
    }
    merkle_append(frontier, &entry.leaf_hash);
    if (!facts_agree(snapshot, &record, &entry)) {
        check_say(w->check,
                  "entry %" PRIu64
                  ": what was noted differs from what it holds",
                  w->id);
    }
    return add_entry(w, &entry, err);
}

static bool check_all_entries(struct window *w, const struct chunk_info *chunk,
                              struct merkle_frontier *frontier, struct err *err)
{
    struct arena arena = {0};
    bool ok = true;

    for (uint64_t i = 0; ok && i < chunk->num_entries; i++) {
        w->id = chunk->id + i;
        ok = check_entry(w, frontier, &arena, err);
        if (ok && (w->num_rows >= WINDOW_ROWS_MAX ||
                   w->bytes.len >= WINDOW_BYTES_MAX)) {
            ok = flush_window(w, err);
        }
        if (arena.total > ARENA_KEEP_MAX) {
            arena_cleanup(&arena);
        } else {
            arena_reset(&arena);
        }
    }
    arena_cleanup(&arena);
    return ok && flush_window(w, err);
}

bool check_chunk_deep(struct check *check, const struct index_log *log,
                      const struct chunk_info *chunk,
                      const struct merkle_frontier *end, struct err *err)
{
    struct merkle_frontier frontier = chunk->proof.left;
    struct window window = {.check = check, .bytes = {.max = UINT32_MAX}};
    bool ok = check_all_entries(&window, chunk, &frontier, err);

    if (ok &&
        (frontier.size != end->size ||
         memcmp(frontier.nodes, end->nodes,
                (size_t)__builtin_popcountll(end->size) * SHA256_LEN) != 0)) {
        check_say(check,
                  "%s: entries %" PRIu64 "..%" PRIu64
                  ": their leaves do not give the root that was proven",
                  log->name, chunk->first, end->size - 1);
    }
    free(window.rows);
    buffer_cleanup(&window.bytes);
    return ok;
}

// ------------------------------------------------------------ the other way

static bool contains(const struct window *w, struct bytes row)
{
    for (size_t i = 0; i < w->num_rows; i++) {
        if (bytes_equal(row_bytes(w, &w->rows[i]), row)) return true;
    }
    return false;
}

static bool trace_row(struct window *w, struct bytes row, struct arena *arena,
                      struct err *err)
{
    struct snapshot *snapshot = w->check->snapshot;
    struct bytes id = bytes_of(row.data + row.len - LMDB_ID_LEN, LMDB_ID_LEN);
    struct record record;
    struct bytes plain;
    struct entry entry;

    w->num_rows = 0;
    buffer_reset(&w->bytes);
    if (!bytes_read_uint(&id, &w->id, LMDB_ID_LEN)) return true;
    // What cannot be read was reported with its chunk.
    if (!snapshot_record(snapshot, w->id, &record, &plain, arena, err) ||
        !snapshot_decode(snapshot, &record, plain, ENTRY_ALL, &entry, arena,
                         err)) {
        return err->code != ERR_MEMORY;
    }
    if (!add_entry(w, &entry, err)) return err->code != ERR_MEMORY;
    if (!contains(w, row)) say_row(w->check, row, "is not a key of this entry");
    return true;
}

static bool trace_all(struct window *w, struct lmdb_cursor *cursor,
                      struct err *err)
{
    enum lmdb_move move = LMDB_FIRST;
    struct arena arena = {0};
    struct bytes row, value;
    bool ok, found;

    while ((ok = lmdb_cursor_move(cursor, move, &row, &value, &found, err)) &&
           found) {
        if (row.len > LMDB_ID_LEN) ok = trace_row(w, row, &arena, err);
        if (!ok) break;
        arena_reset(&arena);
        move = LMDB_NEXT;
    }
    arena_cleanup(&arena);
    return ok;
}

// What runs hold is what the entries give when both sums are equal: they are
// made under a secret.
static void compare_sums(struct check *check)
{
    const struct check_sum *derived = &check->derived_runs;
    const struct check_sum *held = &check->held_runs;

    if (derived->num == held->num && derived->sum == held->sum) return;
    check_say(check,
              "index damaged: %" PRIu64 " postings in runs where the entries "
              "give %" PRIu64 "%s",
              held->num, derived->num,
              held->num == derived->num ? " others" : "");
}

bool check_keys_deep(struct check *check, struct err *err)
{
    struct window window = {.check = check, .bytes = {.max = UINT32_MAX}};
    struct lmdb_cursor *cursor;
    uint64_t items, bytes;
    bool ok;

    compare_sums(check);
    if (!lmdb_db_size(check->snapshot->txn, check->snapshot->index->tail.keys,
                      &items, &bytes, err)) {
        return check_go_on(check, err);
    }
    if (items == check->derived) return true;
    check_say(check,
              "index damaged: %" PRIu64 " postings where the entries give "
              "%" PRIu64,
              items, check->derived);
    if (!lmdb_cursor_open(&cursor, check->snapshot->txn,
                          check->snapshot->index->tail.keys, err)) {
        return check_go_on(check, err);
    }
    ok = trace_all(&window, cursor, err) || check_go_on(check, err);
    lmdb_cursor_close(cursor);
    free(window.rows);
    buffer_cleanup(&window.bytes);
    return ok;
}
