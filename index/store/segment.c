// segment.c - see segment.h.

#include "index/store/segment.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>

#include "index/base/checksum.h"
#include "index/base/varint.h"
#include "index/store/segment_file.h"
#include "index/store/template.h"

enum {
    READER_BYTES = 4096,  // about: itself, a transaction, two cursors
    SPOTS = 16,           // a power of two
    LINE_LEN = 64,        // of the processor's cache
    RECORD_LEN = 512,     // about, of what is not compressed
    FACTS_HEAD_LEN = 256, // about
};

// ------------------------------------------------------------ opening

struct segment {
    struct lmdb *env;
    struct segment_dbs dbs;
    struct segment_stat stat;
    char *path;

    // What records are told by is in memory while somebody reads them: an index
    // that was not compacted yet has thousands of segments.
    pthread_mutex_t mutex; // of what follows
    size_t num_users;
    struct zstd_dictionary *dictionary; // NULL: none
    struct templates *templates;
};

static bool get_meta(const struct segment *segment, struct lmdb_txn *txn,
                     const char *name, struct bytes *block, struct err *err)
{
    bool found;

    *block = bytes_of(NULL, 0);
    return lmdb_get(txn, segment->dbs.meta, bytes_from_text(name), block,
                    &found, err);
}

// The content of a block of `name`; `*found` false: there is none.
static bool get_content(const struct segment *segment, struct lmdb_txn *txn,
                        const char *name, struct bytes *content, bool *found,
                        struct err *err)
{
    struct bytes block;

    if (!get_meta(segment, txn, name, &block, err)) return false;
    *found = block.data != NULL;
    return !*found || block_open(bytes_from_text(name), block, content) ||
           err_set(err, ERR_INDEX,
                   "index damaged: %s: the checksum of its %s differs",
                   segment->path, name);
}

static bool load_dictionary(struct segment *segment, struct lmdb_txn *txn,
                            struct err *err)
{
    struct bytes dictionary;
    bool found;

    if (!get_content(segment, txn, SEGMENT_DICTIONARY, &dictionary, &found,
                     err)) {
        return false;
    }
    return !found ||
           zstd_dictionary_new_reading(&segment->dictionary, dictionary, err) ||
           err_wrap(err, "%s", segment->path);
}

static bool unpack_templates(struct segment *segment, struct bytes packed,
                             uint8_t *table, size_t len, struct err *err)
{
    struct zstd_codec *codec;
    bool no_memory, ok;

    if (!zstd_codec_new(&codec, err)) return false;
    ok = zstd_decompress(codec, NULL, packed, table, len, err) ||
         err_wrap(err, "index damaged: %s: its templates", segment->path);
    zstd_codec_free(codec);
    if (!ok) return false;
    if (templates_read(&segment->templates, bytes_of(table, len), &no_memory)) {
        return true;
    }
    return no_memory ? segment_no_memory(segment->path, err)
                     : segment_damaged(segment->path,
                                       "its templates cannot be read", err);
}

static bool load_templates(struct segment *segment, struct lmdb_txn *txn,
                           struct err *err)
{
    struct bytes packed;
    uint8_t *table;
    uint64_t len;
    bool found, ok;

    if (!get_content(segment, txn, SEGMENT_TEMPLATES, &packed, &found, err)) {
        return false;
    }
    if (!found || !varint_read(&packed, &len) || len > TEMPLATE_TABLE_MAX) {
        return segment_damaged(segment->path, "it has no templates", err);
    }
    table = malloc((size_t)len + 1);
    if (table == NULL) return segment_no_memory(segment->path, err);
    ok = unpack_templates(segment, packed, table, (size_t)len, err);
    free(table);
    return ok;
}

static bool load(struct segment *segment, struct lmdb_txn *txn, struct err *err)
{
    struct bytes meta;

    if (!segment_dbs_open(&segment->dbs, txn, err)) {
        return err_wrap(err, "%s", segment->path);
    }
    if (!get_meta(segment, txn, SEGMENT_META, &meta, err) ||
        !segment_meta_read(segment->path, meta, &segment->stat, err)) {
        return false;
    }
    segment->stat.bytes = lmdb_size_bytes(segment->env);
    return true;
}

