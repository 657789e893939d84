// snapshot.c - reading an index: one moment of it.

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#include "index/base/varint.h"
#include "index/handle.h"

enum {
    // Leaf, precertificate and unreadable extra data of 16 MiB each, and the
    // rest; what says more is damaged.
    PAYLOAD_LEN_MAX = 64 * 1024 * 1024,
    ARENA_KEEP_MAX = 1024 * 1024, // see snapshot_frontier
    DAY_MS = 24 * 60 * 60 * 1000,
    LIST_TRIES_MAX = 20,
    // What readers of segments take in one snapshot, mostly templates: 0.3 MiB
    // each, and threads share them.
    READER_BYTES_MAX = 256 * 1024 * 1024,
};

// ------------------------------------------------------------ open and close

// Gives back what `load_files` took.
static void drop_files(struct snapshot *snapshot)
{
    struct files *files = &snapshot->index->files;

    for (size_t i = 0; i < snapshot->num_segments; i++) {
        segment_reader_close(snapshot->segments[i].reader);
        files_give_back(files, snapshot->segments[i].file);
    }
    for (size_t i = 0; i < snapshot->num_runs; i++) {
        struct snapshot_run *run = &snapshot->runs[i];

        while (run->num_idle > 0) {
            run_cursor_close(run->idle[--run->num_idle]);
        }
        files_give_back(files, run->file);
    }
    free(snapshot->segments);
    free(snapshot->runs);
    free(snapshot->list);
    snapshot->segments = NULL;
    snapshot->runs = NULL;
    snapshot->list = NULL;
    snapshot->num_segments = snapshot->num_runs = snapshot->num_list = 0;
    snapshot->reader_bytes = snapshot->hand = 0;
}

static int compare_segments(const void *a, const void *b)
{
    const struct snapshot_segment *x = a, *y = b;
    uint64_t first = x->file->info.first_id, second = y->file->info.first_id;

    return first < second ? -1 : first > second;
}

static bool take_file(struct snapshot *snapshot,
                      const struct catalogue_file *info, bool *gone,
                      struct err *err)
{
    struct index_file *file;

    if (!files_take(&snapshot->index->files, info, &file, gone, err)) {
        return false;
    }
    if (info->kind == CATALOGUE_RUN) {
        snapshot->runs[snapshot->num_runs++].file = file;
    } else {
        snapshot->segments[snapshot->num_segments++].file = file;
    }
    return true;
}

// Opens the files that the catalogue names at this moment.
static bool load_files(struct snapshot *snapshot, bool *gone, struct err *err)
{
    struct index *index = snapshot->index;
    struct catalogue_file *list;
    size_t num;

    *gone = false;
    if (!catalogue_list_files(&index->catalogue, snapshot->txn, &list, &num,
                              err)) {
        return false;
    }
    if (num == snapshot->num_list &&
        (num == 0 || memcmp(list, snapshot->list, num * sizeof *list) == 0)) {
        free(list);
        return true;
    }
    drop_files(snapshot);
    snapshot->list = list;
    snapshot->num_list = num;
    snapshot->segments = calloc(num + 1, sizeof *snapshot->segments);
    snapshot->runs = calloc(num + 1, sizeof *snapshot->runs);
    if (snapshot->segments == NULL || snapshot->runs == NULL) {
        return err_set(err, ERR_MEMORY, "index: no memory");
    }
    for (size_t i = 0; i < num; i++) {
        if (!take_file(snapshot, &list[i], gone, err)) {
            drop_files(snapshot);
            return false;
        }
    }
    if (snapshot->num_segments > 0) {
        qsort(snapshot->segments, snapshot->num_segments,
              sizeof *snapshot->segments, compare_segments);
    }
    files_sweep(&index->files, list, num);
    return true;
}

static bool load(struct snapshot *snapshot, struct err *err)
{
    const struct catalogue *catalogue = &snapshot->index->catalogue;
    bool gone;

    // A file that is gone was merged since: the list is old.
    for (int tries = 0; !load_files(snapshot, &gone, err); tries++) {
        bool changed;

        if (!gone || tries == LIST_TRIES_MAX ||
            !lmdb_renew(snapshot->txn, &changed, err)) {
            return false;
        }
        if (!changed) {
            return err_set(err, ERR_INDEX,
                           "index damaged: a file that is noted is not there");
        }
    }
    memo_cleanup(&snapshot->memo);
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
    snapshot->reader_bytes_max = READER_BYTES_MAX;
    if (!lmdb_begin(&snapshot->txn, index->env, false, err) ||
        !segment_shared_new(&snapshot->shared, err) || !load(snapshot, err)) {
        snapshot_close(snapshot);
        return false;
    }
    *out = snapshot;
    return true;
}

