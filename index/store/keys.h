// keys.h - the layout of every key: how a term becomes bytes that sort.
//
// First the kind (one byte, enum term_kind), then:
//
//   TERM_DNS, TERM_IRREGULAR   labels reversed, each closed by 0x00; inside a
//                              label 00 is written 01 01 and 01 is 01 02, so a
//                              subtree is one prefix and no neighbour is in it
//   TERM_IPV4, TERM_IPV6       the octets, so a prefix is a range
//   others                     the value
//
// A key longer than KEYS_LEN_MAX keeps its first KEYS_LEN_MAX - 32 bytes and
// ends in SHA-256 of the whole: still inside its parent's subtree.
//
// Result    pure.

#pragma once

#include "index/base/buffer.h"
#include "index/entry/names.h"

enum { KEYS_LEN_MAX = 440 };

// keys_append appends the key of a term.
void keys_append(struct buffer *out, enum term_kind kind, struct bytes value);

// keys_subtree makes the range [first, end) of a DNS name and all below it;
// without `self` only what is below.
void keys_subtree(struct buffer *first, struct buffer *end, struct bytes name,
                  bool self);

// keys_prefix makes the range [first, end) of an IP prefix: `octets` has 4 or
// 16, host bits are masked; `end` is empty where there is nothing above.
void keys_prefix(struct buffer *first, struct buffer *end, struct bytes octets,
                 unsigned prefix_len);

// keys_parse gives the term of a key that was not cut; `value` gets DNS names
// as text again.  False for a cut key or no key.
MUST_USE bool keys_parse(struct bytes key, enum term_kind *kind,
                         struct buffer *value);
