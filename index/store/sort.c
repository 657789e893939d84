// sort.c - see sort.h.

#include "index/store/sort.h"

#include <stdlib.h>

enum {
    STEP = 7,       // bytes of a key in a prefix; the eighth says how many
    MORE = 8,       // in that byte: the key goes on
    SMALL_MAX = 24, // sorted by insertion
    AHEAD = 8,
    SORT_HITS_FIRST = 64,
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

bool sort_add(struct sort *sort, struct bytes key, uint64_t id, uint32_t via,
              struct err *err)
{
    size_t at = sort->keys.len;

    if (sort->num == sort->size) {
        size_t size = sort->size == 0 ? 1024 : sort->size * 2;
        struct sort_item *items =
            size > SIZE_MAX / sizeof *items
                ? NULL
                : realloc(sort->items, size * sizeof *items);

        if (items == NULL) return no_memory(err);
        sort->items = items;
        sort->size = size;
    }
    buffer_append(&sort->keys, key);
    if (!buffer_ok(&sort->keys) || at > UINT32_MAX || key.len > UINT16_MAX) {
        return no_memory(err);
    }
    sort->items[sort->num++] = (struct sort_item){
        .prefix = prefix_at(key.data, key.len, 0),
        .id = id,
        .at = (uint32_t)at,
        .len = (uint16_t)key.len,
        .via = (uint16_t)via,
    };
    return true;
}

size_t sort_size_bytes(const struct sort *sort)
{
    return sort->keys.size + 2 * sort->size * sizeof *sort->items;
}

// ------------------------------------------------------------ sorting

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
    if ((a->prefix & 0xff) != MORE) return a->id > b->id;
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

// Spreads items by the highest byte in which their prefixes differ; false when
// they do not.  `ends` gets where each of 256 parts ends.
static bool spread(struct sort *sort, struct sort_item *items, size_t num,
                   size_t ends[256])
{
    uint64_t differ = 0;
    size_t counts[256] = {0}, sum = 0;
    unsigned shift;

    for (size_t i = 1; i < num; i++) {
        differ |= items[i].prefix ^ items[0].prefix;
    }
    if (differ == 0) return false;
    shift = (unsigned)(63 - __builtin_clzll(differ)) & ~7u;
    for (size_t i = 0; i < num; i++) {
        counts[items[i].prefix >> shift & 0xff]++;
    }
    for (size_t i = 0; i < 256; i++) {
        ends[i] = sum;
        sum += counts[i];
    }
    for (size_t i = 0; i < num; i++) {
        sort->spare[ends[items[i].prefix >> shift & 0xff]++] = items[i];
    }
    memcpy(items, sort->spare, num * sizeof *items);
    return true;
}

// Recursion goes eight levels down for each seven bytes of a key: no deeper
// than its longest key needs.
static void sort_range(struct sort *sort, struct sort_item *items, size_t num,
                       size_t depth)
{
    size_t ends[256];

    while (num > SMALL_MAX) {
        if (spread(sort, items, num, ends)) {
            for (size_t i = 0, first = 0; i < 256; first = ends[i++]) {
                if (ends[i] - first > 1) {
                    sort_range(sort, items + first, ends[i] - first, depth);
                }
            }
            return;
        }
        if ((items[0].prefix & 0xff) != MORE) {
            sort_ids(items, num);
            return;
        }
        depth += STEP;
        for (size_t i = 0; i < num; i++) {
            items[i].prefix =
                prefix_at(sort->keys.data + items[i].at, items[i].len, depth);
        }
    }
    sort_small(sort, items, num, depth);
}

bool sort_finish(struct sort *sort, struct err *err)
{
    if (sort->spare_size < sort->num) {
        struct sort_item *spare =
            realloc(sort->spare, sort->size * sizeof *spare);

        if (spare == NULL) return no_memory(err);
        sort->spare = spare;
        sort->spare_size = sort->size;
    }
    sort_range(sort, sort->items, sort->num, 0);
    sort->next = 0;
    return true;
}

// ------------------------------------------------------------ taking out

static bool keep_hit(struct sort *sort, size_t *num,
                     const struct sort_item *item)
{
    if (*num > 0 && sort->hits[*num - 1].id == item->id) {
        sort->hits[*num - 1].via |= item->via;
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
    sort->hits[(*num)++] = (struct hit){item->id, item->via};
    return true;
}

bool sort_next(struct sort *sort, struct bytes *key, const struct hit **hits,
               size_t *num, bool *found, struct err *err)
{
    *num = 0;
    *found = sort->next < sort->num;
    if (!*found) return true;
    *key = key_of(sort, &sort->items[sort->next]);
    do {
        const struct sort_item *item = &sort->items[sort->next];

        if (sort->next + AHEAD < sort->num) {
            __builtin_prefetch(sort->keys.data + item[AHEAD].at);
        }
        if (!keep_hit(sort, num, item)) return no_memory(err);
        sort->next++;
    } while (sort->next < sort->num &&
             bytes_equal(*key, key_of(sort, &sort->items[sort->next])));
    *hits = sort->hits;
    return true;
}

void sort_reset(struct sort *sort)
{
    buffer_reset(&sort->keys);
    sort->num = 0;
    sort->next = 0;
}

void sort_cleanup(struct sort *sort)
{
    buffer_cleanup(&sort->keys);
    free(sort->items);
    free(sort->spare);
    free(sort->hits);
    *sort = (struct sort){0};
}
