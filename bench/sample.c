// sample.c - see sample.h.

#include "bench/sample.h"

#include "bench/measure.h"
#include "index/store/keys.h"

size_t sample_names(struct snapshot *snapshot, struct bytes *names, size_t max,
                    struct random *random, struct arena *arena)
{
    uint8_t first = TERM_DNS, end = TERM_DNS + 1;
    struct buffer text = {0}, last = {0};
    struct posting posting;
    struct cursor *cursor;
    struct err err = {0};
    enum term_kind kind;
    uint64_t seen = 0;
    bool found;

    if (!cursor_open(&cursor, snapshot, bytes_of(&first, 1), bytes_of(&end, 1),
                     &err)) {
        die("%s", err.text);
    }
    while (cursor_next(cursor, &posting, &found, &err) && found) {
        uint64_t slot;

        // A key that thousands of entries hold counts once.
        if (bytes_equal(posting.key, buffer_bytes(&last))) continue;
        buffer_reset(&last);
        buffer_append(&last, posting.key);
        buffer_reset(&text);
        if (!keys_parse(posting.key, &kind, &text)) continue;
        slot = seen < max ? seen : random_below(random, seen + 1);
        seen++;
        if (slot >= max) continue;
        if (!arena_copy(arena, buffer_bytes(&text), &names[slot])) {
            die("no memory");
        }
    }
    cursor_close(cursor);
    buffer_cleanup(&text);
    buffer_cleanup(&last);
    return seen < max ? (size_t)seen : max;
}
