// recall.h - answers given a moment ago, for whoever asks the same again.
//
// An answer depends on the bytes of its request and on the moment: what the
// index holds and the second of the clock.  What is asked for the second time
// within a moment is kept, and the third is a look into a table: many clients
// that ask for one name cost little more than the bytes they are sent.  What
// is asked for once costs a hash, and no memory.
//
// Lifetime  what is kept is forgotten with its moment, a number above 0.
// Limit     RECALL_SLOTS answers of RECALL_ANSWER_MAX bytes; of two that fall
//           upon one slot the later stays.  The hash is not secret: who makes
//           requests collide has the answers made anew, and those are right.
// Thread    one; each worker has its own.

#pragma once

#include "index/base/buffer.h"
#include "index/base/err.h"

enum {
    RECALL_SLOTS = 256,
    RECALL_SEEN = 4096, // requests of which only a mark is kept
    RECALL_REQUEST_MAX = 1024,
    RECALL_ANSWER_MAX = 8 << 10,
};

struct recall; // opaque

// A request between recall_find and recall_keep; valid as {0}: not to be kept.
struct recall_ticket {
    uint64_t moment;
    uint64_t hash;
    bool again; // it was asked before, in this moment
};

MUST_USE bool recall_new(struct recall **out, struct err *err);
void recall_free(struct recall *recall);

// recall_find looks for the answer to `request` in `moment` and appends it to
// `out`, with the `label` that it was kept with; where there is none it fills
// `ticket`.
bool recall_find(struct recall *recall, uint64_t moment, struct bytes request,
                 struct buffer *out, unsigned *label,
                 struct recall_ticket *ticket);

// recall_keep keeps the answer to `request`, if it was asked before; what is
// too long, or finds no memory, is not kept.  The moment is still the ticket's.
void recall_keep(struct recall *recall, const struct recall_ticket *ticket,
                 struct bytes request, struct bytes answer, unsigned label);
