// test_testlog.c - are the test log's tree and heads what it says they are?
//
// The test log is an oracle: what it says is checked here by other means, by
// naive recursion, RFC 9162's algorithms and BoringSSL.

#include "tests/support/testlog.h"

#include <unistd.h>

#include "index/base/text.h"
#include "tests/support/plain_tree.h"
#include "tests/support/visitor.h"

static void root_is_that_of_naive_recursion(void **state)
{
    struct testlog *log =
        visitor_open(&(struct testlog_options){.entries = 600, .seed = 7});
    struct sha256_hash *leaves = plain_leaves(log, 600);

    (void)state;
    for (uint64_t size = 0; size <= 600; size += size < 70 ? 1 : 53) {
        struct sha256_hash root = testlog_root(log, size);
        struct sha256_hash naive = plain_root(leaves, (size_t)size);

        assert_true(sha256_equal(&root, &naive));
    }
    free(leaves);
    testlog_stop(log);
}

static bool roots_equal(const struct testlog_options *a,
                        const struct testlog_options *b)
{
    struct testlog *one = visitor_open(a), *two = visitor_open(b);
    struct sha256_hash x = testlog_root(one, testlog_size(one));
    struct sha256_hash y = testlog_root(two, testlog_size(two));

    testlog_stop(one);
    testlog_stop(two);
    return sha256_equal(&x, &y);
}

static void same_seed_gives_same_tree(void **state)
{
    struct testlog_options options = {.entries = 700, .seed = 3, .fina = true};
    struct testlog_options other = options;

    (void)state;
    assert_true(roots_equal(&options, &other));
    other.memory_max = 1; // nothing is kept: everything is made twice
    assert_true(roots_equal(&options, &other));
    other.seed = 4;
    assert_false(roots_equal(&options, &other));
}

// Two compilers and every run since this was written gave this.
static void tree_is_the_same_everywhere(void **state)
{
    struct testlog *log = visitor_open(
        &(struct testlog_options){.entries = 300, .seed = 1, .fina = true});
    struct sha256_hash root = testlog_root(log, 300);
    struct buffer hex = {0};

    (void)state;
    text_append_hex(&hex, sha256_bytes(&root));
    buffer_append_byte(&hex, '\0');
    assert_string_equal((const char *)hex.data,
                        "e7b4204ad32ae6664230ad81ea10e08a4c5224acdfb5e38b1fe63"
                        "66a3711b0d4");
    buffer_cleanup(&hex);
    testlog_stop(log);
}

static void check_consistency(struct testlog *log, uint64_t first,
                              uint64_t second, const struct sha256_hash *leaves)
{
    struct sha256_hash root1 = plain_root(leaves, (size_t)first);
    struct sha256_hash root2 = plain_root(leaves, (size_t)second);
    struct sha256_hash path[VISITOR_HASHES_MAX];
    struct json *answer;
    char target[128];
    size_t num;

    (void)snprintf(target, sizeof target,
                   "/rfc6962/ct/v1/get-sth-consistency?first=%u&second=%u",
                   (unsigned)first, (unsigned)second);
    answer = visitor_json(log, target);
    num = visitor_hashes(json_member(answer, "consistency"), path);
    assert_true(plain_consistent(first, second, &root1, &root2, path, num));
    json_free(answer);
}

static void check_inclusion(struct testlog *log, uint64_t index, uint64_t size,
                            const struct sha256_hash *leaves)
{
    struct sha256_hash root = plain_root(leaves, (size_t)size);
    struct sha256_hash path[VISITOR_HASHES_MAX];
    struct buffer target = {0}, hash = {0};
    struct json *answer;
    uint64_t found;
    size_t num;

    text_append_base64(&hash, sha256_bytes(&leaves[index]));
    buffer_printf(
        &target,
        "/rfc6962/ct/v1/get-proof-by-hash?tree_size=%u&hash=", (unsigned)size);
    for (size_t i = 0; i < hash.len; i++) {
        bool escaped = strchr("+/=", hash.data[i]) != NULL;

        buffer_printf(&target, escaped ? "%%%02X" : "%c", hash.data[i]);
    }
    buffer_append_byte(&target, '\0');
    answer = visitor_json(log, (const char *)target.data);
    assert_true(json_uint(json_member(answer, "leaf_index"), &found));
    assert_int_equal(found, index);
    num = visitor_hashes(json_member(answer, "audit_path"), path);
    assert_true(plain_included(leaves[index], index, size, path, num, &root));
    json_free(answer);
    buffer_cleanup(&target);
    buffer_cleanup(&hash);
}

static void proofs_verify(void **state)
{
    static const uint64_t sizes[] = {1, 2, 3, 7, 8, 255, 256, 257, 300};
    struct testlog *log =
        visitor_start(&(struct testlog_options){.entries = 300, .seed = 2});
    struct sha256_hash *leaves = plain_leaves(log, 300);

    (void)state;
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        for (size_t j = i; j < COUNT_OF(sizes); j++) {
            check_consistency(log, sizes[i], sizes[j], leaves);
        }
        for (uint64_t at = 0; at < sizes[i]; at += 1 + sizes[i] / 5) {
            check_inclusion(log, at, sizes[i], leaves);
        }
    }
    free(leaves);
    testlog_stop(log);
}

