// terms.h - terms as the rows of a test write them.
//
// "dns:example.com", "ip:1.1.1.1", "irr:example.com", "cn:Acme Ltd" or
// "oct:00ff", with a "~" in front where it is marked derived, a blank between
// them.  Texts are escaped as in answers.

#pragma once

#include "index/entry/names.h"

// unescaped is the text that an escaped one stands for, in a heap block of
// exactly that size; free `data`.
struct bytes unescaped(const char *text);

// append_terms appends terms as above.
void append_terms(struct buffer *out, const struct term *terms, size_t num);

// append_flags appends the words of flags.
void append_flags(struct buffer *out, uint32_t flags);

// check_text fails the test, showing both, where they differ.
void check_text(const struct buffer *got, const char *want);
