// segment_writer.c - see segment.h.

#include <stdlib.h>
#include <unistd.h>

#include "index/base/checksum.h"
#include "index/base/varint.h"
#include "index/store/segment_file.h"
#include "index/store/zstd.h"

enum {
    COMMIT_BYTES = 4 * 1024 * 1024, // dirty pages are malloc'ed until then
    NUM_LEN_MAX = 2,                // of a block's number of records
    FRAME_HEAD_LEN = 8,             // three varints of a frame within a block
    BLOCK_RECORDS_MAX = 1024,
    // Two pages lose half as much at their ends as one does, and are one read;
    // more records together are hardly smaller, but slower to read.
    BLOCK_LEN_MAX = BLOCK_LEN + BLOCK_PAGE_LEN,
    FRAME_RECORDS_MAX = 6,
    GUESS_FIRST = 500, // of 1000 bytes so many are left by compression
    SAMPLES_BYTES = 4 * 1024 * 1024, // to learn a dictionary from
};

struct segment_writer {
    struct lmdb *env;
    struct lmdb_txn *txn;
    struct segment_dbs dbs;
    struct buffer samples; // the first records, until a dictionary was learnt
    size_t *sample_lens;
    size_t num_samples, size_samples;
    bool learnt;
    struct zstd_dictionary *dictionary; // NULL: none
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
    struct bytes key = bytes_from_text(SEGMENT_DICTIONARY);
    struct buffer *block = &writer->block;

    buffer_reset(block);
    buffer_append_uint(block, 0, CHECKSUM_LEN);
    buffer_append(block, bytes);
    if (!buffer_ok(block)) return segment_no_memory(writer->path, err);
    block_seal(key, block->data, block->len);
    return put(writer, writer->dbs.meta, key, buffer_bytes(block), err);
}

static bool writer_init(struct segment_writer *writer, const char *path,
                        struct err *err)
{
    writer->path = strdup(path);
    if (writer->path == NULL) return segment_no_memory(path, err);
    return zstd_codec_new(&writer->codec, err) &&
           lmdb_file_create(&writer->env, path, err) &&
           writer_begin(writer, err) &&
           segment_dbs_open(&writer->dbs, writer->txn, err);
}

bool segment_writer_open(struct segment_writer **out, const char *path,
                         uint64_t first_id, uint64_t group_seed,
                         struct err *err)
{
    struct segment_writer *writer = calloc(1, sizeof *writer);

    if (writer == NULL) return segment_no_memory(path, err);
    writer->next_id = first_id;
    writer->block_id = first_id;
    writer->guess = GUESS_FIRST;
    writer->stat = (struct segment_stat){
        .first_id = first_id, .end_id = first_id, .group_seed = group_seed};
    facts_begin(&writer->facts, first_id);
    if (!writer_init(writer, path, err)) {
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
    uint8_t bits = record->bits & (uint8_t)~RECORD_COMPRESSED;

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
    if (!buffer_ok(&writer->frames))
        return segment_no_memory(writer->path, err);
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

static bool add_body(struct segment_writer *writer, struct bytes body,
                     struct err *err)
{
    size_t before = writer->waiting.len;

    varint_append(&writer->waiting, body.len);
    buffer_append(&writer->waiting, body);
    if (!buffer_ok(&writer->waiting)) {
        return segment_no_memory(writer->path, err);
    }
    writer->lens[writer->num_waiting++] = writer->waiting.len - before;
    while (writer->num_waiting > 0 && is_enough(writer)) {
        if (!make_frame(writer, err)) return false;
        if (writer->num_waiting + writer->num_framed >= BLOCK_RECORDS_MAX &&
            !put_block(writer, err)) {
            return false;
        }
    }
    return true;
}

// ------------------------------------------------------------ a dictionary

// Learns from the records that wait, and compresses them with it.
static bool learn(struct segment_writer *writer, struct err *err)
{
    struct bytes view = buffer_bytes(&writer->samples), body;
    struct buffer dictionary = {0};
    bool ok;

    if (writer->learnt) return true;
    writer->learnt = true;
    ok = zstd_train(&dictionary, view, writer->sample_lens, writer->num_samples,
                    err) &&
         (dictionary.len == 0 ||
          (zstd_dictionary_new(&writer->dictionary, buffer_bytes(&dictionary),
                               err) &&
           put_dictionary(writer, buffer_bytes(&dictionary), err)));
    buffer_cleanup(&dictionary);
    for (size_t i = 0; ok && i < writer->num_samples; i++) {
        ok = bytes_read_take(&view, &body, writer->sample_lens[i]) &&
             add_body(writer, body, err);
    }
    buffer_cleanup(&writer->samples);
    return ok;
}

static bool keep_sample(struct segment_writer *writer, struct bytes body,
                        struct err *err)
{
    if (writer->num_samples == writer->size_samples) {
        size_t size =
            writer->size_samples == 0 ? 1024 : 2 * writer->size_samples;
        size_t *lens = realloc(writer->sample_lens, size * sizeof *lens);

        if (lens == NULL) return segment_no_memory(writer->path, err);
        writer->sample_lens = lens;
        writer->size_samples = size;
    }
    buffer_append(&writer->samples, body);
    if (!buffer_ok(&writer->samples)) {
        return segment_no_memory(writer->path, err);
    }
    writer->sample_lens[writer->num_samples++] = body.len;
    return writer->samples.len < SAMPLES_BYTES || learn(writer, err);
}

bool segment_writer_add(struct segment_writer *writer,
                        const struct record *record, uint32_t issuer,
                        struct bytes plain, struct err *err)
{
    struct bytes body;

    if (plain.len > SEGMENT_PLAIN_LEN_MAX / 2) {
        return err_set(err, ERR_INDEX, "%s: a record of %zu bytes",
                       writer->path, plain.len);
    }
    if (!add_facts(writer, &record->facts, issuer, err)) return false;
    buffer_reset(&writer->body);
    append_record(&writer->body, record, plain);
    if (!buffer_ok(&writer->body)) return segment_no_memory(writer->path, err);
    body = buffer_bytes(&writer->body);
    writer->next_id++;
    writer->stat.plain_bytes += plain.len;
    return writer->learnt ? add_body(writer, body, err)
                          : keep_sample(writer, body, err);
}

bool segment_writer_finish(struct segment_writer *writer,
                           struct segment_stat *stat, struct err *err)
{
    uint8_t meta[SEGMENT_META_LEN];
    struct lmdb_txn *txn;

    if (!learn(writer, err)) return false;
    while (writer->num_waiting > 0) {
        if (!make_frame(writer, err)) return false;
    }
    writer->stat.end_id = writer->next_id;
    if (!put_block(writer, err) || !put_facts(writer, err)) return false;
    segment_meta_write(meta, &writer->stat);
    if (!put(writer, writer->dbs.meta, bytes_from_text(SEGMENT_META),
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
    buffer_cleanup(&writer->samples);
    free(writer->sample_lens);
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
