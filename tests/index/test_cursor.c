// test_cursor.c - cursors over many runs against the sorted list of all their
// postings, also while runs are merged between pages.

#include "tests/support/check.h"

#include <stdlib.h>
#include <unistd.h>

#include "index/entry/names.h"
#include "index/handle.h"
#include "index/store/keys.h"
#include "index/store/merge.h"
#include "index/store/posting.h"
#include "tests/support/random.h"

enum {
    NUM_RUNS = 9,
    NUM_ROWS = 400,
    FILES_MAX = 64,
    ALL = NUM_RUNS * NUM_ROWS
};

struct row {
    struct bytes key;
    struct hit hit;
};

static char dir[] = "/tmp/test_cursor.XXXXXX";
static struct row rows[ALL];
static size_t num_rows;

// The runs that a snapshot sees, without an index around them.
static struct index_file files[FILES_MAX];
static size_t num_files;
static struct snapshot_run runs[NUM_RUNS];
static struct snapshot snapshot = {.runs = runs};

static const char *path_of(size_t number)
{
    static char path[64];

    (void)snprintf(path, sizeof path, "%s/%zu", dir, number);
    return path;
}

static int compare(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    int order = bytes_compare(x->key, y->key);

    if (order != 0) return order;
    return x->hit.id < y->hit.id ? -1 : x->hit.id > y->hit.id;
}

static size_t tidy(struct row *list, size_t num)
{
    size_t kept = 0;

    qsort(list, num, sizeof *list, compare);
    for (size_t i = 0; i < num; i++) {
        if (kept > 0 && compare(&list[kept - 1], &list[i]) == 0) {
            free((void *)list[i].key.data);
        } else {
            list[kept++] = list[i];
        }
    }
    return kept;
}

static void add_file(uint64_t first_id, uint64_t end_id)
{
    struct err err;

    files[num_files].info.first_id = first_id;
    files[num_files].info.end_id = end_id;
    assert_true(run_open(&files[num_files].run, path_of(num_files), &err));
    runs[snapshot.num_runs++] =
        (struct snapshot_run){.file = &files[num_files++]};
}

// Names of few domains, one that most have, addresses of two networks.
static struct bytes make_key(struct random *random)
{
    uint8_t octets[4] = {10, 0, (uint8_t)random_below(random, 2),
                         (uint8_t)random_below(random, 30)};
    char name[64] = "big.example";
    struct buffer key = {0};

    if (random_below(random, 5) == 0) {
        keys_append(&key, TERM_IPV4, bytes_of(octets, sizeof octets));
        return buffer_bytes(&key);
    }
    if (random_below(random, 3) > 0) {
        (void)snprintf(name, sizeof name, "%s%u.d%u.example",
                       random_below(random, 3) == 0 ? "www." : "",
                       (unsigned)random_below(random, 20),
                       (unsigned)random_below(random, 4));
    }
    keys_append(&key, TERM_DNS, bytes_from_text(name));
    return buffer_bytes(&key);
}

// Ids of a run are its own, but runs may lie in one another.
static void write_run(size_t number)
{
    struct random random = random_for(1, "cursor", number);
    uint64_t first = 1 + number / 3 * 1000, end = first + 1000;
    struct row *list = rows + num_rows;
    struct run_writer *writer;
    struct err err;
    size_t num;

    for (size_t i = 0; i < NUM_ROWS; i++) {
        list[i].key = make_key(&random);
        list[i].hit.id = first + random_below(&random, 333) * 3 + number % 3;
        list[i].hit.via = VIA_SAN_DNS;
    }
    num = tidy(list, NUM_ROWS);
    assert_true(run_writer_open(&writer, path_of(num_files), first, end, &err));
    for (size_t i = 0; i < num; i++) {
        assert_true(run_writer_add(writer, list[i].key, &list[i].hit, 1, &err));
    }
    assert_true(run_writer_finish(writer, NULL, &err));
    run_writer_close(writer);
    add_file(first, end);
    num_rows += num;
}

static void close_run(size_t at)
{
    snapshot_drop_cursors(&snapshot);
    while (runs[at].num_idle > 0) {
        run_cursor_close(runs[at].idle[--runs[at].num_idle]);
    }
    run_close(runs[at].file->run);
    runs[at] = runs[--snapshot.num_runs];
}

