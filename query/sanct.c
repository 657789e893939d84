// sanct.c - see sanct.h.
//
//   index:  answer -> native JSON --+
//                                   +-> scan -> issuances, one by one
//   server: requests -> HTTP body --+

#include "query/sanct.h"

#include <assert.h>
#include <stdlib.h>
#include <time.h>

#include "index/base/json.h"
#include "index/index.h"
#include "index/place.h"
#include "query/client.h"
#include "query/options.h"
#include "query/requests.h"
#include "query/scan.h"
#include "query/server/listen.h"
#include "query/shape/native.h"

static_assert((int)SANCT_ASKED_MAX == (int)REQUESTS_MAX, "said in sanct.h");

enum { MEMBER_LEN_MAX = 64 };

struct sanct {
    struct index *index; // NULL: a server is asked
    char *path;          // of its socket
    struct requests requests;
    struct client counting; // beside the answers under way
    struct err err;
};

struct sanct_issuance {
    struct buffer text; // ends in a zero byte
    struct json *json;  // read when first asked for
};

struct sanct_answer {
    struct sanct *source;
    // Of an index.
    struct arena arena;
    struct filters filters;
    struct question question;
    struct snapshot *snapshot;
    struct answer *answer;
    struct native native;
    struct buffer piece;
    // Of a server.
    uint64_t generation; // of the connection that it was asked on
    uint64_t number;     // its turn there
    // Of both.
    struct scan scan;
    struct buffer waiting; // issuances, each with a zero byte behind it
    size_t waiting_from;   // what came before was given
    struct sanct_issuance issuance;
    bool has_end; // nothing more comes
    bool whole;
    struct buffer cursor; // ends in a zero byte; empty: none
};

// ------------------------------------------------------------- sources

const char *sanct_version(void)
{
    return SANCT_VERSION;
}

static enum sanct_status status_of(enum err_code code)
{
    switch (code) {
    case ERR_NONE:
        return SANCT_OK;
    case ERR_NOT_FOUND:
        return SANCT_NOT_FOUND;
    case ERR_USAGE:
    case ERR_UNSUPPORTED:
    case ERR_MALFORMED:
    case ERR_CONFIG:
        return SANCT_USAGE;
    case ERR_NETWORK:
    case ERR_INTERRUPTED:
        return SANCT_NETWORK;
    case ERR_MEMORY:
        return SANCT_MEMORY;
    case ERR_INDEX:
    case ERR_VERIFY:
    case ERR_COLD:
        break;
    }
    return SANCT_INDEX;
}

enum sanct_status sanct_status(const struct sanct *source)
{
    return source == NULL ? SANCT_MEMORY : status_of(source->err.code);
}

const char *sanct_error(const struct sanct *source)
{
    return source == NULL ? "no memory" : source->err.text;
}

static void clear(struct sanct *source)
{
    source->err = (struct err){0};
}

static bool no_memory(struct err *err)
{
    return err_set(err, ERR_MEMORY, "no memory left");
}

enum sanct_status sanct_open(struct sanct **source, const char *dir)
{
    *source = calloc(1, sizeof **source);
    if (*source == NULL) return SANCT_MEMORY;
    (void)!index_open(&(*source)->index, place_of_index(dir), INDEX_READ,
                      &(*source)->err);
    return sanct_status(*source);
}

enum sanct_status sanct_connect(struct sanct **source, const char *path)
{
    struct sanct *made = calloc(1, sizeof *made);

    *source = made;
    if (made == NULL) return SANCT_MEMORY;
    made->path = strdup(path == NULL ? listen_default_path() : path);
    if (made->path == NULL) {
        (void)no_memory(&made->err);
        return SANCT_MEMORY;
    }
    requests_open(&made->requests, made->path);
    client_open(&made->counting, made->path);
    // Now: who is not there is said at once.
    (void)!client_connect(&made->requests.client, &made->err);
    return sanct_status(made);
}

void sanct_close(struct sanct *source)
{
    if (source == NULL) return;
    if (source->path != NULL) {
        requests_close(&source->requests);
        client_close(&source->counting);
    }
    index_close(source->index);
    free(source->path);
    free(source);
}

// ------------------------------------------------------------- parts

static uint64_t now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static bool pass_bytes(void *context, struct bytes bytes, struct err *err)
{
    (void)context;
    (void)bytes;
    (void)err;
    return true;
}

