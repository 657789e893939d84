// test_index_logs.c - an index's logs, their heads, chunks and issuers.

#include "index/handle.h"
#include "index/store/keys.h"
#include "tests/support/check.h"
#include "tests/support/folder.h"
#include "tests/support/made_log.h"
#include "tests/support/shape.h"

enum { LOG_SIZE = 600 };

static const struct shape in_tail = {.name = "tail"};
static const struct shape in_files = {
    .name = "files", .memory = 1, .tail_full = 1000};
static const struct shape *shape = &in_tail;
static char folder[FOLDER_LEN];

static int make_folder(void **state)
{
    (void)state;
    folder_make(folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    folder_remove(folder);
    return 0;
}

static struct index *open_index(enum index_mode mode)
{
    test_case = shape->name;
    return shape_open(shape, folder, mode);
}

// ------------------------------------------------------------ logs and heads

static void check_refused(bool ok, const struct err *err, enum err_code code,
                          const char *sentence)
{
    test_case = sentence;
    CHECK(!ok);
    if (err->code != code || strstr(err->text, sentence) == NULL) {
        fail_msg("%d '%s' where '%s' should be", (int)err->code, err->text,
                 sentence);
    }
}

static void chunks_come_in_any_order(void **state)
{
    static const struct {
        uint64_t first, end, indexed, verified;
        size_t num_ranges;
    } steps[] = {
        {200, 300, 100, 0, 1},   {400, 450, 150, 0, 2},   {0, 100, 250, 100, 3},
        {100, 200, 350, 300, 2}, {300, 400, 450, 450, 1},
    };
    struct index *index = open_index(INDEX_WRITE);
    struct made_log log;
    struct err err = {0};

    (void)state;
    made_log_new(&log, "any order", LOG_SIZE);
    CHECK(index_add_log(index, &log.log, signer_key(log.signer), &err));
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        struct snapshot *snapshot;
        struct log_range *ranges;
        struct arena arena = {0};
        size_t num;

        CHECK(made_log_append(&log, index, steps[i].first, steps[i].end,
                              LOG_SIZE, &err));
        snapshot = shape_snapshot(index);
        CHECK(snapshot_log(snapshot, 0)->indexed == steps[i].indexed);
        CHECK(snapshot_log(snapshot, 0)->verified == steps[i].verified);
        CHECK(snapshot_ranges(snapshot, 1, &ranges, &num, &arena, &err));
        CHECK(num == steps[i].num_ranges);
        if (i == 2) {
            CHECK(ranges[0].first == 0 && ranges[0].end == 100);
            CHECK(ranges[1].first == 200 && ranges[1].end == 300);
            CHECK(ranges[2].first == 400 && ranges[2].end == 450);
        }
        arena_cleanup(&arena);
        snapshot_close(snapshot);
    }
    made_log_free(&log);
    index_close(index);
}

static void what_does_not_fit_changes_nothing(void **state)
{
    struct index *index = open_index(INDEX_WRITE);
    struct made_log log, other;
    struct snapshot *snapshot;
    struct index_stat before, after;
    struct err err = {0};

    (void)state;
    made_log_new(&log, "fits", LOG_SIZE);
    made_log_new(&other, "fits not", LOG_SIZE);
    CHECK(index_add_log(index, &log.log, signer_key(log.signer), &err));
    other.log.number = log.log.number;
    CHECK(made_log_append(&log, index, 100, 200, LOG_SIZE, &err));
    snapshot = shape_snapshot(index);
    CHECK(snapshot_stat(snapshot, &before, &err));
    snapshot_close(snapshot);
    check_refused(made_log_append(&log, index, 150, 160, LOG_SIZE, &err), &err,
                  ERR_INDEX, "fits: entries 150..159 are held already");
    check_refused(made_log_append(&log, index, 50, 101, LOG_SIZE, &err), &err,
                  ERR_INDEX, "fits: entries 50..100 are held already");
    check_refused(made_log_append(&log, index, 199, 230, LOG_SIZE, &err), &err,
                  ERR_INDEX, "fits: entries 199..229 are held already");
    check_refused(made_log_append(&other, index, 0, 50, LOG_SIZE, &err), &err,
                  ERR_VERIFY,
                  "fits: a head of size 600 with another root was accepted");
    check_refused(made_log_append(&other, index, 200, 250, LOG_SIZE - 1, &err),
                  &err, ERR_INDEX,
                  "fits: entries 200..249 do not fit those that are held");
    check_refused(made_log_append(&other, index, 50, 100, LOG_SIZE - 1, &err),
                  &err, ERR_INDEX,
                  "fits: entries 50..99 do not fit those that are held");
    other.log.number = 99;
    check_refused(made_log_append(&other, index, 50, 100, LOG_SIZE, &err), &err,
                  ERR_NOT_FOUND, "the index has no log 99");
    snapshot = shape_snapshot(index);
    CHECK(snapshot_stat(snapshot, &after, &err));
    CHECK(after.entries == before.entries && after.keys == before.keys);
    CHECK(after.postings == before.postings);
    snapshot_close(snapshot);
    // And it goes on.
    CHECK(made_log_append(&log, index, 0, 100, LOG_SIZE, &err));
    made_log_free(&log);
    made_log_free(&other);
    index_close(index);
}

