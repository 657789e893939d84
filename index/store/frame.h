// frame.h - a few records of a segment together: their texts compressed as
// one, what does not compress beside it.
//
//   num          varint, records
//   plain_len    varint
//   packed_len   varint
//   raw_len      varint, of all records
//   packed       zstd of: numbers of templates, lengths of raw, lengths of
//                texts, each a column of varints; texts
//   raws
//
// Result    pure.  Damage is "no".

#pragma once

#include "index/store/zstd.h"

enum {
    // Twice as many are 2 bytes a record smaller and are read 0.4 us later.
    FRAME_RECORDS_MAX = 8,
    FRAME_READ_MAX = 64,   // records of a frame that is read
    FRAME_HEAD_LEN = 8,    // about what is before `packed`
    FRAME_COLUMNS_LEN = 6, // of a record in the columns, about
    FRAME_PLAIN_MAX = 256 * 1024 * 1024,
};

// A frame that is being made; valid as {0}.
struct frame_builder {
    size_t num;
    uint32_t numbers[FRAME_RECORDS_MAX];
    size_t text_lens[FRAME_RECORDS_MAX], raw_lens[FRAME_RECORDS_MAX];
    struct buffer texts, raws;
    struct buffer plain, packed;
};

// frame_add takes a record; there are fewer than FRAME_RECORDS_MAX.  Look at
// buffer_ok of texts and raws.
void frame_add(struct frame_builder *builder, uint32_t number,
               struct bytes text, struct bytes raw);

// frame_append appends the frame of the first `num` records and gives how long
// texts and columns were before they were compressed.
MUST_USE bool frame_append(struct frame_builder *builder, size_t num,
                           struct zstd_codec *codec,
                           const struct zstd_dictionary *dictionary,
                           struct buffer *out, size_t *plain_len,
                           struct err *err);

// frame_drop forgets the first `num` records.
void frame_drop(struct frame_builder *builder, size_t num);
void frame_cleanup(struct frame_builder *builder);

// A frame that is read.
struct frame {
    size_t num, plain_len;
    struct bytes packed, raws;
};

// frame_read takes a frame off the front.
MUST_USE bool frame_read(struct frame *frame, struct bytes *view);

// frame_record finds the record at `at` in a frame whose `packed` was
// decompressed.
MUST_USE bool frame_record(const struct frame *frame, struct bytes plain,
                           size_t at, uint32_t *number, struct bytes *text,
                           struct bytes *raw);
