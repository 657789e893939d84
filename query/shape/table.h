// table.h - an answer for a person: a line for each issuance.
//
//   NOT BEFORE  NOT AFTER   TYPE     ISSUER            NAMES
//   2024-02-18  2025-02-17  both     Fina RDC 2015     1.1.1.1, test.hr
//
// It is made from an issuance's JSON (shape/native), so that it looks the same
// whether the index or a server was asked.  Everything in there is escaped
// already; a name can fill a column and never leave it.
//
// Limit     TABLE_WIDTH columns a line; what is longer is cut and says so.

#pragma once

#include "index/base/buffer.h"
#include "index/base/err.h"

enum { TABLE_WIDTH = 120 };

// table_append_head appends the line above the rows.
void table_append_head(struct buffer *out);

// table_append_row appends an issuance's line.  ERR_MALFORMED: no issuance.
MUST_USE bool table_append_row(struct buffer *out, struct bytes issuance,
                               struct err *err);

// table_append_summary appends the line below: how many, and in what time.
void table_append_summary(struct buffer *out, struct bytes query,
                          uint64_t num_issuances, bool is_cut,
                          uint64_t elapsed_us);
