// test_lmdb.c - the door to LMDB: order, cursors, snapshots, refusals.

#include "tests/support/check.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "index/store/lmdb.h"
#include "tests/support/folder.h"

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

static struct lmdb *open_env(enum lmdb_mode mode)
{
    struct err err = {0};
    struct lmdb *env;

    if (!lmdb_open(&env, folder, mode, &err)) fail_msg("%s", err.text);
    return env;
}

static lmdb_db open_db(struct lmdb *env, enum lmdb_order order)
{
    struct lmdb_txn *txn;
    lmdb_db db;

    CHECK(lmdb_begin(&txn, env, true, NULL));
    CHECK(lmdb_db_open(txn, "table", order, &db, NULL));
    CHECK(lmdb_commit(txn, NULL));
    return db;
}

static void put(struct lmdb *env, lmdb_db db, const char *key,
                const char *value)
{
    struct lmdb_txn *txn;

    CHECK(lmdb_begin(&txn, env, true, NULL));
    CHECK(
        lmdb_put(txn, db, bytes_from_text(key), bytes_from_text(value), NULL));
    CHECK(lmdb_commit(txn, NULL));
}

static bool holds(struct lmdb_txn *txn, lmdb_db db, const char *key,
                  const char *value)
{
    struct bytes out;
    bool found;

    CHECK(lmdb_get(txn, db, bytes_from_text(key), &out, &found, NULL));
    if (value == NULL) return !found;
    return found && bytes_equal_text(out, value);
}

static void readers_see_one_moment(void **state)
{
    struct lmdb *env = open_env(LMDB_CREATE);
    lmdb_db db = open_db(env, LMDB_ORDER_BYTES);
    struct lmdb_txn *reader, *writer;
    bool changed;

    (void)state;
    put(env, db, "a", "1");
    CHECK(lmdb_begin(&reader, env, false, NULL));
    put(env, db, "a", "2");
    put(env, db, "b", "3");
    CHECK(holds(reader, db, "a", "1") && holds(reader, db, "b", NULL));
    CHECK(lmdb_renew(reader, &changed, NULL) && changed);
    CHECK(holds(reader, db, "a", "2") && holds(reader, db, "b", "3"));
    CHECK(lmdb_renew(reader, &changed, NULL) && !changed);
    // What is aborted was never there.
    CHECK(lmdb_begin(&writer, env, true, NULL));
    CHECK(
        lmdb_put(writer, db, bytes_from_text("c"), bytes_from_text("x"), NULL));
    CHECK(lmdb_delete(writer, db, bytes_from_text("a"), NULL));
    CHECK(holds(writer, db, "a", NULL) && holds(writer, db, "c", "x"));
    lmdb_abort(writer);
    CHECK(lmdb_renew(reader, &changed, NULL));
    CHECK(holds(reader, db, "a", "2") && holds(reader, db, "c", NULL));
    lmdb_abort(reader);
    lmdb_abort(NULL);
    lmdb_close(env);
    lmdb_close(NULL);
}

// "ab" with a number would fall among the numbers of "a" by bytes alone.
static void numbers_sort_behind_keys(void **state)
{
    static const struct {
        const char *key;
        uint64_t id;
    } rows[] = {
        {"", 5},
        {"a", 1},
        {"a", 0x61616161616161},
        {"a", 0x62000000000000},
        {"a\x01", 0},
        {"aa", 0},
        {"aa", 7},
        {"aab", 2},
        {"ab", 0},
        {"b", 3},
    };
    struct lmdb *env = open_env(LMDB_CREATE);
    lmdb_db db = open_db(env, LMDB_ORDER_ID);
    struct lmdb_cursor *cursor;
    struct lmdb_txn *txn;
    struct bytes key, value;
    enum lmdb_move move = LMDB_FIRST;
    bool found;

    (void)state;
    CHECK(lmdb_begin(&txn, env, true, NULL));
    for (size_t i = COUNT_OF(rows); i > 0; i--) {
        struct buffer row = {0};

        buffer_append_text(&row, rows[i - 1].key);
        buffer_append_uint(&row, rows[i - 1].id, LMDB_ID_LEN);
        CHECK(lmdb_put(txn, db, buffer_bytes(&row), (struct bytes){0}, NULL));
        buffer_cleanup(&row);
    }
    CHECK(lmdb_cursor_open(&cursor, txn, db, NULL));
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint64_t id;

        test_case = rows[i].key;
        CHECK(lmdb_cursor_move(cursor, move, &key, &value, &found, NULL));
        CHECK(found && value.len == 0);
        CHECK(key.len == strlen(rows[i].key) + LMDB_ID_LEN);
        CHECK(memcmp(key.data, rows[i].key, strlen(rows[i].key)) == 0);
        CHECK(bytes_skip(&key, strlen(rows[i].key)));
        CHECK(bytes_read_uint(&key, &id, LMDB_ID_LEN) && id == rows[i].id);
        move = LMDB_NEXT;
    }
    CHECK(lmdb_cursor_move(cursor, LMDB_NEXT, &key, &value, &found, NULL));
    CHECK(!found);
    lmdb_cursor_close(cursor);
    CHECK(lmdb_commit(txn, NULL));
    lmdb_close(env);
}

