// picks.c - see picks.h.

#include "query/picks.h"

#include <stdlib.h>

enum { ROOM_FIRST = 16 };

static int compare_positions(const void *a, const void *b)
{
    const struct pick *left = a, *right = b;

    return left->position < right->position ? -1
                                            : left->position > right->position;
}

static int compare_dates(const void *a, const void *b)
{
    const struct pick *left = a, *right = b;
    int order = (left->not_before > right->not_before) -
                (left->not_before < right->not_before);

    if (order == 0) {
        order = memcmp(&left->hash, &right->hash, sizeof left->hash);
    }
    return order != 0 ? order : compare_positions(a, b);
}

void picks_begin(struct picks *picks, size_t max)
{
    picks->num = 0;
    picks->max = max;
    picks->bound = UINT64_MAX;
    picks->overflow = false;
}

void picks_settle(struct picks *picks)
{
    struct pick *items = picks->items;
    size_t num = 0;

    if (picks->num == 0) return;
    qsort(items, picks->num, sizeof *items, compare_positions);
    for (size_t i = 0; i < picks->num; i++) {
        if (num == 0 || items[num - 1].position != items[i].position) {
            items[num++] = items[i];
        }
    }
    if (num > picks->max) {
        num = picks->max;
        picks->overflow = true;
        picks->bound = items[num - 1].position;
    }
    picks->num = num;
}

bool picks_add(struct picks *picks, const struct pick *pick, struct err *err)
{
    if (pick->position > picks->bound) return true;
    if (picks->num == 2 * picks->max) picks_settle(picks);
    if (picks->num == picks->room) {
        size_t room = picks->room == 0 ? ROOM_FIRST : 2 * picks->room;
        struct pick *items = realloc(picks->items, room * sizeof *items);

        if (items == NULL) {
            return err_set(err, ERR_MEMORY, "an answer: no memory left for it");
        }
        picks->items = items;
        picks->room = room;
    }
    picks->items[picks->num++] = *pick;
    return true;
}

static bool fill_hash(struct pick *pick, struct shelf *shelf,
                      struct arena *arena, struct err *err)
{
    static const struct sha256_hash none;
    const struct entry *entry;
    bool has_bytes;

    if (!sha256_equal(&pick->hash, &none)) return true;
    if (!shelf_entry(shelf, pick->id, ENTRY_TBS_SHA256, &entry, &has_bytes,
                     arena, err)) {
        return false;
    }
    pick->hash = entry->tbs_sha256;
    return true;
}

bool picks_sort_by_date(struct picks *picks, bool lacks_hashes,
                        struct shelf *shelf, struct arena *arena,
                        struct err *err)
{
    struct pick *items = picks->items;
    size_t num = picks->num, end;

    if (num < 2) return true;
    qsort(items, num, sizeof *items, compare_dates);
    if (!lacks_hashes) return true;
    arena_reset(arena);
    for (size_t i = 0; i < num; i = end) {
        for (end = i + 1;
             end < num && items[end].not_before == items[i].not_before; end++) {
            if (!fill_hash(&items[end - 1], shelf, arena, err) ||
                !fill_hash(&items[end], shelf, arena, err)) {
                return false;
            }
        }
        qsort(items + i, end - i, sizeof *items, compare_dates);
    }
    return true;
}

void picks_cleanup(struct picks *picks)
{
    free(picks->items);
    *picks = (struct picks){0};
}
