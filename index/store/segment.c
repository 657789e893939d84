// segment.c - see segment.h.

#include "index/store/segment.h"

#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "index/base/checksum.h"
#include "index/base/varint.h"
#include "index/store/zstd.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

enum {
    FORMAT = 1,
    COMMIT_BYTES = 4 * 1024 * 1024, // dirty pages are malloc'ed until then
    META_LEN = CHECKSUM_LEN + 1 + 6 * 8,
    NUM_LEN_MAX = 2,    // of a block's number of records
    FRAME_HEAD_LEN = 8, // three varints of a frame within BLOCK_LEN
    BLOCK_RECORDS_MAX = 1024,
    // Two pages lose half as much at their ends as one does, and are one read;
    // more records together are hardly smaller, but slower to read.
    BLOCK_LEN_MAX = BLOCK_LEN + BLOCK_PAGE_LEN,
    FRAME_RECORDS_MAX = 6,
    PLAIN_LEN_MAX = 1 << 28,
    GUESS_FIRST = 500, // of 1000 bytes so many are left by compression
};

static const char meta_name[] = "segment", dictionary_name[] = "dictionary";

struct dbs {
    lmdb_db records, facts, meta;
};

static bool dbs_open(struct dbs *dbs, struct lmdb_txn *txn, struct err *err)
{
    return lmdb_db_open(txn, "records", LMDB_ORDER_BYTES, &dbs->records, err) &&
           lmdb_db_open(txn, "facts", LMDB_ORDER_BYTES, &dbs->facts, err) &&
           lmdb_db_open(txn, "meta", LMDB_ORDER_BYTES, &dbs->meta, err);
}

static bool no_memory(const char *path, struct err *err)
{
    return err_set(err, ERR_MEMORY, "%s: no memory", path);
}

static bool damaged(const char *path, const char *what, struct err *err)
{
    return err_set(err, ERR_INDEX, "index damaged: %s: %s", path, what);
}

uint64_t segment_group(uint64_t group_seed, const struct sha256_hash *group)
{
    return XXH3_64bits_withSeed(group->bytes, SHA256_LEN, group_seed);
}

static struct bytes id_key(uint8_t out[LMDB_ID_LEN], uint64_t id)
{
    bytes_put_uint(out, id, LMDB_ID_LEN);
    return bytes_of(out, LMDB_ID_LEN);
}

// ------------------------------------------------------------ meta

static void meta_write(uint8_t out[META_LEN], const struct segment_stat *stat)
{
    const uint64_t numbers[] = {stat->first_id,      stat->end_id,
                                stat->group_seed,    stat->plain_bytes,
                                stat->record_blocks, stat->fact_blocks};

    out[CHECKSUM_LEN] = FORMAT;
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        bytes_put_uint(out + CHECKSUM_LEN + 1 + 8 * i, numbers[i], 8);
    }
    block_seal(bytes_from_text(meta_name), out, META_LEN);
}

static bool meta_read(const char *path, struct bytes block,
                      struct segment_stat *stat, struct err *err)
{
    struct bytes view;
    uint64_t format;

    if (!block_open(bytes_from_text(meta_name), block, &view)) {
        return damaged(path, "the checksum of its head differs", err);
    }
    if (!bytes_read_uint(&view, &format, 1) || format != FORMAT) {
        return err_set(err, ERR_INDEX, "%s: a segment of another format", path);
    }
    if (!bytes_read_uint(&view, &stat->first_id, 8) ||
        !bytes_read_uint(&view, &stat->end_id, 8) ||
        !bytes_read_uint(&view, &stat->group_seed, 8) ||
        !bytes_read_uint(&view, &stat->plain_bytes, 8) ||
        !bytes_read_uint(&view, &stat->record_blocks, 8) ||
        !bytes_read_uint(&view, &stat->fact_blocks, 8) || view.len != 0 ||
        stat->first_id > stat->end_id) {
        return damaged(path, "its head cannot be read", err);
    }
    return true;
}

// ------------------------------------------------------------ writing

