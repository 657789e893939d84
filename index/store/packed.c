// packed.c - see packed.h.

#include "index/store/packed.h"

#include <endian.h>

enum {
    HEAD_LEN = 1 + 7 + 2 + 2 + 2,
    WORD_BITS = 64,
    WORD_LEN = 8,
};

static unsigned top_bit(uint64_t value)
{
    return (unsigned)(63 - __builtin_clzll(value));
}

// ------------------------------------------------------------ writing

struct layout {
    unsigned low_bits, value_bits; // value: an id and its via
    size_t lows_len, ids_len, starts_len, highs_len;
};

static size_t words_len(uint64_t bits)
{
    return (size_t)((bits + WORD_BITS - 1) / WORD_BITS) * WORD_LEN;
}

// What `num` items of `num_numbers` numbers need that are up to `range` apart.
static struct layout make_layout(size_t num, size_t num_numbers, uint64_t range,
                                 unsigned value_bits)
{
    struct layout layout = {.value_bits = value_bits};

    if (range >= num_numbers) {
        layout.low_bits = top_bit(range) - top_bit(num_numbers);
        if (layout.low_bits > 0 && range >> layout.low_bits < num_numbers) {
            layout.low_bits--;
        }
    }
    layout.lows_len = (num_numbers * layout.low_bits + 7) / 8;
    layout.ids_len = (num * value_bits + 7) / 8;
    layout.starts_len = num == num_numbers ? 0 : words_len(num);
    layout.highs_len = words_len(num_numbers + (range >> layout.low_bits));
    return layout;
}

static size_t layout_len(const struct layout *layout)
{
    return HEAD_LEN + layout->lows_len + layout->ids_len + layout->starts_len +
           layout->highs_len;
}

// How many items fit whatever they are: one takes its value and, of the range,
// no more than all bits of a number, one in unary, one that says that it
// starts, and one for what is rounded.
static size_t num_sure(size_t room, unsigned id_bits)
{
    size_t fixed = HEAD_LEN + 2 + 2 * WORD_LEN;

    return room < fixed
               ? 0
               : 8 * (room - fixed) / (PACKED_NUMBER_BITS + 4 + id_bits);
}

static bool fits(const struct packed_builder *builder, size_t room,
                 uint64_t number, bool is_new, bool has_vias)
{
    uint64_t range = builder->num == 0 ? 0 : number - builder->items[0].number;
    struct layout layout =
        make_layout(builder->num + 1, builder->num_numbers + is_new, range,
                    builder->id_bits + has_vias);

    return layout_len(&layout) <= room;
}

bool packed_add(struct packed_builder *builder, size_t room, uint64_t number,
                uint64_t id, uint32_t via)
{
    size_t num = builder->num;
    uint32_t other = num == 0 ? via : builder->vias[1];
    bool is_new = num == 0 || builder->items[num - 1].number != number;

    if (num == PACKED_ITEMS_MAX) return false;
    if (num == 0) {
        builder->vias[0] = via;
        builder->num_numbers = 0;
        builder->num_sure = num_sure(room, builder->id_bits);
    }
    if (via != builder->vias[0] && via != other) {
        if (builder->vias[0] != other) return false;
        other = via;
    }
    if (num >= builder->num_sure &&
        !fits(builder, room, number, is_new, builder->vias[0] != other)) {
        return false;
    }
    builder->vias[1] = other;
    builder->items[builder->num++] = (struct packed_item){number, id, via};
    builder->num_numbers += is_new;
    return true;
}

void packed_drop(struct packed_builder *builder, size_t num)
{
    while (builder->num > num) {
        builder->num--;
        builder->num_numbers -=
            builder->num == 0 || builder->items[builder->num].number !=
                                     builder->items[builder->num - 1].number;
    }
}

// Bits that go out byte by byte, the lowest first.
struct bits {
    uint8_t *out;
    uint64_t word;
    unsigned num; // in `word`, less than 8 between calls
};

static inline void put_bits(struct bits *bits, uint64_t value, unsigned num)
{
    uint64_t word;

    bits->word |= value << bits->num;
    bits->num += num;
    word = htole64(bits->word);
    memcpy(bits->out, &word, WORD_LEN);
    bits->out += bits->num / 8;
    bits->word = bits->num / 8 == 8 ? 0 : bits->word >> (bits->num & ~7u);
    bits->num %= 8;
}

static void set_bit(uint8_t *out, size_t at)
{
    out[at / 8] |= (uint8_t)(1u << at % 8);
}

