// test_http.c - messages that are taken and that are refused, in every split.

#include "index/net/http.h"
#include "tests/support/check.h"

// ------------------------------------------------------------ a whole message

// Writes what a view shows in short form.
static void show(struct buffer *out, const char *name, struct bytes value)
{
    buffer_printf(out, "%s=%.*s|", name, (int)value.len,
                  value.len == 0 ? "" : (const char *)value.data);
}

// Reads a body to its end; HTTP_MORE means that `in` was not enough.
static enum http_progress read_body(struct http_body *body, struct bytes *in,
                                    struct buffer *out, struct err *err)
{
    enum http_progress progress;
    struct bytes part;

    while ((progress = http_body_read(body, in, &part, err)) == HTTP_PART) {
        assert_true(part.len > 0);
        buffer_append(out, part);
    }
    assert_true(progress != HTTP_MORE || in->len == 0);
    return progress;
}

// Feeds `wire` in pieces cut at `cut` (and at every byte when `cut` is 0), and
// writes what came out, so that two ways of cutting can be compared.
struct feeder {
    struct bytes wire;
    size_t cut;
    size_t given;
};

static bool next_piece(struct feeder *feeder, struct bytes *in)
{
    size_t len = feeder->wire.len - feeder->given;

    if (len == 0) return false;
    if (feeder->cut == 0) {
        len = 1;
    } else if (feeder->given < feeder->cut &&
               feeder->cut - feeder->given < len) {
        len = feeder->cut - feeder->given;
    }
    // What was left over of the last piece comes again in front.
    *in = bytes_of(feeder->wire.data + feeder->given - in->len, in->len + len);
    feeder->given += len;
    return true;
}

static void show_request(struct buffer *out, const struct http_request *request)
{
    show(out, "method", request->method);
    show(out, "target", request->target);
    show(out, "host", request->host);
    buffer_printf(out, "minor=%u|keep=%d|expect=%d|framing=%d|", request->minor,
                  request->keep_alive, request->expects_continue,
                  (int)request->body.framing);
}

// Reads all requests on `wire`; `refusal` is that of the last.
static void read_requests(struct bytes wire, size_t cut, struct buffer *out,
                          struct err *err)
{
    struct http_request request = {0};
    struct feeder feeder = {.wire = wire, .cut = cut};
    struct bytes in = bytes_of(wire.data, 0);
    struct buffer body = {0};
    bool in_body = false;

    for (;;) {
        enum http_progress progress =
            in_body ? read_body(&request.body, &in, &body, err)
                    : http_request_head(&request, &in, err);

        if (progress == HTTP_MORE) {
            if (!next_piece(&feeder, &in)) break;
        } else if (progress == HTTP_PART) {
            show_request(out, &request);
            in_body = true;
        } else if (progress == HTTP_END) {
            show(out, "body", buffer_bytes(&body));
            buffer_reset(&body);
            http_request_reset(&request);
            in_body = false;
        } else {
            buffer_printf(out, "refusal=%u|", request.refusal);
            break;
        }
    }
    http_request_cleanup(&request);
    buffer_cleanup(&body);
}

static void show_response(struct buffer *out,
                          const struct http_response *response)
{
    buffer_printf(out, "%u|minor=%u|keep=%d|framing=%d|", response->status,
                  response->minor, response->keep_alive,
                  (int)response->body.framing);
    if (response->location.len > 0) show(out, "to", response->location);
    if (response->content_type.len > 0) {
        show(out, "type", response->content_type);
    }
    if (response->content_encoding.len > 0) {
        show(out, "coding", response->content_encoding);
    }
    if (response->retry_after.len > 0) {
        show(out, "retry", response->retry_after);
    }
}

// Takes what must be the body's off the wire itself, as the fetcher has TLS do.
static bool take_past(struct http_body *body, struct feeder *feeder,
                      struct buffer *out)
{
    size_t left = feeder->wire.len - feeder->given;
    uint64_t certain = http_body_certain(body);

    if (certain == 0 || left == 0) return false;
    if (certain < left) left = (size_t)certain;
    if (feeder->cut == 0) left = 1;
    buffer_append(out, bytes_of(feeder->wire.data + feeder->given, left));
    feeder->given += left;
    http_body_took(body, left);
    return true;
}

