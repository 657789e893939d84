// cursor.c - postings in order, of the tail and all runs.
//
// A heap of sources, the lowest first.  A source that was not read yet stands
// in it with a posting that its next one is not below: of a key that many runs
// hold only those are asked whose entries a page reaches.
//
// A key that runs hold shortened (run.h) is looked for as they have it, and
// what is found is compared with the entry, unless the entry's group says
// enough.
//
// Most look-ups are short and there are many: a cursor that is closed is kept
// with its snapshot, and so are its cursors in the runs, for the next one.

#include <inttypes.h>
#include <stdlib.h>

#include "index/handle.h"
#include "index/store/keys.h"
#include "index/store/posting.h"

enum {
    ARENA_KEEP_MAX = 1 << 20,
    BUFFER_KEEP_MAX = 4096,
    IDLE_MAX = 4,
    RUNS_FEW = 32,
    SOURCES_FEW = 4,
};

struct source {
    struct snapshot_run *held; // NULL: the tail
    struct run_cursor *run;    // NULL: not opened, or the tail
    bool is_placed;            // the cursor stands where it belongs
    bool is_read;              // `posting` is its next one
    struct posting posting;    // or what that one is not below
};

struct cursor {
    struct snapshot *snapshot;
    struct cursor *next;      // while it is idle
    struct lmdb_cursor *tail; // NULL: not opened
    struct buffer first;      // a row
    struct buffer end;        // a key
    bool has_after;           // go on after the row (`key`, `after`)
    struct buffer key;
    uint64_t after;
    struct buffer row; // where the tail's next step goes
    bool one_key;
    bool whole; // and runs hold it shortened
    bool loose; // others that are shortened to the same are given, too
    uint8_t shortened[1 + RUN_KEY_HASH_LEN];
    struct arena arena;
    size_t num_sources, num_heap;
    struct source **heap; // of sources that are not at their end
    struct source sources[];
};

static bool no_memory(struct err *err)
{
    return err_set(err, ERR_MEMORY, "index: no memory");
}

static bool is_made(const struct cursor *cursor, struct err *err)
{
    return (buffer_ok(&cursor->first) && buffer_ok(&cursor->end) &&
            buffer_ok(&cursor->key) && buffer_ok(&cursor->row)) ||
           no_memory(err);
}

static struct bytes first_key(const struct cursor *cursor)
{
    struct bytes first = buffer_bytes(&cursor->first);

    first.len -= LMDB_ID_LEN;
    return first;
}

// Whether [first, end) holds one key alone: no key of these kinds begins
// another (keys.h).
static bool is_one_key(struct bytes first, struct bytes end)
{
    return first.len > 0 && end.len == first.len + 1 &&
           memcmp(first.data, end.data, first.len) == 0;
}

// ------------------------------------------------------------ the heap

static bool is_below(const struct posting *a, const struct posting *b)
{
    int order = bytes_compare(a->key, b->key);

    return order != 0 ? order < 0 : a->id < b->id;
}