static int set_up(void **state)
{
    (void)state;
    if (mkdtemp(dir) == NULL) return 1;
    for (size_t i = 0; i < NUM_RUNS; i++) {
        write_run(i);
    }
    num_rows = tidy(rows, num_rows);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    while (snapshot.num_runs > 0) {
        close_run(0);
    }
    for (size_t i = 0; i < num_files; i++) {
        (void)unlink(path_of(i));
    }
    for (size_t i = 0; i < num_rows; i++) {
        free((void *)rows[i].key.data);
    }
    return rmdir(dir);
}

// ------------------------------------------------------------ comparing

static size_t lower(struct bytes key, uint64_t id)
{
    size_t at = 0;

    while (at < num_rows &&
           (bytes_compare(rows[at].key, key) < 0 ||
            (bytes_equal(rows[at].key, key) && rows[at].hit.id < id))) {
        at++;
    }
    return at;
}

// The cursor gives rows [at, end), at most `num` of them.
static size_t check_page(struct cursor *cursor, size_t at, size_t end,
                         size_t num)
{
    struct posting posting;
    struct err err;
    bool found;

    for (; num > 0; num--) {
        CHECK(cursor_next(cursor, &posting, &found, &err));
        CHECK(found == (at < end));
        if (!found) return at;
        CHECK(bytes_equal(posting.key, rows[at].key));
        CHECK(posting.id == rows[at].hit.id && posting.via == VIA_SAN_DNS);
        at++;
    }
    return at;
}

struct range {
    struct buffer first, end;
};

static void make_range(struct range *range, struct random *random)
{
    const struct row *a = &rows[random_below(random, num_rows)];
    const struct row *b = &rows[random_below(random, num_rows)];
    static const uint8_t network[4] = {10, 0, 1, 0};

    buffer_reset(&range->first);
    buffer_reset(&range->end);
    switch (random_below(random, 5)) {
    case 0: // one key, often the big one
        buffer_append(&range->first, a->key);
        buffer_append(&range->end, a->key);
        buffer_append_byte(&range->end, 0);
        return;
    case 1:
        (void)keys_subtree(&range->first, &range->end,
                           bytes_from_text("d2.example"),
                           random_below(random, 2) == 0);
        return;
    case 2:
        keys_prefix(&range->first, &range->end,
                    bytes_of(network, sizeof network),
                    22 + (unsigned)random_below(random, 10));
        return;
    case 3:
        buffer_append(&range->first, a->key);
        buffer_append(&range->end, b->key);
        return;
    default: // all
        return;
    }
}

static struct cursor *open_range(const struct range *range)
{
    struct cursor *cursor;
    struct err err;

    if (!cursor_open(&cursor, &snapshot, buffer_bytes(&range->first),
                     buffer_bytes(&range->end), &err)) {
        fail_msg("%s", err.text);
    }
    return cursor;
}

static void bounds(const struct range *range, size_t *from, size_t *to)
{
    *from = lower(buffer_bytes(&range->first), 0);
    *to = range->end.len == 0 ? num_rows : lower(buffer_bytes(&range->end), 0);
    if (*to < *from) *to = *from;
}

static void pages_go_on_at_every_position(void **state)
{
    struct random random = random_for(1, "pages", 0);
    struct range range = {0};

    (void)state;
    for (int i = 0; i < 30; i++) {
        struct cursor *cursor;
        struct err err;
        size_t from, to;

        make_range(&range, &random);
        bounds(&range, &from, &to);
        cursor = open_range(&range);
        check_page(cursor, from, to, SIZE_MAX);
        for (size_t at = from; at < to; at++) {
            CHECK(
                cursor_seek_after(cursor, rows[at].key, rows[at].hit.id, &err));
            (void)check_page(cursor, at + 1, to, 5);
            // An id that no posting has, and a place before the range.
            CHECK(cursor_seek_after(cursor, rows[at].key, rows[at].hit.id - 1,
                                    &err));
            (void)check_page(cursor, at, to, 2);
        }
        CHECK(cursor_seek_after(cursor, bytes_of(NULL, 0), 5, &err));
        (void)check_page(cursor, from, to, 3);
        cursor_close(cursor);
    }
    buffer_cleanup(&range.first);
    buffer_cleanup(&range.end);
}

