// http.c - see http.h.

#include "index/net/http.h"

#include <assert.h>
#include <stdio.h>

#include "index/base/text.h"

enum { BLANK_LINES_MAX = 8, LENGTH_DIGITS_MAX = 18 };

// Where in RFC 9112 section 7.1 the reader stands.
enum chunk_state {
    CHUNK_FIRST, // the first digit of a size
    CHUNK_SIZE,
    CHUNK_EXTENSION,
    CHUNK_SIZE_LF,
    CHUNK_DATA,
    CHUNK_DATA_CR,
    CHUNK_DATA_LF,
    TRAILER_START,
    TRAILER_LINE,
    TRAILER_LINE_LF,
    TRAILER_END_LF,
    CHUNK_ENDED,
};

// What the fields of a head say about what follows it.
struct framing {
    bool has_length;
    uint64_t length;
    bool chunked;
    bool other_coding; // a transfer coding that is not known here
    bool close;
    bool keep_alive;
    unsigned num_hosts;
};

// ---------------------------------------------------------------- heads

// Moves lines from `in` to `head` until the empty one is there.  `line` is
// where the line that is being gathered begins.
static enum http_progress gather(struct buffer *head, size_t *line,
                                 struct bytes *in, size_t max)
{
    while (in->len > 0) {
        const uint8_t *end = memchr(in->data, '\n', in->len);
        size_t len = end == NULL ? in->len : (size_t)(end - in->data) + 1;
        struct bytes text;

        if (head->len + len > max) return HTTP_BROKEN;
        buffer_append(head, bytes_of(in->data, len));
        (void)bytes_skip(in, len);
        if (!buffer_ok(head)) return HTTP_BROKEN;
        if (end == NULL) return HTTP_MORE;
        text = bytes_of(head->data + *line, head->len - *line);
        *line = head->len;
        if (text.len == 1 || (text.len == 2 && text.data[0] == '\r')) {
            return HTTP_PART;
        }
    }
    return HTTP_MORE;
}

// Takes one line without its end off `text`; false on a CR or NUL inside.
static bool take_line(struct bytes *text, struct bytes *line)
{
    const uint8_t *end =
        text->len == 0 ? NULL : memchr(text->data, '\n', text->len);
    size_t len = end == NULL ? text->len : (size_t)(end - text->data);

    *line = bytes_of(text->data, len);
    (void)bytes_skip(text, end == NULL ? len : len + 1);
    if (len > 0 && line->data[len - 1] == '\r') line->len--;
    return line->len == 0 || (memchr(line->data, '\r', line->len) == NULL &&
                              memchr(line->data, '\0', line->len) == NULL);
}

static bool is_token(struct bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!http_is_token_char(text.data[i])) return false;
    }
    return text.len > 0;
}

static bool refuse(struct err *err, enum err_code code, const char *what,
                   struct bytes shown)
{
    char text[96];

    return err_set(err, code, "http: %s: '%s'", what,
                   text_escape(text, sizeof text, shown));
}

// Checks each line of `fields` to be "name: value".
static bool check_fields(struct bytes fields, struct err *err)
{
    size_t num = 0;

    while (fields.len > 0) {
        struct bytes line;
        const uint8_t *colon;

        if (!take_line(&fields, &line)) {
            return refuse(err, ERR_MALFORMED, "CR or NUL in a field", line);
        }
        colon = line.len == 0 ? NULL : memchr(line.data, ':', line.len);
        if (colon == NULL ||
            !is_token(bytes_of(line.data, (size_t)(colon - line.data)))) {
            return refuse(err, ERR_MALFORMED, "a line that is no field", line);
        }
        if (++num > HTTP_FIELDS_MAX) {
            return err_set(err, ERR_MALFORMED, "http: over %d fields",
                           HTTP_FIELDS_MAX);
        }
    }
    return true;
}

// Content-Length is digits, or the same digits several times (RFC 9110
// section 8.6).
static bool read_length(struct framing *framing, struct bytes value,
                        struct err *err)
{
    struct bytes rest = value, item;

