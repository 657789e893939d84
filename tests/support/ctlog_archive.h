// ctlog_archive.h - a log as Geomys archives it: zips of a range each.

#pragma once

#include "tests/support/ctlog.h"

// ctlog_write_archive writes 000.zip, 001.zip ... into `dir`, each of `per_zip`
// entries (a multiple of 256; 0: 2^24) in turn in each of the zip styles, the
// first as Zip64.
MUST_USE bool ctlog_write_archive(const struct ctlog_view *view,
                                  const char *dir, uint64_t per_zip,
                                  struct err *err);
