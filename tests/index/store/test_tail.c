// test_tail.c - chunks into the tail: records, keys, issuers.

#include <unistd.h>

#include "index/base/varint.h"
#include "index/store/chunk_content.h"
#include "index/store/keys.h"
#include "index/store/posting.h"
#include "index/store/tail.h"
#include "tests/support/folder.h"
#include "tests/support/made_log.h"

enum { NUM = 200 };

static char folder[FOLDER_LEN];
static struct lmdb *env;
static struct tail tail;
static struct catalogue catalogue;
static struct made_log made;

static struct lmdb_txn *begin(bool write)
{
    struct lmdb_txn *txn;

    CHECK(lmdb_begin(&txn, env, write, NULL));
    return txn;
}

static int set_up(void **state)
{
    struct lmdb_txn *txn;

    (void)state;
    folder_make(folder);
    if (!lmdb_open(&env, folder, LMDB_CREATE, NULL)) return 1;
    txn = begin(true);
    CHECK(catalogue_open(&catalogue, txn, NULL) && tail_open(&tail, txn, NULL));
    CHECK(lmdb_commit(txn, NULL));
    made_log_new(&made, "tail", NUM);
    made.log.number = 3;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    made_log_free(&made);
    lmdb_close(env);
    folder_remove(folder);
    return 0;
}

static struct chunk *make_chunk(uint64_t first, uint64_t end)
{
    struct arena arena = {0};
    struct chunk *chunk;

    CHECK(chunk_new(&chunk, NULL));
    chunk_reset(chunk, &made.log, first);
    for (uint64_t i = first; i < end; i++) {
        struct entry entry;

        made_log_entry(&made, i, &entry, &arena);
        CHECK(chunk_add(chunk, &entry, NULL));
        arena_reset(&arena);
    }
    arena_cleanup(&arena);
    CHECK(chunk_num_entries(chunk) == end - first);
    return chunk;
}

static void append(struct chunk *chunk)
{
    struct catalogue_counts counts;
    struct lmdb_txn *txn = begin(true);
    struct err err = {0};

    CHECK(catalogue_get_counts(&catalogue, txn, &counts, &err));
    if (!tail_append(&tail, txn, chunk, &counts, &err)) {
        fail_msg("%s", err.text);
    }
    CHECK(catalogue_put_counts(&catalogue, txn, &counts, &err));
    CHECK(lmdb_commit(txn, &err));
}

static void records_know_their_place(void **state)
{
    struct chunk *chunk = make_chunk(0, 50);
    struct lmdb_txn *txn;
    struct err err = {0};
    struct record record;

    (void)state;
    append(chunk);
    append(chunk); // the tail does not judge positions, the catalogue does
    txn = begin(false);
    for (uint64_t id = 1; id <= 100; id++) {
        struct bytes numbers;

        CHECK(tail_read(&tail, txn, id, &record, &err));
        CHECK(record.facts.log == 3 && record.facts.index == (id - 1) % 50);
        CHECK(record.num_chain == ((id - 1) % 50 % 3 == 2 ? 1 : 2));
        numbers = record.chain;
        for (size_t i = 0; i < record.num_chain; i++) {
            struct sha256_hash fingerprint;
            uint64_t number;

            CHECK(varint_read(&numbers, &number));
            CHECK(tail_issuer_number(&tail, txn, number, &fingerprint, &err));
            CHECK(sha256_equal(&fingerprint, &made.chain[i]));
        }
        CHECK(numbers.len == 0);
    }
    CHECK(!tail_read(&tail, txn, 0, &record, &err));
    CHECK(err.code == ERR_NOT_FOUND);
    CHECK(!tail_read(&tail, txn, 101, &record, &err));
    CHECK(err.code == ERR_NOT_FOUND);
    CHECK(!tail_read(&tail, txn, UINT64_MAX, &record, &err));
    CHECK(err.code == ERR_NOT_FOUND);
    CHECK(strcmp(err.text, "the index has no entry 18446744073709551615") == 0);
    lmdb_abort(txn);
    chunk_free(chunk);
}

// Counts by hand what the counters say.
static void counts_are_what_is_there(void **state)
{
    struct catalogue_counts counts;
    struct lmdb_cursor *cursor;
    struct lmdb_txn *txn;
    struct bytes row, value;
    struct buffer last = {0};
    enum lmdb_move move = LMDB_FIRST;
    uint64_t keys = 0, postings = 0, total = 0, unparsed = 0;
    bool found;

    (void)state;
    for (uint64_t i = 0; i < NUM; i += 40) {
        struct chunk *chunk = make_chunk(i, i + 40);

        append(chunk);
        chunk_free(chunk);
    }
    txn = begin(false);
    CHECK(lmdb_cursor_open(&cursor, txn, tail.keys, NULL));
    for (;; move = LMDB_NEXT) {
        struct posting posting;
        uint64_t sum;

        CHECK(lmdb_cursor_move(cursor, move, &row, &value, &found, NULL));
        if (!found) break;
        CHECK(posting_read(&posting, row, value, &sum));
        total += sum;
        postings++;
        keys += postings == 1 || !bytes_equal(posting.key, buffer_bytes(&last));
        buffer_reset(&last);
        buffer_append(&last, posting.key);
    }
    for (uint64_t id = 1; id <= NUM; id++) {
        struct record record;

        CHECK(tail_read(&tail, txn, id, &record, NULL));
        unparsed += (record.facts.flags & FLAG_UNPARSED) != 0;
    }
    CHECK(catalogue_get_counts(&catalogue, txn, &counts, NULL));
    CHECK(counts.next_id == NUM + 1 && counts.unparsed == unparsed);
    CHECK(unparsed > 0);
    CHECK(counts.keys == keys && counts.postings == postings);
    CHECK(counts.postings_sum == total);
    lmdb_cursor_close(cursor);
    lmdb_abort(txn);
    buffer_cleanup(&last);
}

