// test_run.c - runs against a sorted array of the same postings.

#include "tests/support/check.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "index/base/sha256.h"
#include "index/entry/names.h"
#include "index/store/keys.h"
#include "index/store/run.h"
#include "tests/support/random.h"

enum { NUM_POSTINGS = 60000, NUM_BIG = 14000, KEY_MAX = 64 };

struct row {
    uint8_t key[KEY_MAX];
    size_t len;
    struct hit hit;
};

static struct row *rows;
static size_t num_rows;
static char dir[] = "/tmp/test_run.XXXXXX";

static const char *path_of(const char *name)
{
    static char path[128];

    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static struct bytes row_key(size_t i)
{
    return bytes_of(rows[i].key, rows[i].len);
}

static int compare(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    int order =
        bytes_compare(bytes_of(x->key, x->len), bytes_of(y->key, y->len));

    if (order != 0) return order;
    return x->hit.id < y->hit.id ? -1 : x->hit.id > y->hit.id;
}

static void make_row(struct random *random, struct row *row, size_t i)
{
    char name[KEY_MAX];
    struct buffer key = {0};

    row->hit.id = 1 + random_below(random, NUM_POSTINGS * 4);
    if (i % 3 == 2) { // kept short; some of them often, one very often
        uint64_t number = random_next(random);

        if (i % 2 == 0) number = random_below(random, 300);
        if (i % 9 == 2) number = 7;
        row->key[0] = (uint8_t)(TERM_CERT_SHA256 + random_below(random, 4));
        bytes_put_uint(row->key + 1, number << (i % 5 == 0 ? 30 : 0),
                       SHORT_KEY_LEN - 1);
        row->len = SHORT_KEY_LEN;
        row->hit.via = i % 11 == 0 ? VIA_UNAUTHENTICATED : 0;
        return;
    }
    if (i < NUM_BIG) { // one name with many
        (void)snprintf(name, sizeof name, "big.example");
    } else {
        (void)snprintf(name, sizeof name, "h%u.d%u.example",
                       (unsigned)random_below(random, 5),
                       (unsigned)random_below(random, 5000));
    }
    keys_append(&key, TERM_DNS, bytes_from_text(name));
    assert_true(buffer_ok(&key) && key.len <= KEY_MAX);
    memcpy(row->key, key.data, key.len);
    row->len = key.len;
    row->hit.via = random_below(random, 9) == 0 ? VIA_CN : VIA_SAN_DNS;
    buffer_cleanup(&key);
}

static int set_up(void **state)
{
    struct random random = random_for(1, "run", 0);

    (void)state;
    rows = calloc(NUM_POSTINGS, sizeof *rows);
    if (rows == NULL || mkdtemp(dir) == NULL) return 1;
    for (size_t i = 0; i < NUM_POSTINGS; i++) {
        make_row(&random, &rows[i], i);
    }
    qsort(rows, NUM_POSTINGS, sizeof *rows, compare);
    for (size_t i = 0; i < NUM_POSTINGS; i++) {
        if (num_rows > 0 && compare(&rows[num_rows - 1], &rows[i]) == 0) {
            continue;
        }
        rows[num_rows++] = rows[i];
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    (void)unlink(path_of("run"));
    (void)unlink(path_of("damaged"));
    free(rows);
    return rmdir(dir);
}

// Writes all rows; hits of a key in one call or in several.
static void write_run(const char *name, size_t hits_max, struct run_stat *stat)
{
    struct run_writer *writer;
    struct err err = {0};
    struct hit hits[100];

    (void)unlink(path_of(name));
    assert_true(
        run_writer_open(&writer, path_of(name), 1, NUM_POSTINGS * 4 + 1, &err));
    for (size_t i = 0; i < num_rows;) {
        size_t num = 0, first = i;

        while (i < num_rows && num < hits_max &&
               bytes_equal(row_key(first), row_key(i))) {
            hits[num++] = rows[i++].hit;
        }
        assert_true(run_writer_add(writer, row_key(first), hits, num, &err));
    }
    assert_true(run_writer_finish(writer, stat, &err));
    run_writer_close(writer);
}

// What the cursor gives is rows [at, end).
static void check_rows(struct run_cursor *cursor, size_t at, size_t end)
{
    struct bytes key;
    struct hit hit;
    struct err err = {0};
    bool found;

    for (; at < end; at++) {
        CHECK(run_cursor_next(cursor, &key, &hit, &found, &err) && found);
        CHECK(bytes_equal(key, row_key(at)));
        CHECK(hit.id == rows[at].hit.id && hit.via == rows[at].hit.via);
    }
    CHECK(run_cursor_next(cursor, &key, &hit, &found, &err) && !found);
    CHECK(run_cursor_block(cursor).len == 0);
    CHECK(run_cursor_next(cursor, &key, &hit, &found, &err) && !found);
}

static size_t lower(struct bytes key, uint64_t id)
{
    size_t first = 0, end = num_rows;

    while (first < end) {
        size_t middle = first + (end - first) / 2;
        int order = bytes_compare(row_key(middle), key);

        if (order < 0 || (order == 0 && rows[middle].hit.id < id)) {
            first = middle + 1;
        } else {
            end = middle;
        }
    }
    return first;
}

static void gives_back_what_was_put(void **state)
{
    struct run_stat written, again;
    struct run_cursor *cursor;
    struct run *run;
    struct err err = {0};
    struct stat now;

    (void)state;
    write_run("run", 100, &again);
    write_run("run", 7, &written);
    assert_int_equal(written.keys, again.keys);
    assert_int_equal(written.postings, num_rows);
    assert_true(run_open(&run, path_of("run"), &err));
    assert_int_equal(written.blocks, run_stat(run)->blocks);
    assert_int_equal(written.end_id, NUM_POSTINGS * 4 + 1);
    assert_int_equal(stat(path_of("run"), &now), 0);
    assert_int_equal(run_stat(run)->bytes, now.st_size);
    assert_true(run_cursor_open(&cursor, run, &err));
    // Before it is placed it gives nothing.
    check_rows(cursor, 0, 0);
    assert_true(
        run_cursor_range(cursor, (struct bytes){0}, (struct bytes){0}, &err));
    check_rows(cursor, 0, num_rows);
    run_cursor_close(cursor);
    run_close(run);
}

static void ranges_and_places_are_exact(void **state)
{
    struct random random = random_for(1, "ranges", 0);
    struct run_cursor *cursor;
    struct run *run;
    struct err err = {0};

    (void)state;
    write_run("run", 100, NULL);
    assert_true(run_open(&run, path_of("run"), &err));
    assert_true(run_cursor_open(&cursor, run, &err));
    for (int i = 0; i < 3000; i++) {
        struct bytes first = row_key(random_below(&random, num_rows));
        size_t a = random_below(&random, num_rows);
        size_t b = a + random_below(&random, 300);
        struct bytes end = row_key(b < num_rows ? b : a);
        uint8_t raw[KEY_MAX + 1];
        size_t from, to;

        if (i % 4 == 0) { // of one key alone
            memcpy(raw, first.data, first.len);
            raw[first.len] = 0;
            end = bytes_of(raw, first.len + 1);
        } else {
            first = row_key(a);
        }
        if (i % 3 == 0) first.len /= 2; // what no key is
        from = lower(first, 0);
        to = lower(end, 0);
        CHECK(run_cursor_range(cursor, first, end, &err));
        if (from < to) CHECK(run_cursor_block(cursor).len > 0);
        if (i % 2 == 0) {
            check_rows(cursor, from, to < from ? from : to);
            continue;
        }
        if (from >= to) continue;
        // From the middle of it, forwards and back.
        for (int j = 0; j < 3; j++) {
            size_t after = from + random_below(&random, to - from);
            uint64_t id = rows[after].hit.id;

            if (j == 2) id += random_below(&random, 3);
            CHECK(
                run_cursor_range_after(cursor, row_key(after), id, end, &err));
            check_rows(cursor, lower(row_key(after), id + 1), to);
        }
    }
    run_cursor_close(cursor);
    run_close(run);
}

// Drops the file from the page cache, where the file system can.
static bool drop(const char *path)
{
    int fd = open(path, O_RDONLY);
    bool ok;

    assert_true(fd >= 0);
    ok =
        fdatasync(fd) == 0 && posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0;
    (void)close(fd);
    return ok;
}

static bool is_resident(struct bytes block)
{
    uintptr_t page = (uintptr_t)block.data & ~(uintptr_t)4095;
    unsigned char in = 0;

    assert_int_equal(mincore((void *)page, 1, &in), 0);
    return (in & 1) != 0;
}

static void a_block_is_named_before_it_is_touched(void **state)
{
    struct random random = random_for(1, "cold", 0);
    struct run_cursor *cursor;
    struct run *run;
    struct bytes key;
    struct hit hit;
    struct err err = {0};
    bool found;
    size_t cold = 0;

    (void)state;
    write_run("run", 100, NULL);
    if (!drop(path_of("run"))) skip();
    assert_true(run_open(&run, path_of("run"), &err));
    assert_true(run_cursor_open(&cursor, run, &err));
    for (int i = 0; i < 50; i++) {
        struct bytes block;

        assert_true(run_cursor_range(cursor,
                                     row_key(random_below(&random, num_rows)),
                                     (struct bytes){0}, &err));
        block = run_cursor_block(cursor);
        assert_true(block.len > 0);
        if (is_resident(block)) continue;
        cold++;
        assert_true(run_cursor_next(cursor, &key, &hit, &found, &err) && found);
        assert_true(is_resident(block));
    }
    run_cursor_close(cursor);
    run_close(run);
    // In memory (tmpfs) everything is resident all the time.
    if (cold == 0) skip();
    assert_true(cold > 20);
}

// After a block's last hit the next one is named, the same whether a walk or
// a seek came there.
static void names_no_block_that_is_not_needed(void **state)
{
    struct run_cursor *walk, *cursor;
    struct run *run;
    struct bytes key;
    struct hit hit;
    struct err err = {0};
    bool found;
    size_t ends = 0;

    (void)state;
    write_run("run", 100, NULL);
    assert_true(run_open(&run, path_of("run"), &err));
    assert_true(run_cursor_open(&walk, run, &err));
    assert_true(run_cursor_open(&cursor, run, &err));
    assert_true(
        run_cursor_range(walk, (struct bytes){0}, (struct bytes){0}, &err));
    for (size_t i = 0; i + 1 < num_rows; i++) {
        assert_true(run_cursor_next(walk, &key, &hit, &found, &err) && found);
        if (run_cursor_block(walk).len == 0) continue;
        ends++;
        assert_true(run_cursor_range_after(cursor, row_key(i), rows[i].hit.id,
                                           (struct bytes){0}, &err));
        assert_ptr_equal(run_cursor_block(cursor).data,
                         run_cursor_block(walk).data);
    }
    assert_int_equal(ends + 1, run_stat(run)->blocks);
    run_cursor_close(walk);
    run_cursor_close(cursor);
    run_close(run);
}

static void write_file(struct bytes content)
{
    FILE *file = fopen(path_of("damaged"), "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(content.data, 1, content.len, file), content.len);
    assert_int_equal(fclose(file), 0);
}

static void filters_never_hide_a_key(void **state)
{
    struct run *run;
    struct err err = {0};
    size_t yes = 0;

    (void)state;
    write_run("run", 100, NULL);
    assert_true(run_open(&run, path_of("run"), &err));
    assert_true(run_stat(run)->filter_bytes > run_stat(run)->keys);
    for (size_t i = 0; i < num_rows; i++) {
        assert_true(run_may_have(run, row_key(i)));
    }
    for (uint64_t i = 0; i < 10000; i++) {
        uint8_t key[9] = "\001";

        bytes_put_uint(key + 1, i, 8);
        yes += run_may_have(run, bytes_of(key, sizeof key));
    }
    assert_true(yes < 200);
    assert_false(run_may_have(run, bytes_from_text("\377")));
    assert_true(run_check_filters(run, &err));
    run_close(run);
}

enum { ALIKE = 150000, OTHERS = 40000 }; // a filter has 32,704 keys

// Before, among and behind keys that are the same in their first eight bytes.
static struct bytes key_among_alike(uint8_t key[12], uint32_t i)
{
    memset(key, 'm', 12);
    key[0] = 1;
    if (i < OTHERS) {
        bytes_put_uint(key + 1, i, 7);
    } else if (i < OTHERS + ALIKE) {
        bytes_put_uint(key + 8, i, 4);
    } else {
        bytes_put_uint(key + 1, (uint64_t)'n' << 48 | i, 7);
    }
    return bytes_of(key, 12);
}

static void filters_are_found_among_keys_that_begin_alike(void **state)
{
    const struct hit hit = {1, 1};
    struct run_writer *writer;
    struct run_stat stat;
    struct run *run;
    struct err err = {0};
    uint8_t key[12];
    size_t yes = 0;

    (void)state;
    (void)unlink(path_of("run"));
    assert_true(run_writer_open(&writer, path_of("run"), 1, 2, &err));
    for (uint32_t i = 0; i < ALIKE + 2 * OTHERS; i++) {
        CHECK(run_writer_add(writer, key_among_alike(key, i), &hit, 1, &err));
    }
    assert_true(run_writer_finish(writer, &stat, &err));
    run_writer_close(writer);
    assert_true(run_open(&run, path_of("run"), &err));
    for (uint32_t i = 0; i < ALIKE + 2 * OTHERS; i++) {
        CHECK(run_may_have(run, key_among_alike(key, i)));
    }
    for (uint32_t i = 0; i < 10000; i++) {
        (void)key_among_alike(key, OTHERS);
        bytes_put_uint(key + 8, UINT64_C(0x70000000) + i, 4);
        yes += run_may_have(run, bytes_of(key, sizeof key));
    }
    assert_true(yes < 200);
    run_close(run);
}

// Many threads may be the first to ask.
static void *ask(void *context)
{
    const struct run *run = context;
    size_t no = 0;

    for (size_t i = 0; i < num_rows; i++) {
        no += !run_may_have(run, row_key(i));
    }
    return (void *)(uintptr_t)no;
}

static void filters_are_asked_by_many(void **state)
{
    pthread_t threads[4];
    struct run *run;
    struct err err = {0};

    (void)state;
    write_run("run", 100, NULL);
    assert_true(run_open(&run, path_of("run"), &err));
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, ask, run), 0);
    }
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        void *no;

        assert_int_equal(pthread_join(threads[i], &no), 0);
        assert_null(no);
    }
    run_close(run);
}

