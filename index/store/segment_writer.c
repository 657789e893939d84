// segment_writer.c - see segment.h.

#include <stdlib.h>
#include <unistd.h>

#include "index/base/checksum.h"
#include "index/base/varint.h"
#include "index/store/frame.h"
#include "index/store/segment_file.h"
#include "index/store/template.h"

enum {
    COMMIT_BYTES = 4 * 1024 * 1024, // dirty pages are malloc'ed until then
    NUM_LEN_MAX = 2,                // of a block's number of records
    BLOCK_RECORDS_MAX = 1024,
    // Two pages lose half as much at their ends as one does, and are one read;
    // more records together are hardly smaller, but slower to read.
    BLOCK_LEN_MAX = BLOCK_LEN + BLOCK_PAGE_LEN,
    PACKED_FIRST = 400,   // of 1000 bytes of text so many are left
    PACKED_MARGIN = 24,   // and some more, so that few frames do not fit
    LEARN_RECORDS = 1024, // twice as many teach no more
    LEARN_BYTES = 4 * 1024 * 1024,
    RECORD_LEN_MAX = 128 * 1024 * 1024,
};

// A record that waits until there are templates.
struct held {
    struct entry_facts facts;
    uint32_t issuer;
    size_t head_len, body_len, hashes_len;
};

struct segment_writer {
    struct lmdb *env;
    struct lmdb_txn *txn;
    struct segment_dbs dbs;
    struct template_writer *templates;
    struct zstd_dictionary *dictionary; // NULL: none
    struct buffer dictionary_bytes;     // given, or learnt
    struct zstd_codec *codec;
    size_t uncommitted;
    uint64_t next_id;  // of the next record that is added
    uint64_t block_id; // of the first in the block being made
    struct facts_builder facts;

    struct buffer body, hashes; // of the record at hand
    struct buffer text, raw;    // what they are told by
    struct held *held;          // LEARN_RECORDS, until it was learnt
    size_t num_held;
    struct buffer held_bytes; // bodies and hashes
    bool learnt;

    struct frame_builder frame;
    struct buffer frames; // of the block being made
    size_t num_framed;    // records in them
    struct buffer block;
    size_t packed; // of 1000 bytes of text so many are left
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

static bool put_meta(struct segment_writer *writer, const char *name,
                     struct bytes content, struct err *err)
{
    struct buffer *block = &writer->block;

    buffer_reset(block);
    buffer_append_uint(block, 0, CHECKSUM_LEN);
    buffer_append(block, content);
    if (!buffer_ok(block)) return segment_no_memory(writer->path, err);
    block_seal(bytes_from_text(name), block->data, block->len);
    return put(writer, writer->dbs.meta, bytes_from_text(name),
               buffer_bytes(block), err);
}

static bool writer_init(struct segment_writer *writer, const char *path,
                        struct bytes dictionary, struct err *err)
{
    writer->path = strdup(path);
    writer->held = calloc(LEARN_RECORDS, sizeof *writer->held);
    buffer_append(&writer->dictionary_bytes, dictionary);
    if (writer->path == NULL || writer->held == NULL ||
        !buffer_ok(&writer->dictionary_bytes) ||
        !template_writer_new(&writer->templates)) {
        return segment_no_memory(path, err);
    }
    return zstd_codec_new(&writer->codec, err) &&
           lmdb_file_create(&writer->env, path, err) &&
           writer_begin(writer, err) &&
           segment_dbs_open(&writer->dbs, writer->txn, err);
}

bool segment_writer_open(struct segment_writer **out, const char *path,
                         uint64_t first_id, uint64_t group_seed,
                         struct bytes dictionary, struct err *err)
{
    struct segment_writer *writer = calloc(1, sizeof *writer);

    if (writer == NULL) return segment_no_memory(path, err);
    writer->next_id = first_id;
    writer->block_id = first_id;
    writer->packed = PACKED_FIRST;
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
    struct bytes key = segment_id_key(raw, end_id - 1), block;

    if (writer->facts.num == 0) return true;
    if (!facts_end(&writer->facts, key, &block)) {
        return segment_no_memory(writer->path, err);
    }
    writer->stat.fact_blocks++;
    facts_begin(&writer->facts, end_id);
    return put(writer, writer->dbs.facts, key, block, err);
}

static uint64_t mark_of(const struct segment_writer *writer,
                        const struct entry_facts *facts)
{
    static const struct sha256_hash none;

    return sha256_equal(&facts->group, &none)
               ? facts->group_mark
               : segment_group(writer->stat.group_seed, &facts->group);
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
        .group = mark_of(writer, facts),
        .issuer = issuer,
    };

