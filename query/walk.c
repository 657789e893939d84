// walk.c - see walk.h.

#include "query/walk.h"

#include <stdlib.h>

struct walk_source {
    struct cursor *cursor;
    bool ended;
    bool has_head; // by id: the next posting is known
    uint64_t head_id;
    uint32_t head_via;
};

bool walk_init(struct walk *walk, const struct question *question, bool by_id,
               uint64_t end_id, struct err *err)
{
    size_t num = question->num_ranges;

    if (num > walk->room) {
        struct walk_source *sources =
            realloc(walk->sources, num * sizeof *sources);

        if (sources == NULL) {
            return err_set(err, ERR_MEMORY, "an answer: no memory left for it");
        }
        walk->sources = sources;
        walk->room = num;
    }
    memset(walk->sources, 0, num * sizeof *walk->sources);
    walk->question = question;
    walk->by_id = by_id;
    walk->end_id = end_id;
    walk_restart(walk, false, 0);
    return true;
}

void walk_park(struct walk *walk)
{
    for (size_t i = 0; walk->question && i < walk->question->num_ranges; i++) {
        cursor_close(walk->sources[i].cursor);
        walk->sources[i].cursor = NULL;
        walk->sources[i].has_head = false;
    }
}

void walk_reset(struct walk *walk)
{
    walk_park(walk);
    walk->question = NULL;
}

void walk_cleanup(struct walk *walk)
{
    walk_park(walk);
    free(walk->sources);
    buffer_cleanup(&walk->last_key);
    *walk = (struct walk){0};
}

void walk_restart(struct walk *walk, bool has_after, uint64_t after)
{
    walk_park(walk);
    for (size_t i = 0; i < walk->question->num_ranges; i++) {
        walk->sources[i].ended = false;
    }
    buffer_reset(&walk->last_key);
    walk->again = false;
    walk->has_last = has_after;
    walk->last_id = after;
    // As if the last source had given `after`: every source is behind it.
    walk->current = has_after ? walk->question->num_ranges - 1 : 0;
}

void walk_restart_key(struct walk *walk, struct bytes key, uint64_t id)
{
    const struct question *question = walk->question;
    size_t current = 0;

    walk_restart(walk, false, 0);
    while (current + 1 < question->num_ranges &&
           bytes_compare(question->ranges[current + 1].first, key) <= 0) {
        current++;
    }
    buffer_append(&walk->last_key, key);
    walk->has_last = true;
    walk->last_id = id;
    walk->current = current;
}

static bool read_posting(struct walk *walk, struct walk_source *source,
                         struct posting *posting, bool *found, struct err *err)
{
    if (!cursor_next(source->cursor, posting, found, err)) return false;
    // By id nothing that still exists can follow.
    if (*found && walk->by_id && posting->id >= walk->end_id) *found = false;
    if (!*found) {
        cursor_close(source->cursor);
        source->cursor = NULL;
        source->ended = true;
    }
    return true;
}

// ------------------------------------------------------------- by id

static bool open_by_id(struct walk *walk, struct snapshot *snapshot,
                       size_t position, struct err *err)
{
    const struct question_range *range = &walk->question->ranges[position];
    struct walk_source *source = &walk->sources[position];
    uint64_t after = walk->last_id;

    if (!cursor_open(&source->cursor, snapshot, range->first, range->end,
                     err)) {
        return false;
    }
    if (!walk->has_last) return cursor_bring_near(source->cursor, err);
    // Sources behind the current one have not yet given this id.
    if (position > walk->current) {
        if (after == 0) return true;
        after--;
    }
    return cursor_seek_after(source->cursor, range->first, after, err);
}

static bool fill_heads(struct walk *walk, struct snapshot *snapshot,
                       struct err *err)
{
    for (size_t i = 0; i < walk->question->num_ranges; i++) {
        struct walk_source *source = &walk->sources[i];
        struct posting posting;
        bool found;

        if (source->ended || source->has_head) continue;
        if (source->cursor == NULL && !open_by_id(walk, snapshot, i, err)) {
            return false;
        }
        if (!read_posting(walk, source, &posting, &found, err)) return false;
        source->has_head = found;
        if (!found) continue;
        source->head_id = posting.id;
        source->head_via = posting.via;
    }
    return true;
}

static bool next_by_id(struct walk *walk, struct snapshot *snapshot,
                       struct walk_item *item, bool *found, struct err *err)
{
    struct walk_source *lowest = NULL;

    if (!fill_heads(walk, snapshot, err)) return false;
    for (size_t i = 0; i < walk->question->num_ranges; i++) {
        struct walk_source *source = &walk->sources[i];

        if (!source->has_head) continue;
        if (lowest == NULL || source->head_id < lowest->head_id) {
            lowest = source;
            walk->current = i;
        }
    }
    *found = lowest != NULL;
    if (lowest == NULL) return true;
    item->range = &walk->question->ranges[walk->current];
    item->key = item->range->first;
    item->id = lowest->head_id;
    item->via = lowest->head_via | item->range->via_more;
    lowest->has_head = false;
    walk->has_last = true;
    walk->last_id = item->id;
    walk->last_via = item->via;
    return true;
}

// ------------------------------------------------------------- by key

static bool open_by_key(struct walk *walk, struct snapshot *snapshot,
                        struct err *err)
{
    const struct question_range *range = &walk->question->ranges[walk->current];
    struct walk_source *source = &walk->sources[walk->current];
    struct bytes last = buffer_bytes(&walk->last_key);

    if (!walk->has_last || bytes_compare(last, range->first) < 0) {
        return cursor_open(&source->cursor, snapshot, range->first, range->end,
                           err);
    }
    return cursor_open(&source->cursor, snapshot, last, range->end, err) &&
           cursor_seek_after(source->cursor, last, walk->last_id, err);
}

static bool next_by_key(struct walk *walk, struct snapshot *snapshot,
                        struct walk_item *item, bool *found, struct err *err)
{
    while (walk->current < walk->question->num_ranges) {
        struct walk_source *source = &walk->sources[walk->current];
        struct posting posting;

        if (source->cursor == NULL && !open_by_key(walk, snapshot, err)) {
            return false;
        }
        if (!read_posting(walk, source, &posting, found, err)) return false;
        if (!*found) {
            walk->current++;
            continue;
        }
        item->range = &walk->question->ranges[walk->current];
        item->key = posting.key;
        item->id = posting.id;
        item->via = posting.via | item->range->via_more;
        walk->has_last = true;
        walk->last_id = posting.id;
        walk->last_via = item->via;
        buffer_reset(&walk->last_key);
        buffer_append(&walk->last_key, posting.key);
        if (!buffer_ok(&walk->last_key)) {
            return err_set(err, ERR_MEMORY, "an answer: no memory left for it");
        }
        // What came later than the question lies between what did not.
        if (posting.id < walk->end_id) return true;
    }
    *found = false;
    return true;
}

void walk_again(struct walk *walk)
{
    walk->again = true;
}

static void give_last(const struct walk *walk, struct walk_item *item)
{
    item->range = &walk->question->ranges[walk->current];
    item->key =
        walk->by_id ? item->range->first : buffer_bytes(&walk->last_key);
    item->id = walk->last_id;
    item->via = walk->last_via;
}

bool walk_next(struct walk *walk, struct snapshot *snapshot,
               struct walk_item *item, bool *found, struct err *err)
{
    if (walk->again) {
        walk->again = false;
        *found = true;
        give_last(walk, item);
        return true;
    }
    return walk->by_id ? next_by_id(walk, snapshot, item, found, err)
                       : next_by_key(walk, snapshot, item, found, err);
}
