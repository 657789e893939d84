// endpoint_sslmate.c - /v1/issuances, as SSLMate answers (API.md section 3).
//
// A request may name several domains, each with what lies below it and with the
// wildcards that cover it: a question for each, whose answers come in the order
// found and are merged by id.  Which issuances belong to the page is known
// before the first is shown, so the head can say whether more follow.

#include <stdio.h>
#include <stdlib.h>

#include "index/base/text.h"
#include "query/server/link.h"
#include "query/server/route_parts.h"
#include "query/shape/sslmate.h"

enum {
    DOMAINS_MAX = 32,
    QUESTIONS_MAX = 2 * DOMAINS_MAX,
    PAGE_DEFAULT = 100,
    PAGE_MAX = 1000,
    SHOWN_MAX = 96,
    ID_SIZE = 24,
};

// One answer of those that are merged.
struct branch {
    struct question question;
    struct answer *answer;
    const struct issuance *issuance; // NULL before the first and after the last
    bool is_primed, has_ended;
    size_t counted; // of its ids, while the union is counted
};

struct search {
    struct route *route;
    struct arena arena;
    struct bytes query_string;
    struct bytes domains[DOMAINS_MAX];
    size_t num_domains;
    bool include_subdomains, match_wildcards, include_expired;
    uint64_t limit;
    struct bytes after;
    uint32_t expand;
    struct filters filters[2]; // the second: covering
    struct branch branches[QUESTIONS_MAX];
    size_t num_branches;
    bool is_primed; // all of them are, and the head is known
    uint64_t given;
};

static void drop(struct reply *reply)
{
    struct search *s = reply->state;

    for (size_t i = 0; i < s->num_branches; i++) {
        answer_close(s->branches[i].answer);
    }
    arena_cleanup(&s->arena);
    free(s);
    reply->state = NULL;
    reply->drop = NULL;
}

// ------------------------------------------------------------- parameters

static bool refuse(struct err *err, const char *name, struct bytes value,
                   const char *wanted)
{
    char shown[SHOWN_MAX];

    return err_set(err, ERR_USAGE, "%s: '%s' is no %s", name,
                   text_escape(shown, sizeof shown, value), wanted);
}

static bool read_flag(bool *flag, const char *name, struct bytes value,
                      struct err *err)
{
    *flag = bytes_equal_text(value, "true");
    return *flag || bytes_equal_text(value, "false") ||
           refuse(err, name, value, "true or false");
}

static bool read_domain(struct search *s, struct bytes value, struct err *err)
{
    uint8_t octets[16];
    size_t len;

    if (value.len == 0 || names_parse_ip(value, octets, &len) ||
        memchr(value.data, '/', value.len) != NULL ||
        memchr(value.data, ':', value.len) != NULL) {
        return refuse(err, "domain", value, "domain");
    }
    if (s->num_domains == DOMAINS_MAX) {
        return err_set(err, ERR_USAGE, "domain: at most %d at a time",
                       DOMAINS_MAX);
    }
    s->domains[s->num_domains++] = value;
    return true;
}

static bool read_parameter(struct search *s, struct bytes name,
                           struct bytes value, struct err *err)
{
    uint64_t number;

    if (bytes_equal_text(name, "domain")) return read_domain(s, value, err);
    if (bytes_equal_text(name, "include_subdomains")) {
        return read_flag(&s->include_subdomains, "include_subdomains", value,
                         err);
    }
    if (bytes_equal_text(name, "match_wildcards")) {
        return read_flag(&s->match_wildcards, "match_wildcards", value, err);
    }
    if (bytes_equal_text(name, "include_expired")) {
        return read_flag(&s->include_expired, "include_expired", value, err);
    }
    if (bytes_equal_text(name, "limit")) {
        if (!text_parse_uint(&s->limit, value) || s->limit == 0) {
            return refuse(err, "limit", value, "number of issuances");
        }
        if (s->limit > PAGE_MAX) s->limit = PAGE_MAX;
    } else if (bytes_equal_text(name, "after")) {
        s->after = value;
        if (!text_parse_uint(&number, value)) {
            return refuse(err, "after", value, "id of an issuance");
        }
    } else if (bytes_equal_text(name, "expand")) {
        s->expand |= sslmate_expand_bit(value);
    }
    return true;
}