// Reads one response on `wire` and then its end.
static void read_response_so(struct bytes wire, size_t cut, bool past,
                             struct buffer *out, struct err *err)
{
    struct http_response response = {0};
    struct feeder feeder = {.wire = wire, .cut = cut};
    struct bytes in = bytes_of(wire.data, 0);
    struct buffer body = {0};
    enum http_progress progress;
    bool in_body = false;

    for (;;) {
        progress = in_body ? read_body(&response.body, &in, &body, err)
                           : http_response_head(&response, &in, err);
        if (progress == HTTP_MORE) {
            if (past && in_body && take_past(&response.body, &feeder, &body)) {
                in = bytes_of(wire.data + feeder.given, 0);
            } else if (!next_piece(&feeder, &in)) {
                break;
            }
        } else if (progress == HTTP_PART) {
            show_response(out, &response);
            in_body = true;
        } else {
            break;
        }
    }
    if (progress == HTTP_MORE && !in_body) {
        (void)err_set(err, ERR_NETWORK, "no head");
    } else if (progress == HTTP_MORE) {
        bool whole = http_body_eof(&response.body, err);

        assert_int_equal(whole, err->text[0] == '\0');
    }
    show(out, "body", buffer_bytes(&body));
    buffer_printf(out, "left=%zu", wire.len - feeder.given + in.len);
    http_response_cleanup(&response);
    buffer_cleanup(&body);
}

static void read_response(struct bytes wire, size_t cut, struct buffer *out,
                          struct err *err)
{
    read_response_so(wire, cut, false, out, err);
}

static void read_response_past(struct bytes wire, size_t cut,
                               struct buffer *out, struct err *err)
{
    read_response_so(wire, cut, true, out, err);
}

typedef void reader(struct bytes wire, size_t cut, struct buffer *out,
                    struct err *err);

// Every cut into two, and byte by byte, must give what one piece gives.
static void check_splits(reader *read, struct bytes wire,
                         const struct buffer *whole,
                         const struct err *whole_err)
{
    for (size_t cut = 0; cut < wire.len; cut++) {
        struct buffer out = {0};
        struct err err = {0};
        bool same_left;

        read(wire, cut, &out, &err);
        // After a failure the bytes that were not looked at may differ.
        same_left = bytes_equal(buffer_bytes(&out), buffer_bytes(whole));
        CHECK(strcmp(err.text, whole_err->text) == 0);
        CHECK(err.text[0] != '\0' || same_left);
        buffer_cleanup(&out);
    }
}

// ---------------------------------------------------------------- responses

#define OK "HTTP/1.1 200 OK\r\n"
#define LEN(n) "Content-Length: " #n "\r\n"
#define CHUNKED "Transfer-Encoding: chunked\r\n"

