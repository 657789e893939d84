// cold.h - blocks that are not in the page cache: found out before they are
// touched, read by the ring, while others are answered.
//
// One `cold` belongs to a thread and is its snapshot's gate.  Whoever answers
// says for which question he does; a block that is not in memory then ends the
// attempt with ERR_COLD and is noted with that question.  cold_read brings all
// that was noted into the page cache, side by side, and `done` says when to try
// again.  What was read for a question passes for it, so every attempt comes
// further than the one before; what could not be read is its error (ERR_INDEX,
// naming the file), and nobody else's.
//
// Most blocks are wanted once.  Where memory is short the first few of a
// question are read past the page cache into memory of its own: that costs
// half, and what is warm for others stays.  A block that is wanted again soon
// after is brought into the page cache, and so is all that a long answer needs.
//
// What is warm is asked of the kernel for 64 pages at once and believed for a
// while: the longer, the more often it was found true, and shortly as soon as a
// page was found gone.  A page that goes within that time is a page fault, no
// more.
//
// Questions whose blocks have come go on a few at a time, so that what is asked
// meanwhile and needs no block does not wait for all of them.
//
// Thread    the ring's.
// Limit     COLD_READS_MAX blocks at a time for each question, of which
//           COLD_COPIES_MAX at most are in memory of its own; of that 16 MiB.

#pragma once

#include "index/net/ring.h"
#include "index/store/gate.h"
#include "query/server/metrics.h"

enum { COLD_READS_MAX = 32, COLD_COPIES_MAX = 16 };

struct cold;      // of a thread
struct cold_read; // of a block
struct cold_wait;
typedef void cold_done(struct cold_wait *wait);

// What a question waits for; valid as {0}.
struct cold_wait {
    struct cold *cold;
    struct cold_read *reads; // NULL before the first
    unsigned num, next;      // how many there are, which is replaced next
    unsigned num_copies;
    unsigned wanted; // noted, not yet read
    unsigned in_flight;
    cold_done *done;
    struct cold_wait *next_ready; // among those whose blocks are there
};

// cold_open makes one that counts the blocks it reads in `metrics`.
MUST_USE bool cold_open(struct cold **out, struct ring *ring,
                        struct metrics *metrics, struct err *err);
void cold_close(struct cold *cold);

// cold_gate is what a snapshot asks.
struct gate *cold_gate(struct cold *cold);

// cold_save_memory has it take memory to be short from now on; for tests.
void cold_save_memory(struct cold *cold);

// cold_forget drops what is believed of files that may be gone.
void cold_forget(struct cold *cold);

// cold_answer says for whom blocks are asked for from now on; NULL: for
// nobody, and all blocks pass.
void cold_answer(struct cold *cold, struct cold_wait *wait, uint64_t now_ms);

// cold_is_wanted tells whether something was noted.
static inline bool cold_is_wanted(const struct cold_wait *wait)
{
    return wait->wanted > 0;
}

// cold_read begins to read what was noted; `done` is called when all is read.
void cold_read(struct cold_wait *wait, cold_done *done);

// cold_is_reading tells whether reads are in flight; while they are, the wait
// must not go.
static inline bool cold_is_reading(const struct cold_wait *wait)
{
    return wait->in_flight > 0;
}

// cold_end forgets the question's blocks; cold_cleanup frees all.
void cold_end(struct cold_wait *wait);
void cold_cleanup(struct cold_wait *wait);
