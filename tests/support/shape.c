// shape.c - see shape.h.

#include "tests/support/shape.h"

#include "index/handle.h"
#include "tests/support/check.h"

struct index *shape_open(const struct shape *shape, const char *folder,
                         enum index_mode mode)
{
    struct err err = {0};
    struct index *index;

    if (!index_open(&index, folder, mode, &err)) fail_msg("%s", err.text);
    if (mode == INDEX_READ || shape->memory == 0) return index;
    index->bulk.tail_max = index->bulk.load_min = shape->tail_max;
    index->bulk.tail_full = shape->tail_full;
    index->bulk.segments_max = 3;
    if (shape->segment_entries != 0) {
        index->bulk.segment_entries = shape->segment_entries;
    }
    if (!index_set_memory(index, shape->memory, &err)) fail_msg("%s", err.text);
    return index;
}

struct snapshot *shape_snapshot(struct index *index)
{
    struct snapshot *snapshot;
    struct err err = {0};

    if (!snapshot_open(&snapshot, index, &err)) fail_msg("%s", err.text);
    return snapshot;
}
