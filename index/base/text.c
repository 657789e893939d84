// text.c - see text.h.

#include "index/base/text.h"

#include <stdio.h>

static const char hex_digits[] = "0123456789abcdef";
static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

typedef uint8_t octets __attribute__((vector_size(16)));

static octets digits_of(octets values)
{
    return values + '0' + ((octets)(values > 9) & ('a' - '0' - 10));
}

static void put_hex_octets(uint8_t *to, const uint8_t *from)
{
    octets in, first, second;

    memcpy(&in, from, sizeof in);
    first = __builtin_shufflevector(in >> 4, in & 15, 0, 16, 1, 17, 2, 18, 3,
                                    19, 4, 20, 5, 21, 6, 22, 7, 23);
    second = __builtin_shufflevector(in >> 4, in & 15, 8, 24, 9, 25, 10, 26, 11,
                                     27, 12, 28, 13, 29, 14, 30, 15, 31);
    first = digits_of(first);
    second = digits_of(second);
    memcpy(to, &first, sizeof first);
    memcpy(to + sizeof first, &second, sizeof second);
}

void text_append_hex(struct buffer *out, struct bytes bytes)
{
    uint8_t *to;

    if (!buffer_reserve(out, 2 * bytes.len)) return;
    to = out->data + out->len;
    out->len += 2 * bytes.len;
    for (; bytes.len >= sizeof(octets); to += 2 * sizeof(octets)) {
        put_hex_octets(to, bytes.data);
        (void)bytes_skip(&bytes, sizeof(octets));
    }
    for (size_t i = 0; i < bytes.len; i++) {
        *to++ = (uint8_t)hex_digits[bytes.data[i] >> 4];
        *to++ = (uint8_t)hex_digits[bytes.data[i] & 15];
    }
}

void text_append_base64(struct buffer *out, struct bytes bytes)
{
    uint8_t *to;

    if (!buffer_reserve(out, (bytes.len + 2) / 3 * 4)) return;
    for (to = out->data + out->len; bytes.len >= 3; bytes.data += 3) {
        uint32_t word = (uint32_t)bytes.data[0] << 16 |
                        (uint32_t)bytes.data[1] << 8 | bytes.data[2];

        *to++ = (uint8_t)base64_digits[word >> 18];
        *to++ = (uint8_t)base64_digits[word >> 12 & 63];
        *to++ = (uint8_t)base64_digits[word >> 6 & 63];
        *to++ = (uint8_t)base64_digits[word & 63];
        bytes.len -= 3;
    }
    out->len = (size_t)(to - out->data);
    while (bytes.len > 0) {
        size_t len = bytes.len < 3 ? bytes.len : 3;
        uint32_t word = (uint32_t)bytes.data[0] << 16;

        if (len > 1) word |= (uint32_t)bytes.data[1] << 8;
        if (len > 2) word |= bytes.data[2];
        for (size_t i = 0; i < 4; i++) {
            out->data[out->len++] =
                i <= len ? (uint8_t)base64_digits[word >> (18 - 6 * i) & 63]
                         : '=';
        }
        (void)bytes_skip(&bytes, len);
    }
}

// A character that a terminal shows as itself and that moves nothing: no
// control, no format or bidirectional control, no separator but the space.
static bool is_printable(uint32_t c)
{
    if (c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0xad) return false;
    if (c == 0x61c || c == 0x180e || c == 0xfeff) return false;
    if (c >= 0x200b && c <= 0x200f) return false;
    if (c >= 0x2028 && c <= 0x202e) return false;
    if (c >= 0x2060 && c <= 0x206f) return false;
    if (c >= 0xfff0 && c <= 0xfffb) return false;
    if (c >= 0xe0000 && c <= 0xe0fff) return false;
    return (c & 0xfffe) != 0xfffe;
}

void text_append_pem(struct buffer *out, struct bytes der)
{
    enum { LINE_OCTETS = 48 }; // 64 characters

    buffer_append_text(out, "-----BEGIN CERTIFICATE-----\n");
    while (der.len > 0) {
        size_t len = der.len < LINE_OCTETS ? der.len : LINE_OCTETS;

        text_append_base64(out, bytes_of(der.data, len));
        buffer_append_byte(out, '\n');
        (void)bytes_skip(&der, len);
    }
    buffer_append_text(out, "-----END CERTIFICATE-----\n");
}

