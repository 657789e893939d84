// test_index.c - the index against a naive copy of itself in memory.

#include <dirent.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "index/handle.h"
#include "index/store/keys.h"
#include "tests/support/folder.h"
#include "tests/support/naive.h"
#include "tests/support/shape.h"

enum { NUM_LOGS = 3, LOG_SIZE = 600, WAITING_IN_PARTS = 5 };

// ------------------------------------------------------------ folders

static char folder[FOLDER_LEN];
static pid_t parent;

static int make_folder(void **state)
{
    (void)state;
    parent = getpid();
    folder_make(folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    // A check that failed in a child must not go on with its parent's tests.
    if (getpid() != parent) _exit(96);
    folder_remove(folder);
    return 0;
}

// How an index comes to lie: whatever it is, answers are the same.
static const struct shape shapes[] = {
    {.name = "tail"},
    {.name = "files", .memory = 1, .tail_full = 1000},
    {.name = "mixed", .memory = 1, .tail_max = 60, .tail_full = 150},
    {.name = "many", .memory = 1, .tail_max = 1000, .tail_full = 1},
    {.name = "waiting", .memory = 1 << 30},
    [WAITING_IN_PARTS] = {.name = "parts",
                          .memory = 1 << 30,
                          .segment_entries = 50},
    {.name = "compacted",
     .memory = 1,
     .tail_max = 60,
     .tail_full = 1000,
     .compacted = true},
    {.name = "compacted tail", .compacted = true},
};
static const struct shape *shape = &shapes[0];

static struct index *open_index(enum index_mode mode)
{
    test_case = shape->name;
    return shape_open(shape, folder, mode);
}

static bool goes_on(void *context, const char *step, uint64_t done,
                    uint64_t total)
{
    (void)context;
    return strlen(step) > 0 && done <= total;
}

// Brings an index into its shape before it is looked at.
static void settle(struct index *index)
{
    struct err err = {0};

    if (!index_flush(index, &err)) fail_msg("%s", err.text);
    if (shape->compacted && !index_compact(index, goes_on, NULL, &err)) {
        fail_msg("%s", err.text);
    }
}

static struct naive naive; // what it should answer

// ------------------------------------------------------------ filling

struct filling {
    struct made_log logs[NUM_LOGS];
    uint64_t positions[NUM_LOGS];
    uint64_t next_id;
};

static uint64_t random_state = 1;

static uint64_t random_below(uint64_t limit)
{
    random_state =
        random_state * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (random_state >> 33) % limit;
}

static void begin(struct filling *filling, struct index *index)
{
    static const char *const names[NUM_LOGS] = {"one", "two", "three3"};
    struct err err = {0};

    *filling = (struct filling){.next_id = 1};
    naive = (struct naive){0};
    for (size_t i = 0; i < NUM_LOGS; i++) {
        struct made_log *log = &filling->logs[i];

        made_log_new(log, names[i], LOG_SIZE);
        if (!index_add_log(index, &log->log, signer_key(log->signer), &err)) {
            fail_msg("%s", err.text);
        }
        assert_int_equal(log->log.number, i + 1);
    }
}

static void finish(struct filling *filling)
{
    for (size_t i = 0; i < NUM_LOGS; i++) {
        made_log_free(&filling->logs[i]);
    }
    naive_cleanup(&naive);
}

// Appends one random chunk; false when all is appended.
static bool append_some(struct filling *filling, struct index *index)
{
    size_t i = random_below(NUM_LOGS);
    uint64_t first, end;
    struct err err = {0};

    for (size_t tries = 0; filling->positions[i] == LOG_SIZE; tries++) {
        if (tries == NUM_LOGS) return false;
        i = (i + 1) % NUM_LOGS;
    }
    first = filling->positions[i];
    end = first + 1 + random_below(130);
    if (end > LOG_SIZE) end = LOG_SIZE;
    if (!made_log_append(&filling->logs[i], index, first, end, LOG_SIZE,
                         &err)) {
        fail_msg("%s", err.text);
    }
    naive_add(&naive, &filling->logs[i], first, end, filling->next_id);
    naive_sort(&naive);
    filling->next_id += end - first;
    filling->positions[i] = end;
    return true;
}

// ------------------------------------------------------------ comparing

// Runs hold these shortened; they are only asked for one by one.
static bool is_shortened(struct bytes key)
{
    if (shape->memory == 0 && !shape->compacted) return false;
    return naive_is_short(key);
}

static struct bytes row_key(size_t i)
{
    return bytes_of(naive.rows[i].key, naive.rows[i].len);
}

static bool next(struct cursor *cursor, struct posting *posting, bool one_key,
                 bool *found)
{
    struct err err = {0};

    do {
        if (!cursor_next(cursor, posting, found, &err)) {
            fail_msg("%s", err.text);
        }
    } while (*found && !one_key && is_shortened(posting->key));
    return *found;
}

static void check_range(struct snapshot *snapshot, struct bytes first,
                        struct bytes end, bool one_key)
{
    struct cursor *cursor;
    struct posting posting;
    struct err err = {0};
    bool found;

    CHECK(cursor_open(&cursor, snapshot, first, end, &err));
    for (size_t i = 0; i < naive.num; i++) {
        struct bytes key = row_key(i);

        if (bytes_compare(key, first) < 0 ||
            (end.len != 0 && bytes_compare(key, end) >= 0) ||
            (!one_key && is_shortened(key))) {
            continue;
        }
        CHECK(next(cursor, &posting, one_key, &found));
        CHECK(bytes_equal(posting.key, key));
        CHECK(posting.id == naive.rows[i].id);
        CHECK(posting.via == naive.rows[i].via);
    }
    CHECK(!next(cursor, &posting, one_key, &found));
    cursor_close(cursor);
}

static void check_ranges(struct snapshot *snapshot)
{
    struct bytes nothing = {0};

    check_range(snapshot, nothing, nothing, false);
    for (int i = 0; i < 60; i++) {
        struct bytes a = row_key(random_below(naive.num));
        struct bytes b = row_key(random_below(naive.num));
        struct buffer exact = {0};

        buffer_append(&exact, a);
        buffer_append_byte(&exact, 0);
        check_range(snapshot, a, buffer_bytes(&exact), true);
        check_range(snapshot, bytes_of(a.data, random_below(a.len)), b, false);
        buffer_cleanup(&exact);
    }
}

static void check_seeks(struct snapshot *snapshot)
{
    struct cursor *cursor;
    struct err err = {0};

    CHECK(cursor_open(&cursor, snapshot, (struct bytes){0}, (struct bytes){0},
                      &err));
    for (size_t i = 0; i < naive.num; i++) {
        struct posting posting;
        size_t k = i + 1;
        bool found;

        CHECK(cursor_seek_after(cursor, row_key(i), naive.rows[i].id, &err));
        while (k < naive.num && is_shortened(row_key(k))) {
            k++;
        }
        CHECK(next(cursor, &posting, false, &found) == (k < naive.num));
        if (!found) continue;
        CHECK(posting.id == naive.rows[k].id &&
              bytes_equal(posting.key, row_key(k)));
    }
    cursor_close(cursor);
}

static void check_entry(const struct made_log *log, struct snapshot *snapshot,
                        uint64_t index, struct arena *arena)
{
    struct entry made, held;
    struct entry_facts facts;
    struct sha256_hash leaf_hash;
    struct chunk_info chunk;
    struct err err = {0};
    uint64_t id;
    bool has_bytes;

    made_log_entry(log, index, &made, arena);
    CHECK(snapshot_find_entry(snapshot, log->log.number, index, &id, &err));
    CHECK(snapshot_facts(snapshot, id, &facts, &err));
    CHECK(facts.log == log->log.number && facts.index == index);
    CHECK(facts.timestamp_ms == made.leaf.timestamp_ms);
    CHECK(facts.type == made.leaf.type && facts.flags == made.flags);
    CHECK(facts.not_before == made.cert.not_before);
    CHECK(facts.not_after == made.cert.not_after);
    CHECK(snapshot_entry(snapshot, id, ENTRY_ALL, &held, &has_bytes, arena,
                         &err));
    CHECK(has_bytes);
    CHECK(bytes_equal(held.bytes.leaf, made.bytes.leaf));
    CHECK(bytes_equal(held.bytes.precert, made.bytes.precert));
    CHECK(held.bytes.num_chain == made.bytes.num_chain);
    CHECK(memcmp(held.bytes.chain, made.bytes.chain,
                 held.bytes.num_chain * SHA256_LEN) == 0);
    CHECK(held.flags == made.flags);
    CHECK(sha256_equal(&held.leaf_hash, &made.leaf_hash));
    CHECK(sha256_equal(&held.leaf_hash, &log->hashes[index]));
    CHECK(snapshot_leaf_hash(snapshot, id, &leaf_hash, arena, &err));
    CHECK(sha256_equal(&leaf_hash, &log->hashes[index]));
    CHECK(snapshot_find_chunk(snapshot, log->log.number, index, &chunk, &err));
    CHECK(chunk.first <= index && index - chunk.first < chunk.num_entries);
    CHECK(chunk.id + (index - chunk.first) == id);
    CHECK(chunk.proof.left.size == chunk.first);
}

static void check_entries(struct filling *filling, struct snapshot *snapshot)
{
    struct arena arena = {0};

    for (size_t i = 0; i < NUM_LOGS; i++) {
        struct err err = {0};
        uint64_t id;

        for (uint64_t k = 0; k < filling->positions[i]; k += 7) {
            check_entry(&filling->logs[i], snapshot, k, &arena);
            arena_reset(&arena);
        }
        CHECK(!snapshot_find_entry(snapshot, filling->logs[i].log.number,
                                   filling->positions[i], &id, &err));
        CHECK(err.code == ERR_NOT_FOUND);
    }
    arena_cleanup(&arena);
}

static void check_logs(struct filling *filling, struct snapshot *snapshot)
{
    struct index_stat stat;
    struct err err = {0};
    uint64_t keys = 0;

    for (size_t i = 0; i < NUM_LOGS; i++) {
        const struct index_log *log = snapshot_log(snapshot, i);
        uint64_t size = filling->positions[i];

        CHECK(log->number == i + 1 && log->indexed == size);
        CHECK(log->verified == size);
        for (uint64_t k = 0; k <= size; k += 1 + random_below(90)) {
            struct merkle_frontier frontier;
            struct sha256_hash root, made;

            CHECK(snapshot_frontier(snapshot, log->number, k, &frontier, &err));
            root = merkle_root(&frontier);
            made = made_log_root(&filling->logs[i], k);
            CHECK(sha256_equal(&root, &made));
        }
    }
    for (size_t i = 0; i < naive.num; i++) {
        keys += i == 0 || !bytes_equal(row_key(i), row_key(i - 1));
    }
    CHECK(snapshot_stat(snapshot, &stat, &err));
    CHECK(stat.entries == filling->next_id - 1);
    CHECK(stat.postings == naive.num);
    // What stands in several files is counted in each.
    CHECK(stat.runs + (stat.tail_entries > 0) <= 1 ? stat.keys == keys
                                                   : stat.keys >= keys);
    CHECK(!shape->compacted || (stat.runs == 1 && stat.segments == 1));
    CHECK(snapshot_next_id(snapshot) == filling->next_id);
}

static void answer_in_a_shape(void)
{
    struct index *index = open_index(INDEX_WRITE);
    struct filling filling;
    struct snapshot *snapshot;
    struct err err = {0};
    bool changed, more = true;

    begin(&filling, index);
    snapshot = shape_snapshot(index);
    while (more) {
        snapshot_park(snapshot);
        snapshot_park(snapshot); // a second time is as good
        for (int i = 0; more && i < 6; i++) {
            more = append_some(&filling, index);
        }
        settle(index);
        CHECK(snapshot_renew(snapshot, &changed, &err));
        check_ranges(snapshot);
        check_entries(&filling, snapshot);
        check_logs(&filling, snapshot);
    }
    check_seeks(snapshot);
    if (shape->memory == 0) {
        CHECK(snapshot_renew(snapshot, &changed, &err) && !changed);
    }
    snapshot_close(snapshot);
    index_close(index);
    // And after it was opened again, by a reader.
    index = open_index(INDEX_READ);
    snapshot = shape_snapshot(index);
    check_ranges(snapshot);
    check_entries(&filling, snapshot);
    check_logs(&filling, snapshot);
    snapshot_close(snapshot);
    index_close(index);
    finish(&filling);
}

static void answers_as_the_naive_copy_does(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(shapes); i++) {
        shape = &shapes[i];
        answer_in_a_shape();
        folder_empty(folder);
    }
    shape = &shapes[0];
}

