// crtsh.h - certificates as crt.sh lists them (API.md section 2).
//
// A row is one certificate.  What it says of names is what the question asked
// for; asked by hash, serial or id, all names.
//
// Result    pure.

#pragma once

#include "query/answer.h"

enum crtsh_output { CRTSH_JSON, CRTSH_CSV, CRTSH_HTML };

struct crtsh_row {
    uint64_t id;           // of the entry that first showed the certificate
    uint64_t timestamp_ms; // when it was first seen
};

// crtsh_has_match tells whether the certificate has a name that is asked for.
bool crtsh_has_match(const struct entry *entry,
                     const struct question *question);

// crtsh_begin and crtsh_end write what stands around the rows.
void crtsh_begin(struct buffer *out, enum crtsh_output output);
void crtsh_end(struct buffer *out, enum crtsh_output output);

// crtsh_append_row writes one row; between rows of JSON the caller puts commas.
void crtsh_append_row(struct buffer *out, enum crtsh_output output,
                      const struct crtsh_row *row, const struct entry *entry,
                      const struct question *question);