static const struct {
    const char *name;
    const char *wire;
    const char *error; // "": accepted
    const char *result;
} responses[] = {
    {"length", OK LEN(5) "\r\nhello", "",
     "200|minor=1|keep=1|framing=1|body=hello|left=0"},
    {"no body", OK LEN(0) "\r\n", "",
     "200|minor=1|keep=1|framing=0|body=|left=0"},
    {"excess stays", OK LEN(5) "\r\nhelloHTTP", "",
     "200|minor=1|keep=1|framing=1|body=hello|left=4"},
    {"bare LF", "HTTP/1.1 200 OK\nContent-Length: 2\n\nhi", "",
     "200|minor=1|keep=1|framing=1|body=hi|left=0"},
    {"no reason", "HTTP/1.1 200\r\n" LEN(1) "\r\nx", "",
     "200|minor=1|keep=1|framing=1|body=x|left=0"},
    {"reason empty", "HTTP/1.1 200 \r\n" LEN(1) "\r\nx", "",
     "200|minor=1|keep=1|framing=1|body=x|left=0"},
    {"http 1.0", "HTTP/1.0 200 OK\r\n" LEN(1) "\r\nx", "",
     "200|minor=0|keep=0|framing=1|body=x|left=0"},
    {"http 1.0 kept",
     "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\n" LEN(1) "\r\nx", "",
     "200|minor=0|keep=1|framing=1|body=x|left=0"},
    {"close", OK "connection: foo, Close\r\n" LEN(1) "\r\nx", "",
     "200|minor=1|keep=0|framing=1|body=x|left=0"},
    {"chunked", OK CHUNKED "\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "",
     "200|minor=1|keep=1|framing=2|body=hello world|left=0"},
    {"chunked, hex and zeros",
     OK CHUNKED "\r\n00A\r\n0123456789\r\n000\r\n\r\n", "",
     "200|minor=1|keep=1|framing=2|body=0123456789|left=0"},
    {"chunk extension", OK CHUNKED "\r\n1;a=\"b\"\r\nx\r\n0 ;c\r\n\r\n", "",
     "200|minor=1|keep=1|framing=2|body=x|left=0"},
    {"trailers", OK CHUNKED "\r\n1\r\nx\r\n0\r\nA: b\r\nC: d\r\n\r\nrest", "",
     "200|minor=1|keep=1|framing=2|body=x|left=4"},
    {"to the end", OK "Connection: close\r\n\r\nabc", "",
     "200|minor=1|keep=0|framing=3|body=abc|left=0"},
    {"to the end, 1.0", "HTTP/1.0 200 OK\r\n\r\nabc", "",
     "200|minor=0|keep=0|framing=3|body=abc|left=0"},
    {"1xx are passed over",
     "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n" OK
         LEN(1) "\r\nx",
     "", "200|minor=1|keep=1|framing=1|body=x|left=0"},
    {"204", "HTTP/1.1 204 No Content\r\n\r\n", "",
     "204|minor=1|keep=1|framing=0|body=|left=0"},
    {"304 with a length", "HTTP/1.1 304 Not Modified\r\n" LEN(9) "\r\n", "",
     "304|minor=1|keep=1|framing=0|body=|left=0"},
    {"429", "HTTP/1.1 429 Too Many\r\nRetry-After:  17 \r\n" LEN(0) "\r\n", "",
     "429|minor=1|keep=1|framing=0|retry=17|body=|left=0"},
    {"redirect", "HTTP/1.1 301 x\r\nLocation: http://b/\r\n" LEN(0) "\r\n", "",
     "301|minor=1|keep=1|framing=0|to=http://b/|body=|left=0"},
    {"gzip", OK "content-ENCODING:gzip\r\nContent-Type: a/b\r\n" LEN(1) "\r\nx",
     "", "200|minor=1|keep=1|framing=1|type=a/b|coding=gzip|body=x|left=0"},
    {"the same length twice", OK LEN(1) LEN(1) "\r\nx", "",
     "200|minor=1|keep=1|framing=1|body=x|left=0"},
    {"1.9", "HTTP/1.9 200 OK\r\n" LEN(1) "\r\nx", "",
     "200|minor=1|keep=1|framing=1|body=x|left=0"},
    {"latin-1 in a value", OK "A: \xe4\x01\r\n" LEN(1) "\r\nx", "",
     "200|minor=1|keep=1|framing=1|body=x|left=0"},

    {"truncated length", OK LEN(5) "\r\nhell",
     "http: body truncated, 1 bytes missing", NULL},
    {"truncated chunk", OK CHUNKED "\r\n5\r\nhell",
     "http: chunked body truncated", NULL},
    {"no last chunk", OK CHUNKED "\r\n5\r\nhello\r\n",
     "http: chunked body truncated", NULL},
    {"no last line end", OK CHUNKED "\r\n5\r\nhello\r\n0\r\n\r",
     "http: chunked body truncated", NULL},
    {"ends unannounced", OK "\r\nabc",
     "http: body without a length, and the connection ended unannounced", NULL},
    {"no head", "HTTP/1.1 200 OK\r\n", "no head", NULL},
    {"0.9", "<html>hello</html>", "http: no status line: '<'", NULL},
    {"tls alert", "\x15\x03\x01", "http: no status line: '\\x15'", NULL},
    {"blank line", "\r\n", "http: no status line: '\\x0d'", NULL},
    {"2.0", "HTTP/2.0 200 OK\r\n\r\n", "http: HTTP version: 'HTTP/2.0'", NULL},
    {"status of two digits", "HTTP/1.1 20 OK\r\n\r\n",
     "http: no status line: 'HTTP/1.1 20 OK'", NULL},
    {"status of four digits", "HTTP/1.1 2000 OK\r\n\r\n",
     "http: no status line: 'HTTP/1.1 2000 OK'", NULL},
    {"two blanks", "HTTP/1.1  200 OK\r\n\r\n",
     "http: no status line: 'HTTP/1.1  200 OK'", NULL},
    {"negative status", "HTTP/1.1 -20 OK\r\n\r\n",
     "http: no status line: 'HTTP/1.1 -20 OK'", NULL},
    {"status 099", "HTTP/1.1 099 OK\r\n\r\n", "http: status 99", NULL},
    {"status 600", "HTTP/1.1 600 OK\r\n\r\n", "http: status 600", NULL},
    {"101", "HTTP/1.1 101 Switching\r\n\r\n", "http: status 101", NULL},
    {"both", OK CHUNKED LEN(5) "\r\n",
     "http: both Transfer-Encoding and Content-Length", NULL},
    {"two lengths", OK LEN(5) LEN(6) "\r\n", "http: Content-Length twice: '6'",
     NULL},
    {"two lengths in one", OK "Content-Length: 5, 6\r\n\r\n",
     "http: Content-Length twice: '5, 6'", NULL},
    {"negative length", OK LEN(-5) "\r\n", "http: Content-Length: '-5'", NULL},
    {"plus length", OK LEN(+5) "\r\n", "http: Content-Length: '+5'", NULL},
    {"hex length", OK LEN(0x5) "\r\n", "http: Content-Length: '0x5'", NULL},
    {"empty length", OK "Content-Length: \r\n\r\n", "http: Content-Length: ''",
     NULL},
    {"huge length", OK "Content-Length: 18446744073709551617\r\n\r\n",
     "http: Content-Length: '18446744073709551617'", NULL},
    {"gzip as transfer coding", OK "Transfer-Encoding: gzip, chunked\r\n\r\n",
     "http: a Transfer-Encoding other than chunked", NULL},
    {"chunked twice", OK CHUNKED CHUNKED "\r\n",
     "http: a Transfer-Encoding other than chunked", NULL},
    {"chunked in 1.0", "HTTP/1.0 200 OK\r\n" CHUNKED "\r\n",
     "http: a Transfer-Encoding other than chunked", NULL},
    {"folded", OK "A: b\r\n c\r\n\r\n", "http: a line that is no field: ' c'",
     NULL},
    {"blank before colon", OK "Content-Length : 5\r\n\r\n",
     "http: a line that is no field: 'Content-Length : 5'", NULL},
    {"no colon", OK "hello\r\n\r\n", "http: a line that is no field: 'hello'",
     NULL},
    {"no name", OK ": x\r\n\r\n", "http: a line that is no field: ': x'", NULL},
    {"CR inside", OK "A: b\rC: d\r\n\r\n",
     "http: CR or NUL in a field: 'A: b\\x0dC: d'", NULL},
    {"chunk size empty", OK CHUNKED "\r\n\r\n", "http: chunk size: byte 0d",
     NULL},
    {"chunk size negative", OK CHUNKED "\r\n-1\r\n",
     "http: chunk size: byte 2d", NULL},
    {"chunk size 0x", OK CHUNKED "\r\n0x5\r\n", "http: chunk size: byte 78",
     NULL},
    {"chunk size over", OK CHUNKED "\r\n10000000000000000\r\n",
     "http: chunk size over 2^60", NULL},
    {"chunk without CR", OK CHUNKED "\r\n1\nx", "http: chunk size: byte 0a",
     NULL},
    {"chunk too long", OK CHUNKED "\r\n1\r\nxy\r\n",
     "http: byte 79 where a chunk has CR", NULL},
    {"chunk, CR and x", OK CHUNKED "\r\n1\r\nx\rx",
     "http: byte 78 where a chunk has LF", NULL},
    {"chunk size, CR and x", OK CHUNKED "\r\n1\rx",
     "http: byte 78 where a chunk has LF", NULL},
    {"LF in extension", OK CHUNKED "\r\n1;a\nx",
     "http: LF in a chunk extension", NULL},
    {"LF in trailer", OK CHUNKED "\r\n0\r\na\nx", "http: LF alone in a trailer",
     NULL},
    {"LF for trailer", OK CHUNKED "\r\n0\r\n\n", "http: LF alone in a trailer",
     NULL},
};