void snapshot_close(struct snapshot *snapshot)
{
    if (snapshot == NULL) return;
    snapshot_drop_cursors(snapshot);
    drop_files(snapshot);
    lmdb_abort(snapshot->txn);
    segment_shared_free(snapshot->shared);
    memo_cleanup(&snapshot->memo);
    if (snapshot->guest != NULL) snapshot->guest->drop(snapshot->guest);
    free(snapshot->logs);
    free(snapshot);
}

bool snapshot_renew(struct snapshot *snapshot, bool *changed, struct err *err)
{
    snapshot_drop_cursors(snapshot);
    return lmdb_renew(snapshot->txn, changed, err) &&
           (!*changed || load(snapshot, err));
}

void snapshot_set_gate(struct snapshot *snapshot, struct gate *gate)
{
    snapshot->gate = gate;
}

void snapshot_trust(struct snapshot *snapshot)
{
    snapshot->trusts = true;
}

void snapshot_park(struct snapshot *snapshot)
{
    snapshot_drop_cursors(snapshot);
    lmdb_park(snapshot->txn);
}

struct memo *snapshot_memo(struct snapshot *snapshot)
{
    return &snapshot->memo;
}

struct snapshot_guest **snapshot_guest(struct snapshot *snapshot)
{
    return &snapshot->guest;
}

// ------------------------------------------------------------ logs

size_t snapshot_num_runs(const struct snapshot *snapshot)
{
    return snapshot->num_runs;
}

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

bool snapshot_issuer_key(struct snapshot *snapshot,
                         const struct sha256_hash *fingerprint, bool *found,
                         struct sha256_hash *key, struct err *err)
{
    struct snapshot_issuer_key *kept =
        &snapshot->issuer_keys[fingerprint->bytes[0] % ISSUER_KEYS_KEPT];
    struct err why = {0};
    struct bytes der;
    struct cert cert;

    *found = kept->is_kept && sha256_equal(&kept->fingerprint, fingerprint);
    if (*found) {
        *key = kept->key;
        return true;
    }
    if (!snapshot_issuer(snapshot, fingerprint, &der, &why)) {
        if (why.code == ERR_NOT_FOUND) return true;
        return err_set(err, why.code, "%s", why.text);
    }
    *found = cert_parse(&cert, der, CERT_FORM_CERTIFICATE, NULL) &&
             cert.spki.len > 0;
    if (!*found) return true;
    *key = sha256(cert.spki);
    *kept = (struct snapshot_issuer_key){true, *fingerprint, *key};
    return true;
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

// ------------------------------------------------------------ entries

// Closes readers that were not used of late, one by one and not that of `kept`,
// until the others take no more than they may.
static void close_readers(struct snapshot *snapshot,
                          const struct snapshot_segment *kept)
{
    size_t steps = 2 * snapshot->num_segments; // twice around

    for (; snapshot->reader_bytes > snapshot->reader_bytes_max && steps > 0;
         steps--) {
        struct snapshot_segment *segment = &snapshot->segments[snapshot->hand];

        snapshot->hand = (snapshot->hand + 1) % snapshot->num_segments;
        if (segment->reader == NULL || segment == kept) continue;
        if (segment->is_used) {
            segment->is_used = false;
            continue;
        }
        segment_reader_close(segment->reader);
        segment->reader = NULL;
        snapshot->reader_bytes -= segment->bytes;
        segment->bytes = 0;
    }
}

// Notes what a reader takes: more once it has read a record.
static void count_bytes(struct snapshot *snapshot,
                        struct snapshot_segment *segment)
{
    size_t bytes = segment_reader_bytes(segment->reader);

