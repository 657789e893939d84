// matching.c - see matching.h.

#include "query/matching.h"

#include "index/store/keys.h"

static bool no_memory(struct err *err)
{
    return err_set(err, ERR_MEMORY, "an answer: no memory left for it");
}

// Looks for a term of the entry that is asked for; `lowest` gets the lowest
// key of those.
static bool match_entry(const struct matching *matching, uint64_t id,
                        bool *matches, struct buffer *lowest, struct err *err)
{
    struct buffer key = {0};
    const struct entry *entry;
    bool has_bytes, ok = true;

    *matches = false;
    arena_reset(matching->scratch);
    if (!shelf_entry(matching->shelf, id, ENTRY_NAMES, &entry, &has_bytes,
                     matching->scratch, err)) {
        return false;
    }
    for (size_t i = 0; i < entry->names.num_terms && ok; i++) {
        const struct term *term = &entry->names.terms[i];
        uint32_t via;

        buffer_reset(&key);
        keys_append(&key, term->kind, term->value);
        ok = buffer_ok(&key) || no_memory(err);
        if (!ok || !question_match(matching->question, term, buffer_bytes(&key),
                                   &via)) {
            continue;
        }
        if (!*matches ||
            bytes_compare(buffer_bytes(&key), buffer_bytes(lowest)) < 0) {
            buffer_reset(lowest);
            buffer_append(lowest, buffer_bytes(&key));
            ok = buffer_ok(lowest) || no_memory(err);
        }
        *matches = true;
    }
    buffer_cleanup(&key);
    return ok;
}

// Looks for the entry among the postings of the question's exact keys.
static bool match_postings(const struct matching *matching, uint64_t id,
                           bool *matches, struct err *err)
{
    const struct question *question = matching->question;

    *matches = false;
    for (size_t i = 0; i < question->num_ranges && !*matches; i++) {
        const struct question_range *range = &question->ranges[i];
        struct cursor *cursor = NULL;
        struct posting posting;
        bool found, ok;

        ok =
            cursor_open(&cursor, matching->shelf->snapshot, range->first,
                        range->end, err) &&
            (id == 0 || cursor_seek_after(cursor, range->first, id - 1, err)) &&
            cursor_next(cursor, &posting, &found, err);
        *matches = ok && found && posting.id == id;
        cursor_close(cursor);
        if (!ok) return false;
    }
    return true;
}

static bool match_member(const struct matching *matching, uint64_t id,
                         bool *matches, struct err *err)
{
    struct buffer lowest = {0};
    bool ok;

    if (matching->question->kind == QUESTION_HASH) {
        return match_postings(matching, id, matches, err);
    }
    ok = match_entry(matching, id, matches, &lowest, err);
    buffer_cleanup(&lowest);
    return ok;
}

static bool is_asked_via(const struct matching *matching,
                         const struct question_range *range, uint32_t via)
{
    uint32_t filter = matching->question->filters->via;

    return (range->via_only == 0 || (via & range->via_only) != 0) &&
           (filter == 0 || (via & filter) != 0);
}

bool matching_item(const struct matching *matching,
                   const struct walk_item *item, bool *matches, struct err *err)
{
    *matches = is_asked_via(matching, item->range, item->via);
    if (!*matches || item->range->below.len == 0) return true;
    return match_member(matching, item->id, matches, err);
}

// Of what was gathered the postings say it; `*position` is left where they do
// not.
static void find_gathered_position(const struct matching *matching,
                                   const struct group *group,
                                   uint64_t *position)
{
    const struct gathering *gathering = group->gathering;
    size_t member = 0;

    for (size_t i = 0; i < gathering->num; i++) {
        const struct gathered *item = &gathering->items[i];

        while (group->members[member].id < item->id) {
            if (++member == group->num_members) return;
        }
        if (group->members[member].id == item->id &&
            is_asked_via(matching, item->range, item->via)) {
            *position = item->id;
            return;
        }
    }
}

// Members have the same names but for what is not authenticated or was
// salvaged, so the first that is asked mostly says yes.
bool matching_position(const struct matching *matching,
                       const struct walk_item *item, const struct group *group,
                       uint64_t *position, struct err *err)
{
    if (group->gathering != NULL) {
        *position = item->id;
        find_gathered_position(matching, group, position);
        return true;
    }
    for (size_t i = 0; group->members[i].id < item->id; i++) {
        bool matches;

        if (!match_member(matching, group->members[i].id, &matches, err)) {
            return false;
        }
        *position = group->members[i].id;
        if (matches) return true;
    }
    *position = item->id;
    return true;
}

// Tells whether all entries have the very same names: those of their
// TBSCertificate.
static bool is_uniform(const struct group *group)
{
    for (size_t i = 0; i < group->num_members; i++) {
        const struct entry_facts *facts = &group->members[i].facts;

        if (!facts->has_tbs || (facts->flags & (FLAG_SALVAGED | FLAG_UNPARSED |
                                                FLAG_PRECERT_MISMATCH)) != 0) {
            return false;
        }
    }
    return true;
}

bool matching_is_first(const struct matching *matching,
                       const struct walk_item *item, const struct group *group,
                       bool *first, struct err *err)
{
    struct buffer lowest = {0};
    bool ok = true, matches;

    *first = true;
    if (is_uniform(group)) {
        // Each has a posting under this key, so the first of them has one.
        if (item->id != group->members[0].id) *first = false;
        if (*first) {
            ok = match_entry(matching, item->id, &matches, &lowest, err);
            *first = !ok || !matches ||
                     bytes_compare(buffer_bytes(&lowest), item->key) >= 0;
        }
        buffer_cleanup(&lowest);
        return ok;
    }
    for (size_t i = 0; i < group->num_members && *first && ok; i++) {
        uint64_t id = group->members[i].id;
        int order;

        ok = match_entry(matching, id, &matches, &lowest, err);
        if (!ok || !matches) continue;
        order = bytes_compare(buffer_bytes(&lowest), item->key);
        if (order < 0 || (order == 0 && id < item->id)) *first = false;
    }
    buffer_cleanup(&lowest);
    return ok;
}
