// fuzz_block.c - any bytes as a block of keys and as one of facts, under a
// checksum that holds.

#include <assert.h>
#include <stdlib.h>

#include "index/store/block.h"
#include "index/store/facts.h"
#include "index/store/short_key.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_keys(struct bytes key, struct bytes block)
{
    static struct block_reader reader, seeking;
    struct hit hit;
    bool found = true, any;

    if (!block_read(&reader, key, block)) return;
    while (block_next(&reader, &found) && found) {
        for (any = true; any;) {
            if (!postings_next(&reader.postings, &hit, &any)) break;
        }
        // Whatever else is in it, a look-up stays inside.
        if (block_read(&seeking, key, block)) {
            (void)!block_seek(&seeking, block_key(&reader), &any);
        }
    }
    for (size_t len = 0; len < key.len; len++) {
        // Any bytes are a place to look for, a short key's or not.
        uint8_t other[SHORT_KEY_LEN + 1] = {0};

        memcpy(other, block.data + block.len - len, len);
        if (block_read(&seeking, key, block)) {
            (void)!block_seek(&seeking, bytes_of(other, sizeof other - len % 3),
                              &any);
        }
        if (block_read(&seeking, key, block)) {
            (void)!block_seek(&seeking, bytes_of(key.data, len), &any);
        }
    }
}

static void read_facts(struct bytes key, struct bytes block)
{
    struct segment_facts facts;
    struct bytes content;

    if (!block_open(key, block, &content)) abort();
    for (uint64_t id = 0; id < 300; id++) {
        (void)!facts_read(&facts, content, 299, id);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes key = bytes_from_text("\001com");
    uint8_t *block = malloc(8 + size);

    if (block == NULL) return 0;
    if (size > 0) memcpy(block + 8, data, size);
    block_seal(key, block, 8 + size);
    read_keys(key, bytes_of(block, 8 + size));
    read_facts(key, bytes_of(block, 8 + size));
    free(block);
    return 0;
}
