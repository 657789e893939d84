// arena.c - see arena.h.

#include "index/base/arena.h"

#include <stdalign.h>
#include <stdlib.h>

enum { BLOCK_SIZE_MIN = 64 * 1024 };

struct arena_block {
    struct arena_block *next;
    size_t size;
    alignas(max_align_t) uint8_t data[];
};

static bool arena_grow(struct arena *arena, size_t len)
{
    size_t size =
        arena->blocks == NULL ? BLOCK_SIZE_MIN : 2 * arena->blocks->size;
    struct arena_block *block;

    if (size > 4 * 1024 * 1024) size = 4 * 1024 * 1024;
    if (size < len) size = len;
    if (arena->max != 0 &&
        (arena->total > arena->max || size > arena->max - arena->total)) {
        size = len;
        if (size > arena->max - arena->total) return false;
    }
    block = malloc(sizeof *block + size);
    if (block == NULL) return false;
    block->next = arena->blocks;
    block->size = size;
    arena->blocks = block;
    arena->used = 0;
    arena->total += size;
    return true;
}

void *arena_alloc(struct arena *arena, size_t len)
{
    size_t align = alignof(max_align_t);
    void *out;

    if (len > SIZE_MAX / 2) return NULL;
    len = (len + align - 1) / align * align;
    if (arena->blocks == NULL || len > arena->blocks->size - arena->used) {
        if (!arena_grow(arena, len)) return NULL;
    }
    out = arena->blocks->data + arena->used;
    arena->used += len;
    return out;
}

void *arena_zalloc(struct arena *arena, size_t num, size_t size)
{
    void *out;

    if (size != 0 && num > SIZE_MAX / 2 / size) return NULL;
    out = arena_alloc(arena, num * size);
    if (out != NULL && num * size != 0) memset(out, 0, num * size);
    return out;
}

bool arena_copy(struct arena *arena, struct bytes bytes, struct bytes *out)
{
    uint8_t *copy = arena_alloc(arena, bytes.len);

    if (copy == NULL) return false;
    if (bytes.len != 0) memcpy(copy, bytes.data, bytes.len);
    *out = bytes_of(copy, bytes.len);
    return true;
}

void arena_reset(struct arena *arena)
{
    struct arena_block *keep = arena->blocks;

    for (struct arena_block *b = arena->blocks; b != NULL; b = b->next) {
        if (b->size > keep->size) keep = b;
    }
    while (arena->blocks != NULL) {
        struct arena_block *next = arena->blocks->next;

        if (arena->blocks != keep) free(arena->blocks);
        arena->blocks = next;
    }
    arena->used = 0;
    arena->total = 0;
    if (keep == NULL) return;
    keep->next = NULL;
    arena->blocks = keep;
    arena->total = keep->size;
}

void arena_cleanup(struct arena *arena)
{
    arena_reset(arena);
    free(arena->blocks);
    *arena = (struct arena){.max = arena->max};
}
