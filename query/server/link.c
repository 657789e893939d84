// link.c - see link.h.

#include "query/server/link.h"

#include "index/net/http_text.h"

// What a URL may hold as it stands; the rest is escaped, so nothing that a
// client sent can end the reference or the line.
static bool is_plain(uint8_t byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') ||
           (byte != '\0' && strchr("-._~!$'()*+,=:@/?%", byte) != NULL);
}

static void append_part(struct buffer *out, struct bytes part)
{
    for (size_t i = 0; i < part.len; i++) {
        if (is_plain(part.data[i])) {
            buffer_append_byte(out, part.data[i]);
        } else {
            buffer_printf(out, "%%%02X", part.data[i]);
        }
    }
}

void link_add_next(struct reply *reply, struct bytes query, const char *after)
{
    struct buffer *out = &reply->fields;
    struct bytes name, value;

    buffer_append_text(out, "Link: <?");
    while (http_query_next(&query, &name, &value)) {
        if (http_equal(name, "after")) continue;
        append_part(out, name);
        buffer_append_byte(out, '=');
        append_part(out, value);
        buffer_append_byte(out, '&');
    }
    buffer_append_text(out, "after=");
    buffer_append_text(out, after);
    buffer_append_text(out, ">; rel=\"next\"\r\n");
}
