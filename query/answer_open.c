// answer_open.c - how an answer begins and ends; see answer.h.

#include "query/answer_parts.h"

#include <stdlib.h>

#include "query/page.h"

enum { COUNT_PICKS_MAX = 200000 }; // in one pass of a count

// Pages of a range come in key order unless asked otherwise; one key has its
// postings in the order found anyway.
static bool is_keyed(const struct question *question)
{
    const struct filters *filters = question->filters;
    bool paged = filters->limit != 0 || filters->has_after;

    if (filters->order == ORDER_KEY) {
        return question_is_range(question) || question->num_ranges > 1;
    }
    return paged && filters->order == ORDER_DEFAULT &&
           question_is_range(question);
}

static bool begin_page(struct answer *answer, struct err *err)
{
    struct page page;

    if (!page_parse(&page, answer->question, answer->keyed, &answer->page_arena,
                    err)) {
        return false;
    }
    answer->has_after = true;
    answer->after = page.id;
    if (!answer->keyed) return true;
    if (page.end_id > answer->end_id) {
        return err_set(err, ERR_USAGE,
                       "%safter: this cursor came from another"
                       " index",
                       answer->question->filters->as_options ? "--" : "");
    }
    answer->end_id = page.end_id;
    answer->walk.end_id = page.end_id;
    walk_restart_key(&answer->walk, page.key, page.id);
    return true;
}

static bool begin(struct answer *answer, const struct question *question,
                  struct snapshot *snapshot, uint64_t now_ms, bool is_rest,
                  struct err *err)
{
    const struct filters *filters = question->filters;

    answer->end_id = snapshot_next_id(snapshot);
    if (!answer->counting) {
        answer->keyed = is_keyed(question);
        answer->limit = filters->limit;
    }
    if (!sieve_init(&answer->sieve, filters, snapshot, now_ms, err) ||
        !walk_init(&answer->walk, question,
                   !question_is_range(question) && !answer->keyed,
                   answer->end_id, err)) {
        return false;
    }
    if (filters->has_after && is_rest && !begin_page(answer, err)) {
        return false;
    }
    if (!answer->keyed) answer_begin_pass(answer);
    return true;
}

// ------------------------------------------------------------- idle ones

enum {
    IDLE_MAX = 4,
    KEEP_BYTES_MAX = 1024 * 1024, // of one that is idle
};

struct answers {
    struct snapshot_guest guest;
    size_t num_users; // the snapshot and the answers
    struct answer *idle;
    size_t num_idle;
};

static void free_answer(struct answer *answer)
{
    walk_cleanup(&answer->walk);
    sieve_cleanup(&answer->sieve);
    known_cleanup(&answer->known);
    shelf_cleanup(&answer->shelf);
    arena_cleanup(&answer->gathering_arena);
    picks_cleanup(&answer->picks);
    buffer_cleanup(&answer->cursor);
    buffer_cleanup(&answer->key);
    arena_cleanup(&answer->page_arena);
    arena_cleanup(&answer->arena);
    arena_cleanup(&answer->scratch);
    free(answer);
}

static void leave(struct answers *home)
{
    if (home == NULL || --home->num_users > 0) return;
    while (home->idle != NULL) {
        struct answer *answer = home->idle;

        home->idle = answer->next;
        free_answer(answer);
    }
    free(home);
}

static void on_snapshot_close(struct snapshot_guest *guest)
{
    leave((struct answers *)(void *)guest);
}

// Where answers of this snapshot go; NULL: no memory.
static struct answers *home_of(struct snapshot *snapshot)
{
    struct snapshot_guest **guest = snapshot_guest(snapshot);
    struct answers *home;

    if (*guest != NULL) return (struct answers *)(void *)*guest;
    home = calloc(1, sizeof *home);
    if (home == NULL) return NULL;
    *home = (struct answers){.guest = {on_snapshot_close}, .num_users = 1};
    *guest = &home->guest;
    return home;
}

// Gives an answer of which nothing but memory is set.
static struct answer *take_answer(struct snapshot *snapshot)
{
    struct answers *home = home_of(snapshot);
    struct answer *answer;

    if (home == NULL) return NULL;
    answer = home->idle;
    if (answer == NULL) {
        answer = calloc(1, sizeof *answer);
        if (answer == NULL) return NULL;
    } else {
        home->idle = answer->next;
        home->num_idle--;
        memset(answer, 0, offsetof(struct answer, walk));
    }
    home->num_users++;
    answer->home = home;
    return answer;
}

static size_t bytes_of_answer(const struct answer *answer)
{
    return answer->gathering_arena.total + answer->page_arena.total +
           answer->arena.total + answer->scratch.total +
           answer->shelf.arena.total + answer->known.arena.total +
           answer->sieve.scratch.total + answer->cursor.size +
           answer->key.size + answer->picks.room * sizeof(struct pick);
}

static void empty(struct answer *answer)
{
    walk_reset(&answer->walk);
    picks_begin(&answer->picks, 1);
    sieve_reset(&answer->sieve);
    known_reset(&answer->known);
    shelf_reset(&answer->shelf);
    answer->shelf.parts = 0;
    answer->shelf.snapshot = NULL;
    buffer_reset(&answer->cursor);
    buffer_reset(&answer->key);
    arena_reset(&answer->gathering_arena);
    arena_reset(&answer->page_arena);
    arena_reset(&answer->arena);
    arena_reset(&answer->scratch);
}

void answer_close(struct answer *answer)
{
    struct answers *home;

    if (answer == NULL) return;
    home = answer->home;
    empty(answer);
    if (home->num_idle == IDLE_MAX || home->num_users == 1 ||
        bytes_of_answer(answer) > KEEP_BYTES_MAX) {
        free_answer(answer);
    } else {
        answer->next = home->idle;
        home->idle = answer;
        home->num_idle++;
    }
    leave(home);
}

// ------------------------------------------------------------- open

static bool open_answer(struct answer **out, const struct question *question,
                        struct snapshot *snapshot, uint64_t now_ms,
                        bool counting, bool is_rest, struct err *err)
{
    struct answer *answer = take_answer(snapshot);

    if (answer == NULL) return answer_no_memory(err);
    answer->question = question;
    answer->counting = counting;
    answer->most = counting ? COUNT_PICKS_MAX : ANSWER_SORTED_MAX;
    if (!begin(answer, question, snapshot, now_ms, is_rest, err)) {
        answer_close(answer);
        return false;
    }
    *out = answer;
    return true;
}

bool answer_open(struct answer **out, const struct question *question,
                 struct snapshot *snapshot, uint64_t now_ms, struct err *err)
{
    return open_answer(out, question, snapshot, now_ms, false, true, err);
}

bool answer_open_count(struct answer **out, const struct question *question,
                       struct snapshot *snapshot, uint64_t now_ms,
                       struct err *err)
{
    return open_answer(out, question, snapshot, now_ms, true, false, err);
}

bool answer_open_count_rest(struct answer **out,
                            const struct question *question,
                            struct snapshot *snapshot, uint64_t now_ms,
                            struct err *err)
{
    return open_answer(out, question, snapshot, now_ms, true, true, err);
}

void answer_set_sorted_max(struct answer *answer, size_t most)
{
    answer->most = most;
    if (!answer->keyed) answer_begin_pass(answer);
}

void answer_want(struct answer *answer, unsigned parts)
{
    answer->shelf.parts |= parts;
}
