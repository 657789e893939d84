// test_pipeline.c - whole logs, from a test log over loopback to the index.

#include <dirent.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "index/check.h"
#include "ingest/parse/log_list.h"
#include "ingest/pipeline.h"
#include "tests/support/check.h"
#include "tests/support/folder.h"
#include "tests/support/testlog.h"

enum { RUN_SECONDS_MAX = 60 };

static unsigned num_threads;

// ---------------------------------------------------------------- helpers

static char *make_dir(void)
{
    char *dir = malloc(FOLDER_LEN);

    assert_non_null(dir);
    folder_make(dir);
    return dir;
}

static void drop_dir(char *dir)
{
    folder_remove(dir);
    free(dir);
}

// What a run may be told beyond its log.
struct run {
    enum testlog_api api;
    const char *directory; // instead of the URL
    uint64_t range_first, range_end;
    uint64_t retry_ms;
    uint64_t memory;
    unsigned connections;
    enum index_keep keep;
    bool hide_api;
    bool has_fallback; // the tiles are an RFC 6962 log's
};

struct outcome {
    struct reader_totals totals;
    struct index_log log; // as the index has it afterwards
    struct sha256_hash digest;
    struct sha256_hash digest_rest;
};

static void describe(struct index_log *log, struct log_key **key,
                     struct testlog *from, const struct run *run)
{
    struct log_description told;

    CHECK(log_description_parse(&told, testlog_description(from, run->api),
                                NULL));
    *log = (struct index_log){
        .api = run->api == TESTLOG_STATIC ? LOG_API_STATIC : LOG_API_RFC6962,
        .keep = run->keep == 0 ? KEEP_FULL : run->keep,
        .mmd_seconds = 86400,
        .has_final = told.has_final,
    };
    if (run->hide_api) log->api = LOG_API_RFC6962;
    (void)snprintf(log->name, sizeof log->name, "%s", told.name);
    (void)snprintf(log->url, sizeof log->url, "%s", told.url);
    (void)snprintf(log->origin, sizeof log->origin, "%s", told.origin);
    CHECK(log_key_new(key, bytes_of(told.key, told.key_len), NULL));
    log->id = *log_key_id(*key);
}

static void look(struct outcome *outcome, struct index *index, uint32_t number)
{
    struct snapshot *snapshot;

    CHECK(snapshot_open(&snapshot, index, NULL));
    outcome->log = *snapshot_find_log(snapshot, number);
    CHECK(
        check_digest(snapshot, &outcome->digest, &outcome->digest_rest, NULL));
    snapshot_close(snapshot);
}

// Reads `from` into the index at `dir`, as sanct-ingest does.
static struct outcome read_log(struct testlog *from, const char *dir,
                               const struct run *run)
{
    struct pipeline_options options = {
        .num_threads = num_threads,
        .retry_ms = run->retry_ms == 0 ? 20000 : run->retry_ms,
        .memory = run->memory == 0 ? 1 << 30 : run->memory,
        .connections = run->connections,
        .proxy = "",
    };
    struct reader_config config = {.api_known = !run->hide_api};
    struct archive_part *part;
    struct timespec tick = {.tv_nsec = 2000000};
    struct outcome outcome = {0};
    struct pipeline *pipeline;
    struct index *index;
    struct err err = {0};
    time_t end = time(NULL) + RUN_SECONDS_MAX;

    describe(&config.log, &config.key, from, run);
    if (run->directory != NULL) {
        CHECK(archive_new(&config.archive, NULL) &&
              archive_part_open(&part, run->directory, NULL) &&
              archive_take(config.archive, part, NULL));
    }
    if (run->has_fallback) {
        (void)snprintf(config.fallback_url, sizeof config.fallback_url, "%s",
                       testlog_url(from, TESTLOG_RFC6962));
    }
    config.has_range = run->range_end != 0;
    config.range_first = run->range_first;
    config.range_end = run->range_end;
    CHECK(index_open(&index, dir, INDEX_WRITE, &err));
    CHECK(index_add_log(index, &config.log, log_key_der(config.key), &err));
    CHECK(pipeline_open(&pipeline, index, &options, &err));
    CHECK(pipeline_add(pipeline, &config, &err));
    CHECK(pipeline_start(pipeline, &err));
    while (!pipeline_is_done(pipeline) && time(NULL) < end) {
        (void)nanosleep(&tick, NULL);
    }
    if (!pipeline_is_done(pipeline)) {
        print_error("case '%s' does not end\n", test_case);
        pipeline_stop(pipeline);
    }
    if (!pipeline_join(pipeline, &err)) {
        print_error("case '%s': %s\n", test_case, err.text);
        CHECK(false);
    }
    outcome.totals = pipeline_totals(pipeline, 0);
    look(&outcome, index, config.log.number);
    pipeline_close(pipeline);
    index_close(index);
    archive_free(config.archive);
    return outcome;
}

static struct testlog *start(uint64_t entries, const char *faults)
{
    struct testlog_options options = {.entries = entries,
                                      .seed = 7,
                                      .batch = 64,
                                      .same_key = faults == NULL,
                                      .fina = entries >= 40,
                                      .faults = faults};
    struct testlog *log;
    struct err err = {0};

