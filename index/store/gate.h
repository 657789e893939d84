// gate.h - who is asked before a block of a file is touched.
//
// A block that is not in the page cache stops the thread that touches it.  One
// that must not be stopped gives its snapshot a gate: it lets a block pass, or
// has it read by other means and refuses it for now (ERR_COLD).  Whoever looked
// for something then gives up, having changed nothing, and asks again once the
// block is there.  What it has read may lie elsewhere than in the file's
// mapping: who can read it there fetches it.
//
// Thread    of the snapshot that it was given to.

#pragma once

#include "index/store/lmdb.h"

struct gate {
    // False: ERR_COLD, or ERR_INDEX where the block could not be read.
    bool (*pass)(struct gate *gate, struct lmdb *env, struct bytes block,
                 struct err *err);
    // The same; `block` is set to where its bytes are, which is good until the
    // one who asks gives up or has answered.
    bool (*fetch)(struct gate *gate, struct lmdb *env, struct bytes *block,
                  struct err *err);
    // Tells that a block will soon be fetched.
    void (*expect)(struct gate *gate, struct lmdb *env, struct bytes block);
};

// gate_pass asks; without a gate everything passes.
MUST_USE static inline bool gate_pass(struct gate *gate, struct lmdb *env,
                                      struct bytes block, struct err *err)
{
    return gate == NULL || gate->pass(gate, env, block, err);
}

// gate_fetch asks for a block that may be read elsewhere; without a gate it is
// where it lies.
MUST_USE static inline bool gate_fetch(struct gate *gate, struct lmdb *env,
                                       struct bytes *block, struct err *err)
{
    return gate == NULL || gate->fetch(gate, env, block, err);
}

static inline void gate_expect(struct gate *gate, struct lmdb *env,
                               struct bytes block)
{
    if (gate != NULL && block.len > 0) gate->expect(gate, env, block);
}
