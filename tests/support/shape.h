// shape.h - an index that writes sooner or in smaller pieces than it would.

#pragma once

#include "index/index.h"

struct shape {
    const char *name;
    uint64_t memory, tail_max, tail_full; // memory 0: as it would
    uint64_t segment_entries;             // 0: a set is one segment
    bool compacted;                       // before it is looked at
};

// shape_open opens the index in `folder`, a writer's in that shape; fails the
// test if it cannot.
struct index *shape_open(const struct shape *shape, const char *folder,
                         enum index_mode mode);

// shape_snapshot is a snapshot of the index; fails the test if there is none.
struct snapshot *shape_snapshot(struct index *index);