    do {
        uint64_t length = 0;

        item = http_list_next(&rest);
        if (item.len == 0 || item.len > LENGTH_DIGITS_MAX) {
            return refuse(err, ERR_MALFORMED, "Content-Length", value);
        }
        for (size_t i = 0; i < item.len; i++) {
            if (item.data[i] < '0' || item.data[i] > '9') {
                return refuse(err, ERR_MALFORMED, "Content-Length", value);
            }
            length = length * 10 + (uint64_t)(item.data[i] - '0');
        }
        if (framing->has_length && framing->length != length) {
            return refuse(err, ERR_MALFORMED, "Content-Length twice", value);
        }
        framing->has_length = true;
        framing->length = length;
    } while (rest.len > 0);
    return true;
}

static bool read_framing(struct framing *framing, struct bytes fields,
                         struct err *err)
{
    struct bytes rest = fields, name, value;

    *framing = (struct framing){0};
    while (http_field_next(&rest, &name, &value)) {
        if (http_equal(name, "content-length")) {
            if (!read_length(framing, value, err)) return false;
        } else if (http_equal(name, "transfer-encoding")) {
            framing->other_coding = framing->other_coding || framing->chunked ||
                                    !http_equal(value, "chunked");
            framing->chunked = true;
        } else if (http_equal(name, "host")) {
            framing->num_hosts++;
        }
    }
    framing->close = http_list_has(fields, "connection", "close");
    framing->keep_alive = http_list_has(fields, "connection", "keep-alive");
    if (framing->chunked && framing->has_length) {
        return err_set(err, ERR_MALFORMED,
                       "http: both Transfer-Encoding and Content-Length");
    }
    return true;
}

static bool keeps_alive(const struct framing *framing, unsigned minor)
{
    return !framing->close && (minor > 0 || framing->keep_alive);
}

static void set_body(struct http_body *body, const struct framing *framing,
                     enum http_framing otherwise)
{
    *body = (struct http_body){.framing = otherwise};
    if (framing->chunked) {
        body->framing = HTTP_CHUNKED;
    } else if (framing->has_length) {
        body->framing = framing->length > 0 ? HTTP_LENGTH : HTTP_NO_BODY;
        body->left = framing->length;
    }
}

// The fields of a whole head, without first line and empty line.
static struct bytes fields_of(struct bytes after_first_line)
{
    size_t len = after_first_line.len;

    // The empty line is "\n" or "\r\n".
    len -= len >= 2 && after_first_line.data[len - 2] == '\r' ? 2 : 1;
    return bytes_of(after_first_line.data, len);
}

// ---------------------------------------------------------------- requests

// Says why gathering ended: the head is too long, or there is no memory.
static void say_why(const struct buffer *head, int max, struct err *err)
{
    if (!buffer_ok(head)) {
        (void)err_set(err, ERR_MEMORY, "http: no memory for a head");
    } else {
        (void)err_set(err, ERR_MALFORMED, "http: head over %d bytes", max);
    }
}

static enum http_progress broken(struct http_request *request, unsigned refusal)
{
    request->refusal = refusal;
    return HTTP_BROKEN;
}

// HTTP/DIGIT.DIGIT; 505 for another major version, 400 for what is none.
static bool read_request_version(struct http_request *request,
                                 struct bytes text, struct err *err)
{
    if (text.len != 8 || memcmp(text.data, "HTTP/", 5) != 0 ||
        text.data[5] < '0' || text.data[5] > '9' || text.data[6] != '.' ||
        text.data[7] < '0' || text.data[7] > '9') {
        request->refusal = 400;
        return refuse(err, ERR_MALFORMED, "no HTTP version", text);
    }
    if (text.data[5] != '1') {
        request->refusal = 505;
        return refuse(err, ERR_UNSUPPORTED, "HTTP version", text);
    }
    request->minor = text.data[7] == '0' ? 0 : 1;
    return true;
}

static bool is_target(struct bytes target)
{
    for (size_t i = 0; i < target.len; i++) {
        if (target.data[i] <= ' ' || target.data[i] == 0x7f) return false;
    }
    return target.len > 0;
}

// method SP request-target SP HTTP-version (RFC 9112 section 3).
static bool read_request_line(struct http_request *request, struct bytes line,
                              struct err *err)
{
    const uint8_t *first =
        line.len == 0 ? NULL : memchr(line.data, ' ', line.len);
    const uint8_t *last =
        line.len == 0 ? NULL : memrchr(line.data, ' ', line.len);
    const uint8_t *end = line.data + line.len;

