// base64.c - see base64.h.

#include "ingest/parse/base64.h"

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

bool base64_decode(uint8_t *out, size_t *out_len, struct bytes text)
{
    const uint8_t *in = text.data;
    size_t num_groups = text.len / 4;
    bool is_padded;

    *out_len = 0;
    if (text.len % 4 != 0) return false;
    if (text.len == 0) return true;
    is_padded = text.data[text.len - 1] == '=';
    if (is_padded) num_groups--;
    // In place: the bytes written never pass the digits still to be read.
    for (size_t i = 0; i < num_groups; i++) {
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
