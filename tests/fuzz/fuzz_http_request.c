// fuzz_http_request.c - pipelined requests, whole and in pieces; and the small
// texts inside them.

#include <assert.h>
#include <stdlib.h>

#include "index/net/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// Uses all that a request offers, as the server does.
static void look_inside(const struct http_request *request, struct buffer *out)
{
    struct bytes authority, path, query, name, value;
    int64_t seconds;
    uint64_t ms;

    buffer_append(out, request->method);
    buffer_append(out, request->host);
    if (http_target_split(request->target, &authority, &path, &query)) {
        buffer_append(out, path);
        while (http_query_next(&query, &name, &value)) {
            http_percent_decode_loosely(out, name, true);
            if (!http_percent_decode(out, value, false)) {
                buffer_append_byte(out, '%');
            }
        }
    }
    if (http_field_find(request->fields, "if-none-match", &value)) {
        buffer_append(out, value);
        if (http_parse_date(&seconds, value)) {
            buffer_append_uint(out, (uint64_t)seconds, 8);
        }
        if (http_parse_retry_after(&ms, value, 1700000000)) {
            buffer_append_uint(out, ms, 8);
        }
    }
    buffer_append_byte(out, (uint8_t)http_list_has(request->fields, "accept",
                                                   "application/json"));
    buffer_append_byte(out, (uint8_t)request->keep_alive);
    buffer_append_byte(out, (uint8_t)request->expects_continue);
}

static enum http_progress read_some(struct http_request *request,
                                    struct bytes *in, bool *in_body,
                                    struct buffer *out)
{
    enum http_progress progress;
    struct bytes part;
    struct err err = {0};

    for (;;) {
        if (!*in_body) {
            progress = http_request_head(request, in, &err);
            if (progress != HTTP_PART) return progress;
            look_inside(request, out);
            *in_body = true;
        }
        while ((progress = http_body_read(&request->body, in, &part, &err)) ==
               HTTP_PART) {
            assert(part.len > 0);
            buffer_append(out, part);
        }
        if (progress != HTTP_END) return progress;
        http_request_reset(request);
        *in_body = false;
    }
}

static enum http_progress read_in_pieces(struct bytes wire, size_t piece,
                                         struct buffer *out)
{
    struct http_request request = {0};
    enum http_progress last = HTTP_MORE;
    bool in_body = false;

    while (last == HTTP_MORE && wire.len > 0) {
        size_t len = wire.len < piece ? wire.len : piece;
        uint8_t *copy = malloc(len);
        struct bytes in;

        if (copy == NULL) break;
        memcpy(copy, wire.data, len);
        in = bytes_of(copy, len);
        last = read_some(&request, &in, &in_body, out);
        assert(last != HTTP_MORE || in.len == 0);
        assert(last != HTTP_BROKEN || in_body || request.refusal >= 400);
        (void)bytes_skip(&wire, len);
        free(copy);
    }
    http_request_cleanup(&request);
    return last;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buffer whole = {0}, pieces = {0};
    struct bytes wire;
    enum http_progress last;

    if (size < 1) return 0;
    wire = bytes_of(data + 1, size - 1);
    last = read_in_pieces(wire, SIZE_MAX, &whole);
    assert(read_in_pieces(wire, (size_t)data[0] + 1, &pieces) == last);
    assert(bytes_equal(buffer_bytes(&whole), buffer_bytes(&pieces)));
    buffer_cleanup(&whole);
    buffer_cleanup(&pieces);
    return 0;
}
