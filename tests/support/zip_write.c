// zip_write.c - see zip_write.h.

#include "tests/support/zip_write.h"

#include <libdeflate.h>
#include <stdlib.h>

enum { DEFLATE_LEVEL = 1 };

static void put(struct buffer *out, uint64_t value, size_t width)
{
    for (size_t i = 0; i < width; i++) {
        buffer_append_byte(out, (uint8_t)(value >> 8 * i));
    }
}

static void emit(struct zip_writer *zip, struct bytes bytes)
{
    if (bytes.len > 0 && fwrite(bytes.data, bytes.len, 1, zip->file) != 1) {
        abort();
    }
    zip->offset += bytes.len;
}

bool zip_write_open(struct zip_writer *zip, const char *path,
                    enum zip_style style)
{
    *zip = (struct zip_writer){.file = fopen(path, "wb"), .style = style};
    return zip->file != NULL;
}

static void append_deflated(struct buffer *out, struct bytes content)
{
    struct libdeflate_compressor *compressor =
        libdeflate_alloc_compressor(DEFLATE_LEVEL);
    size_t bound;

    if (compressor == NULL) abort();
    bound = libdeflate_deflate_compress_bound(compressor, content.len);
    if (!buffer_reserve(out, bound)) abort();
    out->len += libdeflate_deflate_compress(
        compressor, content.data, content.len, out->data + out->len, bound);
    libdeflate_free_compressor(compressor);
}

struct member {
    const char *name;
    uint64_t offset, packed_len, len;
    uint32_t crc;
    unsigned method;
};

static void append_local(struct buffer *out, const struct zip_writer *zip,
                         const struct member *member)
{
    bool later = zip->style == ZIP_64_GO, wide = zip->style == ZIP_64;

    put(out, 0x04034b50, 4);
    put(out, wide || later ? 45 : 20, 2);
    put(out, later ? 8 : 0, 2);
    put(out, member->method, 2);
    put(out, 0, 4); // time and date
    put(out, later ? 0 : member->crc, 4);
    put(out, wide ? 0xffffffff : later ? 0 : member->packed_len, 4);
    put(out, wide ? 0xffffffff : later ? 0 : member->len, 4);
    put(out, strlen(member->name), 2);
    put(out, wide ? 20 : 0, 2);
    buffer_append_text(out, member->name);
    if (!wide) return;
    put(out, 1, 2);
    put(out, 16, 2);
    put(out, member->len, 8);
    put(out, member->packed_len, 8);
}

static void append_central(struct buffer *out, enum zip_style style,
                           const struct member *member)
{
    bool ones = style == ZIP_64 || style == ZIP_64_GO;

    put(out, 0x02014b50, 4);
    put(out, style == ZIP_PLAIN ? 20 : 45, 2);
    put(out, style == ZIP_PLAIN ? 20 : 45, 2);
    put(out, style == ZIP_64_GO ? 8 : 0, 2);
    put(out, member->method, 2);
    put(out, 0, 4);
    put(out, member->crc, 4);
    put(out, ones ? 0xffffffff : member->packed_len, 4);
    put(out, ones ? 0xffffffff : member->len, 4);
    put(out, strlen(member->name), 2);
    put(out, style == ZIP_PLAIN ? 0 : 28, 2);
    put(out, 0, 2); // comment
    put(out, 0, 2); // disk
    put(out, 0, 6); // attributes
    put(out, style == ZIP_64 ? 0xffffffff : member->offset, 4);
    buffer_append_text(out, member->name);
    if (style == ZIP_PLAIN) return;
    put(out, 1, 2);
    put(out, 24, 2);
    put(out, member->len, 8);
    put(out, member->packed_len, 8);
    put(out, member->offset, 8);
}

void zip_write_add(struct zip_writer *zip, const char *name,
                   struct bytes content, bool deflate)
{
    struct buffer header = {0}, packed = {0};
    struct member member = {
        .name = name,
        .offset = zip->offset,
        .len = content.len,
        .crc = libdeflate_crc32(0, content.data, content.len),
        .method = deflate ? 8 : 0,
    };
    struct bytes body = content;

    if (deflate) {
        append_deflated(&packed, content);
        body = buffer_bytes(&packed);
    }
    member.packed_len = body.len;
    append_local(&header, zip, &member);
    emit(zip, buffer_bytes(&header));
    emit(zip, body);
    if (zip->style == ZIP_64_GO) {
        buffer_reset(&header);
        put(&header, 0x08074b50, 4);
        put(&header, member.crc, 4);
        put(&header, member.packed_len, 4);
        put(&header, member.len, 4);
        emit(zip, buffer_bytes(&header));
    }
    append_central(&zip->directory, zip->style, &member);
    zip->num++;
    buffer_cleanup(&header);
    buffer_cleanup(&packed);
}

void zip_write_close(struct zip_writer *zip)
{
    uint64_t at = zip->offset, len = zip->directory.len;
    bool wide = zip->style == ZIP_64 || zip->style == ZIP_64_GO;
    struct buffer out = {0};

    emit(zip, buffer_bytes(&zip->directory));
    if (zip->style != ZIP_PLAIN) {
        put(&out, 0x06064b50, 4);
        put(&out, 44, 8);
        put(&out, 45, 2);
        put(&out, 45, 2);
        put(&out, 0, 8); // disks
        put(&out, zip->num, 8);
        put(&out, zip->num, 8);
        put(&out, len, 8);
        put(&out, at, 8);
    }
    if (wide) {
        put(&out, 0x07064b50, 4);
        put(&out, 0, 4);
        put(&out, at + len, 8);
        put(&out, 1, 4);
    }
    put(&out, 0x06054b50, 4);
    put(&out, 0, 4);
    put(&out, wide ? 0xffff : zip->num, 2);
    put(&out, wide ? 0xffff : zip->num, 2);
    put(&out, wide ? 0xffffffff : len, 4);
    put(&out, wide ? 0xffffffff : at, 4);
    put(&out, 0, 2);
    emit(zip, buffer_bytes(&out));
    buffer_cleanup(&out);
    buffer_cleanup(&zip->directory);
    if (fclose(zip->file) != 0) abort();
}
