// host.c - see host.h.

#include "index/entry/host.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

static bool is_blank(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(uint8_t c)
{
    return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

struct bytes host_trim_blanks(struct bytes text)
{
    while (text.len > 0 && is_blank(text.data[0])) {
        (void)bytes_skip(&text, 1);
    }
    while (text.len > 0 && is_blank(text.data[text.len - 1])) {
        text.len--;
    }
    return text;
}

struct bytes host_trim(struct bytes text)
{
    text = host_trim_blanks(text);
    while (text.len > 0 && (text.data[text.len - 1] == '.' ||
                            is_blank(text.data[text.len - 1]))) {
        text.len--;
    }
    return text;
}

bool host_has_blank(struct bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (is_blank(text.data[i])) return true;
    }
    return false;
}

// Letters, digits, '-', '_', '.' and '*', a bit each: nearly all names are of
// these, and telling so at once spares every other look.
static const uint32_t plain_bytes[8] = {
    [1] = 0x03ff6400, // 0-9 . - *
    [2] = 0x87fffffe, // A-Z _
    [3] = 0x07fffffe, // a-z
};

static bool is_plain(uint8_t c)
{
    return (plain_bytes[c >> 5] >> (c & 31) & 1) != 0;
}

static unsigned lower_each(uint8_t *out, struct bytes text)
{
    unsigned seen = 0;

    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];

        out[i] = c >= 'A' && c <= 'Z' ? c | 0x20 : c;
        if (!is_plain(c)) seen |= HOST_NOT_PLAIN;
        if (c == '*') seen |= HOST_STAR;
        if (c == '-' && i > 0 && text.data[i - 1] == '-') {
            seen |= HOST_TWO_HYPHENS;
        }
    }
    return seen;
}

#if defined(__SSE2__)

static __m128i in_range(__m128i c, char first, char last)
{
    __m128i offset = _mm_sub_epi8(c, _mm_set1_epi8(first));

    return _mm_cmpeq_epi8(
        _mm_min_epu8(offset, _mm_set1_epi8((char)(last - first))), offset);
}

// Sixteen bytes; `hyphen` tells of the byte before them, and of the last.
static __m128i lower_16(__m128i c, unsigned *hyphen, unsigned *seen)
{
    const __m128i bit = _mm_set1_epi8(0x20);
    __m128i capital = in_range(c, 'A', 'Z');
    __m128i lower = _mm_or_si128(c, _mm_and_si128(capital, bit));
    __m128i star = _mm_cmpeq_epi8(c, _mm_set1_epi8('*'));
    __m128i dash = _mm_cmpeq_epi8(c, _mm_set1_epi8('-'));
    __m128i plain = _mm_or_si128(in_range(lower, 'a', 'z'),
                                 in_range(c, '-', '9')); // and '/'
    unsigned dashes = (unsigned)_mm_movemask_epi8(dash);

    plain = _mm_or_si128(plain, _mm_cmpeq_epi8(c, _mm_set1_epi8('_')));
    plain = _mm_andnot_si128(_mm_cmpeq_epi8(c, _mm_set1_epi8('/')),
                             _mm_or_si128(plain, star));
    if (_mm_movemask_epi8(plain) != 0xffff) *seen |= HOST_NOT_PLAIN;
    if (_mm_movemask_epi8(star) != 0) *seen |= HOST_STAR;
    if ((dashes & (dashes << 1 | *hyphen)) != 0) *seen |= HOST_TWO_HYPHENS;
    *hyphen = dashes >> 15;
    return lower;
}

// What is no multiple of sixteen bytes is looked at with bytes before it, once
// more.
unsigned host_lower(uint8_t *out, struct bytes text)
{
    unsigned seen = 0, hyphen = 0;
    __m128i c;

    if (text.len < 8) return lower_each(out, text);
    if (text.len < 16) {
        size_t last = text.len - 8;

        c = _mm_unpacklo_epi64(
            _mm_loadl_epi64((const __m128i *)text.data),
            _mm_loadl_epi64((const __m128i *)(text.data + last)));
        c = lower_16(c, &hyphen, &seen);
        _mm_storel_epi64((__m128i *)out, c);
        _mm_storel_epi64((__m128i *)(out + last), _mm_srli_si128(c, 8));
        return seen;
    }
    for (size_t i = 0; i < text.len; i += 16) {
        if (i > text.len - 16) {
            i = text.len - 16;
            hyphen = 0;
        }
        c = _mm_loadu_si128((const __m128i *)(text.data + i));
        _mm_storeu_si128((__m128i *)(out + i), lower_16(c, &hyphen, &seen));
    }
    return seen;
}

