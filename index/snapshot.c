// snapshot.c - reading an index: one moment of it.

#include <inttypes.h>
#include <stdlib.h>

#include "index/handle.h"
#include "index/store/posting.h"

enum {
    // Leaf, precertificate and unreadable extra data of 16 MiB each, and the
    // rest; what says more is damaged.
    PAYLOAD_LEN_MAX = 64 * 1024 * 1024,
    ARENA_KEEP_MAX = 1024 * 1024, // see snapshot_frontier
    DAY_MS = 24 * 60 * 60 * 1000,
};

// ------------------------------------------------------------ open and close

static bool load(struct snapshot *snapshot, struct err *err)
{
    const struct catalogue *catalogue = &snapshot->index->catalogue;

    free(snapshot->logs);
    snapshot->logs = NULL;
    snapshot->num_logs = 0;
    return catalogue_get_counts(catalogue, snapshot->txn, &snapshot->counts,
                                err) &&
           catalogue_list_logs(catalogue, snapshot->txn, &snapshot->logs,
                               &snapshot->num_logs, err);
}

bool snapshot_open(struct snapshot **out, struct index *index, struct err *err)
{
    struct snapshot *snapshot = calloc(1, sizeof *snapshot);

    if (snapshot == NULL) return err_set(err, ERR_MEMORY, "index: no memory");
    snapshot->index = index;
    if (!lmdb_begin(&snapshot->txn, index->env, false, err) ||
        !zstd_codec_new(&snapshot->codec, err) || !load(snapshot, err)) {
        snapshot_close(snapshot);
        return false;
    }
    *out = snapshot;
    return true;
}

void snapshot_close(struct snapshot *snapshot)
{
    if (snapshot == NULL) return;
    lmdb_abort(snapshot->txn);
    zstd_codec_free(snapshot->codec);
    free(snapshot->logs);
    free(snapshot);
}

bool snapshot_renew(struct snapshot *snapshot, bool *changed, struct err *err)
{
    return lmdb_renew(snapshot->txn, changed, err) &&
           (!*changed || load(snapshot, err));
}

void snapshot_park(struct snapshot *snapshot)
{
    lmdb_park(snapshot->txn);
}

// ------------------------------------------------------------ logs

size_t snapshot_num_logs(const struct snapshot *snapshot)
{
    return snapshot->num_logs;
}

const struct index_log *snapshot_log(const struct snapshot *snapshot,
                                     size_t position)
{
    return &snapshot->logs[position];
}

const struct index_log *snapshot_find_log(const struct snapshot *snapshot,
                                          uint32_t number)
{
    for (size_t i = 0; i < snapshot->num_logs; i++) {
        if (snapshot->logs[i].number == number) return &snapshot->logs[i];
    }
    return NULL;
}

bool snapshot_ranges(struct snapshot *snapshot, uint32_t log,
                     struct log_range **out, size_t *num_ranges,
                     struct arena *arena, struct err *err)
{
    return catalogue_list_ranges(&snapshot->index->catalogue, snapshot->txn,
                                 log, out, num_ranges, arena, err);
}

bool snapshot_key(struct snapshot *snapshot, uint32_t log, struct bytes *der,
                  struct err *err)
{
    struct index_log ignored;

    return catalogue_get_log(&snapshot->index->catalogue, snapshot->txn, log,
                             &ignored, der, err);
}

bool snapshot_heads(struct snapshot *snapshot, uint32_t log, struct head **out,
                    size_t *num_heads, struct arena *arena, struct err *err)
{
    return catalogue_list_heads(&snapshot->index->catalogue, snapshot->txn, log,
                                out, num_heads, arena, err);
}

bool snapshot_issuer(struct snapshot *snapshot,
                     const struct sha256_hash *fingerprint, struct bytes *der,
                     struct err *err)
{
    uint64_t known_from;
    bool found;

    if (!tail_issuer(&snapshot->index->tail, snapshot->txn, fingerprint, der,
                     &known_from, &found, err)) {
        return false;
    }
    return found ||
           err_set(err, ERR_NOT_FOUND, "this issuer's certificate is not held");
}

