// directory.c - see directory.h.

#include "ingest/source/directory.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static void on_done(struct ring_op *op, int result)
{
    struct directory_file *file = RING_OWNER(op, struct directory_file, op);

    (void)result;
    if (file->fd >= 0) (void)close(file->fd);
    file->fd = -1;
    file->done(file);
}

static void fail(struct directory_file *file, int error)
{
    file->status = error == ENOENT || error == ENOTDIR ? 404 : 0;
    (void)err_set(&file->err, ERR_NETWORK, "%s", strerror(error));
}

static void on_read(struct ring_op *op, int result)
{
    struct directory_file *file = RING_OWNER(op, struct directory_file, op);

    if (result > 0) {
        file->body.len += (size_t)result;
        if (file->body.len < file->body.size) {
            ring_read(file->ring, op, file->fd,
                      file->body.data + file->body.len,
                      file->body.size - file->body.len, (int64_t)file->body.len,
                      on_read);
            return;
        }
    }
    // All that fits is read, or the file has ended: it is whole when it has
    // the length that it was opened with, which tile readers check anyway.
    if (result < 0) {
        fail(file, -result);
    } else {
        file->status = 200;
    }
    on_done(op, 0);
}

void directory_read(struct ring *ring, int fd, const char *path,
                    struct directory_file *file)
{
    struct stat stat;

    file->ring = ring;
    file->status = 0;
    file->err = (struct err){0};
    buffer_reset(&file->body);
    file->fd = openat(fd, path + 1, O_RDONLY | O_CLOEXEC);
    if (file->fd < 0 || fstat(file->fd, &stat) != 0) {
        fail(file, errno);
    } else if (!S_ISREG(stat.st_mode)) {
        fail(file, ENOENT);
    } else if ((uint64_t)stat.st_size > file->body_max) {
        (void)err_set(&file->err, ERR_NETWORK, "more than %zu bytes",
                      file->body_max);
    } else if (stat.st_size == 0) {
        file->status = 200;
    } else if (!buffer_reserve(&file->body, (size_t)stat.st_size)) {
        (void)err_set(&file->err, ERR_MEMORY, "no memory for %llu bytes",
                      (unsigned long long)stat.st_size);
    } else {
        ring_read(ring, &file->op, file->fd, file->body.data,
                  (size_t)stat.st_size, 0, on_read);
        return;
    }
    ring_post(ring, &file->op, 0, on_done);
}
