// address.c - IP addresses, read in every spelling and written in one; see
// names.h.

#include <assert.h>

#include "index/entry/names.h"

enum { IPV4_LEN = 4, IPV6_LEN = 16, NUM_GROUPS = 8, NO_GAP = NUM_GROUPS + 1 };

static bool is_blank(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

// What surrounds an address and is none of it: blanks, dots at the end,
// brackets as in a URL, the zone of a link-local address (RFC 4007).
static struct bytes strip(struct bytes text)
{
    const uint8_t *zone;

    while (text.len > 0 && is_blank(text.data[0])) {
        (void)bytes_skip(&text, 1);
    }
    while (text.len > 0 && (is_blank(text.data[text.len - 1]) ||
                            text.data[text.len - 1] == '.')) {
        text.len--;
    }
    if (text.len >= 2 && text.data[0] == '[' &&
        text.data[text.len - 1] == ']') {
        text = bytes_of(text.data + 1, text.len - 2);
    }
    zone = text.len == 0 ? NULL : memchr(text.data, '%', text.len);
    if (zone != NULL && zone != text.data &&
        memchr(text.data, ':', (size_t)(zone - text.data)) != NULL) {
        text.len = (size_t)(zone - text.data);
    }
    return text;
}

// Four decimal numbers; leading zeros say nothing and are not octal.
static bool parse_ipv4(struct bytes text, uint8_t *octets)
{
    for (size_t i = 0; i < IPV4_LEN; i++) {
        unsigned value = 0, num_digits = 0;

        if (i > 0 && (text.len == 0 || text.data[0] != '.')) return false;
        if (i > 0) (void)bytes_skip(&text, 1);
        while (text.len > 0 && text.data[0] >= '0' && text.data[0] <= '9') {
            if (++num_digits > 3) return false;
            value = value * 10 + (text.data[0] - '0');
            (void)bytes_skip(&text, 1);
        }
        if (num_digits == 0 || value > 255) return false;
        octets[i] = (uint8_t)value;
    }
    return text.len == 0;
}

static bool read_group(struct bytes *text, uint16_t *group)
{
    unsigned value = 0, num_digits = 0;

    while (text->len > 0) {
        uint8_t c = text->data[0];
        unsigned digit;

        if (c >= '0' && c <= '9') {
            digit = c - '0';
        } else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') {
            digit = (c | 0x20) - 'a' + 10u;
        } else {
            break;
        }
        if (++num_digits > 4) return false;
        value = value << 4 | digit;
        (void)bytes_skip(text, 1);
    }
    *group = (uint16_t)value;
    return num_digits > 0;
}

// RFC 4291 section 2.2.  `gap` is where "::" stood among the groups.
static bool read_groups(struct bytes text, uint16_t groups[NUM_GROUPS],
                        size_t *num_groups, size_t *gap)
{
    size_t num = 0;

    *gap = NO_GAP;
    while (text.len > 0) {
        uint8_t octets[IPV4_LEN];

        if (text.len >= 2 && text.data[0] == ':' && text.data[1] == ':') {
            if (*gap != NO_GAP) return false;
            *gap = num;
            (void)bytes_skip(&text, 2);
            if (text.len == 0) break;
        } else if (num > 0) {
            if (text.data[0] != ':') return false;
            (void)bytes_skip(&text, 1);
        }
        if (num + 2 <= NUM_GROUPS && parse_ipv4(text, octets)) {
            groups[num++] = (uint16_t)(octets[0] << 8 | octets[1]);
            groups[num++] = (uint16_t)(octets[2] << 8 | octets[3]);
            break;
        }
        if (num == NUM_GROUPS || !read_group(&text, &groups[num])) return false;
        num++;
    }
    *num_groups = num;
    return *gap == NO_GAP ? num == NUM_GROUPS : num < NUM_GROUPS;
}

static bool parse_ipv6(struct bytes text, uint8_t octets[IPV6_LEN])
{
    uint16_t groups[NUM_GROUPS];
    size_t num, gap;

    if (text.len < 2) return false;
    // As crt.sh writes it, with one colon in front.
    if (text.data[0] == ':' && text.data[1] != ':') (void)bytes_skip(&text, 1);
    if (!read_groups(text, groups, &num, &gap)) return false;
    memset(octets, 0, IPV6_LEN);
    for (size_t i = 0; i < num; i++) {
        size_t at = i < gap ? i : NUM_GROUPS - num + i;

        bytes_put_uint(octets + 2 * at, groups[i], 2);
    }
    return true;
}

bool names_parse_ip(struct bytes text, uint8_t octets[16], size_t *len)
{
    // Longest: 8 groups of 4 digits with a colon in front.  What is longer
    // is not looked at, a name may have a megabyte.
    enum { TEXT_LEN_MAX = 64 };

    text = strip(text);
    if (text.len == 0 || text.len > TEXT_LEN_MAX) return false;
    if (parse_ipv4(text, octets)) {
        *len = IPV4_LEN;
        return true;
    }
    if (!parse_ipv6(text, octets)) return false;
    *len = IPV6_LEN;
    names_unmap_ip(octets, len);
    return true;
}

void names_unmap_ip(uint8_t octets[16], size_t *len)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

    if (*len != IPV6_LEN || memcmp(octets, mapped, sizeof mapped) != 0) return;
    memmove(octets, octets + sizeof mapped, IPV4_LEN);
    *len = IPV4_LEN;
}

// The longest run of two or more zero groups, the first of equals (RFC 5952
// section 4.2).
static size_t longest_zeros(const uint16_t groups[NUM_GROUPS], size_t *len)
{
    size_t best = NUM_GROUPS, start = 0;

    *len = 1;
    for (size_t i = 0; i < NUM_GROUPS; i++) {
        if (groups[i] != 0) {
            start = i + 1;
        } else if (i + 1 - start > *len) {
            best = start;
            *len = i + 1 - start;
        }
    }
    return best;
}

void names_append_ip(struct buffer *out, struct bytes octets)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    uint16_t groups[NUM_GROUPS];
    const uint8_t *o = octets.data;
    size_t zeros, num_zeros;

    assert(octets.len == IPV4_LEN || octets.len == IPV6_LEN);
    if (octets.len == IPV4_LEN) {
        buffer_printf(out, "%u.%u.%u.%u", o[0], o[1], o[2], o[3]);
        return;
    }
    if (memcmp(o, mapped, sizeof mapped) == 0) { // RFC 5952 section 5
        buffer_printf(out, "::ffff:%u.%u.%u.%u", o[12], o[13], o[14], o[15]);
        return;
    }
    for (size_t i = 0; i < NUM_GROUPS; i++) {
        groups[i] = (uint16_t)(o[2 * i] << 8 | o[2 * i + 1]);
    }
    zeros = longest_zeros(groups, &num_zeros);
    for (size_t i = 0; i < NUM_GROUPS; i++) {
        if (i == zeros) {
            buffer_append_text(out, "::");
            i += num_zeros - 1;
            continue;
        }
        if (i > 0 && i != zeros + num_zeros) buffer_append_byte(out, ':');
        buffer_printf(out, "%x", groups[i]);
    }
}