static void sink(struct cursor *cursor, size_t at)
{
    struct source **heap = cursor->heap, *moved = heap[at];

    for (;;) {
        size_t child = 2 * at + 1;

        if (child >= cursor->num_heap) break;
        if (child + 1 < cursor->num_heap &&
            is_below(&heap[child + 1]->posting, &heap[child]->posting)) {
            child++;
        }
        if (!is_below(&heap[child]->posting, &moved->posting)) break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = moved;
}

// Puts every source before what is asked for.  A run holds no id below its
// first.
static void start(struct cursor *cursor)
{
    struct bytes key =
        cursor->has_after ? buffer_bytes(&cursor->key) : first_key(cursor);
    uint64_t id = cursor->has_after ? cursor->after + 1 : 0;

    cursor->num_heap = 0;
    for (size_t i = 0; i < cursor->num_sources; i++) {
        struct source *source = &cursor->sources[i];
        uint64_t lowest =
            source->held == NULL ? 0 : source->held->file->info.first_id;

        if (cursor->one_key && cursor->has_after && source->held != NULL &&
            source->held->file->info.end_id <= id) {
            continue;
        }
        source->is_placed = source->is_read = false;
        source->posting =
            (struct posting){.key = key, .id = id > lowest ? id : lowest};
        cursor->heap[cursor->num_heap++] = source;
    }
    for (size_t i = cursor->num_heap / 2; i > 0; i--) {
        sink(cursor, i - 1);
    }
}

// ------------------------------------------------------------ open

static void add_source(struct cursor *cursor, struct snapshot_run *held)
{
    cursor->sources[cursor->num_sources++] = (struct source){.held = held};
}

struct probe {
    struct snapshot_run *held;
    struct run_probe probe;
};

struct probing {
    struct cursor *cursor;
    struct bytes key;
    struct probe *probes;
};

// Asks all filters, then looks at what each of them said; where one is not in
// memory all are read side by side.
static bool probe_runs(void *context, struct err *err)
{
    const struct probing *probing = context;
    struct cursor *cursor = probing->cursor;
    struct snapshot *snapshot = cursor->snapshot;
    uint64_t prefix = run_probe_prefix(probing->key);
    struct probe *probes = probing->probes;
    size_t num = 0;
    bool ok = true;

    for (size_t i = 0; i < snapshot->num_runs; i++) {
        probes[num].held = &snapshot->runs[i];
        num += run_probe(snapshot->runs[i].file->run, probing->key, prefix,
                         &probes[num].probe);
    }
    for (size_t i = 0; i < num; i++) {
        const struct probe *probe = &probes[i];

        if (!run_probe_pass(probe->held->file->run, &probe->probe,
                            snapshot->gate, err)) {
            ok = false;
        } else if (run_probe_may_have(&probe->probe)) {
            add_source(cursor, probe->held);
        }
    }
    return ok;
}

static bool add_runs_with(struct cursor *cursor, struct bytes key,
                          struct err *err)
{
    struct snapshot *snapshot = cursor->snapshot;
    struct probe few[RUNS_FEW], *probes = few;
    bool ok;

    if (snapshot->num_runs > RUNS_FEW) {
        probes = calloc(snapshot->num_runs, sizeof *probes);
        if (probes == NULL) return no_memory(err);
    }
    ok = lmdb_touch(probe_runs, &(struct probing){cursor, key, probes}, err);
    if (probes != few) free(probes);
    return ok;
}

static bool add_sources(struct cursor *cursor, struct bytes first,
                        struct bytes end, struct err *err)
{
    struct snapshot *snapshot = cursor->snapshot;
    bool one_key = is_one_key(first, end), exact = true;
    struct bytes key = first;

    if (snapshot->counts.postings > 0) add_source(cursor, NULL);
    if (one_key) key = run_key(first, cursor->shortened, &exact);
    cursor->whole = !exact;
    // A name's range may hold more than its own key, but for the id's zero.
    cursor->one_key = one_key && (cursor->whole || end.data[end.len - 1] == 0);
    if (cursor->one_key) {
        return add_runs_with(cursor, key, err);
    }
    for (size_t i = 0; i < snapshot->num_runs; i++) {
        add_source(cursor, &snapshot->runs[i]);
    }
    return true;
}

static struct cursor *take_idle(struct snapshot *snapshot)
{
    size_t most = snapshot->num_runs + 1;
    struct cursor *cursor = snapshot->idle_cursors;

    if (cursor != NULL) {
        snapshot->idle_cursors = cursor->next;
        snapshot->num_idle--;
        return cursor;
    }
    cursor = calloc(1, sizeof *cursor + most * (sizeof cursor->sources[0] +
                                                sizeof cursor->heap[0]));
    if (cursor != NULL) {
        cursor->heap = (struct source **)(void *)(cursor->sources + most);
    }
    return cursor;
}

// What it stood on before is of no account.
static void begin(struct cursor *cursor, struct snapshot *snapshot,
                  struct bytes first, struct bytes end)
{
    cursor->snapshot = snapshot;
    cursor->one_key = cursor->whole = cursor->loose = false;
    cursor->has_after = false;
    cursor->num_sources = cursor->num_heap = 0;
    buffer_reset(&cursor->first);
    buffer_reset(&cursor->end);
    buffer_reset(&cursor->key);
    buffer_reset(&cursor->row);
    posting_row(&cursor->first, first, 0);
    buffer_append(&cursor->end, end);
}

bool cursor_open(struct cursor **out, struct snapshot *snapshot,
                 struct bytes first, struct bytes end, struct err *err)
{
    struct cursor *cursor = take_idle(snapshot);

    if (cursor == NULL) return no_memory(err);
    begin(cursor, snapshot, first, end);
    if (!is_made(cursor, err) || !add_sources(cursor, first, end, err)) {
        cursor_close(cursor);
        return false;
    }
    start(cursor);
    *out = cursor;
    return true;
}

void cursor_accept_short(struct cursor *cursor)
{
    cursor->loose = true;
}

static void give_back(struct source *source)
{
    struct snapshot_run *held = source->held;

    if (source->run == NULL) return;
    if (held->num_idle < SNAPSHOT_CURSORS_MAX) {
        held->idle[held->num_idle++] = source->run;
    } else {
        run_cursor_close(source->run);
    }
    source->run = NULL;
}

static void free_cursor(struct cursor *cursor)
{
    lmdb_cursor_close(cursor->tail);
    buffer_cleanup(&cursor->first);
    buffer_cleanup(&cursor->end);
    buffer_cleanup(&cursor->key);
    buffer_cleanup(&cursor->row);
    arena_cleanup(&cursor->arena);
    free(cursor);
}

void cursor_close(struct cursor *cursor)
{
    struct snapshot *snapshot;

    if (cursor == NULL) return;
    snapshot = cursor->snapshot;
    for (size_t i = 0; i < cursor->num_sources; i++) {
        give_back(&cursor->sources[i]);
    }
    if (snapshot->num_idle == IDLE_MAX ||
        cursor->row.size + cursor->key.size + cursor->end.size >
            BUFFER_KEEP_MAX) {
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

// Makes the row that the tail goes on from.
static bool place_tail(struct cursor *cursor, struct err *err)
{
    buffer_reset(&cursor->row);
    if (cursor->has_after) {
        posting_row(&cursor->row, buffer_bytes(&cursor->key),
                    cursor->after + 1);
    } else {
        buffer_append(&cursor->row, buffer_bytes(&cursor->first));
    }
    return is_made(cursor, err) &&
           (cursor->tail != NULL ||
            lmdb_cursor_open(&cursor->tail, cursor->snapshot->txn,
                             cursor->snapshot->index->tail.keys, err));
}

static bool read_tail(struct cursor *cursor, struct source *source, bool *found,
                      struct err *err)
{
    struct bytes row, value;
    uint64_t sum;
    bool seek = !source->is_placed;

    if (seek && !place_tail(cursor, err)) return false;
    row = buffer_bytes(&cursor->row);
    if (!lmdb_cursor_move(cursor->tail, seek ? LMDB_SEEK : LMDB_NEXT, &row,
                          &value, found, err)) {
        return false;
    }
    source->is_placed = true;
    if (*found && !posting_read(&source->posting, row, value, &sum)) {
        return err_set(err, ERR_INDEX,
                       "index damaged: a posting's checksum "
                       "differs");
    }
    *found = *found && (cursor->end.len == 0 ||
                        bytes_compare(source->posting.key,
                                      buffer_bytes(&cursor->end)) < 0);
    return true;
}

// Stands before the first posting that is asked for; only the tree is touched.
static bool place_run(const struct cursor *cursor, struct source *source,
                      struct err *err)
{
    struct snapshot_run *held = source->held;
    struct bytes first = first_key(cursor), end = buffer_bytes(&cursor->end);
    uint8_t after_short[1 + RUN_KEY_HASH_LEN + 1] = {0};

    if (source->run == NULL && held->num_idle > 0) {
        source->run = held->idle[--held->num_idle];
    }
    if (source->run == NULL &&
        !run_cursor_open(&source->run, held->file->run, err)) {
        return false;
    }
    run_cursor_set_gate(source->run, cursor->snapshot->gate);
    if (cursor->snapshot->trusts) run_cursor_trust(source->run);
    source->is_placed = true;
    if (cursor->whole) {
        memcpy(after_short, cursor->shortened, sizeof cursor->shortened);
        first = bytes_of(after_short, sizeof after_short - 1);
        end = bytes_of(after_short, sizeof after_short);
    }
    if (!cursor->has_after) {
        return run_cursor_range(source->run, first, end, err);
    }
    return run_cursor_range_after(
        source->run, cursor->whole ? first : buffer_bytes(&cursor->key),
        cursor->after, end, err);
}

// Has the blocks of all runs read side by side.
static void expect_others(struct cursor *cursor)
{
    for (size_t i = 0; i < cursor->num_sources; i++) {
        struct source *other = &cursor->sources[i];

        if (other->held == NULL || other->is_placed) continue;
        if (place_run(cursor, other, NULL)) run_cursor_expect(other->run);
    }
}

static bool read_run(struct cursor *cursor, struct source *source, bool *found,
                     struct err *err)
{
    struct posting *posting = &source->posting;
    struct hit hit;
    bool meant = true;

    if (!source->is_placed && !place_run(cursor, source, err)) return false;
    do {
        if (!run_cursor_next(source->run, &posting->key, &hit, found, err)) {
            if (err->code == ERR_COLD) expect_others(cursor);
            return false;
        }
        if (*found && cursor->whole && !cursor->loose &&
            !is_meant(cursor, hit.id, &meant, err)) {
            return false;
        }
    } while (*found && !meant);
    if (!*found) return true;
    posting->id = hit.id;
    posting->via = hit.via;
    if (cursor->whole) posting->key = first_key(cursor);
    return true;
}

bool cursor_bring_near(struct cursor *cursor, struct err *err)
{
    if (cursor->num_heap > SOURCES_FEW) return true;
    for (size_t i = 0; i < cursor->num_heap; i++) {
        struct source *source = cursor->heap[i];

        if (source->held == NULL || source->is_placed) continue;
        if (!place_run(cursor, source, err)) return false;
        run_cursor_bring_near(source->run);
    }
    return true;
}

bool cursor_next(struct cursor *cursor, struct posting *posting, bool *found,
                 struct err *err)
{
    *found = false;
    while (cursor->num_heap > 0) {
        struct source *lowest = cursor->heap[0];
        bool any;

        if (lowest->is_read) {
            *posting = lowest->posting;
            *found = true;
            lowest->is_read = false; // what comes next is not below it
            return true;
        }
        if (!(lowest->held == NULL ? read_tail(cursor, lowest, &any, err)
                                   : read_run(cursor, lowest, &any, err))) {
            return false;
        }
        lowest->is_read = any;
        if (!any) cursor->heap[0] = cursor->heap[--cursor->num_heap];
        if (cursor->num_heap > 1) sink(cursor, 0);
    }
    return true;
}

bool cursor_blocks(struct cursor *cursor, struct bytes *blocks, size_t max,
                   size_t *num, struct err *err)
{
    *num = 0;
    for (size_t i = 0; i < cursor->num_heap && *num < max; i++) {
        struct source *source = cursor->heap[i];

        if (source->held == NULL || source->is_read) continue;
        if (!source->is_placed && !place_run(cursor, source, err)) return false;
        blocks[*num] = run_cursor_block(source->run);
        if (blocks[*num].len > 0) ++*num;
    }
    return true;
}

bool cursor_seek_after(struct cursor *cursor, struct bytes key, uint64_t after,
                       struct err *err)
{
    int order = bytes_compare(key, first_key(cursor));

    cursor->has_after = order >= 0;
    buffer_reset(&cursor->key);
    buffer_append(&cursor->key, key);
    cursor->after = after < POSTING_ID_MAX ? after : POSTING_ID_MAX;
    if (!is_made(cursor, err)) return false;
    start(cursor);
    // Nothing of the one key follows another.
    if (cursor->one_key && order > 0) cursor->num_heap = 0;
    return true;
}
