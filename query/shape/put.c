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

void put_text(struct buffer *out, const char *text)
{
    json_append_string(out, bytes_from_text(text));
}

void put_hex(struct buffer *out, struct bytes bytes)
{
    if (!buffer_reserve(out, 2 * bytes.len + 2)) return;
    out->data[out->len++] = '"';
    text_append_hex(out, bytes);
    out->data[out->len++] = '"';
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
    text_append_uint(out, value);
}

// A time that nobody can write is null.
static void put_time_text(struct buffer *out, const char *text, size_t len)
{
    uint8_t *to;

    if (len == 0) {
        buffer_append_text(out, "null");
        return;
    }
    if (!buffer_reserve(out, TEXT_TIME_LEN_MAX + 2)) return;
    to = out->data + out->len;
    to[0] = '"';
    memcpy(to + 1, text, TEXT_TIME_LEN_MAX);
    to[1 + len] = '"';
    out->len += len + 2;
}

void put_time(struct buffer *out, int64_t seconds)
{
    char text[TEXT_TIME_LEN_MAX] = "";
    size_t len =
        seconds == CERT_TIME_UNREADABLE ? 0 : text_put_time(text, seconds);

    put_time_text(out, text, len);
}

void put_time_ms(struct buffer *out, uint64_t ms)
{
    char text[TEXT_TIME_LEN_MAX] = "";

    put_time_text(out, text, text_put_time_ms(text, ms));
}

// What reads back as it is, unless it is no text at all: a question as it was
// asked, a sentence that is escaped already.
void put_verbatim(struct buffer *out, struct bytes text)
{
    if (!json_append_verbatim(out, text)) json_append_string(out, text);
}
