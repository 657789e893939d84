// test_lookups.c - answers while everything moves.
//
// One process appends, flushes to the tail and to files, merges and compacts;
// another looks up at random: single keys, subtrees, prefixes, ranges, pages
// that go on at a later moment.  Every answer is compared with a naive copy of
// the moment that was asked.  The writer takes a step when some look-ups were
// made since the last, so that they fall into every state.
//
// LOOKUPS (3,000) of them.

#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "index/handle.h"
#include "tests/support/check.h"
#include "tests/support/folder.h"
#include "tests/support/naive.h"
#include "tests/support/random.h"

enum {
    NUM_LOGS = 3,
    LOG_SIZE = 900,
    CHUNK_MAX = 60,
    ROUND_LOOKUPS = 1500,
    STEPS_A_ROUND = 150, // about so many appends and moments of compacting
    PAGE_MAX = 40,
};

static char folder[FOLDER_LEN];

// What both processes see.
struct shared {
    _Atomic uint64_t lookups;
    atomic_bool written, reader_ended;
};
static struct shared *shared;

// ------------------------------------------------------------ what is written

struct step {
    size_t log;
    uint64_t first, end;
};

static struct made_log logs[NUM_LOGS];
static struct step steps[NUM_LOGS * LOG_SIZE];
static size_t num_steps;
static struct naive naive;

// In which order chunks of the logs are appended, which gives every id.
static void plan(uint64_t seed)
{
    struct random random = random_for(seed, "plan", 0);
    uint64_t positions[NUM_LOGS] = {0}, id = 1, left = NUM_LOGS;

    num_steps = 0;
    naive.num = 0;
    while (left > 0) {
        struct step *step = &steps[num_steps];

        step->log = random_below(&random, NUM_LOGS);
        step->first = positions[step->log];
        if (step->first == LOG_SIZE) continue;
        step->end = step->first + 1 + random_below(&random, CHUNK_MAX);
        if (step->end > LOG_SIZE) step->end = LOG_SIZE;
        if (step->end == LOG_SIZE) left--;
        positions[step->log] = step->end;
        naive_add(&naive, &logs[step->log], step->first, step->end, id);
        id += step->end - step->first;
        num_steps++;
    }
    naive_sort(&naive);
}

// ------------------------------------------------------------ the reader

struct reader {
    struct index *index;
    struct snapshot *snapshot;
    struct random random;
    struct buffer first, end;
    bool one_key;
    size_t limit; // of a page
};

static _Noreturn void fail_reader(const struct reader *reader, const char *what)
{
    (void)fprintf(
        stderr, "look-up %lu, ids below %lu, %zu runs, %zu segments: %s\n",
        (unsigned long)shared->lookups,
        (unsigned long)snapshot_next_id(reader->snapshot),
        reader->snapshot->num_runs, reader->snapshot->num_segments, what);
    for (size_t i = 0; i < reader->first.len; i++) {
        (void)fprintf(stderr, "%02x", reader->first.data[i]);
    }
    (void)fprintf(stderr, " is the range's first key\n");
    _exit(1);
}

