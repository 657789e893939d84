// template_match.h - a body held against a template, byte by byte.

#pragma once

#include "index/store/template_parts.h"

// template_match writes what fills the template's holes; false, and nothing is
// written that counts: the body is not one of it.  `example` is the body that
// it was made of, `num` counts all ops.
MUST_USE bool template_match(struct coder *c, const struct op *ops, size_t num,
                             const uint8_t *example, struct bytes body,
                             size_t head_len);