static bool stop_at_once(void *context, const char *step, uint64_t done,
                         uint64_t total)
{
    size_t *left = context;

    (void)step;
    (void)done;
    (void)total;
    return (*left)-- > 0;
}

// Stopped at any step, compacting changes no answer; then it is finished.
static void a_stopped_compact_changes_nothing(void **state)
{
    struct index *index;
    struct filling filling;
    struct snapshot *snapshot;
    struct err err = {0};

    (void)state;
    shape = &shapes[2];
    index = open_index(INDEX_WRITE);
    begin(&filling, index);
    for (int i = 0; i < 9; i++) {
        CHECK(append_some(&filling, index));
    }
    for (size_t steps = 0;; steps++) {
        size_t left = steps;
        bool done = index_compact(index, stop_at_once, &left, &err);

        CHECK(done || err.code == ERR_INTERRUPTED);
        snapshot = shape_snapshot(index);
        check_ranges(snapshot);
        check_entries(&filling, snapshot);
        snapshot_close(snapshot);
        if (done) break;
        CHECK(steps < 20);
    }
    index_close(index);
    shape = &shapes[0];
    finish(&filling);
}

static size_t count_readers(const struct snapshot *snapshot)
{
    size_t num = 0, bytes = 0;

    for (size_t i = 0; i < snapshot->num_segments; i++) {
        num += snapshot->segments[i].reader != NULL;
        bytes += snapshot->segments[i].bytes;
    }
    CHECK(bytes == snapshot->reader_bytes);
    return num;
}

