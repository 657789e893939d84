// block.c - see block.h.

#include "index/store/block.h"

#include "index/base/checksum.h"
#include "index/base/varint.h"

enum {
    ITEMS_AT = CHECKSUM_LEN + LMDB_ID_LEN + 1,
    // So few hits of a key are not torn apart: its look-up reads one block.
    WHOLE_MAX = 16,
};

void block_seal(struct bytes key, uint8_t *block, size_t len)
{
    bytes_put_uint(
        block,
        checksum(key, bytes_of(block + CHECKSUM_LEN, len - CHECKSUM_LEN)),
        CHECKSUM_LEN);
}

bool block_open(struct bytes key, struct bytes block, struct bytes *content)
{
    uint64_t sum;

    if (!bytes_read_uint(&block, &sum, CHECKSUM_LEN) ||
        sum != checksum(key, block)) {
        return false;
    }
    *content = block;
    return true;
}

// ------------------------------------------------------------ writing

void block_begin(struct block_builder *builder, uint64_t first_id,
                 unsigned id_len)
{
    buffer_reset(&builder->block);
    buffer_reset(&builder->last_key);
    builder->first_id = first_id;
    builder->id_len = id_len;
    builder->last_id = 0;
    builder->num_items = 0;
    buffer_append_uint(&builder->block, 0, CHECKSUM_LEN);
    buffer_append_uint(&builder->block, first_id, LMDB_ID_LEN);
    buffer_append_byte(&builder->block, (uint8_t)id_len);
}

static size_t common_len(struct bytes a, struct bytes b)
{
    size_t most = a.len < b.len ? a.len : b.len, len = 0;

    while (len < most && a.data[len] == b.data[len]) {
        len++;
    }
    return len;
}

size_t block_add(struct block_builder *builder, struct bytes key,
                 const struct hit *hits, size_t num)
{
    struct buffer *block = &builder->block;
    size_t before = block->len, taken;
    size_t shared = common_len(buffer_bytes(&builder->last_key), key);

    varint_append(block, shared);
    varint_append(block, key.len - shared);
    buffer_append(block, bytes_of(key.data + shared, key.len - shared));
    taken =
        block->len >= BLOCK_LEN
            ? 0
            : postings_append(block, BLOCK_LEN - block->len, builder->first_id,
                              builder->id_len, hits, num);
    if (taken == 0 ||
        (taken < num && num <= WHOLE_MAX && builder->num_items > 0)) {
        block->len = before;
        return 0;
    }
    buffer_reset(&builder->last_key);
    buffer_append(&builder->last_key, key);
    builder->last_id = hits[taken - 1].id;
    builder->num_items++;
    return taken;
}

bool block_end(struct block_builder *builder, struct bytes *key,
               struct bytes *value)
{
    buffer_append_uint(&builder->last_key, builder->last_id, LMDB_ID_LEN);
    if (!buffer_ok(&builder->last_key) || !buffer_ok(&builder->block)) {
        return false;
    }
    *key = buffer_bytes(&builder->last_key);
    block_seal(*key, builder->block.data, builder->block.len);
    *value = buffer_bytes(&builder->block);
    return true;
}

void block_cleanup(struct block_builder *builder)
{
    buffer_cleanup(&builder->block);
    buffer_cleanup(&builder->last_key);
}

// ------------------------------------------------------------ reading

bool block_read(struct block_reader *reader, struct bytes key,
                struct bytes value)
{
    uint64_t id_len;

    reader->key_len = 0;
    reader->postings = (struct postings){0};
    if (!block_open(key, value, &reader->rest) ||
        !bytes_read_uint(&reader->rest, &reader->first_id, LMDB_ID_LEN) ||
        !bytes_read_uint(&reader->rest, &id_len, 1) || id_len == 0 ||
        id_len > POSTINGS_ID_LEN_MAX) {
        return false;
    }
    reader->id_len = (unsigned)id_len;
    return true;
}

// A small varint is one byte nearly always.
static inline bool read_len(struct bytes *view, size_t *len)
{
    uint64_t value;

    if (view->len > 0 && view->data[0] < 0x80) {
        *len = view->data[0];
        return bytes_skip(view, 1);
    }
    if (!varint_read(view, &value) || value > BLOCK_KEY_MAX) return false;
    *len = (size_t)value;
    return true;
}

static inline bool read_item(struct bytes *view, size_t *shared,
                             struct bytes *rest)
{
    size_t len;

    return read_len(view, shared) && read_len(view, &len) &&
           *shared + len <= BLOCK_KEY_MAX && bytes_read_take(view, rest, len);
}

bool block_next(struct block_reader *reader, bool *found)
{
    struct bytes rest;
    size_t shared;

    *found = reader->rest.len > 0;
    if (!*found) return true;
    if (!read_item(&reader->rest, &shared, &rest) || shared > reader->key_len ||
        shared + rest.len == 0) {
        return false;
    }
    if (rest.len > 0) memcpy(reader->key + shared, rest.data, rest.len);
    reader->key_len = shared + rest.len;
    return postings_read(&reader->postings, &reader->rest, reader->first_id,
                         reader->id_len);
}

// step_over steps over items that are below `key` because they share more with
// the one before than that has in common with `key`: most of them.  Only items
// of one posting of a usual via and short lengths; it stops at any other.
static inline const uint8_t *step_over(const uint8_t *at, const uint8_t *end,
                                       size_t agreed, unsigned id_len)
{
    while (end - at > 2 + 0x7f + 1 + POSTINGS_ID_LEN_MAX && at[0] > agreed &&
           (at[0] | at[1]) < 0x80 && postings_is_single(at[2 + at[1]])) {
        at += 3u + at[1] + id_len;
    }
    return at;
}

bool block_seek(struct block_reader *reader, struct bytes key, bool *found)
{
    // The keys stepped over are below `key` and agree with it so far.
    size_t agreed = 0, shared, more;
    struct bytes rest, view = reader->rest;

    *found = false;
    if (key.len > BLOCK_KEY_MAX) return false;
    while (view.len > 0) {
        const uint8_t *end = view.data + view.len;
        const uint8_t *at = step_over(view.data, end, agreed, reader->id_len);

        view = bytes_of(at, (size_t)(end - at));
        reader->rest = view;
        if (!read_item(&view, &shared, &rest)) return false;
        if (shared < agreed) break; // above `key`
        if (shared == agreed) {
            more =
                common_len(bytes_of(key.data + agreed, key.len - agreed), rest);
            if (more == key.len - agreed) break; // `key`, or it begins this one
            if (more < rest.len && rest.data[more] > key.data[agreed + more]) {
                break;
            }
            agreed += more;
        }
        if (!postings_skip(&view, reader->id_len)) return false;
        reader->rest = view;
    }
    if (reader->rest.len == 0) return true;
    // What it shares with the key before it, it shares with `key`.
    if (agreed > 0) memcpy(reader->key, key.data, agreed);
    reader->key_len = agreed;
    return block_next(reader, found);
}
