// fuzz_get_entries.c - any bytes as an answer to get-entries.

#include <stdlib.h>

#include "ingest/parse/get_entries.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct get_entry entries[4];
    size_t num_entries;
    uint8_t *body = malloc(size == 0 ? 1 : size);

    if (body == NULL) return 0;
    if (size != 0) memcpy(body, data, size);
    if (get_entries_parse(entries, 4, &num_entries, body, size, NULL)) {
        if (num_entries == 0 || num_entries > 4) abort();
        for (size_t i = 0; i < num_entries; i++) {
            struct bytes leaf = entries[i].leaf_input;

            if (leaf.data < body || leaf.data + leaf.len > body + size) abort();
        }
    }
    free(body);
    return 0;
}