// A damaged filter hides nothing: it says yes, and the check says so.
static void a_damaged_filter_hides_nothing(void **state)
{
    struct bytes whole;
    struct run *run;
    struct err err = {0};
    size_t at, lines = 0;

    (void)state;
    write_run("run", 100, NULL);
    whole = read_file(path_of("run"));
    // Filters alone have so many zeros behind a checksum at a page's start.
    for (at = 0; at + 4096 <= whole.len; at += 4096) {
        static const uint8_t zeros[40];
        uint8_t *page = (uint8_t *)(uintptr_t)whole.data + at;

        if (memcmp(page + 24, zeros, sizeof zeros) != 0) continue;
        memset(page + 64, 0, 64); // a line of bits
        lines++;
    }
    assert_true(lines > 0);
    write_file(whole);
    assert_true(run_open(&run, path_of("damaged"), &err));
    assert_false(run_check_filters(run, &err));
    assert_int_equal(err.code, ERR_INDEX);
    assert_non_null(strstr(err.text, "/damaged: the checksum of a filter"));
    for (size_t i = 0; i < num_rows; i++) {
        assert_true(run_may_have(run, row_key(i)));
    }
    run_close(run);
    free((void *)whole.data);
}

// What a look-up of one key touches, filter or not: one block, also where the
// key is the last in it, or none.
static void a_look_up_touches_one_block(void **state)
{
    struct run_cursor *cursor;
    struct run *run;
    struct err err = {0};
    size_t most = 0;

    (void)state;
    write_run("run", 100, NULL);
    assert_true(run_open(&run, path_of("run"), &err));
    assert_true(run_cursor_open(&cursor, run, &err));
    for (size_t i = 0; i < num_rows; i++) {
        uint8_t raw[KEY_MAX + 1];
        size_t blocks = 0, hits = 0;
        bool found = true;

        memcpy(raw, row_key(i).data, row_key(i).len);
        raw[row_key(i).len] = 0;
        if (i % 5 == 0) raw[row_key(i).len - 1] ^= 1; // mostly none
        assert_true(run_cursor_range(cursor, bytes_of(raw, row_key(i).len),
                                     bytes_of(raw, row_key(i).len + 1), &err));
        while (found) {
            struct bytes key;
            struct hit hit;

            blocks += run_cursor_block(cursor).len > 0;
            assert_true(run_cursor_next(cursor, &key, &hit, &found, &err));
            hits += found;
        }
        if (hits <= 16) assert_true(blocks <= 1);
        if (blocks > most) most = blocks;
        if (hits > 16) i += hits / 2;
    }
    assert_true(most > 1); // of the one with many
    run_cursor_close(cursor);
    run_close(run);
}

