// test_zstd.c - what is compressed comes back, and nothing else is believed.

#include "tests/support/check.h"

#include <zstd.h>

#include "index/store/zstd.h"

enum { NUM_SAMPLES = 400, SAMPLE_LEN = 300 };

static uint64_t random_state = 7;

static uint8_t random_byte(void)
{
    random_state =
        random_state * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (uint8_t)(random_state >> 40);
}

// Records that are alike but for some bytes in their middle.
static void make_samples(struct buffer *out, size_t lens[NUM_SAMPLES])
{
    uint8_t model[SAMPLE_LEN];

    for (size_t i = 0; i < sizeof model; i++) {
        model[i] = random_byte();
    }
    for (size_t i = 0; i < NUM_SAMPLES; i++) {
        for (size_t k = 100; k < 140; k++) {
            model[k] = random_byte();
        }
        buffer_append(out, bytes_of(model, sizeof model));
        lens[i] = sizeof model;
    }
}

static struct zstd_dictionary *train(struct buffer *samples)
{
    size_t lens[NUM_SAMPLES];
    struct zstd_dictionary *dictionary;
    struct buffer trained = {0};
    struct err err = {0};

    make_samples(samples, lens);
    CHECK(zstd_train(&trained, buffer_bytes(samples), lens, NUM_SAMPLES, &err));
    CHECK(trained.len > 0 && trained.len <= ZSTD_DICTIONARY_MAX);
    CHECK(zstd_dictionary_new(&dictionary, buffer_bytes(&trained), &err));
    buffer_cleanup(&trained);
    return dictionary;
}

static void round_trip(struct zstd_codec *codec,
                       const struct zstd_dictionary *dictionary,
                       struct bytes plain, size_t *len)
{
    struct buffer frame = {0};
    uint8_t *back = malloc(plain.len + 1);
    struct err err = {0};

    CHECK(back != NULL);
    CHECK(zstd_compress(codec, dictionary, plain, &frame, &err));
    CHECK(zstd_decompress(codec, dictionary, buffer_bytes(&frame), back,
                          plain.len, &err));
    CHECK(plain.len == 0 || memcmp(back, plain.data, plain.len) == 0);
    // The size is checked both ways.
    CHECK(!zstd_decompress(codec, dictionary, buffer_bytes(&frame), back,
                           plain.len + 1, &err));
    CHECK(err.code == ERR_INDEX);
    if (plain.len > 0) {
        CHECK(!zstd_decompress(codec, dictionary, buffer_bytes(&frame), back,
                               plain.len - 1, &err));
        CHECK(err.code == ERR_INDEX);
    }
    if (len != NULL) *len = frame.len;
    buffer_cleanup(&frame);
    free(back);
}

static void what_is_compressed_comes_back(void **state)
{
    struct zstd_dictionary *trained;
    struct zstd_codec *codec;
    struct buffer samples = {0}, large = {0};
    size_t with, without;

    (void)state;
    trained = train(&samples);
    CHECK(zstd_codec_new(&codec, NULL));
    for (size_t len = 0; len <= SAMPLE_LEN; len += 13) {
        round_trip(codec, trained, bytes_of(samples.data, len), NULL);
        round_trip(codec, NULL, bytes_of(samples.data, len), NULL);
    }
    round_trip(codec, trained, bytes_of(samples.data, SAMPLE_LEN), &with);
    round_trip(codec, NULL, bytes_of(samples.data, SAMPLE_LEN), &without);
    CHECK(with < 80 && without > 250); // that is what a dictionary is for
    for (size_t i = 0; i < 3000000; i++) {
        buffer_append_byte(&large, i % 3 == 0 ? random_byte() : 0);
    }
    round_trip(codec, trained, buffer_bytes(&large), NULL);
    round_trip(codec, NULL, buffer_bytes(&large), NULL);
    zstd_codec_free(codec);
    zstd_dictionary_free(trained);
    buffer_cleanup(&samples);
    buffer_cleanup(&large);
}