static bool read_query(struct search *s, struct err *err)
{
    struct bytes query = s->query_string, name, value;
    bool found;

    s->limit = PAGE_DEFAULT;
    for (;;) {
        if (!filters_next_parameter(&query, &name, &value, &found, &s->arena,
                                    err)) {
            return false;
        }
        if (!found) break;
        if (!read_parameter(s, name, value, err)) return false;
    }
    return s->num_domains > 0 ||
           err_set(err, ERR_USAGE, "domain: none is asked for");
}

// ------------------------------------------------------------- questions

static bool add_branch(struct search *s, struct bytes domain,
                       const struct filters *filters, struct snapshot *snapshot,
                       struct err *err)
{
    struct branch *branch = &s->branches[s->num_branches];

    if (!question_parse(&branch->question, filters, domain, "domain", &s->arena,
                        err) ||
        !answer_open(&branch->answer, &branch->question, snapshot,
                     clock_wall_ms(), err)) {
        return false;
    }
    answer_want(branch->answer, ENTRY_NAMES);
    s->num_branches++;
    return true;
}

static bool open_branches(struct search *s, struct snapshot *snapshot,
                          struct err *err)
{
    struct filters *all = s->filters;

    for (int i = 0; i < 2; i++) {
        all[i].unexpired = !s->include_expired;
        all[i].limit = s->limit + 1; // one more shows that something follows
        all[i].order = ORDER_FOUND;
        all[i].has_after = s->after.len > 0;
        all[i].after = s->after;
    }
    if (s->include_subdomains) all[0].scope = SCOPE_SUBDOMAINS;
    all[1].scope = SCOPE_COVERING;
    for (size_t i = 0; i < s->num_domains; i++) {
        // What covers a name is found by the name itself too.
        bool plain = s->include_subdomains || !s->match_wildcards;

        if (plain && !add_branch(s, s->domains[i], &all[0], snapshot, err)) {
            return false;
        }
        if (s->match_wildcards &&
            !add_branch(s, s->domains[i], &all[1], snapshot, err)) {
            return false;
        }
    }
    return true;
}

// ------------------------------------------------------------- merging

// A step of one answer.  What it shows stays until its next step: no other
// part of a snapshot is looked at than what lies in the answer's own memory.
static bool advance(struct branch *branch, struct snapshot *snapshot,
                    struct err *err)
{
    enum answer_step step;

    branch->issuance = NULL;
    if (!answer_next(branch->answer, snapshot, &step, &branch->issuance, err)) {
        return false;
    }
    if (step != ANSWER_ISSUANCE) branch->issuance = NULL;
    if (step != ANSWER_WORKING) branch->is_primed = true;
    if (step == ANSWER_END) branch->has_ended = true;
    return true;
}

// Takes the lowest id off the branches' lists; false when all are empty.
static bool count_next(struct search *s, uint64_t *id)
{
    bool found = false;

    for (size_t i = 0; i < s->num_branches; i++) {
        struct branch *b = &s->branches[i];

        if (b->counted == answer_page_len(b->answer)) continue;
        if (!found || answer_page_id(b->answer, b->counted) < *id) {
            *id = answer_page_id(b->answer, b->counted);
        }
        found = true;
    }
    for (size_t i = 0; found && i < s->num_branches; i++) {
        struct branch *b = &s->branches[i];

        if (b->counted < answer_page_len(b->answer) &&
            answer_page_id(b->answer, b->counted) == *id) {
            b->counted++;
        }
    }
    return found;
}