static void an_empty_run_is_one(void **state)
{
    struct run_writer *writer;
    struct run_cursor *cursor;
    struct run *run;
    struct err err = {0};

    (void)state;
    (void)unlink(path_of("run"));
    assert_true(run_writer_open(&writer, path_of("run"), 5, 5, &err));
    assert_true(run_writer_finish(writer, NULL, &err));
    run_writer_close(writer);
    assert_true(run_open(&run, path_of("run"), &err));
    assert_false(run_may_have(run, bytes_from_text("a")));
    assert_true(run_cursor_open(&cursor, run, &err));
    assert_true(
        run_cursor_range(cursor, (struct bytes){0}, (struct bytes){0}, &err));
    check_rows(cursor, 0, 0);
    run_cursor_close(cursor);
    run_close(run);
}

static void nothing_is_left_of_what_was_not_finished(void **state)
{
    struct run_writer *writer;
    struct hit hit = {1, 0};
    struct err err = {0};

    (void)state;
    (void)unlink(path_of("run"));
    assert_true(run_writer_open(&writer, path_of("run"), 1, 9, &err));
    assert_true(run_writer_add(writer, bytes_from_text("b"), &hit, 1, &err));
    assert_false(run_writer_open(&writer, path_of("run"), 1, 9, &err) &&
                 (run_writer_close(writer), true)); // it exists
    assert_non_null(strstr(err.text, "/run: File exists"));
    run_writer_close(writer);
    assert_int_equal(access(path_of("run"), F_OK), -1);
}

