// der.c - see der.h.

#include "index/entry/der.h"

#include "index/base/text.h"

enum { HIGH_NUMBER_OCTETS_MAX = 8 };

// Reads the length octets; `indefinite` for 0x80.
static bool read_length(struct bytes *view, struct der_header *out)
{
    uint64_t first, octet;

    if (!bytes_read_uint(view, &first, 1)) return false;
    if (first < 0x80) {
        out->content_len = first;
        return true;
    }
    out->indefinite = first == 0x80;
    for (uint64_t i = first & 0x7f; i > 0; i--) {
        if (out->content_len >> 56 != 0) return false;
        if (!bytes_read_uint(view, &octet, 1)) return false;
        out->content_len = out->content_len << 8 | octet;
    }
    return true;
}

bool der_read_header(struct bytes view, struct der_header *out)
{
    struct bytes rest = view;
    uint64_t octet;

    *out = (struct der_header){0};
    if (!bytes_read_uint(&rest, &octet, 1)) return false;
    out->tag = (uint8_t)octet;
    if (der_number(out->tag) == DER_NUMBER_HIGH) {
        size_t octets = 0;

        do {
            if (++octets > HIGH_NUMBER_OCTETS_MAX) return false;
            if (!bytes_read_uint(&rest, &octet, 1)) return false;
        } while ((octet & 0x80) != 0);
    }
    if (!read_length(&rest, out)) return false;
    out->header_len = view.len - rest.len;
    return true;
}

// Takes what stands before the end-of-contents that closes an indefinite
// length, and that.  Elements of definite length are stepped over whole.
static bool read_indefinite(struct bytes *view, struct bytes *content)
{
    const uint8_t *start = view->data;
    struct bytes rest = *view;
    size_t depth = 1;

    while (depth > 0) {
        struct der_header header;

        if (!der_read_header(rest, &header)) return false;
        (void)bytes_skip(&rest, header.header_len);
        if (header.indefinite) {
            if ((header.tag & DER_CONSTRUCTED) == 0) return false;
            depth++;
        } else if (header.tag == 0 && header.content_len == 0) {
            depth--;
            *content = bytes_of(start, (size_t)(rest.data - start) -
                                           header.header_len);
        } else {
            if (header.content_len > rest.len) return false;
            (void)bytes_skip(&rest, (size_t)header.content_len);
        }
    }
    *view = rest;
    return true;
}