    request->refusal = 400;
    if (first == NULL || first == last) {
        return refuse(err, ERR_MALFORMED, "no request line", line);
    }
    request->method = bytes_of(line.data, (size_t)(first - line.data));
    request->target = bytes_of(first + 1, (size_t)(last - first - 1));
    if (!is_token(request->method)) {
        return refuse(err, ERR_MALFORMED, "method", request->method);
    }
    if (!is_target(request->target)) {
        return refuse(err, ERR_MALFORMED, "target", request->target);
    }
    return read_request_version(
        request, bytes_of(last + 1, (size_t)(end - last - 1)), err);
}

static bool read_request_fields(struct http_request *request, struct err *err)
{
    struct framing framing;

    request->refusal = 400;
    if (!check_fields(request->fields, err) ||
        !read_framing(&framing, request->fields, err)) {
        return false;
    }
    if (framing.num_hosts > 1 ||
        (framing.num_hosts == 0 && request->minor > 0)) {
        return err_set(err, ERR_MALFORMED, "http: %u Host fields",
                       framing.num_hosts);
    }
    if (framing.chunked && request->minor == 0) {
        return err_set(err, ERR_MALFORMED,
                       "http: Transfer-Encoding in HTTP/1.0");
    }
    if (framing.other_coding) {
        request->refusal = 501;
        return err_set(err, ERR_UNSUPPORTED,
                       "http: a Transfer-Encoding other than chunked");
    }
    if (!http_field_find(request->fields, "host", &request->host)) {
        request->host = bytes_of(NULL, 0);
    }
    request->has_length = framing.has_length;
    request->length = framing.length;
    request->keep_alive = keeps_alive(&framing, request->minor);
    set_body(&request->body, &framing, HTTP_NO_BODY);
    request->expects_continue =
        request->minor > 0 && request->body.framing != HTTP_NO_BODY &&
        http_list_has(request->fields, "expect", "100-continue");
    request->refusal = 0;
    return true;
}

// Empty lines before a request are passed over (RFC 9112 section 2.2).
static bool skip_blank_lines(struct http_request *request, struct bytes *in)
{
    while (request->head.len == 0 && in->len > 0 &&
           (in->data[0] == '\r' || in->data[0] == '\n')) {
        if (++request->num_blank > 2 * BLANK_LINES_MAX) return false;
        (void)bytes_skip(in, 1);
    }
    return true;
}

enum http_progress http_request_head(struct http_request *request,
                                     struct bytes *in, struct err *err)
{
    enum http_progress progress;
    struct bytes rest, line;

    if (request->refusal != 0) return HTTP_BROKEN;
    if (request->is_whole) return HTTP_PART;
    if (!skip_blank_lines(request, in)) {
        (void)err_set(err, ERR_MALFORMED, "http: nothing but empty lines");
        return broken(request, 400);
    }
    progress =
        gather(&request->head, &request->line, in, HTTP_REQUEST_HEAD_MAX);
    if (progress == HTTP_MORE) return HTTP_MORE;
    if (progress == HTTP_BROKEN) {
        say_why(&request->head, HTTP_REQUEST_HEAD_MAX, err);
        return broken(request, buffer_ok(&request->head) ? 413 : 503);
    }
    rest = buffer_bytes(&request->head);
    if (!take_line(&rest, &line)) {
        (void)refuse(err, ERR_MALFORMED, "CR or NUL in the request", line);
        return broken(request, 400);
    }
    request->fields = fields_of(rest);
    if (!read_request_line(request, line, err) ||
        !read_request_fields(request, err)) {
        return HTTP_BROKEN;
    }
    request->is_whole = true;
    return HTTP_PART;
}

void http_request_reset(struct http_request *request)
{
    struct buffer head = request->head;

    buffer_reset(&head);
    *request = (struct http_request){.head = head};
}

void http_request_cleanup(struct http_request *request)
{
    buffer_cleanup(&request->head);
    *request = (struct http_request){0};
}

// ---------------------------------------------------------------- responses

// HTTP/1.DIGIT SP 3DIGIT [SP reason] (RFC 9112 section 4).
static bool read_status_line(struct http_response *response, struct bytes line,
                             struct err *err)
{
    const uint8_t *p = line.data;
    bool version = line.len >= 8 && memcmp(p, "HTTP/", 5) == 0 && p[6] == '.' &&
                   p[7] >= '0' && p[7] <= '9';
    unsigned status = 0;