    if (bytes == segment->bytes) return;
    snapshot->reader_bytes += bytes - segment->bytes;
    segment->bytes = bytes;
    close_readers(snapshot, segment);
}

static bool open_reader(struct snapshot *snapshot,
                        struct snapshot_segment *segment, struct err *err)
{
    if (!segment_reader_open(&segment->reader, segment->file->segment,
                             snapshot->shared, err)) {
        return false;
    }
    segment_reader_set_gate(segment->reader, snapshot->gate);
    if (snapshot->trusts) segment_reader_trust(segment->reader);
    return true;
}

// The segment that holds an id; NULL: none does.
static struct snapshot_segment *segment_of(const struct snapshot *snapshot,
                                           uint64_t id)
{
    size_t first = 0, end = snapshot->num_segments;

    while (first < end) {
        size_t middle = first + (end - first) / 2;

        if (snapshot->segments[middle].file->info.end_id <= id) {
            first = middle + 1;
        } else {
            end = middle;
        }
    }
    return first == snapshot->num_segments ||
                   snapshot->segments[first].file->info.first_id > id
               ? NULL
               : &snapshot->segments[first];
}

// Finds it with a reader; NULL: the entry is in the tail or nowhere.
static bool find_segment(struct snapshot *snapshot, uint64_t id,
                         struct snapshot_segment **out, struct err *err)
{
    struct snapshot_segment *segment = segment_of(snapshot, id);

    *out = segment;
    if (segment == NULL) return true;
    segment->is_used = true;
    if (segment->reader != NULL) return true;
    if (!open_reader(snapshot, segment, err)) return false;
    count_bytes(snapshot, segment);
    return true;
}

// Finds the reader of the segment that holds an id; NULL: it is in the tail or
// nowhere.
static bool find_reader(struct snapshot *snapshot, uint64_t id,
                        struct segment_reader **out, struct err *err)
{
    struct snapshot_segment *segment;

    *out = NULL;
    if (!find_segment(snapshot, id, &segment, err)) return false;
    if (segment != NULL) *out = segment->reader;
    return true;
}

void snapshot_expect(struct snapshot *snapshot, uint64_t id)
{
    struct segment_reader *reader;

    if (snapshot->gate == NULL || !find_reader(snapshot, id, &reader, NULL) ||
        reader == NULL) {
        return;
    }
    segment_expect(reader, id);
}

void snapshot_bring_near(struct snapshot *snapshot, const uint64_t *ids,
                         size_t num, bool with_records)
{
    assert(num <= SNAPSHOT_NEAR_MAX);
    for (size_t i = 0; i < num; i++) {
        struct segment_reader *reader;

        if (find_reader(snapshot, ids[i], &reader, NULL) && reader != NULL) {
            segment_find_blocks(reader, ids[i], with_records);
        }
    }
    for (size_t i = 0; i < num; i++) {
        const struct snapshot_segment *segment = segment_of(snapshot, ids[i]);

        if (segment != NULL && segment->reader != NULL) {
            segment_bring_near(segment->reader, ids[i]);
        }
    }
}

static uint64_t mark_of(const struct snapshot *snapshot,
                        const struct sha256_hash *group)
{
    return segment_group(snapshot->index->group_seed, group);
}

bool snapshot_facts(struct snapshot *snapshot, uint64_t id,
                    struct entry_facts *facts, struct err *err)
{
    struct segment_reader *reader;
    struct segment_facts held;
    struct record record;

    if (!find_reader(snapshot, id, &reader, err)) return false;
    if (reader != NULL) {
        *facts = (struct entry_facts){0};
        if (!segment_read_facts(reader, id, &held, err)) return false;
        segment_take_facts(facts, &held);
        return true;
    }
    if (!tail_read(&snapshot->index->tail, snapshot->txn, id, &record, err)) {
        return false;
    }
    *facts = record.facts;
    facts->group_mark = mark_of(snapshot, &facts->group);
    return true;
}

// Makes the plain payload of a tail's record, in `arena`.
static bool read_plain(struct snapshot *snapshot, const struct record *record,
                       struct bytes *plain, struct arena *arena,
                       struct err *err)
{
    uint8_t *out;

    if (record->plain_len > PAYLOAD_LEN_MAX) {
        return err_set(err, ERR_INDEX, "index damaged: a record of %zu bytes",
                       record->plain_len);
    }
    if ((record->bits & RECORD_COMPRESSED) == 0) {
        return arena_copy(arena, record->payload, plain) ||
               err_set(err, ERR_MEMORY, "index: no memory");
    }
    out = arena_alloc(arena, record->plain_len);
    if (out == NULL) return err_set(err, ERR_MEMORY, "index: no memory");
    *plain = bytes_of(out, record->plain_len);
    return zstd_decompress(snapshot->shared->codec, NULL, record->payload, out,
                           record->plain_len, err) ||
           err_wrap(err, "index damaged: a record");
}

bool snapshot_record(struct snapshot *snapshot, uint64_t id,
                     struct record *record, struct bytes *plain,
                     struct arena *arena, struct err *err)
{
    struct snapshot_segment *segment;
    struct bytes held;
    bool ok;