static void reads_responses(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(responses); i++) {
        struct bytes wire = heap_copy(bytes_from_text(responses[i].wire));
        struct buffer out = {0};
        struct err err = {0};

        test_case = responses[i].name;
        read_response(wire, wire.len, &out, &err);
        if (strcmp(err.text, responses[i].error) != 0) {
            print_error("'%s': got '%s'\n", test_case, err.text);
        }
        CHECK(strcmp(err.text, responses[i].error) == 0);
        if (responses[i].result != NULL) {
            if (!bytes_equal_text(buffer_bytes(&out), responses[i].result)) {
                print_error("got '%.*s'\n", (int)out.len, out.data);
            }
            CHECK(bytes_equal_text(buffer_bytes(&out), responses[i].result));
        }
        check_splits(read_response, wire, &out, &err);
        check_splits(read_response_past, wire, &out, &err);
        buffer_cleanup(&out);
        free((void *)wire.data);
    }
}

// No truncation of a message with a length or chunks may pass for the whole.
static void refuses_every_truncation(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(responses); i++) {
        struct bytes wire = bytes_from_text(responses[i].wire);

        if (responses[i].result == NULL) continue;
        if (strstr(responses[i].result, "framing=3") != NULL) continue;
        if (strstr(responses[i].result, "left=0") == NULL) continue;
        test_case = responses[i].name;
        for (size_t len = 0; len < wire.len; len++) {
            struct bytes cut = heap_copy(bytes_of(wire.data, len));
            struct buffer out = {0};
            struct err err = {0};

            read_response(cut, len, &out, &err);
            CHECK(err.text[0] != '\0');
            buffer_cleanup(&out);
            free((void *)cut.data);
        }
    }
}

