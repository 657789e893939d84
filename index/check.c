// check.c - verify: rows, counts, chunks and heads.  See check.h.

#include "index/check.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "index/check_parts.h"
#include "index/entry/head.h"
#include "index/store/row.h"

enum { ARENA_KEEP_MAX = 4 * 1024 * 1024 };

void check_say(struct check *check, const char *format, ...)
{
    char sentence[ERR_TEXT_MAX + 128];
    va_list args;

    check->num_faults++;
    va_start(args, format);
    (void)vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    check->options->fault(check->options->context, sentence);
}

bool check_go_on(struct check *check, struct err *err)
{
    if (err->code == ERR_MEMORY) return false;
    check_say(check, "%s", err->text);
    *err = (struct err){0};
    return true;
}

// ------------------------------------------------------------ heads

// The origin may have changed since.
static bool parse_head(struct head *out, const struct head *held,
                       const struct log_key *key, struct err *err)
{
    if (held->kind == HEAD_CHECKPOINT) {
        return head_parse_checkpoint(out, held->served, NULL, key, err);
    }
    return head_parse_sth(out, held->served, key, err);
}

static void check_head(struct check *check, const struct index_log *log,
                       const struct head *held, const struct log_key *key)
{
    struct head again;
    struct err err = {0};

    if (!parse_head(&again, held, key, &err)) {
        check_say(check, "%s: head of %" PRIu64 ": %s", log->name, held->size,
                  err.text);
    } else if (again.size != held->size ||
               again.timestamp_ms != held->timestamp_ms ||
               !sha256_equal(&again.root, &held->root)) {
        check_say(check,
                  "%s: head of %" PRIu64 ": what is signed differs from what "
                  "was noted",
                  log->name, held->size);
    }
}

static bool check_heads(struct check *check, const struct index_log *log,
                        const struct log_key *key, struct err *err)
{
    struct head *heads;
    size_t num;

    if (!snapshot_heads(check->snapshot, log->number, &heads, &num,
                        &check->arena, err)) {
        return check_go_on(check, err);
    }
    for (size_t i = 0; key != NULL && i < num; i++) {
        check_head(check, log, &heads[i], key);
    }
    if (log->has_head != (num > 0) ||
        (num > 0 && (heads[num - 1].size != log->head_size ||
                     heads[num - 1].timestamp_ms != log->head_timestamp_ms ||
                     !sha256_equal(&heads[num - 1].root, &log->head_root)))) {
        check_say(check, "%s: its newest head is not the one noted", log->name);
    }
    return true;
}

// ------------------------------------------------------------ chunks

static bool note_chunk(struct check *check, const struct chunk_info *chunk,
                       struct err *err)
{
    struct check_chunk *noted;

    if (check->num_chunks == check->size_chunks) {
        size_t size = check->size_chunks == 0 ? 256 : 2 * check->size_chunks;

        noted = realloc(check->chunks, size * sizeof *noted);
        if (noted == NULL) return err_set(err, ERR_MEMORY, "no memory");
        check->chunks = noted;
        check->size_chunks = size;
    }
    noted = &check->chunks[check->num_chunks++];
    *noted = (struct check_chunk){
        .id = chunk->id, .first = chunk->first, .log = chunk->log};
    return true;
}

static void check_chunk_proof(struct check *check, const struct index_log *log,
                              const struct catalogue_walk *walk,
                              const struct merkle_frontier *before)
{
    const struct chunk_proof *proof = &walk->chunk.proof;
    struct sha256_hash root;

    if (!merkle_span_root(&walk->end, &proof->right, proof->head.size, &root) ||
        !sha256_equal(&root, &proof->head.root)) {
        check_say(check,
                  "%s: entries %" PRIu64 "..%" PRIu64
                  ": their proof does not lead to the head of %" PRIu64,
                  log->name, walk->chunk.first, walk->end.size - 1,
                  proof->head.size);
    }
    if (before->size != 0 && before->size == walk->chunk.first &&
        memcmp(before->nodes, proof->left.nodes,
               (size_t)__builtin_popcountll(before->size) * SHA256_LEN) != 0) {
        check_say(check,
                  "%s: entries %" PRIu64 "..%" PRIu64
                  ": do not continue those before them",
                  log->name, walk->chunk.first, walk->end.size - 1);
    }
}

