// template_derive.c - what follows from other facts; see template_parts.h.

#include "index/entry/cert.h"
#include "index/entry/der.h"
#include "index/store/template_parts.h"

enum {
    DAY_SECONDS = 24 * 60 * 60,
    DAYS_TO_1970 = 719468, // from 1 March of the year 0
    ERA_DAYS = 146097,     // 400 years
};

static void put_digits(uint8_t *out, unsigned value, size_t num)
{
    for (size_t i = num; i > 0; i--) {
        out[i - 1] = (uint8_t)('0' + value % 10);
        value /= 10;
    }
}

size_t derive_date(uint8_t out[DATE_LEN_MAX], uint8_t tag, int64_t seconds)
{
    // The year begins with March, so that a leap day is its last.
    static const int64_t earliest = -INT64_C(62135596800); // year 1
    static const int64_t latest = INT64_C(253402300799);   // year 9999
    uint64_t days, era, of_era, of_year, year_of_era, month;
    unsigned year, of_day;
    size_t at = 0;

    if (seconds == CERT_TIME_UNREADABLE || seconds < earliest ||
        seconds > latest ||
        (tag != DER_UTC_TIME && tag != DER_GENERALIZED_TIME)) {
        return 0;
    }
    days = (uint64_t)(seconds + DAYS_TO_1970 * (int64_t)DAY_SECONDS);
    of_day = (unsigned)(days % DAY_SECONDS);
    days /= DAY_SECONDS;
    era = days / ERA_DAYS;
    of_era = days % ERA_DAYS;
    year_of_era =
        (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    of_year =
        of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    month = (5 * of_year + 2) / 153; // 0: March
    year = (unsigned)(era * 400 + year_of_era + (month >= 10));
    if (tag == DER_GENERALIZED_TIME) {
        put_digits(out, year / 100, 2);
        at = 2;
    } else if (year < 1950 || year >= 2050) {
        return 0;
    }
    put_digits(out + at, year % 100, 2);
    put_digits(out + at + 2, (unsigned)(month < 10 ? month + 3 : month - 9), 2);
    put_digits(out + at + 4, (unsigned)(of_year - (153 * month + 2) / 5 + 1),
               2);
    put_digits(out + at + 6, of_day / 3600, 2);
    put_digits(out + at + 8, of_day / 60 % 60, 2);
    put_digits(out + at + 10, of_day % 60, 2);
    out[at + 12] = 'Z';
    return at + 13;
}

void derive_index(uint8_t out[INDEX_EXTENSION_LEN], uint64_t index)
{
    bytes_put_uint(out, 0, 1); // leaf_index
    bytes_put_uint(out + 1, 5, 2);
    bytes_put_uint(out + 3, index, 5);
}

void derive_ski(uint8_t out[SKI_LEN], unsigned kind, struct bytes key)
{
    struct sha256_hash hash;

    if (kind == OP_SKI_1) {
        (void)SHA1(key.data, key.len, out);
        return;
    }
    hash = sha256(key);
    memcpy(out, hash.bytes, SKI_LEN);
}

bool derive_uint_split(uint8_t *out, size_t len, struct bytes content)
{
    const uint8_t *data = content.data;
    size_t magnitude = content.len;

    if (magnitude == 0 || data[0] >= 0x80) return false;
    if (magnitude > 1 && data[0] == 0) {
        if (data[1] < 0x80) return false;
        data++;
        magnitude--;
    }
    if (magnitude > len) return false;
    memset(out, 0, len - magnitude);
    memcpy(out + len - magnitude, data, magnitude);
    return true;
}

size_t derive_uint_join(uint8_t *out, const uint8_t *bytes, size_t len)
{
    size_t at = 0;

    while (len > 1 && *bytes == 0) {
        bytes++;
        len--;
    }
    if (*bytes >= 0x80) out[at++] = 0;
    memcpy(out + at, bytes, len);
    return at + len;
}
