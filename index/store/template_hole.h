// template_hole.h - what fills one hole of a template, while writing.

#pragma once

#include "index/store/template_parts.h"

// Where in a certificate a token is.
struct place {
    struct bytes oid; // the last
    unsigned num_times;
};

// hole_put fills the hole `op` of a template with a token of `body`; false, and
// nothing is written that counts: it does not fit.  `example` is the body that
// the template was made of.
MUST_USE bool hole_put(struct coder *c, const struct op *op,
                       const uint8_t *example, const uint8_t *body,
                       const struct token *token);

// hole_choose makes of `slot`, a constant, what a token of a new template is
// taken for.
void hole_choose(struct op *slot, struct coder *c, struct place *place,
                 const uint8_t *example, const struct token *token);

// hole_widen makes a slot that takes `token` of `body` too; `was` is the
// example's.
void hole_widen(struct op *slot, const uint8_t *example,
                const struct token *was, const uint8_t *body,
                const struct token *token);
