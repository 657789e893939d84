// test_check.c - verify and digest: what they find, and that damage of any
// kind ends in a sentence.

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "index/check.h"
#include "index/handle.h"
#include "index/store/keys.h"
#include "index/store/row.h"
#include "tests/support/folder.h"
#include "tests/support/made_log.h"

enum { LOG_SIZE = 300, CHUNK = 100, EXIT_DAMAGED = 6 };

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

static const char *path(const char *name)
{
    static char out[128];

    (void)snprintf(out, sizeof out, "%s/%s", folder, name);
    return out;
}

static struct index *open_index(enum index_mode mode)
{
    struct err err = {0};
    struct index *index;

    if (!index_open(&index, path("index"), mode, &err))
        fail_msg("%s", err.text);
    return index;
}

// Fills an index with a log, chunk by chunk.
static void fill(struct made_log *log, enum index_keep keep, uint64_t chunk)
{
    struct index *index = open_index(INDEX_WRITE);
    struct err err = {0};

    log->log.keep = keep;
    CHECK(index_add_log(index, &log->log, signer_key(log->signer), &err));
    CHECK(index_add_issuer(index, buffer_bytes(&log->issuers[0]), &err));
    for (uint64_t i = 0; i < log->num; i += chunk) {
        uint64_t end = i + chunk < log->num ? i + chunk : log->num;

        if (!made_log_append(log, index, i, end, log->num, &err)) {
            fail_msg("%s", err.text);
        }
    }
    index_close(index);
}

// ------------------------------------------------------------ verify

struct faults {
    uint64_t num;
    char first[512];
};

static void on_fault(void *context, const char *sentence)
{
    struct faults *faults = context;

    if (faults->num++ == 0) {
        (void)snprintf(faults->first, sizeof faults->first, "%s", sentence);
    }
}

static bool verify(bool deep, struct faults *faults, struct err *err)
{
    const struct check_options options = {
        .deep = deep, .fault = on_fault, .context = faults};
    struct index *index = open_index(INDEX_READ);
    struct snapshot *snapshot;
    uint64_t num;
    bool ok;

    *faults = (struct faults){0};
    CHECK(snapshot_open(&snapshot, index, err));
    ok = check_verify(snapshot, &options, &num, err);
    CHECK(!ok || num == faults->num);
    snapshot_close(snapshot);
    index_close(index);
    return ok;
}

static void check_sound(bool deep)
{
    struct faults faults;
    struct err err = {0};

    if (!verify(deep, &faults, &err)) fail_msg("%s", err.text);
    if (faults.num != 0) fail_msg("%s", faults.first);
}

static void check_fault_is(const char *expected, bool deep)
{
    struct faults faults;
    struct err err = {0};

    test_case = expected;
    CHECK(verify(deep, &faults, &err));
    if (strstr(faults.first, expected) == NULL) {
        fail_msg("'%s' where '%s' should be", faults.first, expected);
    }
}

static void a_sound_index_has_no_fault(void **state)
{
    struct made_log log, other;

    (void)state;
    made_log_new(&log, "sound", LOG_SIZE);
    made_log_new(&other, "another one", 77);
    fill(&log, KEEP_FULL, CHUNK);
    fill(&other, KEEP_FULL, 10);
    check_sound(false);
    check_sound(true);
    made_log_free(&log);
    made_log_free(&other);
}

static void deep_needs_the_bytes(void **state)
{
    struct made_log log;
    struct faults faults;
    struct err err = {0};

    (void)state;
    made_log_new(&log, "facts", LOG_SIZE);
    fill(&log, KEEP_FACTS, CHUNK);
    check_sound(false);
    CHECK(!verify(true, &faults, &err));
    CHECK(err.code == ERR_INDEX);
    CHECK(strcmp(err.text, "facts is kept as facts: verify --deep needs an "
                           "index kept in full") == 0);
    made_log_free(&log);
}

// Changes one thing behind the index's back, checksums and all.
static void with_txn(void (*change)(struct index *, struct lmdb_txn *))
{
    struct index *index = open_index(INDEX_WRITE);
    struct lmdb_txn *txn;
    struct err err = {0};

    CHECK(lmdb_begin(&txn, index->env, true, &err));
    change(index, txn);
    CHECK(lmdb_commit(txn, &err));
    index_close(index);
}

static struct bytes row_of(struct buffer *row, const char *name, uint64_t id)
{
    struct buffer key = {0};

