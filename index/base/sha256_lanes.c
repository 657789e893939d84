// sha256_lanes.c - see sha256_lanes.h.

#include "index/base/sha256_lanes.h"

#include <assert.h>

#if defined(__x86_64__)

#include <cpuid.h>
#include <immintrin.h>
#include <stdatomic.h>

#define WITH_SHA __attribute__((target("sha,sse4.1")))
#define INSIDE static inline __attribute__((always_inline)) WITH_SHA

// FIPS 180-4 section 4.2.2.
static const _Alignas(16) uint32_t constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1,
    0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3,
    0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
    0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147,
    0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
    0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
    0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
    0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
    0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static bool ask_processor(void)
{
    unsigned a, b, c, d;

    if (!__get_cpuid(1, &a, &b, &c, &d)) return false;
    if ((c & bit_SSSE3) == 0 || (c & bit_SSE4_1) == 0) return false;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_SHA) != 0;
}

bool sha256_lanes_has(void)
{
    // Asking costs microseconds in a virtual machine.
    static atomic_int known; // 1: no, 2: yes
    int answer = atomic_load_explicit(&known, memory_order_relaxed);

    if (answer == 0) {
        answer = ask_processor() ? 2 : 1;
        atomic_store_explicit(&known, answer, memory_order_relaxed);
    }
    return answer == 2;
}

// The state as the instructions want it, and a message's last 16 words.
struct rounds {
    __m128i abef, cdgh;
    __m128i abef_before, cdgh_before;
    __m128i words[4];
};

INSIDE void rounds_open(struct rounds *rounds, const struct sha256_lane *lane)
{
    __m128i cdab =
        _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)lane->state), 0xb1);
    __m128i efgh = _mm_shuffle_epi32(
        _mm_loadu_si128((const __m128i *)(lane->state + 4)), 0x1b);

    rounds->abef = _mm_alignr_epi8(cdab, efgh, 8);
    rounds->cdgh = _mm_blend_epi16(efgh, cdab, 0xf0);
}

INSIDE void rounds_close(const struct rounds *rounds, struct sha256_lane *lane)
{
    __m128i feba = _mm_shuffle_epi32(rounds->abef, 0x1b);
    __m128i dchg = _mm_shuffle_epi32(rounds->cdgh, 0xb1);

    _mm_storeu_si128((__m128i *)lane->state, _mm_blend_epi16(feba, dchg, 0xf0));
    _mm_storeu_si128((__m128i *)(lane->state + 4),
                     _mm_alignr_epi8(dchg, feba, 8));
}

INSIDE __m128i load_words(const uint8_t *data)
{
    const __m128i big_endian =
        _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);

    return _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)data), big_endian);
}

INSIDE void block_begin(struct rounds *rounds, struct sha256_lane *lane)
{
    // One by one: a loop over them would send them through memory.
    rounds->words[0] = load_words(lane->next);
    rounds->words[1] = load_words(lane->next + 16);
    rounds->words[2] = load_words(lane->next + 32);
    rounds->words[3] = load_words(lane->next + 48);
    lane->next += SHA256_BLOCK_LEN;
    rounds->abef_before = rounds->abef;
    rounds->cdgh_before = rounds->cdgh;
}

INSIDE void block_end(struct rounds *rounds)
{
    rounds->abef = _mm_add_epi32(rounds->abef, rounds->abef_before);
    rounds->cdgh = _mm_add_epi32(rounds->cdgh, rounds->cdgh_before);
}

// Four rounds, from round `first` + 4 * `i` on.
INSIDE void four_rounds(struct rounds *rounds, size_t first, size_t i)
{
    __m128i sum = _mm_add_epi32(
        rounds->words[i],
        _mm_load_si128((const __m128i *)(constants + first + 4 * i)));

    rounds->cdgh = _mm_sha256rnds2_epu32(rounds->cdgh, rounds->abef, sum);
    sum = _mm_shuffle_epi32(sum, 0x0e);
    rounds->abef = _mm_sha256rnds2_epu32(rounds->abef, rounds->cdgh, sum);
}

// The next four words of the message schedule, then their rounds.
INSIDE void four_more(struct rounds *rounds, size_t first, size_t i)
{
    __m128i *words = rounds->words, last = words[(i + 3) % 4], sum;

    sum = _mm_sha256msg1_epu32(words[i], words[(i + 1) % 4]);
    sum = _mm_add_epi32(sum, _mm_alignr_epi8(last, words[(i + 2) % 4], 4));
    words[i] = _mm_sha256msg2_epu32(sum, last);
    four_rounds(rounds, first, i);
}

// Each step of every lane before the next one's.  EACH(f) is f for each lane.
#define OPEN(i) rounds_open(&rounds[i], lanes[i])
#define BEGIN(i) block_begin(&rounds[i], lanes[i])
#define ROUNDS_0(i) four_rounds(&rounds[i], 0, 0)
#define ROUNDS_1(i) four_rounds(&rounds[i], 0, 1)
#define ROUNDS_2(i) four_rounds(&rounds[i], 0, 2)
#define ROUNDS_3(i) four_rounds(&rounds[i], 0, 3)
#define MORE_0(i) four_more(&rounds[i], first, 0)
#define MORE_1(i) four_more(&rounds[i], first, 1)
#define MORE_2(i) four_more(&rounds[i], first, 2)
#define MORE_3(i) four_more(&rounds[i], first, 3)
#define END(i) block_end(&rounds[i])
#define CLOSE(i) rounds_close(&rounds[i], lanes[i])
#define COMPRESS(name, num, EACH)                                              \
    WITH_SHA static void name(struct sha256_lane *const *lanes,                \
                              size_t num_blocks)                               \
    {                                                                          \
        struct rounds rounds[num];                                             \
                                                                               \
        EACH(OPEN);                                                            \
        for (; num_blocks > 0; num_blocks--) {                                 \
            EACH(BEGIN);                                                       \
            EACH(ROUNDS_0);                                                    \
            EACH(ROUNDS_1);                                                    \
            EACH(ROUNDS_2);                                                    \
            EACH(ROUNDS_3);                                                    \
            for (size_t first = 16; first < 64; first += 16) {                 \
                EACH(MORE_0);                                                  \
                EACH(MORE_1);                                                  \
                EACH(MORE_2);                                                  \
                EACH(MORE_3);                                                  \
            }                                                                  \
            EACH(END);                                                         \
        }                                                                      \
        EACH(CLOSE);                                                           \
    }

#define ONE(f) f(0)
#define TWO(f)                                                                 \
    f(0);                                                                      \
    f(1)
#define THREE(f)                                                               \
    f(0);                                                                      \
    f(1);                                                                      \
    f(2)

COMPRESS(compress_one, 1, ONE)
COMPRESS(compress_two, 2, TWO)
COMPRESS(compress_three, 3, THREE)

void sha256_lanes_compress(struct sha256_lane *const *lanes, size_t num_lanes,
                           size_t num_blocks)
{
    switch (num_lanes) {
    case 1:
        compress_one(lanes, num_blocks);
        return;
    case 2:
        compress_two(lanes, num_blocks);
        return;
    default:
        assert(num_lanes == SHA256_LANES_MAX);
        compress_three(lanes, num_blocks);
        return;
    }
}

#else

bool sha256_lanes_has(void)
{
    return false;
}

void sha256_lanes_compress(struct sha256_lane *const *lanes, size_t num_lanes,
                           size_t num_blocks)
{
    (void)lanes;
    (void)num_lanes;
    (void)num_blocks;
    assert(!"sha256_lanes_has said no");
}

#endif
