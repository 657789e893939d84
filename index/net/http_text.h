// http_text.h - the small texts inside HTTP messages: fields, targets, queries,
// percent-encoding, dates (RFC 9110, RFC 3986).                          (pure)
//
// Lifetime  views that come out point into the views that went in.

#pragma once

#include "index/base/buffer.h"

// http_field_next takes the next field off `fields`: its name and its value
// without blanks around it.
MUST_USE bool http_field_next(struct bytes *fields, struct bytes *name,
                              struct bytes *value);

// http_field_find gives the first value of a field, whatever its case.
MUST_USE bool http_field_find(struct bytes fields, const char *name,
                              struct bytes *value);

// http_is_token_char tells what a method or a field's name may hold.
bool http_is_token_char(uint8_t c);

// http_equal compares with a word, whatever the case.
bool http_equal(struct bytes text, const char *word);

// http_list_next takes the next item of a comma-separated list off its front.
struct bytes http_list_next(struct bytes *list);

// http_list_has tells whether a comma-separated list, in any of a field's
// lines, holds `token` in any case; parameters (";q=…") are passed over.
bool http_list_has(struct bytes fields, const char *name, const char *token);

// http_target_split gives path and query (without its "?") of a target in
// origin form, absolute form (then `authority` too, else empty) or "*".
MUST_USE bool http_target_split(struct bytes target, struct bytes *authority,
                                struct bytes *path, struct bytes *query);

// http_query_next takes "name=value" off the front of a query, both still
// encoded; empty ones are passed over.
MUST_USE bool http_query_next(struct bytes *query, struct bytes *name,
                              struct bytes *value);

// http_percent_decode appends what percent-encoding stands for, "+" as a blank
// when `plus`; false when a "%" is no escape and the caller wants to know.
MUST_USE bool http_percent_decode(struct buffer *out, struct bytes encoded,
                                  bool plus);

// http_percent_decode_loosely appends the same, a "%" that is no escape as it
// stands.
void http_percent_decode_loosely(struct buffer *out, struct bytes encoded,
                                 bool plus);

// http_parse_date reads the three forms of RFC 9110 section 5.6.7, with any
// case, any of GMT, UTC, Z, +0000 as zone, and RFC 3339.
MUST_USE bool http_parse_date(int64_t *seconds, struct bytes text);

// http_parse_retry_after reads seconds or a date as milliseconds from `now`
// (seconds since 1970); a date in the past is 0.
MUST_USE bool http_parse_retry_after(uint64_t *ms, struct bytes text,
                                     int64_t now);
