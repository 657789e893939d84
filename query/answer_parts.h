// answer_parts.h - what stands behind struct answer; for the answer_*.c files.

#pragma once

#include "query/answer.h"
#include "query/known.h"
#include "query/matching.h"
#include "query/picks.h"
#include "query/sieve.h"
#include "query/walk.h"

// Answers that ended, kept with their snapshot: most are short, and what one
// has allocated is enough for the next.
struct answers;

enum phase { PHASE_WALK, PHASE_SHOW, PHASE_END };

struct answer {
    const struct question *question;
    struct answers *home; // NULL: none
    struct answer *next;  // while it is idle
    bool counting;
    bool keyed;
    uint64_t limit; // 0: none
    size_t most;    // picks of a pass
    uint64_t end_id;
    enum phase phase;

    // The postings of a short answer.
    bool has_tried;    // to gather them
    bool in_gathering; // they are being looked at
    size_t next_gathered;
    struct gathering gathering;

    size_t next_pick;
    bool has_after; // the position behind which a pass begins
    uint64_t after;

    uint64_t shown; // the pick that the shelf was emptied for; 0: none
    uint64_t given;
    bool cut, order_found;

    // What follows keeps its memory from one answer to the next.
    struct walk walk;
    struct sieve sieve;
    struct shelf shelf; // what a pass learnt
    struct known known; // and this
    struct picks picks;
    struct buffer cursor;
    struct buffer key; // by key: the last one given, at id `after`
    struct arena gathering_arena, page_arena, arena, scratch;
    struct issuance issuance;
};

// answer_begin_pass has it look at the question's postings once more, behind
// what it gave already.
void answer_begin_pass(struct answer *answer);

// answer_no_memory says so.
bool answer_no_memory(struct err *err);