// Reads all entries while readers take no more than `max`; how many stay open.
static size_t read_within(struct filling *filling, struct index *index,
                          size_t max, size_t *bytes)
{
    struct snapshot *snapshot = shape_snapshot(index);
    size_t num;

    snapshot_trust(snapshot);
    snapshot->reader_bytes_max = max;
    check_entries(filling, snapshot);
    check_entries(filling, snapshot);
    num = count_readers(snapshot);
    *bytes = snapshot->reader_bytes;
    snapshot_close(snapshot);
    return num;
}

// However little readers may take, entries are found and one stays; where
// there is room, all do.
static void readers_are_closed_one_by_one(void **state)
{
    struct index *index;
    struct filling filling;
    size_t all, bytes, half;

    (void)state;
    shape = &shapes[1];
    index = open_index(INDEX_WRITE);
    begin(&filling, index);
    while (append_some(&filling, index)) {
    }
    settle(index);
    all = read_within(&filling, index, SIZE_MAX, &bytes);
    CHECK(all > 20);
    CHECK(read_within(&filling, index, bytes / 2, &half) > all / 4);
    CHECK(half <= bytes / 2);
    CHECK(read_within(&filling, index, 1, &bytes) == 1);
    index_close(index);
    shape = &shapes[0];
    finish(&filling);
}