// How many bytes from the front on are printable ASCII and no backslash: almost
// all that is ever shown.
static size_t plain_len(struct bytes bytes)
{
    size_t len = 0;

    while (len < bytes.len && bytes.data[len] >= 0x20 &&
           bytes.data[len] < 0x7f && bytes.data[len] != '\\') {
        len++;
    }
    return len;
}

void text_append_escaped(struct buffer *out, struct bytes bytes)
{
    while (bytes.len > 0) {
        struct bytes rest = bytes;
        uint32_t c;
        size_t len = plain_len(bytes);
        bool whole;

        if (len > 0) {
            buffer_append(out, bytes_of(bytes.data, len));
            (void)bytes_skip(&bytes, len);
            continue;
        }
        len = 1;
        whole = text_utf8_next(&rest, &c);
        if (whole) len = bytes.len - rest.len;
        if (whole && c == '\\') {
            buffer_append_text(out, "\\\\");
        } else if (whole && is_printable(c)) {
            buffer_append(out, bytes_of(bytes.data, len));
        } else {
            for (size_t i = 0; i < len; i++) {
                buffer_append_text(out, "\\x");
                text_append_hex(out, bytes_of(bytes.data + i, 1));
            }
        }
        (void)bytes_skip(&bytes, len);
    }
}

char *text_escape(char *out, size_t size, struct bytes bytes)
{
    struct buffer escaped = {0};
    size_t len;

    // Four characters stand for a byte at most: no need to look further.
    if (bytes.len > size) bytes.len = size;
    text_append_escaped(&escaped, bytes);
    len = escaped.len;
    if (!buffer_ok(&escaped)) {
        (void)snprintf(out, size, "(no memory)");
    } else if (len < size) {
        if (len > 0) memcpy(out, escaped.data, len);
        out[len] = '\0';
    } else {
        len = size > 4 ? size - 4 : 0;
        while (len > 0 && (escaped.data[len] & 0xc0) == 0x80) {
            len--;
        }
        memcpy(out, escaped.data, len);
        (void)snprintf(out + len, size - len, "...");
    }
    buffer_cleanup(&escaped);
    return out;
}

static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

