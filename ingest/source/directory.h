// directory.h - a log in a folder: files read as if they had been asked for.
//
// Lifetime  as of a fetch_request: the file belongs to the reader until `done`.
// Order     `done` runs only inside ring_run().
// Result    status 200 and the body, 404 where there is no such file, else 0
//           and `err` (ERR_NETWORK: a source that gives no answer).
// Limit     `body_max` bytes.

#pragma once

#include "index/base/buffer.h"
#include "index/base/err.h"
#include "index/net/ring.h"

struct directory_file;
typedef void directory_done(struct directory_file *file);

struct directory_file {
    // Set by the caller; the rest {0}.
    size_t body_max;
    directory_done *done;

    // The result.
    unsigned status;
    struct err err;
    struct buffer body;

    // The reader's own.
    struct ring *ring;
    struct ring_op op;
    int fd;
};

// directory_read reads the file at `path` (begins with "/") below folder `fd`.
void directory_read(struct ring *ring, int fd, const char *path,
                    struct directory_file *file);
