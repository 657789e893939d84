// fuzz_http_response.c - a response, whole and in pieces, must read the same.

#include <assert.h>
#include <stdlib.h>

#include "index/net/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
    enum http_progress last;
    unsigned status;
    struct buffer body;
    size_t taken;
};

static enum http_progress read_some(struct http_response *response,
                                    struct bytes *in, struct buffer *body)
{
    enum http_progress progress;
    struct bytes part;
    struct err err = {0};

    progress = http_response_head(response, in, &err);
    if (progress != HTTP_PART) return progress;
    while ((progress = http_body_read(&response->body, in, &part, &err)) ==
           HTTP_PART) {
        assert(part.len > 0);
        buffer_append(body, part);
    }
    assert((progress == HTTP_BROKEN) == (err.text[0] != '\0'));
    return progress;
}

static struct outcome read_in_pieces(struct bytes wire, size_t piece,
                                     bool to_head)
{
    struct http_response response = {.to_head = to_head};
    struct outcome outcome = {.last = HTTP_MORE};

    while (outcome.last == HTTP_MORE && outcome.taken < wire.len) {
        size_t len = wire.len - outcome.taken;
        struct bytes in;
        uint8_t *copy;

        if (len > piece) len = piece;
        copy = malloc(len);
        if (copy == NULL) break;
        memcpy(copy, wire.data + outcome.taken, len);
        in = bytes_of(copy, len);
        outcome.last = read_some(&response, &in, &outcome.body);
        outcome.taken += len - in.len;
        assert(outcome.last != HTTP_MORE || in.len == 0);
        free(copy);
    }
    outcome.status = response.status;
    http_response_cleanup(&response);
    return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct outcome whole, pieces;
    struct bytes wire;

    if (size < 2) return 0;
    wire = bytes_of(data + 2, size - 2);
    whole = read_in_pieces(wire, SIZE_MAX, data[0] & 1);
    pieces = read_in_pieces(wire, (size_t)data[1] + 1, data[0] & 1);
    assert(whole.last == pieces.last);
    if (whole.last != HTTP_BROKEN) {
        assert(whole.status == pieces.status);
        assert(whole.taken == pieces.taken);
        assert(
            bytes_equal(buffer_bytes(&whole.body), buffer_bytes(&pieces.body)));
    }
    buffer_cleanup(&whole.body);
    buffer_cleanup(&pieces.body);
    return 0;
}
