// keys.h - the layout of every key: how a term becomes bytes that sort.
//
// First the kind (one byte, enum term_kind), then:
//
//   TERM_DNS, TERM_IRREGULAR   labels reversed, each closed by 00, so a
//                              subtree is one prefix and no neighbour is in it
//   TERM_IPV4, TERM_IPV6       the octets, so a prefix is a range
//   TERM_CN_TEXT, _IP_OCTETS,  the value, closed by 00
//   _SERIAL
//   others (32 octets)         the value
//
// Before a closing 00 stand no other 00 and 01: inside, 00 is written 01 01
// and 01 is 01 02, and what is empty is 01.  So a label never begins with 00:
// of keys that an id is appended to, an id whose first byte is 00, those of
// the name itself are the range [key 00, key 01), what is below it comes
// after, and of every other kind no key begins another.
//
// A key of KEYS_LEN_MAX bytes or more keeps its first KEYS_CUT_LEN bytes and
// ends in SHA-256 of the whole: still inside its parent's subtree.
//
// Order     keys of DNS names sort as their reversed lists of labels do.
// Result    pure.

#pragma once

#include "index/base/buffer.h"
#include "index/base/sha256.h"
#include "index/entry/names.h"

enum { KEYS_LEN_MAX = 440, KEYS_CUT_LEN = KEYS_LEN_MAX - SHA256_LEN };

// keys_append appends the key of a term.
void keys_append(struct buffer *out, enum term_kind kind, struct bytes value);

// keys_subtree makes the range [first, end) of a DNS name and all below it;
// without `self` only what is below.  False: the name's own key is longer than
// KEYS_CUT_LEN, and the range also holds others whose keys begin alike, to be
// told apart by their names.
bool keys_subtree(struct buffer *first, struct buffer *end, struct bytes name,
                  bool self);

// keys_prefix makes the range [first, end) of an IP prefix: `octets` has 4 or
// 16, host bits are masked; a prefix_len beyond them means all.
void keys_prefix(struct buffer *first, struct buffer *end, struct bytes octets,
                 unsigned prefix_len);

// keys_parse gives the term of a key that was not cut; `value` gets DNS names
// as text again.  False for a cut key or no key.
MUST_USE bool keys_parse(struct bytes key, enum term_kind *kind,
                         struct buffer *value);
