// cursor.c - postings in order, of the tail and all runs.
//
// Each source stands before its next posting; the lowest one is given.  A key
// that runs hold shortened (run.h) is looked for as they have it, and what is
// found is compared with the entry, unless the entry's group says enough.
//
// Most look-ups are short and there are many: a cursor that is closed is kept
// with its snapshot, and so is a cursor in each run, for the next one opened.

#include <inttypes.h>
#include <stdlib.h>

#include "index/handle.h"
#include "index/store/keys.h"
#include "index/store/posting.h"

enum { ARENA_KEEP_MAX = 1 << 20, BUFFER_KEEP_MAX = 4096, IDLE_MAX = 4 };

struct source {
    struct run_cursor *run; // NULL: the tail
    size_t run_number;      // in the snapshot
    bool is_read;           // `posting` is its next one, or it is at its end
    bool at_end;
    struct posting posting;
};

struct cursor {
    struct snapshot *snapshot;
    struct cursor *next; // while it is idle
    struct lmdb_cursor *tail;
    struct buffer first; // a row
    struct buffer end;   // a key
    bool seek;           // the tail's next step goes to `row`
    struct buffer row;
    bool whole; // one key, which runs hold shortened
    bool loose; // and so are others found
    uint8_t shortened[1 + RUN_KEY_HASH_LEN];
    struct arena arena;
    struct source *given; // read on before the next step
    size_t num_sources;
    struct source sources[];
};

static bool no_memory(struct err *err)
{
    return err_set(err, ERR_MEMORY, "index: no memory");
}

static bool is_made(const struct cursor *cursor, struct err *err)
{
    return (buffer_ok(&cursor->first) && buffer_ok(&cursor->end) &&
            buffer_ok(&cursor->row)) ||
           no_memory(err);
}

static struct bytes first_key(const struct cursor *cursor)
{
    struct bytes first = buffer_bytes(&cursor->first);

    first.len -= LMDB_ID_LEN;
    return first;
}

static struct bytes short_key(const struct cursor *cursor)
{
    return bytes_of(cursor->shortened, sizeof cursor->shortened);
}

// ------------------------------------------------------------ open

// Whether [first, end) holds one key alone: no key of these kinds begins
// another (keys.h).
static bool is_one_key(struct bytes first, struct bytes end)
{
    return first.len > 0 && end.len == first.len + 1 &&
           memcmp(first.data, end.data, first.len) == 0;
}

// Stands before the first posting of the cursor's range.
static bool place_run(const struct cursor *cursor, struct run_cursor *run,
                      struct err *err)
{
    uint8_t end[1 + RUN_KEY_HASH_LEN + 1];

    if (!cursor->whole) {
        return run_cursor_range(run, first_key(cursor),
                                buffer_bytes(&cursor->end), err);
    }
    memcpy(end, cursor->shortened, sizeof cursor->shortened);
    end[sizeof end - 1] = 0;
    return run_cursor_range(run, short_key(cursor), bytes_of(end, sizeof end),
                            err);
}

static bool add_run(struct cursor *cursor, size_t number, bool one_key,
                    struct bytes key, struct err *err)
{
    struct snapshot *snapshot = cursor->snapshot;
    const struct run *run = snapshot->runs[number]->run;
    struct source *source = &cursor->sources[cursor->num_sources];

    if (one_key && !run_may_have(run, key)) return true;
    *source = (struct source){.run = snapshot->idle_runs[number],
                              .run_number = number};
    snapshot->idle_runs[number] = NULL;
    if (source->run == NULL && !run_cursor_open(&source->run, run, err)) {
        return false;
    }
    cursor->num_sources++;
    return place_run(cursor, source->run, err);
}

static bool add_runs(struct cursor *cursor, struct bytes first,
                     struct bytes end, struct err *err)
{
    struct snapshot *snapshot = cursor->snapshot;
    bool one_key = is_one_key(first, end), exact = true;
    struct bytes key = first;

    if (one_key) key = run_key(first, cursor->shortened, &exact);
    cursor->whole = !exact;
    // A name's range may hold more than its own key, but for the id's zero.
    one_key = one_key && (cursor->whole || end.data[end.len - 1] == 0);
    for (size_t i = 0; i < snapshot->num_runs; i++) {
        if (!add_run(cursor, i, one_key, key, err)) {
            return false;
        }
    }
    return true;
}

static struct cursor *take_idle(struct snapshot *snapshot)
{
    struct cursor *cursor = snapshot->idle_cursors;

    if (cursor == NULL) {
        return calloc(1, sizeof *cursor + (snapshot->num_runs + 1) *
                                              sizeof cursor->sources[0]);
    }
    snapshot->idle_cursors = cursor->next;
    snapshot->num_idle--;
    return cursor;
}