// ------------------------------------------------------------ chunks

bool snapshot_each_chunk(struct snapshot *snapshot, uint32_t log,
                         chunk_visit *visit, void *context, struct err *err)
{
    struct catalogue_walk walk;
    bool ok, found;

    if (!catalogue_walk_open(&walk, &snapshot->index->catalogue, snapshot->txn,
                             log, 0, err)) {
        return false;
    }
    while ((ok = catalogue_walk_next(&walk, &found, err)) && found) {
        ok = visit(context, &walk.chunk, err);
        if (!ok) break;
    }
    catalogue_walk_close(&walk);
    return ok;
}

// The chunk that holds a log's entry; ERR_NOT_FOUND.
static bool find_chunk(struct snapshot *snapshot, uint32_t log, uint64_t index,
                       struct catalogue_walk *walk, struct err *err)
{
    bool ok, found;

    if (!catalogue_walk_open(walk, &snapshot->index->catalogue, snapshot->txn,
                             log, index, err)) {
        return false;
    }
    ok = catalogue_walk_next(walk, &found, err);
    catalogue_walk_close(walk);
    if (!ok) return false;
    return (found && walk->chunk.first <= index && index < walk->end.size) ||
           err_set(err, ERR_NOT_FOUND, "entry %" PRIu64 " is not held", index);
}

bool snapshot_find_entry(struct snapshot *snapshot, uint32_t log,
                         uint64_t index, uint64_t *id, struct err *err)
{
    struct catalogue_walk walk;

    if (!find_chunk(snapshot, log, index, &walk, err)) return false;
    *id = walk.chunk.id + (index - walk.chunk.first);
    return true;
}

bool snapshot_find_chunk(struct snapshot *snapshot, uint32_t log,
                         uint64_t index, struct chunk_info *out,
                         struct err *err)
{
    struct catalogue_walk walk;

    if (!find_chunk(snapshot, log, index, &walk, err)) return false;
    *out = walk.chunk;
    return true;
}

bool snapshot_frontier(struct snapshot *snapshot, uint32_t log, uint64_t size,
                       struct merkle_frontier *out, struct err *err)
{
    const struct index_log *held = snapshot_find_log(snapshot, log);
    struct catalogue_walk walk;
    struct arena arena = {0};
    bool ok = true;

    *out = (struct merkle_frontier){0};
    if (held == NULL || size > held->verified) {
        return err_set(err, ERR_NOT_FOUND, "no frontier at %" PRIu64, size);
    }
    if (size == 0) return true;
    if (!find_chunk(snapshot, log, size - 1, &walk, err)) return false;
    if (walk.end.size == size) {
        *out = walk.end;
        return true;
    }
    *out = walk.chunk.proof.left;
    for (uint64_t i = walk.chunk.first; ok && i < size; i++) {
        struct sha256_hash leaf;

        ok =
            snapshot_leaf_hash(snapshot, walk.chunk.id + (i - walk.chunk.first),
                               &leaf, &arena, err);
        if (ok) merkle_append(out, &leaf);
        if (arena.total > ARENA_KEEP_MAX) {
            arena_cleanup(&arena);
        } else {
            arena_reset(&arena);
        }
    }
    arena_cleanup(&arena);
    return ok;
}

// ------------------------------------------------------------ postings

struct cursor {
    struct lmdb_cursor *cursor;
    struct buffer first; // a row
    struct buffer end;   // a key
    bool seek;           // the next step goes to `row`
    struct buffer row;
};

static bool is_made(const struct cursor *cursor, struct err *err)
{
    return (buffer_ok(&cursor->first) && buffer_ok(&cursor->end) &&
            buffer_ok(&cursor->row)) ||
           err_set(err, ERR_MEMORY, "index: no memory");
}

bool cursor_open(struct cursor **out, struct snapshot *snapshot,
                 struct bytes first, struct bytes end, struct err *err)
{
    struct cursor *cursor = calloc(1, sizeof *cursor);

