// tile.c - see tile.h.

#include "ingest/parse/tile.h"

#include <inttypes.h>
#include <stdio.h>

char *tile_path(char out[TILE_PATH_MAX], int level, uint64_t tile,
                unsigned width)
{
    size_t size = TILE_PATH_MAX;
    uint64_t group = 1;
    int len = level == TILE_DATA ? snprintf(out, size, "tile/data/")
                                 : snprintf(out, size, "tile/%d/", level);

    while (tile / group >= 1000) {
        group *= 1000;
    }
    for (; group > 1; group /= 1000) {
        len += snprintf(out + len, size - (size_t)len, "x%03u/",
                        (unsigned)(tile / group % 1000));
    }
    len += snprintf(out + len, size - (size_t)len, "%03u",
                    (unsigned)(tile % 1000));
    if (width < TILE_WIDTH) {
        (void)snprintf(out + len, size - (size_t)len, ".p/%u", width);
    }
    return out;
}

bool tile_parse_hashes(struct sha256_hash *out, unsigned width,
                       struct bytes tile, struct err *err)
{
    if (tile.len != (size_t)width * SHA256_LEN) {
        return err_set(err, ERR_MALFORMED,
                       "hash tile: %zu bytes, not %u hashes", tile.len, width);
    }
    memcpy(out, tile.data, tile.len);
    return true;
}

bool tile_parse_data(struct entry_bytes *entries, unsigned width,
                     uint64_t first, struct bytes tile, struct arena *arena,
                     struct err *err)
{
    for (unsigned i = 0; i < width; i++) {
        if (tile.len == 0) {
            return err_set(err, ERR_MALFORMED, "data tile: %u entries, not %u",
                           i, width);
        }
        if (!entry_parse_tile_leaf(&entries[i], &tile, arena, err)) {
            return err_wrap(err, "data tile: entry %" PRIu64, first + i);
        }
        entries[i].index = first + i;
    }
    if (tile.len != 0) {
        return err_set(err, ERR_MALFORMED,
                       "data tile: %zu bytes after %u entries", tile.len,
                       width);
    }
    return true;
}
