// fuzz_inflate.c - any bytes as gzip; the limit holds.

#include <stdlib.h>

#include "ingest/parse/inflate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { LEN_MAX = 1 << 20 };
    struct inflater *inflater;
    struct buffer out = {0};

    if (!inflater_new(&inflater, NULL)) return 0;
    if (inflate_gzip(inflater, &out, bytes_of(data, size), LEN_MAX, NULL) &&
        out.len > LEN_MAX) {
        abort();
    }
    buffer_cleanup(&out);
    inflater_free(inflater);
    return 0;
}