// What another thread could not write is told by whoever comes next, and stays
// told; what was flushed before is there.
static void what_a_flush_could_not_write_is_told(void **state)
{
    static const char sentence[] = "told: entries 50..149 are held already";
    struct index *index;
    struct made_log log;
    struct snapshot *snapshot;
    struct err err = {0};

    (void)state;
    shape = &in_files;
    index = open_index(INDEX_WRITE);
    made_log_new(&log, "told", LOG_SIZE);
    CHECK(index_add_log(index, &log.log, signer_key(log.signer), &err));
    CHECK(made_log_append(&log, index, 0, 100, LOG_SIZE, &err));
    CHECK(index_flush(index, &err));
    CHECK(made_log_append(&log, index, 50, 150, LOG_SIZE, &err));
    check_refused(index_flush(index, &err), &err, ERR_INDEX, sentence);
    check_refused(made_log_append(&log, index, 100, 200, LOG_SIZE, &err), &err,
                  ERR_INDEX, sentence);
    check_refused(index_flush_idle(index, 0, &err), &err, ERR_INDEX, sentence);
    check_refused(index_set_halt(index, 1, HALT_FORK, &err), &err, ERR_INDEX,
                  sentence);
    check_refused(index_compact(index, NULL, NULL, &err), &err, ERR_INDEX,
                  sentence);
    index_close(index);
    index = open_index(INDEX_WRITE);
    CHECK(made_log_append(&log, index, 100, 200, LOG_SIZE, &err));
    CHECK(index_flush(index, &err));
    snapshot = shape_snapshot(index);
    CHECK(snapshot_log(snapshot, 0)->verified == 200);
    CHECK(snapshot_next_id(snapshot) == 201);
    snapshot_close(snapshot);
    index_close(index);
    made_log_free(&log);
    shape = &in_tail;
}

static void the_newest_head_is_the_largest(void **state)
{
    static const struct {
        uint64_t size, timestamp_ms, newest_size, newest_ms;
        size_t num;
    } steps[] = {
        {10, 100, 10, 100, 1}, {20, 90, 20, 90, 2},     {15, 500, 20, 90, 3},
        {20, 95, 20, 95, 4},   {20, 99, 20, 99, 4},     {20, 97, 20, 99, 4},
        {20, 90, 20, 99, 4},   {20, 1000, 20, 1000, 4},
    };
    struct index *index = open_index(INDEX_WRITE);
    struct made_log log;
    struct err err = {0};

    (void)state;
    made_log_new(&log, "heads", 30);
    CHECK(index_add_log(index, &log.log, signer_key(log.signer), &err));
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        struct head head = {.kind = HEAD_STH,
                            .size = steps[i].size,
                            .timestamp_ms = steps[i].timestamp_ms,
                            .root = made_log_root(&log, steps[i].size),
                            .served = bytes_from_text("as served")};
        struct snapshot *snapshot;
        const struct index_log *held;
        struct arena arena = {0};
        struct head *heads;
        size_t num;

        CHECK(index_accept_head(index, log.log.number, &head, &err));
        snapshot = shape_snapshot(index);
        held = snapshot_log(snapshot, 0);
        CHECK(held->has_head && held->head_size == steps[i].newest_size);
        CHECK(held->head_timestamp_ms == steps[i].newest_ms);
        CHECK(snapshot_heads(snapshot, 1, &heads, &num, &arena, &err));
        CHECK(num == steps[i].num);
        for (size_t k = 0; k < num; k++) {
            CHECK(bytes_equal_text(heads[k].served, "as served"));
            CHECK(k == 0 || heads[k].size > heads[k - 1].size ||
                  heads[k].timestamp_ms > heads[k - 1].timestamp_ms);
        }
        arena_cleanup(&arena);
        snapshot_close(snapshot);
    }
    made_log_free(&log);
    index_close(index);
}