    if (!testlog_start(&log, &options, &err)) {
        print_error("case '%s': %s\n", test_case, err.text);
        CHECK(false);
    }
    return log;
}

static bool is_complete(const struct outcome *outcome, uint64_t size,
                        const struct sha256_hash *root)
{
    bool ok =
        outcome->totals.ended && outcome->totals.status == READER_COMPLETE &&
        outcome->totals.err.code == ERR_NONE && outcome->totals.size == size &&
        outcome->log.verified == size && outcome->log.indexed == size &&
        sha256_equal(&outcome->totals.root, root);

    if (!ok) {
        print_error("case '%s': status %d, '%s', size %llu, verified %llu\n",
                    test_case, (int)outcome->totals.status,
                    outcome->totals.err.text,
                    (unsigned long long)outcome->totals.size,
                    (unsigned long long)outcome->log.verified);
    }
    return ok;
}

static bool digest_is_none(const struct sha256_hash *digest)
{
    static const struct sha256_hash none;

    return sha256_equal(digest, &none);
}

static size_t count_evidence(const char *dir, const char *kind)
{
    char path[4096];
    struct dirent *entry;
    size_t num = 0;
    DIR *folder;

    (void)snprintf(path, sizeof path, "%s/evidence", dir);
    folder = opendir(path);
    if (folder == NULL) return 0;
    while ((entry = readdir(folder)) != NULL) {
        size_t len = strlen(entry->d_name);

        if (len > strlen(kind) &&
            strcmp(entry->d_name + len - strlen(kind), kind) == 0) {
            num++;
        }
    }
    (void)closedir(folder);
    return num;
}

struct counts {
    size_t num, num_proven;
};

static bool count_proven(void *context, const struct evidence_info *info,
                         struct err *err)
{
    struct counts *counts = context;

    (void)err;
    counts->num++;
    if (info->readable && info->proven) {
        counts->num_proven++;
    } else {
        print_error("case '%s': %s: %s\n", test_case, info->folder,
                    info->sentence);
    }
    return true;
}

// ---------------------------------------------------------------- whole logs

static void both_protocols_and_a_folder_agree_at_every_size(void **state)
{
    static const uint64_t sizes[] = {1,   2,   3,   255, 256,
                                     257, 300, 511, 512, 5000};
    struct testlog *log = start(5000, NULL);

    (void)state;
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        struct sha256_hash root = testlog_root(log, sizes[i]);
        struct outcome outcomes[3];
        char *tiles = make_dir();
        char name[32];

        (void)snprintf(name, sizeof name, "%u", (unsigned)sizes[i]);
        test_case = name;
        testlog_set_size(log, sizes[i]);
        CHECK(testlog_write_tiles(log, tiles, NULL));
        for (size_t way = 0; way < COUNT_OF(outcomes); way++) {
            char *dir = make_dir();
            struct run run = {.api =
                                  way == 0 ? TESTLOG_RFC6962 : TESTLOG_STATIC,
                              .directory = way == 2 ? tiles : NULL};

            outcomes[way] = read_log(log, dir, &run);
            CHECK(is_complete(&outcomes[way], sizes[i], &root));
            CHECK(outcomes[way].totals.entries == sizes[i]);
            CHECK(outcomes[way].totals.num_names > 0 || sizes[i] < 3);
            CHECK(sha256_equal(&outcomes[way].digest, &outcomes[0].digest));
            CHECK(sha256_equal(&outcomes[way].digest_rest,
                               &outcomes[0].digest_rest));
            drop_dir(dir);
        }
        drop_dir(tiles);
    }
    testlog_stop(log);
}

// However many connections, entries in an answer, and workers: answers come and
// are understood in any order, and make one index.
static void one_digest_whatever_the_order(void **state)
{
    static const unsigned batches[] = {5, 64, 1000};
    static const unsigned connections[] = {1, 3, 64};
    static struct sha256_hash digest;
    enum { SIZE = 3000 };

    (void)state;
    for (size_t b = 0; b < COUNT_OF(batches); b++) {
        struct testlog_options options = {.entries = SIZE,
                                          .seed = 7,
                                          .batch = batches[b],
                                          .same_key = true,
                                          .fina = true};
        struct testlog *log;
        struct sha256_hash root;

        CHECK(testlog_start(&log, &options, NULL));
        root = testlog_root(log, SIZE);
        for (size_t c = 0; c < COUNT_OF(connections); c++) {
            for (int api = 0; api < TESTLOG_NUM_APIS; api++) {
                struct run run = {.api = (enum testlog_api)api,
                                  .connections = connections[c]};
                char *dir = make_dir();
                struct outcome outcome;
                char name[64];

                (void)snprintf(name, sizeof name, "%u of %u over %u",
                               (unsigned)api, batches[b], connections[c]);
                test_case = name;
                outcome = read_log(log, dir, &run);
                CHECK(is_complete(&outcome, SIZE, &root));
                if (digest_is_none(&digest)) digest = outcome.digest;
                CHECK(sha256_equal(&digest, &outcome.digest));
                drop_dir(dir);
            }
        }
        testlog_stop(log);
    }
}

