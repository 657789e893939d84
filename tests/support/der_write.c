// der_write.c - see der_write.h.

#include "tests/support/der_write.h"

#include <assert.h>
#include <stdio.h>
#include <time.h>

size_t der_open(struct buffer *out, unsigned tag)
{
    buffer_append_byte(out, (uint8_t)tag);
    buffer_append_byte(out, 0); // der_close knows the length
    return out->len;
}

void der_close(struct buffer *out, size_t mark)
{
    size_t len = out->len - mark;
    size_t width = len < 0x80 ? 0 : len < 0x100 ? 1 : len < 0x10000 ? 2 : 3;

    if (out->failed) return;
    assert(len < 0x1000000);
    if (width == 0) {
        out->data[mark - 1] = (uint8_t)len;
        return;
    }
    if (!buffer_reserve(out, width)) return;
    memmove(out->data + mark + width, out->data + mark, len);
    out->data[mark - 1] = (uint8_t)(0x80 | width);
    bytes_put_uint(out->data + mark, len, width);
    out->len += width;
}

void der_put(struct buffer *out, unsigned tag, struct bytes content)
{
    size_t mark = der_open(out, tag);

    buffer_append(out, content);
    der_close(out, mark);
}

void der_put_text(struct buffer *out, unsigned tag, const char *text)
{
    der_put(out, tag, bytes_from_text(text));
}

void der_put_unsigned(struct buffer *out, struct bytes magnitude)
{
    size_t mark = der_open(out, DER_INTEGER);

    while (magnitude.len > 1 && magnitude.data[0] == 0) {
        (void)bytes_skip(&magnitude, 1);
    }
    if (magnitude.len == 0 || magnitude.data[0] >= 0x80) {
        buffer_append_byte(out, 0);
    }
    buffer_append(out, magnitude);
    der_close(out, mark);
}

void der_put_small(struct buffer *out, uint64_t value)
{
    uint8_t magnitude[8];

    bytes_put_uint(magnitude, value, sizeof magnitude);
    der_put_unsigned(out, bytes_of(magnitude, sizeof magnitude));
}

void der_put_true(struct buffer *out)
{
    der_put(out, DER_BOOLEAN, bytes_of("\xff", 1));
}

void der_put_bits(struct buffer *out, struct bytes content)
{
    size_t mark = der_open(out, DER_BIT_STRING);

    buffer_append_byte(out, 0); // no unused bits
    buffer_append(out, content);
    der_close(out, mark);
}

void der_put_time(struct buffer *out, int64_t seconds)
{
    time_t when = (time_t)seconds;
    struct tm tm;
    char text[64];
    int year;

    if (gmtime_r(&when, &tm) == NULL) tm = (struct tm){0};
    year = tm.tm_year + 1900;
    if (year >= 1950 && year < 2050) {
        (void)snprintf(text, sizeof text, "%02d%02d%02d%02d%02d%02dZ",
                       year % 100, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
                       tm.tm_min, tm.tm_sec);
        der_put_text(out, DER_UTC_TIME, text);
    } else {
        (void)snprintf(text, sizeof text, "%04d%02d%02d%02d%02d%02dZ", year,
                       tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
                       tm.tm_sec);
        der_put_text(out, DER_GENERALIZED_TIME, text);
    }
}