struct segment_writer {
    struct lmdb *env;
    struct lmdb_txn *txn;
    struct dbs dbs;
    struct zstd_dictionary *dictionary;
    struct zstd_codec *codec;
    size_t uncommitted;
    uint64_t next_id;  // of the next record that is added
    uint64_t block_id; // of the first in the block being made
    struct facts_builder facts;
    struct buffer waiting; // records as they are before compression
    size_t lens[FRAME_RECORDS_MAX];
    size_t num_waiting;
    struct buffer frames; // of the block being made
    size_t num_framed;    // records in them
    struct buffer frame, block, body;
    size_t guess; // of 1000 bytes so many are left by compression
    bool finished;
    struct segment_stat stat;
    char *path;
};

static bool writer_begin(struct segment_writer *writer, struct err *err)
{
    writer->uncommitted = 0;
    return lmdb_begin(&writer->txn, writer->env, true, err);
}

static bool put(struct segment_writer *writer, lmdb_db db, struct bytes key,
                struct bytes value, struct err *err)
{
    uint8_t *space;

    if (!lmdb_append(writer->txn, db, key, value.len, &space, err)) {
        return false;
    }
    memcpy(space, value.data, value.len);
    writer->uncommitted += value.len;
    if (writer->uncommitted < COMMIT_BYTES) return true;
    if (!lmdb_commit(writer->txn, err)) {
        writer->txn = NULL;
        return false;
    }
    writer->txn = NULL;
    return writer_begin(writer, err);
}

static bool put_dictionary(struct segment_writer *writer, struct bytes bytes,
                           struct err *err)
{
    struct bytes key = bytes_from_text(dictionary_name);
    struct buffer *block = &writer->block;

    buffer_append_uint(block, 0, CHECKSUM_LEN);
    buffer_append(block, bytes);
    if (!buffer_ok(block)) return no_memory(writer->path, err);
    block_seal(key, block->data, block->len);
    return put(writer, writer->dbs.meta, key, buffer_bytes(block), err);
}

static bool writer_init(struct segment_writer *writer, const char *path,
                        struct bytes dictionary, struct err *err)
{
    writer->path = strdup(path);
    if (writer->path == NULL) return no_memory(path, err);
    return zstd_dictionary_new(&writer->dictionary, dictionary, err) &&
           zstd_codec_new(&writer->codec, err) &&
           lmdb_file_create(&writer->env, path, err) &&
           writer_begin(writer, err) &&
           dbs_open(&writer->dbs, writer->txn, err) &&
           put_dictionary(writer, dictionary, err);
}

bool segment_writer_open(struct segment_writer **out, const char *path,
                         uint64_t first_id, uint64_t group_seed,
                         struct bytes dictionary, struct err *err)
{
    struct segment_writer *writer = calloc(1, sizeof *writer);

    if (writer == NULL) return no_memory(path, err);
    writer->next_id = first_id;
    writer->block_id = first_id;
    writer->guess = GUESS_FIRST;
    writer->stat = (struct segment_stat){
        .first_id = first_id, .end_id = first_id, .group_seed = group_seed};
    facts_begin(&writer->facts, first_id);
    if (!writer_init(writer, path, dictionary, err)) {
        segment_writer_close(writer);
        return false;
    }
    *out = writer;
    return true;
}

// ------------------------------------------------------------ facts

static bool put_facts(struct segment_writer *writer, struct err *err)
{
    uint8_t raw[LMDB_ID_LEN];
    uint64_t end_id = writer->facts.first_id + writer->facts.num;
    struct bytes key = id_key(raw, end_id - 1), block;

    if (writer->facts.num == 0) return true;
    if (!facts_end(&writer->facts, key, &block)) {
        return no_memory(writer->path, err);
    }
    writer->stat.fact_blocks++;
    facts_begin(&writer->facts, end_id);
    return put(writer, writer->dbs.facts, key, block, err);
}

static bool add_facts(struct segment_writer *writer,
                      const struct entry_facts *facts, uint32_t issuer,
                      struct err *err)
{
    const struct segment_facts kept = {
        .log = facts->log,
        .index = facts->index,
        .timestamp_ms = facts->timestamp_ms,
        .type = facts->type,
        .not_before = facts->not_before,
        .not_after = facts->not_after,
        .flags = facts->flags,
        .has_tbs = facts->has_tbs,
        .group = segment_group(writer->stat.group_seed, &facts->group),
        .issuer = issuer,
    };

