// fuzz_crtsh_query.c - a query string as crt.sh's clients send it; what is read
// is a question that can be asked.

#include <assert.h>

#include "query/server/crtsh_query.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {.max = 64 << 20};
    struct crtsh_query query;
    struct question question;
    struct err err = {0};

    if (!crtsh_query_read(&query, bytes_of(data, size), &arena, &err)) {
        assert(err.code == ERR_USAGE || err.code == ERR_MEMORY);
    } else if (query.search == CRTSH_WHAT) {
        assert(query.what.len > 0);
        if (!question_parse(&question, &query.filters, query.what, "q", &arena,
                            &err)) {
            assert(err.code == ERR_USAGE || err.code == ERR_MEMORY);
        }
    }
    arena_cleanup(&arena);
    return 0;
}