static bool take_issuance(void *context, struct bytes json, struct err *err)
{
    struct sanct_answer *answer = context;

    buffer_append(&answer->waiting, json);
    buffer_append_byte(&answer->waiting, '\0');
    return buffer_ok(&answer->waiting) || no_memory(err);
}

static bool take_end(void *context, struct bytes text, uint64_t num_issuances,
                     struct err *err)
{
    struct sanct_answer *answer = context;
    struct bytes coverage = {0}, cursor = {0};
    struct json *json;

    (void)num_issuances;
    if (!json_parse(&json, text, err)) return err_wrap(err, "the answer");
    (void)!json_text(json_member(json, "coverage"), &coverage);
    answer->whole = bytes_equal_text(coverage, "whole");
    if (json_text(json_member(json, "cursor"), &cursor)) {
        buffer_append(&answer->cursor, cursor);
        buffer_append_byte(&answer->cursor, '\0');
    }
    json_free(json);
    return buffer_ok(&answer->cursor) || no_memory(err);
}

// Appends "q=WHAT&filters", which both kinds of source take.
static bool append_question(struct buffer *out, const char *what,
                            const char *filters, struct err *err)
{
    buffer_append_text(out, "q=");
    options_append_encoded(out, bytes_from_text(what));
    if (filters != NULL && filters[0] != '\0') {
        for (const char *p = filters; *p != '\0'; p++) {
            if ((unsigned char)*p <= ' ' || *p == '#' ||
                (unsigned char)*p > 0x7e) {
                return err_set(err, ERR_USAGE,
                               "filters: byte %zu is to be percent-encoded",
                               (size_t)(p - filters));
            }
        }
        buffer_append_byte(out, '&');
        buffer_append_text(out, filters);
    }
    return buffer_ok(out) || no_memory(err);
}

// ------------------------------------------------------------- asking

static bool read_question(struct sanct_answer *answer, const char *what,
                          const char *filters, struct err *err)
{
    struct buffer text = {0};
    struct bytes query, asked = {0};
    bool ok = append_question(&text, what, filters, err);

    if (ok && !arena_copy(&answer->arena, buffer_bytes(&text), &query)) {
        ok = no_memory(err);
    }
    buffer_cleanup(&text);
    return ok &&
           filters_from_query(&answer->filters, &asked, query, &answer->arena,
                              err) &&
           question_parse(&answer->question, &answer->filters, asked, "q",
                          &answer->arena, err);
}

static bool ask_index(struct sanct_answer *answer, const char *what,
                      const char *filters, bool counts, struct err *err)
{
    struct sanct *source = answer->source;

    if (!read_question(answer, what, filters, err) ||
        !snapshot_open(&answer->snapshot, source->index, err)) {
        return false;
    }
    snapshot_trust(answer->snapshot);
    native_begin(&answer->native);
    return counts ? answer_open_count(&answer->answer, &answer->question,
                                      answer->snapshot, now_ms(), err)
                  : answer_open(&answer->answer, &answer->question,
                                answer->snapshot, now_ms(), err);
}

static bool ask_server(struct sanct_answer *answer, const char *what,
                       const char *filters, struct err *err)
{
    struct sanct *source = answer->source;
    struct buffer target = {0};
    bool ok;

    buffer_append_text(&target, "/v1/certs?");
    ok = append_question(&target, what, filters, err) &&
         requests_send(&source->requests, buffer_bytes(&target), err);
    buffer_cleanup(&target);
    if (!ok) return false;
    answer->generation = source->requests.generation;
    answer->number = source->requests.num_sent - 1;
    return true;
}

static bool is_usable(struct sanct *source)
{
    return source->index != NULL || source->path != NULL ||
           err_set(&source->err, ERR_USAGE, "the source is not open");
}

enum sanct_status sanct_ask(struct sanct *source, const char *what,
                            const char *filters, struct sanct_answer **out)
{
    struct sanct_answer *answer;
    bool ok;

    *out = NULL;
    clear(source);
    if (!is_usable(source)) return SANCT_USAGE;
    answer = calloc(1, sizeof *answer);
    if (answer == NULL) {
        (void)no_memory(&source->err);
        return SANCT_MEMORY;
    }
    *answer = (struct sanct_answer){.source = source,
                                    .scan = {.on_bytes = pass_bytes,
                                             .on_issuance = take_issuance,
                                             .on_end = take_end,
                                             .context = answer}};
    ok = source->index != NULL
             ? ask_index(answer, what, filters, false, &source->err)
             : ask_server(answer, what, filters, &source->err);
    if (ok) {
        *out = answer;
    } else {
        answer->has_end = true;
        sanct_answer_close(answer);
    }
    return sanct_status(source);
}

