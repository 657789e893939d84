// sort.c - see sort.h.

#include "index/store/sort.h"

#include <stdlib.h>

#include "index/store/short_key.h"

enum {
    STEP = 7,       // bytes of a key in a prefix; the eighth says how many
    MORE = 8,       // in that byte: the key goes on
    SMALL_MAX = 24, // sorted by insertion
    AHEAD = 8,
    SORT_HITS_FIRST = 64,
    RECENT_LEN_MIN = 25, // shorter keys are not looked for among the recent
    VIA_LOW_BITS = 8,
    // Of a number as many bits at once as leave parts of about eight; a table
    // for more would not stay in the nearest cache.
    DIGIT_BITS_MAX = 11,
    DIGIT_BITS_MIN = 4,
    PART_BITS = 3,
};

// The next bytes of a key in a number that sorts as they do: padded with
// zeros, then how many there are, so that "a" comes before "a\0".
static uint64_t prefix_at(const uint8_t *key, size_t len, size_t depth)
{
    size_t left = len - depth;
    uint64_t prefix = 0;

    if (left > STEP) {
        memcpy(&prefix, key + depth, 8);
        return (__builtin_bswap64(prefix) & ~UINT64_C(0xff)) | MORE;
    }
    for (size_t i = 0; i < STEP; i++) {
        prefix = prefix << 8 | (i < left ? key[depth + i] : 0);
    }
    return prefix << 8 | left;
}

// ------------------------------------------------------------ adding

static bool no_memory(struct err *err)
{
    return err_set(err, ERR_MEMORY, "sort: no memory");
}

// Makes room for one more element of an array.
static bool grow(void *array, size_t *size, size_t num, size_t each)
{
    void **slot = array;
    size_t more = *size == 0 ? 1024 : *size * 2;
    void *larger;

    if (num < *size) return true;
    if (more > SIZE_MAX / 2 / each) return false;
    larger = realloc(*slot, more * each);
    if (larger == NULL) return false;
    *slot = larger;
    *size = more;
    return true;
}

static bool add_short(struct sort *sort, uint64_t number, uint64_t id,
                      uint32_t via)
{
    if (sort->num_shorts == UINT32_MAX ||
        !grow(&sort->shorts, &sort->size_shorts, sort->num_shorts,
              sizeof *sort->shorts)) {
        return false;
    }
    sort->shorts[sort->num_shorts++] = (struct sort_short){
        .key = number << VIA_LOW_BITS | (via >> VIA_LOW_BITS & 0xff),
        .id = id << VIA_LOW_BITS | (via & 0xff),
    };
    return true;
}

// Issuers' keys come again and again: their bytes are kept once, most of the
// time, and postings that share them are known to be equal.
static bool find_recent(struct sort *sort, struct bytes key, uint32_t *at)
{
    uint64_t first, last;
    uint32_t *slot;

    memcpy(&first, key.data + 1, 8);
    memcpy(&last, key.data + key.len - 8, 8);
    slot = &sort->recent[((first ^ last) * UINT64_C(0x9e3779b97f4a7c15)) >>
                         (64 - 8)];
    if (*slot != 0) {
        const struct sort_item *item = &sort->items[*slot - 1];

        *at = item->at;
        if (item->len == key.len &&
            memcmp(sort->keys.data + item->at, key.data, key.len) == 0) {
            return true;
        }
    }
    *slot = sort->num < UINT32_MAX ? (uint32_t)sort->num + 1 : 0;
    return false;
}

bool sort_add(struct sort *sort, struct bytes key, uint64_t id, uint32_t via,
              struct err *err)
{
    uint64_t number;
    uint32_t at = 0;

    if (short_key_read(key, &number)) {
        return add_short(sort, number, id, via) || no_memory(err);
    }
    if (!grow(&sort->items, &sort->size, sort->num, sizeof *sort->items)) {
        return no_memory(err);
    }
    if (key.len < RECENT_LEN_MIN || !find_recent(sort, key, &at)) {
        if (sort->keys.len > UINT32_MAX || key.len > UINT16_MAX) {
            return no_memory(err);
        }
        at = (uint32_t)sort->keys.len;
        buffer_append(&sort->keys, key);
        if (!buffer_ok(&sort->keys)) return no_memory(err);
    }
    sort->items[sort->num++] = (struct sort_item){
        .prefix = prefix_at(key.data, key.len, 0),
        .id = id,
        .at = at,
        .len = (uint16_t)key.len,
        .via = (uint16_t)via,
    };
    return true;
}

