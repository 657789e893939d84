// put.c - see put.h.

#include "query/shape/put.h"

#include "index/base/json.h"
#include "index/base/text.h"
#include "index/entry/cert.h"

void row_next(struct row *row)
{
    if (row->any) buffer_append_byte(row->out, ',');
    row->any = true;
}

void row_member(struct row *row, const char *name)
{
    row_next(row);
    buffer_append_byte(row->out, '"');
    buffer_append_text(row->out, name);
    buffer_append_text(row->out, "\":");
}

void put_text(struct buffer *out, const char *text)
{
    json_append_string(out, bytes_from_text(text));
}

void put_hex(struct buffer *out, struct bytes bytes)
{
    buffer_append_byte(out, '"');
    text_append_hex(out, bytes);
    buffer_append_byte(out, '"');
}

void put_base64(struct buffer *out, struct bytes bytes)
{
    buffer_append_byte(out, '"');
    text_append_base64(out, bytes);
    buffer_append_byte(out, '"');
}

void put_hash(struct buffer *out, bool has, const struct sha256_hash *hash)
{
    if (has) {
        put_hex(out, sha256_bytes(hash));
    } else {
        buffer_append_text(out, "null");
    }
}

void put_bool(struct buffer *out, bool value)
{
    buffer_append_text(out, value ? "true" : "false");
}

void put_uint(struct buffer *out, uint64_t value)
{
    char digits[20];
    size_t at = sizeof digits;

    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    buffer_append(out, bytes_of(digits + at, sizeof digits - at));
}

// A time that nobody can write is null.
static void put_time_text(struct buffer *out, const char *text)
{
    if (text[0] == '\0') {
        buffer_append_text(out, "null");
    } else {
        put_text(out, text);
    }
}

void put_time(struct buffer *out, int64_t seconds)
{
    char text[TEXT_TIME_LEN_MAX] = "";

    if (seconds != CERT_TIME_UNREADABLE) (void)text_time_utc(text, seconds);
    put_time_text(out, text);
}

void put_time_ms(struct buffer *out, uint64_t ms)
{
    char text[TEXT_TIME_LEN_MAX];

    put_time_text(out, text_time_utc_ms(text, ms));
}

// What reads back as it is, unless it is no text at all: a question as it was
// asked, a sentence that is escaped already.
void put_verbatim(struct buffer *out, struct bytes text)
{
    if (!json_append_verbatim(out, text)) json_append_string(out, text);
}