    if (facts_add(&writer->facts, &kept)) return true;
    return put_facts(writer, err) && facts_add(&writer->facts, &kept);
}

// ------------------------------------------------------------ records

static void append_record(struct buffer *out, const struct record *record,
                          struct bytes plain)
{
    uint8_t bits =
        record->bits & (uint8_t) ~(RECORD_COMPRESSED | RECORD_DICTIONARY);

    buffer_append_byte(out, (uint8_t)record->kind);
    buffer_append_byte(out, bits);
    varint_append(out, record->num_chain);
    buffer_append(out, record->chain);
    if (record->kind == RECORD_FACTS) {
        buffer_append(out, sha256_bytes(&record->facts.group));
        buffer_append(out, sha256_bytes(&record->leaf_hash));
        if ((bits & RECORD_HAS_CERTIFICATE) != 0) {
            buffer_append(out, sha256_bytes(&record->certificate_sha256));
        }
        if ((bits & RECORD_HAS_SPKI) != 0) {
            buffer_append(out, sha256_bytes(&record->spki_sha256));
        }
    }
    buffer_append(out, plain);
}

static bool put_block(struct segment_writer *writer, struct err *err)
{
    struct buffer *block = &writer->block;
    uint8_t raw[LMDB_ID_LEN];
    uint64_t end_id = writer->block_id + writer->num_framed;
    struct bytes key = id_key(raw, end_id - 1);

    if (writer->num_framed == 0) return true;
    buffer_reset(block);
    buffer_append_uint(block, 0, CHECKSUM_LEN);
    varint_append(block, writer->num_framed);
    buffer_append(block, buffer_bytes(&writer->frames));
    if (!buffer_ok(block)) return no_memory(writer->path, err);
    block_seal(key, block->data, block->len);
    writer->stat.record_blocks++;
    writer->block_id = end_id;
    writer->num_framed = 0;
    buffer_reset(&writer->frames);
    return put(writer, writer->dbs.records, key, buffer_bytes(block), err);
}

static size_t room(const struct segment_writer *writer)
{
    size_t used =
        CHECKSUM_LEN + NUM_LEN_MAX + FRAME_HEAD_LEN + writer->frames.len;

    return used < BLOCK_LEN_MAX ? BLOCK_LEN_MAX - used : 0;
}

static size_t waiting_len(const struct segment_writer *writer, size_t num)
{
    size_t len = 0;

    for (size_t i = 0; i < num; i++) {
        len += writer->lens[i];
    }
    return len;
}

// Compresses the first `num` that wait.
static bool try_frame(struct segment_writer *writer, size_t num,
                      struct err *err)
{
    size_t len = waiting_len(writer, num);

    buffer_reset(&writer->frame);
    if (!zstd_compress(writer->codec, writer->dictionary,
                       bytes_of(writer->waiting.data, len), &writer->frame,
                       err)) {
        return err_wrap(err, "%s", writer->path);
    }
    writer->guess = (3 * writer->guess + 1000 * writer->frame.len / len) / 4;
    return true;
}

// Takes the frame of the first `num` into the block.
static bool keep_frame(struct segment_writer *writer, size_t num,
                       struct err *err)
{
    size_t len = waiting_len(writer, num);

    varint_append(&writer->frames, num);
    varint_append(&writer->frames, len);
    varint_append(&writer->frames, writer->frame.len);
    buffer_append(&writer->frames, buffer_bytes(&writer->frame));
    if (!buffer_ok(&writer->frames)) return no_memory(writer->path, err);
    writer->num_framed += num;
    buffer_consume(&writer->waiting, len);
    writer->num_waiting -= num;
    memmove(writer->lens, writer->lens + num,
            writer->num_waiting * sizeof *writer->lens);
    return true;
}

