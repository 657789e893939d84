// show.h - what sanct index prints of an index: entries that could not be
// read, everything held, the heads.
//
// Order     entries by log number, then index.
// Result    ERR_INDEX; what was written before it stays written, but for
//           SHOW_JSON of heads and unparsed entries, which is all or nothing.

#pragma once

#include <stdio.h>

#include "index/index.h"

enum show_format { SHOW_TEXT, SHOW_JSON, SHOW_PEM };

// show_unparsed lists the entries whose leaf or certificate could not be read
// whole: a line each, or NDJSON.
MUST_USE bool show_unparsed(FILE *out, struct snapshot *snapshot,
                            enum show_format format, struct err *err);

// show_export writes every entry as NDJSON or every certificate and
// precertificate as PEM, which an index kept as facts cannot give (ERR_INDEX).
MUST_USE bool show_export(FILE *out, struct snapshot *snapshot,
                          enum show_format format, struct err *err);

// show_heads writes the signed heads held, as served.
MUST_USE bool show_heads(FILE *out, struct snapshot *snapshot,
                         enum show_format format, struct err *err);
