// log.h - what a program says while it works: one line each, on stderr.
//
// Result    nothing here fails; a stderr that is gone is ignored.
// Thread    any.  The format is set once, before threads start.

#pragma once

#include "index/base/bytes.h"

enum log_format { LOG_TEXT, LOG_LOGFMT, LOG_JSON };
enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

// log_open chooses program name, format and the most verbose level shown; first
// thing in a program, since it fills the places of standard streams that are
// closed.
void log_open(const char *program, enum log_format format,
              enum log_level level);

// log_parse_format reads text, logfmt or json.
MUST_USE bool log_parse_format(enum log_format *format, const char *word);

// log_shows tells whether lines of a level are shown.
bool log_shows(enum log_level level);

// log_line writes one line.  Bytes of strangers are escaped by the caller.
void log_line(enum log_level level, const char *format, ...) PRINTF_LIKE(2, 3);

// log_set_hook has `before` called (under the lock) ahead of each line, so that
// a progress bar can clear itself; NULL for none.
void log_set_hook(void (*before)(void));
