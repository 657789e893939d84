// archive_check.h - every member of the zips of one log, read and compared.
//
//   CRC-32             every member
//   hash tiles         lead to the proven head, each copy in each zip
//   data tiles         their leaves are those of the tree
//   issuers            are the certificate of their name
//
// Tiles whose way to the root lies in a zip that was not given are held
// against their CRC-32 alone.
//
// Lifetime  from archive_check_start to the call of `done`, in which
//           archive_check_free is allowed.
// Order     `done` runs only inside ring_run(), once.  Meanwhile nobody else
//           reads from the archive.
// Thread    a thread of its own; the calls are the ring's.
// Result    `err` NULL: all is as it should be; ERR_VERIFY names zip and
//           member.

#pragma once

#include "index/entry/head.h"
#include "ingest/source/archive.h"

struct archive_check; // opaque
typedef void archive_checked(void *context, const struct err *err);

// archive_check_start begins; `head` is proven.
MUST_USE bool archive_check_start(struct archive_check **out,
                                  struct archive *archive, struct ring *ring,
                                  const struct head *head,
                                  archive_checked *done, void *context,
                                  struct err *err);

// archive_check_stop has it end soon: ERR_INTERRUPTED.
void archive_check_stop(struct archive_check *check);

void archive_check_free(struct archive_check *check);
