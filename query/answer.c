// answer.c - see answer.h.
//
// In the order found (one name; whole answers; counts) the work goes in
// passes.  A pass walks all postings behind the last issuance given and picks
// the next few by position, the lowest id by which the question finds an
// issuance:
//
//   walk: posting -> facts -> issuance -> filters -> pick   until the end, or
//                                      by id until enough are picked
//   show: picks, sorted                then the next pass, if there was more
//
// In key order (pages of a range) one walk suffices: an issuance is shown at
// the first of its postings, which its own names tell.

#include "query/answer_parts.h"

#include "query/page.h"
#include "query/show.h"

enum { STEP_POSTINGS = 256 }; // looked at in one call of answer_next

bool answer_no_memory(struct err *err)
{
    return err_set(err, ERR_MEMORY, "an answer: no memory left for it");
}

// ------------------------------------------------------------- a pass

// How many a pass looks for: one more than the page, to know whether something
// follows it.
void answer_begin_pass(struct answer *answer)
{
    uint64_t most = answer->most;
    uint64_t left = answer->limit - answer->given;

    if (answer->limit != 0 && left < most) most = left + 1;
    picks_begin(&answer->picks, (size_t)most);
    answer->next_pick = 0;
    known_reset(&answer->known);
    shelf_reset(&answer->shelf);
    answer->shown = 0;
    walk_restart(&answer->walk, answer->has_after && answer->walk.by_id,
                 answer->after);
    answer->phase = PHASE_WALK;
}

static struct matching matching_of(struct answer *answer)
{
    return (struct matching){answer->question, &answer->shelf, &answer->arena};
}

// The issuance of an entry.
static bool find_group(struct answer *answer, uint64_t id,
                       const struct entry_facts *facts,
                       const struct gathered *item, struct group *group,
                       struct err *err)
{
    bool found = false;

    arena_reset(&answer->scratch);
    if (item != NULL &&
        !gather_group(group, &answer->gathering, item, &answer->shelf,
                      &answer->scratch, &found, err)) {
        return false;
    }
    return found || group_find(group, &answer->shelf, id, facts, answer->end_id,
                               &answer->scratch, err);
}

// Looks at one posting; `gathered` is the same one, or NULL.
static bool consider(struct answer *answer, struct snapshot *snapshot,
                     const struct walk_item *item,
                     const struct gathered *gathered, struct err *err)
{
    struct matching matching = matching_of(answer);
    struct entry_facts facts;
    struct group group;
    struct pick pick;
    bool matches, passes;

    if (answer->has_after && item->id <= answer->after) return true;
    if (!matching_item(&matching, item, &matches, err)) return false;
    if (!matches || known_holds(&answer->known, item->id)) return true;
    if (gathered != NULL) {
        facts = gathered->facts;
    } else if (!snapshot_facts(snapshot, item->id, &facts, err)) {
        if (err->code == ERR_COLD) snapshot_expect(snapshot, item->id);
        return false;
    }
    if (known_is_done(&answer->known, facts.group_mark)) return true;
    if (!find_group(answer, item->id, &facts, gathered, &group, err) ||
        !matching_position(&matching, item, &group, &pick.position, err)) {
        return false;
    }
    // Of those at or before `after` all is known, and by id of those that an
    // earlier posting led to.
    if ((answer->has_after && pick.position <= answer->after) ||
        (answer->walk.by_id && pick.position < item->id)) {
        known_set_done(&answer->known, &group);
        return true;
    }
    if (!sieve_passes(&answer->sieve, &group, &answer->shelf, &passes, err)) {
        return false;
    }
    known_set_done(&answer->known, &group);
    if (!passes) return true;
    pick.id = group.id;
    pick.not_before = facts.not_before;
    pick.hash = group.members[0].facts.group;
    if (!answer->counting && !known_keep(&answer->known, &group, err)) {
        return false;
    }
    return picks_add(&answer->picks, &pick, err);
}

// By id the picks come in order: the walk can stop when there are enough.
static bool has_enough(struct answer *answer)
{
    if (!answer->walk.by_id || answer->picks.num <= answer->picks.max) {
        return false;
    }
    picks_settle(&answer->picks);
    return answer->picks.overflow;
}

static bool end_pass(struct answer *answer, struct err *err)
{
    bool whole = answer->limit == 0 && !answer->question->filters->has_after;

    walk_park(&answer->walk);
    picks_settle(&answer->picks);
    if (!answer->counting && whole) {
        if (answer->picks.overflow) answer->order_found = true;
        if (!answer->order_found &&
            answer->question->filters->order != ORDER_FOUND &&
            answer->question->filters->order != ORDER_KEY &&
            !picks_sort_by_date(&answer->picks, answer->gathering.whole,
                                &answer->shelf, &answer->arena, err)) {
            return false;
        }
    }
    answer->phase = PHASE_SHOW;
    return true;
}

