// test_merge.c - merged runs hold what the runs held; tiers stay few.

#include "tests/support/check.h"

#include <unistd.h>

#include "index/store/merge.h"
#include "tests/support/random.h"

enum { NUM_RUNS = 7, NUM_ROWS = 12000, KEY_MAX = 48 };

static char dir[] = "/tmp/test_merge.XXXXXX";

static const char *path_of(const char *name, int number)
{
    static char paths[2][128];
    static int turn;

    turn = 1 - turn;
    (void)snprintf(paths[turn], sizeof paths[turn], "%s/%s%d", dir, name,
                   number);
    return paths[turn];
}

struct row {
    uint8_t key[KEY_MAX];
    size_t len;
    struct hit hit;
};

static struct bytes row_key(const struct row *row)
{
    return bytes_of(row->key, row->len);
}

static int compare(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    int order = bytes_compare(row_key(x), row_key(y));

    if (order != 0) return order;
    return x->hit.id < y->hit.id ? -1 : x->hit.id > y->hit.id;
}

static struct row rows[NUM_RUNS * NUM_ROWS];
static size_t num_rows;

// Keys that begin alike, begin one another, end in zeros, are kept short or
// have most of the postings.
static void make_key(struct random *random, struct row *row)
{
    memset(row->key, 0, sizeof row->key);
    row->key[0] = TERM_DNS;
    row->len = 5;
    switch (random_below(random, 6)) {
    case 0:
        row->key[1] = 77;
        return;
    case 1:
        bytes_put_uint(row->key + 1, random_below(random, 3000), 4);
        return;
    case 2:
        row->len = 1 + random_below(random, KEY_MAX - 1);
        return;
    case 3:
        row->len = 10 + random_below(random, KEY_MAX - 10);
        for (size_t i = 1; i < row->len; i++) {
            row->key[i] = (uint8_t)(random_below(random, 12) == 0);
        }
        return;
    case 4:
        random_fill(random, row->key, SHORT_KEY_LEN);
        memset(row->key + 1, 0, random_below(random, SHORT_KEY_LEN));
        row->key[0] = (uint8_t)(TERM_CERT_SHA256 + random_below(random, 5));
        row->len = SHORT_KEY_LEN;
        return;
    default:
        memset(row->key, TERM_ISSUER_KEY, 33);
        row->key[20 + random_below(random, 13)] = 1;
        row->len = 33;
        return;
    }
}

// Sorts and joins equal ones, as the sort does.
static size_t tidy(struct row *list, size_t num)
{
    size_t kept = 0;

    qsort(list, num, sizeof *list, compare);
    for (size_t i = 0; i < num; i++) {
        if (kept > 0 && compare(&list[kept - 1], &list[i]) == 0) {
            list[kept - 1].hit.via |= list[i].hit.via;
        } else {
            list[kept++] = list[i];
        }
    }
    return kept;
}

// Each run has ids of its own but for a few that several have.
static void write_part(int part)
{
    struct random random = random_for(1, "merge", (uint64_t)part);
    struct row *list = rows + num_rows;
    struct run_writer *writer;
    struct err err = {0};
    size_t num;

    for (size_t i = 0; i < NUM_ROWS; i++) {
        uint64_t id = random_below(&random, 20000) * NUM_RUNS;

        make_key(&random, &list[i]);
        list[i].hit.id = id + (i % 50 == 0 ? 0 : (uint64_t)part);
        list[i].hit.via = 1u << random_below(&random, 3);
    }
    num = tidy(list, NUM_ROWS);
    assert_true(run_writer_open(&writer, path_of("part", part), 0,
                                20000 * NUM_RUNS, &err));
    for (size_t i = 0; i < num; i++) {
        assert_true(
            run_writer_add(writer, row_key(&list[i]), &list[i].hit, 1, &err));
    }
    assert_true(run_writer_finish(writer, NULL, &err));
    run_writer_close(writer);
    num_rows += num;
}

static int set_up(void **state)
{
    (void)state;
    if (mkdtemp(dir) == NULL) return 1;
    for (int i = 0; i < NUM_RUNS; i++) {
        write_part(i);
    }
    num_rows = tidy(rows, num_rows);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (int i = 0; i < NUM_RUNS; i++) {
        (void)unlink(path_of("part", i));
    }
    (void)unlink(path_of("merged", 0));
    return rmdir(dir);
}

static void open_parts(struct run *parts[NUM_RUNS])
{
    struct err err = {0};

    for (int i = 0; i < NUM_RUNS; i++) {
        assert_true(run_open(&parts[i], path_of("part", i), &err));
    }
}

static void check_merged(const char *path)
{
    struct run_cursor *cursor;
    struct run *run;
    struct bytes key;
    struct hit hit;
    struct err err = {0};
    bool found;

    assert_true(run_open(&run, path, &err));
    assert_int_equal(run_stat(run)->postings, num_rows);
    assert_true(run_cursor_open(&cursor, run, &err));
    assert_true(
        run_cursor_range(cursor, (struct bytes){0}, (struct bytes){0}, &err));
    for (size_t i = 0; i < num_rows; i++) {
        assert_true(run_cursor_next(cursor, &key, &hit, &found, &err) && found);
        assert_true(bytes_equal(key, row_key(&rows[i])));
        assert_true(hit.id == rows[i].hit.id && hit.via == rows[i].hit.via);
        assert_true(run_may_have(run, key));
    }
    assert_true(run_cursor_next(cursor, &key, &hit, &found, &err) && !found);
    run_cursor_close(cursor);
    run_close(run);
}