// One index, one log, now by this protocol and now by that.
static void goes_on_where_it_was(void **state)
{
    static const uint64_t sizes[] = {0, 1, 70, 70, 256, 1000, 4096, 4097, 5000};
    struct testlog *log = start(5000, NULL);
    struct outcome outcome, whole;
    char *dir = make_dir(), *other = make_dir();
    uint64_t before = 0;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        struct run run = {.api = i % 2 == 0 ? TESTLOG_RFC6962 : TESTLOG_STATIC};
        struct sha256_hash root = testlog_root(log, sizes[i]);

        test_case = "growing";
        testlog_set_size(log, sizes[i]);
        outcome = read_log(log, dir, &run);
        CHECK(is_complete(&outcome, sizes[i], &root));
        CHECK(outcome.totals.entries == sizes[i] - before);
        before = sizes[i];
    }
    whole = read_log(log, other, &(struct run){.api = TESTLOG_STATIC});
    CHECK(sha256_equal(&whole.digest, &outcome.digest));
    // A head that has shrunk changes nothing.
    testlog_set_size(log, 300);
    outcome = read_log(log, dir, &(struct run){.api = TESTLOG_RFC6962});
    CHECK(outcome.totals.status == READER_COMPLETE);
    CHECK(outcome.log.verified == 5000 && outcome.log.head_size == 5000);
    CHECK(sha256_equal(&whole.digest, &outcome.digest));
    drop_dir(dir);
    drop_dir(other);
    testlog_stop(log);
}

static void ranges_are_proven_and_later_filled(void **state)
{
    static const struct {
        uint64_t first, end;
    } ranges[] = {{4096, 4200}, {1000, 1001}, {999, 1000}, {2048, 2100},
                  {4999, 5000}, {0, 10},      {1500, 2048}};

    (void)state;
    for (int api = 0; api < TESTLOG_NUM_APIS; api++) {
        struct testlog *log = start(5000, NULL);
        struct sha256_hash root = testlog_root(log, 5000);
        char *dir = make_dir();
        struct outcome outcome;
        uint64_t sum = 0;

        for (size_t i = 0; i < COUNT_OF(ranges); i++) {
            struct run run = {.api = (enum testlog_api)api,
                              .range_first = ranges[i].first,
                              .range_end = ranges[i].end};

            test_case = "range";
            outcome = read_log(log, dir, &run);
            CHECK(outcome.totals.err.code == ERR_NONE);
            CHECK(outcome.totals.entries == ranges[i].end - ranges[i].first);
            sum += ranges[i].end - ranges[i].first;
            CHECK(outcome.log.indexed == sum);
        }
        CHECK(outcome.log.verified == 10);
        outcome =
            read_log(log, dir, &(struct run){.api = (enum testlog_api)api});
        CHECK(is_complete(&outcome, 5000, &root));
        CHECK(outcome.totals.entries == 5000 - sum);
        drop_dir(dir);
        testlog_stop(log);
    }
}

// An answer that is cut where a page ends says nothing of how much a whole page
// holds: the log is not asked for crumbs from then on.
static void what_begins_inside_of_a_page_teaches_nothing(void **state)
{
    struct testlog *log = start(5000, NULL); // pages of 64
    char *dir = make_dir();
    struct outcome outcome = read_log(log, dir,
                                      &(struct run){.api = TESTLOG_RFC6962,
                                                    .range_first = 60,
                                                    .range_end = 5000});

    (void)state;
    CHECK(outcome.totals.entries == 4940);
    CHECK(testlog_requests(log, "get-entries") <= 5000 / 64 + 20);
    drop_dir(dir);
    testlog_stop(log);
}

// Small logs that have ended leave their memory to the large one: it is asked
// for more at once than its share allows.
static void memory_goes_where_it_is_needed(void **state)
{
    enum { NUM = 9, LARGE = 20000 };
    struct pipeline_options options = {.num_threads = num_threads,
                                       .retry_ms = 20000,
                                       .memory = 160 << 20,
                                       .proxy = ""};
    struct timespec tick = {.tv_nsec = 2000000};
    struct testlog *logs[NUM];
    struct pipeline *pipeline;
    struct index *index;
    char *dir = make_dir();
    time_t end = time(NULL) + RUN_SECONDS_MAX;

    (void)state;
    CHECK(index_open(&index, dir, INDEX_WRITE, NULL));
    CHECK(pipeline_open(&pipeline, index, &options, NULL));
    for (unsigned i = 0; i < NUM; i++) {
        struct testlog_options made = {
            .entries = i == 0 ? LARGE : 100, .seed = i + 1, .batch = 1024};
        struct reader_config config = {.api_known = true};

        CHECK(testlog_start(&logs[i], &made, NULL));
        describe(&config.log, &config.key, logs[i],
                 &(struct run){.api = TESTLOG_RFC6962});
        CHECK(index_add_log(index, &config.log, log_key_der(config.key), NULL));
        CHECK(pipeline_add(pipeline, &config, NULL));
    }
    CHECK(pipeline_start(pipeline, NULL));
    while (!pipeline_is_done(pipeline) && time(NULL) < end) {
        (void)nanosleep(&tick, NULL);
    }
    CHECK(pipeline_is_done(pipeline));
    CHECK(pipeline_join(pipeline, NULL));
    for (unsigned i = 0; i < NUM; i++) {
        CHECK(pipeline_totals(pipeline, i).status == READER_COMPLETE);
        CHECK(pipeline_totals(pipeline, i).entries ==
              (i == 0 ? (uint64_t)LARGE : 100));
    }
    // By its share, a ninth of a half, of 128 each.
    CHECK(testlog_requests(logs[0], "get-entries") < LARGE / 128 / 2);
    pipeline_close(pipeline);
    index_close(index);
    for (unsigned i = 0; i < NUM; i++) {
        testlog_stop(logs[i]);
    }
    drop_dir(dir);
}

