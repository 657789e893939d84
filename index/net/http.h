// http.h - HTTP/1.1 as it goes over the wire, both ways (RFC 9110, RFC 9112).
//
// Bytes come in as they arrive, in pieces of any size; what a message holds
// comes out.  A head is gathered, a body passes through in place:
//
//   switch (http_request_head(&request, &in, &err)) ...
//   while (http_body_read(&request.body, &in, &part, &err) == HTTP_PART) ...
//
// What could be read in two ways is refused: both Transfer-Encoding and
// Content-Length, lengths that differ, bare CR, folded lines, blanks before a
// colon (RFC 9112 sections 2.2, 5.1, 5.2, 6.3).
//
// Lifetime  valid as {0}; views of a head live until the next _reset or
//           _cleanup, parts of a body as long as the bytes that came in.
// Order     what is left in `in` after HTTP_END belongs to the next message.
// Limit     heads of HTTP_RESPONSE_HEAD_MAX and HTTP_REQUEST_HEAD_MAX bytes,
//           HTTP_FIELDS_MAX lines, HTTP_INTERIM_MAX answers of the kind 1xx,
//           trailers and chunk extensions of HTTP_TRAILER_MAX bytes together.

#pragma once

#include "index/base/buffer.h"
#include "index/base/err.h"
#include "index/net/http_text.h"

enum {
    HTTP_RESPONSE_HEAD_MAX = 64 << 10,
    HTTP_REQUEST_HEAD_MAX = 256 << 10,
    HTTP_FIELDS_MAX = 256,
    HTTP_INTERIM_MAX = 16,
    HTTP_TRAILER_MAX = 16 << 10,
};

enum http_progress {
    HTTP_MORE,   // all of `in` is taken and more is needed
    HTTP_PART,   // a head is whole, or a part of a body is there
    HTTP_END,    // the message has ended
    HTTP_BROKEN, // it has not, and `err` says why; close the connection
};

enum http_framing {
    HTTP_NO_BODY,
    HTTP_LENGTH,  // Content-Length
    HTTP_CHUNKED, // Transfer-Encoding: chunked
    HTTP_TO_EOF,  // until the connection closes: HTTP/1.0, Connection: close
};

// The body of a message, and how far it has been read.
struct http_body {
    enum http_framing framing;
    int state;       // of the chunked coding
    uint64_t left;   // of the length or of the chunk
    size_t overhead; // bytes of extensions and trailers
    bool may_end;    // HTTP_TO_EOF: the head said that it closes
};

// A request as the server reads it.  The first four views are of the head.
struct http_request {
    struct bytes method; // as sent: methods are case-sensitive
    struct bytes target;
    struct bytes host;   // empty when there is none (HTTP/1.0 only)
    struct bytes fields; // for http_field_find, http_field_next
    unsigned minor;      // of HTTP/1.minor: 0 or 1
    bool keep_alive;
    bool expects_continue; // and has a body: answer 100 before it is read
    bool has_length;
    uint64_t length;  // Content-Length
    unsigned refusal; // after HTTP_BROKEN: 400, 413, 501, 503, 505
    struct http_body body;
    struct buffer head;
    size_t line; // where the line that is being gathered begins
    unsigned num_blank;
    bool is_whole;
};

// A response as the client reads it.
struct http_response {
    unsigned status;
    struct bytes fields;
    struct bytes location;         // empty when absent
    struct bytes content_type;     // empty when absent
    struct bytes content_encoding; // empty when absent
    struct bytes retry_after;      // empty when absent
    unsigned minor;
    bool keep_alive; // the connection may carry another request
    bool has_length;
    uint64_t length;
    struct http_body body;
    struct buffer head;
    size_t line;
    unsigned num_interim;
    bool is_whole;
    bool to_head; // set by the caller: the answer to HEAD has no body
};

// http_request_head takes a request's head off `in`: HTTP_MORE, HTTP_PART when
// it is whole (its body comes next), HTTP_BROKEN with `refusal` set.
MUST_USE enum http_progress http_request_head(struct http_request *request,
                                              struct bytes *in,
                                              struct err *err);

// http_request_reset makes ready for the next request and keeps the memory.
void http_request_reset(struct http_request *request);

// http_request_cleanup frees what it holds.
void http_request_cleanup(struct http_request *request);

// http_response_head takes a response's head off `in`, passing over 1xx.
MUST_USE enum http_progress http_response_head(struct http_response *response,
                                               struct bytes *in,
                                               struct err *err);

// http_response_reset makes ready for the next response; `to_head` too.
void http_response_reset(struct http_response *response);

// http_response_cleanup frees what it holds.
void http_response_cleanup(struct http_response *response);

// http_body_read takes the next part of a body off `in`: HTTP_PART gives a
// view that is not empty, HTTP_END comes after the last, again and again.
MUST_USE enum http_progress http_body_read(struct http_body *body,
                                           struct bytes *in, struct bytes *part,
                                           struct err *err);

// http_body_certain is how many bytes at least come next that are the body's
// and nothing else, when nothing is left in `in`; 0 where that cannot be told.
// http_body_took says that so many of them were taken past http_body_read.
uint64_t http_body_certain(const struct http_body *body);
void http_body_took(struct http_body *body, uint64_t len);

// http_body_eof says whether a body may end where the connection did.
MUST_USE bool http_body_eof(const struct http_body *body, struct err *err);

// http_write_get appends a GET request for `target` to `host`.
void http_write_get(struct buffer *out, const char *host, struct bytes target,
                    const char *user_agent);

// http_write_status appends "HTTP/1.1 200 OK" and its line end; fields and the
// empty line are the caller's.
void http_write_status(struct buffer *out, unsigned status);

// http_write_length appends "Content-Length: N" and its line end.
void http_write_length(struct buffer *out, uint64_t len);

// http_reason is the reason phrase of a status, "" when it is not known.
const char *http_reason(unsigned status);

// http_write_chunk appends one chunk; an empty one is left out, since it would
// end the body.
void http_write_chunk(struct buffer *out, struct bytes bytes);

// http_write_chunk_end appends the end of a chunked body.
void http_write_chunk_end(struct buffer *out);
