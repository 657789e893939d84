// segment_shared.h - what the readers of one thread have together: a codec,
// the frames that were decompressed last, room for one record.
//
// Readers are many in an index that was not compacted yet, and a codec alone
// takes more memory than all else that a reader needs.
//
// Thread    one at a time.
// Limit     SEGMENT_FRAMES frames of up to SEGMENT_FRAME_KEPT_MAX bytes.

#pragma once

#include "index/store/frame.h"

enum { SEGMENT_FRAMES = 64, SEGMENT_FRAME_KEPT_MAX = 32 * 1024 };

struct segment;

struct segment_frame {
    const struct segment *segment; // that it is of; NULL: none
    const uint8_t *at;             // where it lies
    size_t packed_len;
    struct buffer plain;
};

struct segment_shared {
    struct zstd_codec *codec;
    struct segment_frame frames[SEGMENT_FRAMES];
    struct buffer body; // of the record that was read last
};

MUST_USE bool segment_shared_new(struct segment_shared **out, struct err *err);
void segment_shared_free(struct segment_shared *shared);

// segment_shared_unpack decompresses a frame of `segment`, which was checked
// and lies at `at` in the file's mapping, wherever it was read; `plain` is good
// until the next call.
MUST_USE bool segment_shared_unpack(struct segment_shared *shared,
                                    const struct segment *segment,
                                    const struct zstd_dictionary *dictionary,
                                    const uint8_t *at,
                                    const struct frame *frame,
                                    struct bytes *plain, struct err *err);

// segment_shared_drop forgets the frames of a segment that may be closed: where
// they lie something else may lie then.
void segment_shared_drop(struct segment_shared *shared,
                         const struct segment *segment);
