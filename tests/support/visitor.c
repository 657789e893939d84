// visitor.c - see visitor.h.

#include "tests/support/visitor.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/bytestring.h>
#include <sys/socket.h>
#include <unistd.h>

#include "index/base/text.h"

void visitor_reply_cleanup(struct visitor_reply *reply)
{
    buffer_cleanup(&reply->head);
    buffer_cleanup(&reply->body);
}

int visitor_connect(uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address),
                     0);
    return fd;
}

struct visitor_reply visitor_fetch(struct testlog *log, const char *format, ...)
{
    struct buffer all = {0}, request = {0};
    struct visitor_reply reply = {0};
    int fd = visitor_connect(testlog_port(log));
    const uint8_t *end;
    char target[512];
    va_list args;
    ssize_t num;

    va_start(args, format);
    (void)vsnprintf(target, sizeof target, format, args);
    va_end(args);
    buffer_printf(&request,
                  "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
                  target);
    assert_int_equal(send(fd, request.data, request.len, MSG_NOSIGNAL),
                     request.len);
    do {
        assert_true(buffer_reserve(&all, 65536));
        num = recv(fd, all.data + all.len, 65536, 0);
        if (num > 0) all.len += (size_t)num;
    } while (num > 0);
    (void)close(fd);
    buffer_cleanup(&request);
    end = all.len == 0 ? NULL : memmem(all.data, all.len, "\r\n\r\n", 4);
    if (end != NULL) {
        size_t head = (size_t)(end - all.data) + 4;

        buffer_append(&reply.head, bytes_of(all.data, head));
        buffer_append_byte(&reply.head, '\0');
        buffer_append(&reply.body, bytes_of(all.data + head, all.len - head));
        reply.status = atoi((const char *)reply.head.data + 9);
    }
    buffer_cleanup(&all);
    return reply;
}

struct json *visitor_json(struct testlog *log, const char *target)
{
    struct visitor_reply reply = visitor_fetch(log, "%s", target);
    struct json *document = NULL;
    struct err err = {0};

    assert_int_equal(reply.status, 200);
    assert_true(json_parse(&document, buffer_bytes(&reply.body), &err));
    visitor_reply_cleanup(&reply);
    return document;
}

int visitor_status(struct testlog *log, const char *target)
{
    struct visitor_reply reply = visitor_fetch(log, "%s", target);
    int status = reply.status;

    visitor_reply_cleanup(&reply);
    return status;
}

struct testlog *visitor_start(const struct testlog_options *options)
{
    struct testlog *log;
    struct err err = {0};

    if (!testlog_start(&log, options, &err)) fail_msg("%s", err.text);
    return log;
}

struct testlog *visitor_open(const struct testlog_options *options)
{
    struct testlog *log;
    struct err err = {0};

    if (!testlog_open(&log, options, &err)) fail_msg("%s", err.text);
    return log;
}

void visitor_set_faults(struct testlog *log, const char *faults)
{
    struct err err = {0};

    if (!testlog_set_faults(log, faults, &err)) fail_msg("%s", err.text);
}

size_t visitor_hashes(const struct json *array,
                      struct sha256_hash out[VISITOR_HASHES_MAX])
{
    size_t num = json_size(array);

    assert_true(num <= VISITOR_HASHES_MAX);
    for (size_t i = 0; i < num; i++) {
        struct buffer hash = {0};

        assert_true(json_base64(json_at(array, i), &hash));
        assert_int_equal(hash.len, SHA256_LEN);
        memcpy(out[i].bytes, hash.data, SHA256_LEN);
        buffer_cleanup(&hash);
    }
    return num;
}

EVP_PKEY *visitor_log_key(struct testlog *log, enum testlog_api api,
                          struct sha256_hash *log_id)
{
    struct buffer key = {0}, id = {0};
    struct json *description;
    struct err err = {0};
    EVP_PKEY *pkey;
    CBS cbs;

    assert_true(json_parse(&description, testlog_description(log, api), &err));
    assert_true(json_base64(json_member(description, "key"), &key));
    assert_true(json_base64(json_member(description, "log_id"), &id));
    *log_id = sha256(buffer_bytes(&key));
    assert_true(bytes_equal(sha256_bytes(log_id), buffer_bytes(&id)));
    CBS_init(&cbs, key.data, key.len);
    pkey = EVP_parse_public_key(&cbs);
    assert_non_null(pkey);
    json_free(description);
    buffer_cleanup(&key);
    buffer_cleanup(&id);
    return pkey;
}

