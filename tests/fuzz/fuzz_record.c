// fuzz_record.c - any bytes as a stored record, with a checksum that fits:
// what is read stays within them, and what reads gives the same again.

#include <stdlib.h>

#include "index/base/checksum.h"
#include "index/entry/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SUM_LEN = 8 };

static void use(const struct record *record, struct arena *arena)
{
    struct entry_bytes bytes;
    struct entry entry;
    struct err err = {0};

    // As if it had been decompressed.
    if (!record_read_payload(&bytes, record, record->payload, arena, &err)) {
        if (err.code != ERR_INDEX && err.code != ERR_MEMORY) abort();
        return;
    }
    if (!entry_understand(&entry, &bytes, arena)) return;
    if (record->kind == RECORD_FACTS) {
        record_restore(&entry, record);
        if (entry.flags != record->facts.flags) abort();
        if (entry.bytes.leaf.len != 0) abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes content = bytes_of(data, size);
    uint8_t *value = malloc(SUM_LEN + size);
    struct arena arena = {.max = 64 * 1024 * 1024};
    struct record record;
    struct err err = {0};

    if (value == NULL) return 0;
    if (size != 0) memcpy(value + SUM_LEN, data, size);
    bytes_put_uint(value, checksum((struct bytes){0}, content), SUM_LEN);
    if (record_read(&record, (struct bytes){0}, bytes_of(value, SUM_LEN + size),
                    &err)) {
        use(&record, &arena);
    } else if (err.code != ERR_INDEX) {
        abort();
    }
    arena_cleanup(&arena);
    free(value);
    return 0;
}