static bool is_start(const struct packed_builder *builder, size_t i)
{
    return i == 0 || builder->items[i - 1].number != builder->items[i].number;
}

static void put_lows(const struct packed_builder *builder,
                     const struct layout *layout, uint8_t *out)
{
    uint64_t first = builder->items[0].number;
    uint64_t mask = (UINT64_C(1) << layout->low_bits) - 1;
    struct bits bits = {.out = out};

    for (size_t i = 0; i < builder->num; i++) {
        if (!is_start(builder, i)) continue;
        put_bits(&bits, (builder->items[i].number - first) & mask,
                 layout->low_bits);
    }
}

static void put_places(const struct packed_builder *builder,
                       const struct layout *layout, uint8_t *starts,
                       uint8_t *highs)
{
    uint64_t first = builder->items[0].number;
    size_t at = 0;

    memset(starts, 0, layout->starts_len);
    memset(highs, 0, layout->highs_len);
    for (size_t i = 0; i < builder->num; i++) {
        if (!is_start(builder, i)) continue;
        if (layout->starts_len > 0) set_bit(starts, i);
        set_bit(highs, (size_t)((builder->items[i].number - first) >>
                                layout->low_bits) +
                           at++);
    }
}

static void put_values(const struct packed_builder *builder,
                       const struct layout *layout, uint8_t *out)
{
    struct bits bits = {.out = out};

    for (size_t i = 0; i < builder->num; i++) {
        const struct packed_item *item = &builder->items[i];
        uint64_t value = item->id;

        if (layout->value_bits > builder->id_bits) {
            value |= (uint64_t)(item->via != builder->vias[0])
                     << builder->id_bits;
        }
        put_bits(&bits, value, layout->value_bits);
    }
}

void packed_append(const struct packed_builder *builder, struct buffer *out)
{
    struct layout layout;
    uint8_t *lows, *ids, *starts, *highs;

    if (builder->num == 0) return;
    layout = make_layout(
        builder->num, builder->num_numbers,
        builder->items[builder->num - 1].number - builder->items[0].number,
        builder->id_bits + (builder->vias[0] != builder->vias[1]));
    // Bits are written a word at a time, over what follows them.
    if (!buffer_reserve(out, layout_len(&layout) + WORD_LEN)) return;
    buffer_append_byte(out, (uint8_t)layout.low_bits);
    buffer_append_uint(out, builder->items[0].number, PACKED_NUMBER_BITS / 8);
    buffer_append_uint(out, builder->vias[0], 2);
    buffer_append_uint(out, builder->vias[1], 2);
    buffer_append_uint(out, builder->num_numbers, 2);
    lows = out->data + out->len;
    ids = lows + layout.lows_len;
    starts = ids + layout.ids_len;
    highs = starts + layout.starts_len;
    put_lows(builder, &layout, lows);
    put_values(builder, &layout, ids);
    put_places(builder, &layout, starts, highs);
    out->len = (size_t)(highs - out->data) + layout.highs_len;
}

// ------------------------------------------------------------ reading

static bool load_word(struct packed *packed)
{
    if (packed->word_at + WORD_LEN > packed->highs.len) return false;
    memcpy(&packed->word, packed->highs.data + packed->word_at, WORD_LEN);
    packed->word = le64toh(packed->word);
    packed->word_at += WORD_LEN;
    return true;
}

bool packed_read(struct packed *packed, struct bytes content, size_t num,
                 unsigned id_bits)
{
    uint64_t low_bits, first, vias[2], num_numbers;
    unsigned value_bits;
    size_t starts_len;

    if (!bytes_read_uint(&content, &low_bits, 1) ||
        !bytes_read_uint(&content, &first, PACKED_NUMBER_BITS / 8) ||
        !bytes_read_uint(&content, &vias[0], 2) ||
        !bytes_read_uint(&content, &vias[1], 2) ||
        !bytes_read_uint(&content, &num_numbers, 2) ||
        low_bits > PACKED_NUMBER_BITS || id_bits == 0 ||
        id_bits > PACKED_ID_BITS_MAX || num > PACKED_ITEMS_MAX ||
        num_numbers > num) {
        return false;
    }
    value_bits = id_bits + (vias[0] != vias[1]);
    starts_len = num_numbers == num ? 0 : words_len(num);
    *packed = (struct packed){.low_bits = (unsigned)low_bits,
                              .id_bits = id_bits,
                              .vias = {(uint32_t)vias[0], (uint32_t)vias[1]},
                              .first = first,
                              .num = num,
                              .num_numbers = (size_t)num_numbers};
    // What follows lows and ids makes every word of theirs one that is there.
    return bytes_read_take(&content, &packed->lows,
                           (size_t)(num_numbers * low_bits + 7) / 8) &&
           bytes_read_take(&content, &packed->ids,
                           (num * value_bits + 7) / 8) &&
           bytes_read_take(&content, &packed->starts, starts_len) &&
           (packed->highs = content).len >= WORD_LEN &&
           packed->highs.len % WORD_LEN == 0 && load_word(packed);
}

