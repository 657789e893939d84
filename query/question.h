// question.h - one WHAT, from text.
//
// The options of sanct-query and the parameters of a URL end in the same two
// structs by the same rules (CLI.md "sanct query", API.md section 1): filters,
// which hold for any number of questions, and a question, which is one WHAT.
//
//   struct filters filters = {0};          // a URL: ?q=…&since=…
//   filters_from_query(&filters, &what, query_string, &arena, &err);
//   question_parse(&question, &filters, what, "q", &arena, &err);
//
// Lifetime  what was parsed lives in the arena and in the text it came from.
// Result    ERR_USAGE: a sentence that begins with the parameter or option.
// Thread    pure: no I/O, no clock, no index.  Names of logs are looked up
//           later, by answer_open.

#pragma once

#include "query/filters.h"

enum { QUESTION_LEN_MAX = 64 * 1024 };

enum question_kind {
    QUESTION_NAME, // a DNS name, in any scope
    QUESTION_ADDRESS,
    QUESTION_PREFIX,
    QUESTION_HASH,   // sha256: tbs: spki: serial: issuer:
    QUESTION_CN,     // cn:
    QUESTION_OCTETS, // ip-octets:
};

// What to look up: the keys of [first, end), where an empty `end` is the end
// of everything; an exact key has its successor as end.
struct question_range {
    enum term_kind kind;
    bool exact;
    struct bytes first, end;
    struct bytes value; // of an exact key: the term's
    uint32_t via_only;  // 0, or a match needs one of these bits
    uint32_t via_more;  // or-ed into a match: VIA_WILDCARD, VIA_IRREGULAR
    // Of a subtree whose name is so long that its range also holds others'
    // keys (keys_subtree): that name; an entry must then be asked for its
    // names.  Else empty.
    struct bytes below;
    bool below_self; // the name itself is meant too
};

struct question {
    struct bytes text; // WHAT as asked
    enum question_kind kind;
    const struct filters *filters; // borrowed
    // In key order, none overlapping.  All exact, or else (a subtree, a
    // prefix) none.
    struct question_range *ranges;
    size_t num_ranges;
};

// question_parse reads one WHAT under its filters.  `label` begins a sentence
// about it: "q", "WHAT".
MUST_USE bool question_parse(struct question *question,
                             const struct filters *filters, struct bytes what,
                             const char *label, struct arena *arena,
                             struct err *err);

// question_fingerprint is of everything but limit, after, fields: a cursor
// belongs to one question.  False: no memory.
MUST_USE bool question_fingerprint(const struct question *question,
                                   struct sha256_hash *out);

// question_is_range tells whether it asks for a subtree or a prefix, whose
// pages come in key order.
bool question_is_range(const struct question *question);

// question_find_range finds the range that holds a key; NULL when none does.
const struct question_range *
question_find_range(const struct question *question, struct bytes key);

// question_match tells whether a term of an entry is asked for (`key` is its
// key), and how it matched: via_only and the filter `via` hold too.
bool question_match(const struct question *question, const struct term *term,
                    struct bytes key, uint32_t *via);