// What a cursor names before a step is what the step may touch: of one key with
// few postings one block of each run that its filter does not rule out.
static void count_blocks(const struct range *range, size_t holding)
{
    struct bytes blocks[NUM_RUNS], seen[NUM_RUNS + 1];
    struct cursor *cursor = open_range(range);
    struct posting posting;
    struct err err;
    size_t num, num_seen = 0;
    bool found = true;

    while (found) {
        CHECK(cursor_blocks(cursor, blocks, NUM_RUNS, &num, &err));
        for (size_t i = 0; i < num; i++) {
            bool known = false;

            for (size_t k = 0; k < num_seen; k++) {
                known = known || seen[k].data == blocks[i].data;
            }
            if (known) continue;
            assert_true(num_seen < holding);
            seen[num_seen++] = blocks[i];
        }
        CHECK(cursor_next(cursor, &posting, &found, &err));
    }
    assert_int_equal(num_seen, holding);
    CHECK(cursor_blocks(cursor, blocks, NUM_RUNS, &num, &err));
    assert_int_equal(num, 0);
    cursor_close(cursor);
}

static void blocks_are_named_once(void **state)
{
    struct range range = {0};

    (void)state;
    for (size_t i = 0; i < num_rows; i++) {
        size_t holding = 0;

        if (lower(rows[i].key, UINT64_MAX) - lower(rows[i].key, 0) > 100) {
            continue; // the big one fills blocks
        }
        buffer_reset(&range.first);
        buffer_reset(&range.end);
        buffer_append(&range.first, rows[i].key);
        buffer_append(&range.end, rows[i].key);
        buffer_append_byte(&range.end, 0);
        for (size_t k = 0; k < snapshot.num_runs; k++) {
            holding += run_may_have(runs[k].file->run, rows[i].key);
        }
        count_blocks(&range, holding);
    }
    buffer_cleanup(&range.first);
    buffer_cleanup(&range.end);
}

static void merge_some(struct random *random)
{
    struct run *chosen[NUM_RUNS];
    uint64_t first = UINT64_MAX, end = 0;
    struct err err;
    size_t num = 2 + random_below(random, 3);

    if (snapshot.num_runs < 2) return;
    if (num > snapshot.num_runs) num = snapshot.num_runs;
    for (size_t i = 0; i < num; i++) {
        const struct catalogue_file *info = &runs[i].file->info;

        chosen[i] = runs[i].file->run;
        if (info->first_id < first) first = info->first_id;
        if (info->end_id > end) end = info->end_id;
    }
    assert_true(
        merge_runs(path_of(num_files), chosen, num, NULL, NULL, NULL, &err));
    for (size_t i = num; i > 0; i--) {
        close_run(i - 1);
    }
    add_file(first, end);
}

// Each page is of a cursor of its own, as queries have it.
static void pages_go_on_while_runs_are_merged(void **state)
{
    struct random random = random_for(1, "merged", 0);
    struct range all = {0};
    size_t at = 0;
    bool ended = false;

    (void)state;
    while (!ended) {
        struct cursor *cursor = open_range(&all);
        size_t before = at, page = 1 + random_below(&random, 500);
        struct err err;

        if (at > 0) {
            CHECK(cursor_seek_after(cursor, rows[at - 1].key,
                                    rows[at - 1].hit.id, &err));
        }
        at = check_page(cursor, at, num_rows, page);
        ended = at - before < page;
        cursor_close(cursor);
        merge_some(&random);
    }
    assert_int_equal(at, num_rows);
    assert_int_equal(snapshot.num_runs, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_go_on_at_every_position),
        cmocka_unit_test(blocks_are_named_once),
        cmocka_unit_test(pages_go_on_while_runs_are_merged),
        // Again, of the one run that is left.
        cmocka_unit_test(pages_go_on_at_every_position),
        cmocka_unit_test(blocks_are_named_once),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