bool der_read_slow(struct bytes *view, struct der *out)
{
    struct der_header header;
    struct bytes rest = *view, content;

    if (!der_read_header(rest, &header)) return false;
    (void)bytes_skip(&rest, header.header_len);
    if (header.indefinite) {
        if ((header.tag & DER_CONSTRUCTED) == 0) return false;
        if (!read_indefinite(&rest, &content)) return false;
    } else {
        if (header.content_len > rest.len) return false;
        (void)bytes_read_take(&rest, &content, (size_t)header.content_len);
    }
    out->tag = header.tag;
    out->content = content;
    out->whole = bytes_of(view->data, view->len - rest.len);
    *view = rest;
    return true;
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static bool take_number(struct bytes *text, unsigned *value, size_t digits)
{
    unsigned sum = 0;

    if (text->len < digits) return false;
    for (size_t i = 0; i < digits; i++) {
        if (!is_digit(text->data[i])) return false;
        sum = sum * 10 + (unsigned)(text->data[i] - '0');
    }
    *value = sum;
    return bytes_skip(text, digits);
}

// Reads Z, +hhmm, -hhmm or nothing.
static bool take_zone(struct bytes text, int64_t *offset)
{
    unsigned hours, minutes;
    bool east;

    *offset = 0;
    if (text.len == 0) return true;
    if (text.data[0] == 'Z' || text.data[0] == 'z') return text.len == 1;
    east = text.data[0] == '+';
    if (!east && text.data[0] != '-') return false;
    (void)bytes_skip(&text, 1);
    if (!take_number(&text, &hours, 2) || !take_number(&text, &minutes, 2) ||
        text.len != 0 || hours > 23 || minutes > 59) {
        return false;
    }
    *offset = (int64_t)(hours * 3600 + minutes * 60) * (east ? 1 : -1);
    return true;
}

// RFC 5280 section 4.1.2.5.1.
static unsigned year_of_two_digits(unsigned year)
{
    return year + (year >= 50 ? 1900 : 2000);
}

static bool count_days(unsigned year, unsigned month, unsigned day,
                       int64_t *days)
{
    static const unsigned days_in[] = {31, 29, 31, 30, 31, 30,
                                       31, 31, 30, 31, 30, 31};

    if (month < 1 || month > 12 || day < 1 || day > days_in[month - 1]) {
        return false;
    }
    if (month == 2 && day == 29 &&
        (year % 4 != 0 || (year % 100 == 0 && year % 400 != 0))) {
        return false;
    }
    *days = text_days_from_civil(year, month, day);
    return true;
}

static bool take_date(struct bytes *text, size_t year_digits, int64_t *days)
{
    unsigned year, month, day;

    if (!take_number(text, &year, year_digits) ||
        !take_number(text, &month, 2) || !take_number(text, &day, 2)) {
        return false;
    }
    if (year_digits == 2) year = year_of_two_digits(year);
    return count_days(year, month, day, days);
}

static bool parse_time_form(struct bytes text, size_t year_digits,
                            int64_t *seconds)
{
    unsigned hour, minute = 0, second = 0;
    int64_t days, offset;

    if (!take_date(&text, year_digits, &days)) return false;
    if (!take_number(&text, &hour, 2)) return false;
    if (text.len > 0 && is_digit(text.data[0]) &&
        !take_number(&text, &minute, 2)) {
        return false;
    }
    if (text.len > 0 && is_digit(text.data[0]) &&
        !take_number(&text, &second, 2)) {
        return false;
    }
    if (hour > 23 || minute > 59 || second > 60) return false;
    if (text.len > 1 && (text.data[0] == '.' || text.data[0] == ',')) {
        (void)bytes_skip(&text, 1);
        while (text.len > 0 && is_digit(text.data[0])) {
            (void)bytes_skip(&text, 1);
        }
    }
    if (!take_zone(text, &offset)) return false;
    *seconds =
        days * 86400 + (int64_t)(hour * 3600 + minute * 60 + second) - offset;
    return true;
}

static unsigned two_digits(const uint8_t *text, bool *ok)
{
    unsigned tens = (unsigned)text[0] - '0', ones = (unsigned)text[1] - '0';

    *ok = *ok && tens <= 9 && ones <= 9;
    return tens * 10 + ones;
}

// The one form that RFC 5280 allows: to the second, in UTC.
static bool parse_usual_time(uint8_t tag, struct bytes text, int64_t *seconds)
{
    const uint8_t *at = text.data;
    unsigned year, month, day, hour, minute, second;
    bool ok = true;
    int64_t days;

    if (text.len == sizeof "YYYYMMDDHHMMSSZ" - 1) {
        year = 100 * two_digits(at, &ok) + two_digits(at + 2, &ok);
        at += 4;
    } else if (text.len == sizeof "YYMMDDHHMMSSZ" - 1 &&
               der_number(tag) == DER_UTC_TIME) {
        year = year_of_two_digits(two_digits(at, &ok));
        at += 2;
    } else {
        return false;
    }
    month = two_digits(at, &ok);
    day = two_digits(at + 2, &ok);
    hour = two_digits(at + 4, &ok);
    minute = two_digits(at + 6, &ok);
    second = two_digits(at + 8, &ok);
    if (!ok || at[10] != 'Z' || hour > 23 || minute > 59 || second > 60 ||
        !count_days(year, month, day, &days)) {
        return false;
    }
    *seconds = days * 86400 + (int64_t)(hour * 3600 + minute * 60 + second);
    return true;
}

bool der_parse_time(uint8_t tag, struct bytes text, int64_t *seconds)
{
    size_t digits = 0;

    if (parse_usual_time(tag, text, seconds)) return true;
    while (digits < text.len && is_digit(text.data[digits])) {
        digits++;
    }
    // Fourteen digits are no UTCTime, whatever the tag says.
    return parse_time_form(
        text, der_number(tag) == DER_UTC_TIME && digits < 14 ? 2 : 4, seconds);
}

// Takes one arc of an OID; false at its end, when cut or over 64 bits.
static bool take_arc(struct bytes *oid, uint64_t *arc)
{
    uint64_t sum = 0, octet;

    do {
        if (sum >> 57 != 0 || !bytes_read_uint(oid, &octet, 1)) return false;
        sum = sum << 7 | (octet & 0x7f);
    } while ((octet & 0x80) != 0);
    *arc = sum;
    return true;
}

// Writes a dot and a number behind what is there; 0: there is no room.
static size_t write_arc(char out[DER_OID_TEXT_MAX], size_t used, uint64_t arc)
{
    char digits[20];
    size_t at = sizeof digits, len;

    do {
        digits[--at] = (char)('0' + arc % 10);
        arc /= 10;
    } while (arc != 0);
    len = sizeof digits - at;
    if (used + 1 + len >= DER_OID_TEXT_MAX) return 0;
    out[used] = '.';
    memcpy(out + used + 1, digits + at, len);
    out[used + 1 + len] = '\0';
    return used + 1 + len;
}

static bool write_oid(char out[DER_OID_TEXT_MAX], struct bytes oid)
{
    uint64_t arc, root;
    size_t used;

    if (!take_arc(&oid, &arc)) return false;
    root = arc < 80 ? arc / 40 : 2;
    out[0] = (char)('0' + root);
    used = write_arc(out, 1, arc - root * 40);
    while (used != 0 && oid.len > 0) {
        if (!take_arc(&oid, &arc)) return false;
        used = write_arc(out, used, arc);
    }
    return used != 0;
}

char *der_oid_text(char out[DER_OID_TEXT_MAX], struct bytes oid)
{
    static const char digits[] = "0123456789abcdef";
    size_t used = 0;

    if (write_oid(out, oid)) return out;
    out[used++] = '#';
    for (size_t i = 0; i < oid.len && used + 3 <= DER_OID_TEXT_MAX; i++) {
        out[used++] = digits[oid.data[i] >> 4];
        out[used++] = digits[oid.data[i] & 15];
    }
    out[used] = '\0';
    return out;
}

size_t der_put_header(uint8_t out[DER_HEADER_MAX], uint8_t tag, size_t len)
{
    size_t octets = 0;

    out[0] = tag;
    if (len < 0x80) {
        out[1] = (uint8_t)len;
        return 2;
    }
    for (size_t rest = len; rest > 0; rest >>= 8) {
        octets++;
    }
    out[1] = (uint8_t)(0x80 | octets);
    bytes_put_uint(out + 2, len, octets);
    return 2 + octets;
}