    if (facts_add(&writer->facts, &kept)) return true;
    return put_facts(writer, err) && facts_add(&writer->facts, &kept);
}

// ------------------------------------------------------------ blocks

static bool put_block(struct segment_writer *writer, struct err *err)
{
    struct buffer *block = &writer->block;
    uint8_t raw[LMDB_ID_LEN];
    uint64_t end_id = writer->block_id + writer->num_framed;
    struct bytes key = segment_id_key(raw, end_id - 1);

    if (writer->num_framed == 0) return true;
    buffer_reset(block);
    buffer_append_uint(block, 0, CHECKSUM_LEN);
    varint_append(block, writer->num_framed);
    buffer_append(block, buffer_bytes(&writer->frames));
    if (!buffer_ok(block)) return segment_no_memory(writer->path, err);
    block_seal(key, block->data, block->len);
    writer->stat.record_blocks++;
    writer->block_id = end_id;
    writer->num_framed = 0;
    buffer_reset(&writer->frames);
    return put(writer, writer->dbs.records, key, buffer_bytes(block), err);
}

static size_t room(const struct segment_writer *writer)
{
    size_t used = CHECKSUM_LEN + NUM_LEN_MAX + writer->frames.len;

    return used < BLOCK_LEN_MAX ? BLOCK_LEN_MAX - used : 0;
}

// About how long the frame at hand will be with one record more.
static size_t frame_len(const struct segment_writer *writer, size_t text_len,
                        size_t raw_len)
{
    const struct frame_builder *frame = &writer->frame;
    size_t text =
        frame->texts.len + text_len + (frame->num + 1) * FRAME_COLUMNS_LEN;

    return FRAME_HEAD_LEN + frame->raws.len + raw_len +
           text * (writer->packed + PACKED_MARGIN) / 1000;
}

// Puts the frame at hand into the block, or into the next.  What does not fit
// into a block of its own is cut in two; a record that does not has one of any
// size.
static bool end_frame(struct segment_writer *writer, struct err *err)
{
    struct frame_builder *frame = &writer->frame;
    size_t num = frame->num;

    while (frame->num > 0) {
        size_t before = writer->frames.len, space = room(writer), plain_len;
        size_t raws = 0;

        if (num > frame->num) num = frame->num;
        if (!frame_append(frame, num, writer->codec, writer->dictionary,
                          &writer->frames, &plain_len, err)) {
            return err_wrap(err, "%s", writer->path);
        }
        for (size_t i = 0; i < num; i++) {
            raws += frame->raw_lens[i];
        }
        writer->packed =
            (7 * writer->packed +
             1000 * (writer->frames.len - before - raws) / plain_len) /
            8;
        if (writer->frames.len - before <= space ||
            (writer->num_framed == 0 && num == 1)) {
            writer->num_framed += num;
            frame_drop(frame, num);
            continue;
        }
        writer->frames.len = before;
        if (writer->num_framed == 0) {
            num = (num + 1) / 2;
        } else if (!put_block(writer, err)) {
            return false;
        }
    }
    return true;
}

// Takes what a record is told by: `text`, and `raw` with its hashes.
static bool add_told(struct segment_writer *writer, uint32_t number,
                     struct bytes text, struct bytes raw, struct err *err)
{
    struct frame_builder *frame = &writer->frame;
    bool fits = frame_len(writer, text.len, raw.len) <= room(writer) &&
                writer->num_framed + frame->num < BLOCK_RECORDS_MAX;

    // The block is full, or nearly.
    if (!fits && (!end_frame(writer, err) || !put_block(writer, err))) {
        return false;
    }
    if (frame->num == FRAME_RECORDS_MAX && !end_frame(writer, err)) {
        return false;
    }
    frame_add(frame, number, text, raw);
    if (!buffer_ok(&frame->texts) || !buffer_ok(&frame->raws)) {
        return segment_no_memory(writer->path, err);
    }
    return true;
}

// ------------------------------------------------------------ records

