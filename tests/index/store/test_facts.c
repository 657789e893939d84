// test_facts.c - columns of facts against the array they were made from.

#include "tests/support/check.h"

#include "index/store/block.h"
#include "index/store/facts.h"
#include "tests/support/random.h"

enum { NUM = 5000 };

static struct segment_facts all[NUM];
static struct facts_builder builder;

// As logs have them (0), with some that are out of the ordinary (1), with
// nothing in common (2), with times of nearly a word's length (3).
static void make_facts(int kind)
{
    struct random random = random_for(1, "facts", (uint64_t)kind);

    for (size_t i = 0; i < NUM; i++) {
        struct segment_facts *facts = &all[i];
        bool odd = kind == 1 && random_below(&random, 40) == 0;

        *facts = (struct segment_facts){
            .log = 7,
            .index = 1000000 + i,
            .timestamp_ms = 1700000000000 + i * 3 + random_below(&random, 900),
            .type = random_below(&random, 2) == 0 ? LEAF_X509 : LEAF_PRECERT,
            .not_before = 1700000000 - 3600,
            .flags = 0,
            .has_tbs = true,
            .group = random_next(&random),
            .issuer = (uint32_t)random_below(&random, 5),
        };
        facts->not_after = facts->not_before + 90 * 86400 - 1;
        if (odd) {
            facts->type = LEAF_UNKNOWN;
            facts->not_before = CERT_TIME_UNREADABLE;
            facts->not_after = i % 2 == 0 ? CERT_TIME_UNREADABLE : INT64_MAX;
            facts->flags = UINT32_MAX;
            facts->has_tbs = false;
        }
        if (kind == 3)
            facts->timestamp_ms = random_next(&random) >> (2 + i / 500 % 9);
        if (kind == 2) {
            facts->log = (uint32_t)random_next(&random);
            facts->index = random_next(&random);
            facts->timestamp_ms = random_next(&random);
            facts->not_before = (int64_t)random_next(&random);
            facts->not_after = (int64_t)random_next(&random);
            facts->flags = (uint32_t)random_next(&random);
            facts->issuer = (uint32_t)random_next(&random);
        }
    }
}

static void check_same(const struct segment_facts *a,
                       const struct segment_facts *b)
{
    CHECK(a->log == b->log && a->index == b->index);
    CHECK(a->timestamp_ms == b->timestamp_ms && a->type == b->type);
    CHECK(a->not_before == b->not_before && a->not_after == b->not_after);
    CHECK(a->flags == b->flags && a->has_tbs == b->has_tbs);
    CHECK(a->group == b->group && a->issuer == b->issuer);
}

// Fills a block from entry `first` on and gives the first that is not in.
static size_t build(size_t first, uint64_t first_id, struct bytes *block)
{
    size_t end = first;

    facts_begin(&builder, first_id + first);
    while (end < NUM && facts_add(&builder, &all[end])) {
        end++;
    }
    assert_true(facts_end(&builder, bytes_from_text("key"), block));
    return end;
}

static void gives_back_what_was_put(void **state)
{
    static const uint64_t first_ids[] = {0, 1, (UINT64_C(1) << 53) - NUM};
    // Entries a block: what a column costs.
    static const size_t least[] = {240, 100, 60, 100};

    (void)state;
    for (int kind = 0; kind < 4; kind++) {
        make_facts(kind);
        for (size_t f = 0; f < COUNT_OF(first_ids); f++) {
            uint64_t first_id = first_ids[f];

            for (size_t first = 0; first < NUM;) {
                struct segment_facts facts;
                struct bytes block, copy, content;
                size_t end = build(first, first_id, &block);

                CHECK(block.len <= BLOCK_LEN);
                CHECK(end == NUM || end - first >= least[kind]);
                copy = heap_copy(block);
                CHECK(block_open(bytes_from_text("key"), copy, &content));
                for (size_t i = first; i < end; i++) {
                    CHECK(facts_read(&facts, content, first_id + end - 1,
                                     first_id + i));
                    check_same(&facts, &all[i]);
                }
                CHECK(!facts_read(&facts, content, first_id + end - 1,
                                  first_id + end));
                CHECK(!facts_read(&facts, content, first_id + end - 1,
                                  first_id + first - 1));
                free((void *)copy.data);
                first = end;
            }
        }
    }
}

static void no_truncation_and_no_bit_runs_over(void **state)
{
    struct segment_facts facts;
    struct bytes block, content;
    size_t end;

    (void)state;
    make_facts(1);
    end = build(0, 1, &block);
    assert_true(block_open(bytes_from_text("key"), block, &content));
    for (size_t len = 0; len < content.len; len++) {
        struct bytes cut = heap_copy(bytes_of(content.data, len));

        // The last column is the last to be read.
        assert_false(facts_read(&facts, cut, end, end));
        free((void *)cut.data);
    }
    for (size_t bit = 0; bit < 8 * 200; bit++) {
        uint8_t *copy = (uint8_t *)(uintptr_t)heap_copy(content).data;

        copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
        (void)!facts_read(&facts, bytes_of(copy, content.len), end, 1);
        (void)!facts_read(&facts, bytes_of(copy, content.len), end, end);
        free(copy);
    }
}

static int tear_down(void **state)
{
    (void)state;
    facts_cleanup(&builder);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_back_what_was_put),
        cmocka_unit_test(no_truncation_and_no_bit_runs_over),
    };

    return cmocka_run_group_tests(tests, NULL, tear_down);
}
