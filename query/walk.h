// walk.h - all postings of a question, in the order found or in key order.
//
// Exact keys can be merged by id; ranges are walked one after the other by
// key, then id.
//
// Lifetime  walk_cleanup() frees it; walk_park() gives back the cursors, which
//           must be done before the snapshot is closed or renewed: the walk
//           goes on behind the last posting in whatever snapshot comes next.

#pragma once

#include "index/index.h"
#include "query/question.h"

struct walk_item {
    struct bytes key; // good until the next step
    uint64_t id;
    uint32_t via; // the posting's, and via_more of the range
    const struct question_range *range;
};

struct walk_source; // a range and a cursor in it

struct walk {
    const struct question *question;
    bool by_id;
    uint64_t end_id;             // ids from here on do not exist
    struct walk_source *sources; // one for each range
    size_t room;                 // for sources
    size_t current;              // the source of the last posting
    bool has_last;
    uint64_t last_id;
    struct buffer last_key; // by key only
    uint32_t last_via;
    bool again; // the last posting is given again
};

// walk_init sets out, also where walk_reset came before; `by_id` asks for the
// order found and needs exact keys.
MUST_USE bool walk_init(struct walk *walk, const struct question *question,
                        bool by_id, uint64_t end_id, struct err *err);

// walk_restart begins anew, by id behind `after` when `has_after`.
void walk_restart(struct walk *walk, bool has_after, uint64_t after);

// walk_restart_key begins anew, by key behind a posting.
void walk_restart_key(struct walk *walk, struct bytes key, uint64_t id);

// walk_next gives the next posting; at the end `*found` is false.
MUST_USE bool walk_next(struct walk *walk, struct snapshot *snapshot,
                        struct walk_item *item, bool *found, struct err *err);

// walk_again has the next walk_next give the last posting once more, also after
// walk_park.
void walk_again(struct walk *walk);

// walk_park gives back the cursors.
void walk_park(struct walk *walk);

// walk_reset parks it and lets go of the question.
void walk_reset(struct walk *walk);

// walk_cleanup frees it.
void walk_cleanup(struct walk *walk);
