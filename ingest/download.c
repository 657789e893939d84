// download.c - see download.h.

#include "ingest/download.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "index/base/text.h"

enum { TIMEOUT_MS = 60 * 1000, LOOK_MS = 100 };

struct download {
    struct fetch_request request;
    struct ring *ring;
    struct fetch *fetch;
    struct ring_op timer; // looks at `stop`
    const atomic_bool *stop;
    bool done, closed;
};

static void look(struct download *download);

static void on_time(struct ring_op *op, int result)
{
    (void)result;
    look(RING_OWNER(op, struct download, timer));
}

static void look(struct download *download)
{
    if (download->stop == NULL || download->done) return;
    if (atomic_load(download->stop)) {
        fetch_cancel(download->fetch, &download->request);
    } else {
        ring_timeout(download->ring, &download->timer, LOOK_MS, on_time);
    }
}

static void on_done(struct fetch_request *request)
{
    struct download *download = request->context;

    download->done = true;
}

static void on_closed(void *context)
{
    struct download *download = context;

    download->closed = true;
}

bool download_is_url(const char *text)
{
    return strncmp(text, "http://", 7) == 0 ||
           strncmp(text, "https://", 8) == 0;
}

static bool run(struct buffer *out, struct ring *ring, struct fetch *fetch,
                const char *path, size_t len_max, const atomic_bool *stop,
                struct err *err)
{
    struct download download = {
        .request = {.path = path,
                    .body_max = len_max,
                    .total_timeout_ms = TIMEOUT_MS,
                    .done = on_done},
        .ring = ring,
        .fetch = fetch,
        .stop = stop,
    };
    bool ok = true;

    download.request.context = &download;
    fetch_start(fetch, &download.request);
    look(&download);
    while (ok && !download.done) {
        ok = ring_run(ring, true, err);
    }
    ring_cancel(ring, &download.timer);
    fetch_close(fetch, on_closed, &download);
    while (ok && (!download.closed || ring_busy(&download.timer))) {
        ok = ring_run(ring, true, err);
    }
    if (ok && download.request.fault != FETCH_ANSWERED) {
        *err = download.request.err;
        ok = false;
    } else if (ok && download.request.status != 200) {
        ok = err_set(err, ERR_NETWORK, "status %u", download.request.status);
    }
    if (ok) buffer_append(out, buffer_bytes(&download.request.body));
    buffer_cleanup(&download.request.body);
    return ok;
}

bool download_url(struct buffer *out, const char *url, size_t len_max,
                  const struct fetch_shared_options *options,
                  const atomic_bool *stop, struct err *err)
{
    const char *path = strstr(url, "://");
    struct fetch_options fetch_options = {.connections_max = 1};
    struct fetch_shared *shared;
    struct fetch *fetch;
    struct ring *ring;
    char origin[512];
    bool ok;

    path = path == NULL ? NULL : strchr(path + 3, '/');
    if (path == NULL || (size_t)(path - url) >= sizeof origin) {
        return err_set(err, ERR_USAGE, "%.200s: no URL of a file", url);
    }
    (void)snprintf(origin, sizeof origin, "%.*s", (int)(path - url), url);
    fetch_options.url = origin;
    if (!ring_open(&ring, RING_DEPTH_MIN, err)) return false;
    ok = fetch_shared_open(&shared, options, err);
    if (ok) {
        ok = fetch_open(&fetch, ring, shared, &fetch_options, err) &&
             run(out, ring, fetch, path, len_max, stop, err);
        fetch_shared_close(shared);
    }
    ring_close(ring);
    return ok || err_wrap(err, "%.200s", url);
}

bool download_read_file(struct buffer *out, const char *path, size_t len_max,
                        struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char shown[256];
    ssize_t len = 0;
    int error;

    (void)text_escape(shown, sizeof shown, bytes_from_text(path));
    if (fd < 0) {
        return err_set(err, ERR_CONFIG, "%s: %s", shown, strerror(errno));
    }
    do {
        if (out->len > len_max) {
            (void)close(fd);
            return err_set(err, ERR_CONFIG, "%s: more than %zu bytes", shown,
                           len_max);
        }
        if (!buffer_reserve(out, 65536)) {
            (void)close(fd);
            return err_set(err, ERR_MEMORY, "%s: no memory", shown);
        }
        len = read(fd, out->data + out->len, 65536);
        error = errno;
        if (len > 0) out->len += (size_t)len;
    } while (len > 0 || (len < 0 && error == EINTR));
    (void)close(fd);
    if (len == 0) return true;
    return err_set(err, ERR_CONFIG, "%s: %s", shown, strerror(error));
}