static void short_keys_are_told(void **state)
{
    struct sha256_hash hash = sha256(bytes_from_text("x"));
    struct buffer key = {0};
    uint8_t out[1 + RUN_KEY_HASH_LEN];
    struct bytes made;
    bool exact;

    (void)state;
    keys_append(&key, TERM_SPKI_SHA256, sha256_bytes(&hash));
    made = run_key(buffer_bytes(&key), out, &exact);
    assert_true(!exact && made.len == 1 + RUN_KEY_HASH_LEN &&
                made.data[0] == TERM_SPKI_SHA256 &&
                memcmp(made.data + 1, hash.bytes, RUN_KEY_HASH_LEN) == 0);
    buffer_reset(&key);
    keys_append(&key, TERM_SERIAL, bytes_from_text("\x01"));
    made = run_key(buffer_bytes(&key), out, &exact);
    hash = sha256(buffer_bytes(&key));
    assert_true(!exact && made.len == 1 + RUN_KEY_HASH_LEN &&
                made.data[0] == TERM_SERIAL &&
                memcmp(made.data + 1, hash.bytes, RUN_KEY_HASH_LEN) == 0);
    buffer_reset(&key);
    keys_append(&key, TERM_ISSUER_KEY, sha256_bytes(&hash));
    made = run_key(buffer_bytes(&key), out, &exact);
    assert_true(exact && bytes_equal(made, buffer_bytes(&key)));
    buffer_cleanup(&key);
}