// ---------------------------------------------------------------- heads

static void heads_verify(void **state)
{
    (void)state;
    for (unsigned rsa = 0; rsa < 2; rsa++) {
        struct testlog *log = visitor_start(&(struct testlog_options){
            .entries = 300, .seed = 5, .rsa = rsa == 1});
        unsigned places = 0, place = 0;
        struct visitor_head sth, checkpoint;

        for (uint64_t size = 0; size <= 300; size += 50) {
            struct sha256_hash root = testlog_root(log, size);

            testlog_set_size(log, size);
            sth = visitor_sth(log);
            checkpoint = visitor_checkpoint(log, &place);
            places |= 1u << place;
            assert_true(sth.verifies && checkpoint.verifies);
            assert_int_equal(sth.size, size);
            assert_int_equal(checkpoint.size, size);
            assert_true(sha256_equal(&sth.root, &root));
            assert_true(sha256_equal(&checkpoint.root, &root));
        }
        assert_true((places & (places - 1)) != 0); // shuffled
        testlog_stop(log);
    }
}

static void grows_by_itself(void **state)
{
    struct testlog *log = visitor_start(&(struct testlog_options){
        .entries = 500, .seed = 1, .size = 10, .growth = 1000});
    struct visitor_head head = {0};

    (void)state;
    for (unsigned i = 0; i < 200 && head.size < 500; i++) {
        uint64_t before = head.size;
        struct sha256_hash root;

        head = visitor_sth(log);
        root = testlog_root(log, head.size);
        assert_true(head.size >= before && head.verifies);
        assert_true(sha256_equal(&head.root, &root));
        (void)usleep(10000);
    }
    assert_int_equal(head.size, 500);
    testlog_stop(log);
}

static void both_protocols_can_be_one_log(void **state)
{
    struct sha256_hash a, b, c, d;
    const struct testlog_options same = {.entries = 10, .same_key = true};
    const struct testlog_options apart = {.entries = 10};
    struct testlog *log = visitor_open(&same), *two = visitor_open(&apart);

    (void)state;
    EVP_PKEY_free(visitor_log_key(log, TESTLOG_RFC6962, &a));
    EVP_PKEY_free(visitor_log_key(log, TESTLOG_STATIC, &b));
    EVP_PKEY_free(visitor_log_key(two, TESTLOG_RFC6962, &c));
    EVP_PKEY_free(visitor_log_key(two, TESTLOG_STATIC, &d));
    assert_true(sha256_equal(&a, &b));
    assert_false(sha256_equal(&c, &d));
    testlog_stop(log);
    testlog_stop(two);
}

// ---------------------------------------------------------------- real entries

// The roots that came with the data, and both ways of reading it.
static void real_entries_have_their_roots(void **state)
{
    struct testlog *log, *other;
    struct bytes roots;
    char path[4096];

    (void)state;
    SKIP_WITHOUT_DATA();
    (void)snprintf(path, sizeof path, "%s", test_data("static/navigli2025h2"));
    log = visitor_open(&(struct testlog_options){.read = path});
    (void)snprintf(path, sizeof path, "%s",
                   test_data("static/navigli2025h2/derived/rfc6962"));
    other = visitor_open(&(struct testlog_options){.read = path});
    roots = read_file(
        test_data("static/navigli2025h2/derived/roots-size-1-to-512.txt"));
    assert_int_equal(testlog_size(log), 512);
    assert_int_equal(testlog_size(other), 512);
    {
        struct bytes rest = roots;

        for (uint64_t size = 1; size <= 512; size++) {
            struct sha256_hash a = testlog_root(log, size);
            struct sha256_hash b = testlog_root(other, size);
            struct buffer wanted = {0};
            struct bytes line = visitor_line(&rest);
            const uint8_t *space = memrchr(line.data, ' ', line.len);

            if (space != NULL) {
                line.len -= (size_t)(space + 1 - line.data);
                line.data = space + 1;
            }
            assert_true(text_parse_base64(&wanted, line));
            assert_memory_equal(a.bytes, wanted.data, SHA256_LEN);
            assert_memory_equal(b.bytes, wanted.data, SHA256_LEN);
            buffer_cleanup(&wanted);
        }
    }
    free((void *)(uintptr_t)roots.data);
    testlog_stop(log);
    testlog_stop(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(root_is_that_of_naive_recursion),
        cmocka_unit_test(same_seed_gives_same_tree),
        cmocka_unit_test(tree_is_the_same_everywhere),
        cmocka_unit_test(proofs_verify),
        cmocka_unit_test(heads_verify),
        cmocka_unit_test(grows_by_itself),
        cmocka_unit_test(both_protocols_can_be_one_log),
        cmocka_unit_test(real_entries_have_their_roots),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
