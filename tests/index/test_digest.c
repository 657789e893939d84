// test_digest.c - one content, one digest, however it came and is kept.
//
// The same logs are appended in chunks of random sizes and in random order, by
// way of the tail, of files and of both, in sets and segments of random sizes,
// in one go and by writers that follow each other, kept full and as facts,
// merged or not, compacted or not: the digest is that of the first index.
//
// DIGESTS (24) indexes.

#include <sys/stat.h>
#include <unistd.h>

#include "index/check.h"
#include "index/handle.h"
#include "tests/support/check.h"
#include "tests/support/folder.h"
#include "tests/support/made_log.h"
#include "tests/support/random.h"

enum { NUM_LOGS = 2, LOG_SIZE = 300 };

static char folder[FOLDER_LEN];
static struct made_log logs[NUM_LOGS];

// Opens it with another way of flushing each time.
static struct index *open_writer(struct random *random)
{
    static const uint64_t memories[] = {0, 1, 50000, 400000, 1 << 30};
    uint64_t memory = memories[random_below(random, COUNT_OF(memories))];
    struct err err = {0};
    struct index *index;

    if (!index_open(&index, folder, INDEX_WRITE, &err)) {
        fail_msg("%s", err.text);
    }
    index->bulk.tail_max = random_below(random, 80);
    index->bulk.load_min = random_below(random, 80);
    index->bulk.tail_full = 1 + random_below(random, 300);
    index->bulk.segments_max = 1 + random_below(random, 4);
    index->bulk.segment_entries = 1 + random_below(random, 100);
    if (memory > 0) CHECK(index_set_memory(index, memory, &err));
    return index;
}

static void append_some(struct random *random, struct index *index,
                        uint64_t positions[NUM_LOGS])
{
    size_t i = random_below(random, NUM_LOGS);
    uint64_t first = positions[i], end;
    struct err err = {0};

    if (first == LOG_SIZE) return;
    end = first + 1 + random_below(random, 1 + random_below(random, 120));
    if (end > LOG_SIZE) end = LOG_SIZE;
    if (!made_log_append(&logs[i], index, first, end, LOG_SIZE, &err)) {
        fail_msg("%s", err.text);
    }
    positions[i] = end;
    if (random_below(random, 12) == 0) CHECK(index_flush(index, &err));
    if (random_below(random, 30) == 0) {
        CHECK(index_compact(index, NULL, NULL, &err));
    }
}

static void fill(struct random *random, bool facts)
{
    struct index *index = open_writer(random);
    uint64_t positions[NUM_LOGS] = {0};
    struct err err = {0};

    for (size_t i = 0; i < NUM_LOGS; i++) {
        logs[i].log.number = 0;
        logs[i].log.keep = facts ? KEEP_FACTS : KEEP_FULL;
        CHECK(index_add_log(index, &logs[i].log, signer_key(logs[i].signer),
                            &err));
    }
    while (positions[0] + positions[1] < NUM_LOGS * LOG_SIZE) {
        append_some(random, index, positions);
        if (random_below(random, 12) > 0) continue;
        index_close(index);
        index = open_writer(random);
    }
    if (random_below(random, 3) == 0) {
        CHECK(index_compact(index, NULL, NULL, &err));
    }
    index_close(index);
}

static void take_digest(struct sha256_hash *out)
{
    struct snapshot *snapshot = NULL;
    struct index *index;
    struct err err = {0};

    if (!index_open(&index, folder, INDEX_READ, &err) ||
        !snapshot_open(&snapshot, index, &err) ||
        !check_digest(snapshot, &out[0], &out[1], &err)) {
        fail_msg("%s", err.text);
    }
    CHECK(snapshot_next_id(snapshot) == NUM_LOGS * LOG_SIZE + 1);
    snapshot_close(snapshot);
    index_close(index);
}

static void one_content_has_one_digest(void **state)
{
    const char *text = getenv("DIGESTS"), *names[] = {"one digest", "other"};
    uint64_t num = text != NULL ? strtoull(text, NULL, 10) : 24;
    struct sha256_hash first[2], digest[2];
    char name[32];

    (void)state;
    for (size_t i = 0; i < NUM_LOGS; i++) {
        made_log_new(&logs[i], names[i], LOG_SIZE);
    }
    for (uint64_t i = 0; i < num; i++) {
        struct random random = random_for(i, "digest", 0);

        (void)snprintf(name, sizeof name, "%lu", (unsigned long)i);
        test_case = name;
        folder_make(folder);
        fill(&random, i % 3 == 2);
        take_digest(i == 0 ? first : digest);
        CHECK(i == 0 || (sha256_equal(&digest[0], &first[0]) &&
                         sha256_equal(&digest[1], &first[1])));
        folder_remove(folder);
    }
    for (size_t i = 0; i < NUM_LOGS; i++) {
        made_log_free(&logs[i]);
    }
}

// Another content has another.
static void another_content_has_another_digest(void **state)
{
    struct random random = random_for(99, "digest", 0);
    struct sha256_hash digests[2][2];

    (void)state;
    for (size_t k = 0; k < 2; k++) {
        for (size_t i = 0; i < NUM_LOGS; i++) {
            made_log_new(&logs[i], k == 0 ? "this" : "that", LOG_SIZE);
        }
        folder_make(folder);
        logs[1].log.id.bytes[0] ^= 1;
        fill(&random, false);
        take_digest(digests[k]);
        folder_remove(folder);
        for (size_t i = 0; i < NUM_LOGS; i++) {
            made_log_free(&logs[i]);
        }
    }
    CHECK(!sha256_equal(&digests[0][0], &digests[1][0]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_content_has_one_digest),
        cmocka_unit_test(another_content_has_another_digest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
