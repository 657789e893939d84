// base64.c - see base64.h.
//
// The wide path is that of W. Mula and D. Lemire ("Faster Base64 Encoding and
// Decoding Using AVX2 Instructions", 2018), as A. Klomp writes it.

#include "ingest/parse/base64.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

// A digit's six bits at each of its four places; a byte that is no digit has
// the bit above all of them, so that four look-ups need one test.
enum { NO_DIGIT = 1 << 24 };

#define VALUE(c)                                                               \
    ((c) >= 'A' && (c) <= 'Z'   ? (c) - 'A'                                    \
     : (c) >= 'a' && (c) <= 'z' ? (c) - 'a' + 26                               \
     : (c) >= '0' && (c) <= '9' ? (c) - '0' + 52                               \
     : (c) == '+'               ? 62                                           \
     : (c) == '/'               ? 63                                           \
                                : 64)
#define CELL(c, shift)                                                         \
    (VALUE(c) > 63 ? (uint32_t)NO_DIGIT : (uint32_t)VALUE(c) << (shift))
#define FOUR(c, s) CELL(c, s), CELL(c + 1, s), CELL(c + 2, s), CELL(c + 3, s)
#define SIXTEEN(c, s)                                                          \
    FOUR(c, s), FOUR(c + 4, s), FOUR(c + 8, s), FOUR(c + 12, s)
#define SIXTY_FOUR(c, s)                                                       \
    SIXTEEN(c, s), SIXTEEN(c + 16, s), SIXTEEN(c + 32, s), SIXTEEN(c + 48, s)
#define ROW(s)                                                                 \
    {                                                                          \
        SIXTY_FOUR(0, s), SIXTY_FOUR(64, s), SIXTY_FOUR(128, s),               \
            SIXTY_FOUR(192, s)                                                 \
    }

static const uint32_t digits[4][256] = {ROW(18), ROW(12), ROW(6), ROW(0)};

static uint32_t decode_four(const uint8_t *text)
{
    return digits[0][text[0]] | digits[1][text[1]] | digits[2][text[2]] |
           digits[3][text[3]];
}

// The last group when it is padded: one or two bytes, all other bits zero.
static bool decode_padded(uint8_t *out, size_t *out_len, const uint8_t *text)
{
    size_t num_bytes = text[2] == '=' ? 1 : 2;
    uint32_t word = digits[0][text[0]] | digits[1][text[1]];

    if (num_bytes == 2) word |= digits[2][text[2]];
    if (word >= NO_DIGIT) return false;
    if ((word & (num_bytes == 1 ? 0xffffU : 0xffU)) != 0) return false;
    for (size_t i = 0; i < num_bytes; i++) {
        out[i] = (uint8_t)(word >> (16 - 8 * i));
    }
    *out_len += num_bytes;
    return true;
}

// What is left after whole blocks: `text` is all of it, `num_done` groups are
// decoded already.  In place: the bytes written never pass the digits still to
// be read.
static bool decode_rest(uint8_t *out, size_t *out_len, struct bytes text,
                        size_t num_done)
{
    bool is_padded = text.len > 0 && text.data[text.len - 1] == '=';
    size_t num_groups = text.len / 4 - (is_padded ? 1 : 0);
    const uint8_t *in = text.data + num_done * 4;

    out += num_done * 3;
    for (size_t i = num_done; i < num_groups; i++) {
        uint32_t word = decode_four(in);

        if (word >= NO_DIGIT) return false;
        out[0] = (uint8_t)(word >> 16);
        out[1] = (uint8_t)(word >> 8);
        out[2] = (uint8_t)word;
        in += 4;
        out += 3;
    }
    *out_len = num_groups * 3;
    return !is_padded || decode_padded(out, out_len, in);
}

bool base64_decode_portable(uint8_t *out, size_t *out_len, struct bytes text)
{
    *out_len = 0;
    if (text.len % 4 != 0) return false;
    return text.len == 0 || decode_rest(out, out_len, text, 0);
}

#if defined(__x86_64__)

enum {
    BLOCK = 32,       // digits a step
    BLOCK_BYTES = 24, // that they are; as many as digits are written
    // What must be left for the store to end inside the room: its eight bytes
    // too many, in digits, and the last group, which may be padded.
    BLOCK_LEFT_MIN = BLOCK + 16,
};

// Decodes whole blocks up to the first that holds what is no digit, and says
// how many groups that were.
__attribute__((target("avx2"))) static size_t
decode_blocks(uint8_t *out, const uint8_t *in, size_t len)
{
    const __m256i low = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0x15, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11,
                      0x11, 0x13, 0x1a, 0x1b, 0x1b, 0x1b, 0x1a));
    const __m256i high = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0x10, 0x10, 0x01, 0x02, 0x04, 0x08, 0x04, 0x08, 0x10,
                      0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10));
    const __m256i shift = _mm256_broadcastsi128_si256(_mm_setr_epi8(
        0, 16, 19, 4, -65, -65, -71, -71, 0, 0, 0, 0, 0, 0, 0, 0));
    const __m256i order = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1));
    const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 4, 5, 6, 3, 7);
    const __m256i slash = _mm256_set1_epi8('/');
    size_t num = 0;

    for (; len >= BLOCK_LEFT_MIN; len -= BLOCK, num += BLOCK / 4) {
        __m256i text = _mm256_loadu_si256((const void *)in);
        __m256i highs = _mm256_and_si256(_mm256_srli_epi32(text, 4), slash);
        __m256i lows = _mm256_and_si256(text, slash);

        // A bit that both look-ups share: a byte that is no digit.
        if (!_mm256_testz_si256(_mm256_shuffle_epi8(low, lows),
                                _mm256_shuffle_epi8(high, highs))) {
            break;
        }
        // From digits to their values: an addend by the high half, '/' apart.
        highs = _mm256_add_epi8(_mm256_cmpeq_epi8(text, slash), highs);
        text = _mm256_add_epi8(text, _mm256_shuffle_epi8(shift, highs));
        // Two and two to 12 bits, two of those to 24, big-endian, together.
        text = _mm256_maddubs_epi16(text, _mm256_set1_epi32(0x01400140));
        text = _mm256_madd_epi16(text, _mm256_set1_epi32(0x00011000));
        text = _mm256_shuffle_epi8(text, order);
        text = _mm256_permutevar8x32_epi32(text, lanes);
        _mm256_storeu_si256((void *)out, text);
        in += BLOCK;
        out += BLOCK_BYTES;
    }
    return num;
}

static size_t decode_wide(uint8_t *out, struct bytes text)
{
    if (!__builtin_cpu_supports("avx2")) return 0;
    return decode_blocks(out, text.data, text.len);
}

#else

static size_t decode_wide(uint8_t *out, struct bytes text)
{
    (void)out;
    (void)text;
    return 0;
}

#endif

size_t base64_decode_begin(uint8_t *out, struct bytes text)
{
    return 4 * decode_wide(out, text);
}

bool base64_decode(uint8_t *out, size_t *out_len, struct bytes text)
{
    *out_len = 0;
    if (text.len % 4 != 0) return false;
    return text.len == 0 ||
           decode_rest(out, out_len, text, decode_wide(out, text));
}
