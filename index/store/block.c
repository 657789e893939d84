// block.c - see block.h.

#include "index/store/block.h"

#include "index/base/checksum.h"
#include "index/base/varint.h"
#include "index/store/short_key.h"

enum {
    NUM_AT = CHECKSUM_LEN + LMDB_ID_LEN + 1,
    NUM_LEN = 2,
    ANCHOR_LEN = 2,
    LEN_BITS = 4,
    LEN_MORE = 15,
    ITEMS_AT = NUM_AT + NUM_LEN,
    MARK_AT = CHECKSUM_LEN + LMDB_ID_LEN,
    PACKED = 0x80, // in id_len: and the bits of an id
    GOES_ON = 0x40,
    // What one key and a list of few take at most, and less.
    ITEM_LEN_MAX = 1024,
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
                 uint64_t span)
{
    unsigned id_len = postings_id_len(span);

    buffer_reset(&builder->block);
    buffer_reset(&builder->first_key);
    buffer_reset(&builder->last_key);
    builder->first_id = first_id;
    builder->id_len = id_len;
    builder->last_id = 0;
    builder->num_items = 0;
    builder->num_anchors = 0;
    builder->packed.num = 0;
    builder->packed.id_bits =
        span < 2 ? 1 : (unsigned)(64 - __builtin_clzll(span - 1));
    buffer_append_uint(&builder->block, 0, CHECKSUM_LEN);
    buffer_append_uint(&builder->block, first_id, LMDB_ID_LEN);
    buffer_append_byte(&builder->block, 0);
    buffer_append_uint(&builder->block, 0, NUM_LEN);
}

static uint8_t *put_varint(uint8_t *at, size_t value)
{
    for (; value >= 0x80; value >>= 7) {
        *at++ = (uint8_t)(value | 0x80);
    }
    *at++ = (uint8_t)value;
    return at;
}

static void append_item(struct buffer *block, size_t shared, struct bytes rest)
{
    size_t head = shared < LEN_MORE ? shared : LEN_MORE;
    uint8_t *at;

    if (!buffer_reserve(block, ITEM_LEN_MAX)) return;
    at = block->data + block->len;
    head = head << LEN_BITS | (rest.len < LEN_MORE ? rest.len : LEN_MORE);
    *at++ = (uint8_t)head;
    if (shared >= LEN_MORE) at = put_varint(at, shared - LEN_MORE);
    if (rest.len >= LEN_MORE) at = put_varint(at, rest.len - LEN_MORE);
    if (rest.len > 0) memcpy(at, rest.data, rest.len);
    block->len = (size_t)(at + rest.len - block->data);
}

static bool is_anchor(size_t item)
{
    return item > 0 && item % BLOCK_ANCHOR == 0;
}

static void note_last(struct block_builder *builder, struct bytes key,
                      uint64_t id)
{
    builder->last_key.len = 0;
    buffer_append(&builder->last_key, key);
    builder->last_id = id;
}

// Packs hits of a short key; few of them all or none.
static size_t add_packed(struct block_builder *builder, struct bytes key,
                         uint64_t number, const struct hit *hits, size_t num)
{
    struct packed_builder *packed = &builder->packed;
    size_t before = packed->num, taken = 0;

    while (taken < num &&
           packed_add(packed, BLOCK_LEN - ITEMS_AT, number,
                      hits[taken].id - builder->first_id, hits[taken].via)) {
        taken++;
    }
    if (taken < num && num <= WHOLE_MAX && before > 0) {
        packed_drop(packed, before);
        return 0;
    }
    if (taken == 0) return 0;
    builder->num_items = packed->num;
    note_last(builder, key, hits[taken - 1].id);
    return taken;
}