// Makes a frame of as many waiting records as the block has room for; where it
// has none the block is ended and the next one begun.  A record larger than a
// block has one of its own.
static bool make_frame(struct segment_writer *writer, struct err *err)
{
    size_t num = writer->num_waiting;

    for (;;) {
        size_t space = room(writer), fit;

        if (!try_frame(writer, num, err)) return false;
        if (writer->frame.len <= space) return keep_frame(writer, num, err);
        fit = num * space / writer->frame.len;
        if (fit > 0) {
            num = fit < num ? fit : num - 1;
        } else if (writer->num_framed > 0) {
            if (!put_block(writer, err)) return false;
            num = writer->num_waiting;
        } else if (num > 1) {
            num = 1;
        } else {
            return keep_frame(writer, 1, err) && put_block(writer, err);
        }
    }
}

static bool is_enough(const struct segment_writer *writer)
{
    return writer->num_waiting >= FRAME_RECORDS_MAX ||
           writer->num_waiting + writer->num_framed >= BLOCK_RECORDS_MAX ||
           writer->waiting.len * writer->guess / 1000 >= room(writer);
}

bool segment_writer_add(struct segment_writer *writer,
                        const struct record *record, uint32_t issuer,
                        struct bytes plain, struct err *err)
{
    size_t before = writer->waiting.len;

    if (plain.len > PLAIN_LEN_MAX / 2) {
        return err_set(err, ERR_INDEX, "%s: a record of %zu bytes",
                       writer->path, plain.len);
    }
    if (!add_facts(writer, &record->facts, issuer, err)) return false;
    buffer_reset(&writer->body);
    append_record(&writer->body, record, plain);
    varint_append(&writer->waiting, writer->body.len);
    buffer_append(&writer->waiting, buffer_bytes(&writer->body));
    if (!buffer_ok(&writer->body) || !buffer_ok(&writer->waiting)) {
        return no_memory(writer->path, err);
    }
    writer->lens[writer->num_waiting++] = writer->waiting.len - before;
    writer->next_id++;
    writer->stat.plain_bytes += plain.len;
    while (writer->num_waiting > 0 && is_enough(writer)) {
        if (!make_frame(writer, err)) return false;
        if (writer->num_waiting + writer->num_framed >= BLOCK_RECORDS_MAX &&
            !put_block(writer, err)) {
            return false;
        }
    }
    return true;
}

bool segment_writer_finish(struct segment_writer *writer,
                           struct segment_stat *stat, struct err *err)
{
    uint8_t meta[META_LEN];
    struct lmdb_txn *txn;

    while (writer->num_waiting > 0) {
        if (!make_frame(writer, err)) return false;
    }
    writer->stat.end_id = writer->next_id;
    if (!put_block(writer, err) || !put_facts(writer, err)) return false;
    meta_write(meta, &writer->stat);
    if (!put(writer, writer->dbs.meta, bytes_from_text(meta_name),
             bytes_of(meta, sizeof meta), err)) {
        return false;
    }
    txn = writer->txn;
    writer->txn = NULL;
    if (!lmdb_commit(txn, err) || !lmdb_file_sync(writer->env, err)) {
        return false;
    }
    writer->stat.bytes = lmdb_size_bytes(writer->env);
    writer->finished = true;
    if (stat != NULL) *stat = writer->stat;
    return true;
}

void segment_writer_close(struct segment_writer *writer)
{
    if (writer == NULL) return;
    lmdb_abort(writer->txn);
    if (writer->env != NULL) {
        lmdb_close(writer->env);
        if (!writer->finished) (void)unlink(writer->path);
    }
    zstd_dictionary_free(writer->dictionary);
    zstd_codec_free(writer->codec);
    facts_cleanup(&writer->facts);
    buffer_cleanup(&writer->waiting);
    buffer_cleanup(&writer->frames);
    buffer_cleanup(&writer->frame);
    buffer_cleanup(&writer->block);
    buffer_cleanup(&writer->body);
    free(writer->path);
    free(writer);
}

// ------------------------------------------------------------ opening

struct segment {
    struct lmdb *env;
    struct dbs dbs;
    struct zstd_dictionary *dictionary;
    struct segment_stat stat;
    char *path;
};

static bool get_meta(const struct segment *segment, struct lmdb_txn *txn,
                     const char *name, struct bytes *block, struct err *err)
{
    bool found;

    if (!lmdb_get(txn, segment->dbs.meta, bytes_from_text(name), block, &found,
                  err)) {
        return false;
    }
    return found || damaged(segment->path, "it has no head", err);
}

