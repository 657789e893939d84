// zstd.c - see zstd.h.

#include "index/store/zstd.h"

#include <pthread.h>
#include <stdlib.h>
#include <zdict.h>
#include <zstd.h>

enum {
    MAGIC_LEN = 4, // of every frame (RFC 8878 section 3.1.1), not stored
    SAMPLES_MIN = 64,
};

static const uint8_t magic[MAGIC_LEN] = {0x28, 0xb5, 0x2f, 0xfd};

struct zstd_dictionary {
    ZSTD_CDict *compress; // NULL: it is for reading
    ZSTD_DDict *decompress;
    bool is_shared;      // one for reading, which has what follows
    struct buffer bytes; // what it was made of
    size_t num_users;    // under `mutex`, and `next`
    struct zstd_dictionary *next;
};

// Those for reading, once each: files that were written one after the other
// have the same, and what one has used is near for all.
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct zstd_dictionary *for_reading;

struct zstd_codec {
    ZSTD_CCtx *compress;
    ZSTD_DCtx *decompress;
    struct buffer frame; // with its magic number put back
};

static bool not_made(struct zstd_dictionary *dictionary, struct err *err)
{
    zstd_dictionary_free(dictionary);
    return err_set(err, ERR_MEMORY, "zstd: no dictionary could be made");
}

bool zstd_dictionary_new(struct zstd_dictionary **out, struct bytes bytes,
                         struct err *err)
{
    struct zstd_dictionary *dictionary = calloc(1, sizeof *dictionary);

    if (dictionary == NULL) return not_made(NULL, err);
    dictionary->decompress = ZSTD_createDDict(bytes.data, bytes.len);
    dictionary->compress = ZSTD_createCDict(bytes.data, bytes.len, ZSTD_LEVEL);
    if (dictionary->decompress == NULL || dictionary->compress == NULL) {
        return not_made(dictionary, err);
    }
    *out = dictionary;
    return true;
}

// Under `mutex`.
static struct zstd_dictionary *find_reading(struct bytes bytes)
{
    struct zstd_dictionary *dictionary = for_reading;

    while (dictionary != NULL &&
           !bytes_equal(buffer_bytes(&dictionary->bytes), bytes)) {
        dictionary = dictionary->next;
    }
    return dictionary;
}

static struct zstd_dictionary *make_reading(struct bytes bytes)
{
    struct zstd_dictionary *dictionary = calloc(1, sizeof *dictionary);

    if (dictionary == NULL) return NULL;
    (void)buffer_reserve_exactly(&dictionary->bytes, bytes.len);
    buffer_append(&dictionary->bytes, bytes);
    if (buffer_ok(&dictionary->bytes)) {
        dictionary->decompress = ZSTD_createDDict(bytes.data, bytes.len);
    }
    dictionary->is_shared = true;
    if (dictionary->decompress != NULL) return dictionary;
    buffer_cleanup(&dictionary->bytes);
    free(dictionary);
    return NULL;
}

bool zstd_dictionary_new_reading(struct zstd_dictionary **out,
                                 struct bytes bytes, struct err *err)
{
    struct zstd_dictionary *dictionary;

    (void)pthread_mutex_lock(&mutex);
    dictionary = find_reading(bytes);
    if (dictionary == NULL) {
        dictionary = make_reading(bytes);
        if (dictionary != NULL) {
            dictionary->next = for_reading;
            for_reading = dictionary;
        }
    }
    if (dictionary != NULL) dictionary->num_users++;
    (void)pthread_mutex_unlock(&mutex);
    *out = dictionary;
    return dictionary != NULL || not_made(NULL, err);
}

// Takes a user off one for reading; true: it was the last.
static bool leave_reading(struct zstd_dictionary *dictionary)
{
    struct zstd_dictionary **at = &for_reading;
    bool last;

    (void)pthread_mutex_lock(&mutex);
    last = --dictionary->num_users == 0;
    while (last && *at != dictionary) {
        at = &(*at)->next;
    }
    if (last) *at = dictionary->next;
    (void)pthread_mutex_unlock(&mutex);
    return last;
}

size_t zstd_dictionary_bytes(const struct zstd_dictionary *dictionary)
{
    if (dictionary == NULL) return 0;
    return sizeof *dictionary + ZSTD_sizeof_CDict(dictionary->compress) +
           ZSTD_sizeof_DDict(dictionary->decompress) + dictionary->bytes.size;
}