bool text_parse_hex(uint8_t *out, size_t len, struct bytes hex)
{
    if (hex.len != 2 * len) return false;
    for (size_t i = 0; i < len; i++) {
        int high = hex_value(hex.data[2 * i]);
        int low = hex_value(hex.data[2 * i + 1]);

        if (high < 0 || low < 0) return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

bool text_unescape(struct buffer *out, struct bytes escaped)
{
    while (escaped.len > 0) {
        uint8_t byte = escaped.data[0];

        (void)bytes_skip(&escaped, 1);
        if (byte == '\\') {
            if (escaped.len >= 1 && escaped.data[0] == '\\') {
                (void)bytes_skip(&escaped, 1);
            } else if (escaped.len >= 3 && escaped.data[0] == 'x' &&
                       text_parse_hex(&byte, 1,
                                      bytes_of(escaped.data + 1, 2))) {
                (void)bytes_skip(&escaped, 3);
            } else {
                return false;
            }
        }
        buffer_append_byte(out, byte);
    }
    return true;
}

static int base64_value(uint8_t c)
{
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    if (c == '+') return 62;
    if (c == '/') return 63;
    return -1;
}

bool text_parse_base64(struct buffer *out, struct bytes base64)
{
    size_t padding = 0;

    if (base64.len % 4 != 0) return false;
    while (padding < 2 && padding < base64.len &&
           base64.data[base64.len - 1 - padding] == '=') {
        padding++;
    }
    for (size_t i = 0; i < base64.len; i += 4) {
        size_t digits = i + 4 == base64.len ? 4 - padding : 4;
        uint32_t word = 0;

        for (size_t k = 0; k < digits; k++) {
            int value = base64_value(base64.data[i + k]);

            if (value < 0) return false;
            word |= (uint32_t)value << (18 - 6 * k);
        }
        // The bits that no byte takes must be zero (RFC 4648 section 3.5).
        if ((digits == 2 && (word & 0xffff) != 0) ||
            (digits == 3 && (word & 0xff) != 0)) {
            return false;
        }
        for (size_t k = 0; k + 1 < digits; k++) {
            buffer_append_byte(out, (uint8_t)(word >> (16 - 8 * k)));
        }
    }
    return buffer_ok(out);
}

void text_append_uint(struct buffer *out, uint64_t value)
{
    char digits[20];
    size_t at = sizeof digits;

    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    buffer_append(out, bytes_of(digits + at, sizeof digits - at));
}

bool text_parse_uint(uint64_t *value, struct bytes decimal)
{
    uint64_t sum = 0;

    if (decimal.len == 0 || decimal.len > 20) return false;
    if (decimal.len > 1 && decimal.data[0] == '0') return false;
    for (size_t i = 0; i < decimal.len; i++) {
        uint64_t digit = (uint64_t)decimal.data[i] - '0';

        if (digit > 9 || sum > (UINT64_MAX - digit) / 10) return false;
        sum = sum * 10 + digit;
    }
    *value = sum;
    return true;
}

// Howard Hinnant's algorithm: years begin in March, eras have 400 years.
int64_t text_days_from_civil(int64_t year, unsigned month, unsigned day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t shifted = (int64_t)month + (month > 2 ? -3 : 9);
    int64_t day_of_year = (153 * shifted + 2) / 5 + (int64_t)day - 1;
    int64_t day_of_era =
        year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

    return era * 146097 + day_of_era - 719468;
}

// Of a day from 0000-01-01 on.
static void civil_from_days(int64_t days, unsigned *year, unsigned *month,
                            unsigned *day)
{
    // An era more, so that nothing is below zero.
    unsigned z = (unsigned)(days + 719468 + 146097);
    unsigned era = z / 146097;
    unsigned day_of_era = z - era * 146097;
    unsigned year_of_era = (day_of_era - day_of_era / 1460 +
                            day_of_era / 36524 - day_of_era / 146096) /
                           365;
    unsigned day_of_year =
        day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    unsigned shifted = (5 * day_of_year + 2) / 153;

    *day = day_of_year - (153 * shifted + 2) / 5 + 1;
    *month = shifted < 10 ? shifted + 3 : shifted - 9;
    *year = year_of_era + (era - 1) * 400 + (*month <= 2 ? 1 : 0);
}

// Writes a number below 100 and what follows it.
static void put_two(char *out, unsigned value, char next)
{
    static const char digits[] = "00010203040506070809"
                                 "10111213141516171819"
                                 "20212223242526272829"
                                 "30313233343536373839"
                                 "40414243444546474849"
                                 "50515253545556575859"
                                 "60616263646566676869"
                                 "70717273747576777879"
                                 "80818283848586878889"
                                 "90919293949596979899";

    memcpy(out, digits + 2 * (size_t)value, 2);
    out[2] = next;
}

enum { TIME_LEN = sizeof "2024-02-18T11:07:33" - 1 };

// Writes the time without its end; false outside of the years 0 to 9999.
static bool write_time(char out[TEXT_TIME_LEN_MAX], int64_t seconds)
{
    enum { DAY = 86400 };
    static const int64_t first = -62167219200, last = 253402300799;
    unsigned year, month, day, rest;
    int64_t days;

    if (seconds < first || seconds > last) return false;
    days = (seconds - first) / DAY + first / DAY;
    rest = (unsigned)(seconds - days * DAY);
    civil_from_days(days, &year, &month, &day);
    put_two(out, year / 100, '-');
    put_two(out + 2, year % 100, '-');
    put_two(out + 5, month, '-');
    put_two(out + 8, day, 'T');
    put_two(out + 11, rest / 3600, ':');
    put_two(out + 14, rest / 60 % 60, ':');
    put_two(out + 17, rest % 60, 'Z');
    return true;
}

size_t text_put_time(char out[TEXT_TIME_LEN_MAX], int64_t seconds)
{
    return write_time(out, seconds) ? TIME_LEN + 1 : 0;
}

size_t text_put_time_ms(char out[TEXT_TIME_LEN_MAX], uint64_t ms)
{
    unsigned fraction = (unsigned)(ms % 1000);

    if (!write_time(out, (int64_t)(ms / 1000))) return 0;
    out[TIME_LEN] = '.';
    put_two(out + TIME_LEN + 1, fraction / 10, (char)('0' + fraction % 10));
    out[TIME_LEN + 4] = 'Z';
    return TIME_LEN + 5;
}

char *text_time_utc(char out[TEXT_TIME_LEN_MAX], int64_t seconds)
{
    out[text_put_time(out, seconds)] = '\0';
    return out;
}

char *text_time_utc_ms(char out[TEXT_TIME_LEN_MAX], uint64_t ms)
{
    out[text_put_time_ms(out, ms)] = '\0';
    return out;
}

static bool read_digits(struct bytes *text, unsigned *value, size_t digits)
{
    unsigned sum = 0;

    if (text->len < digits) return false;
    for (size_t i = 0; i < digits; i++) {
        unsigned digit = (unsigned)text->data[i] - '0';

        if (digit > 9) return false;
        sum = sum * 10 + digit;
    }
    *value = sum;
    return bytes_skip(text, digits);
}

static bool read_char(struct bytes *text, char c)
{
    return text->len > 0 && text->data[0] == (uint8_t)c && bytes_skip(text, 1);
}

static bool read_zone(struct bytes *text, int64_t *offset)
{
    unsigned hours, minutes;
    int64_t sign = 1;

    *offset = 0;
    if (read_char(text, 'Z') || read_char(text, 'z')) return text->len == 0;
    if (read_char(text, '-')) {
        sign = -1;
    } else if (!read_char(text, '+')) {
        return false;
    }
    if (!read_digits(text, &hours, 2) || !read_char(text, ':') ||
        !read_digits(text, &minutes, 2) || hours > 23 || minutes > 59) {
        return false;
    }
    *offset = sign * (int64_t)(hours * 3600 + minutes * 60);
    return text->len == 0;
}

bool text_parse_time(int64_t *seconds, struct bytes text)
{
    static const unsigned days_in[] = {31, 29, 31, 30, 31, 30,
                                       31, 31, 30, 31, 30, 31};
    unsigned year, month, day, hour = 0, minute = 0, second = 0, fraction;
    int64_t offset = 0;

    if (!read_digits(&text, &year, 4) || !read_char(&text, '-') ||
        !read_digits(&text, &month, 2) || !read_char(&text, '-') ||
        !read_digits(&text, &day, 2) || month < 1 || month > 12 || day < 1 ||
        day > days_in[month - 1]) {
        return false;
    }
    if (month == 2 && day == 29 &&
        (year % 4 != 0 || (year % 100 == 0 && year % 400 != 0))) {
        return false;
    }
    if (text.len > 0) {
        if (!read_char(&text, 'T') && !read_char(&text, 't') &&
            !read_char(&text, ' ')) {
            return false;
        }
        if (!read_digits(&text, &hour, 2) || !read_char(&text, ':') ||
            !read_digits(&text, &minute, 2) || !read_char(&text, ':') ||
            !read_digits(&text, &second, 2) || hour > 23 || minute > 59 ||
            second > 60) {
            return false;
        }
        if (read_char(&text, '.')) {
            if (!read_digits(&text, &fraction, 1)) return false;
            while (read_digits(&text, &fraction, 1)) {
            }
        }
        if (!read_zone(&text, &offset)) return false;
    }
    *seconds = text_days_from_civil(year, month, day) * 86400 +
               (int64_t)(hour * 3600 + minute * 60 + second) - offset;
    return true;
}

bool text_utf8_next(struct bytes *text, uint32_t *character)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    uint32_t c;
    size_t len;

    if (text->len == 0) return false;
    c = text->data[0];
    if (c < 0x80) {
        len = 1;
    } else if (c >= 0xc2 && c < 0xe0) {
        len = 2;
        c &= 0x1f;
    } else if (c >= 0xe0 && c < 0xf0) {
        len = 3;
        c &= 0x0f;
    } else if (c >= 0xf0 && c < 0xf5) {
        len = 4;
        c &= 0x07;
    } else {
        return false;
    }
    if (len > text->len) return false;
    for (size_t i = 1; i < len; i++) {
        if ((text->data[i] & 0xc0) != 0x80) return false;
        c = c << 6 | (text->data[i] & 0x3f);
    }
    if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) {
        return false;
    }
    *character = c;
    return bytes_skip(text, len);
}

void text_utf8_append(struct buffer *out, uint32_t c)
{
    if (c < 0x80) {
        buffer_append_byte(out, (uint8_t)c);
    } else if (c < 0x800) {
        buffer_append_byte(out, (uint8_t)(0xc0 | c >> 6));
        buffer_append_byte(out, (uint8_t)(0x80 | (c & 0x3f)));
    } else if (c < 0x10000) {
        buffer_append_byte(out, (uint8_t)(0xe0 | c >> 12));
        buffer_append_byte(out, (uint8_t)(0x80 | (c >> 6 & 0x3f)));
        buffer_append_byte(out, (uint8_t)(0x80 | (c & 0x3f)));
    } else {
        buffer_append_byte(out, (uint8_t)(0xf0 | c >> 18));
        buffer_append_byte(out, (uint8_t)(0x80 | (c >> 12 & 0x3f)));
        buffer_append_byte(out, (uint8_t)(0x80 | (c >> 6 & 0x3f)));
        buffer_append_byte(out, (uint8_t)(0x80 | (c & 0x3f)));
    }
}
