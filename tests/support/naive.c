// naive.c - see naive.h.

#include "tests/support/naive.h"

#include "index/entry/names.h"
#include "index/store/run.h"

#include "tests/support/check.h"

struct adding {
    struct naive *naive;
    uint64_t id;
};

static struct bytes key_of(const struct naive_row *row)
{
    return bytes_of(row->key, row->len);
}

static int compare(struct bytes a_key, uint64_t a_id, struct bytes b_key,
                   uint64_t b_id)
{
    int order = bytes_compare(a_key, b_key);

    if (order != 0) return order;
    return a_id < b_id ? -1 : a_id > b_id;
}

static int compare_rows(const void *a, const void *b)
{
    const struct naive_row *x = a, *y = b;

    return compare(key_of(x), x->id, key_of(y), y->id);
}

static bool add_term(void *context, enum term_kind kind, struct bytes value,
                     uint32_t via)
{
    const struct adding *adding = context;
    struct naive *naive = adding->naive;
    struct buffer key = {0};
    struct naive_row *row;

    if (naive->num == naive->size) {
        naive->size = naive->size == 0 ? 1024 : 2 * naive->size;
        naive->rows = realloc(naive->rows, naive->size * sizeof *naive->rows);
        assert_non_null(naive->rows);
    }
    row = &naive->rows[naive->num++];
    keys_append(&key, kind, value);
    assert_true(buffer_ok(&key) && key.len <= sizeof row->key);
    memcpy(row->key, key.data, key.len);
    row->len = key.len;
    row->id = adding->id;
    row->via = via;
    buffer_cleanup(&key);
    return true;
}

void naive_add(struct naive *naive, const struct made_log *log, uint64_t first,
               uint64_t end, uint64_t id)
{
    struct arena arena = {0};

    for (uint64_t i = first; i < end; i++) {
        struct adding adding = {naive, id + (i - first)};
        struct entry entry;

        made_log_entry(log, i, &entry, &arena);
        assert_true(posting_each_term(&entry, add_term, &adding));
        arena_reset(&arena);
    }
    arena_cleanup(&arena);
}

void naive_sort(struct naive *naive)
{
    qsort(naive->rows, naive->num, sizeof *naive->rows, compare_rows);
}

void naive_cleanup(struct naive *naive)
{
    free(naive->rows);
    *naive = (struct naive){0};
}

bool naive_is_short(struct bytes key)
{
    uint8_t out[1 + RUN_KEY_HASH_LEN];
    bool exact;

    (void)run_key(key, out, &exact);
    return !exact || (key.len == sizeof out && key.data[0] >= TERM_CERT_SHA256);
}

size_t naive_next(const struct naive *naive, size_t at, struct bytes first,
                  struct bytes end, uint64_t end_id, bool one_key)
{
    for (; at < naive->num; at++) {
        struct bytes key = key_of(&naive->rows[at]);

        if (bytes_compare(key, first) < 0) continue;
        if (end.len != 0 && bytes_compare(key, end) >= 0) return naive->num;
        if (naive->rows[at].id >= end_id) continue;
        if (one_key || !naive_is_short(key)) return at;
    }
    return at;
}

size_t naive_after(const struct naive *naive, struct bytes key, uint64_t id)
{
    size_t low = 0, high = naive->num;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct naive_row *row = &naive->rows[middle];

        if (compare(key_of(row), row->id, key, id) <= 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}
