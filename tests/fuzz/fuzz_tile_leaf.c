// fuzz_tile_leaf.c - any bytes as TileLeaf, extra_data and a whole entry.

#include <stdlib.h>

#include "index/entry/entry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void understand(const struct entry_bytes *bytes, struct arena *arena)
{
    struct entry entry;

    if (!entry_understand(&entry, bytes, arena)) abort();
    if (((entry.flags & FLAG_UNPARSED) != 0) != (entry.reason[0] != '\0')) {
        abort();
    }
    // Bytes that give themselves back are never said to differ.
    if (entry.tbs_from_precert && (entry.flags & FLAG_PRECERT_MISMATCH) != 0) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes tile = bytes_of(data, size), *certificates;
    struct arena arena = {0};
    struct entry_bytes bytes = {.index = 1};
    struct err err;

    while (tile.len > 0 && entry_parse_tile_leaf(&bytes, &tile, &arena, &err)) {
        understand(&bytes, &arena);
    }
    for (int type = 0; type < 2; type++) {
        if (!entry_parse_extra(&bytes, type == 0 ? LEAF_X509 : LEAF_PRECERT,
                               bytes_of(data, size), NULL, &certificates,
                               &arena)) {
            abort();
        }
        bytes.leaf = bytes_of(data, size);
        understand(&bytes, &arena);
    }
    arena_cleanup(&arena);
    return 0;
}
