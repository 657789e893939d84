// chain_cache.c - see chain_cache.h.

#include "index/entry/chain_cache.h"

// A certificate ends with its signature, and those bytes are as good as a hash
// of it.  The first one's: chains that end alike, in one root, are many.
static size_t slot_of(struct bytes chain)
{
    struct bytes rest = chain, first;
    uint32_t word = 0;

    if (!bytes_read_vector(&rest, &first, 3)) first = chain;
    if (first.len >= sizeof word) {
        memcpy(&word, first.data + first.len - sizeof word, sizeof word);
    }
    word += (uint32_t)chain.len;
    return (word ^ word >> 16) & (CHAIN_CACHE_SLOTS - 1);
}

bool chain_cache_find(const struct chain_cache *cache, struct bytes chain,
                      struct sha256_hash *hashes, size_t num)
{
    const struct chain_slot *slot = &cache->slots[slot_of(chain)];

    if (chain.len == 0 || slot->hashes.len != num * sizeof *hashes ||
        !bytes_equal(chain, buffer_bytes(&slot->chain))) {
        return false;
    }
    memcpy(hashes, slot->hashes.data, slot->hashes.len);
    return true;
}

void chain_cache_keep(struct chain_cache *cache, struct bytes chain,
                      const struct sha256_hash *hashes, size_t num)
{
    struct chain_slot *slot = &cache->slots[slot_of(chain)];

    if (chain.len > CHAIN_CACHE_LEN_MAX) return;
    buffer_reset(&slot->chain);
    buffer_reset(&slot->hashes);
    buffer_append(&slot->chain, chain);
    buffer_append(&slot->hashes, bytes_of(hashes, num * sizeof *hashes));
    if (buffer_ok(&slot->chain) && buffer_ok(&slot->hashes)) return;
    buffer_reset(&slot->chain);
    buffer_reset(&slot->hashes);
}

void chain_cache_cleanup(struct chain_cache *cache)
{
    for (size_t i = 0; i < CHAIN_CACHE_SLOTS; i++) {
        buffer_cleanup(&cache->slots[i].chain);
        buffer_cleanup(&cache->slots[i].hashes);
    }
}