static void finds_out_the_protocol(void **state)
{
    (void)state;
    for (int api = 0; api < TESTLOG_NUM_APIS; api++) {
        struct testlog *log = start(300, NULL);
        struct sha256_hash root = testlog_root(log, 300);
        char *dir = make_dir();
        struct outcome outcome = read_log(
            log, dir,
            &(struct run){.api = (enum testlog_api)api, .hide_api = true});

        test_case = "api not given";
        CHECK(is_complete(&outcome, 300, &root));
        CHECK(outcome.log.api ==
              (api == TESTLOG_STATIC ? LOG_API_STATIC : LOG_API_RFC6962));
        drop_dir(dir);
        testlog_stop(log);
    }
}

static void little_memory_is_enough(void **state)
{
    (void)state;
    for (int api = 0; api < TESTLOG_NUM_APIS; api++) {
        struct testlog *log = start(3000, NULL);
        struct sha256_hash root = testlog_root(log, 3000);
        char *dir = make_dir();
        struct outcome outcome = read_log(
            log, dir,
            &(struct run){.api = (enum testlog_api)api, .memory = 1 << 20});

        test_case = "little memory";
        CHECK(is_complete(&outcome, 3000, &root));
        drop_dir(dir);
        testlog_stop(log);
    }
}

// ---------------------------------------------------------------- faults

// One entry more than it gives is not always more than was asked for.
#define ANY UINT64_MAX

enum { RFC = 1 << TESTLOG_RFC6962, STATIC = 1 << TESTLOG_STATIC, BOTH = 3 };

