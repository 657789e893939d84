// download.h - one file over HTTP, waited for: log lists and their signatures.

#pragma once

#include <stdatomic.h>

#include "ingest/fetch/fetch.h"

// download_url gets what `url` holds, at most `len_max` bytes; ERR_NETWORK.
// `stop` (may be NULL) may be set by another thread: ERR_INTERRUPTED soon
// after.
MUST_USE bool download_url(struct buffer *out, const char *url, size_t len_max,
                           const struct fetch_shared_options *options,
                           const atomic_bool *stop, struct err *err);

// download_is_url tells a URL from a file's name.
bool download_is_url(const char *text);

// download_read_file reads a file, at most `len_max` bytes; ERR_CONFIG.
MUST_USE bool download_read_file(struct buffer *out, const char *path,
                                 size_t len_max, struct err *err);