bool segment_open(struct segment **out, const char *path, struct err *err)
{
    struct segment *segment = calloc(1, sizeof *segment);
    struct lmdb_txn *txn = NULL;
    bool ok;

    if (segment == NULL) return segment_no_memory(path, err);
    (void)pthread_mutex_init(&segment->mutex, NULL);
    segment->path = strdup(path);
    ok = (segment->path != NULL || segment_no_memory(path, err)) &&
         lmdb_file_open(&segment->env, path, err) &&
         lmdb_begin(&txn, segment->env, false, err) && load(segment, txn, err);
    // The tables stay open for all readers only when this one is committed.
    if (ok) {
        ok = lmdb_commit(txn, err);
    } else {
        lmdb_abort(txn);
    }
    if (!ok) {
        segment_close(segment);
        return false;
    }
    *out = segment;
    return true;
}

void segment_close(struct segment *segment)
{
    if (segment == NULL) return;
    lmdb_close(segment->env);
    (void)pthread_mutex_destroy(&segment->mutex);
    free(segment->path);
    free(segment);
}

static void free_tables(struct segment *segment)
{
    zstd_dictionary_free(segment->dictionary);
    templates_free(segment->templates);
    segment->dictionary = NULL;
    segment->templates = NULL;
}

struct loading {
    struct segment *segment;
    struct lmdb_txn *txn;
};

static bool load_tables(void *context, struct err *err)
{
    const struct loading *l = context;

    return load_dictionary(l->segment, l->txn, err) &&
           load_templates(l->segment, l->txn, err);
}

// Loads dictionary and templates for the first user; drop_tables() them.
static bool take_tables(struct segment *segment, struct lmdb_txn *txn,
                        struct err *err)
{
    struct loading loading = {segment, txn};
    bool ok;

    (void)pthread_mutex_lock(&segment->mutex);
    ok = segment->num_users > 0 || lmdb_touch(load_tables, &loading, err);
    if (ok) {
        segment->num_users++;
    } else {
        free_tables(segment);
    }
    (void)pthread_mutex_unlock(&segment->mutex);
    return ok;
}

static void drop_tables(struct segment *segment)
{
    (void)pthread_mutex_lock(&segment->mutex);
    if (--segment->num_users == 0) free_tables(segment);
    (void)pthread_mutex_unlock(&segment->mutex);
}

const struct segment_stat *segment_stat(const struct segment *segment)
{
    return &segment->stat;
}

// ------------------------------------------------------------ reading

// A block that was found by an id, and whether it was checked.
struct place {
    struct lmdb_cursor *cursor;
    struct bytes key, block;
    uint64_t first_id, last_id; // first_id: once it was checked
    struct bytes held, content; // where its bytes are; the same
};

// Where the tree told that an id's block lies.
struct spot {
    uint64_t id; // and 1; 0: none
    struct bytes key, block;
};

struct segment_reader {
    struct segment *segment;
    struct segment_shared *shared;
    struct gate *gate; // NULL: none
    bool trusts;       // what was found sound of late
    bool has_tables;   // of the segment
    struct lmdb_txn *txn;
    struct place records, facts;
    struct spot record_spots[SPOTS], fact_spots[SPOTS]; // by id
};

bool segment_reader_open(struct segment_reader **out, struct segment *segment,
                         struct segment_shared *shared, struct err *err)
{
    struct segment_reader *reader = calloc(1, sizeof *reader);

    if (reader == NULL) return segment_no_memory(segment->path, err);
    reader->segment = segment;
    reader->shared = shared;
    if (!lmdb_begin(&reader->txn, segment->env, false, err) ||
        !lmdb_cursor_open(&reader->records.cursor, reader->txn,
                          segment->dbs.records, err) ||
        !lmdb_cursor_open(&reader->facts.cursor, reader->txn,
                          segment->dbs.facts, err)) {
        segment_reader_close(reader);
        return false;
    }
    *out = reader;
    return true;
}

