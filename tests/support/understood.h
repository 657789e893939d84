// understood.h - what every test of understood entries asks of them.

#pragma once

#include "index/entry/entry.h"

// understood_has tells whether a term of that kind and text was found by all
// of the ways `via`.
bool understood_has(const struct entry *entry, enum term_kind kind,
                    const char *text, uint32_t via);

// understood_check fails the test unless what is understood piece by piece is
// what `whole` has at once, and nothing is there before it was asked for.
void understood_check(const struct entry *whole, struct arena *arena);
