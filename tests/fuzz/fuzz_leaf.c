// fuzz_leaf.c - any bytes as a MerkleTreeLeaf; what reads is written again.

#include <stdlib.h>

#include "index/entry/leaf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes wire = bytes_of(data, size);
    struct buffer out = {0};
    struct leaf leaf;
    struct err err;

    if (leaf_parse(&leaf, wire, &err)) {
        leaf_append(&out, &leaf);
        if (!bytes_equal(buffer_bytes(&out), wire)) abort();
    }
    (void)!leaf_parse_extensions(&leaf, wire);
    buffer_cleanup(&out);
    return 0;
}