static void finish_head(struct search *s, struct reply *reply)
{
    uint64_t id = 0, last = 0;
    char after[ID_SIZE];

    for (uint64_t num = 0; num <= s->limit && count_next(s, &id); num++) {
        if (num < s->limit) last = id;
        if (num < s->limit) continue;
        (void)snprintf(after, sizeof after, "%llu", (unsigned long long)last);
        link_add_next(reply, s->query_string, after);
    }
    s->is_primed = true;
    buffer_append_byte(&reply->body, '[');
}

static bool prime(struct search *s, struct snapshot *snapshot,
                  struct reply *reply, struct err *err)
{
    for (size_t i = 0; i < s->num_branches; i++) {
        struct branch *branch = &s->branches[i];

        if (branch->is_primed) continue;
        return advance(branch, snapshot, err);
    }
    finish_head(s, reply);
    return true;
}

// Has all that have shown theirs go on.
static bool settle(struct search *s, struct snapshot *snapshot, struct err *err)
{
    for (size_t i = 0; i < s->num_branches; i++) {
        struct branch *branch = &s->branches[i];

        while (branch->issuance == NULL && !branch->has_ended) {
            if (!advance(branch, snapshot, err)) return false;
        }
    }
    return true;
}

// Shows the issuance with the lowest id; all that show it go on.
static bool show_next(struct search *s, struct snapshot *snapshot,
                      struct reply *reply, struct err *err)
{
    const struct issuance *lowest = NULL;
    uint64_t id;

    if (!settle(s, snapshot, err)) return false;
    for (size_t i = 0; i < s->num_branches; i++) {
        const struct issuance *issuance = s->branches[i].issuance;

        if (issuance != NULL && (lowest == NULL || issuance->id < lowest->id)) {
            lowest = issuance;
        }
    }
    if (lowest == NULL || s->given == s->limit) {
        buffer_append_text(&reply->body, "]\n");
        reply->whole = true;
        return true;
    }
    if (s->given++ > 0) buffer_append_byte(&reply->body, ',');
    sslmate_append(&reply->body, lowest, s->expand);
    id = lowest->id;
    for (size_t i = 0; i < s->num_branches; i++) {
        struct branch *branch = &s->branches[i];

        if (branch->issuance != NULL && branch->issuance->id == id) {
            branch->issuance = NULL;
        }
    }
    return true;
}

static bool more(struct reply *reply, struct err *err)
{
    struct search *s = reply->state;
    struct snapshot *snapshot;
    bool ok = route_snapshot(s->route, &snapshot, err);

    for (int i = 0; ok && i < REPLY_STEPS && !reply->whole &&
                    reply->body.len < REPLY_PIECE;
         i++) {
        ok = s->is_primed ? show_next(s, snapshot, reply, err)
                          : prime(s, snapshot, reply, err);
    }
    for (size_t i = 0; i < s->num_branches; i++) {
        answer_park(s->branches[i].answer);
    }
    return ok;
}

bool endpoint_sslmate(struct route *route, const struct request *request,
                      struct reply *reply, struct err *err)
{
    struct search *s = calloc(1, sizeof *s);
    struct snapshot *snapshot;

    if (s == NULL) return err_set(err, ERR_MEMORY, "no memory for a question");
    s->route = route;
    reply->state = s;
    reply->drop = drop;
    reply->more = more;
    reply->for_all = true;
    reply->of_moment = true;
    reply->status = 200;
    reply->content_type = "application/json";
    reply_field(reply, "Access-Control-Allow-Origin", "*");
    reply_field(reply, "Cache-Control", "no-store");
    if (!arena_copy(&s->arena, request->query, &s->query_string)) {
        return err_set(err, ERR_MEMORY, "no memory for a question");
    }
    return read_query(s, err) && route_add_coverage(route, reply, err) &&
           route_snapshot(route, &snapshot, err) &&
           open_branches(s, snapshot, err);
}
