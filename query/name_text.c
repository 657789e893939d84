// name_text.c - see name_text.h.

#include "query/name_text.h"

#include "index/base/text.h"
#include "index/entry/cert.h"

void name_text_append(struct buffer *out, struct bytes name)
{
    struct buffer plain = {0};
    struct bytes rest;

    cert_append_name_rfc4514(&plain, name);
    if (!buffer_ok(&plain)) out->failed = true;
    for (rest = buffer_bytes(&plain); rest.len > 0;) {
        size_t len = 0;

        while (len < rest.len && rest.data[len] != '\\') {
            len++;
        }
        text_append_escaped(out, bytes_of(rest.data, len));
        (void)bytes_skip(&rest, len);
        if (bytes_skip(&rest, 1)) buffer_append_byte(out, '\\');
    }
    buffer_cleanup(&plain);
}