static const struct {
    const char *faults;
    unsigned apis;
    uint64_t entries;
    enum reader_status status;
    uint64_t verified;    // and indexed
    const char *error;    // part of the sentence; NULL: none
    const char *evidence; // kind; NULL: none
    bool heals;           // without the fault the next run is complete
} faults[] = {
    // What is survived.
    {"no-proofs", RFC, 5000, READER_COMPLETE, 5000, NULL, NULL, true},
    {"bad-proofs", RFC, 5000, READER_COMPLETE, 5000, NULL, NULL, true},
    {"long-proofs", RFC, 5000, READER_COMPLETE, 5000, NULL, NULL, true},
    {"short-proofs", RFC, 5000, READER_COMPLETE, 5000, NULL, NULL, true},
    {"cached-consistency", RFC, 9000, READER_COMPLETE, 9000, NULL, NULL, true},
    {"short=7", RFC, 600, READER_COMPLETE, 600, NULL, NULL, true},
    {"no-partials", STATIC, 700, READER_COMPLETE, 700, NULL, NULL, true},
    {"no-issuers", STATIC, 300, READER_COMPLETE, 300, NULL, NULL, true},
    {"no-gzip", STATIC, 300, READER_COMPLETE, 300, NULL, NULL, true},
    {"chunked,gzip-json", BOTH, 300, READER_COMPLETE, 300, NULL, NULL, true},
    {"unknown-type=5", RFC, 300, READER_COMPLETE, 300, NULL, NULL, false},
    {"stale", BOTH, 300, READER_COMPLETE, 300, NULL, NULL, true},
    {"future", BOTH, 300, READER_COMPLETE, 300, NULL, NULL, true},
    {"http-500-every=5", BOTH, 700, READER_COMPLETE, 700, NULL, NULL, true},
    {"html-200-every=5", BOTH, 700, READER_COMPLETE, 700, NULL, NULL, true},
    {"drop-connection-every=5", BOTH, 700, READER_COMPLETE, 700, NULL, NULL,
     true},
    {"truncate-body-every=5", BOTH, 700, READER_COMPLETE, 700, NULL, NULL,
     true},
    {"flip-tile=100", STATIC, 600, READER_COMPLETE, 600, NULL, NULL, true},
    {"leaf-index=5", STATIC, 300, READER_COMPLETE, 300, NULL, NULL, false},
    {"sth-time=0", BOTH, 300, READER_COMPLETE, 300, NULL, NULL, true},
    {"sth-time=9223372036854775807", BOTH, 300, READER_COMPLETE, 300, NULL,
     NULL, true},
    {"sth-time=18446744073709551615", STATIC, 300, READER_COMPLETE, 300, NULL,
     NULL, true},
    {"http-429-every=9", BOTH, 300, READER_COMPLETE, 300, NULL, NULL, true},
    {"trail-every=3", BOTH, 700, READER_COMPLETE, 700, NULL, NULL, true},
    // What is no answer.
    {"zero", RFC, 300, READER_PARTIAL, 0, "no entries", NULL, true},
    {"more", RFC, 300, READER_PARTIAL, ANY, "more than asked for", NULL, true},
    {"sth-size-text", RFC, 300, READER_PARTIAL, 0, "get-sth", NULL, true},
    {"redirect-every=1", BOTH, 300, READER_PARTIAL, 0, "redirected", NULL,
     true},
    {"tile-short", STATIC, 5000, READER_PARTIAL, 0, "hash tile", NULL, true},
    {"gzip-cut", STATIC, 300, READER_PARTIAL, 0, "/tile/data/000", NULL, true},
    {"gzip-crc", STATIC, 300, READER_PARTIAL, 0, "/tile/data/000", NULL, true},
    {"gzip-bomb", STATIC, 300, READER_PARTIAL, 0, "/tile/data/000", NULL, true},
    // A length is wrong, so the tile cannot be read: all before it is kept.
    {"flip-entry=4700:99", STATIC, 5000, READER_PARTIAL, 4608, "/tile/data/018",
     "-missing", true},
    // What halts the log.
    {"sth-badsig", BOTH, 300, READER_HALTED, 0, "sign", "-head", true},
    {"wrong-key", BOTH, 300, READER_HALTED, 0, "", "-head", true},
    {"wrong-origin", STATIC, 300, READER_HALTED, 0, "origin", "-head", true},
    {"flip-entry=300:77", BOTH, 600, READER_HALTED, 300, "entry 300 ",
     "-entries", true},
    {"flip-entry=0:77", STATIC, 600, READER_HALTED, 0, "entry 0 ", "-entries",
     true},
    // A consistency proof from one leaf does not name it, and the log's other
    // proofs of entry 0 are as wrong as the entry.
    {"flip-entry=0:77", RFC, 600, READER_HALTED, 0, "entries 0..1 ", "-entries",
     true},
    {"flip-entry=599:77", BOTH, 600, READER_HALTED, 599, "entry 599 ",
     "-entries", true},
    {"flip-entry=4500:77", BOTH, 9000, READER_HALTED, 4500, "entry 4500 ",
     "-entries", true},
    {"swap=300", BOTH, 600, READER_HALTED, 300, "entry 300 ", "-entries", true},
    {"dup=300", BOTH, 600, READER_HALTED, 301, "entry 301 ", "-entries", true},
    {"drop=300", BOTH, 600, READER_HALTED, 300, "entry 300 ", "-entries", true},
    {"wrong-range", RFC, 600, READER_HALTED, 0, "entry 0 ", "-entries", true},
    {"flip-hash=300", BOTH, 600, READER_HALTED, 300, "entry 300 ", "-entries",
     false},
    {"flip-tile=4999", STATIC, 5000, READER_HALTED, 0, "hash tile", "-tiles",
     true},
};

static void run_fault(size_t row, int api)
{
    struct testlog *log = start(faults[row].entries, faults[row].faults);
    struct run run = {.api = (enum testlog_api)api};
    struct sha256_hash root;
    struct outcome outcome;
    char *dir = make_dir();
    char name[128];

    if (faults[row].status == READER_PARTIAL) {
        run.retry_ms = faults[row].evidence != NULL ? 4000 : 600;
    }
    (void)snprintf(name, sizeof name, "%s, api %d", faults[row].faults, api);
    test_case = name;
    outcome = read_log(log, dir, &run);
    if (outcome.totals.status != faults[row].status ||
        (outcome.log.verified != faults[row].verified &&
         faults[row].verified != ANY) ||
        (faults[row].error != NULL &&
         strstr(outcome.totals.err.text, faults[row].error) == NULL)) {
        print_error("case '%s': status %d, '%s', verified %llu\n", test_case,
                    (int)outcome.totals.status, outcome.totals.err.text,
                    (unsigned long long)outcome.log.verified);
        CHECK(false);
    }
    CHECK((outcome.totals.err.code == ERR_NONE) == (faults[row].error == NULL));
    CHECK((outcome.log.halt == HALT_DATA) ==
          (faults[row].status == READER_HALTED));
    if (faults[row].evidence != NULL) {
        CHECK(count_evidence(dir, faults[row].evidence) == 1);
    }
    CHECK(testlog_set_faults(log, NULL, NULL));
    if (faults[row].heals) {
        root = testlog_root(log, faults[row].entries);
        outcome = read_log(log, dir, &(struct run){.api = run.api});
        CHECK(is_complete(&outcome, faults[row].entries, &root));
        CHECK(outcome.log.halt == HALT_NONE);
    }
    drop_dir(dir);
    testlog_stop(log);
}

