// shelf.c - see shelf.h.

#include "query/shelf.h"

static const struct shelf_place *find(const struct shelf *shelf, uint64_t id)
{
    for (size_t i = 0; i < shelf->num; i++) {
        if (shelf->places[i].id == id) return &shelf->places[i];
    }
    return NULL;
}

static bool no_memory(struct err *err)
{
    return err_set(err, ERR_MEMORY, "an entry: no memory left for it");
}

bool shelf_entry(struct shelf *shelf, uint64_t id, unsigned parts,
                 const struct entry **entry, bool *has_bytes,
                 struct arena *arena, struct err *err)
{
    const struct shelf_place *place = find(shelf, id);
    bool is_full =
        shelf->num == SHELF_ENTRIES_MAX || shelf->arena.total > SHELF_BYTES_MAX;
    struct entry *read;

    parts |= shelf->parts;
    if (place != NULL) {
        *entry = place->entry;
        *has_bytes = place->has_bytes;
        return (parts & ~place->entry->parts) == 0 ||
               entry_understand_more(place->entry, parts, &shelf->arena) ||
               no_memory(err);
    }
    if (!is_full) arena = &shelf->arena;
    read = arena_alloc(arena, sizeof *read);
    if (read == NULL) return no_memory(err);
    if (!snapshot_entry(shelf->snapshot, id, parts, read, has_bytes, arena,
                        err)) {
        return false;
    }
    *entry = read;
    if (is_full) return true;
    shelf->places[shelf->num++] = (struct shelf_place){id, read, *has_bytes};
    return true;
}

bool shelf_fetch(struct shelf *shelf, const struct shelf_wanted *wanted,
                 size_t num, struct err *err)
{
    struct entry_request requests[SNAPSHOT_ENTRIES_MAX];
    size_t room = shelf->arena.total > SHELF_BYTES_MAX
                      ? 0
                      : SHELF_ENTRIES_MAX - shelf->num;
    size_t num_requests = 0;

    for (size_t i = 0; i < num && num_requests < room; i++) {
        struct entry *entry;

        if (find(shelf, wanted[i].id) != NULL) continue;
        entry = arena_alloc(&shelf->arena, sizeof *entry);
        if (entry == NULL) return no_memory(err);
        requests[num_requests++] = (struct entry_request){
            .id = wanted[i].id, .facts = wanted[i].facts, .entry = entry};
    }
    if (!snapshot_entries(shelf->snapshot, requests, num_requests,
                          &shelf->arena, err)) {
        return false;
    }
    for (size_t i = 0; i < num_requests; i++) {
        shelf->places[shelf->num++] = (struct shelf_place){
            requests[i].id, requests[i].entry, requests[i].has_bytes};
    }
    return true;
}

void shelf_hash(struct shelf *shelf, const struct shelf_wanted *wanted,
                size_t num)
{
    struct entry *entries[SNAPSHOT_ENTRIES_MAX];
    unsigned parts[SNAPSHOT_ENTRIES_MAX];
    size_t num_entries = 0;

    for (size_t i = 0; i < num; i++) {
        const struct shelf_place *place = find(shelf, wanted[i].id);

        if (place == NULL) continue;
        parts[num_entries] = wanted[i].parts | shelf->parts;
        entries[num_entries++] = place->entry;
    }
    entry_hash_many(entries, parts, num_entries);
}

const struct entry *shelf_find(const struct shelf *shelf, uint64_t id)
{
    const struct shelf_place *place = find(shelf, id);

    return place == NULL ? NULL : place->entry;
}

void shelf_reset(struct shelf *shelf)
{
    shelf->num = 0;
    if (shelf->arena.total > SHELF_BYTES_MAX) {
        arena_cleanup(&shelf->arena);
    } else {
        arena_reset(&shelf->arena);
    }
}

void shelf_cleanup(struct shelf *shelf)
{
    arena_cleanup(&shelf->arena);
    *shelf = (struct shelf){0};
}
