// text.h - bytes as people and protocols write them.
//
// hex, base64 (RFC 4648 section 4), RFC 3339 times, and the escaped form in
// which bytes of strangers are shown: printable UTF-8 as it is, every other
// byte as \xHH, a backslash as two.
//
// Limit     decoders are strict: wrong length, alphabet or padding is "no".

#pragma once

#include "index/base/buffer.h"

enum { TEXT_TIME_LEN_MAX = 32 };

// text_append_hex appends lower-case hex.
void text_append_hex(struct buffer *out, struct bytes bytes);

// text_append_base64 appends base64 with padding.
void text_append_base64(struct buffer *out, struct bytes bytes);

// text_append_pem appends a certificate as PEM (RFC 7468 section 5.1).
void text_append_pem(struct buffer *out, struct bytes der);

// text_append_escaped appends `bytes` in the escaped form above.
void text_append_escaped(struct buffer *out, struct bytes bytes);

// text_escape writes the escaped form into `out`, cut to `size` with "..." at
// the end where it does not fit, and returns `out`.
char *text_escape(char *out, size_t size, struct bytes bytes);

// text_unescape appends what the escaped form stands for; false when a
// backslash is followed by neither a backslash nor xHH.
MUST_USE bool text_unescape(struct buffer *out, struct bytes escaped);

// text_parse_hex decodes exactly 2 * `len` hex digits of any case into `out`.
MUST_USE bool text_parse_hex(uint8_t *out, size_t len, struct bytes hex);

// text_parse_base64 appends what strict base64 decodes to.
MUST_USE bool text_parse_base64(struct buffer *out, struct bytes base64);

// text_append_uint appends a decimal number.
void text_append_uint(struct buffer *out, uint64_t value);

// text_parse_uint reads a decimal number without sign or leading zeros.
MUST_USE bool text_parse_uint(uint64_t *value, struct bytes decimal);

// text_time_utc writes seconds since 1970 as 2024-02-18T11:07:33Z; years from
// 0000 to 9999, else the empty string.  Returns `out`.
char *text_time_utc(char out[TEXT_TIME_LEN_MAX], int64_t seconds);

// text_time_utc_ms writes milliseconds since 1970 as 2024-02-18T11:07:33.123Z.
char *text_time_utc_ms(char out[TEXT_TIME_LEN_MAX], uint64_t ms);

// text_put_time and text_put_time_ms write the same without a NUL and return
// its length.
size_t text_put_time(char out[TEXT_TIME_LEN_MAX], int64_t seconds);
size_t text_put_time_ms(char out[TEXT_TIME_LEN_MAX], uint64_t ms);

// text_parse_time reads RFC 3339 (Z or an offset, a fraction is dropped) or a
// date alone, which is its first moment in UTC.
MUST_USE bool text_parse_time(int64_t *seconds, struct bytes text);

// text_days_from_civil counts days from 1970-01-01 to a Gregorian date.
int64_t text_days_from_civil(int64_t year, unsigned month, unsigned day);

// text_utf8_next reads one character of valid UTF-8 off the front: shortest
// form, no surrogates, at most U+10FFFF.
MUST_USE bool text_utf8_next(struct bytes *text, uint32_t *character);

// text_utf8_append appends one character as UTF-8.
void text_utf8_append(struct buffer *out, uint32_t character);