static void answer_to_head_has_no_body(void **state)
{
    struct http_response response = {.to_head = true};
    struct bytes in = bytes_from_text(OK LEN(100) "\r\n"), part;
    struct err err;

    (void)state;
    assert_int_equal(http_response_head(&response, &in, &err), HTTP_PART);
    assert_int_equal(response.length, 100);
    assert_true(response.has_length);
    assert_int_equal(http_body_read(&response.body, &in, &part, &err),
                     HTTP_END);
    http_response_cleanup(&response);
}

static void add_many(struct buffer *wire, const char *text, size_t num)
{
    for (size_t i = 0; i < num; i++) {
        buffer_append_text(wire, text);
    }
}

// Floods, built at a limit and one beyond it.
static const struct {
    const char *name;
    const char *before;
    const char *repeated;
    size_t num;
    const char *after;
    const char *error;
} floods[] = {
    {"1xx at the limit", "", "HTTP/1.1 100 C\r\n\r\n", HTTP_INTERIM_MAX,
     OK LEN(0) "\r\n", ""},
    {"1xx", "", "HTTP/1.1 100 C\r\n\r\n", HTTP_INTERIM_MAX + 1,
     OK LEN(0) "\r\n", "http: over 16 answers 1xx"},
    {"fields at the limit", OK LEN(0), "A: b\r\n", HTTP_FIELDS_MAX - 1, "\r\n",
     ""},
    {"fields", OK LEN(0), "A: b\r\n", HTTP_FIELDS_MAX, "\r\n",
     "http: over 256 fields"},
    {"head at the limit", OK LEN(0) "A: ", "x",
     HTTP_RESPONSE_HEAD_MAX - 17 - 19 - 3 - 4, "\r\n\r\n", ""},
    {"head", OK LEN(0) "A: ", "x", HTTP_RESPONSE_HEAD_MAX - 17 - 19 - 3 - 3,
     "\r\n\r\n", "http: head over 65536 bytes"},
    {"head without end", OK "A: ", "x", 1000000, "",
     "http: head over 65536 bytes"},
    {"trailers", OK CHUNKED "\r\n0\r\n", "A: b\r\n", 10000, "\r\n",
     "http: over 16384 bytes of trailers and extensions"},
    {"extensions", OK CHUNKED "\r\n", "1;aaaaaaaaaaaaaaaaaaaa\r\nx\r\n", 1000,
     "0\r\n\r\n", "http: over 16384 bytes of trailers and extensions"},
    {"zeros in a size", OK CHUNKED "\r\n", "0", 20000, "1\r\nx\r\n0\r\n\r\n",
     "http: over 16384 bytes of trailers and extensions"},
    {"chunks of one byte", OK CHUNKED "\r\n", "1\r\nx\r\n", 20000, "0\r\n\r\n",
     ""},
};

