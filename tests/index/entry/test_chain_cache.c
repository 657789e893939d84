// test_chain_cache.c - a chain is found when it is the same to the last byte.

#include "index/entry/chain_cache.h"
#include "tests/support/check.h"

enum { LEN = 900, NUM = 3 };

static void fill(uint8_t *chain, struct sha256_hash *hashes, unsigned seed)
{
    for (size_t i = 0; i < LEN; i++) {
        seed = seed * 1103515245 + 12345;
        chain[i] = (uint8_t)(seed >> 16);
    }
    for (size_t i = 0; i < NUM; i++) {
        hashes[i] = sha256(bytes_of(chain + i, 10));
    }
}

static void finds_what_is_the_same_and_nothing_else(void **state)
{
    struct chain_cache *cache = calloc(1, sizeof *cache);
    struct sha256_hash hashes[NUM], found[NUM];
    uint8_t chain[LEN];

    (void)state;
    assert_non_null(cache);
    fill(chain, hashes, 1);
    CHECK(!chain_cache_find(cache, bytes_of(chain, LEN), found, NUM));
    CHECK(!chain_cache_find(cache, bytes_of(chain, 0), found, 0));
    chain_cache_keep(cache, bytes_of(chain, LEN), hashes, NUM);
    CHECK(chain_cache_find(cache, bytes_of(chain, LEN), found, NUM));
    CHECK(memcmp(found, hashes, sizeof hashes) == 0);
    CHECK(!chain_cache_find(cache, bytes_of(chain, LEN), found, NUM - 1));
    for (size_t len = 0; len < LEN; len++) {
        CHECK(!chain_cache_find(cache, bytes_of(chain, len), found, NUM));
    }
    for (size_t bit = 0; bit < LEN * 8; bit++) {
        chain[bit / 8] ^= (uint8_t)(1 << bit % 8);
        CHECK(!chain_cache_find(cache, bytes_of(chain, LEN), found, NUM));
        chain[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    CHECK(chain_cache_find(cache, bytes_of(chain, LEN), found, NUM));
    chain_cache_cleanup(cache);
    free(cache);
}

// More chains than slots: what is found is right, and the last one is.
static void forgets_the_older(void **state)
{
    struct chain_cache *cache = calloc(1, sizeof *cache);
    struct sha256_hash hashes[NUM], found[NUM];
    uint8_t *large = calloc(1, CHAIN_CACHE_LEN_MAX + 1);
    uint8_t chain[LEN];
    unsigned num_found = 0;

    (void)state;
    assert_non_null(cache);
    assert_non_null(large);
    for (unsigned i = 0; i < 10 * CHAIN_CACHE_SLOTS; i++) {
        fill(chain, hashes, i);
        chain_cache_keep(cache, bytes_of(chain, LEN), hashes, NUM);
        CHECK(chain_cache_find(cache, bytes_of(chain, LEN), found, NUM));
        CHECK(memcmp(found, hashes, sizeof hashes) == 0);
    }
    for (unsigned i = 0; i < 10 * CHAIN_CACHE_SLOTS; i++) {
        fill(chain, hashes, i);
        if (!chain_cache_find(cache, bytes_of(chain, LEN), found, NUM)) {
            continue;
        }
        CHECK(memcmp(found, hashes, sizeof hashes) == 0);
        num_found++;
    }
    CHECK(num_found > 0 && num_found <= CHAIN_CACHE_SLOTS);
    chain_cache_keep(cache, bytes_of(large, CHAIN_CACHE_LEN_MAX + 1), hashes,
                     NUM);
    CHECK(!chain_cache_find(cache, bytes_of(large, CHAIN_CACHE_LEN_MAX + 1),
                            found, NUM));
    chain_cache_cleanup(cache);
    free(cache);
    free(large);
}

// Of chains of two certificates that end in one root, a log has many.
static void holds_chains_that_end_alike(void **state)
{
    enum { ALIKE = 8, CERT = 400, BOTH = 2 * (3 + CERT) };
    struct chain_cache *cache = calloc(1, sizeof *cache);
    struct sha256_hash hashes[NUM], found[NUM];
    uint8_t chains[ALIKE][BOTH], random[LEN];
    unsigned num_found = 0;

    (void)state;
    assert_non_null(cache);
    for (unsigned i = 0; i < ALIKE; i++) {
        fill(random, hashes, 100 + i);
        bytes_put_uint(chains[i], CERT, 3);
        memcpy(chains[i] + 3, random, CERT);
        fill(random, hashes, 1);
        bytes_put_uint(chains[i] + 3 + CERT, CERT, 3);
        memcpy(chains[i] + 3 + CERT + 3, random, CERT);
        chain_cache_keep(cache, bytes_of(chains[i], BOTH), hashes, 2);
    }
    for (unsigned i = 0; i < ALIKE; i++) {
        num_found +=
            chain_cache_find(cache, bytes_of(chains[i], BOTH), found, 2);
    }
    CHECK(num_found >= ALIKE - 2); // two may meet in a slot
    chain_cache_cleanup(cache);
    free(cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_is_the_same_and_nothing_else),
        cmocka_unit_test(forgets_the_older),
        cmocka_unit_test(holds_chains_that_end_alike),
    };

    (void)setenv("CMOCKA_MESSAGE_OUTPUT", "stdout", 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