void segment_reader_close(struct segment_reader *reader)
{
    if (reader == NULL) return;
    segment_shared_drop(reader->shared, reader->segment);
    lmdb_cursor_close(reader->records.cursor);
    lmdb_cursor_close(reader->facts.cursor);
    lmdb_abort(reader->txn);
    if (reader->has_tables) drop_tables(reader->segment);
    free(reader);
}

void segment_reader_trust(struct segment_reader *reader)
{
    reader->trusts = true;
}

size_t segment_reader_bytes(const struct segment_reader *reader)
{
    const struct segment *segment = reader->segment;

    return READER_BYTES + (reader->has_tables
                               ? zstd_dictionary_bytes(segment->dictionary) +
                                     templates_bytes(segment->templates)
                               : 0);
}

// Asks the tree where the block of an id lies.
static bool find_spot(const struct segment_reader *reader,
                      struct lmdb_cursor *cursor, uint64_t id,
                      struct spot *spot, struct err *err)
{
    const struct segment *segment = reader->segment;
    uint8_t raw[LMDB_ID_LEN];
    struct bytes key = segment_id_key(raw, id), view;
    bool found;

    if (id < segment->stat.first_id || id >= segment->stat.end_id) {
        return err_set(err, ERR_NOT_FOUND, "%s: has no entry %" PRIu64,
                       segment->path, id);
    }
    if (!lmdb_cursor_move(cursor, LMDB_SEEK, &key, &view, &found, err)) {
        return false;
    }
    if (!found || key.len != LMDB_ID_LEN) {
        return segment_damaged(segment->path, "a block is missing", err);
    }
    *spot = (struct spot){id + 1, key, view};
    return true;
}

// Finds the block of an id; nothing but the tree is touched.
static bool find(const struct segment_reader *reader, struct place *place,
                 const struct spot *spots, uint64_t id, struct err *err)
{
    struct spot spot = spots[id % SPOTS];
    struct bytes key;

    // Who reads one entry after the other stays in a block.
    if (place->content.data != NULL && id >= place->first_id &&
        id <= place->last_id && !lmdb_is_broken(reader->segment->env)) {
        return true;
    }
    if ((spot.id != id + 1 || lmdb_is_broken(reader->segment->env)) &&
        !find_spot(reader, place->cursor, id, &spot, err)) {
        return false;
    }
    if (spot.block.data != place->block.data) {
        place->content = bytes_of(NULL, 0);
    }
    place->block = spot.block;
    place->key = key = spot.key;
    return bytes_read_uint(&key, &place->last_id, LMDB_ID_LEN);
}

static bool find_facts(struct segment_reader *reader, uint64_t id,
                       struct err *err)
{
    return find(reader, &reader->facts, reader->fact_spots, id, err);
}

static bool find_records(struct segment_reader *reader, uint64_t id,
                         struct err *err)
{
    return find(reader, &reader->records, reader->record_spots, id, err);
}

// Asks for what lies there without waiting for it; what is not in memory, or
// nowhere, is not asked for.
static void bring_near(const uint8_t *at, size_t len)
{
    for (size_t i = 0; i < len; i += LINE_LEN) {
        __builtin_prefetch(at + i);
    }
}

// The head and each page's first line: what is looked at before anything else.
static void bring_block_near(struct bytes block)
{
    for (size_t at = 0; at < block.len; at += BLOCK_PAGE_LEN) {
        bring_near(block.data + at, 1);
    }
}

// Where it cannot be found whoever asks for it is told.
static void note_spot(const struct segment_reader *reader,
                      struct lmdb_cursor *cursor, struct spot *spots,
                      uint64_t id)
{
    struct spot *spot = &spots[id % SPOTS];

    if (spot->id == id + 1) return;
    if (!find_spot(reader, cursor, id, spot, NULL)) *spot = (struct spot){0};
}