static bool count(void *context, uint64_t done, uint64_t total)
{
    int *calls = context;

    assert_true(done <= total);
    return --*calls > 0;
}

static void holds_what_the_runs_held(void **state)
{
    struct run *parts[NUM_RUNS];
    struct run_stat stats[NUM_RUNS], stat;
    struct err err = {0};
    int calls = 100;

    (void)state;
    open_parts(parts);
    for (int i = 0; i < NUM_RUNS; i++) {
        stats[i] = *run_stat(parts[i]);
    }
    assert_true(merge_runs(path_of("merged", 0), parts, NUM_RUNS, count, &calls,
                           &stat, &err));
    assert_true(calls < 100);
    assert_int_equal(stat.postings, num_rows);
    assert_true(stat.bytes <= merge_space_bytes(stats, NUM_RUNS));
    check_merged(path_of("merged", 0));
    (void)unlink(path_of("merged", 0));
    // One alone is copied.
    assert_true(
        merge_runs(path_of("merged", 0), parts, 1, NULL, NULL, &stat, &err));
    assert_int_equal(stat.postings, stats[0].postings);
    assert_int_equal(stat.keys, stats[0].keys);
    (void)unlink(path_of("merged", 0));
    for (int i = 0; i < NUM_RUNS; i++) {
        run_close(parts[i]);
    }
}

static void stops_when_told(void **state)
{
    struct run *parts[NUM_RUNS];
    struct err err = {0};
    int calls = 1;

    (void)state;
    open_parts(parts);
    assert_false(merge_runs(path_of("merged", 0), parts, NUM_RUNS, count,
                            &calls, NULL, &err));
    assert_int_equal(err.code, ERR_INTERRUPTED);
    assert_int_equal(access(path_of("merged", 0), F_OK), -1);
    for (int i = 0; i < NUM_RUNS; i++) {
        run_close(parts[i]);
    }
}

// A backfill: runs of the same size come one after the other.
static void few_runs_are_left(void **state)
{
    uint64_t sizes[256], written = 0, total = 0;
    size_t num = 0, most = 0;

    (void)state;
    for (int i = 0; i < 5000; i++) {
        struct merge_choice choice;

        sizes[num++] = 900000 + (uint64_t)i % 200000;
        total += sizes[num - 1];
        for (;;) {
            uint64_t sum = 0;
            size_t kept = 0;

            merge_choose(&choice, sizes, num);
            if (choice.num == 0) break;
            for (size_t j = 0; j < choice.num; j++) {
                sum += sizes[choice.chosen[j]];
                sizes[choice.chosen[j]] = 0;
            }
            for (size_t j = 0; j < num; j++) {
                if (sizes[j] != 0) sizes[kept++] = sizes[j];
            }
            num = kept;
            sizes[num++] = sum;
            written += sum;
        }
        if (num > most) most = num;
        if (i < MERGE_FAN * MERGE_FAN * MERGE_FAN - 1) {
            assert_true(written <= 2 * total);
        }
    }
    // Of 16^3 are 5000 little more.
    assert_true(most <= 3 * (MERGE_FAN - 1) + 1);
    assert_true(written <= 3 * total);
}

static void compacting_ends_in_one(void **state)
{
    static const size_t nums[] = {0, 1, 2, 63, 64, 65, 127, 128, 200};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(nums); i++) {
        uint64_t sizes[256];
        size_t num = nums[i], rounds = 0;

        for (size_t j = 0; j < num; j++) {
            sizes[j] = 1 + j;
        }
        for (;; rounds++) {
            struct merge_choice choice;
            uint64_t sum = 0;
            size_t kept = 0;

            merge_choose_all(&choice, sizes, num);
            if (choice.num == 0) break;
            assert_true(choice.num >= 2 && choice.num <= MERGE_RUNS_MAX);
            for (size_t j = 0; j < choice.num; j++) {
                sum += sizes[choice.chosen[j]];
                sizes[choice.chosen[j]] = 0;
            }
            for (size_t j = 0; j < num; j++) {
                if (sizes[j] != 0) sizes[kept++] = sizes[j];
            }
            num = kept;
            sizes[num++] = sum;
        }
        assert_true(num <= 1);
        assert_int_equal(rounds, nums[i] < 2      ? 0
                                 : nums[i] <= 64  ? 1
                                 : nums[i] <= 127 ? 2
                                 : nums[i] <= 190 ? 3
                                                  : 4);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(holds_what_the_runs_held),
        cmocka_unit_test(stops_when_told),
        cmocka_unit_test(few_runs_are_left),
        cmocka_unit_test(compacting_ends_in_one),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
