// test_block.c - blocks of keys against the sorted list they were made from.

#include "tests/support/check.h"

#include "index/entry/names.h"
#include "index/store/block.h"
#include "tests/support/random.h"

enum { KEYS_MAX = 4000 };

static struct bytes keys[KEYS_MAX];
static size_t num_keys;

static int compare(const void *a, const void *b)
{
    return bytes_compare(*(const struct bytes *)a, *(const struct bytes *)b);
}

// Different keys, sorted: some alike, some long, some of zeros.
static void make_keys(uint64_t seed, size_t num, size_t len_max)
{
    struct random random = random_for(seed, "keys", 0);
    size_t kept = 0;

    for (size_t i = 0; i < num; i++) {
        size_t len = 1 + random_below(&random, len_max);
        uint8_t *key = malloc(len);

        assert_non_null(key);
        for (size_t j = 0; j < len; j++) {
            key[j] = (uint8_t)(random_below(&random, 8) == 0
                                   ? random_below(&random, 256)
                                   : j % 3);
        }
        keys[i] = bytes_of(key, len);
    }
    qsort(keys, num, sizeof *keys, compare);
    for (size_t i = 0; i < num; i++) {
        if (kept > 0 && bytes_equal(keys[kept - 1], keys[i])) {
            free((void *)keys[i].data);
        } else {
            keys[kept++] = keys[i];
        }
    }
    num_keys = kept;
}

static void free_keys(void)
{
    for (size_t i = 0; i < num_keys; i++) {
        free((void *)keys[i].data);
    }
}

static uint64_t id_of(size_t i)
{
    return 1000 + i * 37 % 60000;
}

// Fills a block with keys from `first` on and gives the first that is not in.
static size_t build(struct block_builder *builder, size_t first,
                    struct bytes *key, struct bytes *value)
{
    size_t i = first;

    block_begin(builder, 1000, 65536);
    for (; i < num_keys; i++) {
        struct hit hit = {id_of(i), VIA_SAN_DNS};

        if (block_add(builder, keys[i], &hit, 1) == 0) break;
    }
    assert_true(block_end(builder, false, key, value));
    assert_true(value->len <= BLOCK_LEN);
    return i;
}

static void check_walk(struct block_reader *reader, size_t first, size_t end)
{
    struct hit hit;
    bool found;

    for (size_t i = first; i < end; i++) {
        CHECK(block_next(reader, &found) && found);
        CHECK(bytes_equal(block_key(reader), keys[i]));
        CHECK(postings_next(&reader->postings, &hit, &found) && found);
        CHECK(hit.id == id_of(i));
    }
    CHECK(block_next(reader, &found) && !found);
}

// Where `key` should be found: by looking at every one.
static size_t naive_seek(struct bytes key, size_t first, size_t end)
{
    while (first < end && bytes_compare(keys[first], key) < 0) {
        first++;
    }
    return first;
}

static void check_seek(struct bytes at, struct bytes value, struct bytes key,
                       size_t first, size_t end)
{
    size_t expected = naive_seek(key, first, end);
    struct block_reader reader = {0};
    struct hit hit;
    bool found;

    CHECK(block_read(&reader, at, value));
    CHECK(block_seek(&reader, key, &found));
    CHECK(found == (expected < end));
    if (!found) return;
    CHECK(bytes_equal(block_key(&reader), keys[expected]));
    CHECK(postings_next(&reader.postings, &hit, &found) && found);
    CHECK(hit.id == id_of(expected));
    check_walk(&reader, expected + 1, end);
}

static void finds_what_is_in_it(void **state)
{
    static const size_t lens[] = {4, 20, 60, BLOCK_KEY_MAX};
    struct block_builder builder = {0};

    (void)state;
    for (size_t l = 0; l < COUNT_OF(lens); l++) {
        struct random random = random_for(l, "seek", 0);
        struct bytes key, value;
        size_t first = 0;

        make_keys(l, 1000, lens[l]);
        while (first < num_keys) {
            size_t end = build(&builder, first, &key, &value);
            struct bytes copy = heap_copy(value);
            struct block_reader reader = {0};

            assert_true(end > first);
            CHECK(block_read(&reader, key, copy));
            check_walk(&reader, first, end);
            for (size_t i = first; i < end; i++) {
                uint8_t other[BLOCK_KEY_MAX];
                size_t len = keys[i].len;

                check_seek(key, copy, keys[i], first, end);
                check_seek(key, copy, bytes_of(keys[i].data, len / 2), first,
                           end);
                memcpy(other, keys[i].data, len);
                other[random_below(&random, len)] =
                    (uint8_t)random_next(&random);
                check_seek(key, copy, bytes_of(other, len), first, end);
            }
            check_seek(key, copy, (struct bytes){0}, first, end);
            free((void *)copy.data);
            first = end;
        }
        free_keys();
    }
    block_cleanup(&builder);
}

