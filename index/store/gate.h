// gate.h - who is asked before a block of a file is touched.
//
// A block that is not in the page cache stops the thread that touches it.  One
// that must not be stopped gives its snapshot a gate: it lets a block pass, or
// has it read by other means and refuses it for now (ERR_COLD).  Whoever looked
// for something then gives up, having changed nothing, and asks again once the
// block is there.
//
// Thread    of the snapshot that it was given to.

#pragma once

#include "index/store/lmdb.h"

struct gate {
    // False: ERR_COLD, or ERR_INDEX where the block could not be read.
    bool (*pass)(struct gate *gate, const struct lmdb *env, struct bytes block,
                 struct err *err);
    // Tells that a block will soon be asked for.
    void (*expect)(struct gate *gate, const struct lmdb *env,
                   struct bytes block);
};

// gate_pass asks; without a gate everything passes.
MUST_USE static inline bool gate_pass(struct gate *gate, const struct lmdb *env,
                                      struct bytes block, struct err *err)
{
    return gate == NULL || gate->pass(gate, env, block, err);
}

static inline void gate_expect(struct gate *gate, const struct lmdb *env,
                               struct bytes block)
{
    if (gate != NULL && block.len > 0) gate->expect(gate, env, block);
}