static bool load(struct segment *segment, struct lmdb_txn *txn, struct err *err)
{
    struct bytes meta, block, dictionary;

    if (!dbs_open(&segment->dbs, txn, err)) {
        return err_wrap(err, "%s", segment->path);
    }
    if (!get_meta(segment, txn, meta_name, &meta, err) ||
        !meta_read(segment->path, meta, &segment->stat, err) ||
        !get_meta(segment, txn, dictionary_name, &block, err)) {
        return false;
    }
    if (!block_open(bytes_from_text(dictionary_name), block, &dictionary)) {
        return damaged(segment->path, "the checksum of its dictionary differs",
                       err);
    }
    segment->stat.bytes = lmdb_size_bytes(segment->env);
    return zstd_dictionary_new(&segment->dictionary, dictionary, err) ||
           err_wrap(err, "%s", segment->path);
}

bool segment_open(struct segment **out, const char *path, struct err *err)
{
    struct segment *segment = calloc(1, sizeof *segment);
    struct lmdb_txn *txn = NULL;
    bool ok;

    if (segment == NULL) return no_memory(path, err);
    segment->path = strdup(path);
    ok = (segment->path != NULL || no_memory(path, err)) &&
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
    zstd_dictionary_free(segment->dictionary);
    free(segment->path);
    free(segment);
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
    uint64_t last_id;
    struct bytes content; // once it was checked
};

struct segment_reader {
    const struct segment *segment;
    struct lmdb_txn *txn;
    struct zstd_codec *codec;
    struct place records, facts;
    struct buffer plain; // of the frame that was read last
    struct bytes frame;  // which it was
};