// What it stood on before is of no account.
static void begin(struct cursor *cursor, struct snapshot *snapshot,
                  struct bytes first, struct bytes end)
{
    cursor->snapshot = snapshot;
    cursor->given = NULL;
    cursor->whole = cursor->loose = false;
    buffer_reset(&cursor->first);
    buffer_reset(&cursor->end);
    buffer_reset(&cursor->row);
    posting_row(&cursor->first, first, 0);
    buffer_append(&cursor->end, end);
    buffer_append(&cursor->row, buffer_bytes(&cursor->first));
    cursor->seek = true;
    // An empty tail has nothing.
    cursor->sources[0] = (struct source){
        .is_read = snapshot->counts.postings == 0,
        .at_end = snapshot->counts.postings == 0,
    };
    cursor->num_sources = 1;
}

bool cursor_open(struct cursor **out, struct snapshot *snapshot,
                 struct bytes first, struct bytes end, struct err *err)
{
    struct cursor *cursor = take_idle(snapshot);

    if (cursor == NULL) return no_memory(err);
    begin(cursor, snapshot, first, end);
    if (!is_made(cursor, err) || !add_runs(cursor, first, end, err)) {
        cursor_close(cursor);
        return false;
    }
    *out = cursor;
    return true;
}

void cursor_accept_short(struct cursor *cursor)
{
    cursor->loose = true;
}

static void free_cursor(struct cursor *cursor)
{
    lmdb_cursor_close(cursor->tail);
    buffer_cleanup(&cursor->first);
    buffer_cleanup(&cursor->end);
    buffer_cleanup(&cursor->row);
    arena_cleanup(&cursor->arena);
    free(cursor);
}

void cursor_close(struct cursor *cursor)
{
    struct snapshot *snapshot;

    if (cursor == NULL) return;
    snapshot = cursor->snapshot;
    for (size_t i = 1; i < cursor->num_sources; i++) {
        struct source *source = &cursor->sources[i];
        struct run_cursor **idle = &snapshot->idle_runs[source->run_number];

        if (*idle == NULL) {
            *idle = source->run;
        } else {
            run_cursor_close(source->run);
        }
    }
    if (snapshot->num_idle == IDLE_MAX ||
        cursor->row.size + cursor->end.size > BUFFER_KEEP_MAX) {
        free_cursor(cursor);
        return;
    }
    cursor->next = snapshot->idle_cursors;
    snapshot->idle_cursors = cursor;
    snapshot->num_idle++;
}

void snapshot_drop_cursors(struct snapshot *snapshot)
{
    while (snapshot->idle_cursors != NULL) {
        struct cursor *cursor = snapshot->idle_cursors;

        snapshot->idle_cursors = cursor->next;
        free_cursor(cursor);
    }
    snapshot->num_idle = 0;
}

// ------------------------------------------------------------ what was meant

struct wanted {
    struct bytes key;
    bool found;
};

static bool compare_term(void *context, enum term_kind kind, struct bytes value,
                         uint32_t via)
{
    struct wanted *wanted = context;
    struct buffer key = {0};
    bool ok;

    (void)via;
    if (wanted->found || wanted->key.data[0] != (uint8_t)kind) return true;
    keys_append(&key, kind, value);
    ok = buffer_ok(&key);
    wanted->found = ok && bytes_equal(buffer_bytes(&key), wanted->key);
    buffer_cleanup(&key);
    return ok;
}

// What of an entry tells its terms of the key's kind.
static unsigned parts_of(struct bytes key)
{
    switch (key.data[0]) {
    case TERM_CERT_SHA256:
        return ENTRY_CERTIFICATE_SHA256;
    case TERM_SPKI_SHA256:
        return ENTRY_SPKI_SHA256;
    case TERM_SERIAL:
    case TERM_ISSUER_KEY:
        return 0;
    default:
        return ENTRY_ALL;
    }
}

// Whether the entry bears the key that was asked for, not another that is
// shortened to the same.
static bool is_meant(struct cursor *cursor, uint64_t id, bool *meant,
                     struct err *err)
{
    struct snapshot *snapshot = cursor->snapshot;
    struct wanted wanted = {.key = first_key(cursor)};
    struct entry_facts facts;
    struct entry entry;
    bool has_bytes, ok;