static void bounds_floods(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(floods); i++) {
        struct buffer wire = {0}, out = {0};
        struct err err = {0};

        test_case = floods[i].name;
        buffer_append_text(&wire, floods[i].before);
        add_many(&wire, floods[i].repeated, floods[i].num);
        buffer_append_text(&wire, floods[i].after);
        read_response(buffer_bytes(&wire), 1000, &out, &err);
        if (strcmp(err.text, floods[i].error) != 0) {
            print_error("'%s': got '%s'\n", test_case, err.text);
        }
        CHECK(strcmp(err.text, floods[i].error) == 0);
        buffer_cleanup(&out);
        buffer_cleanup(&wire);
    }
}

// ---------------------------------------------------------------- requests

#define HOST "Host: a\r\n"

static const struct {
    const char *name;
    const char *wire;
    const char *error;
    const char *result;
} requests[] = {
    {"get", "GET /v1/certs?q=1.1.1.1 HTTP/1.1\r\n" HOST "\r\n", "",
     "method=GET|target=/v1/certs?q=1.1.1.1|host=a|minor=1|keep=1|expect=0|"
     "framing=0|body=|"},
    {"bare LF", "GET / HTTP/1.1\nHost:a\n\n", "",
     "method=GET|target=/|host=a|minor=1|keep=1|expect=0|framing=0|body=|"},
    {"empty lines first", "\r\n\r\nGET / HTTP/1.1\r\n" HOST "\r\n", "",
     "method=GET|target=/|host=a|minor=1|keep=1|expect=0|framing=0|body=|"},
    {"pipelined",
     "GET /1 HTTP/1.1\r\n" HOST "\r\nHEAD /2 HTTP/1.1\r\n" HOST
     "Connection: close\r\n\r\n",
     "",
     "method=GET|target=/1|host=a|minor=1|keep=1|expect=0|framing=0|body=|"
     "method=HEAD|target=/2|host=a|minor=1|keep=0|expect=0|framing=0|body=|"},
    {"1.0", "GET / HTTP/1.0\r\n\r\n", "",
     "method=GET|target=/|host=|minor=0|keep=0|expect=0|framing=0|body=|"},
    {"1.0 kept", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "",
     "method=GET|target=/|host=|minor=0|keep=1|expect=0|framing=0|body=|"},
    {"empty host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", "",
     "method=GET|target=/|host=|minor=1|keep=1|expect=0|framing=0|body=|"},
    {"post, then get",
     "POST /v1/certs HTTP/1.1\r\n" HOST LEN(
         4) "\r\na\nb\nGET / HTTP/1.1\r\n" HOST "\r\n",
     "",
     "method=POST|target=/v1/certs|host=a|minor=1|keep=1|expect=0|framing=1|"
     "body=a\nb\n|"
     "method=GET|target=/|host=a|minor=1|keep=1|expect=0|framing=0|body=|"},
    {"post in chunks, then get",
     "POST / HTTP/1.1\r\n" HOST CHUNKED "\r\n2\r\nab\r\n0\r\n\r\n"
     "GET / HTTP/1.1\r\n" HOST "\r\n",
     "",
     "method=POST|target=/|host=a|minor=1|keep=1|expect=0|framing=2|body=ab|"
     "method=GET|target=/|host=a|minor=1|keep=1|expect=0|framing=0|body=|"},
    {"expect",
     "POST / HTTP/1.1\r\n" HOST "Expect: 100-Continue\r\n" LEN(1) "\r\nx", "",
     "method=POST|target=/|host=a|minor=1|keep=1|expect=1|framing=1|body=x|"},
    {"expect without a body",
     "GET / HTTP/1.1\r\n" HOST "Expect: 100-continue\r\n\r\n", "",
     "method=GET|target=/|host=a|minor=1|keep=1|expect=0|framing=0|body=|"},
    {"absolute form, UTF-8",
     "GET http://a/?q=\xc3\xbc HTTP/1.1\r\n" HOST "\r\n", "",
     "method=GET|target=http://a/?q=\xc3\xbc|host=a|minor=1|keep=1|expect=0|"
     "framing=0|body=|"},
    {"options", "OPTIONS * HTTP/1.1\r\n" HOST "\r\n", "",
     "method=OPTIONS|target=*|host=a|minor=1|keep=1|expect=0|framing=0|body=|"},

    {"no version", "GET /\r\n\r\n", "http: no request line: 'GET /'",
     "refusal=400|"},
    {"two blanks", "GET  HTTP/1.1\r\n\r\n", "http: target: ''", "refusal=400|"},
    {"blank in target", "GET /a b HTTP/1.1\r\n" HOST "\r\n",
     "http: target: '/a b'", "refusal=400|"},
    {"tab in target", "GET /a\tb HTTP/1.1\r\n" HOST "\r\n",
     "http: target: '/a\\x09b'", "refusal=400|"},
    {"method", "G(T / HTTP/1.1\r\n" HOST "\r\n", "http: method: 'G(T'",
     "refusal=400|"},
    {"no method", " / HTTP/1.1\r\n" HOST "\r\n", "http: method: ''",
     "refusal=400|"},
    {"http/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
     "http: HTTP version: 'HTTP/2.0'", "refusal=505|"},
    {"version", "GET / HTTP/1.10\r\n" HOST "\r\n",
     "http: no HTTP version: 'HTTP/1.10'", "refusal=400|"},
    {"lower-case version", "GET / http/1.1\r\n" HOST "\r\n",
     "http: no HTTP version: 'http/1.1'", "refusal=400|"},
    {"no host", "GET / HTTP/1.1\r\n\r\n", "http: 0 Host fields",
     "refusal=400|"},
    {"two hosts", "GET / HTTP/1.1\r\n" HOST HOST "\r\n", "http: 2 Host fields",
     "refusal=400|"},
    {"two hosts, 1.0", "GET / HTTP/1.0\r\n" HOST HOST "\r\n",
     "http: 2 Host fields", "refusal=400|"},
    {"both", "POST / HTTP/1.1\r\n" HOST CHUNKED LEN(1) "\r\n",
     "http: both Transfer-Encoding and Content-Length", "refusal=400|"},
    {"coding", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip\r\n\r\n",
     "http: a Transfer-Encoding other than chunked", "refusal=501|"},
    {"chunked in 1.0", "POST / HTTP/1.0\r\n" CHUNKED "\r\n",
     "http: Transfer-Encoding in HTTP/1.0", "refusal=400|"},
    {"lengths", "POST / HTTP/1.1\r\n" HOST LEN(1) LEN(2) "\r\n",
     "http: Content-Length twice: '2'", "refusal=400|"},
    {"folded", "GET / HTTP/1.1\r\n" HOST " b\r\n\r\n",
     "http: a line that is no field: ' b'", "refusal=400|"},
    {"CR in the line", "GET /\r HTTP/1.1\r\n" HOST "\r\n",
     "http: CR or NUL in the request: 'GET /\\x0d HTTP/1.1'", "refusal=400|"},
    {"empty lines only", "\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n",
     "http: nothing but empty lines", "refusal=400|"},
};