// head_verifies checks DigitallySigned over a tree head.
static bool head_verifies(EVP_PKEY *key, uint64_t timestamp, uint64_t size,
                          struct bytes root, struct bytes digitally_signed)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    struct buffer input = {0};
    struct bytes signature;
    uint64_t algorithms;
    bool ok;

    assert_true(bytes_read_uint(&digitally_signed, &algorithms, 2));
    assert_int_equal(algorithms,
                     EVP_PKEY_id(key) == EVP_PKEY_RSA ? 0x0401 : 0x0403);
    assert_true(bytes_read_vector(&digitally_signed, &signature, 2));
    assert_int_equal(digitally_signed.len, 0);
    buffer_append_uint(&input, 1, 2);
    buffer_append_uint(&input, timestamp, 8);
    buffer_append_uint(&input, size, 8);
    buffer_append(&input, root);
    ok = EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
         EVP_DigestVerify(ctx, signature.data, signature.len, input.data,
                          input.len) == 1;
    buffer_cleanup(&input);
    EVP_MD_CTX_free(ctx);
    return ok;
}

struct visitor_head visitor_sth(struct testlog *log)
{
    struct json *sth = visitor_json(log, "/rfc6962/ct/v1/get-sth");
    struct buffer root = {0}, signature = {0};
    struct sha256_hash id;
    EVP_PKEY *key = visitor_log_key(log, TESTLOG_RFC6962, &id);
    struct visitor_head head;

    assert_true(json_uint(json_member(sth, "tree_size"), &head.size));
    assert_true(json_uint(json_member(sth, "timestamp"), &head.timestamp));
    assert_true(json_base64(json_member(sth, "sha256_root_hash"), &root));
    assert_true(
        json_base64(json_member(sth, "tree_head_signature"), &signature));
    assert_int_equal(root.len, SHA256_LEN);
    memcpy(head.root.bytes, root.data, SHA256_LEN);
    head.verifies =
        head_verifies(key, head.timestamp, head.size, buffer_bytes(&root),
                      buffer_bytes(&signature));
    EVP_PKEY_free(key);
    json_free(sth);
    buffer_cleanup(&root);
    buffer_cleanup(&signature);
    return head;
}

struct bytes visitor_line(struct bytes *text)
{
    const uint8_t *end = memchr(text->data, '\n', text->len);
    struct bytes line;

    assert_non_null(end);
    assert_true(bytes_read_take(text, &line, (size_t)(end - text->data)));
    assert_true(bytes_skip(text, 1));
    return line;
}

struct visitor_head visitor_checkpoint(struct testlog *log, unsigned *place)
{
    struct visitor_reply reply = visitor_fetch(log, "/static/checkpoint");
    struct bytes text = buffer_bytes(&reply.body), size, root64;
    struct buffer root = {0}, message = {0};
    struct sha256_hash id, key_id;
    EVP_PKEY *key = visitor_log_key(log, TESTLOG_STATIC, &id);
    struct visitor_head head = {0};
    unsigned lines = 0, ours = 0, grease = 0;
    char origin[64];

    assert_int_equal(reply.status, 200);
    (void)snprintf(origin, sizeof origin, "127.0.0.1:%u/submit",
                   (unsigned)testlog_port(log));
    assert_true(bytes_equal_text(visitor_line(&text), origin));
    size = visitor_line(&text);
    assert_true(text_parse_uint(&head.size, size));
    root64 = visitor_line(&text);
    assert_true(text_parse_base64(&root, root64));
    memcpy(head.root.bytes, root.data, SHA256_LEN);
    assert_int_equal(visitor_line(&text).len, 0);
    buffer_append_text(&message, origin);
    buffer_append_text(&message, "\n\x05");
    buffer_append(&message, sha256_bytes(&id));
    key_id = sha256(buffer_bytes(&message));
    for (; text.len > 0; lines++) {
        struct bytes line = visitor_line(&text), name, blob;
        const uint8_t *space;
        struct buffer decoded = {0};

        assert_true(bytes_starts_with(line, bytes_from_text("\u2014 ")));
        assert_true(bytes_skip(&line, 4));
        space = memchr(line.data, ' ', line.len);
        assert_non_null(space);
        assert_true(bytes_read_take(&line, &name, (size_t)(space - line.data)));
        assert_true(bytes_skip(&line, 1));
        assert_true(text_parse_base64(&decoded, line));
        blob = buffer_bytes(&decoded);
        if (bytes_equal_text(name, "grease.invalid")) grease++;
        if (bytes_equal_text(name, origin) &&
            memcmp(blob.data, key_id.bytes, 4) == 0) {
            assert_true(bytes_skip(&blob, 4));
            assert_true(bytes_read_uint(&blob, &head.timestamp, 8));
            head.verifies = head_verifies(key, head.timestamp, head.size,
                                          buffer_bytes(&root), blob);
            *place = lines;
            ours++;
        }
        buffer_cleanup(&decoded);
    }
    assert_int_equal(lines, 5);
    assert_int_equal(ours, 1);
    assert_int_equal(grease, 1);
    EVP_PKEY_free(key);
    buffer_cleanup(&root);
    buffer_cleanup(&message);
    visitor_reply_cleanup(&reply);
    return head;
}