static size_t spare_needed(size_t num, size_t num_shorts)
{
    size_t items = num * sizeof(struct sort_item);
    size_t shorts = num_shorts * sizeof(struct sort_short);

    return items > shorts ? items : shorts;
}

size_t sort_size_bytes(const struct sort *sort)
{
    size_t spare = spare_needed(sort->size, sort->size_shorts);

    return sort->keys.size + sort->size * sizeof *sort->items +
           sort->size_shorts * sizeof *sort->shorts +
           (spare > sort->spare_bytes ? spare : sort->spare_bytes);
}

// ------------------------------------------------------------ by bytes

static struct bytes key_of(const struct sort *sort,
                           const struct sort_item *item)
{
    return bytes_of(sort->keys.data + item->at, item->len);
}

// Compares keys that agree before `depth`, then ids.
static bool is_above(const struct sort *sort, const struct sort_item *a,
                     const struct sort_item *b, size_t depth)
{
    int order;

    if (a->prefix != b->prefix) return a->prefix > b->prefix;
    if ((a->prefix & 0xff) != MORE || a->at == b->at) return a->id > b->id;
    order = bytes_compare(
        bytes_of(sort->keys.data + a->at + depth, a->len - depth),
        bytes_of(sort->keys.data + b->at + depth, b->len - depth));
    return order != 0 ? order > 0 : a->id > b->id;
}

static void sort_small(const struct sort *sort, struct sort_item *items,
                       size_t num, size_t depth)
{
    for (size_t i = 1; i < num; i++) {
        struct sort_item item = items[i];
        size_t j = i;

        for (; j > 0 && is_above(sort, &items[j - 1], &item, depth); j--) {
            items[j] = items[j - 1];
        }
        items[j] = item;
    }
}

static int compare_ids(const void *a, const void *b)
{
    const struct sort_item *x = a, *y = b;

    return x->id < y->id ? -1 : x->id > y->id;
}

// Equal keys; mostly they came in the order of their ids.
static void sort_ids(struct sort_item *items, size_t num)
{
    for (size_t i = 1; i < num; i++) {
        if (items[i - 1].id > items[i].id) {
            qsort(items, num, sizeof *items, compare_ids);
            return;
        }
    }
}

// Items with the same prefix: whether their keys are known to be equal.
static bool are_equal(const struct sort_item *items, size_t num)
{
    if ((items[0].prefix & 0xff) != MORE) return true;
    for (size_t i = 1; i < num; i++) {
        if (items[i].at != items[0].at) return false;
    }
    return true;
}

// Spreads items by the highest byte in which their prefixes differ; false when
// they do not.  `ends` gets where each of 256 parts ends.
static bool spread(const struct sort_item *from, struct sort_item *to,
                   size_t num, size_t ends[256])
{
    uint64_t differ = 0;
    size_t counts[256] = {0}, sum = 0;
    unsigned shift;

    for (size_t i = 1; i < num; i++) {
        differ |= from[i].prefix ^ from[0].prefix;
    }
    if (differ == 0) return false;
    shift = (unsigned)(63 - __builtin_clzll(differ)) & ~7u;
    for (size_t i = 0; i < num; i++) {
        counts[from[i].prefix >> shift & 0xff]++;
    }
    for (size_t i = 0; i < 256; i++) {
        ends[i] = sum;
        sum += counts[i];
    }
    for (size_t i = 0; i < num; i++) {
        to[ends[from[i].prefix >> shift & 0xff]++] = from[i];
    }
    return true;
}