static void append_hashes(struct buffer *out, const struct record *record)
{
    if (record->kind != RECORD_FACTS) return;
    buffer_append(out, bytes_of(record->facts.group.bytes + SHA256_LEN -
                                    SEGMENT_GROUP_LEN,
                                SEGMENT_GROUP_LEN));
    buffer_append(out, sha256_bytes(&record->leaf_hash));
    if ((record->bits & RECORD_HAS_CERTIFICATE) != 0) {
        buffer_append(out, sha256_bytes(&record->certificate_sha256));
    }
    if ((record->bits & RECORD_HAS_SPKI) != 0) {
        buffer_append(out, sha256_bytes(&record->spki_sha256));
    }
}

// Makes the body (template.h); gives the length of what is before the payload.
static size_t make_body(struct buffer *out, const struct record *record,
                        struct bytes plain)
{
    size_t head_len;

    buffer_reset(out);
    buffer_append_byte(out, (uint8_t)record->kind);
    buffer_append_byte(out, record->bits & (uint8_t)~RECORD_COMPRESSED);
    varint_append(out, record->num_chain);
    buffer_append(out, record->chain);
    head_len = out->len;
    buffer_append(out, plain);
    return head_len;
}

// Finds what a body is told by: into text and raw.
static bool tell(struct segment_writer *writer, const struct held *held,
                 struct bytes body, struct bytes hashes, uint32_t *number,
                 struct err *err)
{
    *number =
        template_encode(writer->templates, &held->facts, held->issuer, body,
                        held->head_len, &writer->text, &writer->raw);
    buffer_append(&writer->raw, hashes);
    return (buffer_ok(&writer->text) && buffer_ok(&writer->raw)) ||
           segment_no_memory(writer->path, err);
}

// ------------------------------------------------------------ learning

// Tells all that is held, or its end: where each begins in text and raw.
struct told {
    uint32_t number;
    size_t text_len, raw_len;
};

static bool tell_held(struct segment_writer *writer, struct told *told,
                      size_t *text_lens, struct err *err)
{
    struct bytes view = buffer_bytes(&writer->held_bytes), body, hashes;

    buffer_reset(&writer->text);
    buffer_reset(&writer->raw);
    for (size_t i = 0; i < writer->num_held; i++) {
        const struct held *held = &writer->held[i];
        size_t text = writer->text.len, raw = writer->raw.len;

        if (!bytes_read_take(&view, &body, held->body_len) ||
            !bytes_read_take(&view, &hashes, held->hashes_len) ||
            !tell(writer, held, body, hashes, &told[i].number, err)) {
            return false;
        }
        told[i].text_len = writer->text.len - text;
        told[i].raw_len = writer->raw.len - raw;
        text_lens[i] = told[i].text_len;
    }
    return true;
}

static bool learn_dictionary(struct segment_writer *writer,
                             const size_t *text_lens, struct err *err)
{
    struct buffer *dictionary = &writer->dictionary_bytes;

    if (dictionary->len == 0 &&
        !zstd_train(dictionary, buffer_bytes(&writer->text), text_lens,
                    writer->num_held, err)) {
        return false;
    }
    return dictionary->len == 0 ||
           (zstd_dictionary_new(&writer->dictionary, buffer_bytes(dictionary),
                                err) &&
            put_meta(writer, SEGMENT_DICTIONARY, buffer_bytes(dictionary),
                     err));
}

struct bytes segment_writer_dictionary(const struct segment_writer *writer)
{
    return buffer_bytes(&writer->dictionary_bytes);
}

static bool add_all_told(struct segment_writer *writer, const struct told *told,
                         struct err *err)
{
    struct bytes texts = buffer_bytes(&writer->text), text;
    struct bytes raws = buffer_bytes(&writer->raw), raw;

    for (size_t i = 0; i < writer->num_held; i++) {
        if (!bytes_read_take(&texts, &text, told[i].text_len) ||
            !bytes_read_take(&raws, &raw, told[i].raw_len) ||
            !add_told(writer, told[i].number, text, raw, err)) {
            return false;
        }
    }
    return true;
}

// Learns templates from what is held, then from the texts that they leave a
// dictionary.
static bool learn(struct segment_writer *writer, struct err *err)
{
    struct told *told = calloc(LEARN_RECORDS, sizeof *told);
    size_t *text_lens = calloc(LEARN_RECORDS, sizeof *text_lens);
    bool ok = (told != NULL && text_lens != NULL) ||
              segment_no_memory(writer->path, err);

    writer->learnt = true;
    ok = ok && tell_held(writer, told, text_lens, err) &&
         tell_held(writer, told, text_lens, err) &&
         learn_dictionary(writer, text_lens, err) &&
         add_all_told(writer, told, err);
    free(told);
    free(text_lens);
    free(writer->held);
    writer->held = NULL;
    buffer_cleanup(&writer->held_bytes);
    return ok;
}

