// inflate.c - see inflate.h.

#include "ingest/parse/inflate.h"

#include <libdeflate.h>
#include <stdlib.h>

struct inflater {
    struct libdeflate_decompressor *decompressor;
};

enum {
    // Data tiles of real logs inflate to 3.5 to 4.2 times their size.
    GROWTH_FIRST = 6,
    ROOM_MIN = 4096,
};

bool inflater_new(struct inflater **out, struct err *err)
{
    struct inflater *inflater = calloc(1, sizeof *inflater);

    if (inflater != NULL) {
        inflater->decompressor = libdeflate_alloc_decompressor();
        if (inflater->decompressor != NULL) {
            *out = inflater;
            return true;
        }
    }
    free(inflater);
    return err_set(err, ERR_MEMORY, "no memory to inflate with");
}

void inflater_free(struct inflater *inflater)
{
    if (inflater == NULL) return;
    libdeflate_free_decompressor(inflater->decompressor);
    free(inflater);
}

// Room for the next try, at least twice that of the last; false at the limit.
static bool make_room(struct buffer *out, size_t room, size_t len_max,
                      struct err *err)
{
    if (out->len == len_max) {
        return err_set(err, ERR_MALFORMED, "gzip: more than %zu bytes",
                       len_max);
    }
    if (room > len_max - out->len) room = len_max - out->len;
    if (!buffer_reserve(out, room)) {
        return err_set(err, ERR_MEMORY, "no memory for %zu inflated bytes",
                       out->len + room);
    }
    return true;
}

// One member, off the front of `gzip` and onto the end of `out`.
static bool inflate_member(struct inflater *inflater, struct buffer *out,
                           struct bytes *gzip, size_t len_max, struct err *err)
{
    size_t room = ROOM_MIN + gzip->len * GROWTH_FIRST;

    for (;; room *= 2) {
        enum libdeflate_result result;
        size_t taken, given, avail;

        if (!make_room(out, room, len_max, err)) return false;
        avail = out->size - out->len;
        if (avail > len_max - out->len) avail = len_max - out->len;
        result = libdeflate_gzip_decompress_ex(
            inflater->decompressor, gzip->data, gzip->len, out->data + out->len,
            avail, &taken, &given);
        if (result == LIBDEFLATE_SUCCESS) {
            out->len += given;
            return bytes_skip(gzip, taken);
        }
        if (result != LIBDEFLATE_INSUFFICIENT_SPACE) {
            return err_set(err, ERR_MALFORMED, "gzip: damaged or cut off");
        }
        if (avail == len_max - out->len) {
            return err_set(err, ERR_MALFORMED, "gzip: more than %zu bytes",
                           len_max);
        }
    }
}

bool inflate_gzip(struct inflater *inflater, struct buffer *out,
                  struct bytes gzip, size_t len_max, struct err *err)
{
    buffer_reset(out);
    do {
        if (!inflate_is_gzip(gzip)) {
            return err_set(err, ERR_MALFORMED, "gzip: %zu bytes that are none",
                           gzip.len);
        }
        if (!inflate_member(inflater, out, &gzip, len_max, err)) return false;
    } while (gzip.len > 0);
    return true;
}

const char *inflate_version(void)
{
    return "libdeflate " LIBDEFLATE_VERSION_STRING;
}

bool inflate_raw(struct inflater *inflater, struct buffer *out,
                 struct bytes packed, size_t len, struct err *err)
{
    enum libdeflate_result result;
    size_t taken, given;

    buffer_reset(out);
    if (!buffer_reserve(out, len > 0 ? len : 1)) {
        return err_set(err, ERR_MEMORY, "no memory for %zu inflated bytes",
                       len);
    }
    result = libdeflate_deflate_decompress_ex(inflater->decompressor,
                                              packed.data, packed.len,
                                              out->data, len, &taken, &given);
    if (result != LIBDEFLATE_SUCCESS || given != len || taken != packed.len) {
        return err_set(err, ERR_MALFORMED, "deflate: damaged or cut off");
    }
    out->len = len;
    return true;
}

uint32_t inflate_crc32(struct bytes bytes)
{
    return libdeflate_crc32(0, bytes.data, bytes.len);
}