// ------------------------------------------------------------- reading

static bool read_from_index(struct sanct_answer *answer, struct err *err)
{
    buffer_reset(&answer->piece);
    return native_next(&answer->native, answer->answer, answer->snapshot,
                       now_ms(), &answer->piece, &answer->has_end, err) &&
           scan_feed(&answer->scan, buffer_bytes(&answer->piece), err);
}

// What it waits for comes on the connection that there is.
static bool is_connected(const struct sanct_answer *answer)
{
    return answer->generation == answer->source->requests.generation;
}

static bool read_from_server(struct sanct_answer *answer, struct err *err)
{
    struct sanct *source = answer->source;
    struct requests *requests = &source->requests;
    struct bytes part;

    if (!is_connected(answer)) {
        answer->has_end = true;
        return err_set(err, ERR_NETWORK, "%s: the connection was lost",
                       source->path);
    }
    if (answer->number != requests->num_ended) {
        return err_set(err, ERR_USAGE,
                       "answers are read in the order of their questions");
    }
    if (!requests_read(requests, &part, &answer->has_end, err)) {
        answer->has_end = true;
        return false;
    }
    if (!scan_feed(&answer->scan, part, err)) {
        requests_lose(requests);
        answer->has_end = true;
        return false;
    }
    return !answer->has_end || scan_is_between(&answer->scan) ||
           err_set(err, ERR_NETWORK, "the answer: it is cut short");
}

static void drop_issuance(struct sanct_issuance *issuance)
{
    json_free(issuance->json);
    issuance->json = NULL;
    buffer_reset(&issuance->text);
}

static bool take_waiting(struct sanct_answer *answer, struct err *err)
{
    struct buffer *waiting = &answer->waiting, *text = &answer->issuance.text;
    const char *from = (const char *)waiting->data + answer->waiting_from;
    size_t len = strlen(from) + 1;

    buffer_append(text, bytes_of(from, len));
    answer->waiting_from += len;
    if (answer->waiting_from == waiting->len) {
        buffer_reset(waiting);
        answer->waiting_from = 0;
    }
    return buffer_ok(text) || no_memory(err);
}

enum sanct_status sanct_next(struct sanct_answer *answer,
                             const struct sanct_issuance **issuance)
{
    struct sanct *source = answer->source;
    bool ok = true;

    *issuance = NULL;
    clear(source);
    drop_issuance(&answer->issuance);
    while (ok && answer->waiting.len == 0 && !answer->has_end) {
        ok = source->index != NULL ? read_from_index(answer, &source->err)
                                   : read_from_server(answer, &source->err);
    }
    if (ok && answer->waiting.len > 0 && take_waiting(answer, &source->err)) {
        *issuance = &answer->issuance;
    }
    return sanct_status(source);
}

// What is left of an answer that nobody wants stands before those of others;
// without others, or out of its turn, the connection goes with it.
static void pass_over(struct sanct_answer *answer)
{
    struct requests *requests = &answer->source->requests;
    struct err ignored = {0};
    struct bytes part;

    while (!answer->has_end && is_connected(answer) &&
           answer->number == requests->num_ended &&
           requests->num_sent > requests->num_ended + 1) {
        if (!requests_read(requests, &part, &answer->has_end, &ignored)) {
            answer->has_end = true;
        }
    }
    if (!answer->has_end && is_connected(answer)) requests_lose(requests);
}

void sanct_answer_close(struct sanct_answer *answer)
{
    if (answer == NULL) return;
    if (answer->source->index == NULL && !answer->has_end) pass_over(answer);
    drop_issuance(&answer->issuance);
    buffer_cleanup(&answer->issuance.text);
    answer_close(answer->answer);
    native_cleanup(&answer->native);
    snapshot_close(answer->snapshot);
    scan_cleanup(&answer->scan);
    buffer_cleanup(&answer->piece);
    buffer_cleanup(&answer->waiting);
    buffer_cleanup(&answer->cursor);
    arena_cleanup(&answer->arena);
    free(answer);
}