// Those for reading are made once, and go with the last who has them.
static void dictionaries_for_reading_are_shared(void **state)
{
    struct zstd_dictionary *writing, *lists[3][2];
    struct buffer samples = {0}, frame = {0};
    struct bytes plain, trained;
    struct zstd_codec *codec;
    uint8_t back[SAMPLE_LEN];
    struct err err = {0};

    (void)state;
    writing = train(&samples);
    // Any bytes are a dictionary.
    plain = bytes_of(samples.data, SAMPLE_LEN);
    trained = bytes_of(samples.data + SAMPLE_LEN, 8 * SAMPLE_LEN);
    zstd_dictionary_free(writing);
    CHECK(zstd_dictionary_new(&writing, trained, &err));
    CHECK(zstd_codec_new(&codec, &err));
    CHECK(zstd_compress(codec, writing, plain, &frame, &err));
    for (size_t i = 0; i < 3; i++) {
        for (size_t k = 0; k < 2; k++) {
            CHECK(zstd_dictionary_new_reading(
                &lists[i][k], bytes_of(trained.data, trained.len - i), &err));
        }
        CHECK(lists[i][0] == lists[i][1]);
        CHECK(i == 0 || lists[i][0] != lists[i - 1][0]);
    }
    zstd_dictionary_free(lists[1][0]);
    zstd_dictionary_free(lists[1][1]);
    zstd_dictionary_free(lists[0][1]);
    CHECK(zstd_decompress(codec, lists[0][0], buffer_bytes(&frame), back,
                          sizeof back, &err));
    CHECK(memcmp(back, plain.data, plain.len) == 0);
    zstd_dictionary_free(lists[0][0]);
    zstd_dictionary_free(lists[2][0]);
    zstd_dictionary_free(lists[2][1]);
    zstd_dictionary_free(writing);
    zstd_codec_free(codec);
    buffer_cleanup(&samples);
    buffer_cleanup(&frame);
}

// zstd's own decoder, given the magic number back.
static void frames_are_zstd_without_magic(void **state)
{
    struct zstd_codec *codec;
    struct buffer frame = {0};
    struct bytes plain = bytes_from_text("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!");
    char back[64];

    (void)state;
    CHECK(zstd_codec_new(&codec, NULL));
    buffer_append(&frame, bytes_of("\x28\xb5\x2f\xfd", 4));
    CHECK(zstd_compress(codec, NULL, plain, &frame, NULL));
    CHECK(ZSTD_decompress(back, sizeof back, frame.data, frame.len) ==
          plain.len);
    CHECK(memcmp(back, plain.data, plain.len) == 0);
    zstd_codec_free(codec);
    buffer_cleanup(&frame);
}

static void damaged_frames_do_not_overrun(void **state)
{
    struct zstd_dictionary *trained;
    struct zstd_codec *codec;
    struct buffer samples = {0}, frame = {0};
    uint8_t *back = malloc(SAMPLE_LEN); // ASan guards its end

    (void)state;
    trained = train(&samples);
    CHECK(zstd_codec_new(&codec, NULL));
    CHECK(zstd_compress(codec, trained, bytes_of(samples.data, SAMPLE_LEN),
                        &frame, NULL));
    for (size_t bit = 0; bit < frame.len * 8; bit++) {
        struct err err = {0};

        frame.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        if (!zstd_decompress(codec, trained, buffer_bytes(&frame), back,
                             SAMPLE_LEN, &err)) {
            CHECK(err.code == ERR_INDEX);
        }
        frame.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t len = 0; len < frame.len; len++) {
        struct bytes cut = heap_copy(bytes_of(frame.data, len));

        CHECK(!zstd_decompress(codec, trained, cut, back, SAMPLE_LEN, NULL));
        free((void *)(uintptr_t)cut.data);
    }
    zstd_codec_free(codec);
    zstd_dictionary_free(trained);
    buffer_cleanup(&samples);
    buffer_cleanup(&frame);
    free(back);
}

static void too_little_makes_no_dictionary(void **state)
{
    struct buffer trained = {0};
    size_t lens[2] = {3, 4};

    (void)state;
    CHECK(zstd_train(&trained, bytes_from_text("abcdefg"), lens, 2, NULL));
    CHECK(trained.len == 0);
    CHECK(zstd_train(&trained, (struct bytes){0}, NULL, 0, NULL));
    CHECK(trained.len == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_compressed_comes_back),
        cmocka_unit_test(dictionaries_for_reading_are_shared),
        cmocka_unit_test(frames_are_zstd_without_magic),
        cmocka_unit_test(damaged_frames_do_not_overrun),
        cmocka_unit_test(too_little_makes_no_dictionary),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