static void cursors_go_everywhere(void **state)
{
    static const struct {
        enum lmdb_move move;
        const char *key;   // sought
        const char *found; // NULL: nothing
    } steps[] = {
        {LMDB_FIRST, NULL, "b"}, {LMDB_PREV, NULL, NULL},
        {LMDB_LAST, NULL, "f"},  {LMDB_PREV, NULL, "d"},
        {LMDB_NEXT, NULL, "f"},  {LMDB_SEEK, "a", "b"},
        {LMDB_SEEK, "c", "d"},   {LMDB_SEEK, "d", "d"},
        {LMDB_SEEK, "g", NULL},
    };
    struct lmdb *env = open_env(LMDB_CREATE);
    lmdb_db db = open_db(env, LMDB_ORDER_BYTES);
    struct lmdb_cursor *cursor;
    struct lmdb_txn *txn;

    (void)state;
    put(env, db, "d", "D");
    put(env, db, "b", "B");
    put(env, db, "f", "F");
    CHECK(lmdb_begin(&txn, env, false, NULL));
    CHECK(lmdb_cursor_open(&cursor, txn, db, NULL));
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        struct bytes key = {0}, value;
        bool found;

        if (steps[i].key != NULL) key = bytes_from_text(steps[i].key);
        CHECK(lmdb_cursor_move(cursor, steps[i].move, &key, &value, &found,
                               NULL));
        CHECK(found == (steps[i].found != NULL));
        if (found) CHECK(bytes_equal_text(key, steps[i].found));
    }
    lmdb_cursor_close(cursor);
    lmdb_cursor_close(NULL);
    lmdb_abort(txn);
    lmdb_close(env);
}

static void appends_only_above(void **state)
{
    struct lmdb *env = open_env(LMDB_CREATE);
    lmdb_db db = open_db(env, LMDB_ORDER_BYTES);
    struct lmdb_txn *txn;
    struct err err = {0};
    uint64_t items, bytes;
    uint8_t *space;

    (void)state;
    CHECK(lmdb_begin(&txn, env, true, NULL));
    CHECK(lmdb_append(txn, db, bytes_from_text("m"), 3, &space, NULL));
    memcpy(space, "one", 3);
    CHECK(lmdb_append(txn, db, bytes_from_text("n"), 5000, &space, NULL));
    memset(space, 'x', 5000);
    CHECK(!lmdb_append(txn, db, bytes_from_text("a"), 1, &space, &err));
    CHECK(err.code == ERR_INDEX);
    CHECK(holds(txn, db, "m", "one"));
    CHECK(lmdb_db_size(txn, db, &items, &bytes, NULL));
    CHECK(items == 2 && bytes >= 3 * 4096);
    lmdb_abort(txn);
    lmdb_close(env);
}

static void refuses_keys_of_no_length(void **state)
{
    static uint8_t key[512];
    static const size_t lens[] = {0, 512};
    struct lmdb *env = open_env(LMDB_CREATE);
    lmdb_db db = open_db(env, LMDB_ORDER_BYTES);
    struct lmdb_txn *txn;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(lens); i++) {
        struct err err = {0};

        CHECK(lmdb_begin(&txn, env, true, NULL));
        CHECK(!lmdb_put(txn, db, bytes_of(key, lens[i]), (struct bytes){0},
                        &err));
        CHECK(err.code == ERR_INDEX && strstr(err.text, "BAD_VALSIZE"));
        lmdb_abort(txn);
    }
    CHECK(lmdb_begin(&txn, env, true, NULL));
    CHECK(lmdb_put(txn, db, bytes_of(key, 511), (struct bytes){0}, NULL));
    CHECK(lmdb_commit(txn, NULL));
    lmdb_close(env);
}

static void one_environment_a_process(void **state)
{
    struct lmdb *writer = open_env(LMDB_CREATE), *reader = open_env(LMDB_READ);
    lmdb_db db = open_db(writer, LMDB_ORDER_BYTES);
    struct lmdb_txn *txn;
    struct err err = {0};

    (void)state;
    CHECK(writer == reader);
    lmdb_close(reader);
    put(writer, db, "k", "v");
    lmdb_close(writer);
    reader = open_env(LMDB_READ);
    CHECK(!lmdb_open(&writer, folder, LMDB_WRITE, &err));
    CHECK(strstr(err.text, "open for reading in this process already"));
    CHECK(!lmdb_begin(&txn, reader, true, &err));
    CHECK(strstr(err.text, "open for reading only"));
    lmdb_close(reader);
}