static bool hold(struct segment_writer *writer, const struct held *held,
                 struct err *err)
{
    writer->held[writer->num_held++] = *held;
    buffer_append(&writer->held_bytes, buffer_bytes(&writer->body));
    buffer_append(&writer->held_bytes, buffer_bytes(&writer->hashes));
    if (!buffer_ok(&writer->held_bytes)) {
        return segment_no_memory(writer->path, err);
    }
    return (writer->num_held < LEARN_RECORDS &&
            writer->held_bytes.len < LEARN_BYTES) ||
           learn(writer, err);
}

bool segment_writer_add(struct segment_writer *writer,
                        const struct record *record, uint32_t issuer,
                        struct bytes plain, struct err *err)
{
    struct held held = {.facts = record->facts, .issuer = issuer};
    uint32_t number;

    if (plain.len > RECORD_LEN_MAX) {
        return err_set(err, ERR_INDEX, "%s: a record of %zu bytes",
                       writer->path, plain.len);
    }
    if (!add_facts(writer, &record->facts, issuer, err)) return false;
    held.head_len = make_body(&writer->body, record, plain);
    held.body_len = writer->body.len;
    buffer_reset(&writer->hashes);
    append_hashes(&writer->hashes, record);
    held.hashes_len = writer->hashes.len;
    if (!buffer_ok(&writer->body) || !buffer_ok(&writer->hashes)) {
        return segment_no_memory(writer->path, err);
    }
    writer->next_id++;
    writer->stat.plain_bytes += plain.len;
    if (!writer->learnt) return hold(writer, &held, err);
    buffer_reset(&writer->text);
    buffer_reset(&writer->raw);
    return tell(writer, &held, buffer_bytes(&writer->body),
                buffer_bytes(&writer->hashes), &number, err) &&
           add_told(writer, number, buffer_bytes(&writer->text),
                    buffer_bytes(&writer->raw), err);
}

// ------------------------------------------------------------ the end

// The table, compressed without the dictionary.
static bool put_templates(struct segment_writer *writer, struct err *err)
{
    struct buffer table = {0}, packed = {0};
    bool ok;

    template_writer_save(writer->templates, &table);
    varint_append(&packed, table.len);
    ok = (buffer_ok(&table) && buffer_ok(&packed)) ||
         segment_no_memory(writer->path, err);
    ok = ok &&
         zstd_compress(writer->codec, NULL, buffer_bytes(&table), &packed,
                       err) &&
         put_meta(writer, SEGMENT_TEMPLATES, buffer_bytes(&packed), err);
    buffer_cleanup(&table);
    buffer_cleanup(&packed);
    return ok;
}

bool segment_writer_finish(struct segment_writer *writer,
                           struct segment_stat *stat, struct err *err)
{
    uint8_t meta[SEGMENT_META_LEN];
    struct lmdb_txn *txn;

    if ((!writer->learnt && !learn(writer, err)) || !end_frame(writer, err)) {
        return false;
    }
    writer->stat.end_id = writer->next_id;
    if (!put_block(writer, err) || !put_facts(writer, err)) return false;
    segment_meta_write(meta, &writer->stat);
    if (!put(writer, writer->dbs.meta, bytes_from_text(SEGMENT_META),
             bytes_of(meta, sizeof meta), err) ||
        !put_templates(writer, err)) {
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
    template_writer_free(writer->templates);
    zstd_dictionary_free(writer->dictionary);
    buffer_cleanup(&writer->dictionary_bytes);
    zstd_codec_free(writer->codec);
    facts_cleanup(&writer->facts);
    frame_cleanup(&writer->frame);
    free(writer->held);
    buffer_cleanup(&writer->held_bytes);
    buffer_cleanup(&writer->body);
    buffer_cleanup(&writer->hashes);
    buffer_cleanup(&writer->text);
    buffer_cleanup(&writer->raw);
    buffer_cleanup(&writer->frames);
    buffer_cleanup(&writer->block);
    free(writer->path);
    free(writer);
}
