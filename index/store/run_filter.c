// run_filter.c - see run_filter.h.

#include "index/store/run_filter.h"

#include <endian.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "index/base/checksum.h"
#include "index/store/filter.h"
#include "index/store/run_file.h"

enum filter_state { FILTER_UNKNOWN, FILTER_GOOD, FILTER_DAMAGED };

enum { HEAD_LEN = CHECKSUM_LEN + FILTER_PAD_LEN };

void run_filters_init(struct run_filters *filters, struct lmdb *env, lmdb_db db,
                      const char *path, const struct run_stat *stat)
{
    *filters =
        (struct run_filters){.env = env, .db = db, .path = path, .stat = stat};
    (void)pthread_mutex_init(&filters->mutex, NULL);
}

void run_filters_cleanup(struct run_filters *filters)
{
    if (filters->env == NULL) return;
    lmdb_abort(filters->txn);
    free(filters->parts);
    free(filters->prefixes);
    (void)pthread_mutex_destroy(&filters->mutex);
}

uint64_t run_filters_prefix(struct bytes key)
{
    uint64_t prefix = 0;

    if (key.len >= sizeof prefix) {
        memcpy(&prefix, key.data, sizeof prefix);
        return be64toh(prefix);
    }
    for (size_t i = 0; i < sizeof prefix; i++) {
        prefix = prefix << 8 | (i < key.len ? key.data[i] : 0);
    }
    return prefix;
}

// ------------------------------------------------------------ loading

static bool add_part(struct run_filters *filters, size_t most,
                     struct bytes last_key, struct bytes block,
                     uint64_t *filter_bytes, struct err *err)
{
    struct filter_part *part = &filters->parts[filters->num_parts];

    *filter_bytes += block.len;
    if (filters->num_parts == most || block.len <= HEAD_LEN ||
        (block.len - HEAD_LEN) % FILTER_LINE_LEN != 0 ||
        *filter_bytes > filters->stat->filter_bytes) {
        return run_damaged(filters->path, "a filter cannot be read", err);
    }
    filters->prefixes[filters->num_parts] = run_filters_prefix(last_key);
    part->last_key = last_key;
    part->block = block;
    atomic_init(&part->state, FILTER_UNKNOWN);
    filters->num_parts++;
    return true;
}

static bool read_tree(struct run_filters *filters, struct err *err)
{
    size_t most = (size_t)(filters->stat->keys / FILTER_KEYS_MAX) + 1;
    uint64_t filter_bytes = 0;
    struct lmdb_cursor *cursor;
    struct bytes key, value;
    bool found = true, ok = true;

    filters->parts = calloc(most, sizeof *filters->parts);
    filters->prefixes = calloc(most, sizeof *filters->prefixes);
    if (filters->parts == NULL || filters->prefixes == NULL) {
        return run_no_memory(filters->path, err);
    }
    if (!lmdb_begin(&filters->txn, filters->env, false, err) ||
        !lmdb_cursor_open(&cursor, filters->txn, filters->db, err)) {
        return false;
    }
    while (ok && found) {
        ok =
            lmdb_cursor_move(cursor,
                             filters->num_parts == 0 ? LMDB_FIRST : LMDB_NEXT,
                             &key, &value, &found, err) &&
            (!found || add_part(filters, most, key, value, &filter_bytes, err));
    }
    lmdb_cursor_close(cursor);
    if (ok && filter_bytes != filters->stat->filter_bytes) {
        return run_damaged(filters->path, "a filter is missing", err);
    }
    return ok;
}

static int load(struct run_filters *filters, struct err *err)
{
    int state;

    (void)pthread_mutex_lock(&filters->mutex);
    state = atomic_load(&filters->state);
    if (state == FILTER_UNKNOWN) {
        state = read_tree(filters, err) ? FILTER_GOOD : FILTER_DAMAGED;
        atomic_store_explicit(&filters->state, state, memory_order_release);
    }
    (void)pthread_mutex_unlock(&filters->mutex);
    return state;
}

// ------------------------------------------------------------ asking

// The first part, or the end, whose last key is not below `key`.  What `key`
// is makes no branch of the first search: none can be foreseen.
static size_t find_part(const struct run_filters *filters, struct bytes key,
                        uint64_t prefix)
{
    const uint64_t *prefixes = filters->prefixes;
    size_t at = 0, num = filters->num_parts;

    while (num > 0) {
        size_t half = (num + 1) / 2;

        at += prefixes[at + half - 1] < prefix ? half : 0;
        num -= half;
    }
    if (at == filters->num_parts || prefixes[at] != prefix) return at;
    num = filters->num_parts - at;
    while (num > 0) {
        size_t half = num / 2;

        if (prefixes[at + half] == prefix &&
            bytes_compare(filters->parts[at + half].last_key, key) < 0) {
            at += half + 1;
            num -= half + 1;
        } else {
            num = half;
        }
    }
    return at;
}

// Checks a filter the first time: its pages come in one read, not in ten.
static int check_part(struct filter_part *part)
{
    uintptr_t page_len = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t first = (uintptr_t)part->block.data & ~(page_len - 1);
    struct bytes content;
    int state;

    (void)madvise((void *)first,
                  (uintptr_t)part->block.data + part->block.len - first,
                  MADV_WILLNEED);
    state = block_open(part->last_key, part->block, &content) ? FILTER_GOOD
                                                              : FILTER_DAMAGED;
    atomic_store_explicit(&part->state, state, memory_order_release);
    return state;
}

bool run_filters_find(struct run_filters *filters, struct bytes key,
                      uint64_t prefix, uint64_t hash, const uint8_t **line)
{
    struct filter_part *part;
    size_t at;
    int state = atomic_load_explicit(&filters->state, memory_order_acquire);

    *line = NULL;
    if (state == FILTER_UNKNOWN) state = load(filters, NULL);
    if (state != FILTER_GOOD) return true;
    at = find_part(filters, key, prefix);
    if (at == filters->num_parts) return false;
    part = &filters->parts[at];
    state = atomic_load_explicit(&part->state, memory_order_acquire);
    if (state == FILTER_UNKNOWN) state = check_part(part);
    if (state != FILTER_GOOD) return true;
    *line = filter_line(
        bytes_of(part->block.data + HEAD_LEN, part->block.len - HEAD_LEN),
        hash);
    __builtin_prefetch(*line);
    return true;
}

bool run_filters_check(struct run_filters *filters, struct err *err)
{
    if (load(filters, NULL) != FILTER_GOOD) {
        return run_damaged(filters->path, "its filters cannot be read", err);
    }
    for (size_t i = 0; i < filters->num_parts; i++) {
        if (check_part(&filters->parts[i]) != FILTER_GOOD) {
            return run_damaged(filters->path,
                               "the checksum of a filter differs", err);
        }
    }
    return true;
}