// The ranges that the chunks make, compared with those that are noted.
struct coverage {
    const struct log_range *ranges;
    size_t num_ranges, position;
    struct log_range at; // of the chunks so far; empty before the first
    uint64_t indexed;
    bool differs;
};

static void close_range(struct coverage *c)
{
    if (c->at.end == 0) return;
    if (c->position >= c->num_ranges ||
        c->ranges[c->position].first != c->at.first ||
        c->ranges[c->position].end != c->at.end) {
        c->differs = true;
    }
    c->position++;
}

static void cover(struct coverage *c, const struct chunk_info *chunk)
{
    uint64_t end = chunk->first + chunk->num_entries;

    c->indexed += chunk->num_entries;
    if (chunk->first == c->at.end) {
        c->at.end = end;
        return;
    }
    if (chunk->first < c->at.end) c->differs = true;
    close_range(c);
    c->at = (struct log_range){chunk->first, end};
}

static bool walk_chunks(struct check *check, const struct index_log *log,
                        struct coverage *coverage, struct err *err)
{
    struct merkle_frontier before = {0};
    struct catalogue_walk walk;
    bool ok, found;

    if (!catalogue_walk_open(&walk, &check->snapshot->index->catalogue,
                             check->snapshot->txn, log->number, 0, err)) {
        return check_go_on(check, err);
    }
    while ((ok = catalogue_walk_next(&walk, &found, err)) && found) {
        check_chunk_proof(check, log, &walk, &before);
        cover(coverage, &walk.chunk);
        before = walk.end;
        ok = note_chunk(check, &walk.chunk, err);
        if (!ok) break;
        if (check->options->deep) {
            ok = check_chunk_deep(check, log, &walk.chunk, &walk.end, err) ||
                 check_go_on(check, err);
            if (!ok) break;
        }
    }
    catalogue_walk_close(&walk);
    return ok || check_go_on(check, err);
}

static bool check_chunks(struct check *check, const struct index_log *log,
                         struct err *err)
{
    struct coverage coverage = {0};
    struct log_range *ranges;
    uint64_t verified = 0;

    if (!snapshot_ranges(check->snapshot, log->number, &ranges,
                         &coverage.num_ranges, &check->arena, err)) {
        return check_go_on(check, err);
    }
    coverage.ranges = ranges;
    if (!walk_chunks(check, log, &coverage, err)) return false;
    if (coverage.num_ranges > 0 && ranges[0].first == 0) {
        verified = ranges[0].end;
    }
    close_range(&coverage);
    if (coverage.differs || coverage.position != coverage.num_ranges) {
        check_say(check, "%s: its ranges are not those of its chunks",
                  log->name);
    }
    if (log->indexed != coverage.indexed) {
        check_say(check,
                  "%s: %" PRIu64 " entries held where %" PRIu64 " are noted",
                  log->name, coverage.indexed, log->indexed);
    }
    if (log->verified != verified) {
        check_say(check,
                  "%s: held from 0 to %" PRIu64 " where %" PRIu64 " is noted",
                  log->name, verified, log->verified);
    }
    return true;
}

static bool check_log(struct check *check, const struct index_log *log,
                      struct err *err)
{
    struct log_key *key = NULL;
    struct bytes der;
    bool ok;

    arena_reset(&check->arena);
    ok = snapshot_key(check->snapshot, log->number, &der, err) &&
         log_key_new(&key, der, err);
    if (!ok && !check_go_on(check, err)) return false;
    if (ok && !sha256_equal(log_key_id(key), &log->id)) {
        check_say(check, "%s: its key is not that of its log id", log->name);
    }
    ok = check_heads(check, log, key, err);
    log_key_free(key);
    return ok && check_chunks(check, log, err);
}

// ------------------------------------------------------------ entries

static int compare_chunks(const void *a, const void *b)
{
    const struct check_chunk *x = a, *y = b;

    return x->id < y->id ? -1 : x->id > y->id;
}

