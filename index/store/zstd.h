// zstd.h - the only door to zstd: small records against a trained dictionary.
//
// A record is a few hundred bytes; frames are written without what the record
// knows already (magic number, size, dictionary id, checksum).
//
// Lifetime  a dictionary's bytes are copied; it must outlive what uses it.
// Thread    a dictionary may be shared; a codec belongs to one thread.
// Result    ERR_MEMORY, or ERR_INDEX for bytes that are no frame of this size.

#pragma once

#include "index/base/buffer.h"
#include "index/base/err.h"

enum {
    ZSTD_DICTIONARY_MAX = 8 * 1024,
    ZSTD_LEVEL = 1,
};

struct zstd_dictionary;
struct zstd_codec; // contexts for both directions, used again and again

// zstd_dictionary_new digests a dictionary, which is not empty.
MUST_USE bool zstd_dictionary_new(struct zstd_dictionary **out,
                                  struct bytes bytes, struct err *err);

// zstd_dictionary_new_reading does so for decompressing only: sooner, smaller,
// and once for all who bring the same bytes.
MUST_USE bool zstd_dictionary_new_reading(struct zstd_dictionary **out,
                                          struct bytes bytes, struct err *err);
// zstd_dictionary_bytes is what it takes; NULL takes nothing.
size_t zstd_dictionary_bytes(const struct zstd_dictionary *dictionary);
void zstd_dictionary_free(struct zstd_dictionary *dictionary);

// zstd_codec_new makes a codec; zstd_codec_free() it.
MUST_USE bool zstd_codec_new(struct zstd_codec **out, struct err *err);
void zstd_codec_free(struct zstd_codec *codec);

// zstd_compress appends the frame of `plain`; `dictionary` may be NULL, here
// and below.
MUST_USE bool zstd_compress(struct zstd_codec *codec,
                            const struct zstd_dictionary *dictionary,
                            struct bytes plain, struct buffer *out,
                            struct err *err);

// zstd_decompress fills exactly `len` bytes at `out` from a frame; never more,
// whatever the frame says.
MUST_USE bool zstd_decompress(struct zstd_codec *codec,
                              const struct zstd_dictionary *dictionary,
                              struct bytes frame, uint8_t *out, size_t len,
                              struct err *err);

// zstd_train appends a dictionary made from `num` samples that lie one after
// the other in `samples`; nothing when they are too few or too much alike.
MUST_USE bool zstd_train(struct buffer *out, struct bytes samples,
                         const size_t *lens, size_t num, struct err *err);

// zstd_version is the library's version.
const char *zstd_version(void);