// The value number `i` of a stream of values of `num` bits.  The eight bytes
// that hold it lie inside the block.
static inline uint64_t value_at(struct bytes stream, size_t i, unsigned num)
{
    size_t at = i * num;
    uint64_t word;

    memcpy(&word, stream.data + at / 8, WORD_LEN);
    return le64toh(word) >> at % 8 & ((UINT64_C(1) << num) - 1);
}

// Reads the next number.
static bool next_number(struct packed *packed)
{
    size_t i = packed->next_number;
    uint64_t high;

    if (i == packed->num_numbers) return false;
    while (packed->word == 0) {
        if (!load_word(packed)) return false;
    }
    high = 8 * (packed->word_at - WORD_LEN) +
           (unsigned)__builtin_ctzll(packed->word) - i;
    packed->word &= packed->word - 1;
    if (high >> (PACKED_NUMBER_BITS - packed->low_bits) != 0) return false;
    packed->number = packed->first + (high << packed->low_bits) +
                     value_at(packed->lows, i, packed->low_bits);
    packed->next_number = i + 1;
    return packed->number >> PACKED_NUMBER_BITS == 0;
}

bool packed_next(struct packed *packed, struct packed_item *item)
{
    bool has_vias = packed->vias[0] != packed->vias[1];
    size_t i = packed->next;
    bool starts = packed->starts.len == 0 ||
                  (packed->starts.data[i / 8] >> i % 8 & 1) != 0;
    uint64_t value;

    if (starts ? !next_number(packed) : packed->next_number == 0) return false;
    item->number = packed->number;
    value = value_at(packed->ids, i, packed->id_bits + has_vias);
    item->id = value & ((UINT64_C(1) << packed->id_bits) - 1);
    item->via = packed->vias[has_vias ? value >> packed->id_bits : 0];
    packed->next = i + 1;
    return true;
}

// Finds the 1 or, with `zero`, the 0 number `wanted` (from 1) in the words from
// `*at` on; `*at` becomes its place.  False: there are not so many.
static bool find_bit(struct bytes words, bool zero, uint64_t wanted, size_t *at)
{
    for (size_t i = 0; i + WORD_LEN <= words.len; i += WORD_LEN) {
        unsigned num;
        uint64_t word;

        memcpy(&word, words.data + i, WORD_LEN);
        word = le64toh(word);
        if (zero) word = ~word;
        num = (unsigned)__builtin_popcountll(word);
        if (wanted > num) {
            wanted -= num;
            continue;
        }
        for (; wanted > 1; wanted--) {
            word &= word - 1;
        }
        *at = 8 * i + (unsigned)__builtin_ctzll(word);
        return true;
    }
    return false;
}

// Stands before the first number whose high part is not below `high`; at the
// end where there is none.
static void skip_highs(struct packed *packed, uint64_t high)
{
    size_t at = 0, start = 0;

    packed->next = packed->next_number = 0;
    packed->word_at = 0;
    (void)load_word(packed);
    if (high == 0) return;
    if (!find_bit(packed->highs, true, high, &at) ||
        at + 1 - high >= packed->num_numbers) {
        packed->next = packed->num;
        return;
    }
    packed->next_number = at + 1 - (size_t)high;
    packed->word_at = at / WORD_BITS * WORD_LEN;
    (void)load_word(packed);
    packed->word &= ~UINT64_C(1) << at % WORD_BITS;
    packed->next = packed->next_number;
    if (packed->starts.len == 0) return;
    packed->next =
        find_bit(packed->starts, false, packed->next_number + 1, &start) &&
                start < packed->num
            ? start
            : packed->num;
}

bool packed_seek(struct packed *packed, uint64_t number)
{
    skip_highs(packed, number <= packed->first
                           ? 0
                           : (number - packed->first) >> packed->low_bits);
    while (packed->next < packed->num) {
        struct packed before = *packed;
        struct packed_item item;

        if (!packed_next(packed, &item)) return false;
        if (item.number < number) continue;
        *packed = before;
        return true;
    }
    return true;
}