void zstd_dictionary_free(struct zstd_dictionary *dictionary)
{
    if (dictionary == NULL) return;
    if (dictionary->is_shared && !leave_reading(dictionary)) return;
    buffer_cleanup(&dictionary->bytes);
    (void)ZSTD_freeCDict(dictionary->compress);
    (void)ZSTD_freeDDict(dictionary->decompress);
    free(dictionary);
}

bool zstd_codec_new(struct zstd_codec **out, struct err *err)
{
    struct zstd_codec *codec = calloc(1, sizeof *codec);

    if (codec != NULL) {
        codec->compress = ZSTD_createCCtx();
        codec->decompress = ZSTD_createDCtx();
    }
    if (codec == NULL || codec->compress == NULL || codec->decompress == NULL) {
        zstd_codec_free(codec);
        return err_set(err, ERR_MEMORY, "zstd: no memory");
    }
    (void)ZSTD_CCtx_setParameter(codec->compress, ZSTD_c_compressionLevel,
                                 ZSTD_LEVEL);
    (void)ZSTD_CCtx_setParameter(codec->compress, ZSTD_c_contentSizeFlag, 0);
    (void)ZSTD_CCtx_setParameter(codec->compress, ZSTD_c_dictIDFlag, 0);
    *out = codec;
    return true;
}

void zstd_codec_free(struct zstd_codec *codec)
{
    if (codec == NULL) return;
    (void)ZSTD_freeCCtx(codec->compress);
    (void)ZSTD_freeDCtx(codec->decompress);
    buffer_cleanup(&codec->frame);
    free(codec);
}

bool zstd_compress(struct zstd_codec *codec,
                   const struct zstd_dictionary *dictionary, struct bytes plain,
                   struct buffer *out, struct err *err)
{
    size_t bound = ZSTD_compressBound(plain.len), len;

    if (ZSTD_isError(bound) || !buffer_reserve(out, bound)) {
        return err_set(err, ERR_MEMORY, "zstd: no memory");
    }
    (void)ZSTD_CCtx_refCDict(codec->compress,
                             dictionary == NULL ? NULL : dictionary->compress);
    len = ZSTD_compress2(codec->compress, out->data + out->len, bound,
                         plain.data, plain.len);
    if (ZSTD_isError(len)) {
        return err_set(err, ERR_MEMORY, "zstd: %s", ZSTD_getErrorName(len));
    }
    memmove(out->data + out->len, out->data + out->len + MAGIC_LEN,
            len - MAGIC_LEN);
    out->len += len - MAGIC_LEN;
    return true;
}

bool zstd_decompress(struct zstd_codec *codec,
                     const struct zstd_dictionary *dictionary,
                     struct bytes frame, uint8_t *out, size_t len,
                     struct err *err)
{
    size_t got;

    buffer_reset(&codec->frame);
    buffer_append(&codec->frame, bytes_of(magic, sizeof magic));
    buffer_append(&codec->frame, frame);
    if (!buffer_ok(&codec->frame)) {
        return err_set(err, ERR_MEMORY, "zstd: no memory");
    }
    (void)ZSTD_DCtx_refDDict(
        codec->decompress, dictionary == NULL ? NULL : dictionary->decompress);
    got = ZSTD_decompressDCtx(codec->decompress, out, len, codec->frame.data,
                              codec->frame.len);
    if (ZSTD_isError(got)) {
        return err_set(err, ERR_INDEX, "zstd: %s", ZSTD_getErrorName(got));
    }
    if (got != len) {
        return err_set(err, ERR_INDEX, "zstd: %zu bytes where %zu should be",
                       got, len);
    }
    return true;
}

bool zstd_train(struct buffer *out, struct bytes samples, const size_t *lens,
                size_t num, struct err *err)
{
    size_t room = samples.len / 8, len;

    if (room > ZSTD_DICTIONARY_MAX) room = ZSTD_DICTIONARY_MAX;
    if (num < SAMPLES_MIN || num > UINT32_MAX || room < 1024) return true;
    if (!buffer_reserve(out, room)) {
        return err_set(err, ERR_MEMORY, "zstd: no memory");
    }
    len = ZDICT_trainFromBuffer(out->data + out->len, room, samples.data, lens,
                                (unsigned)num);
    if (!ZDICT_isError(len)) out->len += len; // else: nothing worth learning
    return true;
}

const char *zstd_version(void)
{
    return ZSTD_versionString();
}
