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

bool shelf_has(const struct shelf *shelf, uint64_t id)
{
    return find(shelf, id) != NULL;
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