    keys_append(&key, TERM_DNS, bytes_from_text(name));
    posting_row(row, buffer_bytes(&key), id);
    buffer_cleanup(&key);
    return buffer_bytes(row);
}

static void remove_posting(struct index *index, struct lmdb_txn *txn)
{
    struct buffer row = {0};

    CHECK(lmdb_delete(txn, index->tail.keys, row_of(&row, "e5.own.example", 6),
                      NULL));
    buffer_cleanup(&row);
}

static void add_posting(struct index *index, struct lmdb_txn *txn)
{
    uint8_t value[POSTING_VALUE_MAX];
    struct buffer row = {0};
    uint64_t sum;
    size_t len;

    (void)row_of(&row, "forged.example", 6);
    len = posting_value(value, buffer_bytes(&row), VIA_SAN_DNS, &sum);
    CHECK(lmdb_put(txn, index->tail.keys, buffer_bytes(&row),
                   bytes_of(value, len), NULL));
    buffer_cleanup(&row);
}

static void change_via(struct index *index, struct lmdb_txn *txn)
{
    uint8_t value[POSTING_VALUE_MAX];
    struct buffer row = {0};
    uint64_t sum;
    size_t len;

    (void)row_of(&row, "e5.own.example", 6);
    len = posting_value(value, buffer_bytes(&row), VIA_CN, &sum);
    CHECK(lmdb_put(txn, index->tail.keys, buffer_bytes(&row),
                   bytes_of(value, len), NULL));
    buffer_cleanup(&row);
}

// One name for another, sums and counts mended: only deriving finds it.
static void swap_posting(struct index *index, struct lmdb_txn *txn)
{
    struct catalogue_counts counts;
    uint8_t value[POSTING_VALUE_MAX];
    struct buffer row = {0};
    uint64_t sum;
    size_t len;

    CHECK(catalogue_get_counts(&index->catalogue, txn, &counts, NULL));
    remove_posting(index, txn);
    (void)row_of(&row, "e5.own.example", 6);
    (void)posting_value(value, buffer_bytes(&row), VIA_SAN_DNS, &sum);
    counts.postings_sum -= sum;
    buffer_reset(&row);
    (void)row_of(&row, "forged.example", 6);
    len = posting_value(value, buffer_bytes(&row), VIA_SAN_DNS, &sum);
    counts.postings_sum += sum;
    CHECK(lmdb_put(txn, index->tail.keys, buffer_bytes(&row),
                   bytes_of(value, len), NULL));
    CHECK(catalogue_put_counts(&index->catalogue, txn, &counts, NULL));
    buffer_cleanup(&row);
}

// The record of one entry under another's id: found by the key in it.
static void misplace_record(struct index *index, struct lmdb_txn *txn)
{
    static const uint8_t from[LMDB_ID_LEN] = {[6] = 7};
    static const uint8_t to[LMDB_ID_LEN] = {[6] = 9};
    struct bytes value;
    uint8_t copy[4096];
    bool found;

    CHECK(lmdb_get(txn, index->tail.entries, bytes_of(from, sizeof from),
                   &value, &found, NULL) &&
          found && value.len < sizeof copy);
    memcpy(copy, value.data, value.len);
    CHECK(lmdb_put(txn, index->tail.entries, bytes_of(to, sizeof to),
                   bytes_of(copy, value.len), NULL));
}

static void lower_verified(struct index *index, struct lmdb_txn *txn)
{
    struct index_log log;
    struct bytes der;
    uint8_t copy[1024];

    CHECK(catalogue_get_log(&index->catalogue, txn, 1, &log, &der, NULL));
    memcpy(copy, der.data, der.len);
    log.verified = 5;
    CHECK(catalogue_put_log(&index->catalogue, txn, &log,
                            bytes_of(copy, der.len), NULL));
}

static void forge_head(struct index *index, struct lmdb_txn *txn)
{
    struct head head = {.kind = HEAD_STH,
                        .size = LOG_SIZE + 5,
                        .timestamp_ms = 99,
                        .served = bytes_from_text("{\"tree_size\":305}")};
    struct index_log log;
    struct bytes der;
    uint8_t copy[1024];

    CHECK(catalogue_get_log(&index->catalogue, txn, 1, &log, &der, NULL));
    memcpy(copy, der.data, der.len);
    CHECK(catalogue_add_head(&index->catalogue, txn, &log, &head, NULL));
    CHECK(catalogue_put_log(&index->catalogue, txn, &log,
                            bytes_of(copy, der.len), NULL));
}

