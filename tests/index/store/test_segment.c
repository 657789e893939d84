// test_segment.c - segments against the records they were made from.

#include "tests/support/check.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "index/base/varint.h"
#include "index/store/segment.h"
#include "tests/support/random.h"

enum { NUM = 3000, FIRST_ID = 12345 };
#define GROUP_SEED UINT64_C(0x1234567890abcdef)

static struct record records[NUM];
static struct bytes plains[NUM];
static char dir[] = "/tmp/test_segment.XXXXXX";

static const char *path_of(const char *name)
{
    static char path[128];

    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

// Text of few words, then bytes that do not compress: as certificates are.
static struct bytes make_plain(struct random *random, size_t i)
{
    static const char *const words[] = {"certificate ", "example ", "issuer ",
                                        "signature ", "0123456789abcdef"};
    struct buffer plain = {0};
    size_t len = i % 500 == 7   ? 20000 + random_below(random, 90000)
                 : i % 100 == 3 ? random_below(random, 3)
                                : 300 + random_below(random, 900);

    while (plain.len < len / 2) {
        buffer_append_text(&plain, words[random_below(random, 5)]);
    }
    while (plain.len < len) {
        buffer_append_byte(&plain, (uint8_t)random_next(random));
    }
    assert_true(buffer_ok(&plain));
    if (plain.data == NULL) return bytes_of(NULL, 0);
    return buffer_bytes(&plain); // freed at the end
}

static void make_record(struct random *random, size_t i)
{
    struct record *record = &records[i];
    struct buffer chain = {0};

    record->kind = random_below(random, 3) == 0 ? RECORD_FACTS : RECORD_FULL;
    record->bits = RECORD_HAS_TBS;
    record->facts = (struct entry_facts){
        .log = 3,
        .index = 100 + i,
        .timestamp_ms = 1700000000000 + i,
        .type = i % 2 == 0 ? LEAF_PRECERT : LEAF_X509,
        .not_before = i % 77 == 0 ? CERT_TIME_UNREADABLE : 1700000000,
        .not_after = i % 77 == 0 ? CERT_TIME_UNREADABLE : 1700000000 + 100,
        .flags = i % 50 == 0 ? FLAG_NO_NAMES : 0,
        .has_tbs = true,
    };
    random_fill(random, record->facts.group.bytes, SHA256_LEN);
    // As it comes out of a segment: without its group.
    if (record->kind == RECORD_FULL && i % 4 == 0) {
        record->facts.group_mark =
            segment_group(GROUP_SEED, &record->facts.group);
        record->facts.group = (struct sha256_hash){0};
    }
    record->num_chain = random_below(random, 4);
    for (size_t j = 0; j < record->num_chain; j++) {
        varint_append(&chain, random_below(random, 1000));
    }
    record->chain = buffer_bytes(&chain);
    plains[i] = make_plain(random, i);
    if (record->kind == RECORD_FULL) return;
    random_fill(random, record->leaf_hash.bytes, SHA256_LEN);
    if (i % 5 != 0) {
        record->bits |= RECORD_HAS_CERTIFICATE | RECORD_HAS_SPKI;
        random_fill(random, record->certificate_sha256.bytes, SHA256_LEN);
        random_fill(random, record->spki_sha256.bytes, SHA256_LEN);
    }
}

static int set_up(void **state)
{
    struct random random = random_for(1, "segment", 0);

    (void)state;
    for (size_t i = 0; i < NUM; i++) {
        make_record(&random, i);
    }
    return mkdtemp(dir) == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    for (size_t i = 0; i < NUM; i++) {
        free((void *)plains[i].data);
        free((void *)records[i].chain.data);
    }
    (void)unlink(path_of("segment"));
    (void)unlink(path_of("damaged"));
    return rmdir(dir);
}

static void write_segment(size_t num, struct segment_stat *stat)
{
    struct segment_writer *writer;
    struct err err = {0};

    (void)unlink(path_of("segment"));
    assert_true(segment_writer_open(&writer, path_of("segment"), FIRST_ID,
                                    GROUP_SEED, (struct bytes){0}, &err));
    for (size_t i = 0; i < num; i++) {
        assert_true(segment_writer_add(writer, &records[i], (uint32_t)(i % 9),
                                       plains[i], &err));
    }
    assert_true(segment_writer_finish(writer, stat, &err));
    segment_writer_close(writer);
}

static bool is_same_facts(const struct entry_facts *a,
                          const struct segment_facts *b, size_t i)
{
    return a->log == b->log && a->index == b->index &&
           a->timestamp_ms == b->timestamp_ms && a->type == b->type &&
           a->not_before == b->not_before && a->not_after == b->not_after &&
           a->flags == b->flags && a->has_tbs == b->has_tbs &&
           b->group == (a->group_mark != 0
                            ? a->group_mark
                            : segment_group(GROUP_SEED, &a->group)) &&
           b->issuer == i % 9;
}

static bool is_same(const struct record *a, struct bytes plain, size_t i)
{
    const struct record *b = &records[i];
    static const struct sha256_hash none;

    return a->kind == b->kind && a->bits == b->bits &&
           a->facts.index == b->facts.index &&
           a->facts.timestamp_ms == b->facts.timestamp_ms &&
           a->facts.not_after == b->facts.not_after &&
           sha256_equal(&a->facts.group,
                        b->kind == RECORD_FACTS ? &b->facts.group : &none) &&
           sha256_equal(&a->leaf_hash, &b->leaf_hash) &&
           sha256_equal(&a->certificate_sha256, &b->certificate_sha256) &&
           sha256_equal(&a->spki_sha256, &b->spki_sha256) &&
           a->num_chain == b->num_chain && bytes_equal(a->chain, b->chain) &&
           a->plain_len == plains[i].len && bytes_equal(plain, plains[i]) &&
           bytes_equal(a->payload, plain);
}

static void check_entry(struct segment_reader *reader, size_t i)
{
    struct segment_facts facts;
    struct record record;
    struct bytes plain, block;
    struct err err = {0};

    CHECK(segment_facts_block(reader, FIRST_ID + i, &block, &err));
    CHECK(block.len > 0 && block.len <= BLOCK_LEN);
    CHECK(segment_record_block(reader, FIRST_ID + i, &block, &err));
    CHECK(block.len > 0);
    CHECK(block.len <= BLOCK_LEN + BLOCK_PAGE_LEN || plains[i].len > 8000);
    CHECK(segment_read_facts(reader, FIRST_ID + i, &facts, &err));
    CHECK(is_same_facts(&records[i].facts, &facts, i));
    CHECK(segment_read(reader, FIRST_ID + i, &record, &plain, &err));
    CHECK(is_same(&record, plain, i));
}

// Several are located before the first is read.
static void check_located(struct segment_reader *reader, size_t first,
                          size_t num)
{
    struct segment_record_place places[5];
    struct segment_facts held;
    struct err err = {0};

    for (size_t i = 0; i < num; i++) {
        segment_find_blocks(reader, FIRST_ID + first + i, i % 2 == 0);
        segment_bring_near(reader, FIRST_ID + first + i);
    }
    for (size_t i = 0; i < num; i++) {
        CHECK(segment_locate(reader, FIRST_ID + first + i, &places[i], &err));
    }
    for (size_t i = num; i > 0; i--) {
        uint64_t id = FIRST_ID + first + i - 1;
        struct entry_facts facts = {.group.bytes = {1}};
        struct record record;
        struct bytes plain;

        CHECK(segment_read_facts(reader, id, &held, &err));
        segment_take_facts(&facts, &held);
        CHECK(segment_read_at(reader, id, &facts, &places[i - 1], &record,
                              &plain, &err));
        CHECK(is_same(&record, plain, first + i - 1));
    }
}

static void gives_back_what_was_put(void **state)
{
    struct random random = random_for(1, "order", 0);
    static const size_t nums[] = {0, 1, 2, 20, NUM};

    (void)state;
    for (size_t n = 0; n < COUNT_OF(nums); n++) {
        size_t num = nums[n];
        struct segment *segment;
        struct segment_reader *reader;
        struct segment_shared *shared;
        struct segment_stat stat;
        struct segment_facts facts;
        struct err err = {0};

        write_segment(num, &stat);
        assert_true(segment_open(&segment, path_of("segment"), &err));
        assert_int_equal(segment_stat(segment)->first_id, FIRST_ID);
        assert_int_equal(segment_stat(segment)->end_id, FIRST_ID + num);
        assert_int_equal(segment_stat(segment)->bytes, stat.bytes);
        assert_int_equal(segment_stat(segment)->group_seed, GROUP_SEED);
        assert_true(segment_shared_new(&shared, &err));
        assert_true(segment_reader_open(&reader, segment, shared, &err));
        for (size_t i = 0; i < num; i++) {
            check_entry(reader, i);
        }
        for (size_t i = 0; i < num; i++) {
            check_entry(reader, random_below(&random, num));
        }
        for (size_t i = 0; i + 5 <= num; i++) {
            check_located(reader, random_below(&random, num - 4), 5);
        }
        assert_false(segment_read_facts(reader, FIRST_ID + num, &facts, &err));
        assert_int_equal(err.code, ERR_NOT_FOUND);
        assert_false(segment_read_facts(reader, FIRST_ID - 1, &facts, &err));
        segment_reader_close(reader);
        segment_shared_free(shared);
        segment_close(segment);
    }
}

static void nothing_is_left_of_what_was_not_finished(void **state)
{
    struct segment_writer *writer;
    struct err err = {0};

    (void)state;
    (void)unlink(path_of("segment"));
    assert_true(segment_writer_open(&writer, path_of("segment"), 1, 2,
                                    (struct bytes){0}, &err));
    assert_true(segment_writer_add(writer, &records[0], 0, plains[0], &err));
    segment_writer_close(writer);
    assert_int_equal(access(path_of("segment"), F_OK), -1);
}

// ------------------------------------------------------------ damage

// Opens a file anew and reads entry FIRST_ID as a reader that trusts or not.
static bool read_first(struct segment *segment, bool trusts, struct err *err)
{
    struct segment_reader *reader;
    struct segment_shared *shared;
    struct segment_facts facts;
    struct record record;
    struct bytes plain;
    bool ok;

    assert_true(segment_shared_new(&shared, err));
    assert_true(segment_reader_open(&reader, segment, shared, err));
    if (trusts) segment_reader_trust(reader);
    ok = segment_read_facts(reader, FIRST_ID, &facts, err) &&
         segment_read(reader, FIRST_ID, &record, &plain, err) &&
         is_same(&record, plain, 0);
    segment_reader_close(reader);
    segment_shared_free(shared);
    return ok;
}

// Changes the last byte of the facts that FIRST_ID is among: zeros, of which
// nothing but the checksum tells; and, unless that is hidden, the file's time.
static void change_facts(struct segment *segment, bool is_hidden)
{
    static const struct timespec tick = {.tv_nsec = 20000000};
    struct stat before;
    struct segment_reader *reader;
    struct segment_shared *shared;
    struct bytes block;
    struct err err = {0};
    struct bytes whole = read_file(path_of("segment"));
    const uint8_t *at;
    int fd = open(path_of("segment"), O_WRONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &before), 0);
    assert_true(segment_shared_new(&shared, &err));
    assert_true(segment_reader_open(&reader, segment, shared, &err));
    assert_true(segment_facts_block(reader, FIRST_ID, &block, &err));
    at = memmem(whole.data, whole.len, block.data, block.len);
    assert_non_null(at);
    assert_int_equal(pwrite(fd, "x", 1, at - whole.data + (off_t)block.len - 1),
                     1);
    if (is_hidden) {
        struct timespec times[] = {before.st_atim, before.st_mtim};

        assert_int_equal(futimens(fd, times), 0);
    }
    (void)nanosleep(&tick, NULL); // it is looked at once a tick
    (void)close(fd);
    segment_reader_close(reader);
    segment_shared_free(shared);
    free((void *)(uintptr_t)whole.data);
}