size_t block_add(struct block_builder *builder, struct bytes key,
                 const struct hit *hits, size_t num)
{
    struct buffer *block = &builder->block;
    bool anchor = is_anchor(builder->num_items);
    size_t before = block->len, taken, shared;
    size_t end = BLOCK_LEN - ANCHOR_LEN * (builder->num_anchors + anchor);
    uint64_t number;

    if (num <= BLOCK_PACKED_HITS_MAX &&
        builder->packed.num == builder->num_items &&
        short_key_read(key, &number)) {
        return add_packed(builder, key, number, hits, num);
    }
    if (builder->packed.num > 0 ||
        (anchor && builder->num_anchors == BLOCK_ANCHORS_MAX)) {
        return 0;
    }
    shared = bytes_common(
        buffer_bytes(anchor ? &builder->first_key : &builder->last_key), key);
    append_item(block, shared, bytes_of(key.data + shared, key.len - shared));
    taken = block->len >= end
                ? 0
                : postings_append(block, end - block->len, builder->first_id,
                                  builder->id_len, hits, num);
    if (taken == 0 ||
        (taken < num && num <= WHOLE_MAX && builder->num_items > 0)) {
        block->len = before;
        return 0;
    }
    if (anchor) builder->anchors[builder->num_anchors++] = (uint16_t)before;
    if (builder->num_items++ == 0) buffer_append(&builder->first_key, key);
    note_last(builder, key, hits[taken - 1].id);
    return taken;
}

bool block_is_last(const struct block_builder *builder, struct bytes key)
{
    return builder->num_items > 0 &&
           bytes_equal(buffer_bytes(&builder->last_key), key);
}

bool block_end(struct block_builder *builder, bool goes_on, struct bytes *key,
               struct bytes *value)
{
    struct buffer *block = &builder->block;
    unsigned mark = builder->id_len;

    if (builder->packed.num > 0) {
        mark = PACKED | builder->packed.id_bits;
        packed_append(&builder->packed, block);
    }
    for (size_t i = 0; i < builder->num_anchors; i++) {
        buffer_append_uint(block, builder->anchors[i], ANCHOR_LEN);
    }
    buffer_append_uint(&builder->last_key, builder->last_id, LMDB_ID_LEN);
    if (!buffer_ok(&builder->first_key) || !buffer_ok(&builder->last_key) ||
        !buffer_ok(block)) {
        return false;
    }
    block->data[MARK_AT] = (uint8_t)(mark | (goes_on ? GOES_ON : 0));
    bytes_put_uint(block->data + NUM_AT, builder->num_items, NUM_LEN);
    *key = buffer_bytes(&builder->last_key);
    block_seal(*key, block->data, block->len);
    *value = buffer_bytes(block);
    return true;
}

void block_cleanup(struct block_builder *builder)
{
    buffer_cleanup(&builder->block);
    buffer_cleanup(&builder->first_key);
    buffer_cleanup(&builder->last_key);
}

// ------------------------------------------------------------ reading

bool block_read(struct block_reader *reader, struct bytes key,
                struct bytes value)
{
    struct bytes content;

    return block_open(key, value, &content) &&
           block_read_content(reader, content);
}

bool block_read_content(struct block_reader *reader, struct bytes view)
{
    uint64_t id_len, num;
    size_t anchors_len;

    reader->rest = bytes_of(NULL, 0);
    reader->first_key = bytes_of(NULL, 0);
    reader->next_item = 0;
    reader->postings = (struct postings){0};
    if (!bytes_read_uint(&view, &reader->first_id, LMDB_ID_LEN) ||
        !bytes_read_uint(&view, &id_len, 1) ||
        !bytes_read_uint(&view, &num, NUM_LEN)) {
        return false;
    }
    reader->is_packed = (id_len & PACKED) != 0;
    reader->goes_on = (id_len & GOES_ON) != 0;
    id_len &= ~(uint64_t)(PACKED | GOES_ON);
    if (reader->is_packed) {
        reader->num_items = (size_t)num;
        // There is something left as long as not all items are taken.
        reader->rest = view;
        return num > 0 && packed_read(&reader->packed, view, (size_t)num,
                                      (unsigned)id_len);
    }
    if (id_len == 0 || id_len > POSTINGS_ID_LEN_MAX) return false;
    anchors_len =
        num == 0 ? 0 : ANCHOR_LEN * (((size_t)num - 1) / BLOCK_ANCHOR);
    if (anchors_len > view.len) return false;
    reader->id_len = (unsigned)id_len;
    reader->num_items = (size_t)num;
    reader->items = bytes_of(view.data, view.len - anchors_len);
    reader->anchors = bytes_of(view.data + view.len - anchors_len, anchors_len);
    reader->rest = reader->items;
    return true;
}

// A length is told by four bits; all of them: what is more follows.
static inline bool read_len(struct bytes *view, size_t *len)
{
    uint64_t more;

    if (*len < LEN_MORE) return true;
    if (!varint_read(view, &more) || more > BLOCK_KEY_MAX) return false;
    *len += (size_t)more;
    return true;
}