bool segment_reader_open(struct segment_reader **out,
                         const struct segment *segment, struct err *err)
{
    struct segment_reader *reader = calloc(1, sizeof *reader);

    if (reader == NULL) return no_memory(segment->path, err);
    reader->segment = segment;
    if (!zstd_codec_new(&reader->codec, err) ||
        !lmdb_begin(&reader->txn, segment->env, false, err) ||
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
    lmdb_cursor_close(reader->records.cursor);
    lmdb_cursor_close(reader->facts.cursor);
    lmdb_abort(reader->txn);
    zstd_codec_free(reader->codec);
    buffer_cleanup(&reader->plain);
    free(reader);
}

// Finds the block of an id; nothing but the tree is touched.
static bool find(const struct segment_reader *reader, struct place *place,
                 uint64_t id, struct err *err)
{
    const struct segment *segment = reader->segment;
    uint8_t raw[LMDB_ID_LEN];
    struct bytes key = id_key(raw, id), view;
    bool found;

    if (id < segment->stat.first_id || id >= segment->stat.end_id) {
        return err_set(err, ERR_NOT_FOUND, "%s: has no entry %" PRIu64,
                       segment->path, id);
    }
    if (!lmdb_cursor_move(place->cursor, LMDB_SEEK, &key, &view, &found, err)) {
        return false;
    }
    if (!found || key.len != LMDB_ID_LEN) {
        return damaged(segment->path, "a block is missing", err);
    }
    if (view.data != place->block.data) place->content = bytes_of(NULL, 0);
    place->block = view;
    place->key = key;
    return bytes_read_uint(&key, &place->last_id, LMDB_ID_LEN);
}

static bool check(const struct segment_reader *reader, struct place *place,
                  struct err *err)
{
    if (place->content.data != NULL ||
        block_open(place->key, place->block, &place->content)) {
        return true;
    }
    return damaged(reader->segment->path, "the checksum of a block differs",
                   err);
}

bool segment_facts_block(struct segment_reader *reader, uint64_t id,
                         struct bytes *block, struct err *err)
{
    bool ok = find(reader, &reader->facts, id, err);

    *block = reader->facts.block;
    return ok;
}

bool segment_record_block(struct segment_reader *reader, uint64_t id,
                          struct bytes *block, struct err *err)
{
    bool ok = find(reader, &reader->records, id, err);

    *block = reader->records.block;
    return ok;
}

bool segment_read_facts(struct segment_reader *reader, uint64_t id,
                        struct segment_facts *facts, struct err *err)
{
    if (!find(reader, &reader->facts, id, err) ||
        !check(reader, &reader->facts, err)) {
        return false;
    }
    return facts_read(facts, reader->facts.content, reader->facts.last_id,
                      id) ||
           damaged(reader->segment->path, "facts cannot be read", err);
}

static bool read_size(struct bytes *view, size_t *size)
{
    uint64_t value;

    if (!varint_read(view, &value) || value > PLAIN_LEN_MAX) return false;
    *size = (size_t)value;
    return true;
}

// Finds the frame of the id and, of it, how many records come before.
static bool find_frame(const struct segment_reader *reader, uint64_t id,
                       struct bytes *frame, size_t *num, size_t *plain_len,
                       size_t *before)
{
    struct bytes view = reader->records.content;
    size_t total, len;

    if (!read_size(&view, &total) || total == 0 ||
        reader->records.last_id - id >= total) {
        return false;
    }
    *before = total - 1 - (size_t)(reader->records.last_id - id);
    while (read_size(&view, num) && read_size(&view, plain_len) &&
           read_size(&view, &len) && bytes_read_take(&view, frame, len)) {
        if (*before < *num) return true;
        *before -= *num;
    }
    return false;
}

static bool unpack(struct segment_reader *reader, struct bytes frame,
                   size_t plain_len, struct err *err)
{
    if (frame.data == reader->frame.data) return true;
    reader->frame = bytes_of(NULL, 0);
    buffer_reset(&reader->plain);
    if (!buffer_reserve(&reader->plain, plain_len)) {
        return no_memory(reader->segment->path, err);
    }
    if (!zstd_decompress(reader->codec, reader->segment->dictionary, frame,
                         reader->plain.data, plain_len, err)) {
        return err_wrap(err, "index damaged: %s", reader->segment->path);
    }
    reader->plain.len = plain_len;
    reader->frame = frame;
    return true;
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

static bool read_record(struct record *record, struct bytes view)
{
    uint64_t kind, bits;

    if (!bytes_read_uint(&view, &kind, 1) ||
        !bytes_read_uint(&view, &bits, 1) || !read_chain(&view, record)) {
        return false;
    }
    record->kind = (enum record_kind)kind;
    record->bits = (uint8_t)bits;
    if (kind == RECORD_FACTS) {
        if (!read_hash(&view, &record->facts.group) ||
            !read_hash(&view, &record->leaf_hash) ||
            ((bits & RECORD_HAS_CERTIFICATE) != 0 &&
             !read_hash(&view, &record->certificate_sha256)) ||
            ((bits & RECORD_HAS_SPKI) != 0 &&
             !read_hash(&view, &record->spki_sha256))) {
            return false;
        }
    }
    record->plain_len = view.len;
    record->payload = view;
    return kind == RECORD_FULL || kind == RECORD_FACTS;
}

static bool read_at(const struct segment_reader *reader, size_t before,
                    struct record *record)
{
    struct bytes view = buffer_bytes(&reader->plain), body;
    size_t len;

    for (size_t i = 0; i < before; i++) {
        if (!read_size(&view, &len) || !bytes_skip(&view, len)) return false;
    }
    return read_size(&view, &len) && bytes_read_take(&view, &body, len) &&
           read_record(record, body);
}

static void set_facts(struct entry_facts *out,
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
}

bool segment_read(struct segment_reader *reader, uint64_t id,
                  struct record *record, struct bytes *plain, struct err *err)
{
    struct segment_facts facts;
    struct bytes frame;
    size_t num, plain_len, before;

    *record = (struct record){0};
    if (!segment_read_facts(reader, id, &facts, err) ||
        !find(reader, &reader->records, id, err) ||
        !check(reader, &reader->records, err)) {
        return false;
    }
    if (!find_frame(reader, id, &frame, &num, &plain_len, &before)) {
        return damaged(reader->segment->path, "a block cannot be read", err);
    }
    if (!unpack(reader, frame, plain_len, err)) return false;
    if (!read_at(reader, before, record)) {
        return damaged(reader->segment->path, "a record cannot be read", err);
    }
    set_facts(&record->facts, &facts);
    *plain = record->payload;
    return true;
}
