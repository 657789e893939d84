// spool_file.c - see spool.h.
//
// An entry: u32 length of the rest, u64 index, u8 whether extra_data could not
// be read, then leaf, precertificate and extra with a u32 length before each,
// and the chain's fingerprints to the end.

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ingest/reader/spool.h"

enum { FLUSH_LEN = 1 << 20, READ_LEN = 1 << 20 };

struct spool {
    int fd;
    char dir[4096];
    struct buffer out; // not yet written
    struct buffer in;  // read and not yet taken
    uint64_t in_at;    // place of in.data in the file
    size_t in_used;
};

bool spool_open(struct spool **out, const char *index_dir, struct err *err)
{
    struct spool *spool = calloc(1, sizeof *spool);
    char path[4200];

    if (spool == NULL) return err_set(err, ERR_MEMORY, "no memory");
    (void)snprintf(spool->dir, sizeof spool->dir, "%s/spool", index_dir);
    if (mkdir(spool->dir, 0777) != 0 && errno != EEXIST) {
        (void)err_set(err, ERR_INDEX, "%s: %s", spool->dir, strerror(errno));
        free(spool);
        return false;
    }
    (void)snprintf(path, sizeof path, "%s/XXXXXX", spool->dir);
    spool->fd = mkostemp(path, O_CLOEXEC);
    if (spool->fd < 0) {
        (void)err_set(err, ERR_INDEX, "%s: %s", spool->dir, strerror(errno));
        free(spool);
        return false;
    }
    (void)unlink(path);
    *out = spool;
    return true;
}

void spool_close(struct spool *spool)
{
    if (spool == NULL) return;
    (void)close(spool->fd);
    (void)rmdir(spool->dir);
    buffer_cleanup(&spool->out);
    buffer_cleanup(&spool->in);
    free(spool);
}

static bool flush(struct spool *spool, struct err *err)
{
    struct bytes rest = buffer_bytes(&spool->out);

    if (!buffer_ok(&spool->out)) {
        return err_set(err, ERR_MEMORY, "no memory for the spool");
    }
    while (rest.len > 0) {
        ssize_t len = write(spool->fd, rest.data, rest.len);

        if (len < 0 && errno == EINTR) continue;
        if (len < 0) {
            return err_set(err, ERR_INDEX, "%s: %s", spool->dir,
                           strerror(errno));
        }
        (void)bytes_skip(&rest, (size_t)len);
    }
    buffer_reset(&spool->out);
    return true;
}

static void append_vector(struct buffer *out, struct bytes bytes)
{
    buffer_append_uint(out, bytes.len, 4);
    buffer_append(out, bytes);
}

bool spool_write(struct spool *spool, const struct entry_bytes *bytes,
                 struct err *err)
{
    struct buffer *out = &spool->out;
    size_t len = 8 + 1 + 3 * 4 + bytes->leaf.len + bytes->precert.len +
                 bytes->extra.len + bytes->num_chain * SHA256_LEN;

    buffer_append_uint(out, len, 4);
    buffer_append_uint(out, bytes->index, 8);
    buffer_append_byte(out, bytes->extra_unreadable);
    append_vector(out, bytes->leaf);
    append_vector(out, bytes->precert);
    append_vector(out, bytes->extra);
    buffer_append(out, bytes_of(bytes->chain, bytes->num_chain * SHA256_LEN));
    return out->len < FLUSH_LEN || flush(spool, err);
}

bool spool_rewind(struct spool *spool, struct err *err)
{
    if (!flush(spool, err)) return false;
    buffer_reset(&spool->in);
    spool->in_at = 0;
    spool->in_used = 0;
    return true;
}

// Has `len` bytes ready at in_used.
static bool fill(struct spool *spool, size_t len, struct err *err)
{
    struct buffer *in = &spool->in;

    if (in->len - spool->in_used >= len) return true;
    buffer_consume(in, spool->in_used);
    spool->in_at += spool->in_used;
    spool->in_used = 0;
    while (in->len < len) {
        ssize_t got;

        if (!buffer_reserve(in, len > READ_LEN ? len : READ_LEN)) {
            return err_set(err, ERR_MEMORY, "no memory for the spool");
        }
        got = pread(spool->fd, in->data + in->len, in->size - in->len,
                    (off_t)(spool->in_at + in->len));
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) {
            return err_set(err, ERR_INDEX, "%s: %s", spool->dir,
                           got < 0 ? strerror(errno) : "file cut off");
        }
        in->len += (size_t)got;
    }
    return true;
}

bool spool_read(struct spool *spool, struct entry_bytes *out,
                struct arena *arena, struct err *err)
{
    struct sha256_hash *chain;
    struct bytes view;
    uint64_t len, index, unreadable;

    *out = (struct entry_bytes){0};
    if (!fill(spool, 4, err)) return false;
    view = bytes_of(spool->in.data + spool->in_used, 4);
    if (!bytes_read_uint(&view, &len, 4) || !fill(spool, 4 + len, err)) {
        return false;
    }
    view = bytes_of(spool->in.data + spool->in_used + 4, len);
    spool->in_used += 4 + len;
    if (!bytes_read_uint(&view, &index, 8) ||
        !bytes_read_uint(&view, &unreadable, 1) ||
        !bytes_read_vector(&view, &out->leaf, 4) ||
        !bytes_read_vector(&view, &out->precert, 4) ||
        !bytes_read_vector(&view, &out->extra, 4)) {
        return err_set(err, ERR_INDEX, "%s: damaged", spool->dir);
    }
    out->index = index;
    out->extra_unreadable = unreadable != 0;
    out->num_chain = view.len / SHA256_LEN;
    if (out->num_chain > 0) {
        chain = arena_alloc(arena, view.len);
        if (chain == NULL) return err_set(err, ERR_MEMORY, "no memory");
        memcpy(chain, view.data, view.len);
        out->chain = chain;
    }
    return true;
}
