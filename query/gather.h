// gather.h - all postings of a short answer at once, with their facts.
//
// Most names have a few certificates.  The postings of such a name tell nearly
// all: entries of one TBSCertificate have the same authenticated names, so what
// has one of them as a member has them all, and no further look-up is needed to
// find an issuance's entries or how they matched.
//
// Lifetime  valid as {0}; what was gathered lies in the caller's arena.

#pragma once

#include "query/group.h"
#include "query/walk.h"

enum {
    GATHER_PAGE_MAX = 64,   // a page may stop long before the end
    GATHER_WHOLE_MAX = 256, // as many as a step of an answer looks at
};

struct gathered {
    uint64_t id;
    uint32_t via; // the posting's, and via_more of the range
    const struct question_range *range;
    struct entry_facts facts;
};

struct gathering {
    bool whole; // these are all postings of the question
    size_t num;
    struct gathered *items; // by id
};

// gather_may tells whether a question is one whose postings may be gathered.
bool gather_may(const struct question *question);

// gather reads the postings of a walk that has just begun; where there are more
// than `most` it gives up and `out->whole` is false.
// `with_records` says that entries will be read, too.
MUST_USE bool gather(struct gathering *out, size_t most, bool with_records,
                     struct walk *walk, struct snapshot *snapshot,
                     struct arena *arena, struct err *err);

// gather_group gives the issuance of an item, as group_find does; `*found` is
// false where the postings do not tell it.
MUST_USE bool gather_group(struct group *out, const struct gathering *gathering,
                           const struct gathered *item, struct shelf *shelf,
                           struct arena *arena, bool *found, struct err *err);

// gather_find gives the first item of an entry; NULL when there is none.
const struct gathered *gather_find(const struct gathering *gathering,
                                   uint64_t id);