    if (!find_segment(snapshot, id, &segment, err)) return false;
    if (segment == NULL) {
        if (!tail_read(&snapshot->index->tail, snapshot->txn, id, record,
                       err)) {
            return false;
        }
        if (!read_plain(snapshot, record, plain, arena, err)) {
            return err_wrap(err, "entry %" PRIu64, id);
        }
        record->facts.group_mark = mark_of(snapshot, &record->facts.group);
        record->bits &= (uint8_t)~RECORD_COMPRESSED;
        record->payload = *plain;
        return true;
    }
    ok = segment_read(segment->reader, id, record, &held, err);
    count_bytes(snapshot, segment);
    if (!ok) return false;
    if (!arena_copy(arena, held, plain) ||
        !arena_copy(arena, record->chain, &record->chain)) {
        return err_set(err, ERR_MEMORY, "index: no memory");
    }
    record->payload = *plain;
    return true;
}

// A number stands for the same certificate as long as the index lives.
static bool find_issuer(struct snapshot *snapshot, uint64_t number,
                        struct sha256_hash *fingerprint, struct err *err)
{
    struct snapshot_issuer *kept = &snapshot->issuers[number % ISSUERS_KEPT];

    if (kept->number != number + 1) {
        if (!tail_issuer_number(&snapshot->index->tail, snapshot->txn, number,
                                &kept->fingerprint, err)) {
            kept->number = 0;
            return false;
        }
        kept->number = number + 1;
    }
    *fingerprint = kept->fingerprint;
    return true;
}

// Makes a record's chain: fingerprints, in `arena`.
static bool read_chain(struct snapshot *snapshot, const struct record *record,
                       const struct sha256_hash **chain, struct arena *arena,
                       struct err *err)
{
    struct bytes numbers = record->chain;
    struct sha256_hash *out =
        arena_alloc(arena, record->num_chain * sizeof *out);

    if (out == NULL && record->num_chain != 0) {
        return err_set(err, ERR_MEMORY, "index: no memory");
    }
    for (size_t i = 0; i < record->num_chain; i++) {
        uint64_t number;

        if (!varint_read(&numbers, &number) || number > UINT32_MAX) {
            return err_set(err, ERR_INDEX, "index damaged: a record's chain");
        }
        if (!find_issuer(snapshot, number, &out[i], err)) return false;
    }
    *chain = out;
    return true;
}

bool snapshot_decode(struct snapshot *snapshot, const struct record *record,
                     struct bytes plain, unsigned parts, struct entry *entry,
                     struct arena *arena, struct err *err)
{
    struct entry_bytes bytes;

    if (!record_read_payload(&bytes, record, plain, arena, err) ||
        !read_chain(snapshot, record, &bytes.chain, arena, err)) {
        return false;
    }
    bytes.num_chain = record->num_chain;
    if (!entry_understand_parts(entry, &bytes, parts, arena)) {
        return err_set(err, ERR_MEMORY, "index: no memory");
    }
    if (record->kind == RECORD_FACTS) record_restore(entry, record);
    return true;
}

bool snapshot_entry(struct snapshot *snapshot, uint64_t id, unsigned parts,
                    struct entry *entry, bool *has_bytes, struct arena *arena,
                    struct err *err)
{
    struct record record;
    struct bytes plain;

    if (!snapshot_record(snapshot, id, &record, &plain, arena, err)) {
        return false;
    }
    *has_bytes = record.kind == RECORD_FULL;
    return snapshot_decode(snapshot, &record, plain, parts, entry, arena,
                           err) ||
           err_wrap(err, "entry %" PRIu64, id);
}

// Reads what was located.  Another segment's reader may have been closed for
// the sake of this one's, and is opened again; the file stays where it is.
static bool read_located(struct snapshot *snapshot,
                         struct entry_request *request,
                         const struct segment_record_place *place,
                         struct arena *arena, struct err *err)
{
    struct snapshot_segment *segment;
    struct record record;
    struct bytes held, plain;
    bool ok;