static void remove_range(struct index *index, struct lmdb_txn *txn)
{
    static const uint8_t key[12] = {0, 0, 0, 1};

    CHECK(lmdb_delete(txn, index->catalogue.ranges, bytes_of(key, sizeof key),
                      NULL));
}

static void remove_chunk(struct index *index, struct lmdb_txn *txn)
{
    static const uint8_t key[12] = {0, 0, 0, 1, [11] = 200};

    CHECK(lmdb_delete(txn, index->catalogue.chunks, bytes_of(key, sizeof key),
                      NULL));
}

static void verify_finds_what_checksums_do_not(void **state)
{
    static const struct {
        void (*change)(struct index *, struct lmdb_txn *);
        bool deep;
        const char *fault;
    } cases[] = {
        {remove_posting, false, "postings where"},
        {remove_posting, true, "entry 6: e5.own.example: is not in the table"},
        {add_posting, false, "postings where"},
        {add_posting, true, "postings where"},
        {change_via, false, "the checksum over all postings differs"},
        {change_via, true, "entry 6: e5.own.example: stands there with"},
        {swap_posting, true, "entry 6: e5.own.example: is not in the table"},
        {misplace_record, false, "entry 9: index damaged: record: checksum"},
        {lower_verified, false, "held from 0 to 300 where 5 is noted"},
        {forge_head, false, "head of 305: "},
        {remove_range, false, "its ranges are not those of its chunks"},
        {remove_chunk, false, "its ranges are not those of its chunks"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct made_log log;

        made_log_new(&log, "changed", LOG_SIZE);
        fill(&log, KEEP_FULL, CHUNK);
        with_txn(cases[i].change);
        check_fault_is(cases[i].fault, cases[i].deep);
        made_log_free(&log);
        folder_empty(folder);
    }
}

// ------------------------------------------------------------ digest

static void digest(struct sha256_hash out[2])
{
    struct index *index = open_index(INDEX_READ);
    struct snapshot *snapshot;
    struct err err = {0};

    CHECK(snapshot_open(&snapshot, index, &err));
    if (!check_digest(snapshot, &out[0], &out[1], &err)) {
        fail_msg("%s", err.text);
    }
    snapshot_close(snapshot);
    index_close(index);
}

static void digest_does_not_depend_on_the_way(void **state)
{
    static const struct {
        enum index_keep keep;
        uint64_t chunk;
        bool swapped;
    } cases[] = {
        {KEEP_FULL, 100, false},
        {KEEP_FULL, 7, true},
        {KEEP_FACTS, 64, false},
        {KEEP_FACTS, 300, true},
    };
    struct made_log logs[2];
    struct sha256_hash first[2], again[2];

    (void)state;
    made_log_new(&logs[0], "a", LOG_SIZE);
    made_log_new(&logs[1], "bb", 120);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        fill(&logs[cases[i].swapped], cases[i].keep, cases[i].chunk);
        fill(&logs[!cases[i].swapped], cases[i].keep, cases[i].chunk);
        digest(i == 0 ? first : again);
        if (i > 0) {
            CHECK(sha256_equal(&first[0], &again[0]));
            CHECK(sha256_equal(&first[1], &again[1]));
        }
        folder_empty(folder);
    }
    // One entry less is another digest.
    logs[1].num = 119;
    fill(&logs[0], KEEP_FULL, 100);
    fill(&logs[1], KEEP_FULL, 100);
    digest(again);
    CHECK(!sha256_equal(&first[0], &again[0]));
    CHECK(!sha256_equal(&first[1], &again[1]));
    logs[1].num = 120;
    made_log_free(&logs[0]);
    made_log_free(&logs[1]);
}

// ------------------------------------------------------------ damage

// What a reader that trusts nothing is told in a child: all rows, facts and
// entries, hashed; the exit code.
struct answer {
    struct sha256_hash hash;
    uint64_t num_faults;
    bool whole;
};