static bool try_gather(struct answer *answer, struct snapshot *snapshot,
                       struct err *err)
{
    struct gathering *gathering = &answer->gathering;

    if (answer->has_tried || !gather_may(answer->question)) return true;
    walk_restart(&answer->walk, false, 0);
    arena_reset(&answer->gathering_arena);
    if (!gather(gathering,
                answer->limit == 0 ? GATHER_WHOLE_MAX : GATHER_PAGE_MAX,
                !answer->counting, &answer->walk, snapshot,
                &answer->gathering_arena, err)) {
        gathering->whole = false;
        return false;
    }
    answer->has_tried = true;
    answer->in_gathering = gathering->whole;
    if (!gathering->whole) {
        walk_restart(&answer->walk, answer->has_after && answer->walk.by_id,
                     answer->after);
    }
    return true;
}

// Looks at all postings of a short answer; `*done` is false when it is none.
static bool consider_gathered(struct answer *answer, struct snapshot *snapshot,
                              bool *done, struct err *err)
{
    struct gathering *gathering = &answer->gathering;

    *done = false;
    if (!try_gather(answer, snapshot, err)) return false;
    if (!answer->in_gathering) return true;
    *done = true;
    for (; answer->next_gathered < gathering->num && !has_enough(answer);
         answer->next_gathered++) {
        const struct gathered *from = &gathering->items[answer->next_gathered];
        struct walk_item item = {.key = from->range->first,
                                 .id = from->id,
                                 .via = from->via,
                                 .range = from->range};

        if (!consider(answer, snapshot, &item, from, err)) return false;
    }
    if (!end_pass(answer, err)) return false;
    answer->in_gathering = false;
    return true;
}

// What could not be looked at because a block is cold is looked at first when
// the answer goes on.
static bool look_again(struct answer *answer, const struct err *err)
{
    if (err->code == ERR_COLD) walk_again(&answer->walk);
    return false;
}

static bool walk_found(struct answer *answer, struct snapshot *snapshot,
                       struct err *err)
{
    bool done;

    if (!consider_gathered(answer, snapshot, &done, err)) return false;
    for (size_t i = 0; i < STEP_POSTINGS && !done; i++) {
        struct walk_item item;
        bool found;

        if (!walk_next(&answer->walk, snapshot, &item, &found, err)) {
            return false;
        }
        if (found && !consider(answer, snapshot, &item, NULL, err)) {
            return look_again(answer, err);
        }
        if (!found || has_enough(answer)) return end_pass(answer, err);
    }
    return true;
}

// ------------------------------------------------------------- showing

static bool show_group(struct answer *answer, const struct group *group,
                       struct err *err)
{
    arena_reset(&answer->arena);
    if (!show_issuance(&answer->issuance, answer->question, group,
                       &answer->shelf, answer->end_id, &answer->arena, err)) {
        return false;
    }
    answer->given++;
    return true;
}

static void end_answer(struct answer *answer, bool cut)
{
    struct page page = {.id = answer->after, .end_id = answer->end_id};

    answer->phase = PHASE_END;
    answer->cut = cut;
    walk_park(&answer->walk);
    if (!cut) return;
    if (answer->keyed) page.key = buffer_bytes(&answer->key);
    page_append(&answer->cursor, &page, answer->question);
}

static bool show_picked(struct answer *answer, struct snapshot *snapshot,
                        const struct pick *pick, struct err *err)
{
    const struct group *kept = known_find(&answer->known, pick->id);
    struct entry_facts facts;
    struct group group;

    if (kept != NULL) return show_group(answer, kept, err);
    // What was read before a block was found cold is still there.
    if (answer->shown != pick->id) shelf_reset(&answer->shelf);
    answer->shown = pick->id;
    return snapshot_facts(snapshot, pick->id, &facts, err) &&
           find_group(answer, pick->id, &facts,
                      answer->gathering.whole
                          ? gather_find(&answer->gathering, pick->id)
                          : NULL,
                      &group, err) &&
           show_group(answer, &group, err);
}

static bool show_pick(struct answer *answer, struct snapshot *snapshot,
                      enum answer_step *step, struct err *err)
{
    const struct pick *pick;

    if (answer->counting && answer->picks.num > 0) {
        answer->given += answer->picks.num;
        answer->next_pick = answer->picks.num;
        answer->has_after = true;
        answer->after = answer->picks.items[answer->picks.num - 1].position;
    }
    if (answer->next_pick == answer->picks.num) {
        if (answer->picks.overflow) {
            answer_begin_pass(answer);
        } else {
            end_answer(answer, false);
        }
        return true;
    }
    if (answer->limit != 0 && answer->given == answer->limit) {
        end_answer(answer, true);
        return true;
    }
    pick = &answer->picks.items[answer->next_pick];
    if (!show_picked(answer, snapshot, pick, err)) return false;
    answer->next_pick++;
    answer->has_after = true;
    answer->after = pick->position;
    *step = ANSWER_ISSUANCE;
    return true;
}