static void who_trusts_checks_once(void **state)
{
    struct segment *segment;
    struct segment_stat stat;
    struct err err = {0};

    (void)state;
    write_segment(NUM, &stat);
    assert_true(segment_open(&segment, path_of("segment"), &err));
    assert_true(read_first(segment, true, &err));
    change_facts(segment, true);
    assert_true(read_first(segment, true, &err));
    assert_false(read_first(segment, false, &err));
    assert_int_equal(err.code, ERR_INDEX);
    // What is seen to have been written to is trusted no more.
    change_facts(segment, false);
    assert_false(read_first(segment, true, &err));
    assert_int_equal(err.code, ERR_INDEX);
    segment_close(segment);
    // Of a file that was opened anew nothing is known.
    assert_true(segment_open(&segment, path_of("segment"), &err));
    assert_false(read_first(segment, true, &err));
    assert_int_equal(err.code, ERR_INDEX);
    assert_non_null(strstr(err.text, "/segment"));
    segment_close(segment);
}

// Nor does a reader go on trusting the block that it read last.
static void what_was_read_last_is_looked_at_again(void **state)
{
    struct segment *segment;
    struct segment_reader *reader;
    struct segment_shared *shared;
    struct segment_facts facts;
    struct segment_stat stat;
    struct err err = {0};

    (void)state;
    write_segment(NUM, &stat);
    assert_true(segment_open(&segment, path_of("segment"), &err));
    assert_true(segment_shared_new(&shared, &err));
    assert_true(segment_reader_open(&reader, segment, shared, &err));
    segment_reader_trust(reader);
    for (int i = 0; i < 2; i++) {
        assert_true(segment_read_facts(reader, FIRST_ID, &facts, &err));
    }
    change_facts(segment, false);
    for (int i = 0; i < 2; i++) {
        assert_false(segment_read_facts(reader, FIRST_ID, &facts, &err));
        assert_int_equal(err.code, ERR_INDEX);
    }
    segment_reader_close(reader);
    segment_shared_free(shared);
    segment_close(segment);
}