static void logs_are_described_and_halted(void **state)
{
    struct index *index = open_index(INDEX_WRITE);
    struct made_log log;
    struct index_log again;
    struct snapshot *snapshot;
    struct bytes der;
    struct err err = {0};

    (void)state;
    made_log_new(&log, "described", 10);
    log.log.keep = KEEP_FACTS;
    CHECK(index_add_log(index, &log.log, signer_key(log.signer), &err));
    CHECK(index_set_halt(index, 1, HALT_FORK, &err));
    again = (struct index_log){.id = log.log.id,
                               .name = "renamed",
                               .keep = KEEP_FACTS,
                               .ended = true,
                               .has_final = true,
                               .final_size = 77};
    CHECK(index_add_log(index, &again, signer_key(log.signer), &err));
    CHECK(again.number == 1 && again.halt == HALT_FORK);
    CHECK(strcmp(again.url, log.log.url) == 0); // not told: it stays
    CHECK(again.mmd_seconds == log.log.mmd_seconds);
    again.keep = KEEP_FULL;
    check_refused(index_add_log(index, &again, signer_key(log.signer), &err),
                  &err, ERR_USAGE, "renamed: was begun with --keep facts");
    index_close(index);
    index = open_index(INDEX_READ);
    snapshot = shape_snapshot(index);
    CHECK(snapshot_num_logs(snapshot) == 1);
    CHECK(strcmp(snapshot_log(snapshot, 0)->name, "renamed") == 0);
    CHECK(snapshot_log(snapshot, 0)->keep == KEEP_FACTS);
    CHECK(snapshot_log(snapshot, 0)->halt == HALT_FORK);
    CHECK(snapshot_log(snapshot, 0)->ended);
    CHECK(snapshot_log(snapshot, 0)->final_size == 77);
    CHECK(snapshot_find_log(snapshot, 1) == snapshot_log(snapshot, 0));
    CHECK(snapshot_find_log(snapshot, 2) == NULL);
    CHECK(snapshot_key(snapshot, 1, &der, &err));
    CHECK(bytes_equal(der, signer_key(log.signer)));
    check_refused(index_set_halt(index, 1, HALT_NONE, &err), &err, ERR_INDEX,
                  "open for reading only");
    snapshot_close(snapshot);
    index_close(index);
    made_log_free(&log);
}

static void a_status_is_told_by_a_word(void **state)
{
    enum { HOUR = 3600 * 1000 };
    static const struct {
        const char *word;
        struct index_log log;
        uint64_t now_ms;
    } cases[] = {
        {"partial", {.verified = 0}, 0},
        {"complete", {.has_head = true}, 0},
        {"partial", {.has_head = true, .head_size = 5, .verified = 4}, 0},
        {"complete", {.has_head = true, .head_size = 5, .verified = 5}, 0},
        {"complete", {.has_head = true, .head_size = 5, .verified = 6}, 0},
        {"complete", {.has_head = true, .mmd_seconds = 60}, 24 * HOUR},
        {"stale", {.has_head = true, .mmd_seconds = 60}, 24 * HOUR + 1},
        {"complete", {.has_head = true, .mmd_seconds = 90000}, 25 * HOUR},
        {"stale", {.has_head = true, .mmd_seconds = 90000}, 26 * HOUR},
        {"complete", {.has_head = true, .ended = true}, 99 * HOUR},
        {"complete", {.has_head = true, .has_final = true}, 99 * HOUR},
        {"partial", {.has_head = true, .has_final = true, .final_size = 1}, 0},
        {"complete", {.has_head = true, .head_timestamp_ms = 99}, 5},
        {"halted", {.halt = HALT_DATA}, 0},
        {"halted", {.has_head = true, .halt = HALT_FORK}, 99 * HOUR},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        test_case = cases[i].word;
        CHECK(
            strcmp(log_status_word(log_status(&cases[i].log, cases[i].now_ms)),
                   cases[i].word) == 0);
    }
}

// ------------------------------------------------------------ issuers

static size_t count_key(struct snapshot *snapshot, enum term_kind kind,
                        struct bytes value, uint32_t via)
{
    struct buffer key = {0};
    struct cursor *cursor;
    struct posting posting;
    size_t num = 0;
    bool found;

    keys_append(&key, kind, value);
    buffer_append_byte(&key, 0);
    CHECK(cursor_open(&cursor, snapshot, bytes_of(key.data, key.len - 1),
                      buffer_bytes(&key), NULL));
    for (;;) {
        CHECK(cursor_next(cursor, &posting, &found, NULL));
        if (!found) break;
        num += posting.via == via;
    }
    cursor_close(cursor);
    buffer_cleanup(&key);
    return num;
}