void segment_find_blocks(struct segment_reader *reader, uint64_t id,
                         bool with_record)
{
    note_spot(reader, reader->facts.cursor, reader->fact_spots, id);
    if (!with_record) return;
    note_spot(reader, reader->records.cursor, reader->record_spots, id);
}

void segment_bring_near(const struct segment_reader *reader, uint64_t id)
{
    const struct spot *facts = &reader->fact_spots[id % SPOTS];
    const struct spot *record = &reader->record_spots[id % SPOTS];

    if (facts->id == id + 1) bring_near(facts->block.data, FACTS_HEAD_LEN);
    if (record->id == id + 1) bring_block_near(record->block);
}

struct checking {
    const struct segment_reader *reader;
    struct place *place;
};

// So that what cannot be read is known now.
static void touch_pages(struct bytes block)
{
    for (size_t at = 0; at < block.len; at += BLOCK_PAGE_LEN) {
        (void)*(const volatile uint8_t *)(block.data + at);
    }
}

static bool open_block(const struct segment_reader *reader, struct place *place)
{
    const struct lmdb *env = reader->segment->env;

    if (reader->trusts && lmdb_was_sound(env, place->key, place->block) &&
        place->held.len >= CHECKSUM_LEN) {
        touch_pages(place->held);
        place->content = place->held;
        return bytes_skip(&place->content, CHECKSUM_LEN);
    }
    if (!block_open(place->key, place->held, &place->content)) return false;
    lmdb_note_sound(env, place->key, place->block);
    return true;
}

static bool check_block(void *context, struct err *err)
{
    const struct checking *c = context;
    struct place *place = c->place;

    return open_block(c->reader, place) ||
           err_set(err, ERR_INDEX,
                   "index damaged: %s: the checksum of the block that ends "
                   "with entry %" PRIu64 " differs",
                   c->reader->segment->path, place->last_id);
}

// `num_of` reads how many ids a block has; what it cannot read has but the
// last.
static bool check(const struct segment_reader *reader, struct place *place,
                  bool (*num_of)(struct bytes content, uint64_t *num),
                  struct err *err)
{
    struct checking checking = {reader, place};
    struct bytes held = place->block;
    uint64_t num;

    if (!gate_fetch(reader->gate, reader->segment->env, &held, err)) {
        return false;
    }
    // The block that was read last is trusted no longer than any other.
    if (place->content.data != NULL && held.data == place->held.data &&
        (!reader->trusts ||
         lmdb_was_sound(reader->segment->env, place->key, place->block))) {
        return true;
    }
    place->held = held;
    place->content = bytes_of(NULL, 0);
    if (!lmdb_touch(check_block, &checking, err)) return false;
    if (!num_of(place->content, &num) || num == 0 || num > place->last_id) {
        num = 1;
    }
    place->first_id = place->last_id - (num - 1);
    return true;
}

static bool entry_damaged(const struct segment_reader *reader, uint64_t id,
                          const char *what, struct err *err)
{
    return err_set(err, ERR_INDEX, "index damaged: %s: entry %" PRIu64 ": %s",
                   reader->segment->path, id, what);
}

bool segment_facts_block(struct segment_reader *reader, uint64_t id,
                         struct bytes *block, struct err *err)
{
    bool ok = find_facts(reader, id, err);

    *block = reader->facts.block;
    return ok;
}

bool segment_record_block(struct segment_reader *reader, uint64_t id,
                          struct bytes *block, struct err *err)
{
    bool ok = find_records(reader, id, err);

    *block = reader->records.block;
    return ok;
}

void segment_reader_set_gate(struct segment_reader *reader, struct gate *gate)
{
    reader->gate = gate;
}

void segment_expect(struct segment_reader *reader, uint64_t id)
{
    struct lmdb *env = reader->segment->env;
    struct bytes block;

    // Where it cannot be found whoever asks for it is told.
    if (reader->gate == NULL) return;
    if (segment_facts_block(reader, id, &block, NULL)) {
        gate_expect(reader->gate, env, block);
    }
    if (segment_record_block(reader, id, &block, NULL)) {
        gate_expect(reader->gate, env, block);
    }
}

