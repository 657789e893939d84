// fuzz_tile.c - any bytes as a data tile of one to four entries.

#include "ingest/parse/tile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct entry_bytes entries[4] = {0};
    struct arena arena = {.max = 64 << 20};

    for (unsigned width = 1; width <= 4; width++) {
        struct err err = {0};

        (void)tile_parse_data(entries, width, 0, bytes_of(data, size), &arena,
                              &err);
        arena_reset(&arena);
    }
    arena_cleanup(&arena);
    return 0;
}
