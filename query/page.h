// page.h - what `after` takes: where a page ended.
//
// Of pages in the order found it is the last id, in decimal.  Of pages in key
// order it is opaque text: the posting of the last issuance, how far the index
// reached when the first page was asked, and whose question it was.
//
// Result    pure.  ERR_USAGE: no cursor, or another question's.

#pragma once

#include "query/question.h"

struct page {
    uint64_t id;      // of the last posting
    struct bytes key; // its key; empty in the order found
    uint64_t end_id;  // 0 in the order found
};

// page_append writes a cursor.
void page_append(struct buffer *out, const struct page *page,
                 const struct question *question);

// page_parse reads the cursor of the question's filters; `keyed` tells which
// of the two forms it must have.
MUST_USE bool page_parse(struct page *page, const struct question *question,
                         bool keyed, struct arena *arena, struct err *err);
