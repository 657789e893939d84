// lmdb_sound.c - which values of a file were found sound of late.  See lmdb.h.

#include <stdlib.h>

#include "index/base/checksum.h"
#include "index/store/lmdb_parts.h"

enum {
    SOUND_SECONDS = 64,
    PAGE_HEAD_LEN = 16, // LMDB's, of the first page of a value of its own
    STAMP_SHIFT = 48,
};

void lmdb_sound_init(struct lmdb *env)
{
    if (!env->is_file || env->writable || env->map == NULL) return;
    // Without memory nothing is remembered.
    env->sound = calloc(env->map_size / env->page_size + 1, sizeof *env->sound);
}

// What stands for a key at this time, never 0.
static uint16_t stamp_of(struct bytes key)
{
    uint64_t hash = checksum(bytes_of(NULL, 0), key);
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    hash ^= (uint64_t)now.tv_sec / SOUND_SECONDS;
    hash *= UINT64_C(0x9e3779b97f4a7c15);
    return (uint16_t)(hash >> STAMP_SHIFT | 1);
}

// The place of a value that has pages of its own; NULL: it is none.
static _Atomic uint16_t *slot_of(const struct lmdb *env, struct bytes value)
{
    size_t at;

    if (env->sound == NULL || value.data < env->map ||
        value.data >= env->map + env->map_size) {
        return NULL;
    }
    at = (size_t)(value.data - env->map);
    if (at % env->page_size != PAGE_HEAD_LEN) return NULL;
    return &env->sound[at / env->page_size];
}

bool lmdb_was_sound(const struct lmdb *env, struct bytes key,
                    struct bytes value)
{
    _Atomic uint16_t *slot = slot_of(env, value);

    return slot != NULL &&
           atomic_load_explicit(slot, memory_order_relaxed) == stamp_of(key);
}

void lmdb_note_sound(const struct lmdb *env, struct bytes key,
                     struct bytes value)
{
    _Atomic uint16_t *slot = slot_of(env, value);

    if (slot == NULL) return;
    atomic_store_explicit(slot, stamp_of(key), memory_order_relaxed);
}

void lmdb_forget_sound(const struct lmdb *env, struct bytes value)
{
    _Atomic uint16_t *slot = slot_of(env, value);

    if (slot != NULL) atomic_store_explicit(slot, 0, memory_order_relaxed);
}
