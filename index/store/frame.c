// frame.c - see frame.h.

#include "index/store/frame.h"

#include "index/base/varint.h"

// ------------------------------------------------------------ writing

void frame_add(struct frame_builder *builder, uint32_t number,
               struct bytes text, struct bytes raw)
{
    size_t at = builder->num++;

    builder->numbers[at] = number;
    builder->text_lens[at] = text.len;
    builder->raw_lens[at] = raw.len;
    buffer_append(&builder->texts, text);
    buffer_append(&builder->raws, raw);
}

static size_t sum(const size_t *lens, size_t num)
{
    size_t len = 0;

    for (size_t i = 0; i < num; i++) {
        len += lens[i];
    }
    return len;
}

bool frame_append(struct frame_builder *builder, size_t num,
                  struct zstd_codec *codec,
                  const struct zstd_dictionary *dictionary, struct buffer *out,
                  size_t *plain_len, struct err *err)
{
    size_t raw_len = sum(builder->raw_lens, num);
    struct buffer *plain = &builder->plain, *packed = &builder->packed;

    buffer_reset(plain);
    buffer_reset(packed);
    for (size_t i = 0; i < num; i++) {
        varint_append(plain, builder->numbers[i]);
    }
    for (size_t i = 0; i < num; i++) {
        varint_append(plain, builder->raw_lens[i]);
    }
    for (size_t i = 0; i < num; i++) {
        varint_append(plain, builder->text_lens[i]);
    }
    buffer_append(plain,
                  bytes_of(builder->texts.data, sum(builder->text_lens, num)));
    if (!buffer_ok(plain)) return err_set(err, ERR_MEMORY, "no memory");
    if (!zstd_compress(codec, dictionary, buffer_bytes(plain), packed, err)) {
        return false;
    }
    varint_append(out, num);
    varint_append(out, plain->len);
    varint_append(out, packed->len);
    varint_append(out, raw_len);
    buffer_append(out, buffer_bytes(packed));
    buffer_append(out, bytes_of(builder->raws.data, raw_len));
    *plain_len = plain->len;
    return buffer_ok(out) || err_set(err, ERR_MEMORY, "no memory");
}

void frame_drop(struct frame_builder *builder, size_t num)
{
    size_t left = builder->num - num;

    buffer_consume(&builder->texts, sum(builder->text_lens, num));
    buffer_consume(&builder->raws, sum(builder->raw_lens, num));
    memmove(builder->numbers, builder->numbers + num,
            left * sizeof *builder->numbers);
    memmove(builder->text_lens, builder->text_lens + num,
            left * sizeof *builder->text_lens);
    memmove(builder->raw_lens, builder->raw_lens + num,
            left * sizeof *builder->raw_lens);
    builder->num = left;
}

void frame_cleanup(struct frame_builder *builder)
{
    buffer_cleanup(&builder->texts);
    buffer_cleanup(&builder->raws);
    buffer_cleanup(&builder->plain);
    buffer_cleanup(&builder->packed);
}

// ------------------------------------------------------------ reading

static bool read_size(struct bytes *view, size_t *size)
{
    uint64_t value;

    if (!varint_read(view, &value) || value > FRAME_PLAIN_MAX) return false;
    *size = (size_t)value;
    return true;
}

bool frame_read(struct frame *frame, struct bytes *view)
{
    size_t packed_len, raw_len;

    return read_size(view, &frame->num) && frame->num > 0 &&
           frame->num <= FRAME_READ_MAX && read_size(view, &frame->plain_len) &&
           read_size(view, &packed_len) && read_size(view, &raw_len) &&
           bytes_read_take(view, &frame->packed, packed_len) &&
           bytes_read_take(view, &frame->raws, raw_len);
}

// Passes over so many varints: what is to be found is not among them.
static bool skip_varints(struct bytes *view, size_t num)
{
    size_t at = 0;

    while (num > 0 && at < view->len) {
        num -= view->data[at++] < 0x80;
    }
    return num == 0 && bytes_skip(view, at);
}

// Reads a column: the value at `at`, and the sum of those before it.
static bool read_column(struct bytes *view, size_t num, size_t at,
                        size_t *value, size_t *before)
{
    size_t sum = 0, read;

    for (size_t i = 0; i < at; i++) {
        if (!read_size(view, &read)) return false;
        sum += read;
    }
    *before = sum;
    return read_size(view, value) && skip_varints(view, num - at - 1);
}

bool frame_record(const struct frame *frame, struct bytes plain, size_t at,
                  uint32_t *number, struct bytes *text, struct bytes *raw)
{
    size_t value, raw_len, text_len, raw_before, text_before;
    struct bytes raws = frame->raws;

    if (at >= frame->num || !skip_varints(&plain, at) ||
        !read_size(&plain, &value) ||
        !skip_varints(&plain, frame->num - at - 1) ||
        !read_column(&plain, frame->num, at, &raw_len, &raw_before) ||
        !read_column(&plain, frame->num, at, &text_len, &text_before)) {
        return false;
    }
    *number = (uint32_t)value;
    return bytes_skip(&raws, raw_before) &&
           bytes_read_take(&raws, raw, raw_len) &&
           bytes_skip(&plain, text_before) &&
           bytes_read_take(&plain, text, text_len);
}
