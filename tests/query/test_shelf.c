// test_shelf.c - entries are the same from the shelf and from the index.

#include "query/shelf.h"

#include <unistd.h>

#include "tests/support/check.h"
#include "tests/support/folder.h"
#include "tests/support/made_log.h"

enum { LOG_SIZE = 2 * SHELF_ENTRIES_MAX };

static char folder[FOLDER_LEN];

static struct index *fill(struct made_log *log)
{
    struct index *index;
    struct err err = {0};

    made_log_new(log, "shelf", LOG_SIZE);
    folder_make(folder);
    CHECK(index_open(&index, folder, INDEX_WRITE, &err));
    CHECK(index_add_log(index, &log->log, signer_key(log->signer), &err));
    CHECK(made_log_append(log, index, 0, LOG_SIZE, LOG_SIZE, &err));
    return index;
}

static void check_entry(struct shelf *shelf, uint64_t id, bool is_shelved)
{
    const struct entry *first, *again;
    struct arena arena = {0};
    struct err err = {0};
    struct entry held;
    bool has_bytes, shelf_has_bytes;

    CHECK(snapshot_entry(shelf->snapshot, id, ENTRY_ALL, &held, &has_bytes,
                         &arena, &err));
    CHECK(shelf_entry(shelf, id, ENTRY_LEAF_HASH, &first, &shelf_has_bytes,
                      &arena, &err));
    CHECK(shelf_has_bytes == has_bytes);
    CHECK(bytes_equal(first->bytes.leaf, held.bytes.leaf));
    CHECK(sha256_equal(&first->leaf_hash, &held.leaf_hash));
    CHECK((shelf_find(shelf, id) != NULL) == is_shelved);
    CHECK(shelf_entry(shelf, id, ENTRY_ALL, &again, &shelf_has_bytes, &arena,
                      &err));
    CHECK(shelf_has_bytes == has_bytes);
    CHECK((again == first) == is_shelved);
    CHECK(sha256_equal(&again->leaf_hash, &held.leaf_hash));
    arena_cleanup(&arena);
}

static void keeps_what_has_a_place(void **state)
{
    struct made_log log = {0};
    struct index *index = fill(&log);
    struct shelf shelf = {0};
    const struct entry *entry;
    struct arena arena = {0};
    struct err err = {0};
    bool has_bytes;

    (void)state;
    CHECK(snapshot_open(&shelf.snapshot, index, &err));
    for (int round = 0; round < 2; round++) {
        for (uint64_t id = 1; id <= LOG_SIZE; id++) {
            check_entry(&shelf, id, id <= SHELF_ENTRIES_MAX);
        }
        CHECK(shelf.num == SHELF_ENTRIES_MAX);
        shelf_reset(&shelf);
        CHECK(shelf_find(&shelf, 1) == NULL);
        // What cannot be read takes no place.
        CHECK(!shelf_entry(&shelf, LOG_SIZE + 1, 0, &entry, &has_bytes, &arena,
                           &err));
        CHECK(shelf.num == 0);
    }
    snapshot_close(shelf.snapshot);
    shelf_cleanup(&shelf);
    arena_cleanup(&arena);
    index_close(index);
    made_log_free(&log);
    folder_remove(folder);
}

static void check_fetched(struct shelf *shelf, const struct shelf_wanted *want)
{
    const struct entry *entry = shelf_find(shelf, want->id);
    struct arena arena = {0};
    struct err err = {0};
    struct entry held;
    bool has_bytes;

    CHECK(snapshot_entry(shelf->snapshot, want->id, want->parts, &held,
                         &has_bytes, &arena, &err));
    CHECK(entry != NULL && entry->parts == want->parts && has_bytes);
    CHECK(bytes_equal(entry->bytes.leaf, held.bytes.leaf));
    CHECK(bytes_equal(entry->bytes.precert, held.bytes.precert));
    CHECK(entry->bytes.num_chain == held.bytes.num_chain);
    CHECK(entry->has_certificate_sha256 == held.has_certificate_sha256);
    CHECK(entry->has_tbs_sha256 == held.has_tbs_sha256);
    CHECK(sha256_equal(&entry->certificate_sha256, &held.certificate_sha256));
    CHECK(sha256_equal(&entry->tbs_sha256, &held.tbs_sha256));
    CHECK(sha256_equal(&entry->spki_sha256, &held.spki_sha256));
    arena_cleanup(&arena);
}

static void fetches_side_by_side(void **state)
{
    static const unsigned parts[] = {
        ENTRY_CERTIFICATE_SHA256, ENTRY_CERTIFICATE_SHA256 | ENTRY_TBS_SHA256,
        ENTRY_SPKI_SHA256, 0};
    struct shelf_wanted wanted[SNAPSHOT_ENTRIES_MAX];
    struct entry_facts facts[SNAPSHOT_ENTRIES_MAX];
    struct made_log log = {0};
    struct index *index = fill(&log);
    struct shelf shelf = {0};
    struct err err = {0};

    (void)state;
    CHECK(snapshot_open(&shelf.snapshot, index, &err));
    for (uint64_t id = 1; id <= LOG_SIZE; id += SNAPSHOT_ENTRIES_MAX) {
        for (size_t i = 0; i < SNAPSHOT_ENTRIES_MAX; i++) {
            wanted[i] = (struct shelf_wanted){
                .id = id + i, .facts = &facts[i], .parts = parts[i % 4]};
            CHECK(snapshot_facts(shelf.snapshot, id + i, &facts[i], &err));
        }
        // The second time everything is there.
        for (int i = 0; i < 2; i++) {
            CHECK(shelf_fetch(&shelf, wanted, SNAPSHOT_ENTRIES_MAX, &err));
            shelf_hash(&shelf, wanted, SNAPSHOT_ENTRIES_MAX);
        }
        for (size_t i = 0; i < SNAPSHOT_ENTRIES_MAX; i++) {
            if (id + i <= SHELF_ENTRIES_MAX) {
                check_fetched(&shelf, &wanted[i]);
            } else {
                CHECK(shelf_find(&shelf, id + i) == NULL);
            }
        }
    }
    snapshot_close(shelf.snapshot);
    shelf_cleanup(&shelf);
    index_close(index);
    made_log_free(&log);
    folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_what_has_a_place),
        cmocka_unit_test(fetches_side_by_side),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