    if (wanted.key.data[0] == TERM_TBS_SHA256) {
        struct sha256_hash hash;

        memcpy(hash.bytes, wanted.key.data + 1, SHA256_LEN);
        if (!snapshot_facts(snapshot, id, &facts, err)) return false;
        *meant = facts.has_tbs &&
                 facts.group_mark ==
                     segment_group(snapshot->index->group_seed, &hash);
        return true;
    }
    ok = snapshot_entry(snapshot, id, parts_of(wanted.key), &entry, &has_bytes,
                        &cursor->arena, err);
    if (ok && !posting_each_term(&entry, compare_term, &wanted)) {
        ok = no_memory(err);
    }
    *meant = wanted.found;
    if (cursor->arena.total > ARENA_KEEP_MAX) {
        arena_cleanup(&cursor->arena);
    } else {
        arena_reset(&cursor->arena);
    }
    return ok;
}

// ------------------------------------------------------------ steps

static bool read_tail(struct cursor *cursor, struct source *source,
                      struct err *err)
{
    struct bytes row = buffer_bytes(&cursor->row), value;
    struct snapshot *snapshot = cursor->snapshot;
    uint64_t sum;
    bool found;

    if (cursor->tail == NULL &&
        !lmdb_cursor_open(&cursor->tail, snapshot->txn,
                          snapshot->index->tail.keys, err)) {
        return false;
    }
    if (!lmdb_cursor_move(cursor->tail, cursor->seek ? LMDB_SEEK : LMDB_NEXT,
                          &row, &value, &found, err)) {
        return false;
    }
    cursor->seek = false;
    if (found && !posting_read(&source->posting, row, value, &sum)) {
        return err_set(err, ERR_INDEX,
                       "index damaged: a posting's checksum "
                       "differs");
    }
    source->at_end = !found || (cursor->end.len != 0 &&
                                bytes_compare(source->posting.key,
                                              buffer_bytes(&cursor->end)) >= 0);
    return true;
}

static bool read_run(struct cursor *cursor, struct source *source,
                     struct err *err)
{
    struct posting *posting = &source->posting;
    struct hit hit;
    bool found, meant = true;

    do {
        if (!run_cursor_next(source->run, &posting->key, &hit, &found, err)) {
            return false;
        }
        if (found && cursor->whole && !cursor->loose &&
            !is_meant(cursor, hit.id, &meant, err)) {
            return false;
        }
    } while (found && !meant);
    source->at_end = !found;
    if (!found) return true;
    posting->id = hit.id;
    posting->via = hit.via;
    if (cursor->whole) posting->key = first_key(cursor);
    return true;
}

static bool is_below(const struct posting *a, const struct posting *b)
{
    int order = bytes_compare(a->key, b->key);

    return order != 0 ? order < 0 : a->id < b->id;
}

bool cursor_next(struct cursor *cursor, struct posting *posting, bool *found,
                 struct err *err)
{
    struct source *lowest = NULL;

    if (cursor->given != NULL) cursor->given->is_read = false;
    cursor->given = NULL;
    for (size_t i = 0; i < cursor->num_sources; i++) {
        struct source *source = &cursor->sources[i];

        if (!source->is_read && !source->at_end &&
            !(source->run == NULL ? read_tail(cursor, source, err)
                                  : read_run(cursor, source, err))) {
            return false;
        }
        source->is_read = true;
        if (source->at_end) continue;
        if (lowest == NULL || is_below(&source->posting, &lowest->posting)) {
            lowest = source;
        }
    }
    *found = lowest != NULL;
    if (lowest == NULL) return true;
    *posting = lowest->posting;
    cursor->given = lowest;
    return true;
}

static bool seek_run(struct cursor *cursor, struct run_cursor *run,
                     struct bytes key, uint64_t after, struct err *err)
{
    int order = bytes_compare(key, first_key(cursor));

    if (order < 0) return place_run(cursor, run, err);
    if (after > POSTING_ID_MAX) after = POSTING_ID_MAX;
    if (!cursor->whole) return run_cursor_seek_after(run, key, after, err);
    return run_cursor_seek_after(run, short_key(cursor),
                                 order == 0 ? after : POSTING_ID_MAX, err);
}

bool cursor_seek_after(struct cursor *cursor, struct bytes key, uint64_t after,
                       struct err *err)
{
    struct bytes first = first_key(cursor);

    cursor->given = NULL;
    cursor->seek = true;
    for (size_t i = 0; i < cursor->num_sources; i++) {
        struct source *source = &cursor->sources[i];

        source->is_read = source->at_end = false;
        if (source->run != NULL &&
            !seek_run(cursor, source->run, key, after, err)) {
            return false;
        }
    }
    buffer_reset(&cursor->row);
    if (bytes_compare(key, first) < 0) {
        posting_row(&cursor->row, first, 0);
    } else {
        posting_row(&cursor->row, key,
                    after < POSTING_ID_MAX ? after + 1 : POSTING_ID_MAX + 1);
    }
    return is_made(cursor, err);
}