// The chunk that an id belongs to, walking along with the entries.
static const struct check_chunk *chunk_of(const struct check *check,
                                          size_t *position, uint64_t id)
{
    while (*position + 1 < check->num_chunks &&
           check->chunks[*position + 1].id <= id) {
        (*position)++;
    }
    if (*position >= check->num_chunks || check->chunks[*position].id > id) {
        return NULL;
    }
    return &check->chunks[*position];
}

struct entry_walk {
    uint64_t next_id;
    size_t segment;  // the next one
    size_t position; // among the chunks
    uint64_t num_unparsed;
    uint64_t *unparsed; // of each log, by position
};

// Looks at an entry's facts: `id` is the next one, of its chunk, counted.
static void check_facts(struct check *check, struct entry_walk *walk,
                        uint64_t id, const struct entry_facts *facts)
{
    const struct check_chunk *chunk = chunk_of(check, &walk->position, id);

    if ((facts->flags & FLAG_UNPARSED) != 0) {
        walk->num_unparsed++;
        for (size_t i = 0; i < check->snapshot->num_logs; i++) {
            if (check->snapshot->logs[i].number == facts->log) {
                walk->unparsed[i]++;
            }
        }
    }
    if (chunk == NULL || chunk->log != facts->log ||
        facts->index < chunk->first ||
        chunk->first + (id - chunk->id) != facts->index) {
        check_say(check, "entry %" PRIu64 ": is not that of its chunk", id);
    }
}

// Walks through segments as long as one begins with the next id.
static bool check_segments(struct check *check, struct entry_walk *walk,
                           struct err *err)
{
    struct snapshot *snapshot = check->snapshot;

    while (walk->segment < snapshot->num_segments &&
           snapshot->segments[walk->segment].file->info.first_id ==
               walk->next_id) {
        uint64_t end = snapshot->segments[walk->segment++].file->info.end_id;

        for (; walk->next_id < end; walk->next_id++) {
            struct arena *arena = &check->arena;
            struct record record;
            struct bytes plain;

            if (snapshot_record(snapshot, walk->next_id, &record, &plain, arena,
                                err)) {
                check_facts(check, walk, walk->next_id, &record.facts);
            } else if (!check_go_on(check, err)) {
                return false;
            }
            if (arena->total > ARENA_KEEP_MAX) {
                arena_cleanup(arena);
            } else {
                arena_reset(arena);
            }
        }
    }
    return true;
}

static void check_record(struct check *check, struct entry_walk *walk,
                         struct bytes key, struct bytes value)
{
    struct bytes rest = key;
    struct record record;
    struct err err = {0};
    uint64_t id;

    if (key.len != LMDB_ID_LEN || !bytes_read_uint(&rest, &id, LMDB_ID_LEN)) {
        check_say(check, "index damaged: an entry under no id");
        return;
    }
    if (id != walk->next_id) {
        check_say(check,
                  "index damaged: entry %" PRIu64 " where %" PRIu64
                  " should be",
                  id, walk->next_id);
    }
    walk->next_id = id + 1;
    if (!record_read(&record, key, value, &err)) {
        check_say(check, "entry %" PRIu64 ": %s", id, err.text);
        return;
    }
    check_facts(check, walk, id, &record.facts);
}

static void compare_entry_counts(struct check *check,
                                 const struct entry_walk *walk)
{
    const struct snapshot *snapshot = check->snapshot;

    if (walk->next_id != snapshot->counts.next_id) {
        check_say(check,
                  "index damaged: %" PRIu64 " entries where %" PRIu64
                  " are noted",
                  walk->next_id - 1, snapshot->counts.next_id - 1);
    }
    if (walk->num_unparsed != snapshot->counts.unparsed) {
        check_say(check,
                  "index damaged: %" PRIu64 " unparsed entries where %" PRIu64
                  " are noted",
                  walk->num_unparsed, snapshot->counts.unparsed);
    }
    for (size_t i = 0; i < snapshot->num_logs; i++) {
        if (walk->unparsed[i] == snapshot->logs[i].unparsed) continue;
        check_say(check,
                  "%s: %" PRIu64 " unparsed entries where %" PRIu64
                  " are noted",
                  snapshot->logs[i].name, walk->unparsed[i],
                  snapshot->logs[i].unparsed);
    }
}