// Looks at one posting of a walk by key.
static bool consider_key(struct answer *answer, struct snapshot *snapshot,
                         const struct walk_item *item, struct group *group,
                         bool *shown, struct err *err)
{
    struct matching matching = matching_of(answer);
    struct entry_facts facts;
    bool matches, first, passes;

    *shown = false;
    shelf_reset(&answer->shelf);
    if (!matching_item(&matching, item, &matches, err)) return false;
    if (!matches) return true;
    if (!snapshot_facts(snapshot, item->id, &facts, err)) return false;
    if (known_is_done(&answer->known, facts.group_mark)) return true;
    arena_reset(&answer->scratch);
    if (!group_find(group, &answer->shelf, item->id, &facts, answer->end_id,
                    &answer->scratch, err) ||
        !matching_is_first(&matching, item, group, &first, err)) {
        return false;
    }
    passes = first;
    if (first &&
        !sieve_passes(&answer->sieve, group, &answer->shelf, &passes, err)) {
        return false;
    }
    *shown = passes;
    // What is shown may have to be looked at again until it is.
    if (!passes) known_set_done(&answer->known, group);
    return true;
}

static bool walk_keyed(struct answer *answer, struct snapshot *snapshot,
                       enum answer_step *step, struct err *err)
{
    for (size_t i = 0; i < STEP_POSTINGS; i++) {
        struct walk_item item;
        struct group group;
        bool found, shown;

        if (!walk_next(&answer->walk, snapshot, &item, &found, err)) {
            return false;
        }
        if (!found) {
            end_answer(answer, false);
            return true;
        }
        if (!consider_key(answer, snapshot, &item, &group, &shown, err)) {
            return look_again(answer, err);
        }
        if (!shown) continue;
        if (answer->limit != 0 && answer->given == answer->limit) {
            end_answer(answer, true);
            return true;
        }
        if (!show_group(answer, &group, err)) return look_again(answer, err);
        known_set_done(&answer->known, &group);
        buffer_reset(&answer->key);
        buffer_append(&answer->key, item.key);
        if (!buffer_ok(&answer->key)) return answer_no_memory(err);
        answer->after = item.id;
        *step = ANSWER_ISSUANCE;
        return true;
    }
    return true;
}

// ------------------------------------------------------------- the face

bool answer_next(struct answer *answer, struct snapshot *snapshot,
                 enum answer_step *step, const struct issuance **issuance,
                 struct err *err)
{
    bool ok = true;

    *step = ANSWER_WORKING;
    *issuance = &answer->issuance;
    answer->shelf.snapshot = snapshot;
    switch (answer->phase) {
    case PHASE_WALK:
        ok = answer->keyed ? walk_keyed(answer, snapshot, step, err)
                           : walk_found(answer, snapshot, err);
        break;
    case PHASE_SHOW:
        ok = show_pick(answer, snapshot, step, err);
        break;
    case PHASE_END:
        break;
    }
    // A cursor may have stepped over what was not there to be compared.
    if (!ok && err->code == ERR_COLD) walk_park(&answer->walk);
    if (answer->phase == PHASE_END) *step = ANSWER_END;
    if (answer->cursor.failed) return answer_no_memory(err);
    return ok;
}

void answer_park(struct answer *answer)
{
    walk_park(&answer->walk);
}

const struct question *answer_question(const struct answer *answer)
{
    return answer->question;
}

bool answer_has_count(const struct answer *answer)
{
    return answer->counting ||
           (!answer->cut && !answer->question->filters->has_after);
}

uint64_t answer_count(const struct answer *answer)
{
    return answer->given;
}

struct bytes answer_cursor(const struct answer *answer)
{
    return buffer_bytes(&answer->cursor);
}

bool answer_order_found(const struct answer *answer)
{
    return answer->order_found;
}

size_t answer_page_len(const struct answer *answer)
{
    size_t len = answer->picks.num;

    if (answer->limit != 0 && len > answer->limit) len = (size_t)answer->limit;
    return len;
}

uint64_t answer_page_id(const struct answer *answer, size_t position)
{
    return answer->picks.items[position].id;
}

uint64_t answer_position(const struct answer *answer)
{
    return answer->after;
}

bool coverage_is_whole(const struct snapshot *snapshot, uint64_t now_ms)
{
    size_t num_logs = snapshot_num_logs(snapshot);

    for (size_t i = 0; i < num_logs; i++) {
        if (log_status(snapshot_log(snapshot, i), now_ms) != STATUS_COMPLETE) {
            return false;
        }
    }
    return num_logs > 0;
}

bool sighting_der(const struct sighting *sighting, struct bytes *der)
{
    const struct entry *entry = sighting->entry;

    if (!sighting->has_bytes) return false;
    *der = sighting->facts.type == LEAF_PRECERT ? entry->bytes.precert
                                                : entry->leaf.certificate;
    return der->len > 0;
}
