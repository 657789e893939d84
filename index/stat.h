// stat.h - the figures of an index as CLI.md writes them; for `sanct index
// stat` and the server alike.

#pragma once

#include "index/index.h"

// stat_append_json appends {"format":…,"entries":…,…,"logs":[…]} and a newline.
MUST_USE bool stat_append_json(struct buffer *out, struct snapshot *snapshot,
                               struct err *err);