static bool check_entry_table(struct check *check, struct lmdb_cursor *cursor,
                              struct entry_walk *walk, struct err *err)
{
    enum lmdb_move move = LMDB_FIRST;
    struct bytes key, value;
    bool found;

    for (;; move = LMDB_NEXT) {
        if (!lmdb_cursor_move(cursor, move, &key, &value, &found, err)) {
            return check_go_on(check, err);
        }
        if (!check_segments(check, walk, err)) return false;
        if (!found) break;
        check_record(check, walk, key, value);
    }
    compare_entry_counts(check, walk);
    return true;
}

static bool check_entries(struct check *check, struct err *err)
{
    struct entry_walk walk = {.next_id = 1};
    struct lmdb_cursor *cursor;
    bool ok;

    if (check->num_chunks > 0) {
        qsort(check->chunks, check->num_chunks, sizeof *check->chunks,
              compare_chunks);
    }
    walk.unparsed =
        calloc(check->snapshot->num_logs + 1, sizeof *walk.unparsed);
    arena_reset(&check->arena);
    if (walk.unparsed == NULL) return err_set(err, ERR_MEMORY, "no memory");
    ok = lmdb_cursor_open(&cursor, check->snapshot->txn,
                          check->snapshot->index->tail.entries, err);
    if (ok) {
        ok = check_entry_table(check, cursor, &walk, err);
        lmdb_cursor_close(cursor);
    }
    free(walk.unparsed);
    return ok;
}

// ------------------------------------------------------------ keys

struct key_walk {
    struct buffer last; // the row before
    uint64_t postings, keys, sum;
};

static void check_posting(struct check *check, struct key_walk *walk,
                          struct bytes row, struct bytes value)
{
    struct bytes last = buffer_bytes(&walk->last);
    struct posting posting;
    uint64_t sum;

    walk->postings++;
    if (!posting_read(&posting, row, value, &sum)) {
        check_say(check, "index damaged: a posting's checksum differs");
        return;
    }
    walk->sum += sum;
    if (posting.id == 0 || posting.id >= check->snapshot->counts.next_id) {
        check_say(check,
                  "index damaged: a posting of entry %" PRIu64
                  ", which is not held",
                  posting.id);
    }
    if (last.len == 0 || last.len != row.len ||
        memcmp(last.data, row.data, row.len - LMDB_ID_LEN) != 0) {
        walk->keys++;
    }
    if (last.len != 0) {
        struct bytes last_key = bytes_of(last.data, last.len - LMDB_ID_LEN);
        int order = bytes_compare(last_key, posting.key);

        if (order > 0 || (order == 0 && bytes_compare(last, row) >= 0)) {
            check_say(check, "index damaged: postings out of order");
        }
    }
    buffer_reset(&walk->last);
    buffer_append(&walk->last, row);
}

static void compare_key_counts(struct check *check, const struct key_walk *walk)
{
    const struct catalogue_counts *counts = &check->snapshot->counts;

    if (walk->postings != counts->postings || walk->keys != counts->keys) {
        check_say(check,
                  "index damaged: %" PRIu64 " keys in %" PRIu64
                  " postings where %" PRIu64 " in %" PRIu64 " are noted",
                  walk->keys, walk->postings, counts->keys, counts->postings);
    }
    if (walk->sum != counts->postings_sum) {
        check_say(check, "index damaged: the checksum over all postings "
                         "differs");
    }
}

static bool check_key_table(struct check *check, struct lmdb_cursor *cursor,
                            struct key_walk *walk, struct err *err)
{
    enum lmdb_move move = LMDB_FIRST;
    struct bytes row, value;
    bool found;

    for (;; move = LMDB_NEXT) {
        if (!lmdb_cursor_move(cursor, move, &row, &value, &found, err)) {
            return check_go_on(check, err);
        }
        if (!found) break;
        check_posting(check, walk, row, value);
        if (!buffer_ok(&walk->last)) {
            return err_set(err, ERR_MEMORY, "no memory");
        }
    }
    compare_key_counts(check, walk);
    return true;
}

