// idna.c - see idna.h.

#include "index/entry/idna.h"

#include <idn2.h>

#include "index/base/text.h"

// A label of 63 bytes comes from less; what is longer stays as it is.
enum { LABEL_LEN_MAX = 512 };

static bool is_ascii(struct bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] >= 0x80) return false;
    }
    return true;
}

bool idna_is_utf8(struct bytes text)
{
    uint32_t c;

    while (text.len > 0) {
        if (!text_utf8_next(&text, &c)) return false;
    }
    return true;
}

// A control character makes a label unreadable, and libidn2 reads C strings.
static bool has_control(struct bytes label)
{
    for (size_t i = 0; i < label.len; i++) {
        if (label.data[i] < 0x20 || label.data[i] == 0x7f) return true;
    }
    return false;
}

// Latin-1 doubles at most; the NUL is libidn2's.
static void label_as_utf8(uint8_t out[2 * LABEL_LEN_MAX + 1],
                          struct bytes label, enum idna_reading reading)
{
    size_t len = 0;
    bool as_is = reading == IDNA_UTF8 && idna_is_utf8(label);

    for (size_t i = 0; i < label.len; i++) {
        uint8_t c = label.data[i];

        if (as_is || c < 0x80) {
            out[len++] = c;
        } else {
            out[len++] = (uint8_t)(0xc0 | c >> 6);
            out[len++] = (uint8_t)(0x80 | (c & 0x3f));
        }
    }
    out[len] = 0;
}

static bool append_label(struct buffer *out, struct bytes label,
                         enum idna_reading reading)
{
    uint8_t text[2 * LABEL_LEN_MAX + 1], *converted = NULL;
    int result;

    if (label.len > LABEL_LEN_MAX || is_ascii(label) || has_control(label)) {
        buffer_append(out, label);
        return true;
    }
    label_as_utf8(text, label, reading);
    result =
        idn2_lookup_u8(text, &converted, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
    if (result == IDN2_MALLOC) return false;
    if (result == IDN2_OK && converted[0] != 0) {
        buffer_append_text(out, (const char *)converted);
    } else {
        buffer_append(out, label);
    }
    idn2_free(converted);
    return true;
}

bool idna_append_name(struct buffer *out, struct bytes name,
                      enum idna_reading reading)
{
    size_t start = 0;

    // What is before the tail ends at a dot, so that no label is cut.
    if (name.len > IDNA_TAIL_LEN_MAX) {
        start = name.len - IDNA_TAIL_LEN_MAX;
        while (start < name.len && name.data[start - 1] != '.') {
            start++;
        }
        buffer_append(out, bytes_of(name.data, start));
    }
    while (start < name.len) {
        const uint8_t *label = name.data + start;
        const uint8_t *dot = memchr(label, '.', name.len - start);
        size_t len = dot == NULL ? name.len - start : (size_t)(dot - label);

        if (!append_label(out, bytes_of(label, len), reading)) return false;
        if (dot != NULL) buffer_append_byte(out, '.');
        start += len + (dot != NULL);
    }
    return buffer_ok(out);
}

static uint32_t punycode_digit(uint8_t c)
{
    if (c >= 'a' && c <= 'z') return (uint32_t)(c - 'a');
    if (c >= 'A' && c <= 'Z') return (uint32_t)(c - 'A');
    if (c >= '0' && c <= '9') return (uint32_t)(c - '0') + 26;
    return UINT32_MAX;
}

// RFC 3492 section 6.1.
static uint32_t punycode_adapt(uint32_t delta, uint32_t num_points, bool first)
{
    uint32_t k = 0;

    delta = first ? delta / 700 : delta / 2;
    delta += delta / num_points;
    for (; delta > 455; k += 36) {
        delta /= 35;
    }
    return k + 36 * delta / (delta + 38);
}

bool idna_is_punycode(struct bytes encoded)
{
    uint32_t n = 128, i = 0, bias = 72, num_basic = 0, num_points;
    size_t at = 0;

    // RFC 3492 section 6.2, without keeping what is decoded.
    for (size_t j = encoded.len; j > 0; j--) {
        if (encoded.data[j - 1] != '-') continue;
        num_basic = (uint32_t)(j - 1);
        at = j;
        break;
    }
    if (at == encoded.len || encoded.len > LABEL_LEN_MAX) return false;
    for (num_points = num_basic + 1; at < encoded.len; num_points++) {
        uint32_t i_before = i, weight = 1;

        for (uint32_t k = 36;; k += 36) {
            uint32_t t = k <= bias ? 1 : k >= bias + 26 ? 26 : k - bias;
            uint32_t digit;

            if (at == encoded.len) return false;
            digit = punycode_digit(encoded.data[at++]);
            if (digit >= 36 || digit > (UINT32_MAX - i) / weight) return false;
            i += digit * weight;
            if (digit < t) break;
            if (weight > UINT32_MAX / (36 - t)) return false;
            weight *= 36 - t;
        }
        bias = punycode_adapt(i - i_before, num_points, i_before == 0);
        if (i / num_points > 0x10ffff - n) return false;
        n += i / num_points;
        if (n >= 0xd800 && n < 0xe000) return false;
        i = i % num_points + 1;
    }
    return true;
}
