// gather.c - see gather.h.

#include "query/gather.h"

enum { ITEMS_FIRST = 16 };

static bool no_memory(struct err *err)
{
    return err_set(err, ERR_MEMORY, "an answer: no memory left for it");
}

// Under a certificate's hash or an issuer's key not all entries of a
// TBSCertificate are found.
bool gather_may(const struct question *question)
{
    for (size_t i = 0; i < question->num_ranges; i++) {
        const struct question_range *range = &question->ranges[i];

        if (!range->exact || range->kind == TERM_CERT_SHA256 ||
            range->kind == TERM_ISSUER_KEY) {
            return false;
        }
    }
    return true;
}

// Has the blocks of all that follow read side by side.
static bool expect_rest(const struct gathering *out, size_t from,
                        struct snapshot *snapshot, const struct err *err)
{
    for (size_t i = from; i < out->num && err->code == ERR_COLD; i++) {
        snapshot_expect(snapshot, out->items[i].id);
    }
    return false;
}

// From the item at `from` on.
static void bring_near(const struct gathering *out, size_t from,
                       bool with_records, struct snapshot *snapshot)
{
    uint64_t ids[SNAPSHOT_NEAR_MAX];
    size_t num = 0;

    for (size_t i = from; i < out->num && num < SNAPSHOT_NEAR_MAX; i++) {
        if (num > 0 && ids[num - 1] == out->items[i].id) continue;
        ids[num++] = out->items[i].id;
    }
    snapshot_bring_near(snapshot, ids, num, with_records);
}

static bool read_facts(struct gathering *out, bool with_records,
                       struct snapshot *snapshot, struct err *err)
{
    for (size_t i = 0; i < out->num; i++) {
        struct gathered *item = &out->items[i];

        if (i % SNAPSHOT_NEAR_MAX == 0) {
            bring_near(out, i, with_records, snapshot);
        }
        if (i > 0 && item[-1].id == item->id) {
            item->facts = item[-1].facts;
        } else if (!snapshot_facts(snapshot, item->id, &item->facts, err)) {
            return expect_rest(out, i, snapshot, err);
        }
    }
    return true;
}

static bool add_item(struct gathering *out, size_t *room,
                     const struct walk_item *item, struct arena *arena)
{
    if (out->num == *room) {
        size_t more = *room == 0 ? ITEMS_FIRST : 2 * *room;
        struct gathered *items = arena_alloc(arena, more * sizeof *items);

        if (items == NULL) return false;
        if (*room > 0) memcpy(items, out->items, *room * sizeof *items);
        out->items = items;
        *room = more;
    }
    out->items[out->num++] = (struct gathered){
        .id = item->id, .via = item->via, .range = item->range};
    return true;
}

bool gather(struct gathering *out, size_t most, bool with_records,
            struct walk *walk, struct snapshot *snapshot, struct arena *arena,
            struct err *err)
{
    size_t room = 0;

    *out = (struct gathering){0};
    for (;;) {
        struct walk_item item;
        bool found;

        if (!walk_next(walk, snapshot, &item, &found, err)) return false;
        if (!found) break;
        if (out->num == most) return true;
        if (!add_item(out, &room, &item, arena)) return no_memory(err);
    }
    out->whole = true;
    return read_facts(out, with_records, snapshot, err);
}

static bool is_member(const struct gathered *item, const struct entry_facts *of)
{
    return item->facts.has_tbs && item->facts.group_mark == of->group_mark;
}

bool gather_group(struct group *out, const struct gathering *gathering,
                  const struct gathered *item, struct shelf *shelf,
                  struct arena *arena, bool *found, struct err *err)
{
    *found = gathering->whole && item->facts.has_tbs &&
             (item->via & (VIA_SALVAGED | VIA_UNAUTHENTICATED)) == 0;
    if (!*found) return true;
    *out = (struct group){.gathering = gathering};
    out->members = arena_alloc(arena, gathering->num * sizeof out->members[0]);
    if (out->members == NULL) return no_memory(err);
    for (size_t i = 0; i < gathering->num; i++) {
        const struct gathered *other = &gathering->items[i];

        if (!is_member(other, &item->facts) ||
            (i > 0 && other[-1].id == other->id)) {
            continue;
        }
        out->members[out->num_members++] =
            (struct group_member){.id = other->id, .facts = other->facts};
    }
    return group_settle(out, shelf, item->id, arena, err);
}

const struct gathered *gather_find(const struct gathering *gathering,
                                   uint64_t id)
{
    for (size_t i = 0; i < gathering->num; i++) {
        if (gathering->items[i].id == id) return &gathering->items[i];
    }
    return NULL;
}