static void reads_requests(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(requests); i++) {
        struct bytes wire = heap_copy(bytes_from_text(requests[i].wire));
        struct buffer out = {0};
        struct err err = {0};

        test_case = requests[i].name;
        read_requests(wire, wire.len, &out, &err);
        if (!bytes_equal_text(buffer_bytes(&out), requests[i].result) ||
            strcmp(err.text, requests[i].error) != 0) {
            print_error("got '%.*s' '%s'\n", (int)out.len, out.data, err.text);
        }
        CHECK(strcmp(err.text, requests[i].error) == 0);
        CHECK(bytes_equal_text(buffer_bytes(&out), requests[i].result));
        check_splits(read_requests, wire, &out, &err);
        buffer_cleanup(&out);
        free((void *)wire.data);
    }
}

// Of a request cut short nothing is shown: it waits for more.
static void waits_for_every_truncated_head(void **state)
{
    static const char text[] = "GET /a?b HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n";

    (void)state;
    for (size_t len = 0; len < sizeof text - 1; len++) {
        struct bytes wire = heap_copy(bytes_of(text, len)), in = wire;
        struct http_request request = {0};
        struct err err;

        assert_int_equal(http_request_head(&request, &in, &err), HTTP_MORE);
        assert_int_equal(in.len, 0);
        http_request_cleanup(&request);
        free((void *)wire.data);
    }
}

