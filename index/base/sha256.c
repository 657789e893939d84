// sha256.c - see sha256.h.
//
// A stream cuts one message into blocks: whole ones where they stand, and what
// lies across pieces or ends the message in a buffer of its own.  Streams that
// have a block are taken on side by side; one that ends makes room for the
// next message.

#include "index/base/sha256.h"

#include <endian.h>

#include "index/base/sha256_lanes.h"

enum { LENGTH_LEN = 8, PADDING_FIRST = 0x80 };

struct stream {
    struct sha256_lane lane;
    size_t num_blocks; // at lane.next
    const struct sha256_message *message;
    size_t next_piece;
    struct bytes rest; // of the piece at hand
    uint64_t len;      // of all pieces taken up
    bool ended;        // the padding is in the last blocks
    uint8_t buffer[2 * SHA256_BLOCK_LEN];
};

// Takes up pieces until one has bytes left; false at the end of the message.
static bool find_bytes(struct stream *stream)
{
    while (stream->rest.len == 0) {
        if (stream->next_piece == stream->message->num_pieces) return false;
        stream->rest = stream->message->pieces[stream->next_piece++];
        stream->len += stream->rest.len;
    }
    return true;
}

static void pad(struct stream *stream, size_t fill)
{
    size_t num = fill + 1 + LENGTH_LEN <= SHA256_BLOCK_LEN ? 1 : 2;
    size_t length_at = num * SHA256_BLOCK_LEN - LENGTH_LEN;
    uint64_t bits = htobe64(stream->len * 8);

    stream->buffer[fill++] = PADDING_FIRST;
    memset(stream->buffer + fill, 0, length_at - fill);
    memcpy(stream->buffer + length_at, &bits, LENGTH_LEN);
    stream->num_blocks = num;
    stream->ended = true;
}

// Makes the next blocks ready; false when there are no more.
static bool stream_next(struct stream *stream)
{
    size_t fill = 0;

    if (stream->ended) return false;
    stream->lane.next = stream->buffer;
    while (find_bytes(stream)) {
        size_t len = SHA256_BLOCK_LEN - fill;

        if (fill == 0 && stream->rest.len >= SHA256_BLOCK_LEN) {
            stream->lane.next = stream->rest.data;
            stream->num_blocks = stream->rest.len / SHA256_BLOCK_LEN;
            return bytes_skip(&stream->rest,
                              stream->num_blocks * SHA256_BLOCK_LEN);
        }
        if (len > stream->rest.len) len = stream->rest.len;
        memcpy(stream->buffer + fill, stream->rest.data, len);
        (void)bytes_skip(&stream->rest, len);
        fill += len;
        if (fill == SHA256_BLOCK_LEN) {
            stream->num_blocks = 1;
            return true;
        }
    }
    pad(stream, fill);
    return true;
}

static void stream_begin(struct stream *stream,
                         const struct sha256_message *message)
{
    static const uint32_t first[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372,
                                      0xa54ff53a, 0x510e527f, 0x9b05688c,
                                      0x1f83d9ab, 0x5be0cd19};

    memcpy(stream->lane.state, first, sizeof first);
    stream->message = message;
    stream->next_piece = 0;
    stream->rest = (struct bytes){0};
    stream->len = 0;
    stream->ended = false;
    (void)stream_next(stream);
}

static void stream_end(const struct stream *stream)
{
    uint32_t words[8];

    for (size_t i = 0; i < COUNT_OF(words); i++) {
        words[i] = htobe32(stream->lane.state[i]);
    }
    memcpy(stream->message->out->bytes, words, SHA256_LEN);
}

static void hash_side_by_side(const struct sha256_message *messages, size_t num)
{
    struct stream memory[SHA256_LANES_MAX], *streams[SHA256_LANES_MAX];
    struct sha256_lane *lanes[SHA256_LANES_MAX];
    size_t num_streams = 0, begun = 0;

    for (size_t i = 0; i < SHA256_LANES_MAX; i++) {
        streams[i] = &memory[i];
    }
    for (;;) {
        size_t num_blocks = SIZE_MAX;

        while (num_streams < SHA256_LANES_MAX && begun < num) {
            stream_begin(streams[num_streams++], &messages[begun++]);
        }
        if (num_streams == 0) return;
        for (size_t i = 0; i < num_streams; i++) {
            lanes[i] = &streams[i]->lane;
            if (streams[i]->num_blocks < num_blocks) {
                num_blocks = streams[i]->num_blocks;
            }
        }
        sha256_lanes_compress(lanes, num_streams, num_blocks);
        for (size_t i = num_streams; i > 0; i--) {
            struct stream *stream = streams[i - 1];

            stream->num_blocks -= num_blocks;
            if (stream->num_blocks > 0 || stream_next(stream)) continue;
            stream_end(stream);
            streams[i - 1] = streams[--num_streams];
            streams[num_streams] = stream;
        }
    }
}

void sha256_each(const struct sha256_message *messages, size_t num)
{
    for (size_t i = 0; i < num; i++) {
        SHA256_CTX context;

        SHA256_Init(&context);
        for (size_t k = 0; k < messages[i].num_pieces; k++) {
            SHA256_Update(&context, messages[i].pieces[k].data,
                          messages[i].pieces[k].len);
        }
        SHA256_Final(messages[i].out->bytes, &context);
    }
}

void sha256_many(const struct sha256_message *messages, size_t num)
{
    if (num > 1 && sha256_lanes_has()) {
        hash_side_by_side(messages, num);
    } else {
        sha256_each(messages, num);
    }
}