    if (version && p[5] != '1') {
        return refuse(err, ERR_UNSUPPORTED, "HTTP version",
                      bytes_of(line.data, 8));
    }
    if (!version || line.len < 12 || p[8] != ' ' ||
        (line.len > 12 && p[12] != ' ')) {
        return refuse(err, ERR_MALFORMED, "no status line", line);
    }
    for (size_t i = 9; i < 12; i++) {
        if (p[i] < '0' || p[i] > '9') {
            return refuse(err, ERR_MALFORMED, "no status line", line);
        }
        status = status * 10 + (unsigned)(p[i] - '0');
    }
    if (status < 100 || status > 599 || status == 101) {
        return err_set(err, ERR_UNSUPPORTED, "http: status %u", status);
    }
    response->status = status;
    response->minor = p[7] == '0' ? 0 : 1;
    return true;
}

static void find_fields(struct http_response *response)
{
    static const struct {
        const char *name;
        size_t offset;
    } wanted[] = {
        {"location", offsetof(struct http_response, location)},
        {"content-type", offsetof(struct http_response, content_type)},
        {"content-encoding", offsetof(struct http_response, content_encoding)},
        {"retry-after", offsetof(struct http_response, retry_after)},
    };

    for (size_t i = 0; i < COUNT_OF(wanted); i++) {
        struct bytes value = {0};

        if (!http_field_find(response->fields, wanted[i].name, &value)) {
            value = bytes_of(NULL, 0);
        }
        memcpy((char *)response + wanted[i].offset, &value, sizeof value);
    }
}

static bool read_response_fields(struct http_response *response,
                                 struct err *err)
{
    struct framing framing;
    bool bodiless =
        response->to_head || response->status == 204 || response->status == 304;

    if (!check_fields(response->fields, err) ||
        !read_framing(&framing, response->fields, err)) {
        return false;
    }
    if (framing.other_coding || (framing.chunked && response->minor == 0)) {
        return err_set(err, ERR_UNSUPPORTED,
                       "http: a Transfer-Encoding other than chunked");
    }
    response->has_length = framing.has_length;
    response->length = framing.length;
    response->keep_alive = keeps_alive(&framing, response->minor);
    set_body(&response->body, &framing, HTTP_TO_EOF);
    if (bodiless) response->body = (struct http_body){0};
    if (response->body.framing == HTTP_TO_EOF) {
        response->body.may_end = !response->keep_alive;
        response->keep_alive = false;
    }
    find_fields(response);
    return true;
}

// Ends at once what can never become a status line: HTTP/0.9, another protocol.
static bool may_be_status_line(const struct buffer *head, struct err *err)
{
    static const char begin[] = "HTTP/";

    for (size_t i = 0; i < head->len && i < sizeof begin - 1; i++) {
        if (head->data[i] != (uint8_t)begin[i]) {
            return refuse(err, ERR_MALFORMED, "no status line",
                          bytes_of(head->data, i + 1));
        }
    }
    return true;
}

static enum http_progress read_response(struct http_response *response,
                                        struct err *err)
{
    struct bytes rest = buffer_bytes(&response->head), line;

    if (!take_line(&rest, &line)) {
        (void)refuse(err, ERR_MALFORMED, "CR or NUL in the status line", line);
        return HTTP_BROKEN;
    }
    response->fields = fields_of(rest);
    if (!read_status_line(response, line, err) ||
        !read_response_fields(response, err)) {
        return HTTP_BROKEN;
    }
    return HTTP_PART;
}

enum http_progress http_response_head(struct http_response *response,
                                      struct bytes *in, struct err *err)
{
    while (!response->is_whole) {
        enum http_progress progress = gather(&response->head, &response->line,
                                             in, HTTP_RESPONSE_HEAD_MAX);

        if (!may_be_status_line(&response->head, err)) return HTTP_BROKEN;
        if (progress == HTTP_MORE) return HTTP_MORE;
        if (progress == HTTP_BROKEN) {
            say_why(&response->head, HTTP_RESPONSE_HEAD_MAX, err);
            return HTTP_BROKEN;
        }
        if (read_response(response, err) != HTTP_PART) return HTTP_BROKEN;
        if (response->status >= 200) {
            response->is_whole = true;
            break;
        }
        if (++response->num_interim > HTTP_INTERIM_MAX) {
            (void)err_set(err, ERR_MALFORMED, "http: over %d answers 1xx",
                          HTTP_INTERIM_MAX);
            return HTTP_BROKEN;
        }
        buffer_reset(&response->head);
        response->line = 0;
    }
    return HTTP_PART;
}