bool segment_read_facts(struct segment_reader *reader, uint64_t id,
                        struct segment_facts *facts, struct err *err)
{
    if (!find_facts(reader, id, err) ||
        !check(reader, &reader->facts, facts_num, err)) {
        return false;
    }
    return facts_read(facts, reader->facts.content, reader->facts.last_id,
                      id) ||
           entry_damaged(reader, id, "its facts cannot be read", err);
}

static bool read_size(struct bytes *view, size_t *size)
{
    uint64_t value;

    if (!varint_read(view, &value) || value > FRAME_PLAIN_MAX) return false;
    *size = (size_t)value;
    return true;
}

// How many records a block has.
static bool records_num(struct bytes content, uint64_t *num)
{
    return varint_read(&content, num);
}

// Finds the frame of the id and, of it, how many records come before.
static bool find_frame(const struct segment_reader *reader, uint64_t id,
                       struct frame *frame, size_t *before)
{
    struct bytes view = reader->records.content;
    size_t total;

    if (!read_size(&view, &total) || total == 0 ||
        reader->records.last_id - id >= total) {
        return false;
    }
    *before = total - 1 - (size_t)(reader->records.last_id - id);
    while (frame_read(frame, &view)) {
        if (*before < frame->num) return true;
        *before -= frame->num;
    }
    return false;
}

static bool unpack(struct segment_reader *reader,
                   const struct segment_record_place *place,
                   struct bytes *plain, struct err *err)
{
    const struct segment *segment = reader->segment;

    if (segment_shared_unpack(reader->shared, segment, segment->dictionary,
                              place->in_file, &place->frame, plain, err)) {
        return true;
    }
    return err->code == ERR_MEMORY
               ? err_wrap(err, "%s", segment->path)
               : err_wrap(err, "index damaged: %s", segment->path);
}

static bool read_hash(struct bytes *view, struct sha256_hash *hash)
{
    struct bytes part;

    if (!bytes_read_take(view, &part, SHA256_LEN)) return false;
    memcpy(hash->bytes, part.data, SHA256_LEN);
    return true;
}

static bool read_chain(struct bytes *view, struct record *record)
{
    struct bytes start;
    uint64_t number;

    if (!read_size(view, &record->num_chain)) return false;
    start = *view;
    for (size_t i = 0; i < record->num_chain; i++) {
        if (!varint_read(view, &number)) return false;
    }
    record->chain = bytes_of(start.data, start.len - view->len);
    return true;
}

static bool read_body(struct record *record, struct bytes view)
{
    uint64_t kind, bits;

    if (!bytes_read_uint(&view, &kind, 1) ||
        !bytes_read_uint(&view, &bits, 1) || !read_chain(&view, record)) {
        return false;
    }
    record->kind = (enum record_kind)kind;
    record->bits = (uint8_t)bits;
    record->plain_len = view.len;
    record->payload = view;
    return kind == RECORD_FULL || kind == RECORD_FACTS;
}

static bool read_hashes(const struct segment_reader *reader,
                        struct record *record, uint64_t mark, struct bytes view)
{
    struct bytes group;

    if (record->kind != RECORD_FACTS) return view.len == 0;
    if (!bytes_read_take(&view, &group, SEGMENT_GROUP_LEN) ||
        !read_hash(&view, &record->leaf_hash) ||
        ((record->bits & RECORD_HAS_CERTIFICATE) != 0 &&
         !read_hash(&view, &record->certificate_sha256)) ||
        ((record->bits & RECORD_HAS_SPKI) != 0 &&
         !read_hash(&view, &record->spki_sha256))) {
        return false;
    }
    segment_group_whole(&record->facts.group, reader->segment->stat.group_seed,
                        mark, group);
    return view.len == 0;
}