    if (cursor == NULL) return err_set(err, ERR_MEMORY, "index: no memory");
    posting_row(&cursor->first, first, 0);
    buffer_append(&cursor->end, end);
    buffer_append(&cursor->row, buffer_bytes(&cursor->first));
    cursor->seek = true;
    if (!is_made(cursor, err) ||
        !lmdb_cursor_open(&cursor->cursor, snapshot->txn,
                          snapshot->index->tail.keys, err)) {
        cursor_close(cursor);
        return false;
    }
    *out = cursor;
    return true;
}

void cursor_close(struct cursor *cursor)
{
    if (cursor == NULL) return;
    lmdb_cursor_close(cursor->cursor);
    buffer_cleanup(&cursor->first);
    buffer_cleanup(&cursor->end);
    buffer_cleanup(&cursor->row);
    free(cursor);
}

bool cursor_next(struct cursor *cursor, struct posting *posting, bool *found,
                 struct err *err)
{
    struct bytes row = buffer_bytes(&cursor->row), value;
    uint64_t sum;

    if (!lmdb_cursor_move(cursor->cursor, cursor->seek ? LMDB_SEEK : LMDB_NEXT,
                          &row, &value, found, err)) {
        return false;
    }
    cursor->seek = false;
    if (!*found) return true;
    if (!posting_read(posting, row, value, &sum)) {
        return err_set(err, ERR_INDEX,
                       "index damaged: a posting's checksum "
                       "differs");
    }
    *found = cursor->end.len == 0 ||
             bytes_compare(posting->key, buffer_bytes(&cursor->end)) < 0;
    return true;
}

bool cursor_seek_after(struct cursor *cursor, struct bytes key, uint64_t after,
                       struct err *err)
{
    struct bytes first = buffer_bytes(&cursor->first);

    first.len -= LMDB_ID_LEN;
    cursor->seek = true;
    buffer_reset(&cursor->row);
    if (bytes_compare(key, first) < 0) {
        posting_row(&cursor->row, first, 0);
    } else {
        posting_row(&cursor->row, key,
                    after < POSTING_ID_MAX ? after + 1 : POSTING_ID_MAX + 1);
    }
    return is_made(cursor, err);
}

// ------------------------------------------------------------ entries

bool snapshot_facts(struct snapshot *snapshot, uint64_t id,
                    struct entry_facts *facts, struct err *err)
{
    struct record record;

    if (!tail_read(&snapshot->index->tail, snapshot->txn, id, &record, err)) {
        return false;
    }
    *facts = record.facts;
    return true;
}

// The payload as it was before it was compressed, in `arena`.
static bool read_plain(struct snapshot *snapshot, const struct record *record,
                       struct bytes *plain, struct arena *arena,
                       struct err *err)
{
    const struct kept_dictionary *kept = NULL;
    uint8_t *out;

    if (record->plain_len > PAYLOAD_LEN_MAX) {
        return err_set(err, ERR_INDEX, "index damaged: a record of %zu bytes",
                       record->plain_len);
    }
    if ((record->bits & RECORD_COMPRESSED) == 0) {
        return arena_copy(arena, record->payload, plain) ||
               err_set(err, ERR_MEMORY, "index: no memory");
    }
    if ((record->bits & RECORD_DICTIONARY) != 0 &&
        !index_find_dictionary(snapshot->index, snapshot->txn,
                               record->facts.log, &kept, err)) {
        return false;
    }
    out = arena_alloc(arena, record->plain_len);
    if (out == NULL) return err_set(err, ERR_MEMORY, "index: no memory");
    *plain = bytes_of(out, record->plain_len);
    return zstd_decompress(snapshot->codec,
                           kept != NULL ? kept->zstd
                                        : snapshot->index->no_dictionary,
                           record->payload, out, record->plain_len, err) ||
           err_wrap(err, "index damaged: a record");
}

static bool read_bytes(struct snapshot *snapshot, const struct record *record,
                       struct entry_bytes *out, struct arena *arena,
                       struct err *err)
{
    struct bytes plain;

    return read_plain(snapshot, record, &plain, arena, err) &&
           record_read_payload(out, record, plain, arena, err);
}

