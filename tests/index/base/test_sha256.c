// test_sha256.c - several messages at a time, against one at a time.

#include "tests/support/check.h"

#include "index/base/sha256.h"

enum { MESSAGES_MAX = 9, PIECES_MAX = 5, SHORT_MAX = 300, LONG_MAX = 9000 };

struct made {
    uint8_t *data;
    struct bytes pieces[PIECES_MAX];
    struct sha256_hash out;
};

static uint64_t seed = 1;

static size_t random_below(size_t limit)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (size_t)(seed >> 33) % limit;
}

// Cut anywhere, empty pieces among them; in heap blocks of exactly its size.
static void make(struct made *made, struct sha256_message *message, size_t len)
{
    size_t num = 1 + random_below(PIECES_MAX), at = 0;

    made->data = malloc(len);
    assert_true(made->data != NULL || len == 0);
    for (size_t i = 0; i < len; i++) {
        made->data[i] = (uint8_t)random_below(256);
    }
    for (size_t i = 0; i < num; i++) {
        size_t piece = i + 1 == num ? len - at : random_below(len - at + 1);

        made->pieces[i] = bytes_of(made->data + at, piece);
        at += piece;
    }
    memset(&made->out, 0, sizeof made->out);
    *message = (struct sha256_message){made->pieces, num, &made->out};
}

static void check(const size_t *lens, size_t num)
{
    struct sha256_message messages[MESSAGES_MAX];
    struct made made[MESSAGES_MAX];
    char text[64];

    for (size_t i = 0; i < num; i++) {
        make(&made[i], &messages[i], lens[i]);
    }
    for (int way = 0; way < 2; way++) {
        (way == 0 ? sha256_many : sha256_each)(messages, num);
        for (size_t i = 0; i < num; i++) {
            struct sha256_hash expected =
                sha256(bytes_of(made[i].data, lens[i]));

            (void)snprintf(text, sizeof text, "way %d: %zu of %zu, %zu bytes",
                           way, i, num, lens[i]);
            test_case = text;
            CHECK(sha256_equal(&made[i].out, &expected));
            memset(&made[i].out, 0, sizeof made[i].out);
        }
    }
    for (size_t i = 0; i < num; i++) {
        free(made[i].data);
    }
}

// Each length beside others, so that every number of lanes meets every padding.
static void every_length(void **state)
{
    (void)state;
    for (size_t len = 0; len <= SHORT_MAX; len++) {
        for (size_t num = 1; num <= 4; num++) {
            size_t lens[4] = {len, len + 1, SHORT_MAX - len, random_below(200)};

            check(lens, num);
        }
    }
}

static void mixed_lengths(void **state)
{
    (void)state;
    for (int round = 0; round < 2000; round++) {
        size_t lens[MESSAGES_MAX], num = random_below(MESSAGES_MAX + 1);

        for (size_t i = 0; i < num; i++) {
            lens[i] = random_below(random_below(2) == 0 ? SHORT_MAX : LONG_MAX);
        }
        check(lens, num);
    }
}

// FIPS 180-4's own examples.
static void known_answers(void **state)
{
    static const struct {
        const char *text, *hash;
    } cases[] = {
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015"
                "ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
        {"",
         "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    };
    struct sha256_message messages[COUNT_OF(cases)];
    struct sha256_hash out[COUNT_OF(cases)];
    struct bytes pieces[COUNT_OF(cases)];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        pieces[i] = bytes_from_text(cases[i].text);
        messages[i] = (struct sha256_message){&pieces[i], 1, &out[i]};
    }
    sha256_many(messages, COUNT_OF(cases));
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct bytes expected = from_hex(cases[i].hash);

        test_case = cases[i].text;
        CHECK(bytes_equal(sha256_bytes(&out[i]), expected));
        free((void *)expected.data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_length),
        cmocka_unit_test(mixed_lengths),
        cmocka_unit_test(known_answers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