#define EXPECT(reader, condition)                                              \
    do {                                                                       \
        if (!(condition)) fail_reader((reader), #condition);                   \
    } while (0)

static void renew(struct reader *reader)
{
    struct err err = {0};
    bool changed;

    if (random_below(&reader->random, 3) == 0) snapshot_park(reader->snapshot);
    if (!snapshot_renew(reader->snapshot, &changed, &err)) {
        fail_reader(reader, err.text);
    }
}

static bool next(struct reader *reader, struct cursor *cursor,
                 struct posting *posting)
{
    struct err err = {0};
    bool found;

    do {
        if (!cursor_next(cursor, posting, &found, &err)) {
            fail_reader(reader, err.text);
        }
    } while (found && !reader->one_key && naive_is_short(posting->key));
    return found;
}

// Compares up to `limit` answers from row `at` on; gives the row to go on at.
static size_t compare_page(struct reader *reader, struct cursor *cursor,
                           size_t at)
{
    uint64_t end_id = snapshot_next_id(reader->snapshot);
    struct bytes first = buffer_bytes(&reader->first);
    struct bytes end = buffer_bytes(&reader->end);

    for (size_t i = 0; i < reader->limit; i++) {
        struct posting posting;
        bool found = next(reader, cursor, &posting);
        const struct naive_row *row;

        at = naive_next(&naive, at, first, end, end_id, reader->one_key);
        EXPECT(reader, found == (at < naive.num));
        if (!found) return naive.num;
        row = &naive.rows[at++];
        EXPECT(reader, bytes_equal(posting.key, bytes_of(row->key, row->len)));
        EXPECT(reader, posting.id == row->id);
        EXPECT(reader, posting.via == row->via);
    }
    return at;
}

// Asks for [first, end), a page at a time, each page at a later moment.
static void ask(struct reader *reader)
{
    // No id is 0: the first row of the first key, or behind where it would be.
    size_t at = naive_after(&naive, buffer_bytes(&reader->first), 0);
    bool more = false;
    struct err err = {0};

    do {
        struct cursor *cursor;

        if (!cursor_open(&cursor, reader->snapshot,
                         buffer_bytes(&reader->first),
                         buffer_bytes(&reader->end), &err)) {
            fail_reader(reader, err.text);
        }
        if (more) {
            const struct naive_row *row = &naive.rows[at - 1];

            if (!cursor_seek_after(cursor, bytes_of(row->key, row->len),
                                   row->id, &err)) {
                fail_reader(reader, err.text);
            }
        }
        at = compare_page(reader, cursor, at);
        cursor_close(cursor);
        more = at < naive.num && random_below(&reader->random, 4) != 0;
        if (more) renew(reader);
    } while (more);
}

static const struct naive_row *random_row(struct reader *reader)
{
    return &naive.rows[random_below(&reader->random, naive.num)];
}

static void choose_one_key(struct reader *reader)
{
    const struct naive_row *row = random_row(reader);

    buffer_append(&reader->first, bytes_of(row->key, row->len));
    // Now and then one that is not there.
    if (random_below(&reader->random, 5) == 0) {
        reader->first.data[reader->first.len / 2] ^= 1;
    }
    buffer_append(&reader->end, buffer_bytes(&reader->first));
    buffer_append_byte(&reader->end, 0);
    reader->one_key = true;
}

// The name of a row, or one that it lies under.
static void choose_subtree(struct reader *reader)
{
    struct buffer name = {0};
    enum term_kind kind = TERM_IPV4;
    struct bytes value;

    while (kind != TERM_DNS) {
        const struct naive_row *row = random_row(reader);

        buffer_reset(&name);
        if (!keys_parse(bytes_of(row->key, row->len), &kind, &name)) {
            kind = TERM_IPV4;
        }
    }
    value = buffer_bytes(&name);
    while (random_below(&reader->random, 2) == 0) {
        const uint8_t *dot = memchr(value.data, '.', value.len);

        if (dot == NULL) break;
        (void)bytes_skip(&value, (size_t)(dot - value.data) + 1);
    }
    (void)keys_subtree(&reader->first, &reader->end, value,
                       random_below(&reader->random, 2) == 0);
    buffer_cleanup(&name);
}

static void choose_prefix(struct reader *reader)
{
    struct buffer octets = {0};
    enum term_kind kind = TERM_DNS;

    while (kind != TERM_IPV4 && kind != TERM_IPV6) {
        const struct naive_row *row = random_row(reader);

        buffer_reset(&octets);
        if (!keys_parse(bytes_of(row->key, row->len), &kind, &octets)) {
            kind = TERM_DNS;
        }
    }
    keys_prefix(&reader->first, &reader->end, buffer_bytes(&octets),
                (unsigned)random_below(&reader->random, 8 * octets.len + 1));
    buffer_cleanup(&octets);
}

static void choose_range(struct reader *reader)
{
    const struct naive_row *a = random_row(reader), *b = random_row(reader);

    buffer_append(&reader->first,
                  bytes_of(a->key, random_below(&reader->random, a->len) + 1));
    buffer_append(&reader->end, bytes_of(b->key, b->len));
}

static void look_up(struct reader *reader)
{
    static void (*const choices[])(struct reader *) = {
        choose_one_key, choose_one_key, choose_one_key,
        choose_subtree, choose_prefix,  choose_range,
    };

    buffer_reset(&reader->first);
    buffer_reset(&reader->end);
    reader->one_key = false;
    reader->limit = 1 + random_below(&reader->random, PAGE_MAX);
    choices[random_below(&reader->random, COUNT_OF(choices))](reader);
    ask(reader);
}

static _Noreturn void read_along(uint64_t seed)
{
    struct reader reader = {.random = random_for(seed, "reader", 0)};
    struct err err = {0};
    uint64_t last_id = 0;

    if (!index_open(&reader.index, folder, INDEX_READ, &err) ||
        !snapshot_open(&reader.snapshot, reader.index, &err)) {
        (void)fprintf(stderr, "%s\n", err.text);
        _exit(2);
    }
    while (!shared->written) {
        renew(&reader);
        EXPECT(&reader, snapshot_next_id(reader.snapshot) >= last_id);
        last_id = snapshot_next_id(reader.snapshot);
        look_up(&reader);
        shared->lookups++;
    }
    snapshot_close(reader.snapshot);
    index_close(reader.index);
    buffer_cleanup(&reader.first);
    buffer_cleanup(&reader.end);
    _exit(0);
}

// ------------------------------------------------------------ the writer

static void wait_for_lookups(uint64_t a_step)
{
    uint64_t wanted = shared->lookups + a_step;

    while (shared->lookups < wanted && !shared->reader_ended) {
        siginfo_t info = {0};

        (void)usleep(200);
        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
            info.si_pid != 0) {
            shared->reader_ended = true;
        }
    }
}

