// get_entries.h - the answer to get-entries, taken apart where it lies. (pure)
//
// Megabytes of base64 in a little JSON (RFC 6962 section 4.6).  A scanner of
// our own walks the text once and decodes each string in place: no tree, no
// copy.  It takes what jansson takes (index/base/json.h) with one difference:
// of the members that nobody reads a repeated name is no error, as remembering
// all names of a hostile answer would cost what the scanner saves.
//
// Lifetime  the slices point into `body`, which is overwritten.
// Result    ERR_MALFORMED: no answer, to be asked for again.
// Limit     GET_ENTRIES_DEPTH_MAX levels of what is passed over.

#pragma once

#include "index/base/bytes.h"
#include "index/base/err.h"

enum { GET_ENTRIES_DEPTH_MAX = 64 };

struct get_entry {
    struct bytes leaf_input;
    struct bytes extra_data;
};

// get_entries_parse reads 1 to `max` entries; none, or more, is no answer.
MUST_USE bool get_entries_parse(struct get_entry *entries, size_t max,
                                size_t *num_entries, uint8_t *body,
                                size_t body_len, struct err *err);
