// terms.h - a list of terms while it is being made.
//
// Lifetime  valid as {.arena = …}; everything lies in the arena.
// Order     of first appearance; equal terms (kind, value) become one whose
//           `via` is all of theirs.
// Limit     few terms are compared at once as they come, many are sorted at
//           the end: nobody can choose names that make it quadratic.

#pragma once

#include "index/entry/names.h"

struct terms {
    struct arena *arena;
    struct term *list;
    size_t num;
    size_t size;
    uint32_t flags; // bits of enum name_flag
    bool failed;    // no memory
};

// terms_add appends a term; `value` must outlive the list.
void terms_add(struct terms *terms, enum term_kind kind, uint32_t via,
               struct bytes value);

// terms_finish makes equal terms one; false where memory had run out.
MUST_USE bool terms_finish(struct terms *terms);