static void answer_all(struct snapshot *snapshot, struct answer *answer)
{
    struct bytes nothing = {0};
    struct buffer all = {0};
    struct cursor *cursor;
    struct posting posting;
    bool found;

    answer->whole = cursor_open(&cursor, snapshot, nothing, nothing, NULL);
    while (answer->whole &&
           (answer->whole = cursor_next(cursor, &posting, &found, NULL)) &&
           found) {
        buffer_append(&all, posting.key);
        buffer_append_uint(&all, posting.id, 8);
        buffer_append_uint(&all, posting.via, 4);
    }
    cursor_close(cursor);
    for (uint64_t id = 1; answer->whole && id < snapshot_next_id(snapshot);
         id++) {
        struct arena arena = {0};
        struct entry entry;
        bool has_bytes;

        answer->whole = snapshot_entry(snapshot, id, ENTRY_ALL, &entry,
                                       &has_bytes, &arena, NULL);
        if (answer->whole) buffer_append(&all, entry.bytes.leaf);
        arena_cleanup(&arena);
    }
    answer->hash = sha256(buffer_bytes(&all));
    buffer_cleanup(&all);
}

static _Noreturn void run_child(int fd)
{
    const struct check_options options = {.fault = on_fault,
                                          .context = &(struct faults){0}};
    struct answer answer = {0};
    struct snapshot *snapshot;
    struct index *index;
    struct err err = {0};
    ssize_t sent;

    if (!index_open(&index, path("index"), INDEX_READ, &err) ||
        !snapshot_open(&snapshot, index, &err)) {
        _exit(err.code == ERR_INDEX ? EXIT_DAMAGED : 99);
    }
    answer_all(snapshot, &answer);
    if (!check_verify(snapshot, &options, &answer.num_faults, &err)) {
        _exit(err.code == ERR_INDEX ? EXIT_DAMAGED : 98);
    }
    sent = write(fd, &answer, sizeof answer);
    _exit(sent == (ssize_t)sizeof answer ? 0 : 97);
}

// Runs the reader; its exit code, or -1 when a signal ended it.
static int ask_child(struct answer *answer)
{
    int ends[2], status;
    ssize_t len;
    pid_t child;

    assert_int_equal(pipe(ends), 0);
    child = fork();
    if (child == 0) {
        int null = open("/dev/null", O_WRONLY);

        (void)dup2(null, STDERR_FILENO);
        (void)alarm(60);
        run_child(ends[1]);
    }
    (void)close(ends[1]);
    len = read(ends[0], answer, sizeof *answer);
    (void)close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFEXITED(status)) return -1;
    if (WEXITSTATUS(status) == 0) {
        assert_int_equal(len, (ssize_t)sizeof *answer);
    }
    return WEXITSTATUS(status);
}

static uint64_t random_state = 42;

static uint64_t random_below(uint64_t limit)
{
    random_state =
        random_state * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (random_state >> 33) % limit;
}

static void write_at(const char *name, uint64_t offset, struct bytes bytes)
{
    int fd = open(path(name), O_WRONLY);

    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes.data, bytes.len, (off_t)offset),
                     (ssize_t)bytes.len);
    (void)close(fd);
}

static void damage_ends_in_a_sentence(void **state)
{
    enum { NUM_FLIPS = 160, NUM_ZEROED = 40, PAGE = 4096 };
    struct answer sound, answer;
    struct made_log log;
    struct bytes file;
    unsigned found = 0, exits = 0, harmless = 0;

    (void)state;
    made_log_new(&log, "damaged", LOG_SIZE);
    fill(&log, KEEP_FULL, CHUNK);
    assert_int_equal(ask_child(&sound), 0);
    CHECK(sound.whole && sound.num_faults == 0);
    file = read_file(path("index/tail/data.mdb"));
    for (unsigned i = 0; i < NUM_FLIPS + NUM_ZEROED; i++) {
        static const uint8_t zeros[PAGE];
        uint64_t at = random_below(file.len);
        struct bytes was = bytes_of(file.data + at, 1);
        int code;

        if (i < NUM_FLIPS) {
            uint8_t byte = file.data[at] ^ (uint8_t)(1 << random_below(8));

            write_at("index/tail/data.mdb", at, bytes_of(&byte, 1));
        } else {
            at = at / PAGE * PAGE;
            was = bytes_of(file.data + at, PAGE);
            write_at("index/tail/data.mdb", at, bytes_of(zeros, PAGE));
        }
        code = ask_child(&answer);
        if (code != 0 && code != EXIT_DAMAGED) {
            fail_msg("byte %llu: exit %d", (unsigned long long)at, code);
        }
        if (code == EXIT_DAMAGED) {
            exits++;
        } else if (answer.num_faults > 0 || !answer.whole) {
            found++;
        } else {
            // Nobody noticed: then every answer must be what it was.
            harmless++;
            if (!sha256_equal(&answer.hash, &sound.hash)) {
                fail_msg("byte %llu: another answer", (unsigned long long)at);
            }
        }
        write_at("index/tail/data.mdb", at, was);
    }
    assert_int_equal(ask_child(&answer), 0);
    print_message("%u found by verify, %u exits with 6, %u without effect\n",
                  found, exits, harmless);
    CHECK(found > 0);
    free((void *)(uintptr_t)file.data);
    made_log_free(&log);
}