static int read_damaged(void)
{
    struct segment_reader *reader = NULL;
    struct segment_shared *shared = NULL;
    struct segment *segment;
    struct segment_facts facts;
    struct record record;
    struct bytes plain;
    struct err err = {0};
    bool ok;

    ok = segment_open(&segment, path_of("damaged"), &err);
    if (!ok) {
        return err.code == ERR_INDEX && strstr(err.text, "/damaged") != NULL
                   ? 6
                   : 1;
    }
    ok = segment_shared_new(&shared, &err) &&
         segment_reader_open(&reader, segment, shared, &err);
    for (size_t i = 0; ok && i < NUM; i++) {
        ok = segment_read_facts(reader, FIRST_ID + i, &facts, &err) &&
             segment_read(reader, FIRST_ID + i, &record, &plain, &err);
        if (ok && (!is_same(&record, plain, i) ||
                   !is_same_facts(&records[i].facts, &facts, i))) {
            return 2;
        }
    }
    segment_reader_close(reader);
    segment_shared_free(shared);
    segment_close(segment);
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

static void write_file(struct bytes content)
{
    FILE *file = fopen(path_of("damaged"), "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(content.data, 1, content.len, file), content.len);
    assert_int_equal(fclose(file), 0);
}

static void damage_ends_in_a_sentence(void **state)
{
    struct random random = random_for(1, "damage", 0);
    struct bytes whole;
    uint8_t *copy;
    int told = 0;

    (void)state;
    write_segment(NUM, NULL);
    whole = read_file(path_of("segment"));
    for (int i = 0; i < 6; i++) { // cut short
        write_file(bytes_of(whole.data,
                            random_below(&random, whole.len / 4096) * 4096));
        assert_int_equal(in_child(), 6);
    }
    copy = (uint8_t *)(uintptr_t)heap_copy(whole).data;
    for (int i = 0; i < 40; i++) {
        size_t at = i < 15 ? random_below(&random, 2 * 4096)
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
    assert_true(told > 15);
    free(copy);
    free((void *)whole.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_back_what_was_put),
        cmocka_unit_test(nothing_is_left_of_what_was_not_finished),
        cmocka_unit_test(who_trusts_checks_once),
        cmocka_unit_test(what_was_read_last_is_looked_at_again),
        cmocka_unit_test(damage_ends_in_a_sentence),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