// Reads a record of a frame that was unpacked.
static bool read_record(struct segment_reader *reader,
                        const struct frame *frame, struct bytes plain,
                        size_t at, uint64_t mark, struct record *record)
{
    struct buffer *body = &reader->shared->body;
    struct bytes text, raw;
    uint32_t number;

    buffer_reset(body);
    return frame_record(frame, plain, at, &number, &text, &raw) &&
           template_decode(reader->segment->templates, number, &record->facts,
                           text, &raw, body) &&
           read_body(record, buffer_bytes(body)) &&
           read_hashes(reader, record, mark, raw);
}

void segment_take_facts(struct entry_facts *out,
                        const struct segment_facts *facts)
{
    out->log = facts->log;
    out->index = facts->index;
    out->timestamp_ms = facts->timestamp_ms;
    out->type = facts->type;
    out->not_before = facts->not_before;
    out->not_after = facts->not_after;
    out->flags = facts->flags;
    out->has_tbs = facts->has_tbs;
    out->group_mark = facts->group;
}

// Asks the gate for dictionary and templates.
static bool pass_tables(const struct segment_reader *reader, struct err *err)
{
    static const char *const names[] = {SEGMENT_DICTIONARY, SEGMENT_TEMPLATES};
    const struct segment *segment = reader->segment;
    struct bytes block;

    for (size_t i = 0; reader->gate != NULL && i < COUNT_OF(names); i++) {
        if (!get_meta(segment, reader->txn, names[i], &block, err) ||
            (block.data != NULL &&
             !gate_pass(reader->gate, segment->env, block, err))) {
            return false;
        }
    }
    return true;
}

static bool have_tables(struct segment_reader *reader, struct err *err)
{
    if (reader->has_tables) return true;
    if (!pass_tables(reader, err) ||
        !take_tables(reader->segment, reader->txn, err)) {
        return false;
    }
    reader->has_tables = true;
    return true;
}

bool segment_locate(struct segment_reader *reader, uint64_t id,
                    struct segment_record_place *out, struct err *err)
{
    const struct frame *frame = &out->frame;
    size_t raw_at;

    if (!find_records(reader, id, err) ||
        !check(reader, &reader->records, records_num, err)) {
        return false;
    }
    if (!find_frame(reader, id, &out->frame, &out->at)) {
        return entry_damaged(reader, id, "its block cannot be read", err);
    }
    out->in_file = reader->records.block.data +
                   (frame->packed.data - reader->records.held.data);
    raw_at = frame->raws.len / frame->num * out->at;
    bring_near(frame->packed.data, frame->packed.len);
    bring_near(frame->raws.data + raw_at, frame->raws.len - raw_at < RECORD_LEN
                                              ? frame->raws.len - raw_at
                                              : RECORD_LEN);
    return true;
}

bool segment_read_at(struct segment_reader *reader, uint64_t id,
                     const struct entry_facts *facts,
                     const struct segment_record_place *place,
                     struct record *record, struct bytes *plain,
                     struct err *err)
{
    struct bytes texts;

    *record = (struct record){.facts = *facts};
    record->facts.group = (struct sha256_hash){0};
    if (!have_tables(reader, err)) return false;
    if (!unpack(reader, place, &texts, err)) {
        return err_wrap(err, "entry %" PRIu64, id);
    }
    if (!read_record(reader, &place->frame, texts, place->at, facts->group_mark,
                     record)) {
        return entry_damaged(reader, id, "its record cannot be read", err);
    }
    *plain = record->payload;
    return true;
}

bool segment_read(struct segment_reader *reader, uint64_t id,
                  struct record *record, struct bytes *plain, struct err *err)
{
    struct segment_record_place place;
    struct entry_facts facts = {0};
    struct segment_facts held;

    if (!have_tables(reader, err) ||
        !segment_read_facts(reader, id, &held, err) ||
        !segment_locate(reader, id, &place, err)) {
        return false;
    }
    segment_take_facts(&facts, &held);
    return segment_read_at(reader, id, &facts, &place, record, plain, err);
}