// Sorts what is in `from`; it stays there, or goes to `other` when that is
// where it belongs.  Recursion goes eight levels down for each seven bytes of
// a key: no deeper than its longest key needs.
static void sort_range(const struct sort *sort, struct sort_item *from,
                       struct sort_item *other, size_t num, size_t depth,
                       bool stays)
{
    size_t ends[256];

    while (num > SMALL_MAX) {
        if (spread(from, other, num, ends)) {
            for (size_t i = 0, first = 0; i < 256; first = ends[i++]) {
                if (ends[i] > first) {
                    sort_range(sort, other + first, from + first,
                               ends[i] - first, depth, !stays);
                }
            }
            return;
        }
        if (are_equal(from, num)) {
            sort_ids(from, num);
            break;
        }
        depth += STEP;
        for (size_t i = 0; i < num; i++) {
            if (i + AHEAD < num) {
                __builtin_prefetch(sort->keys.data + from[i + AHEAD].at +
                                   depth);
            }
            from[i].prefix =
                prefix_at(sort->keys.data + from[i].at, from[i].len, depth);
        }
    }
    if (num <= SMALL_MAX) sort_small(sort, from, num, depth);
    if (!stays) memcpy(other, from, num * sizeof *from);
}

// ------------------------------------------------------------ by numbers

static bool is_short_above(const struct sort_short *a,
                           const struct sort_short *b)
{
    uint64_t x = a->key >> VIA_LOW_BITS, y = b->key >> VIA_LOW_BITS;

    return x != y ? x > y : a->id > b->id;
}

static void sort_few(struct sort_short *items, size_t num)
{
    for (size_t i = 1; i < num; i++) {
        struct sort_short item = items[i];
        size_t j = i;

        for (; j > 0 && is_short_above(&items[j - 1], &item); j--) {
            items[j] = items[j - 1];
        }
        items[j] = item;
    }
}

static int compare_short_ids(const void *a, const void *b)
{
    const struct sort_short *x = a, *y = b;

    return x->id < y->id ? -1 : x->id > y->id;
}

// How many of the highest `bits` bits to spread by.
static unsigned choose_digit(size_t num, unsigned bits)
{
    unsigned digit = (unsigned)(63 - __builtin_clzll(num));

    digit =
        digit < PART_BITS + DIGIT_BITS_MIN ? DIGIT_BITS_MIN : digit - PART_BITS;
    if (digit > DIGIT_BITS_MAX) digit = DIGIT_BITS_MAX;
    return digit < bits ? digit : bits;
}

// Equal numbers, or few; where they are sorted they stay.
static void sort_part(struct sort_short *items, size_t num)
{
    if (num <= SMALL_MAX) {
        sort_few(items, num);
        return;
    }
    for (size_t i = 1; i < num; i++) {
        if (items[i - 1].id > items[i].id) {
            qsort(items, num, sizeof *items, compare_short_ids);
            return;
        }
    }
}

static void sort_numbers(struct sort_short *from, struct sort_short *other,
                         size_t num, unsigned bits, bool stays);

// Spreads numbers that agree above their lowest `bits` bits by the highest
// `digit` of these, and sorts the parts.
static void spread_numbers(struct sort_short *from, struct sort_short *other,
                           size_t num, unsigned bits, unsigned digit,
                           bool stays)
{
    unsigned shift = bits - digit + VIA_LOW_BITS;
    size_t mask = ((size_t)1 << digit) - 1, sum = 0;
    uint32_t ends[1 << DIGIT_BITS_MAX];

    memset(ends, 0, (mask + 1) * sizeof *ends);
    for (size_t i = 0; i < num; i++) {
        ends[from[i].key >> shift & mask]++;
    }
    for (size_t i = 0; i <= mask; i++) {
        size_t count = ends[i];

        ends[i] = (uint32_t)sum;
        sum += count;
    }
    for (size_t i = 0; i < num; i++) {
        other[ends[from[i].key >> shift & mask]++] = from[i];
    }
    for (size_t i = 0, first = 0; i <= mask; first = ends[i++]) {
        if (ends[i] > first) {
            sort_numbers(other + first, from + first, ends[i] - first,
                         bits - digit, !stays);
        }
    }
}

// As sort_range, of numbers that agree above their lowest `bits` bits.
static void sort_numbers(struct sort_short *from, struct sort_short *other,
                         size_t num, unsigned bits, bool stays)
{
    if (num > SMALL_MAX && bits > 0) {
        spread_numbers(from, other, num, bits, choose_digit(num, bits), stays);
        return;
    }
    sort_part(from, num);
    if (!stays) memcpy(other, from, num * sizeof *from);
}

// ------------------------------------------------------------ both

