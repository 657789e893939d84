// facts.c - see facts.h.

#include "index/store/facts.h"

#include "index/base/checksum.h"
#include "index/base/varint.h"
#include "index/store/block.h"

enum {
    NUM_LEN = 2,
    COLUMN_HEAD_LEN = 2,
    VALUE_LEN = 8,
    PAD_LEN = 8, // so that eight bytes may be read at the last value
    WORD_BITS = 64,
    BITS_MAX = 56, // at any bit a value of so many lies within eight bytes
    TYPE_UNKNOWN = 2,
};

// ------------------------------------------------------------ columns

static void to_columns(uint64_t out[FACTS_COLUMNS],
                       const struct segment_facts *facts, uint64_t id)
{
    uint64_t type = facts->type == LEAF_UNKNOWN ? (uint64_t)TYPE_UNKNOWN
                                                : (uint64_t)facts->type;

    out[0] = facts->log;
    out[1] = facts->index - id; // the same throughout a chunk
    out[2] = facts->timestamp_ms;
    // Mostly an hour before; wraps where a date is unreadable.
    out[3] = (uint64_t)facts->not_before - facts->timestamp_ms / 1000;
    out[4] = (uint64_t)facts->not_after - (uint64_t)facts->not_before;
    out[5] = facts->flags;
    out[6] = type << 1 | facts->has_tbs;
    out[7] = facts->issuer;
    out[8] = facts->group;
    // Signed and small: near one another whichever side of 0 they are on.
    out[3] += UINT64_C(1) << 63;
}

static bool from_columns(struct segment_facts *facts,
                         const uint64_t in[FACTS_COLUMNS], uint64_t id)
{
    if (in[0] > UINT32_MAX || in[5] > UINT32_MAX || in[7] > UINT32_MAX ||
        in[6] >> 1 > TYPE_UNKNOWN) {
        return false;
    }
    facts->log = (uint32_t)in[0];
    facts->index = in[1] + id;
    facts->timestamp_ms = in[2];
    facts->not_before = (int64_t)(in[3] - (UINT64_C(1) << 63) + in[2] / 1000);
    facts->not_after = (int64_t)(in[4] + (uint64_t)facts->not_before);
    facts->flags = (uint32_t)in[5];
    facts->type = in[6] >> 1 == TYPE_UNKNOWN ? LEAF_UNKNOWN
                                             : (enum leaf_type)(in[6] >> 1);
    facts->has_tbs = (in[6] & 1) != 0;
    facts->issuer = (uint32_t)in[7];
    facts->group = in[8];
    return true;
}

static unsigned bits_of(uint64_t value)
{
    unsigned bits =
        value == 0 ? 0 : (unsigned)(WORD_BITS - __builtin_clzll(value));

    return bits > BITS_MAX ? WORD_BITS : bits;
}

// ------------------------------------------------------------ writing

void facts_begin(struct facts_builder *builder, uint64_t first_id)
{
    builder->num = 0;
    builder->first_id = first_id;
    for (size_t i = 0; i < FACTS_COLUMNS; i++) {
        builder->columns[i].num_different = 0;
    }
}

static void column_add(struct facts_column *column, size_t at, uint64_t value)
{
    size_t i = 0;

    column->values[at] = value;
    if (at == 0 || value < column->low) column->low = value;
    if (at == 0 || value > column->high) column->high = value;
    if (column->num_different > FACTS_VALUES_MAX) return;
    while (i < column->num_different && column->different[i] != value) {
        i++;
    }
    if (i < column->num_different) return;
    if (i < FACTS_VALUES_MAX) column->different[i] = value;
    column->num_different++;
}

struct packing {
    bool listed;
    unsigned bits;
    size_t head_len;
};

static struct packing choose(const struct facts_column *column, size_t num)
{
    struct packing plain = {false, bits_of(column->high - column->low),
                            COLUMN_HEAD_LEN + VALUE_LEN};
    struct packing listed = {true, bits_of(column->num_different - 1),
                             COLUMN_HEAD_LEN +
                                 VALUE_LEN * column->num_different};

    if (column->num_different > FACTS_VALUES_MAX ||
        8 * plain.head_len + num * plain.bits <=
            8 * listed.head_len + num * listed.bits) {
        return plain;
    }
    return listed;
}

static size_t packed_len(const struct facts_builder *builder)
{
    size_t len = CHECKSUM_LEN + NUM_LEN + PAD_LEN, bits;

    for (size_t i = 0; i < FACTS_COLUMNS; i++) {
        struct packing packing = choose(&builder->columns[i], builder->num);

        bits = packing.bits * builder->num;
        len += packing.head_len + (bits + 7) / 8;
    }
    return len;
}

bool facts_add(struct facts_builder *builder, const struct segment_facts *facts)
{
    uint64_t values[FACTS_COLUMNS];
    size_t at = builder->num;

    if (at == FACTS_NUM_MAX) return false;
    to_columns(values, facts, builder->first_id + at);
    for (size_t i = 0; i < FACTS_COLUMNS; i++) {
        column_add(&builder->columns[i], at, values[i]);
    }
    builder->num++;
    if (at == 0 || packed_len(builder) <= BLOCK_LEN) return true;
    // What it made wider is found anew without it.
    builder->num = 0;
    for (size_t i = 0; i < FACTS_COLUMNS; i++) {
        struct facts_column *column = &builder->columns[i];

        column->num_different = 0;
        for (size_t j = 0; j < at; j++) {
            column_add(column, j, column->values[j]);
        }
    }
    builder->num = at;
    return false;
}