static void a_short_file_is_refused(void **state)
{
    struct made_log log;
    struct bytes file;

    (void)state;
    made_log_new(&log, "short", LOG_SIZE);
    fill(&log, KEEP_FULL, CHUNK);
    file = read_file(path("index/tail/data.mdb"));
    for (size_t len = 0; len < file.len; len += len < 20000 ? 997 : 40961) {
        struct answer answer;

        assert_int_equal(truncate(path("index/tail/data.mdb"), (off_t)len), 0);
        assert_int_equal(ask_child(&answer), EXIT_DAMAGED);
        write_at("index/tail/data.mdb", 0, file);
    }
    {
        struct index *index;
        struct err err = {0};

        assert_int_equal(
            truncate(path("index/tail/data.mdb"), (off_t)file.len - 4096), 0);
        CHECK(!index_open(&index, path("index"), INDEX_READ, &err));
        CHECK(err.code == ERR_INDEX && strstr(err.text, "cut short") != NULL);
    }
    free((void *)(uintptr_t)file.data);
    made_log_free(&log);
}

static void cut_while_it_is_read_is_exit_6(void **state)
{
    struct made_log log;
    pid_t child;
    int status;

    (void)state;
    made_log_new(&log, "cut", LOG_SIZE);
    fill(&log, KEEP_FULL, CHUNK);
    child = fork();
    if (child == 0) {
        int null = open("/dev/null", O_WRONLY);
        struct index *index = open_index(INDEX_READ);
        struct snapshot *snapshot;
        struct answer answer;

        (void)dup2(null, STDERR_FILENO);
        if (!snapshot_open(&snapshot, index, NULL) ||
            truncate(path("index/tail/data.mdb"), 8192) != 0) {
            _exit(99);
        }
        answer_all(snapshot, &answer);
        _exit(98);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), EXIT_DAMAGED);
    made_log_free(&log);
}

// ------------------------------------------------------------ refusals

static void set_format(struct index *index, struct lmdb_txn *txn)
{
    static const uint8_t format[4] = {0, 0, 0, 77};

    CHECK(lmdb_put(txn, index->catalogue.meta, bytes_from_text("format"),
                   bytes_of(format, sizeof format), NULL));
}

static void another_format_is_refused(void **state)
{
    struct index *index;
    struct err err = {0};
    uint8_t swapped[4] = {0xbe, 0xef, 0xc0, 0xde};

    (void)state;
    index_close(open_index(INDEX_WRITE));
    with_txn(set_format);
    for (int mode = INDEX_READ; mode <= INDEX_WRITE; mode++) {
        CHECK(!index_open(&index, path("index"), (enum index_mode)mode, &err));
        CHECK(err.code == ERR_INDEX);
        CHECK(strcmp(err.text, "the index has format 77; this program reads "
                               "and writes format 3") == 0);
    }
    write_at("index/tail/data.mdb", 16, bytes_of(swapped, sizeof swapped));
    CHECK(!index_open(&index, path("index"), INDEX_READ, &err));
    CHECK(strstr(err.text, "other byte order") != NULL);
}

static void what_is_no_index_is_refused(void **state)
{
    struct index *index;
    struct err err = {0};

    (void)state;
    CHECK(!index_open(&index, path("index"), INDEX_READ, &err));
    CHECK(err.code == ERR_INDEX && strstr(err.text, "there is no index here"));
    CHECK(!index_open(&index, path("no/parent"), INDEX_WRITE, &err));
    CHECK(err.code == ERR_INDEX);
    CHECK(strstr(err.text, "No such file or directory") != NULL);
    // Half made: the next writer begins again.
    CHECK(mkdir(path("index"), 0777) == 0);
    CHECK(mkdir(path("index/tail.new"), 0777) == 0);
    CHECK(close(open(path("index/tail.new/data.mdb"), O_CREAT | O_WRONLY,
                     0600)) == 0);
    CHECK(!index_open(&index, path("index"), INDEX_READ, &err));
    index_close(open_index(INDEX_WRITE));
    index_close(open_index(INDEX_READ));
}

