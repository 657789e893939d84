// lmdb_sound.c - which values of a file were found sound of late.  See lmdb.h.

#include <stdlib.h>
#include <sys/stat.h>

#include "index/base/checksum.h"
#include "index/store/lmdb_parts.h"

enum {
    SOUND_SECONDS = 64,
    PAGE_HEAD_LEN = 16, // LMDB's, of the first page of a value of its own
    STAMP_SHIFT = 48,
};

struct lmdb_sound {
    uint64_t written_ns;        // when the file was, as it was opened
    _Atomic uint64_t looked_ns; // when that was last compared
    atomic_bool touched;        // it was written to since
    _Atomic uint16_t stamps[];  // by page
};

static uint64_t ns_of(const struct timespec *time)
{
    return (uint64_t)time->tv_sec * 1000000000 + (uint64_t)time->tv_nsec;
}

void lmdb_sound_init(struct lmdb *env, const struct timespec *written)
{
    size_t num;

    if (!env->is_file || env->writable || env->map == NULL) return;
    num = env->map_size / env->page_size + 1;
    env->sound =
        calloc(1, sizeof *env->sound + num * sizeof env->sound->stamps[0]);
    // Without memory nothing is remembered.
    if (env->sound != NULL) env->sound->written_ns = ns_of(written);
}

// Nobody writes to an immutable file; where somebody did, nothing that was
// found out about it holds any more.  Looked at once a tick of the clock.
static bool is_touched(const struct lmdb *env, uint64_t now_ns)
{
    struct lmdb_sound *sound = env->sound;
    struct stat now;
    int fd;

    if (atomic_load_explicit(&sound->looked_ns, memory_order_relaxed) !=
        now_ns) {
        if (mdb_env_get_fd(env->env, &fd) != 0 || fstat(fd, &now) != 0 ||
            ns_of(&now.st_mtim) != sound->written_ns) {
            atomic_store_explicit(&sound->touched, true, memory_order_relaxed);
        }
        atomic_store_explicit(&sound->looked_ns, now_ns, memory_order_relaxed);
    }
    return atomic_load_explicit(&sound->touched, memory_order_relaxed);
}

// What stands for a key at this time, never 0.
static uint16_t stamp_of(struct bytes key, const struct timespec *now)
{
    uint64_t hash = checksum(bytes_of(NULL, 0), key);

    hash ^= (uint64_t)now->tv_sec / SOUND_SECONDS;
    hash *= UINT64_C(0x9e3779b97f4a7c15);
    return (uint16_t)(hash >> STAMP_SHIFT | 1);
}

static struct timespec now_coarse(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return now;
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
    return &env->sound->stamps[at / env->page_size];
}

bool lmdb_was_sound(const struct lmdb *env, struct bytes key,
                    struct bytes value)
{
    _Atomic uint16_t *slot = slot_of(env, value);
    struct timespec now = now_coarse();

    return slot != NULL &&
           atomic_load_explicit(slot, memory_order_relaxed) ==
               stamp_of(key, &now) &&
           !is_touched(env, ns_of(&now));
}

void lmdb_note_sound(const struct lmdb *env, struct bytes key,
                     struct bytes value)
{
    _Atomic uint16_t *slot = slot_of(env, value);
    struct timespec now = now_coarse();

    if (slot == NULL) return;
    atomic_store_explicit(slot, stamp_of(key, &now), memory_order_relaxed);
}

void lmdb_forget_sound(const struct lmdb *env, struct bytes value)
{
    _Atomic uint16_t *slot = slot_of(env, value);

    if (slot != NULL) atomic_store_explicit(slot, 0, memory_order_relaxed);
}