static bool check_keys(struct check *check, struct err *err)
{
    struct key_walk walk = {0};
    struct lmdb_cursor *cursor;
    bool ok;

    if (!lmdb_cursor_open(&cursor, check->snapshot->txn,
                          check->snapshot->index->tail.keys, err)) {
        return check_go_on(check, err);
    }
    ok = check_key_table(check, cursor, &walk, err);
    lmdb_cursor_close(cursor);
    buffer_cleanup(&walk.last);
    return ok;
}

// ------------------------------------------------------------ small tables

static void check_small_row(struct check *check, const char *table,
                            struct bytes key, struct bytes value)
{
    struct bytes content;
    struct err err = {0};

    if (!row_open(table, key, value, &content, &err)) {
        check_say(check, "%s", err.text);
    } else if (key.len == 1 + SHA256_LEN && key.data[0] == 'd') {
        struct sha256_hash fingerprint = sha256(content);

        if (memcmp(fingerprint.bytes, key.data + 1, SHA256_LEN) != 0) {
            check_say(check, "index damaged: an issuer's certificate is not "
                             "that of its fingerprint");
        }
    }
}

static bool check_small_table(struct check *check, const char *table,
                              lmdb_db db, struct err *err)
{
    enum lmdb_move move = LMDB_FIRST;
    struct lmdb_cursor *cursor;
    struct bytes key, value;
    bool ok, found;

    if (!lmdb_cursor_open(&cursor, check->snapshot->txn, db, err)) {
        return check_go_on(check, err);
    }
    while ((ok = lmdb_cursor_move(cursor, move, &key, &value, &found, err)) &&
           found) {
        check_small_row(check, table, key, value);
        move = LMDB_NEXT;
    }
    lmdb_cursor_close(cursor);
    return ok || check_go_on(check, err);
}

// Chunks or heads of a log that is not listed would be overlooked.
static bool check_orphans(struct check *check, const char *table, lmdb_db db,
                          struct err *err)
{
    enum lmdb_move move = LMDB_FIRST;
    struct lmdb_cursor *cursor;
    struct bytes key, value;
    bool ok, found;

    if (!lmdb_cursor_open(&cursor, check->snapshot->txn, db, err)) {
        return check_go_on(check, err);
    }
    while ((ok = lmdb_cursor_move(cursor, move, &key, &value, &found, err)) &&
           found) {
        uint64_t log;

        check_small_row(check, table, key, value);
        if (!bytes_read_uint(&key, &log, 4) ||
            snapshot_find_log(check->snapshot, (uint32_t)log) == NULL) {
            check_say(check, "index damaged: a row of %s belongs to no log",
                      table);
        }
        move = LMDB_NEXT;
    }
    lmdb_cursor_close(cursor);
    return ok || check_go_on(check, err);
}

static bool check_small_tables(struct check *check, struct err *err)
{
    const struct catalogue *c = &check->snapshot->index->catalogue;
    const struct tail *tail = &check->snapshot->index->tail;

    return check_orphans(check, "heads", c->heads, err) &&
           check_orphans(check, "chunks", c->chunks, err) &&
           check_orphans(check, "ranges", c->ranges, err) &&
           check_small_table(check, "issuers", tail->issuers, err);
}

// ------------------------------------------------------------ all of it

static bool allows_deep(const struct snapshot *snapshot, struct err *err)
{
    for (size_t i = 0; i < snapshot->num_logs; i++) {
        if (snapshot->logs[i].keep != KEEP_FACTS) continue;
        return err_set(err, ERR_INDEX,
                       "%s is kept as facts: verify --deep needs an index kept "
                       "in full",
                       snapshot->logs[i].name);
    }
    return true;
}

bool check_verify(struct snapshot *snapshot,
                  const struct check_options *options, uint64_t *num_faults,
                  struct err *err)
{
    struct check check = {.snapshot = snapshot, .options = options};
    bool ok = !options->deep || allows_deep(snapshot, err);

    for (size_t i = 0; ok && i < snapshot->num_logs; i++) {
        ok = check_log(&check, &snapshot->logs[i], err);
    }
    ok = ok && check_small_tables(&check, err) && check_entries(&check, err) &&
         check_keys(&check, err) && check_runs(&check, err) &&
         (!options->deep || check_keys_deep(&check, err));
    arena_cleanup(&check.arena);
    free(check.chunks);
    *num_faults = check.num_faults;
    return ok;
}
