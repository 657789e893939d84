// test_index.c - the index against a naive copy of itself in memory.

#include <ftw.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "index/index.h"
#include "index/store/keys.h"
#include "tests/support/made_log.h"

enum { NUM_LOGS = 3, LOG_SIZE = 600, ROWS_MAX = 64 * 1024 };

// ------------------------------------------------------------ folders

static char folder[64];

static int remove_one(const char *path, const struct stat *info, int flag,
                      struct FTW *ftw)
{
    (void)info;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static int make_folder(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof folder, "/tmp/sanct-test-XXXXXX");
    return mkdtemp(folder) == NULL;
}

static int remove_folder(void **state)
{
    (void)state;
    return nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static struct index *open_index(enum index_mode mode)
{
    struct err err = {0};
    struct index *index;

    if (!index_open(&index, folder, mode, &err)) fail_msg("%s", err.text);
    return index;
}

static struct snapshot *open_snapshot(struct index *index)
{
    struct snapshot *snapshot;
    struct err err = {0};

    if (!snapshot_open(&snapshot, index, &err)) fail_msg("%s", err.text);
    return snapshot;
}

// ------------------------------------------------------------ the naive copy

struct row {
    uint8_t key[KEYS_LEN_MAX];
    size_t len;
    uint64_t id;
    uint32_t via;
};

static struct row *rows;
static size_t num_rows;

static int compare_rows(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    int order =
        bytes_compare(bytes_of(x->key, x->len), bytes_of(y->key, y->len));

    if (order != 0) return order;
    return x->id < y->id ? -1 : x->id > y->id;
}

static void add_row(struct bytes key, uint64_t id, uint32_t via)
{
    struct row *row = &rows[num_rows++];

    assert_true(num_rows < ROWS_MAX);
    memcpy(row->key, key.data, key.len);
    row->len = key.len;
    row->id = id;
    row->via = via;
}

static bool add_term(void *context, enum term_kind kind, struct bytes value,
                     uint32_t via)
{
    struct buffer key = {0};

    keys_append(&key, kind, value);
    add_row(buffer_bytes(&key), *(uint64_t *)context, via);
    buffer_cleanup(&key);
    return true;
}

static void add_rows(const struct made_log *log, uint64_t first, uint64_t end,
                     uint64_t id)
{
    struct arena arena = {0};

    for (uint64_t i = first; i < end; i++, id++) {
        struct entry entry;

        made_log_entry(log, i, &entry, &arena);
        posting_each_term(&entry, add_term, &id);
        arena_reset(&arena);
    }
    arena_cleanup(&arena);
    qsort(rows, num_rows, sizeof *rows, compare_rows);
}

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
    rows = calloc(ROWS_MAX, sizeof *rows);
    num_rows = 0;
    assert_non_null(rows);
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
    free(rows);
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
    add_rows(&filling->logs[i], first, end, filling->next_id);
    filling->next_id += end - first;
    filling->positions[i] = end;
    return true;
}

// ------------------------------------------------------------ comparing

static void check_range(struct snapshot *snapshot, struct bytes first,
                        struct bytes end)
{
    struct cursor *cursor;
    struct posting posting;
    struct err err = {0};
    bool found;

    CHECK(cursor_open(&cursor, snapshot, first, end, &err));
    for (size_t i = 0; i < num_rows; i++) {
        struct bytes key = bytes_of(rows[i].key, rows[i].len);

        if (bytes_compare(key, first) < 0 ||
            (end.len != 0 && bytes_compare(key, end) >= 0)) {
            continue;
        }
        CHECK(cursor_next(cursor, &posting, &found, &err) && found);
        CHECK(bytes_equal(posting.key, key));
        CHECK(posting.id == rows[i].id);
        CHECK(posting.via == rows[i].via);
    }
    CHECK(cursor_next(cursor, &posting, &found, &err) && !found);
    cursor_close(cursor);
}

static void check_ranges(struct snapshot *snapshot)
{
    struct bytes nothing = {0};

    check_range(snapshot, nothing, nothing);
    for (int i = 0; i < 60; i++) {
        const struct row *a = &rows[random_below(num_rows)];
        const struct row *b = &rows[random_below(num_rows)];
        struct buffer exact = {0};

        buffer_append(&exact, bytes_of(a->key, a->len));
        buffer_append_byte(&exact, 0);
        check_range(snapshot, bytes_of(a->key, a->len), buffer_bytes(&exact));
        check_range(snapshot, bytes_of(a->key, random_below(a->len)),
                    bytes_of(b->key, b->len));
        buffer_cleanup(&exact);
    }
}

