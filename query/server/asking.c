// asking.c - see asking.h.

#include "query/server/asking.h"

#include <stdlib.h>

#include "index/store/lmdb.h"
#include "query/server/clock.h"
#include "query/shape/native.h"

struct asking {
    enum asking_kind kind;
    struct asking_source *source;
    struct arena arena; // of the filters
    struct arena line_arena;
    struct filters filters;
    struct question question;
    struct answer *answer; // NULL between the questions of a stream
    struct native native;
};

void asking_free(struct asking *spare)
{
    if (spare == NULL) return;
    arena_cleanup(&spare->line_arena);
    arena_cleanup(&spare->arena);
    free(spare);
}

static void drop(struct reply *reply)
{
    struct asking *a = reply->state;

    answer_close(a->answer);
    native_cleanup(&a->native);
    asking_free(a->source->spare);
    a->source->spare = a;
    reply->state = NULL;
    reply->drop = NULL;
}

// The one before is as good as a new one, and has its memory.
static struct asking *make(enum asking_kind kind, struct asking_source *source)
{
    struct asking *a = source->spare;

    source->spare = NULL;
    if (a == NULL) a = calloc(1, sizeof *a);
    if (a == NULL) return NULL;
    arena_reset(&a->arena);
    arena_reset(&a->line_arena);
    *a = (struct asking){.kind = kind,
                         .source = source,
                         .arena = a->arena,
                         .line_arena = a->line_arena,
                         .native.stream = kind == ASKING_LINES};
    return a;
}

// What one piece is made from.
struct piece {
    struct asking *asking;
    struct snapshot *snapshot;
    struct reply *reply;
};

static bool more_of_count(void *context, struct err *err)
{
    const struct piece *piece = context;
    struct asking *a = piece->asking;
    struct reply *reply = piece->reply;
    enum answer_step step = ANSWER_WORKING;
    const struct issuance *issuance;

    for (int i = 0; i < REPLY_STEPS && step != ANSWER_END; i++) {
        if (!answer_next(a->answer, piece->snapshot, &step, &issuance, err)) {
            return false;
        }
    }
    if (step == ANSWER_END) {
        native_append_count(&reply->body, a->question.text,
                            answer_count(a->answer));
        buffer_append_byte(&reply->body, '\n');
        reply->whole = true;
    }
    return true;
}

static bool more_of_answer(void *context, struct err *err)
{
    const struct piece *piece = context;
    struct asking *a = piece->asking;
    struct reply *reply = piece->reply;
    bool done = false;

    for (int i = 0; i < REPLY_STEPS && !done && reply->body.len < REPLY_PIECE;
         i++) {
        if (!native_next(&a->native, a->answer, piece->snapshot,
                         clock_wall_ms(), &reply->body, &done, err)) {
            return false;
        }
    }
    if (done) {
        buffer_append_byte(&reply->body, '\n');
        reply->whole = true;
    }
    return true;
}

// A line of a stream whose answer broke: the line is an error, the rest goes
// on.
static void end_line(struct asking *a, struct reply *reply, struct bytes line,
                     const struct err *err)
{
    answer_close(a->answer);
    a->answer = NULL;
    native_append_line_error(&reply->body, line, err);
    buffer_append_byte(&reply->body, '\n');
    reply->whole = true;
}

static bool more(struct reply *reply, struct err *err)
{
    struct asking *a = reply->state;
    size_t start = reply->body.len;
    bool is_fresh = !a->native.begun;
    struct snapshot *snapshot;
    bool ok;

    if (!a->source->snapshot(a->source->context, &snapshot, err)) return false;
    ok = lmdb_try(a->kind == ASKING_COUNT ? more_of_count : more_of_answer,
                  &(struct piece){a, snapshot, reply}, err);
    if (ok ? !reply->whole : err->code == ERR_COLD) {
        answer_park(a->answer);
    } else {
        answer_close(a->answer);
        a->answer = NULL;
    }
    if (!ok && err->code != ERR_COLD && a->kind == ASKING_LINES && is_fresh) {
        reply->body.len = start;
        end_line(a, reply, a->question.text, err);
        ok = true;
    }
    return ok;
}

static bool ask(struct asking *a, struct bytes what, const char *label,
                struct arena *arena, struct err *err)
{
    struct snapshot *snapshot;

    if (!question_parse(&a->question, &a->filters, what, label, arena, err) ||
        !a->source->snapshot(a->source->context, &snapshot, err)) {
        return false;
    }
    native_begin(&a->native);
    return a->kind == ASKING_COUNT
               ? answer_open_count(&a->answer, &a->question, snapshot,
                                   clock_wall_ms(), err)
               : answer_open(&a->answer, &a->question, snapshot,
                             clock_wall_ms(), err);
}

bool asking_begin(struct reply *reply, enum asking_kind kind,
                  struct bytes query_string, struct asking_source *source,
                  struct err *err)
{
    struct asking *a = make(kind, source);
    struct bytes text, what = {0};

    if (a == NULL) return err_set(err, ERR_MEMORY, "no memory for a question");
    reply->state = a;
    reply->drop = drop;
    reply->more = more;
    // The request's head goes before the answer does.
    if (!arena_copy(&a->arena, query_string, &text)) {
        return err_set(err, ERR_MEMORY, "no memory for a question");
    }
    if (!filters_from_query(&a->filters, &what, text, &a->arena, err)) {
        return false;
    }
    if (kind == ASKING_LINES) {
        if (what.data == NULL) return true;
        return err_set(err, ERR_USAGE, "q: the questions are in the body");
    }
    if (what.data == NULL) {
        return err_set(err, ERR_USAGE, "q: no question is asked");
    }
    return ask(a, what, "q", &a->arena, err);
}

void asking_line(struct reply *reply, struct bytes line)
{
    struct asking *a = reply->state;
    struct err err = {0};
    struct bytes text = line;

    arena_reset(&a->line_arena);
    reply->whole = false;
    if (line.len > QUESTION_LEN_MAX) {
        (void)err_set(&err, ERR_USAGE, "WHAT: over %d bytes", QUESTION_LEN_MAX);
    } else if (!arena_copy(&a->line_arena, line, &text)) {
        (void)err_set(&err, ERR_MEMORY, "no memory for a question");
    } else if (ask(a, text, "WHAT", &a->line_arena, &err)) {
        return;
    }
    end_line(a, reply, text, &err);
}