int sanct_is_whole(const struct sanct_answer *answer)
{
    return answer->whole;
}

const char *sanct_cursor(const struct sanct_answer *answer)
{
    return answer->cursor.len == 0 ? NULL : (const char *)answer->cursor.data;
}

// ------------------------------------------------------------- counting

static bool count_in_index(struct sanct *source, const char *what,
                           const char *filters, uint64_t *count)
{
    struct sanct_answer *answer = calloc(1, sizeof *answer);
    enum answer_step step = ANSWER_WORKING;
    const struct issuance *issuance;
    struct err *err = &source->err;
    bool ok;

    if (answer == NULL) return no_memory(err);
    answer->source = source;
    ok = ask_index(answer, what, filters, true, err);
    while (ok && step != ANSWER_END) {
        ok = answer_next(answer->answer, answer->snapshot, &step, &issuance,
                         err);
    }
    if (ok) *count = answer_count(answer->answer);
    sanct_answer_close(answer);
    return ok;
}

static bool take_count(void *context, struct bytes part, struct err *err)
{
    struct buffer *body = context;

    buffer_append(body, part);
    return (buffer_ok(body) && body->len <= JSON_DOCUMENT_MAX) ||
           no_memory(err);
}

static bool count_at_server(struct sanct *source, const char *what,
                            const char *filters, uint64_t *count)
{
    struct buffer target = {0}, body = {0};
    struct err *err = &source->err;
    struct json *json = NULL;
    bool ok;

    buffer_append_text(&target, "/v1/count?");
    ok = append_question(&target, what, filters, err) &&
         client_get(&source->counting, buffer_bytes(&target), take_count, &body,
                    err) &&
         json_parse(&json, buffer_bytes(&body), err);
    if (ok && !json_uint(json_member(json, "count"), count)) {
        ok = err_set(err, ERR_NETWORK, "the server's count is none");
    }
    json_free(json);
    buffer_cleanup(&body);
    buffer_cleanup(&target);
    return ok;
}

enum sanct_status sanct_count(struct sanct *source, const char *what,
                              const char *filters, uint64_t *count)
{
    clear(source);
    if (is_usable(source)) {
        (void)(source->index != NULL
                   ? count_in_index(source, what, filters, count)
                   : count_at_server(source, what, filters, count));
    }
    return sanct_status(source);
}

// ------------------------------------------------------------- issuances

const char *sanct_json(const struct sanct_issuance *issuance, size_t *len)
{
    if (len != NULL) *len = issuance->text.len - 1;
    return (const char *)issuance->text.data;
}

// A member, by names with dots between them; NULL where there is none.
static const struct json *find_member(const struct sanct_issuance *issuance,
                                      const char *member)
{
    // Reading it once is no change that a caller could see.
    struct sanct_issuance *self = (struct sanct_issuance *)(uintptr_t)issuance;
    struct bytes text = bytes_of(issuance->text.data, issuance->text.len - 1);
    const struct json *value;
    char name[MEMBER_LEN_MAX];

    if (self->json == NULL && !json_parse(&self->json, text, NULL)) return NULL;
    value = self->json;
    while (value != NULL) {
        size_t len = strcspn(member, ".");

        if (len >= sizeof name || !json_is_object(value)) return NULL;
        memcpy(name, member, len);
        name[len] = '\0';
        value = json_member(value, name);
        if (member[len] == '\0') return value;
        member += len + 1;
    }
    return NULL;
}

static const char *text_of(const struct json *value)
{
    struct bytes text;

    if (value == NULL || !json_text(value, &text)) return NULL;
    return (const char *)text.data;
}

const char *sanct_text(const struct sanct_issuance *issuance,
                       const char *member)
{
    return text_of(find_member(issuance, member));
}

size_t sanct_num(const struct sanct_issuance *issuance, const char *member)
{
    const struct json *value = find_member(issuance, member);

    return json_is_array(value) ? json_size(value) : 0;
}

const char *sanct_text_at(const struct sanct_issuance *issuance,
                          const char *member, size_t index)
{
    const struct json *value = find_member(issuance, member);

    return json_is_array(value) ? text_of(json_at(value, index)) : NULL;
}