static bool on_progress(void *context, const char *step, uint64_t done,
                        uint64_t total)
{
    (void)step;
    (void)done;
    (void)total;
    wait_for_lookups(*(const uint64_t *)context);
    return !shared->reader_ended;
}

static struct index *open_writer(struct random *random)
{
    struct err err = {0};
    struct index *index;

    if (!index_open(&index, folder, INDEX_WRITE, &err)) {
        fail_msg("%s", err.text);
    }
    // Sets of one append and more, to the tail and to files.
    index->bulk.tail_max = index->bulk.load_min = random_below(random, 60);
    index->bulk.tail_full = 50 + random_below(random, 300);
    index->bulk.segment_entries = 16;
    index->bulk.segments_max = 1 + random_below(random, 3);
    if (!index_set_memory(index, 1 + random_below(random, 300000), &err)) {
        fail_msg("%s", err.text);
    }
    return index;
}

static void write_all(uint64_t seed, uint64_t a_step)
{
    struct random random = random_for(seed, "writer", 0);
    struct index *index = open_writer(&random);
    struct err err = {0};

    for (size_t i = 0; i < num_steps; i++) {
        const struct step *step = &steps[i];
        bool ok = made_log_append(&logs[step->log], index, step->first,
                                  step->end, LOG_SIZE, &err);

        if (ok && random_below(&random, 20) == 0) ok = index_flush(index, &err);
        if (ok && random_below(&random, 70) == 0) {
            ok = index_compact(index, on_progress, &a_step, &err);
        }
        if (ok && random_below(&random, 40) == 0) {
            index_close(index);
            index = open_writer(&random);
        }
        if (!ok && !shared->reader_ended) fail_msg("%s", err.text);
        if (shared->reader_ended) break;
        wait_for_lookups(a_step);
    }
    if (!shared->reader_ended) {
        if (!index_compact(index, on_progress, &a_step, &err)) {
            fail_msg("%s", err.text);
        }
        wait_for_lookups(a_step);
    }
    index_close(index);
}

static void begin_index(void)
{
    struct err err = {0};
    struct index *index;

    if (!index_open(&index, folder, INDEX_WRITE, &err)) {
        fail_msg("%s", err.text);
    }
    for (size_t i = 0; i < NUM_LOGS; i++) {
        logs[i].log.number = 0;
        CHECK(index_add_log(index, &logs[i].log, signer_key(logs[i].signer),
                            &err));
    }
    index_close(index);
}

static void one_round(uint64_t seed)
{
    pid_t child;
    int status;

    folder_make(folder);
    plan(seed);
    begin_index();
    shared->written = shared->reader_ended = false;
    child = fork();
    if (child == 0) read_along(seed);
    write_all(seed, ROUND_LOOKUPS / STEPS_A_ROUND);
    shared->written = true;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (status != 0) fail_msg("round %lu: see above", (unsigned long)seed);
    folder_remove(folder);
}

static void answers_are_those_of_their_moment(void **state)
{
    const char *text = getenv("LOOKUPS"), *names[] = {"one", "two", "three"};
    uint64_t lookups = text != NULL ? strtoull(text, NULL, 10) : 3000;
    uint64_t seed = 1;

    (void)state;
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(shared != MAP_FAILED);
    for (size_t i = 0; i < NUM_LOGS; i++) {
        made_log_new(&logs[i], names[i], LOG_SIZE);
    }
    for (; shared->lookups < lookups; seed++) {
        one_round(seed);
    }
    print_message("%lu look-ups in %lu rounds\n",
                  (unsigned long)shared->lookups, (unsigned long)(seed - 1));
    for (size_t i = 0; i < NUM_LOGS; i++) {
        made_log_free(&logs[i]);
    }
    naive_cleanup(&naive);
    (void)munmap(shared, sizeof *shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_those_of_their_moment),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