// A writer that was killed holds the lock a little longer.
static void a_writer_waits_for_one_that_is_going(void **state)
{
    const struct timespec pause = {.tv_nsec = 100000000};
    int ready[2], status;
    char byte;
    pid_t child;

    (void)state;
    index_close(open_index(INDEX_WRITE));
    assert_int_equal(pipe(ready), 0);
    child = fork();
    if (child == 0) {
        struct index *index;

        if (!index_open(&index, path("index"), INDEX_WRITE, NULL)) _exit(1);
        if (write(ready[1], "", 1) != 1) _exit(1);
        (void)nanosleep(&pause, NULL);
        _exit(0); // as if it were killed
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    index_close(open_index(INDEX_WRITE));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    close(ready[0]);
    close(ready[1]);
}

static void a_second_writer_is_told_who_holds_it(void **state)
{
    struct index *index = open_index(INDEX_WRITE), *second;
    char expected[256];
    struct err err = {0};
    pid_t child;
    int status;

    (void)state;
    (void)snprintf(expected, sizeof expected,
                   "%s: process %ld writes to this index; one at a time",
                   path("index"), (long)getpid());
    child = fork();
    if (child == 0) {
        bool ok = index_open(&second, path("index"), INDEX_WRITE, &err);

        _exit(!ok && err.code == ERR_INDEX && strcmp(err.text, expected) == 0
                  ? 0
                  : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    CHECK(!index_open(&second, path("index"), INDEX_WRITE, &err));
    index_close(index);
    index_close(open_index(INDEX_WRITE));
}

// ------------------------------------------------------------ full disk

static void check_full(const char *expected)
{
    struct made_log log;
    struct err err = {0}, again = {0};
    struct index *index = open_index(INDEX_WRITE);
    uint64_t at = 0;
    bool ok = true;

    made_log_new(&log, "full", 2000);
    CHECK(index_add_log(index, &log.log, signer_key(log.signer), &err));
    while (ok && at < log.num) {
        ok = made_log_append(&log, index, at, at + 50, 2000, &err);
        if (ok) at += 50;
    }
    CHECK(!ok && err.code == ERR_INDEX);
    if (strstr(err.text, expected) == NULL) fail_msg("%s", err.text);
    // Nothing is tried again in this process.
    CHECK(!made_log_append(&log, index, at, at + 50, 2000, &again));
    CHECK(strstr(again.text, "an earlier write failed") != NULL);
    index_close(index);
    // What was there before is there, whole.
    check_sound(true);
    index = open_index(INDEX_READ);
    {
        struct snapshot *snapshot;

        CHECK(snapshot_open(&snapshot, index, &err));
        CHECK(snapshot_log(snapshot, 0)->verified == at);
        snapshot_close(snapshot);
    }
    index_close(index);
    made_log_free(&log);
}

static void a_full_disk_is_named(void **state)
{
    char mount_point[128], expected[256];
    int status;
    pid_t child;

    (void)state;
    (void)snprintf(mount_point, sizeof mount_point, "%s/index", folder);
    CHECK(mkdir(mount_point, 0777) == 0);
    if (mount("tmpfs", mount_point, "tmpfs", 0, "size=1m") != 0) {
        print_message("no tmpfs can be mounted: skipped\n");
        skip();
    }
    (void)snprintf(expected, sizeof expected,
                   "disk full: file system %s lacks about ", mount_point);
    child = fork();
    if (child == 0) {
        check_full(expected);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    (void)umount(mount_point);
    assert_int_equal(status, 0);
}

static void a_file_size_limit_is_named(void **state)
{
    pid_t child;
    int status;

    (void)state;
    child = fork();
    if (child == 0) {
        struct rlimit limit = {1 << 20, 1 << 20};

        (void)setrlimit(RLIMIT_FSIZE, &limit);
        check_full("file size limit of 1048576 bytes reached (ulimit -f)");
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)
        TEST(a_sound_index_has_no_fault),
        TEST(deep_needs_the_bytes),
        TEST(verify_finds_what_checksums_do_not),
        TEST(digest_does_not_depend_on_the_way),
        TEST(damage_ends_in_a_sentence),
        TEST(a_short_file_is_refused),
        TEST(cut_while_it_is_read_is_exit_6),
        TEST(another_format_is_refused),
        TEST(what_is_no_index_is_refused),
        TEST(a_writer_waits_for_one_that_is_going),
        TEST(a_second_writer_is_told_who_holds_it),
        TEST(a_full_disk_is_named),
        TEST(a_file_size_limit_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
