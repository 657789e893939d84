// segment_shared.c - see segment_shared.h.

#include "index/store/segment_shared.h"

#include <stdlib.h>

enum { FRAME_BITS = 6 };
_Static_assert(1 << FRAME_BITS == SEGMENT_FRAMES, "frames");

bool segment_shared_new(struct segment_shared **out, struct err *err)
{
    struct segment_shared *shared = calloc(1, sizeof *shared);

    if (shared == NULL) return err_set(err, ERR_MEMORY, "index: no memory");
    if (!zstd_codec_new(&shared->codec, err)) {
        segment_shared_free(shared);
        return false;
    }
    *out = shared;
    return true;
}

void segment_shared_free(struct segment_shared *shared)
{
    if (shared == NULL) return;
    zstd_codec_free(shared->codec);
    for (size_t i = 0; i < SEGMENT_FRAMES; i++) {
        buffer_cleanup(&shared->frames[i].plain);
    }
    buffer_cleanup(&shared->body);
    free(shared);
}

static struct segment_frame *slot_of(struct segment_shared *shared,
                                     const uint8_t *at)
{
    uint64_t hash = (uint64_t)(uintptr_t)at * UINT64_C(0x9e3779b97f4a7c15);

    return &shared->frames[hash >> (64 - FRAME_BITS)];
}

bool segment_shared_unpack(struct segment_shared *shared,
                           const struct segment *segment,
                           const struct zstd_dictionary *dictionary,
                           const uint8_t *at, const struct frame *frame,
                           struct bytes *plain, struct err *err)
{
    struct segment_frame *slot = slot_of(shared, at);

    if (slot->segment != segment || slot->at != at ||
        slot->packed_len != frame->packed.len ||
        slot->plain.len != frame->plain_len) {
        slot->segment = NULL;
        if (slot->plain.size > SEGMENT_FRAME_KEPT_MAX) {
            buffer_cleanup(&slot->plain);
        }
        buffer_reset(&slot->plain);
        if (!buffer_reserve(&slot->plain, frame->plain_len)) {
            buffer_cleanup(&slot->plain);
            return err_set(err, ERR_MEMORY, "no memory");
        }
        if (!zstd_decompress(shared->codec, dictionary, frame->packed,
                             slot->plain.data, frame->plain_len, err)) {
            return false;
        }
        slot->plain.len = frame->plain_len;
        slot->at = at;
        slot->packed_len = frame->packed.len;
        slot->segment = segment;
    }
    *plain = buffer_bytes(&slot->plain);
    return true;
}

void segment_shared_drop(struct segment_shared *shared,
                         const struct segment *segment)
{
    for (size_t i = 0; i < SEGMENT_FRAMES; i++) {
        if (shared->frames[i].segment == segment) {
            shared->frames[i].segment = NULL;
        }
    }
}
