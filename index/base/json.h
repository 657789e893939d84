// json.h - a strict JSON reader for small documents, and a writer.
//
// Reading is jansson's (RFC 8259, duplicate members refused); this is the one
// file that includes it.  The get-entries scanner of ingest/parse is apart:
// its documents are megabytes.
//
// Lifetime  what a getter returns belongs to the document it came from.
// Limit     JSON_DOCUMENT_MAX bytes a document.

#pragma once

#include "index/base/buffer.h"
#include "index/base/err.h"

enum { JSON_DOCUMENT_MAX = 16 * 1024 * 1024 };

struct json; // a value inside a document, or the whole of it

// json_parse reads a whole document; json_free() it.
MUST_USE bool json_parse(struct json **out, struct bytes text, struct err *err);

// json_free frees a document; NULL is fine.
void json_free(struct json *document);

// json_member finds a member of an object; NULL when `object` is none or has
// no such member.
const struct json *json_member(const struct json *object, const char *name);

// json_size counts an array's elements or an object's members, else 0.
size_t json_size(const struct json *value);

// json_at is an array's element; NULL beyond its end.
const struct json *json_at(const struct json *array, size_t index);

// json_is_object, json_is_array tell what a value is; NULL is neither.
bool json_is_object(const struct json *value);
bool json_is_array(const struct json *value);

// json_text reads a string; it may hold NUL bytes.
MUST_USE bool json_text(const struct json *value, struct bytes *out);

// json_uint reads a non-negative integer (no fraction, no exponent).
MUST_USE bool json_uint(const struct json *value, uint64_t *out);

// json_base64 appends what a string of strict base64 decodes to.
MUST_USE bool json_base64(const struct json *value, struct buffer *out);

// json_is_plain tells whether bytes are printable ASCII of which JSON escapes
// nothing: either function below then only puts quotes around them.
bool json_is_plain(struct bytes bytes);

// json_append_string appends a JSON string.  Bytes that are no printable UTF-8
// go through text_append_escaped first, so the result is always valid JSON.
void json_append_string(struct buffer *out, struct bytes bytes);

// json_append_verbatim appends a JSON string that reads back as these very
// bytes; false when they are no valid UTF-8 without NUL.
MUST_USE bool json_append_verbatim(struct buffer *out, struct bytes bytes);