static void find_finals(void)
{
    struct index *index = open_index(INDEX_WRITE);
    struct made_log log;
    struct snapshot *snapshot;
    struct cert issuer;
    struct sha256_hash key;
    struct bytes der, made;
    struct err err = {0};

    made_log_new(&log, "issuers", 90);
    CHECK(index_add_log(index, &log.log, signer_key(log.signer), &err));
    CHECK(made_log_append(&log, index, 0, 30, 90, &err));
    CHECK(index_flush(index, &err));
    // Another's certificate, and that of a name that nobody was issued by.
    made = buffer_bytes(&log.issuers[0]);
    CHECK(index_add_issuer(index, made, &err));
    CHECK(index_add_issuer(index, made, &err));
    CHECK(index_add_issuer(index, buffer_bytes(&log.issuers[1]), &err));
    CHECK(made_log_append(&log, index, 30, 90, 90, &err));
    index_close(index);
    index = open_index(INDEX_READ);
    snapshot = shape_snapshot(index);
    CHECK(snapshot_issuer(snapshot, &log.chain[0], &der, &err));
    CHECK(bytes_equal(der, made));
    CHECK(snapshot_issuer(snapshot, &log.chain[1], &der, &err));
    CHECK(!snapshot_issuer(snapshot, &log.hashes[0], &der, &err));
    CHECK(err.code == ERR_NOT_FOUND);
    CHECK(cert_parse(&issuer, made, CERT_FORM_CERTIFICATE, NULL));
    key = sha256(issuer.spki);
    // Of three entries two are finals; the first thirty came too early.
    CHECK(count_key(snapshot, TERM_ISSUER_KEY, sha256_bytes(&key),
                    VIA_UNAUTHENTICATED) == 40);
    CHECK(count_key(snapshot, TERM_ISSUER_KEY, sha256_bytes(&key), 0) == 30);
    snapshot_close(snapshot);
    index_close(index);
    made_log_free(&log);
}

static void finals_are_found_by_an_issuer_that_is_known(void **state)
{
    (void)state;
    find_finals();
    folder_empty(folder);
    shape = &in_files;
    find_finals();
    shape = &in_tail;
}

// A chunk may hold an issuer's key under a higher id before a final brings it
// under a lower one.
static void an_issuers_key_is_counted_once(void **state)
{
    struct index *index = open_index(INDEX_WRITE);
    struct made_log log;
    struct snapshot *snapshot;
    struct index_stat stat;
    struct cursor *cursor;
    struct posting posting;
    struct buffer last = {0};
    struct err err = {0};
    uint64_t keys = 0;
    bool found;

    (void)state;
    made_log_new(&log, "counted", 30);
    CHECK(index_add_log(index, &log.log, signer_key(log.signer), &err));
    CHECK(index_add_issuer(index, buffer_bytes(&log.issuers[0]), &err));
    CHECK(made_log_append(&log, index, 0, 30, 30, &err));
    snapshot = shape_snapshot(index);
    CHECK(cursor_open(&cursor, snapshot, (struct bytes){0}, (struct bytes){0},
                      &err));
    for (;;) {
        CHECK(cursor_next(cursor, &posting, &found, &err));
        if (!found) break;
        keys += !bytes_equal(posting.key, buffer_bytes(&last));
        buffer_reset(&last);
        buffer_append(&last, posting.key);
    }
    CHECK(snapshot_stat(snapshot, &stat, &err));
    CHECK(stat.keys == keys);
    cursor_close(cursor);
    buffer_cleanup(&last);
    snapshot_close(snapshot);
    index_close(index);
    made_log_free(&log);
}

static void issuers_wait_for_the_next_write(void **state)
{
    struct index *index = open_index(INDEX_WRITE);
    struct snapshot *snapshot = shape_snapshot(index);
    struct sha256_hash last = {0};
    struct bytes der;
    struct err err = {0};
    bool changed;

    (void)state;
    for (uint32_t i = 0; i < 600; i++) {
        uint8_t bytes[4];

        bytes_put_uint(bytes, i, sizeof bytes);
        last = sha256(bytes_of(bytes, sizeof bytes));
        CHECK(index_add_issuer(index, bytes_of(bytes, sizeof bytes), &err));
    }
    CHECK(snapshot_renew(snapshot, &changed, &err) && changed);
    CHECK(!snapshot_issuer(snapshot, &last, &der, &err));
    snapshot_close(snapshot);
    index_close(index);
    index = open_index(INDEX_READ);
    snapshot = shape_snapshot(index);
    CHECK(snapshot_issuer(snapshot, &last, &der, &err));
    snapshot_close(snapshot);
    index_close(index);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)
        TEST(chunks_come_in_any_order),
        TEST(what_does_not_fit_changes_nothing),
        TEST(what_a_flush_could_not_write_is_told),
        TEST(the_newest_head_is_the_largest),
        TEST(logs_are_described_and_halted),
        TEST(finals_are_found_by_an_issuer_that_is_known),
        TEST(an_issuers_key_is_counted_once),
        TEST(issuers_wait_for_the_next_write),
        cmocka_unit_test(a_status_is_told_by_a_word),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
