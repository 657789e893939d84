// evidence_store.h - how an evidence folder lies on the disk; for evidence.c
// and evidence_check.c only.

#pragma once

#include <dirent.h>

#include "index/base/buffer.h"
#include "index/evidence.h"

#define EVIDENCE_FOLDER "evidence"
#define EVIDENCE_INCIDENT "incident.json"
#define EVIDENCE_LEAVES "leaves"
#define EVIDENCE_NODES "nodes"

// evidence_open_dir opens the folder behind `store` once more, for readdir;
// closedir() it.  NULL with errno.
DIR *evidence_open_dir(int store);

// evidence_parse_name takes LOG_ID_HEX-TIME-KIND apart; false: another name.
MUST_USE bool evidence_parse_name(const char *name, struct sha256_hash *log_id,
                                  enum evidence_kind *kind);

// evidence_read_incident appends a folder's incident.json.
MUST_USE bool evidence_read_incident(int store, const char *folder,
                                     struct buffer *out, struct err *err);

// evidence_head_word is "sth" or "checkpoint".
const char *evidence_head_word(enum head_kind kind);