void http_response_reset(struct http_response *response)
{
    struct buffer head = response->head;

    buffer_reset(&head);
    *response = (struct http_response){.head = head};
}

void http_response_cleanup(struct http_response *response)
{
    buffer_cleanup(&response->head);
    *response = (struct http_response){0};
}

// ---------------------------------------------------------------- bodies

static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

static bool expect(struct http_body *body, uint8_t byte, uint8_t wanted,
                   enum chunk_state next, struct err *err)
{
    if (byte != wanted) {
        return err_set(err, ERR_MALFORMED,
                       "http: byte %02x where a chunk has %s", byte,
                       wanted == '\r' ? "CR" : "LF");
    }
    body->state = (int)next;
    return true;
}

static bool add_size_digit(struct http_body *body, uint8_t byte,
                           struct err *err)
{
    int value = hex_value(byte);

    if (body->state == CHUNK_FIRST) {
        if (value < 0) {
            return err_set(err, ERR_MALFORMED, "http: chunk size: byte %02x",
                           byte);
        }
        body->left = 0;
        body->state = CHUNK_SIZE;
    }
    if (value >= 0) {
        if (body->left >> 56 != 0) {
            return err_set(err, ERR_MALFORMED, "http: chunk size over 2^60");
        }
        body->left = body->left << 4 | (uint64_t)value;
        // Leading zeros cost the sender something too.
        if (body->left == 0) body->overhead++;
        return true;
    }
    if (byte == '\r') {
        body->state = CHUNK_SIZE_LF;
        return true;
    }
    body->state = CHUNK_EXTENSION;
    return byte == ';' || byte == ' ' || byte == '\t' ||
           err_set(err, ERR_MALFORMED, "http: chunk size: byte %02x", byte);
}

// Takes one byte of what surrounds the data of chunks.
static bool step_chunk(struct http_body *body, uint8_t byte, struct err *err)
{
    switch ((enum chunk_state)body->state) {
    case CHUNK_FIRST:
    case CHUNK_SIZE:
        return add_size_digit(body, byte, err);
    case CHUNK_EXTENSION:
        body->overhead++;
        if (byte == '\r') body->state = CHUNK_SIZE_LF;
        return byte != '\n' ||
               err_set(err, ERR_MALFORMED, "http: LF in a chunk extension");
    case CHUNK_SIZE_LF:
        return expect(body, byte, '\n',
                      body->left > 0 ? CHUNK_DATA : TRAILER_START, err);
    case CHUNK_DATA_CR:
        return expect(body, byte, '\r', CHUNK_DATA_LF, err);
    case CHUNK_DATA_LF:
        return expect(body, byte, '\n', CHUNK_FIRST, err);
    case TRAILER_START:
        body->overhead++;
        body->state = byte == '\r' ? TRAILER_END_LF : TRAILER_LINE;
        return byte != '\n' ||
               err_set(err, ERR_MALFORMED, "http: LF alone in a trailer");
    case TRAILER_LINE:
        body->overhead++;
        if (byte == '\r') body->state = TRAILER_LINE_LF;
        return byte != '\n' ||
               err_set(err, ERR_MALFORMED, "http: LF alone in a trailer");
    case TRAILER_LINE_LF:
        return expect(body, byte, '\n', TRAILER_START, err);
    case TRAILER_END_LF:
        return expect(body, byte, '\n', CHUNK_ENDED, err);
    case CHUNK_DATA:
    case CHUNK_ENDED:
        break;
    }
    return true;
}

static enum http_progress take_part(struct http_body *body, struct bytes *in,
                                    struct bytes *part)
{
    size_t len = in->len < body->left ? in->len : (size_t)body->left;

    (void)bytes_read_take(in, part, len);
    body->left -= len;
    return HTTP_PART;
}

static enum http_progress read_chunked(struct http_body *body, struct bytes *in,
                                       struct bytes *part, struct err *err)
{
    while (body->state != CHUNK_ENDED) {
        uint8_t byte;

        if (body->state == CHUNK_DATA && body->left == 0) {
            body->state = CHUNK_DATA_CR;
        }
        if (in->len == 0) return HTTP_MORE;
        if (body->state == CHUNK_DATA) return take_part(body, in, part);
        byte = in->data[0];
        (void)bytes_skip(in, 1);
        if (!step_chunk(body, byte, err)) return HTTP_BROKEN;
        if (body->overhead > HTTP_TRAILER_MAX) {
            (void)err_set(err, ERR_MALFORMED,
                          "http: over %d bytes of trailers and extensions",
                          HTTP_TRAILER_MAX);
            return HTTP_BROKEN;
        }
    }
    return HTTP_END;
}