bool snapshot_decode(struct snapshot *snapshot, const struct record *record,
                     struct entry *entry, struct arena *arena, struct err *err)
{
    struct entry_bytes bytes;

    if (!read_bytes(snapshot, record, &bytes, arena, err) ||
        !tail_chain(&snapshot->index->tail, snapshot->txn, record, &bytes.chain,
                    arena, err)) {
        return false;
    }
    bytes.num_chain = record->num_chain;
    if (!entry_understand(entry, &bytes, arena)) {
        return err_set(err, ERR_MEMORY, "index: no memory");
    }
    if (record->kind == RECORD_FACTS) record_restore(entry, record);
    return true;
}

bool snapshot_entry(struct snapshot *snapshot, uint64_t id, struct entry *entry,
                    bool *has_bytes, struct arena *arena, struct err *err)
{
    struct record record;

    if (!tail_read(&snapshot->index->tail, snapshot->txn, id, &record, err)) {
        return false;
    }
    *has_bytes = record.kind == RECORD_FULL;
    return snapshot_decode(snapshot, &record, entry, arena, err) ||
           err_wrap(err, "entry %" PRIu64, id);
}

bool snapshot_leaf_hash(struct snapshot *snapshot, uint64_t id,
                        struct sha256_hash *hash, struct arena *arena,
                        struct err *err)
{
    struct entry_bytes bytes;
    struct record record;

    if (!tail_read(&snapshot->index->tail, snapshot->txn, id, &record, err)) {
        return false;
    }
    if (record.kind == RECORD_FACTS) {
        *hash = record.leaf_hash;
        return true;
    }
    if (!read_bytes(snapshot, &record, &bytes, arena, err)) {
        return err_wrap(err, "entry %" PRIu64, id);
    }
    *hash = merkle_leaf_hash(bytes.leaf);
    return true;
}

// ------------------------------------------------------------ figures

uint64_t snapshot_next_id(const struct snapshot *snapshot)
{
    return snapshot->counts.next_id;
}

bool snapshot_stat(struct snapshot *snapshot, struct index_stat *stat,
                   struct err *err)
{
    const struct tail *tail = &snapshot->index->tail;
    uint64_t items;

    *stat = (struct index_stat){
        .entries = snapshot->counts.next_id - 1,
        .keys = snapshot->counts.keys,
        .postings = snapshot->counts.postings,
        .unparsed = snapshot->counts.unparsed,
        .tail_entries = snapshot->counts.next_id - 1,
        .bytes_total = lmdb_size_bytes(snapshot->index->env),
    };
    if (!lmdb_db_size(snapshot->txn, tail->entries, &items,
                      &stat->bytes_entries, err) ||
        !lmdb_db_size(snapshot->txn, tail->keys, &items, &stat->bytes_names,
                      err)) {
        return false;
    }
    stat->bytes_other =
        stat->bytes_total > stat->bytes_entries + stat->bytes_names
            ? stat->bytes_total - stat->bytes_entries - stat->bytes_names
            : 0;
    return true;
}

enum log_status log_status(const struct index_log *log, uint64_t now_ms)
{
    uint64_t age_ms;

    if (log->halt != HALT_NONE) return STATUS_HALTED;
    if (!log->has_head || log->verified < log->head_size ||
        (log->has_final && log->head_size < log->final_size)) {
        return STATUS_PARTIAL;
    }
    if (log->ended || log->has_final) return STATUS_COMPLETE;
    age_ms =
        now_ms > log->head_timestamp_ms ? now_ms - log->head_timestamp_ms : 0;
    return age_ms > DAY_MS && age_ms / 1000 > log->mmd_seconds
               ? STATUS_STALE
               : STATUS_COMPLETE;
}

const char *log_status_word(enum log_status status)
{
    static const char *const words[] = {
        [STATUS_COMPLETE] = "complete",
        [STATUS_PARTIAL] = "partial",
        [STATUS_STALE] = "stale",
        [STATUS_HALTED] = "halted",
    };

    return words[status];
}