// ------------------------------------------------------------ refusals

static void write_at(off_t offset, const void *data, size_t len)
{
    char path[96];
    int fd;

    (void)snprintf(path, sizeof path, "%s/data.mdb", folder);
    fd = open(path, O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, data, len, offset), (ssize_t)len);
    (void)close(fd);
}

static void refuses_what_it_cannot_read(void **state)
{
    static const struct {
        off_t offset;
        uint32_t value;
        const char *sentence;
    } cases[] = {
        {16, 0xdec0efbe, "written on a machine of the other byte order"},
        {16, 0x12345678, "no LMDB file"},
        {20, 3, "LMDB data format 3; this program reads 1"},
        {40, 16384, "pages of 16384 bytes; this machine has 4096"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct lmdb *env = open_env(LMDB_CREATE);
        struct err err = {0};

        test_case = cases[i].sentence;
        put(env, open_db(env, LMDB_ORDER_BYTES), "k", "v");
        lmdb_close(env);
        write_at(cases[i].offset, &cases[i].value, 4);
        CHECK(!lmdb_open(&env, folder, LMDB_READ, &err));
        CHECK(err.code == ERR_INDEX && strstr(err.text, cases[i].sentence));
        CHECK(!lmdb_open(&env, folder, LMDB_WRITE, &err));
        folder_empty(folder);
    }
    {
        struct lmdb *env;
        struct err err = {0};

        CHECK(!lmdb_open(&env, folder, LMDB_READ, &err));
        CHECK(err.code == ERR_INDEX);
        CHECK(strstr(err.text, "No such file or directory"));
    }
}

static void a_removed_file_is_noticed(void **state)
{
    struct lmdb *env = open_env(LMDB_CREATE);
    struct lmdb_txn *reader, *writer;
    struct err err = {0};
    char path[96];
    bool changed;

    (void)state;
    (void)open_db(env, LMDB_ORDER_BYTES);
    CHECK(lmdb_begin(&reader, env, false, NULL));
    (void)snprintf(path, sizeof path, "%s/data.mdb", folder);
    CHECK(unlink(path) == 0);
    CHECK(!lmdb_begin(&writer, env, true, &err));
    CHECK(strstr(err.text, "was removed while it was in use"));
    CHECK(!lmdb_renew(reader, &changed, &err));
    lmdb_abort(reader);
    lmdb_close(env);
}

// A reader that is killed keeps its moment, and the file grows, until its
// place is freed.
static void dead_readers_are_cleared(void **state)
{
    struct lmdb *env = open_env(LMDB_CREATE);
    lmdb_db db = open_db(env, LMDB_ORDER_BYTES);
    int ready[2], status;
    char byte = 0;
    pid_t child;
    uint64_t size;

    (void)state;
    put(env, db, "k", "v");
    lmdb_close(env);
    assert_int_equal(pipe(ready), 0);
    child = fork();
    if (child == 0) {
        struct lmdb *mine = open_env(LMDB_READ);
        struct lmdb_txn *txn;

        if (!lmdb_begin(&txn, mine, false, NULL)) _exit(1);
        if (write(ready[1], "x", 1) != 1) _exit(1);
        for (;;) {
            (void)pause();
        }
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    (void)kill(child, SIGKILL);
    assert_int_equal(waitpid(child, &status, 0), child);
    env = open_env(LMDB_WRITE); // clears it
    db = open_db(env, LMDB_ORDER_BYTES);
    for (int i = 0; i < 20; i++) {
        put(env, db, "k", "value");
    }
    size = lmdb_size_bytes(env);
    for (int i = 0; i < 200; i++) {
        put(env, db, "k", "value");
    }
    CHECK(lmdb_size_bytes(env) == size);
    lmdb_close(env);
    (void)close(ready[0]);
    (void)close(ready[1]);
}

// Faults that are not ours go to whoever was asked before, or end as ever.
static void other_faults_are_not_ours(void **state)
{
    int status;
    pid_t child;

    (void)state;
    child = fork();
    if (child == 0) {
        struct lmdb *env;

        (void)signal(SIGSEGV, SIG_DFL);
        env = open_env(LMDB_CREATE);
        (void)env;
        (void)raise(SIGSEGV);
        (void)raise(SIGSEGV);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)
        TEST(readers_see_one_moment),      TEST(numbers_sort_behind_keys),
        TEST(cursors_go_everywhere),       TEST(appends_only_above),
        TEST(refuses_keys_of_no_length),   TEST(one_environment_a_process),
        TEST(refuses_what_it_cannot_read), TEST(a_removed_file_is_noticed),
        TEST(dead_readers_are_cleared),    TEST(other_faults_are_not_ours),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