enum http_progress http_body_read(struct http_body *body, struct bytes *in,
                                  struct bytes *part, struct err *err)
{
    *part = bytes_of(NULL, 0);
    switch (body->framing) {
    case HTTP_NO_BODY:
        return HTTP_END;
    case HTTP_LENGTH:
        if (body->left == 0) return HTTP_END;
        return in->len == 0 ? HTTP_MORE : take_part(body, in, part);
    case HTTP_CHUNKED:
        return read_chunked(body, in, part, err);
    case HTTP_TO_EOF:
        if (in->len == 0) return HTTP_MORE;
        (void)bytes_read_take(in, part, in->len);
        return HTTP_PART;
    }
    return HTTP_END;
}

uint64_t http_body_certain(const struct http_body *body)
{
    switch (body->framing) {
    case HTTP_LENGTH:
        return body->left;
    case HTTP_CHUNKED:
        return body->state == CHUNK_DATA ? body->left : 0;
    case HTTP_NO_BODY:
    case HTTP_TO_EOF:
        break;
    }
    return 0;
}

void http_body_took(struct http_body *body, uint64_t len)
{
    assert(len <= http_body_certain(body));
    body->left -= len;
}

bool http_body_eof(const struct http_body *body, struct err *err)
{
    switch (body->framing) {
    case HTTP_NO_BODY:
        return true;
    case HTTP_LENGTH:
        if (body->left == 0) return true;
        return err_set(err, ERR_NETWORK,
                       "http: body truncated, %llu bytes "
                       "missing",
                       (unsigned long long)body->left);
    case HTTP_CHUNKED:
        if (body->state == CHUNK_ENDED) return true;
        return err_set(err, ERR_NETWORK, "http: chunked body truncated");
    case HTTP_TO_EOF:
        if (body->may_end) return true;
        return err_set(err, ERR_NETWORK,
                       "http: body without a length, and the connection ended "
                       "unannounced");
    }
    return true;
}

// ---------------------------------------------------------------- writing

void http_write_get(struct buffer *out, const char *host, struct bytes target,
                    const char *user_agent)
{
    buffer_append_text(out, "GET ");
    buffer_append(out, target);
    buffer_append_text(out, " HTTP/1.1\r\nHost: ");
    buffer_append_text(out, host);
    buffer_append_text(out, "\r\nUser-Agent: ");
    buffer_append_text(out, user_agent);
    buffer_append_text(out, "\r\nAccept: */*\r\n"
                            "Accept-Encoding: gzip, identity\r\n\r\n");
}

static const struct {
    unsigned status;
    const char *reason;
} reasons[] = {
    {100, "Continue"},
    {200, "OK"},
    {204, "No Content"},
    {206, "Partial Content"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {304, "Not Modified"},
    {400, "Bad Request"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {410, "Gone"},
    {413, "Content Too Large"},
    {417, "Expectation Failed"},
    {421, "Misdirected Request"},
    {429, "Too Many Requests"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
};

const char *http_reason(unsigned status)
{
    for (size_t i = 0; i < COUNT_OF(reasons); i++) {
        if (reasons[i].status == status) return reasons[i].reason;
    }
    return "";
}

void http_write_status(struct buffer *out, unsigned status)
{
    if (status == 200) { // most often
        buffer_append_text(out, "HTTP/1.1 200 OK\r\n");
    } else {
        buffer_printf(out, "HTTP/1.1 %u %s\r\n", status, http_reason(status));
    }
}

void http_write_length(struct buffer *out, uint64_t len)
{
    buffer_append_text(out, "Content-Length: ");
    text_append_uint(out, len);
    buffer_append_text(out, "\r\n");
}

void http_write_chunk(struct buffer *out, struct bytes bytes)
{
    if (bytes.len == 0) return;
    buffer_printf(out, "%zx\r\n", bytes.len);
    buffer_append(out, bytes);
    buffer_append_text(out, "\r\n");
}

void http_write_chunk_end(struct buffer *out)
{
    buffer_append_text(out, "0\r\n\r\n");
}
