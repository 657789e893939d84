// fuzz_question.c - any bytes as a URL's query string and as WHAT.

#include <stdlib.h>

#include "index/store/keys.h"
#include "query/lines.h"
#include "query/page.h"
#include "query/question.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// A question's ranges are in order and apart, each not empty.
static void check_ranges(const struct question *question)
{
    if (question->num_ranges == 0) abort();
    for (size_t i = 0; i < question->num_ranges; i++) {
        const struct question_range *range = &question->ranges[i];

        if (range->end.len > 0 &&
            bytes_compare(range->first, range->end) >= 0) {
            abort();
        }
        if (range->exact != question->ranges[0].exact) abort();
        if (i > 0 && bytes_compare(range[-1].end, range->first) > 0) abort();
        if (question_find_range(question, range->first) == NULL) abort();
    }
}

static void ask(struct bytes what, const struct filters *filters,
                struct arena *arena)
{
    struct question question;
    struct err err = {0};
    struct page page;

    if (!question_parse(&question, filters, what, "q", arena, &err)) {
        if (err.code != ERR_USAGE || err.text[0] == '\0') abort();
        return;
    }
    check_ranges(&question);
    for (int keyed = 0; keyed < 2 && filters->has_after; keyed++) {
        struct buffer text = {0};

        if (!page_parse(&page, &question, keyed != 0, arena, &err)) continue;
        page_append(&text, &page, &question);
        buffer_cleanup(&text);
    }
}

static void split(struct bytes in, struct arena *arena)
{
    static const struct filters none;
    struct lines lines = {0};
    struct bytes line;

    while (lines_next(&lines, &in, &line)) {
        ask(line, &none, arena);
    }
    if (lines_last(&lines, &line)) ask(line, &none, arena);
    lines_cleanup(&lines);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes in = bytes_of(data, size), what;
    struct arena arena = {0};
    struct filters filters = {0};
    struct err err = {0};

    if (filters_from_query(&filters, &what, in, &arena, &err)) {
        if (what.data != NULL) ask(what, &filters, &arena);
    } else if (err.code != ERR_USAGE || err.text[0] == '\0') {
        abort();
    }
    for (int scope = SCOPE_EXACT; scope <= SCOPE_COVERING; scope++) {
        struct filters alone = {.scope = (enum question_scope)scope};

        ask(in, &alone, &arena);
    }
    split(in, &arena);
    arena_cleanup(&arena);
    return 0;
}