static inline bool read_item(struct bytes *view, size_t *shared,
                             struct bytes *rest)
{
    size_t len;

    if (view->len == 0) return false;
    *shared = view->data[0] >> LEN_BITS;
    len = view->data[0] & LEN_MORE;
    return bytes_skip(view, 1) && read_len(view, shared) &&
           read_len(view, &len) && *shared + len <= BLOCK_KEY_MAX &&
           bytes_read_take(view, rest, len);
}

// How many bytes short keys have in common.
static size_t common_short(uint64_t a, uint64_t b)
{
    if (a == b) return SHORT_KEY_LEN;
    return ((size_t)__builtin_clzll(a ^ b) - (64 - SHORT_KEY_BITS)) / 8;
}

// The next item of a packed block: one posting.
static bool next_packed(struct block_reader *reader)
{
    struct packed_item item;
    uint64_t before = reader->packed.number;

    if (!packed_next(&reader->packed, &item) ||
        item.id > POSTINGS_ID_MAX - reader->first_id) {
        return false;
    }
    if (reader->next_item > 0) {
        reader->shared = common_short(before, item.number);
        (void)short_key_write(reader->key, item.number);
    } else {
        uint8_t key[SHORT_KEY_LEN];

        (void)short_key_write(key, item.number);
        reader->shared =
            bytes_common(bytes_of(key, sizeof key), block_key(reader));
        memcpy(reader->key, key, sizeof key);
    }
    reader->key_len = SHORT_KEY_LEN;
    reader->next_item++;
    if (reader->next_item == reader->num_items) {
        reader->rest = bytes_of(NULL, 0);
    }
    reader->postings = (struct postings){
        .next = {reader->first_id + item.id, item.via}, .num_left = 1};
    return true;
}

// Builds an item's key over the one before: both are the same in what they
// share with it or, at an anchor, with the block's first.
static bool build_key(struct block_reader *reader, size_t shared,
                      struct bytes rest)
{
    size_t kept = shared < reader->key_len ? shared : reader->key_len;

    if (reader->next_item == 0) {
        if (shared > 0) return false;
        reader->first_key = rest;
    } else if (is_anchor(reader->next_item)) {
        if (shared > reader->first_key.len) return false;
        kept = bytes_common(bytes_of(reader->first_key.data, shared),
                            block_key(reader));
        if (kept < shared) {
            memcpy(reader->key + kept, reader->first_key.data + kept,
                   shared - kept);
        }
    } else if (shared > reader->key_len) {
        return false;
    }
    if (shared + rest.len == 0) return false;
    // What it tells besides may still be the same where it is told anew.
    reader->shared = kept;
    if (reader->next_item == 0 || is_anchor(reader->next_item)) {
        reader->shared += kept < shared
                              ? 0
                              : bytes_common(bytes_of(reader->key + kept,
                                                      reader->key_len - kept),
                                             rest);
    }
    if (rest.len > 0) memcpy(reader->key + shared, rest.data, rest.len);
    reader->key_len = shared + rest.len;
    return true;
}

bool block_next(struct block_reader *reader, bool *found)
{
    struct bytes rest;
    size_t shared;

    *found = reader->next_item < reader->num_items;
    if (!*found) return reader->rest.len == 0;
    if (reader->is_packed) return next_packed(reader);
    if (!read_item(&reader->rest, &shared, &rest) ||
        !build_key(reader, shared, rest)) {
        return false;
    }
    reader->next_item++;
    return postings_read(&reader->postings, &reader->rest, reader->first_id,
                         reader->id_len);
}

// Whether an item's key is below `key`; it is told against one that is, and
// that agrees with `key` in `*agreed` bytes.  If so `*agreed` becomes its own.
static inline bool is_below(size_t shared, struct bytes rest, struct bytes key,
                            size_t *agreed)
{
    size_t more;

    if (shared > *agreed) return true;
    if (shared < *agreed) return false;
    more = bytes_common(bytes_of(key.data + shared, key.len - shared), rest);
    if (more == key.len - shared) return false; // `key`, or it begins this one
    *agreed += more;
    return more == rest.len || rest.data[more] < key.data[shared + more];
}

// What stands at anchor `number` (from 1); 0 is the first item.
static bool anchor_at(const struct block_reader *reader, size_t number,
                      struct bytes *view)
{
    struct bytes anchors = reader->anchors;
    uint64_t at = ITEMS_AT;