#else

unsigned host_lower(uint8_t *out, struct bytes text)
{
    return lower_each(out, text);
}

#endif

bool host_is_plain(struct bytes text)
{
    uint32_t all = 1;

    for (size_t i = 0; i < text.len; i++) {
        all &= plain_bytes[text.data[i] >> 5] >> (text.data[i] & 31);
    }
    return all != 0;
}

// The length of "scheme:" (RFC 3986 section 3.1), 0 when there is none.
static size_t scheme_len(struct bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];

        if (c == ':') return i == 0 ? 0 : i + 1;
        if (is_letter(c)) continue;
        if (i == 0 || (!is_digit(c) && c != '+' && c != '-' && c != '.')) {
            return 0;
        }
    }
    return 0;
}

static void cut_before(struct bytes *text, uint8_t c)
{
    const uint8_t *at =
        text->len == 0 ? NULL : memchr(text->data, c, text->len);

    if (at != NULL) text->len = (size_t)(at - text->data);
}

static void cut_user(struct bytes *text)
{
    for (size_t i = text->len; i > 0; i--) {
        if (text->data[i - 1] != '@') continue;
        (void)bytes_skip(text, i);
        return;
    }
}

// "host:443" and "[v6]:443"; of several colons without brackets none is a
// port's.
static bool cut_port(struct bytes *text)
{
    size_t at = text->len;

    while (at > 0 && is_digit(text->data[at - 1])) {
        at--;
    }
    if (at < 2 || text->data[at - 1] != ':') return false;
    at--;
    if (text->data[at - 1] != ']' && memchr(text->data, ':', at) != NULL) {
        return false;
    }
    text->len = at;
    return true;
}

// What is behind a scheme, or where there is none in front of the first '/'.
static bool cut_authority(struct bytes *text)
{
    size_t len_before = text->len, scheme = scheme_len(*text);
    struct bytes rest = *text;

    (void)bytes_skip(&rest, scheme);
    if (bytes_starts_with(rest, bytes_from_text("//"))) {
        *text = bytes_of(rest.data + 2, rest.len - 2);
        cut_before(text, '?');
        cut_before(text, '#');
    }
    cut_before(text, '/');
    return text->len != len_before;
}

struct bytes host_of_name(struct bytes name, bool *is_url)
{
    *is_url = cut_authority(&name);
    cut_user(&name);
    if (cut_port(&name)) *is_url = true;
    return host_trim(name);
}

struct bytes host_of_mailbox(struct bytes mailbox)
{
    cut_user(&mailbox);
    return host_trim(mailbox);
}

// A URI without "//" (sip:a@b, mailto:a@b) has a host only where what is left
// looks like one: "urn:uuid:…" has none.
static struct bytes host_of_opaque(struct bytes rest)
{
    bool is_url;

    cut_before(&rest, '?');
    cut_before(&rest, '#');
    cut_before(&rest, ';');
    rest = host_of_name(rest, &is_url);
    if (rest.len == 0 || rest.data[0] == '[') return rest;
    if (memchr(rest.data, '.', rest.len) == NULL ||
        memchr(rest.data, ':', rest.len) != NULL) {
        return bytes_of(NULL, 0);
    }
    return rest;
}

struct bytes host_of_uri(struct bytes uri)
{
    struct bytes rest = uri;
    bool is_url;

    (void)bytes_skip(&rest, scheme_len(uri));
    // "example.com:443" has no scheme.
    if (rest.len == uri.len || bytes_starts_with(rest, bytes_from_text("//")) ||
        (rest.len > 0 && is_digit(rest.data[0]))) {
        return host_of_name(uri, &is_url);
    }
    return host_of_opaque(rest);
}
