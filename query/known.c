// known.c - see known.h.

#include "query/known.h"

#include <stdlib.h>

enum {
    DONE_SLOTS_FIRST = 16, // a power of two
    DONE_SLOTS_MAX = 4096, // 16 times a power of four
    KEPT_MEMBERS_MAX = 32,
};

static uint64_t *done_slot(const struct known *known, uint64_t mark)
{
    return &known->done[mark & (known->done_slots - 1)];
}

static void forget_done(struct known *known)
{
    free(known->done);
    known->done = NULL;
    known->done_slots = 0;
    known->num_done = 0;
}

// Makes a larger table, which has forgotten everything.
static void grow_done(struct known *known)
{
    size_t slots =
        known->done == NULL ? DONE_SLOTS_FIRST : 4 * known->done_slots;

    forget_done(known);
    known->done = calloc(slots, sizeof *known->done);
    if (known->done != NULL) known->done_slots = slots;
}

void known_reset(struct known *known)
{
    if (known->done_slots == DONE_SLOTS_FIRST) {
        memset(known->done, 0, DONE_SLOTS_FIRST * sizeof *known->done);
        known->num_done = 0;
    } else {
        forget_done(known);
    }
    known->num_kept = 0;
    arena_reset(&known->arena);
}

bool known_is_done(const struct known *known, uint64_t mark)
{
    return known->done != NULL && mark != 0 && *done_slot(known, mark) == mark;
}

void known_set_done(struct known *known, const struct group *group)
{
    uint64_t mark = group->members[0].facts.group_mark;

    if (group->is_split) return;
    if (2 * known->num_done >= known->done_slots &&
        known->done_slots < DONE_SLOTS_MAX) {
        grow_done(known);
    }
    if (known->done == NULL) return; // no memory: nothing is remembered
    *done_slot(known, mark) = mark;
    known->num_done++;
}

const struct group *known_find(const struct known *known, uint64_t id)
{
    for (size_t i = 0; i < known->num_kept; i++) {
        if (known->kept[i].id == id) return &known->kept[i];
    }
    return NULL;
}

bool known_holds(const struct known *known, uint64_t id)
{
    for (size_t i = 0; i < known->num_kept; i++) {
        const struct group *group = &known->kept[i];

        for (size_t k = 0; k < group->num_members; k++) {
            if (group->members[k].id == id) return true;
        }
    }
    return false;
}

bool known_keep(struct known *known, const struct group *group, struct err *err)
{
    struct group *kept = &known->kept[known->num_kept];
    struct bytes members =
        bytes_of(group->members, group->num_members * sizeof *group->members);
    void *copy;

    if (known->num_kept == KNOWN_KEPT_MAX ||
        group->num_members > KEPT_MEMBERS_MAX ||
        known_find(known, group->id) != NULL) {
        return true;
    }
    copy = arena_alloc(&known->arena, members.len);
    if (copy == NULL) {
        return err_set(err, ERR_MEMORY, "an answer: no memory left for it");
    }
    memcpy(copy, members.data, members.len);
    *kept = *group;
    kept->members = copy;
    known->num_kept++;
    return true;
}

void known_cleanup(struct known *known)
{
    free(known->done);
    arena_cleanup(&known->arena);
    *known = (struct known){0};
}