static uint64_t place_of(const struct facts_column *column, uint64_t value)
{
    uint64_t i = 0;

    while (column->different[i] != value) {
        i++;
    }
    return i;
}

static uint64_t load_word(const uint8_t *at)
{
    uint64_t word;

    memcpy(&word, at, sizeof word);
    return __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? __builtin_bswap64(word)
                                                  : word;
}

static void store_word(uint8_t *at, uint64_t word)
{
    if (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__) word = __builtin_bswap64(word);
    memcpy(at, &word, sizeof word);
}

// Lowest bits first; `bits` is 0 to BITS_MAX or WORD_BITS, and then every value
// begins at a byte.  Eight bytes at the value are there.
static void put_bits(uint8_t *out, size_t at, unsigned bits, uint64_t value)
{
    uint8_t *first = out + at * bits / 8;

    store_word(first, load_word(first) | value << at * bits % 8);
}

static void append_column(struct buffer *block,
                          const struct facts_column *column, size_t num)
{
    struct packing packing = choose(column, num);
    size_t len = (packing.bits * num + 7) / 8;
    uint8_t *out;

    if (!buffer_reserve(block, len + PAD_LEN)) return;
    out = block->data + block->len;
    memset(out, 0, len + PAD_LEN);
    for (size_t i = 0; i < num; i++) {
        put_bits(out, i, packing.bits,
                 packing.listed ? place_of(column, column->values[i])
                                : column->values[i] - column->low);
    }
    block->len += len;
}

static void append_head(struct buffer *block, const struct facts_column *column,
                        size_t num)
{
    struct packing packing = choose(column, num);

    buffer_append_byte(block,
                       (uint8_t)(packing.listed ? column->num_different : 0));
    buffer_append_byte(block, (uint8_t)packing.bits);
    if (!packing.listed) buffer_append_uint(block, column->low, VALUE_LEN);
    for (size_t i = 0; packing.listed && i < column->num_different; i++) {
        buffer_append_uint(block, column->different[i], VALUE_LEN);
    }
}

bool facts_end(struct facts_builder *builder, struct bytes key,
               struct bytes *block)
{
    struct buffer *out = &builder->block;

    buffer_reset(out);
    buffer_append_uint(out, 0, CHECKSUM_LEN);
    buffer_append_uint(out, builder->num, NUM_LEN);
    for (size_t i = 0; i < FACTS_COLUMNS; i++) {
        append_head(out, &builder->columns[i], builder->num);
    }
    for (size_t i = 0; i < FACTS_COLUMNS; i++) {
        append_column(out, &builder->columns[i], builder->num);
    }
    buffer_append_uint(out, 0, PAD_LEN);
    if (!buffer_ok(out)) return false;
    block_seal(key, out->data, out->len);
    *block = buffer_bytes(out);
    return true;
}

void facts_cleanup(struct facts_builder *builder)
{
    buffer_cleanup(&builder->block);
}

// ------------------------------------------------------------ reading

// Eight bytes, the highest first.
static uint64_t load_big(const uint8_t *at)
{
    return __builtin_bswap64(load_word(at));
}

struct head {
    size_t num_listed;
    unsigned bits;
    struct bytes values;
};

static bool read_head(struct bytes *view, struct head *head)
{
    uint64_t listed, bits;

    if (!bytes_read_uint(view, &listed, 1) || listed > FACTS_VALUES_MAX ||
        !bytes_read_uint(view, &bits, 1) ||
        (bits > BITS_MAX && bits != WORD_BITS)) {
        return false;
    }
    head->num_listed = (size_t)listed;
    head->bits = (unsigned)bits;
    return bytes_read_take(view, &head->values,
                           VALUE_LEN * (listed == 0 ? 1 : (size_t)listed));
}

static bool read_value(uint64_t *value, const struct head *head,
                       const uint8_t *bits, size_t at)
{
    const uint8_t *base = head->values.data;
    size_t first = at * head->bits;
    uint64_t raw;

    raw = load_word(bits + first / 8);
    raw >>= first % 8;
    if (head->bits < WORD_BITS) raw &= (UINT64_C(1) << head->bits) - 1;
    if (head->num_listed > 0) {
        if (raw >= head->num_listed) return false;
        base += VALUE_LEN * (size_t)raw;
        raw = 0;
    }
    *value = load_big(base) + raw;
    return true;
}

bool facts_num(struct bytes content, uint64_t *num)
{
    return bytes_read_uint(&content, num, NUM_LEN);
}

bool facts_read(struct segment_facts *facts, struct bytes content,
                uint64_t last_id, uint64_t id)
{
    struct head heads[FACTS_COLUMNS];
    uint64_t num, values[FACTS_COLUMNS];
    size_t at;

    if (!bytes_read_uint(&content, &num, NUM_LEN) || id > last_id ||
        last_id - id >= num) {
        return false;
    }
    at = (size_t)(num - 1 - (last_id - id));
    for (size_t i = 0; i < FACTS_COLUMNS; i++) {
        if (!read_head(&content, &heads[i])) return false;
    }
    for (size_t i = 0; i < FACTS_COLUMNS; i++) {
        size_t len = ((size_t)num * heads[i].bits + 7) / 8;

        if (content.len < len + PAD_LEN ||
            !read_value(&values[i], &heads[i], content.data, at)) {
            return false;
        }
        (void)bytes_skip(&content, len);
    }
    return from_columns(facts, values, id);
}