static void a_snapshot_does_not_move(void **state)
{
    struct index *index = open_index(INDEX_WRITE);
    struct filling filling;
    struct snapshot *snapshot;
    struct naive before = {0};
    struct err err = {0};
    bool changed;

    (void)state;
    begin(&filling, index);
    for (int i = 0; i < 4; i++) {
        CHECK(append_some(&filling, index));
    }
    snapshot = shape_snapshot(index);
    before.num = before.size = naive.num;
    before.rows = calloc(before.num, sizeof *before.rows);
    assert_non_null(before.rows);
    memcpy(before.rows, naive.rows, before.num * sizeof *before.rows);
    for (int i = 0; i < 4; i++) {
        CHECK(append_some(&filling, index));
    }
    CHECK(index_flush(index, &err));
    {
        struct naive after = naive;

        naive = before;
        check_ranges(snapshot);
        CHECK(snapshot_renew(snapshot, &changed, &err) && changed);
        naive = after;
        check_ranges(snapshot);
    }
    naive_cleanup(&before);
    snapshot_close(snapshot);
    index_close(index);
    finish(&filling);
}

// ------------------------------------------------------------ two processes

// Reads on and on; every moment it sees must be whole.
static _Noreturn void read_along(uint64_t end)
{
    struct index *index = open_index(INDEX_READ);
    struct snapshot *snapshot = shape_snapshot(index);
    uint64_t verified = 0;
    bool changed;

    (void)alarm(60);
    while (verified < end) {
        struct bytes nothing = {0};
        struct cursor *cursor;
        struct posting posting;
        uint64_t num = 0;
        struct index_stat stat;
        bool found = true;

        if (!snapshot_renew(snapshot, &changed, NULL)) _exit(1);
        if (!changed) continue;
        if (snapshot_log(snapshot, 0)->verified < verified) _exit(2);
        verified = snapshot_log(snapshot, 0)->verified;
        if (snapshot_next_id(snapshot) != verified + 1) _exit(3);
        if (!cursor_open(&cursor, snapshot, nothing, nothing, NULL)) _exit(4);
        while (cursor_next(cursor, &posting, &found, NULL) && found) {
            if (posting.id > verified) _exit(5);
            num++;
        }
        cursor_close(cursor);
        if (!snapshot_stat(snapshot, &stat, NULL)) _exit(6);
        if (found || stat.postings != num) _exit(7);
    }
    snapshot_close(snapshot);
    index_close(index);
    _exit(0);
}