// Writes until the file may not grow: a sentence, and nothing is left.
static int write_too_much(void)
{
    const struct rlimit limit = {512 * 1024, 512 * 1024};
    struct run_writer *writer;
    struct err err = {0};
    bool ok;

    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) return 1;
    if (!run_writer_open(&writer, path_of("damaged"), 1, UINT64_C(1) << 40,
                         &err)) {
        return 2;
    }
    ok = true;
    for (uint64_t i = 0; ok && i < 200000; i++) {
        struct hit hit = {i + 1, 0};
        uint8_t key[17] = {TERM_CERT_SHA256};

        bytes_put_uint(key + 1, i << 20, 8);
        ok = run_writer_add(writer, bytes_of(key, sizeof key), &hit, 1, &err);
    }
    ok = ok && run_writer_finish(writer, NULL, &err);
    run_writer_close(writer);
    if (ok || err.code != ERR_INDEX) return 3;
    if (strstr(err.text, "file size limit") == NULL) return 4;
    return access(path_of("damaged"), F_OK) == 0 ? 5 : 0;
}

static void a_full_disk_leaves_nothing(void **state)
{
    int status = 0;
    pid_t pid = fork();

    (void)state;
    if (pid == 0) {
        (void)unlink(path_of("damaged"));
        _exit(write_too_much());
    }
    assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

// ------------------------------------------------------------ damage

// Opens a damaged file and reads all of it: every way this ends is fine but
// for a crash, and for rows that were not put.
static int read_damaged(void)
{
    struct run_cursor *cursor = NULL;
    struct run *run;
    struct bytes key;
    struct hit hit;
    struct err err = {0};
    bool found = true, ok;

    if (!run_open(&run, path_of("damaged"), &err)) {
        return err.code == ERR_INDEX && strstr(err.text, "/damaged") != NULL
                   ? 6
                   : 1;
    }
    ok = run_cursor_open(&cursor, run, &err) &&
         run_cursor_range(cursor, (struct bytes){0}, (struct bytes){0}, &err);
    for (size_t i = 0; ok && found; i++) {
        ok = run_cursor_next(cursor, &key, &hit, &found, &err);
        if (ok && found &&
            (i >= num_rows || !bytes_equal(key, row_key(i)) ||
             hit.id != rows[i].hit.id || hit.via != rows[i].hit.via)) {
            return 2;
        }
    }
    run_cursor_close(cursor);
    run_close(run);
    if (ok) return 0;
    return err.code == ERR_INDEX && strstr(err.text, "/damaged") != NULL ? 6
                                                                         : 3;
}

static int in_child(void)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        int null = open("/dev/null", O_WRONLY);

        if (null >= 0) (void)dup2(null, STDERR_FILENO);
        _exit(read_damaged());
    }
    assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status);
}