    if (!find_segment(snapshot, request->id, &segment, err)) return false;
    ok = segment_read_at(segment->reader, request->id, request->facts, place,
                         &record, &held, err);
    count_bytes(snapshot, segment);
    if (!ok) return false;
    if (!arena_copy(arena, held, &plain) ||
        !arena_copy(arena, record.chain, &record.chain)) {
        return err_set(err, ERR_MEMORY, "index: no memory");
    }
    request->has_bytes = record.kind == RECORD_FULL;
    return snapshot_decode(snapshot, &record, plain, 0, request->entry, arena,
                           err) ||
           err_wrap(err, "entry %" PRIu64, request->id);
}

// Has the blocks of all that follow read side by side.
static void expect_rest(struct snapshot *snapshot,
                        const struct entry_request *requests, size_t num,
                        const struct err *err)
{
    for (size_t i = 0; i < num && err->code == ERR_COLD; i++) {
        snapshot_expect(snapshot, requests[i].id);
    }
}

bool snapshot_entries(struct snapshot *snapshot, struct entry_request *requests,
                      size_t num, struct arena *arena, struct err *err)
{
    struct segment_record_place places[SNAPSHOT_ENTRIES_MAX];
    bool ok = true;

    assert(num <= SNAPSHOT_ENTRIES_MAX);
    for (size_t i = 0; i < num; i++) {
        struct segment_reader *reader;

        if (find_reader(snapshot, requests[i].id, &reader, err) &&
            (reader == NULL ||
             segment_locate(reader, requests[i].id, &places[i], err))) {
            continue;
        }
        expect_rest(snapshot, requests + i, num - i, err);
        return false;
    }
    for (size_t i = 0; ok && i < num; i++) {
        struct entry_request *request = &requests[i];

        ok = segment_of(snapshot, request->id) == NULL
                 ? snapshot_entry(snapshot, request->id, 0, request->entry,
                                  &request->has_bytes, arena, err)
                 : read_located(snapshot, request, &places[i], arena, err);
    }
    return ok;
}

bool snapshot_group(struct snapshot *snapshot, uint64_t id,
                    struct sha256_hash *group, struct arena *arena,
                    struct err *err)
{
    static const struct sha256_hash none;
    unsigned parts =
        ENTRY_TBS_SHA256 | ENTRY_CERTIFICATE_SHA256 | ENTRY_LEAF_HASH;
    struct record record, again;
    struct bytes plain;
    struct entry entry;

    if (!snapshot_record(snapshot, id, &record, &plain, arena, err)) {
        return false;
    }
    *group = record.facts.group;
    if (!sha256_equal(group, &none)) return true;
    if ((record.bits & RECORD_HAS_TBS) != 0) parts = ENTRY_TBS_SHA256;
    if (!snapshot_decode(snapshot, &record, plain, parts, &entry, arena, err)) {
        return err_wrap(err, "entry %" PRIu64, id);
    }
    record_of(&again, &entry, record.facts.log, false);
    *group = again.facts.group;
    return true;
}

bool snapshot_leaf_hash(struct snapshot *snapshot, uint64_t id,
                        struct sha256_hash *hash, struct arena *arena,
                        struct err *err)
{
    struct entry_bytes bytes;
    struct record record;
    struct bytes plain;

    if (!snapshot_record(snapshot, id, &record, &plain, arena, err)) {
        return false;
    }
    if (record.kind == RECORD_FACTS) {
        *hash = record.leaf_hash;
        return true;
    }
    if (!record_read_payload(&bytes, &record, plain, arena, err)) {
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
        .segments = snapshot->num_segments,
        .runs = snapshot->num_runs,
        .tail_entries = snapshot->counts.tail_entries,
        .bytes_total = lmdb_size_bytes(snapshot->index->env),
    };
    if (!lmdb_db_size(snapshot->txn, tail->entries, &items,
                      &stat->bytes_entries, err) ||
        !lmdb_db_size(snapshot->txn, tail->keys, &items, &stat->bytes_names,
                      err)) {
        return false;
    }
    for (size_t i = 0; i < snapshot->num_list; i++) {
        const struct catalogue_file *file = &snapshot->list[i];

        stat->keys += file->keys;
        stat->postings += file->postings;
        stat->bytes_total += file->bytes;
        if (file->kind == CATALOGUE_SEGMENT) {
            stat->bytes_entries += file->bytes;
        } else {
            stat->bytes_names += file->bytes;
        }
    }
    for (size_t i = 0; i < snapshot->num_runs; i++) {
        stat->bytes_filters +=
            run_stat(snapshot->runs[i].file->run)->filter_bytes;
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