bool sort_finish(struct sort *sort, struct err *err)
{
    size_t need = spare_needed(sort->num, sort->num_shorts);

    if (sort->spare_bytes < need) {
        free(sort->spare);
        sort->spare_bytes = 0;
        sort->spare = malloc(need);
        if (sort->spare == NULL) return no_memory(err);
        sort->spare_bytes = need;
    }
    if (sort->num > 0) {
        sort_range(sort, sort->items, sort->spare, sort->num, 0, true);
    }
    if (sort->num_shorts > 0) {
        sort_numbers(sort->shorts, sort->spare, sort->num_shorts,
                     SHORT_KEY_BITS, true);
    }
    sort->next = sort->next_short = 0;
    return true;
}

// ------------------------------------------------------------ taking out

static bool keep_hit(struct sort *sort, size_t *num, uint64_t id, uint32_t via)
{
    if (*num > 0 && sort->hits[*num - 1].id == id) {
        sort->hits[*num - 1].via |= via;
        return true;
    }
    if (*num == sort->hits_size) {
        size_t size =
            sort->hits_size == 0 ? SORT_HITS_FIRST : sort->hits_size * 2;
        struct hit *hits = realloc(sort->hits, size * sizeof *hits);

        if (hits == NULL) return false;
        sort->hits = hits;
        sort->hits_size = size;
    }
    sort->hits[(*num)++] = (struct hit){id, via};
    return true;
}

static bool take_item(struct sort *sort, struct bytes *key, size_t *num)
{
    const struct sort_item *first = &sort->items[sort->next], *item = first;

    *key = key_of(sort, first);
    do {
        if (sort->next + AHEAD < sort->num) {
            __builtin_prefetch(sort->keys.data + item[AHEAD].at);
        }
        if (!keep_hit(sort, num, item->id, item->via)) return false;
        item = &sort->items[++sort->next];
    } while (sort->next < sort->num && item->len == first->len &&
             (item->at == first->at || bytes_equal(*key, key_of(sort, item))));
    return true;
}

static bool take_short(struct sort *sort, struct bytes *key, size_t *num)
{
    const struct sort_short *item = &sort->shorts[sort->next_short];
    uint64_t number = item->key >> VIA_LOW_BITS;

    *key = short_key_write(sort->key, number);
    do {
        uint32_t via =
            (uint32_t)((item->key & 0xff) << VIA_LOW_BITS | (item->id & 0xff));

        if (!keep_hit(sort, num, item->id >> VIA_LOW_BITS, via)) return false;
        item = &sort->shorts[++sort->next_short];
    } while (sort->next_short < sort->num_shorts &&
             item->key >> VIA_LOW_BITS == number);
    return true;
}

// Whether the next key is a number.  Mostly the kinds tell; keys of these
// kinds that are no numbers are compared byte by byte.
static bool is_short_next(const struct sort *sort)
{
    uint8_t out[SHORT_KEY_LEN];
    struct bytes number, key;

    if (sort->next_short == sort->num_shorts) return false;
    if (sort->next == sort->num) return true;
    key = key_of(sort, &sort->items[sort->next]);
    number = short_key_write(out, sort->shorts[sort->next_short].key >>
                                      VIA_LOW_BITS);
    if (key.len > 0 && key.data[0] != out[0]) return out[0] < key.data[0];
    return bytes_compare(number, key) < 0;
}

bool sort_next(struct sort *sort, struct bytes *key, const struct hit **hits,
               size_t *num, bool *found, struct err *err)
{
    *num = 0;
    *found = sort->next < sort->num || sort->next_short < sort->num_shorts;
    if (!*found) return true;
    if (!(is_short_next(sort) ? take_short(sort, key, num)
                              : take_item(sort, key, num))) {
        return no_memory(err);
    }
    *hits = sort->hits;
    return true;
}

void sort_reset(struct sort *sort)
{
    buffer_reset(&sort->keys);
    memset(sort->recent, 0, sizeof sort->recent);
    sort->num = sort->num_shorts = 0;
    sort->next = sort->next_short = 0;
}

void sort_cleanup(struct sort *sort)
{
    buffer_cleanup(&sort->keys);
    free(sort->items);
    free(sort->shorts);
    free(sort->spare);
    free(sort->hits);
    *sort = (struct sort){0};
}