static void tears_a_long_list_apart(void **state)
{
    struct block_builder builder = {0};
    struct bytes name = bytes_from_text("\001com"), key, value;
    size_t num = 20000, done = 0, blocks = 0;
    struct hit *hits = calloc(num, sizeof *hits);
    uint64_t id = 0;

    (void)state;
    assert_non_null(hits);
    for (size_t i = 0; i < num; i++) {
        hits[i] = (struct hit){id += 1 + i % 300, VIA_SAN_DNS};
    }
    while (done < num) {
        struct block_reader reader = {0};
        struct hit hit;
        size_t taken;
        bool found;

        block_begin(&builder, 0, 4294967296);
        taken = block_add(&builder, name, hits + done, num - done);
        assert_true(taken > 0 && block_end(&builder, false, &key, &value));
        assert_true(done + taken == num || value.len > BLOCK_LEN - 16);
        // Its key says how far it goes.
        assert_memory_equal(key.data, name.data, name.len);
        assert_int_equal(key.len, name.len + LMDB_ID_LEN);
        assert_true(block_read(&reader, key, value));
        assert_true(block_next(&reader, &found) && found);
        for (size_t i = 0; i < taken; i++) {
            assert_true(postings_next(&reader.postings, &hit, &found) && found);
            assert_int_equal(hit.id, hits[done + i].id);
        }
        done += taken;
        blocks++;
    }
    assert_true(blocks < 10);
    // A short list goes whole into the next block.
    block_begin(&builder, 0, 4294967296);
    (void)block_add(&builder, name, hits, 3200);
    if (BLOCK_LEN - builder.block.len < 200) {
        assert_int_equal(
            block_add(&builder, bytes_from_text("\001dd"), hits, 16), 0);
    }
    free(hits);
    block_cleanup(&builder);
}

static void refuses_every_damage(void **state)
{
    struct block_builder builder = {0};
    struct bytes key, value;
    struct block_reader reader = {0};
    uint8_t other[64];

    (void)state;
    make_keys(9, 300, 20);
    (void)build(&builder, 0, &key, &value);
    for (size_t len = 0; len < value.len; len++) {
        struct bytes cut = heap_copy(bytes_of(value.data, len));

        assert_false(block_read(&reader, key, cut));
        free((void *)cut.data);
    }
    for (size_t bit = 0; bit < 8 * value.len; bit += 7) {
        uint8_t *damaged = (uint8_t *)(uintptr_t)heap_copy(value).data;

        damaged[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_false(block_read(&reader, key, bytes_of(damaged, value.len)));
        free(damaged);
    }
    memcpy(other, key.data, key.len);
    other[key.len - 1] ^= 1; // in another's place
    assert_false(block_read(&reader, bytes_of(other, key.len), value));
    free_keys();
    block_cleanup(&builder);
}

// Bytes that nobody wrote, under a checksum that holds.
static void refuses_what_no_block_is(void **state)
{
    static const struct {
        const char *name;
        const char *content;
    } cases[] = {
        {"no head", "00000000000003 01 00"},
        {"ids of no length", "00000000000003 00 0000"},
        {"ids too long", "00000000000003 08 0000"},
        {"shares with nothing", "00000000000003 01 0001 11 61 0000"},
        {"rest cut short", "00000000000003 01 0001 02 61"},
        {"an empty key", "00000000000003 01 0001 00 0000"},
        {"a key too long", "00000000000003 01 0001 0f f003 61"},
        {"no postings", "00000000000003 01 0001 01 61"},
        {"postings cut short", "00000000000003 01 0001 01 61 00"},
        {"more than its items", "00000000000003 01 0001 01 61 0000 00"},
        {"fewer", "00000000000003 01 0002 01 61 0000"},
        {"no anchors", "00000000000003 01 0011 00"},
    };
    struct bytes key = bytes_from_text("a1234567");

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct bytes content = from_hex(cases[i].content);
        struct buffer block = {0};
        struct block_reader reader = {0};
        bool found = true, ok;

        test_case = cases[i].name;
        buffer_append_uint(&block, 0, 8);
        buffer_append(&block, content);
        block_seal(key, block.data, block.len);
        ok = block_read(&reader, key, buffer_bytes(&block));
        while (ok && found) {
            ok = block_next(&reader, &found);
        }
        CHECK(!ok);
        if (block_read(&reader, key, buffer_bytes(&block))) {
            // A look-up need not read all of it, but touches nothing else.
            (void)!block_seek(&reader, bytes_from_text("b"), &found);
        }
        free((void *)content.data);
        buffer_cleanup(&block);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_is_in_it),
        cmocka_unit_test(tears_a_long_list_apart),
        cmocka_unit_test(refuses_every_damage),
        cmocka_unit_test(refuses_what_no_block_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