static void refuses_nul_bytes(void **state)
{
    static const char text[] = "GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n";
    struct bytes in = bytes_of(text, sizeof text - 1);
    struct http_request request = {0};
    struct err err = {0};

    (void)state;
    assert_int_equal(http_request_head(&request, &in, &err), HTTP_BROKEN);
    assert_string_equal(err.text,
                        "http: CR or NUL in a field: 'Host: a\\x00b'");
    // And stays refused.
    assert_int_equal(http_request_head(&request, &in, &err), HTTP_BROKEN);
    http_request_cleanup(&request);
}

static void bounds_a_request_head(void **state)
{
    (void)state;
    for (size_t over = 0; over < 2; over++) {
        struct http_request request = {0};
        struct buffer wire = {0};
        struct bytes in;
        struct err err = {0};

        buffer_append_text(&wire, "GET /?");
        add_many(&wire, "x", HTTP_REQUEST_HEAD_MAX - 6 - 22 + over);
        buffer_append_text(&wire, " HTTP/1.1\r\nHost: a\r\n\r\n");
        in = buffer_bytes(&wire);
        in.len = wire.len;
        if (over == 0) {
            assert_int_equal(http_request_head(&request, &in, &err), HTTP_PART);
            assert_int_equal(in.len, 0);
        } else {
            assert_int_equal(http_request_head(&request, &in, &err),
                             HTTP_BROKEN);
            assert_int_equal(request.refusal, 413);
            assert_string_equal(err.text, "http: head over 262144 bytes");
        }
        http_request_cleanup(&request);
        buffer_cleanup(&wire);
    }
}

// ----------------------------------------------------------------- writing

// What is written must be read again, and byte for byte as it should be.
static void writes_messages(void **state)
{
    struct buffer wire = {0}, out = {0};
    struct err err = {0};

    (void)state;
    http_write_get(&wire, "log.example", bytes_from_text("/ct/v1/get-sth"),
                   "sanct/0.1.0 (+me@example.org)");
    assert_true(bytes_equal_text(
        buffer_bytes(&wire),
        "GET /ct/v1/get-sth HTTP/1.1\r\nHost: log.example\r\n"
        "User-Agent: sanct/0.1.0 (+me@example.org)\r\nAccept: */*\r\n"
        "Accept-Encoding: gzip, identity\r\n\r\n"));
    read_requests(buffer_bytes(&wire), wire.len, &out, &err);
    assert_string_equal(err.text, "");

    buffer_reset(&wire);
    buffer_reset(&out);
    http_write_status(&wire, 404);
    buffer_append_text(&wire, CHUNKED "\r\n");
    http_write_chunk(&wire, bytes_from_text("0123456789abcdefgh"));
    http_write_chunk(&wire, bytes_of(NULL, 0));
    http_write_chunk_end(&wire);
    assert_true(bytes_equal_text(buffer_bytes(&wire),
                                 "HTTP/1.1 404 Not Found\r\n" CHUNKED
                                 "\r\n12\r\n0123456789abcdefgh\r\n0\r\n\r\n"));
    read_response(buffer_bytes(&wire), wire.len, &out, &err);
    assert_string_equal(err.text, "");
    assert_string_equal(http_reason(299), "");
    buffer_cleanup(&wire);
    buffer_cleanup(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_responses),
        cmocka_unit_test(refuses_every_truncation),
        cmocka_unit_test(answer_to_head_has_no_body),
        cmocka_unit_test(bounds_floods),
        cmocka_unit_test(reads_requests),
        cmocka_unit_test(waits_for_every_truncated_head),
        cmocka_unit_test(refuses_nul_bytes),
        cmocka_unit_test(bounds_a_request_head),
        cmocka_unit_test(writes_messages),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