static void faults_come_out_as_they_should(void **state)
{
    const char *only = getenv("ONLY");

    (void)state;
    for (size_t row = 0; row < COUNT_OF(faults); row++) {
        if (only != NULL && strstr(faults[row].faults, only) == NULL) continue;
        for (int api = 0; api < TESTLOG_NUM_APIS; api++) {
            if ((faults[row].apis >> api & 1) != 0) run_fault(row, api);
        }
    }
}

// What was wrong is not made right by a log that does not answer.
static void stays_halted_while_out_of_reach(void **state)
{
    struct testlog *log = start(600, "flip-entry=300:77");
    char *dir = make_dir();

    (void)state;
    for (int api = 0; api < TESTLOG_NUM_APIS; api++) {
        struct run run = {.api = (enum testlog_api)api};
        struct outcome outcome;

        test_case = "halted";
        CHECK(testlog_set_faults(log, "flip-entry=300:77", NULL));
        outcome = read_log(log, dir, &run);
        CHECK(outcome.totals.status == READER_HALTED);
        CHECK(testlog_set_faults(log, "http-503-every=1", NULL));
        run.retry_ms = 600;
        outcome = read_log(log, dir, &run);
        CHECK(outcome.totals.status == READER_HALTED);
        CHECK(outcome.totals.err.code == ERR_NETWORK);
        CHECK(outcome.log.halt == HALT_DATA);
    }
    drop_dir(dir);
    testlog_stop(log);
}

static void evidence_proves_itself(void **state)
{
    static const char *const cases[] = {"flip-entry=300:77", "flip-hash=300",
                                        "sth-badsig", "dup=300"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        for (int api = 0; api < TESTLOG_NUM_APIS; api++) {
            struct testlog *log = start(600, cases[i]);
            struct run run = {.api = (enum testlog_api)api};
            struct counts counts = {0};
            char *dir = make_dir();

            test_case = cases[i];
            (void)read_log(log, dir, &run);
            CHECK(evidence_check(dir, count_proven, &counts, NULL));
            CHECK(counts.num == 1 && counts.num_proven == 1);
            drop_dir(dir);
            testlog_stop(log);
        }
    }
}

// A hash tile at the edge, and a full one that a range needs.
static void evidence_of_tiles_proves_itself(void **state)
{
    static const struct {
        const char *fault;
        uint64_t range_first;
    } cases[] = {
        {"flip-tile=4999", 0}, {"flip-tile=1000", 1000}, {"flip-tile=10", 10}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct testlog *log = start(5000, cases[i].fault);
        uint64_t first = cases[i].range_first;
        struct run run = {.api = TESTLOG_STATIC,
                          .range_first = first,
                          .range_end = first == 0 ? 0 : first + 1};
        struct counts counts = {0};
        char *dir = make_dir();
        struct outcome outcome;

        test_case = cases[i].fault;
        outcome = read_log(log, dir, &run);
        CHECK(outcome.totals.status == READER_HALTED);
        CHECK(evidence_check(dir, count_proven, &counts, NULL));
        CHECK(counts.num == 1 && counts.num_proven == 1);
        drop_dir(dir);
        testlog_stop(log);
    }
}

// Read honestly to 400; then the other history's head comes.
static void forks_halt_until_cleared(void **state)
{
    static const struct {
        const char *name;
        uint64_t size;
    } cases[] = {{"same size", 400},
                 {"smaller", 350},
                 {"larger", 512},
                 {"much larger", 5000}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        for (int api = 0; api < TESTLOG_NUM_APIS; api++) {
            struct testlog *log = start(5000, NULL);
            struct run run = {.api = (enum testlog_api)api};
            struct counts counts = {0};
            char *dir = make_dir();
            struct outcome before, outcome;

            test_case = cases[i].name;
            testlog_set_size(log, 400);
            before = read_log(log, dir, &run);
            CHECK(before.totals.status == READER_COMPLETE);
            testlog_set_size(log, cases[i].size);
            CHECK(testlog_set_faults(log, "fork", NULL));
            for (int again = 0; again < 2; again++) {
                outcome = read_log(log, dir, &run);
                CHECK(outcome.totals.status == READER_HALTED);
                CHECK(outcome.totals.err.code == ERR_VERIFY);
                CHECK(outcome.log.halt == HALT_FORK);
                CHECK(outcome.log.verified == 400);
                CHECK(sha256_equal(&outcome.digest, &before.digest));
            }
            CHECK(count_evidence(dir, "-fork") == 1);
            CHECK(evidence_check(dir, count_proven, &counts, NULL));
            CHECK(counts.num_proven == 1);
            drop_dir(dir);
            testlog_stop(log);
        }
    }
}

