// compact_run.h - sanct index compact: the command around index_compact.
//
// Result    the exit code: 0, 6, or 130 and 143 when a signal stopped it.

#pragma once

enum compact_show {
    COMPACT_AUTO, // a bar on a terminal
    COMPACT_BAR,
    COMPACT_LOG,
    COMPACT_JSON,
    COMPACT_NONE,
};

int compact_run(const char *dir, enum compact_show show);
