// known.h - what a pass of an answer knows of issuances that it met.
//
//   done   marks of groups about which all is known, in a table that forgets:
//          a group it has forgotten is only looked at again.  Most answers
//          have a few: it is made when there is one, and grows
//   kept   the first groups that were picked, for when they are shown
//
// Lifetime  valid as {0}; known_cleanup() frees it.

#pragma once

#include "query/group.h"

enum { KNOWN_KEPT_MAX = 16 };

struct known {
    uint64_t *done;
    size_t done_slots, num_done;
    struct group kept[KNOWN_KEPT_MAX];
    size_t num_kept;
    struct arena arena; // of what is kept
};

// known_reset forgets all.
void known_reset(struct known *known);

// known_is_done tells whether the group of this mark is done; known_set_done
// says so of a group that is not split.
bool known_is_done(const struct known *known, uint64_t mark);
void known_set_done(struct known *known, const struct group *group);

// known_keep keeps a group, if there is room for it.
MUST_USE bool known_keep(struct known *known, const struct group *group,
                         struct err *err);

// known_find gives the group that was kept under its id, or NULL.
const struct group *known_find(const struct known *known, uint64_t id);

// known_holds tells whether the entry is of a group that was kept.
bool known_holds(const struct known *known, uint64_t id);

// known_cleanup frees it.
void known_cleanup(struct known *known);