static void a_reader_follows_a_writer(void **state)
{
    struct index *index = open_index(INDEX_WRITE);
    struct made_log log;
    struct err err = {0};
    pid_t child;
    int status;

    (void)state;
    made_log_new(&log, "followed", LOG_SIZE);
    CHECK(index_add_log(index, &log.log, signer_key(log.signer), &err));
    child = fork();
    if (child == 0) read_along(LOG_SIZE);
    for (uint64_t i = 0; i < LOG_SIZE; i += 20) {
        CHECK(made_log_append(&log, index, i, i + 20, LOG_SIZE, &err));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    index_close(index);
    made_log_free(&log);
}

// ------------------------------------------------------------ a merge fails

static void fail_merging(struct index *index)
{
    struct bulk *bulk = &index->bulk;

    (void)pthread_mutex_lock(&bulk->merge_mutex);
    bulk->merge_failed = true;
    (void)err_set(&bulk->merge_err, ERR_INDEX, "no merge");
    (void)pthread_cond_broadcast(&bulk->merge_changed);
    (void)pthread_mutex_unlock(&bulk->merge_mutex);
}

static size_t count_files(const char *subfolder)
{
    char path[PATH_MAX];
    size_t num = 0;
    DIR *dir;

    (void)snprintf(path, sizeof path, "%s/%s", folder, subfolder);
    dir = opendir(path);
    assert_non_null(dir);
    for (const struct dirent *file; (file = readdir(dir)) != NULL;) {
        num += file->d_name[0] != '.';
    }
    (void)closedir(dir);
    return num;
}

// What waits for a merge that fails has segments that are being written: they
// end before what they are written from goes, and leave nothing behind.
static void a_failed_merge_drops_what_waits(void **state)
{
    struct made_log log;
    struct index *index;
    struct err err = {0};

    (void)state;
    made_log_new(&log, "waits", LOG_SIZE);
    shape = &shapes[WAITING_IN_PARTS];
    index = open_index(INDEX_WRITE);
    CHECK(index_add_log(index, &log.log, signer_key(log.signer), &err));
    fail_merging(index);
    for (uint64_t i = 0; i < LOG_SIZE; i += 100) {
        CHECK(made_log_append(&log, index, i, i + 100, LOG_SIZE, &err));
    }
    CHECK(!index_flush(index, &err));
    assert_string_equal(err.text, "no merge");
    index_close(index);
    assert_int_equal(count_files("segments"), 0);

    index = open_index(INDEX_WRITE);
    CHECK(made_log_append(&log, index, 0, LOG_SIZE, LOG_SIZE, &err));
    CHECK(index_flush(index, &err));
    index_close(index);
    made_log_free(&log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)
        TEST(answers_as_the_naive_copy_does),
        TEST(a_stopped_compact_changes_nothing),
        TEST(readers_are_closed_one_by_one),
        TEST(a_snapshot_does_not_move),
        TEST(a_reader_follows_a_writer),
        TEST(a_failed_merge_drops_what_waits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
