// name_text.h - a distinguished name as answers show it.

#pragma once

#include "index/base/buffer.h"

// name_text_append appends a Name (DER) as RFC 4514 text; bytes that do not
// print are \xHH, the backslashes of RFC 4514 stay as they are.  The result is
// printable UTF-8.
void name_text_append(struct buffer *out, struct bytes name);