static void damage_ends_in_a_sentence(void **state)
{
    struct random random = random_for(1, "damage", 0);
    struct bytes whole;
    uint8_t *copy;
    int told = 0;

    (void)state;
    write_run("run", 100, NULL);
    whole = read_file(path_of("run"));
    for (int i = 0; i < 12; i++) { // cut short
        write_file(bytes_of(whole.data,
                            random_below(&random, whole.len / 4096) * 4096 +
                                (i % 2 == 0 ? 0 : 100)));
        assert_int_equal(in_child(), 6);
    }
    copy = (uint8_t *)(uintptr_t)heap_copy(whole).data;
    for (int i = 0; i < 60; i++) {
        size_t at = i < 20 ? random_below(&random, 2 * 4096)
                           : random_below(&random, whole.len);
        uint8_t bit = (uint8_t)(1u << random_below(&random, 8));
        int end;

        copy[at] ^= bit;
        write_file(bytes_of(copy, whole.len));
        end = in_child();
        assert_true(end == 0 || end == 6); // 0: bytes that nobody reads
        told += end == 6;
        copy[at] ^= bit;
    }
    assert_true(told > 20);
    free(copy);
    free((void *)whole.data);
}

static void damage_names_file_and_block(void **state)
{
    struct bytes whole, block;
    struct run_cursor *cursor;
    struct run *run;
    struct bytes key;
    struct hit hit;
    struct err err = {0};
    uint8_t *at;
    bool found;

    (void)state;
    write_run("run", 100, NULL);
    whole = read_file(path_of("run"));
    for (int round = 0; round < 2; round++) {
        const char *name = round == 0 ? "run" : "damaged";

        assert_true(run_open(&run, path_of(name), &err));
        assert_true(run_cursor_open(&cursor, run, &err));
        assert_true(run_cursor_range(cursor, row_key(num_rows / 2),
                                     (struct bytes){0}, &err));
        if (round == 0) {
            block = run_cursor_block(cursor);
            at = memmem(whole.data, whole.len, block.data, block.len);
            assert_non_null(at);
            at[block.len / 2] ^= 1;
            write_file(whole);
        } else {
            assert_false(run_cursor_next(cursor, &key, &hit, &found, &err));
            assert_int_equal(err.code, ERR_INDEX);
            assert_non_null(strstr(err.text, "/damaged: the block of keys up "
                                             "to \".example.d"));
            assert_non_null(strstr(err.text, "\": its checksum differs"));
        }
        run_cursor_close(cursor);
        run_close(run);
    }
    free((void *)whole.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_back_what_was_put),
        cmocka_unit_test(ranges_and_places_are_exact),
        cmocka_unit_test(a_block_is_named_before_it_is_touched),
        cmocka_unit_test(names_no_block_that_is_not_needed),
        cmocka_unit_test(filters_never_hide_a_key),
        cmocka_unit_test(filters_are_found_among_keys_that_begin_alike),
        cmocka_unit_test(filters_are_asked_by_many),
        cmocka_unit_test(a_damaged_filter_hides_nothing),
        cmocka_unit_test(a_look_up_touches_one_block),
        cmocka_unit_test(an_empty_run_is_one),
        cmocka_unit_test(nothing_is_left_of_what_was_not_finished),
        cmocka_unit_test(short_keys_are_told),
        cmocka_unit_test(a_full_disk_leaves_nothing),
        cmocka_unit_test(damage_ends_in_a_sentence),
        cmocka_unit_test(damage_names_file_and_block),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