// A head that another front end had before is no trouble.
static void a_smaller_head_changes_nothing(void **state)
{
    (void)state;
    for (int api = 0; api < TESTLOG_NUM_APIS; api++) {
        struct testlog *log = start(400, NULL);
        struct run run = {.api = (enum testlog_api)api};
        char *dir = make_dir();
        struct outcome before, after;

        before = read_log(log, dir, &run);
        CHECK(before.totals.status == READER_COMPLETE);
        testlog_set_size(log, 350);
        after = read_log(log, dir, &run);
        CHECK(after.totals.status == READER_COMPLETE);
        CHECK(after.log.halt == HALT_NONE && after.log.verified == 400);
        CHECK(sha256_equal(&after.digest, &before.digest));
        CHECK(count_evidence(dir, "-fork") == 0);
        CHECK(count_evidence(dir, "-head") == 0);
        drop_dir(dir);
        testlog_stop(log);
    }
}

// ---------------------------------------------------------------- fallback

enum { MANY = 20000 }; // entries: four batches, and some

// Tiles of an RFC 6962 log that are missing or wrong.
static const struct {
    const char *faults;
    uint64_t retry_ms;
    enum reader_status status;
    uint64_t verified;
    uint64_t most_asked;  // get-entries, of 64 entries each
    const char *error;    // part of the sentence; NULL: none
    const char *evidence; // kind; NULL: none
} missing[] = {
    {"no-checkpoint", 700, READER_COMPLETE, MANY, ANY, NULL, NULL},
    {"no-tiles", 700, READER_COMPLETE, MANY, ANY, NULL, NULL},
    // Half way: two batches are proven by then.
    {"no-tiles=60", 700, READER_COMPLETE, MANY, (MANY - 8192) / 64 + 8, NULL,
     NULL},
    {"no-issuers,no-tiles=60", 700, READER_COMPLETE, MANY, ANY, NULL, NULL},
    {"gzip-cut", 700, READER_COMPLETE, MANY, ANY, NULL, NULL},
    {"flip-tile=19999", 20000, READER_COMPLETE, MANY, ANY, NULL, "-tiles"},
    {"flip-data=5000:7", 20000, READER_COMPLETE, MANY, (MANY - 4096) / 64 + 8,
     NULL, "-entries"},
    {"wrong-origin", 20000, READER_COMPLETE, MANY, ANY, NULL, "-head"},
    {"no-checkpoint,no-entries", 700, READER_PARTIAL, 0, ANY,
     "/ct/v1/get-entries?start=0&end=", "-missing"},
    {"no-tiles=60,no-entries", 700, READER_PARTIAL, ANY, ANY,
     "/ct/v1/get-entries?start=", "-missing"},
    // The log itself lies.
    {"flip-entry=300:77", 20000, READER_HALTED, 300, ANY, "entry 300 ",
     "-entries"},
    {"fork-same-size,no-tiles", 700, READER_HALTED, 0, ANY, "different roots",
     "-fork"},
};

static struct testlog *start_both(const char *wrong)
{
    struct testlog_options options = {.entries = MANY,
                                      .seed = 7,
                                      .batch = 64,
                                      .same_key = true,
                                      .fina = true,
                                      .faults = wrong};
    struct testlog *log;

    CHECK(testlog_start(&log, &options, NULL));
    return log;
}

// Those that tiles named and nobody gave come with later entries that name
// them, too.
static bool has_all_issuers(struct testlog *log, const char *dir)
{
    struct buffer memory = {0};
    struct snapshot *snapshot;
    struct index *index;
    bool ok = true;

    CHECK(index_open(&index, dir, INDEX_READ, NULL));
    CHECK(snapshot_open(&snapshot, index, NULL));
    for (uint64_t i = MANY * 4 / 5; i < MANY; i += 20) {
        struct testlog_entry entry;
        struct bytes print, der;

        buffer_reset(&memory);
        CHECK(testlog_entry(log, i, &entry, &memory));
        while (bytes_read_take(&entry.chain, &print, SHA256_LEN)) {
            struct sha256_hash hash;

            memcpy(hash.bytes, print.data, SHA256_LEN);
            ok = ok && snapshot_issuer(snapshot, &hash, &der, NULL);
        }
    }
    buffer_cleanup(&memory);
    snapshot_close(snapshot);
    index_close(index);
    return ok;
}

