// logs.h - the chosen logs, given to index and pipeline.

#pragma once

#include "ingest/choice.h"
#include "ingest/pipeline.h"

// logs_check_keys reads every key, before anything is written: ERR_CONFIG.
MUST_USE bool logs_check_keys(const struct choice *choice, struct err *err);

// logs_add gives all chosen logs to index and pipeline, and marks those of the
// index that a whole list no longer has: their data stays.
MUST_USE bool logs_add(struct pipeline *pipeline, struct index *index,
                       const struct choice *choice,
                       const struct options *options, struct err *err);

// logs_update does what a list that was read again asks for while all is
// running: new logs are begun, those that have ended get their final tree
// head, those that have left are marked.  What fails is said and costs only
// the log that it fails for; false when index or memory has failed.
MUST_USE bool logs_update(struct pipeline *pipeline, struct index *index,
                          const struct choice *choice,
                          const struct options *options, struct err *err);
