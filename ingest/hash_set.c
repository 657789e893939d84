// hash_set.c - see hash_set.h.

#include "ingest/hash_set.h"

#include <stdlib.h>
#include <string.h>

enum { SIZE_FIRST = 256 };

static const struct sha256_hash none;

// The slot where a hash is or would go.
static struct sha256_hash *find_slot(struct sha256_hash *slots, size_t size,
                                     const struct sha256_hash *hash)
{
    size_t at;

    memcpy(&at, hash->bytes, sizeof at);
    for (at &= size - 1;; at = (at + 1) & (size - 1)) {
        if (sha256_equal(&slots[at], &none) || sha256_equal(&slots[at], hash)) {
            return &slots[at];
        }
    }
}

static bool grow(struct hash_set *set)
{
    size_t size = set->size == 0 ? SIZE_FIRST : set->size * 2;
    struct sha256_hash *slots = calloc(size, sizeof *slots);

    if (slots == NULL) return false;
    for (size_t i = 0; i < set->size; i++) {
        if (sha256_equal(&set->slots[i], &none)) continue;
        *find_slot(slots, size, &set->slots[i]) = set->slots[i];
    }
    free(set->slots);
    set->slots = slots;
    set->size = size;
    return true;
}

bool hash_set_add(struct hash_set *set, const struct sha256_hash *hash)
{
    struct sha256_hash *slot;

    // Half of the slots stay free, so that every search ends.
    if (set->num * 2 >= set->size && !grow(set)) return false;
    slot = find_slot(set->slots, set->size, hash);
    if (sha256_equal(slot, hash)) return false;
    *slot = *hash;
    set->num++;
    return true;
}

void hash_set_cleanup(struct hash_set *set)
{
    free(set->slots);
    *set = (struct hash_set){0};
}