    if (number > 0 &&
        (!bytes_skip(&anchors, ANCHOR_LEN * (number - 1)) ||
         !bytes_read_uint(&anchors, &at, ANCHOR_LEN) || at < ITEMS_AT)) {
        return false;
    }
    *view = reader->items;
    return bytes_skip(view, (size_t)at - ITEMS_AT);
}

// Finds the last anchor whose key is below `key`, which the first key is and
// agrees with in `first_agreed` bytes.
// Has the processor fetch the keys at anchors side by side: one after the
// other each would wait for memory.
static void bring_anchors_near(const struct block_reader *reader)
{
    for (size_t i = 0; i + ANCHOR_LEN <= reader->anchors.len; i += ANCHOR_LEN) {
        size_t at =
            (size_t)reader->anchors.data[i] << 8 | reader->anchors.data[i + 1];

        if (at >= ITEMS_AT && at - ITEMS_AT < reader->items.len) {
            __builtin_prefetch(reader->items.data + (at - ITEMS_AT));
        }
    }
}

static bool seek_anchor(const struct block_reader *reader, struct bytes key,
                        size_t first_agreed, size_t *anchor, size_t *agreed)
{
    size_t low = 0, high = reader->anchors.len / ANCHOR_LEN, shared;

    *agreed = first_agreed;
    if (high > 1) bring_anchors_near(reader);
    while (low < high) {
        size_t middle = low + (high - low + 1) / 2, its = first_agreed;
        struct bytes view, rest;

        if (!anchor_at(reader, middle, &view) ||
            !read_item(&view, &shared, &rest)) {
            return false;
        }
        if (is_below(shared, rest, key, &its)) {
            low = middle;
            *agreed = its;
        } else {
            high = middle - 1;
        }
    }
    *anchor = low;
    return true;
}

// Steps from the item after anchor `anchor` to the first that is not below
// `key`; at most to the next anchor.
static bool seek_item(struct block_reader *reader, struct bytes key,
                      size_t anchor, size_t *agreed)
{
    size_t item = anchor * BLOCK_ANCHOR, end = item + BLOCK_ANCHOR, shared;
    struct bytes view, rest;

    if (end > reader->num_items) end = reader->num_items;
    if (!anchor_at(reader, anchor, &view) ||
        !read_item(&view, &shared, &rest) ||
        !postings_skip(&view, reader->id_len)) {
        return false;
    }
    for (item++; item < end; item++) {
        struct bytes before = view;

        if (!read_item(&view, &shared, &rest)) return false;
        if (!is_below(shared, rest, key, agreed)) {
            view = before;
            break;
        }
        if (!postings_skip(&view, reader->id_len)) return false;
    }
    reader->rest = view;
    reader->next_item = item;
    return true;
}

// The first number that is not below `key`.
static uint64_t number_from(struct bytes key)
{
    uint64_t number = 0;

    for (size_t i = 0; i < SHORT_KEY_LEN; i++) {
        number = number << 8 | (i < key.len ? key.data[i] : 0);
    }
    return number + (key.len > SHORT_KEY_LEN);
}

static bool seek_packed(struct block_reader *reader, struct bytes key,
                        bool *found)
{
    if (!packed_seek(&reader->packed, number_from(key))) return false;
    reader->next_item = reader->packed.next;
    if (reader->next_item == reader->num_items) {
        reader->rest = bytes_of(NULL, 0);
    }
    return block_next(reader, found);
}

bool block_seek(struct block_reader *reader, struct bytes key, bool *found)
{
    size_t agreed = 0, anchor;
    struct bytes view = reader->items;
    size_t shared;

    *found = false;
    if (reader->is_packed) return seek_packed(reader, key, found);
    reader->rest = reader->items;
    reader->next_item = 0;
    reader->key_len = 0;
    if (key.len > BLOCK_KEY_MAX) return false;
    if (reader->num_items == 0) return reader->rest.len == 0;
    if (!read_item(&view, &shared, &reader->first_key) || shared != 0) {
        return false;
    }
    if (is_below(0, reader->first_key, key, &agreed)) {
        if (!seek_anchor(reader, key, agreed, &anchor, &agreed) ||
            !seek_item(reader, key, anchor, &agreed)) {
            return false;
        }
        // What it shares with the key before it, it shares with `key`.
        if (agreed > 0) memcpy(reader->key, key.data, agreed);
        reader->key_len = agreed;
    }
    return block_next(reader, found);
}