static void check_seeks(struct snapshot *snapshot)
{
    struct cursor *cursor;
    struct err err = {0};

    CHECK(cursor_open(&cursor, snapshot, (struct bytes){0}, (struct bytes){0},
                      &err));
    for (size_t i = 0; i < num_rows; i++) {
        struct posting posting;
        bool found;

        CHECK(cursor_seek_after(cursor, bytes_of(rows[i].key, rows[i].len),
                                rows[i].id, &err));
        CHECK(cursor_next(cursor, &posting, &found, &err));
        CHECK(found == (i + 1 < num_rows));
        if (!found) continue;
        CHECK(posting.id == rows[i + 1].id &&
              bytes_equal(posting.key,
                          bytes_of(rows[i + 1].key, rows[i + 1].len)));
    }
    cursor_close(cursor);
}

static void check_entry(const struct made_log *log, struct snapshot *snapshot,
                        uint64_t index, struct arena *arena)
{
    struct entry made, held;
    struct entry_facts facts;
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
    CHECK(snapshot_entry(snapshot, id, &held, &has_bytes, arena, &err));
    CHECK(has_bytes);
    CHECK(bytes_equal(held.bytes.leaf, made.bytes.leaf));
    CHECK(bytes_equal(held.bytes.precert, made.bytes.precert));
    CHECK(held.bytes.num_chain == made.bytes.num_chain);
    CHECK(memcmp(held.bytes.chain, made.bytes.chain,
                 held.bytes.num_chain * SHA256_LEN) == 0);
    CHECK(held.flags == made.flags);
    CHECK(sha256_equal(&held.leaf_hash, &made.leaf_hash));
    CHECK(sha256_equal(&held.leaf_hash, &log->hashes[index]));
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
    for (size_t i = 0; i < num_rows; i++) {
        keys += i == 0 || rows[i].len != rows[i - 1].len ||
                memcmp(rows[i].key, rows[i - 1].key, rows[i].len) != 0;
    }
    CHECK(snapshot_stat(snapshot, &stat, &err));
    CHECK(stat.entries == filling->next_id - 1);
    CHECK(stat.postings == num_rows && stat.keys == keys);
    CHECK(snapshot_next_id(snapshot) == filling->next_id);
}

static void answers_as_the_naive_copy_does(void **state)
{
    struct index *index = open_index(INDEX_WRITE);
    struct filling filling;
    struct snapshot *snapshot;
    struct err err = {0};
    bool changed, more = true;

    (void)state;
    begin(&filling, index);
    snapshot = open_snapshot(index);
    while (more) {
        for (int i = 0; more && i < 6; i++) {
            more = append_some(&filling, index);
        }
        CHECK(snapshot_renew(snapshot, &changed, &err));
        check_ranges(snapshot);
        check_entries(&filling, snapshot);
        check_logs(&filling, snapshot);
    }
    check_seeks(snapshot);
    CHECK(snapshot_renew(snapshot, &changed, &err) && !changed);
    snapshot_close(snapshot);
    index_close(index);
    // And after it was opened again, by a reader.
    index = open_index(INDEX_READ);
    snapshot = open_snapshot(index);
    check_ranges(snapshot);
    check_entries(&filling, snapshot);
    check_logs(&filling, snapshot);
    snapshot_close(snapshot);
    index_close(index);
    finish(&filling);
}

static void a_snapshot_does_not_move(void **state)
{
    struct index *index = open_index(INDEX_WRITE);
    struct filling filling;
    struct snapshot *snapshot;
    struct row *before;
    size_t num_before;
    struct err err = {0};
    bool changed;

    (void)state;
    begin(&filling, index);
    for (int i = 0; i < 4; i++) {
        CHECK(append_some(&filling, index));
    }
    snapshot = open_snapshot(index);
    before = rows;
    num_before = num_rows;
    rows = calloc(ROWS_MAX, sizeof *rows);
    memcpy(rows, before, num_before * sizeof *rows);
    for (int i = 0; i < 4; i++) {
        CHECK(append_some(&filling, index));
    }
    {
        struct row *after = rows;
        size_t num_after = num_rows;

        rows = before;
        num_rows = num_before;
        check_ranges(snapshot);
        CHECK(snapshot_renew(snapshot, &changed, &err) && changed);
        rows = after;
        num_rows = num_after;
        check_ranges(snapshot);
    }
    free(before);
    snapshot_close(snapshot);
    index_close(index);
    finish(&filling);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(answers_as_the_naive_copy_does,
                                        make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_snapshot_does_not_move, make_folder,
                                        remove_folder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