static void run_missing(size_t row, const struct outcome *whole)
{
    struct testlog *log = start_both(missing[row].faults);
    struct run run = {.api = TESTLOG_STATIC,
                      .has_fallback = true,
                      .connections = 1,
                      .retry_ms = missing[row].retry_ms};
    struct outcome outcome;
    char *dir = make_dir();
    uint64_t num_tiles;

    test_case = missing[row].faults;
    outcome = read_log(log, dir, &run);
    if (outcome.totals.status != missing[row].status ||
        (outcome.log.verified != missing[row].verified &&
         missing[row].verified != ANY) ||
        testlog_requests(log, "get-entries") > missing[row].most_asked ||
        (missing[row].error != NULL &&
         strstr(outcome.totals.err.text, missing[row].error) == NULL)) {
        print_error("case '%s': status %d, '%s', verified %llu, asked %llu\n",
                    test_case, (int)outcome.totals.status,
                    outcome.totals.err.text,
                    (unsigned long long)outcome.log.verified,
                    (unsigned long long)testlog_requests(log, "get-entries"));
        CHECK(false);
    }
    CHECK((outcome.totals.err.code == ERR_NONE) ==
          (missing[row].error == NULL));
    CHECK(outcome.totals.tiles_missing);
    CHECK(outcome.totals.api == LOG_API_RFC6962);
    CHECK(outcome.log.api == LOG_API_STATIC); // for the next start
    if (missing[row].evidence != NULL) {
        CHECK(count_evidence(dir, missing[row].evidence) >= 1);
    }
    if (missing[row].status == READER_COMPLETE) {
        CHECK(outcome.totals.entries == MANY);
        CHECK(outcome.log.halt == HALT_NONE);
        CHECK(sha256_equal(&outcome.digest, &whole->digest));
        CHECK(sha256_equal(&outcome.digest_rest, &whole->digest_rest));
        CHECK(has_all_issuers(log, dir));
    }
    // The next start asks for tiles first, and for nothing else.
    if (missing[row].status != READER_HALTED) {
        uint64_t asked = testlog_requests(log, "/rfc6962/");

        CHECK(testlog_set_faults(log, NULL, NULL));
        num_tiles = testlog_requests(log, "checkpoint");
        outcome = read_log(log, dir, &run);
        CHECK(testlog_requests(log, "checkpoint") == num_tiles + 1);
        CHECK(testlog_requests(log, "/rfc6962/") == asked);
        CHECK(outcome.totals.status == READER_COMPLETE);
        CHECK(!outcome.totals.tiles_missing);
        CHECK(outcome.totals.api == LOG_API_STATIC);
        CHECK(sha256_equal(&outcome.digest, &whole->digest));
    }
    drop_dir(dir);
    testlog_stop(log);
}

static void missing_tiles_are_had_by_get_entries(void **state)
{
    struct testlog *log = start_both(NULL);
    char *dir = make_dir();
    struct outcome whole =
        read_log(log, dir, &(struct run){.api = TESTLOG_RFC6962});

    (void)state;
    CHECK(whole.totals.status == READER_COMPLETE);
    drop_dir(dir);
    testlog_stop(log);
    for (size_t row = 0; row < COUNT_OF(missing); row++) {
        // The order of answers matters half way only.
        if (num_threads != 2 && missing[row].most_asked == ANY) continue;
        run_missing(row, &whole);
    }
}

// Refused at every try, tiles are missing long before --retry says so; what
// only fails now and then is not missing.
static void tiles_are_given_up_soon_and_not_lightly(void **state)
{
    static const struct {
        const char *faults;
        bool are_missing;
    } cases[] = {{"no-tiles", true},
                 {"http-500-every=3", false},
                 {"html-200-every=3", false}};

    (void)state;
    for (size_t i = 0; num_threads == 1 && i < COUNT_OF(cases); i++) {
        struct testlog *log = start_both(cases[i].faults);
        struct outcome outcome;
        char *dir = make_dir();

        test_case = cases[i].faults;
        outcome = read_log(log, dir,
                           &(struct run){.api = TESTLOG_STATIC,
                                         .has_fallback = true,
                                         .retry_ms = 600 * 1000});
        CHECK(outcome.totals.status == READER_COMPLETE);
        CHECK(outcome.totals.tiles_missing == cases[i].are_missing);
        CHECK((testlog_requests(log, "/rfc6962/") > 0) == cases[i].are_missing);
        drop_dir(dir);
        testlog_stop(log);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_protocols_and_a_folder_agree_at_every_size),
        cmocka_unit_test(one_digest_whatever_the_order),
        cmocka_unit_test(goes_on_where_it_was),
        cmocka_unit_test(ranges_are_proven_and_later_filled),
        cmocka_unit_test(what_begins_inside_of_a_page_teaches_nothing),
        cmocka_unit_test(memory_goes_where_it_is_needed),
        cmocka_unit_test(finds_out_the_protocol),
        cmocka_unit_test(little_memory_is_enough),
        cmocka_unit_test(faults_come_out_as_they_should),
        cmocka_unit_test(missing_tiles_are_had_by_get_entries),
        cmocka_unit_test(tiles_are_given_up_soon_and_not_lightly),
        cmocka_unit_test(stays_halted_while_out_of_reach),
        cmocka_unit_test(evidence_proves_itself),
        cmocka_unit_test(evidence_of_tiles_proves_itself),
        cmocka_unit_test(a_smaller_head_changes_nothing),
        cmocka_unit_test(forks_halt_until_cleared),
    };
    static const unsigned threads[] = {1, 2, 8};
    int failed = 0;

    (void)setenv("CMOCKA_MESSAGE_OUTPUT", "stdout", 0);
    if (getenv("TEST_FILTER") != NULL) {
        cmocka_set_test_filter(getenv("TEST_FILTER"));
    }
    // Alone, with workers, and with more of them than there are processors.
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        num_threads = threads[i];
        failed += cmocka_run_group_tests(tests, NULL, NULL);
    }
    return failed;
}