static void keys_are_sorted_and_merged(void **state)
{
    struct chunk *chunk = make_chunk(0, 60);

    (void)state;
    CHECK(chunk_size_bytes(chunk) > 60 * 300);
    chunk_seal(chunk);
    chunk_seal(chunk);
    for (size_t i = 1; i < chunk->num_keys; i++) {
        const struct chunk_key *a = &chunk->keys[i - 1], *b = &chunk->keys[i];
        int order =
            bytes_compare(bytes_of(chunk->key_bytes.data + a->at, a->len),
                          bytes_of(chunk->key_bytes.data + b->at, b->len));

        CHECK(order < 0 || (order == 0 && a->entry < b->entry));
    }
    chunk_reset(chunk, &made.log, 0);
    CHECK(chunk_num_entries(chunk) == 0);
    chunk_seal(chunk);
    chunk_free(chunk);
    chunk_free(NULL);
}

static void compare_entry(const struct chunk *a, const struct chunk *b,
                          size_t at)
{
    const struct chunk_entry *x = &a->entries[at], *y = &b->entries[at];

    CHECK(x->head_len == y->head_len && x->plain_len == y->plain_len);
    CHECK(memcmp(a->bodies.data + x->at, b->bodies.data + y->at,
                 x->head_len + x->plain_len) == 0);
    CHECK(x->num_chain == y->num_chain && x->issuer_len == y->issuer_len);
    CHECK(x->issuer_len == 0 ||
          memcmp(a->issuer_names.data + x->issuer_at,
                 b->issuer_names.data + y->issuer_at, x->issuer_len) == 0);
    for (size_t i = 0; i < x->num_chain; i++) {
        uint32_t k = a->chain_numbers[x->chain_at + i];
        uint32_t n = b->chain_numbers[y->chain_at + i];

        CHECK(sha256_equal(&a->issuers[k], &b->issuers[n]));
    }
}

static void parts_join_to_the_whole(void **state)
{
    static const size_t steps[] = {1, 7, 60, 128, NUM};

    (void)state;
    for (size_t s = 0; s < COUNT_OF(steps); s++) {
        struct chunk *whole = make_chunk(3, NUM), *joined = make_chunk(3, 3);

        for (uint64_t at = 3; at < NUM;) {
            uint64_t end = at + steps[s] < NUM ? at + steps[s] : NUM;
            struct chunk *part = make_chunk(at, end);

            at = end;
            // What is joined may be sealed and is sorted again.
            if (at % 2 == 0) chunk_seal(part);
            CHECK(chunk_join(joined, part, NULL));
            chunk_free(part);
        }
        chunk_seal(whole);
        chunk_seal(joined);
        CHECK(joined->num_entries == whole->num_entries);
        CHECK(joined->num_unparsed == whole->num_unparsed);
        CHECK(joined->num_issuers == whole->num_issuers);
        CHECK(memcmp(chunk_leaf_hashes(joined), chunk_leaf_hashes(whole),
                     whole->num_entries * SHA256_LEN) == 0);
        for (size_t i = 0; i < whole->num_entries; i++) {
            compare_entry(whole, joined, i);
        }
        CHECK(joined->num_keys == whole->num_keys);
        for (size_t i = 0; i < whole->num_keys; i++) {
            const struct chunk_key *a = &whole->keys[i], *b = &joined->keys[i];

            CHECK(a->len == b->len && a->entry == b->entry && a->via == b->via);
            CHECK(memcmp(whole->key_bytes.data + a->at,
                         joined->key_bytes.data + b->at, a->len) == 0);
        }
        chunk_free(whole);
        chunk_free(joined);
    }
}

static void postings_are_read_as_written(void **state)
{
    static const uint32_t vias[] = {0, VIA_SAN_DNS,
                                    VIA_SAN_IP | VIA_UNAUTHENTICATED, 0xffff};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(vias); i++) {
        uint8_t value[POSTING_VALUE_MAX];
        struct posting posting;
        struct buffer row = {0};
        uint64_t sum, again;
        size_t len;

        posting_row(&row, bytes_from_text("key"), POSTING_ID_MAX - i);
        len = posting_value(value, buffer_bytes(&row), vias[i], &sum);
        CHECK(len == (vias[i] == 0 ? 2 : 4));
        CHECK(posting_read(&posting, buffer_bytes(&row), bytes_of(value, len),
                           &again));
        CHECK(again == sum && posting.via == vias[i]);
        CHECK(posting.id == POSTING_ID_MAX - i);
        CHECK(bytes_equal_text(posting.key, "key"));
        for (size_t bit = 0; bit < row.len * 8; bit++) {
            row.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
            CHECK(!posting_read(&posting, buffer_bytes(&row),
                                bytes_of(value, len), &again));
            row.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        for (size_t cut = 0; cut < row.len; cut++) {
            CHECK(!posting_read(&posting, bytes_of(row.data, cut),
                                bytes_of(value, len), &again));
        }
        for (size_t cut = 0; cut < len; cut++) {
            CHECK(!posting_read(&posting, buffer_bytes(&row),
                                bytes_of(value, cut), &again));
        }
        buffer_cleanup(&row);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(records_know_their_place, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(counts_are_what_is_there, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(keys_are_sorted_and_merged, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(parts_join_to_the_whole, set_up,
                                        tear_down),
        cmocka_unit_test(postings_are_read_as_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
