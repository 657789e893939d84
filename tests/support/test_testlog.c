// test_testlog.c - is the test log what it says it is?
//
// The test log is an oracle: what it says is checked here by other means, by
// naive recursion, RFC 9162's algorithms, BoringSSL's X509, and the issue's
// own words about the incident.

#include "tests/support/testlog.h"

#include <arpa/inet.h>
#include <ftw.h>
#include <libdeflate.h>
#include <netinet/in.h>
#include <openssl/bytestring.h>
#include <openssl/evp.h>
#include <openssl/nid.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <unistd.h>

#include "index/base/json.h"
#include "index/base/text.h"
#include "tests/support/check.h"

// ---------------------------------------------------------------- a client

struct reply {
    int status;
    struct buffer head;
    struct buffer body;
};

static void reply_cleanup(struct reply *reply)
{
    buffer_cleanup(&reply->head);
    buffer_cleanup(&reply->body);
}

static int connect_to(uint16_t port)
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

// fetch asks for one target on a connection of its own; status 0: no answer.
static struct reply fetch(struct testlog *log, const char *format, ...)
    PRINTF_LIKE(2, 3);
static struct reply fetch(struct testlog *log, const char *format, ...)
{
    struct buffer all = {0}, request = {0};
    struct reply reply = {0};
    int fd = connect_to(testlog_port(log));
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

static struct json *fetch_json(struct testlog *log, const char *target)
{
    struct reply reply = fetch(log, "%s", target);
    struct json *document = NULL;
    struct err err = {0};

    assert_int_equal(reply.status, 200);
    assert_true(json_parse(&document, buffer_bytes(&reply.body), &err));
    reply_cleanup(&reply);
    return document;
}

static int fetch_status(struct testlog *log, const char *target)
{
    struct reply reply = fetch(log, "%s", target);
    int status = reply.status;

    reply_cleanup(&reply);
    return status;
}

static struct testlog *start(const struct testlog_options *options)
{
    struct testlog *log;
    struct err err = {0};

    if (!testlog_start(&log, options, &err)) fail_msg("%s", err.text);
    return log;
}

static struct testlog *open_log(const struct testlog_options *options)
{
    struct testlog *log;
    struct err err = {0};

    if (!testlog_open(&log, options, &err)) fail_msg("%s", err.text);
    return log;
}

static void set_faults(struct testlog *log, const char *faults)
{
    struct err err = {0};

    if (!testlog_set_faults(log, faults, &err)) fail_msg("%s", err.text);
}

static int remove_one(const char *path, const struct stat *stat_, int type,
                      struct FTW *where)
{
    (void)stat_;
    (void)type;
    (void)where;
    return remove(path);
}

static void remove_folder(const char *dir)
{
    assert_int_equal(nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

// ---------------------------------------------------------------- hashing

static struct sha256_hash leaf_hash(struct bytes leaf)
{
    struct buffer message = {0};
    struct sha256_hash hash;

    buffer_append_byte(&message, 0);
    buffer_append(&message, leaf);
    hash = sha256(buffer_bytes(&message));
    buffer_cleanup(&message);
    return hash;
}

static struct sha256_hash node_hash(const struct sha256_hash *left,
                                    const struct sha256_hash *right)
{
    struct buffer message = {0};
    struct sha256_hash hash;

    buffer_append_byte(&message, 1);
    buffer_append(&message, sha256_bytes(left));
    buffer_append(&message, sha256_bytes(right));
    hash = sha256(buffer_bytes(&message));
    buffer_cleanup(&message);
    return hash;
}

// naive_root is the definition of RFC 6962 section 2.1.
static struct sha256_hash naive_root(const struct sha256_hash *leaves,
                                     size_t num)
{
    struct sha256_hash left, right;
    size_t k = 1;

    if (num == 0) return sha256((struct bytes){0});
    if (num == 1) return leaves[0];
    while (k * 2 < num) {
        k *= 2;
    }
    left = naive_root(leaves, k);
    right = naive_root(leaves + k, num - k);
    return node_hash(&left, &right);
}

static struct sha256_hash *all_leaves(struct testlog *log, uint64_t num)
{
    struct sha256_hash *leaves = calloc((size_t)num + 1, sizeof *leaves);
    struct buffer memory = {0};
    struct testlog_entry entry;

    for (uint64_t i = 0; i < num; i++) {
        assert_true(testlog_entry(log, i, &entry, &memory));
        leaves[i] = leaf_hash(entry.leaf);
    }
    buffer_cleanup(&memory);
    return leaves;
}

static size_t read_hashes(const struct json *array, struct sha256_hash *out)
{
    size_t num = json_size(array);

    assert_true(num <= 64);
    for (size_t i = 0; i < num; i++) {
        struct buffer hash = {0};

        assert_true(json_base64(json_at(array, i), &hash));
        assert_int_equal(hash.len, SHA256_LEN);
        memcpy(out[i].bytes, hash.data, SHA256_LEN);
        buffer_cleanup(&hash);
    }
    return num;
}

// included is RFC 9162 section 2.1.3.2.
static bool included(struct sha256_hash hash, uint64_t index, uint64_t size,
                     const struct sha256_hash *path, size_t num,
                     const struct sha256_hash *root)
{
    uint64_t fn = index, sn = size - 1;

    if (index >= size) return false;
    for (size_t i = 0; i < num; i++) {
        if (sn == 0) return false;
        if (fn % 2 == 1 || fn == sn) {
            hash = node_hash(&path[i], &hash);
            while (fn % 2 == 0 && fn != 0) {
                fn >>= 1;
                sn >>= 1;
            }
        } else {
            hash = node_hash(&hash, &path[i]);
        }
        fn >>= 1;
        sn >>= 1;
    }
    return sn == 0 && sha256_equal(&hash, root);
}

// consistent is RFC 9162 section 2.1.4.2.
static bool consistent(uint64_t first, uint64_t second,
                       const struct sha256_hash *root1,
                       const struct sha256_hash *root2,
                       const struct sha256_hash *path, size_t num)
{
    struct sha256_hash whole[66], fr, sr;
    uint64_t fn = first - 1, sn = second - 1;

    if (first == second) return num == 0 && sha256_equal(root1, root2);
    if (num == 0) return false;
    if ((first & (first - 1)) == 0) {
        whole[0] = *root1;
        memcpy(whole + 1, path, num * sizeof *path);
        num++;
    } else {
        memcpy(whole, path, num * sizeof *path);
    }
    while (fn % 2 == 1) {
        fn >>= 1;
        sn >>= 1;
    }
    fr = sr = whole[0];
    for (size_t i = 1; i < num; i++) {
        if (sn == 0) return false;
        if (fn % 2 == 1 || fn == sn) {
            fr = node_hash(&whole[i], &fr);
            sr = node_hash(&whole[i], &sr);
            while (fn % 2 == 0 && fn != 0) {
                fn >>= 1;
                sn >>= 1;
            }
        } else {
            sr = node_hash(&sr, &whole[i]);
        }
        fn >>= 1;
        sn >>= 1;
    }
    return sn == 0 && sha256_equal(&fr, root1) && sha256_equal(&sr, root2);
}

// ---------------------------------------------------------------- the tree

static void root_is_that_of_naive_recursion(void **state)
{
    struct testlog *log =
        open_log(&(struct testlog_options){.entries = 600, .seed = 7});
    struct sha256_hash *leaves = all_leaves(log, 600);

    (void)state;
    for (uint64_t size = 0; size <= 600; size += size < 70 ? 1 : 53) {
        struct sha256_hash root = testlog_root(log, size);
        struct sha256_hash naive = naive_root(leaves, (size_t)size);

        assert_true(sha256_equal(&root, &naive));
    }
    free(leaves);
    testlog_stop(log);
}

static bool roots_equal(const struct testlog_options *a,
                        const struct testlog_options *b)
{
    struct testlog *one = open_log(a), *two = open_log(b);
    struct sha256_hash x = testlog_root(one, testlog_size(one));
    struct sha256_hash y = testlog_root(two, testlog_size(two));

    testlog_stop(one);
    testlog_stop(two);
    return sha256_equal(&x, &y);
}

static void same_seed_gives_same_tree(void **state)
{
    struct testlog_options options = {.entries = 700, .seed = 3, .fina = true};
    struct testlog_options other = options;

    (void)state;
    assert_true(roots_equal(&options, &other));
    other.memory_max = 1; // nothing is kept: everything is made twice
    assert_true(roots_equal(&options, &other));
    other.seed = 4;
    assert_false(roots_equal(&options, &other));
}

// Two compilers and every run since this was written gave this.
static void tree_is_the_same_everywhere(void **state)
{
    struct testlog *log = open_log(
        &(struct testlog_options){.entries = 300, .seed = 1, .fina = true});
    struct sha256_hash root = testlog_root(log, 300);
    struct buffer hex = {0};

    (void)state;
    text_append_hex(&hex, sha256_bytes(&root));
    buffer_append_byte(&hex, '\0');
    assert_string_equal((const char *)hex.data,
                        "e7b4204ad32ae6664230ad81ea10e08a4c5224acdfb5e38b1fe63"
                        "66a3711b0d4");
    buffer_cleanup(&hex);
    testlog_stop(log);
}

static void proofs_verify(void **state)
{
    static const uint64_t sizes[] = {1, 2, 3, 7, 8, 255, 256, 257, 300};
    struct testlog *log =
        start(&(struct testlog_options){.entries = 300, .seed = 2});
    struct sha256_hash *leaves = all_leaves(log, 300), path[64];
    char target[512];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        struct sha256_hash root1 = naive_root(leaves, (size_t)sizes[i]);

        for (size_t j = i; j < COUNT_OF(sizes); j++) {
            struct sha256_hash root2 = naive_root(leaves, (size_t)sizes[j]);
            struct json *answer;
            size_t num;

            (void)snprintf(target, sizeof target,
                           "/rfc6962/ct/v1/get-sth-consistency?first=%u&"
                           "second=%u",
                           (unsigned)sizes[i], (unsigned)sizes[j]);
            answer = fetch_json(log, target);
            num = read_hashes(json_member(answer, "consistency"), path);
            assert_true(
                consistent(sizes[i], sizes[j], &root1, &root2, path, num));
            json_free(answer);
        }
        for (uint64_t index = 0; index < sizes[i]; index += 1 + sizes[i] / 5) {
            struct buffer hash = {0};
            struct json *answer;
            uint64_t found;
            size_t num;

            text_append_base64(&hash, sha256_bytes(&leaves[index]));
            buffer_append_byte(&hash, '\0');
            (void)snprintf(target, sizeof target,
                           "/rfc6962/ct/v1/get-proof-by-hash?tree_size=%u&"
                           "hash=",
                           (unsigned)sizes[i]);
            for (const char *c = (const char *)hash.data; *c != '\0'; c++) {
                size_t len = strlen(target);

                (void)snprintf(target + len, sizeof target - len,
                               strchr("+/=", *c) != NULL ? "%%%02X" : "%c",
                               (unsigned)*c);
            }
            buffer_cleanup(&hash);
            answer = fetch_json(log, target);
            assert_true(json_uint(json_member(answer, "leaf_index"), &found));
            assert_int_equal(found, index);
            num = read_hashes(json_member(answer, "audit_path"), path);
            assert_true(
                included(leaves[index], index, sizes[i], path, num, &root1));
            json_free(answer);
        }
    }
    free(leaves);
    testlog_stop(log);
}

// ---------------------------------------------------------------- heads

static EVP_PKEY *key_of(struct testlog *log, enum testlog_api api,
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

struct head {
    uint64_t size, timestamp;
    struct sha256_hash root;
    bool verifies;
};

static struct head fetch_sth(struct testlog *log)
{
    struct json *sth = fetch_json(log, "/rfc6962/ct/v1/get-sth");
    struct buffer root = {0}, signature = {0};
    struct sha256_hash id;
    EVP_PKEY *key = key_of(log, TESTLOG_RFC6962, &id);
    struct head head;

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

// read_line takes one line, without its LF, off the front.
static struct bytes read_line(struct bytes *text)
{
    const uint8_t *end = memchr(text->data, '\n', text->len);
    struct bytes line;

    assert_non_null(end);
    assert_true(bytes_read_take(text, &line, (size_t)(end - text->data)));
    assert_true(bytes_skip(text, 1));
    return line;
}

// fetch_checkpoint reads a checkpoint: the origin is `origin`, one line's key
// id is SHA-256(origin || LF || 05 || log id), and lines of others stand
// around; `place` is where ours was.
static struct head fetch_checkpoint(struct testlog *log, const char *origin,
                                    unsigned *place)
{
    struct reply reply = fetch(log, "/static/checkpoint");
    struct bytes text = buffer_bytes(&reply.body), size, root64;
    struct buffer root = {0}, message = {0};
    struct sha256_hash id, key_id;
    EVP_PKEY *key = key_of(log, TESTLOG_STATIC, &id);
    struct head head = {0};
    unsigned lines = 0, ours = 0, grease = 0;

    assert_int_equal(reply.status, 200);
    assert_true(bytes_equal_text(read_line(&text), origin));
    size = read_line(&text);
    assert_true(text_parse_uint(&head.size, size));
    root64 = read_line(&text);
    assert_true(text_parse_base64(&root, root64));
    memcpy(head.root.bytes, root.data, SHA256_LEN);
    assert_int_equal(read_line(&text).len, 0);
    buffer_append_text(&message, origin);
    buffer_append_text(&message, "\n\x05");
    buffer_append(&message, sha256_bytes(&id));
    key_id = sha256(buffer_bytes(&message));
    for (; text.len > 0; lines++) {
        struct bytes line = read_line(&text), name, blob;
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
    reply_cleanup(&reply);
    return head;
}

static void origin_of(struct testlog *log, char out[64])
{
    (void)snprintf(out, 64, "127.0.0.1:%u/submit", (unsigned)testlog_port(log));
}

static void heads_verify(void **state)
{
    (void)state;
    for (unsigned rsa = 0; rsa < 2; rsa++) {
        struct testlog *log = start(&(struct testlog_options){
            .entries = 300, .seed = 5, .rsa = rsa == 1});
        unsigned places = 0, place = 0;
        struct head sth, checkpoint;
        char origin[64];

        origin_of(log, origin);
        for (uint64_t size = 0; size <= 300; size += 50) {
            struct sha256_hash root = testlog_root(log, size);

            testlog_set_size(log, size);
            sth = fetch_sth(log);
            checkpoint = fetch_checkpoint(log, origin, &place);
            places |= 1u << place;
            assert_true(sth.verifies && checkpoint.verifies);
            assert_int_equal(sth.size, size);
            assert_int_equal(checkpoint.size, size);
            assert_true(sha256_equal(&sth.root, &root));
            assert_true(sha256_equal(&checkpoint.root, &root));
        }
        assert_true((places & (places - 1)) != 0); // shuffled
        testlog_stop(log);
    }
}

// ---------------------------------------------------------------- reading

static const struct {
    const char *name;
    unsigned start, end;
    int status;
    unsigned num;
} ranges[] = {
    {"one", 0, 0, 200, 1},
    {"less than the cap", 10, 20, 200, 11},
    {"aligned page", 64, 127, 200, 64},
    {"more than the cap", 0, 299, 200, 64},
    {"cut at the boundary", 10, 200, 200, 54},
    {"the last of a page", 63, 200, 200, 1},
    {"crossing, below the cap", 60, 70, 200, 11},
    {"past the end", 290, 310, 200, 10},
    {"at the end", 300, 300, 400, 0},
    {"backwards", 5, 4, 400, 0},
};

static void get_entries_caps_and_aligns(void **state)
{
    struct testlog *log = start(
        &(struct testlog_options){.entries = 300, .seed = 1, .batch = 64});

    (void)state;
    for (size_t i = 0; i < COUNT_OF(ranges); i++) {
        char target[128];
        struct json *answer;

        test_case = ranges[i].name;
        (void)snprintf(target, sizeof target,
                       "/rfc6962/ct/v1/get-entries?start=%u&end=%u",
                       ranges[i].start, ranges[i].end);
        CHECK(fetch_status(log, target) == ranges[i].status);
        if (ranges[i].status != 200) continue;
        answer = fetch_json(log, target);
        CHECK(json_size(json_member(answer, "entries")) == ranges[i].num);
        json_free(answer);
    }
    testlog_stop(log);
}

static struct buffer inflate(struct bytes body)
{
    struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
    struct buffer out = {0};
    size_t len;

    assert_true(buffer_reserve(&out, 4 << 20));
    assert_int_equal(libdeflate_gzip_decompress(d, body.data, body.len,
                                                out.data, 4 << 20, &len),
                     LIBDEFLATE_SUCCESS);
    out.len = len;
    libdeflate_free_decompressor(d);
    return out;
}

// check_tile takes a data tile apart and compares it with get-entries and with
// the tile of hashes.
static void check_tile(struct testlog *log, const char *path, uint64_t first,
                       unsigned num)
{
    struct reply data = fetch(log, "/static/tile/data/%s", path);
    struct reply hashes = fetch(log, "/static/tile/0/%s", path);
    struct buffer plain, memory = {0};
    struct bytes rest;

    assert_int_equal(data.status, 200);
    assert_int_equal(hashes.status, 200);
    assert_non_null(strstr((char *)data.head.data, "Content-Encoding: gzip"));
    assert_int_equal(hashes.body.len, num * SHA256_LEN);
    plain = inflate(buffer_bytes(&data.body));
    rest = buffer_bytes(&plain);
    for (unsigned i = 0; i < num; i++) {
        struct bytes begin = rest, part, precert = {0}, extensions, chain;
        struct testlog_entry entry;
        uint64_t type, index;

        assert_true(testlog_entry(log, first + i, &entry, &memory));
        assert_true(bytes_skip(&rest, 8));
        assert_true(bytes_read_uint(&rest, &type, 2));
        if (type == 1) assert_true(bytes_skip(&rest, SHA256_LEN));
        assert_true(bytes_read_vector(&rest, &part, 3));
        assert_true(bytes_read_vector(&rest, &extensions, 2));
        assert_int_equal(begin.len - rest.len, entry.leaf.len - 2);
        assert_memory_equal(begin.data, entry.leaf.data + 2,
                            begin.len - rest.len);
        if (type == 1) assert_true(bytes_read_vector(&rest, &precert, 3));
        assert_true(bytes_read_vector(&rest, &chain, 2));
        assert_true(bytes_equal(precert, entry.precert));
        assert_true(bytes_equal(chain, entry.chain));
        assert_int_equal(extensions.len, 8);
        assert_true(bytes_skip(&extensions, 3));
        assert_true(bytes_read_uint(&extensions, &index, 5));
        assert_int_equal(index, first + i);
        {
            struct sha256_hash hash = leaf_hash(entry.leaf);

            assert_memory_equal(hash.bytes, hashes.body.data + i * SHA256_LEN,
                                SHA256_LEN);
        }
    }
    assert_int_equal(rest.len, 0);
    buffer_cleanup(&plain);
    buffer_cleanup(&memory);
    reply_cleanup(&data);
    reply_cleanup(&hashes);
}

static void tiles_hold_the_entries(void **state)
{
    struct testlog *log = start(&(struct testlog_options){
        .entries = 700, .seed = 9, .size = 300, .fina = true});

    (void)state;
    check_tile(log, "000", 0, 256);
    check_tile(log, "001.p/44", 256, 44);
    assert_int_equal(fetch_status(log, "/static/tile/0/001.p/43"), 404);
    assert_int_equal(fetch_status(log, "/static/tile/0/001"), 404);
    assert_int_equal(fetch_status(log, "/static/tile/0/000.p/12"), 404);
    assert_int_equal(fetch_status(log, "/static/tile/1/000.p/1"), 200);
    assert_int_equal(fetch_status(log, "/static/tile/1/000"), 404);
    assert_int_equal(fetch_status(log, "/static/tile/0/0"), 404);
    assert_int_equal(fetch_status(log, "/static/tile/9/000"), 404);
    testlog_set_size(log, 700);
    check_tile(log, "001.p/44", 256, 44); // published before: there still
    check_tile(log, "001", 256, 256);
    check_tile(log, "002.p/188", 512, 188);
    set_faults(log, "no-partials");
    assert_int_equal(fetch_status(log, "/static/tile/0/001.p/44"), 404);
    assert_int_equal(fetch_status(log, "/static/tile/0/002.p/188"), 200);
    assert_int_equal(testlog_requests(log, "tile/data"), 5);
    testlog_stop(log);
}

// Both protocols tell the same: get-entries as JSON against the ground truth.
static void get_entries_holds_the_entries(void **state)
{
    struct testlog *log =
        start(&(struct testlog_options){.entries = 256, .seed = 9});
    struct json *answer =
        fetch_json(log, "/rfc6962/ct/v1/get-entries?start=0&end=255");
    const struct json *list = json_member(answer, "entries");
    struct buffer memory = {0};

    (void)state;
    assert_int_equal(json_size(list), 256);
    for (size_t i = 0; i < json_size(list); i++) {
        struct buffer leaf = {0}, extra = {0};
        struct bytes rest, list_, der;
        struct testlog_entry entry;
        struct sha256_hash hash;

        assert_true(testlog_entry(log, i, &entry, &memory));
        assert_true(
            json_base64(json_member(json_at(list, i), "leaf_input"), &leaf));
        assert_true(
            json_base64(json_member(json_at(list, i), "extra_data"), &extra));
        assert_true(bytes_equal(buffer_bytes(&leaf), entry.leaf));
        assert_true(bytes_equal(buffer_bytes(&extra), entry.extra));
        rest = entry.extra;
        if (entry.precert.len > 0) {
            assert_true(bytes_read_vector(&rest, &der, 3));
            assert_true(bytes_equal(der, entry.precert));
        }
        assert_true(bytes_read_vector(&rest, &list_, 3));
        assert_int_equal(rest.len, 0);
        assert_true(bytes_read_vector(&list_, &der, 3));
        hash = sha256(der);
        assert_memory_equal(hash.bytes, entry.chain.data, SHA256_LEN);
        if (entry.precert.len > 0) { // issuer_key_hash is of chain[0]
            const uint8_t *at = der.data;
            X509 *issuer = d2i_X509(NULL, &at, (long)der.len);
            uint8_t *spki = NULL;
            int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(issuer), &spki);

            hash = sha256(bytes_of(spki, (size_t)len));
            assert_memory_equal(hash.bytes, entry.leaf.data + 12, SHA256_LEN);
            OPENSSL_free(spki);
            X509_free(issuer);
        }
        buffer_cleanup(&leaf);
        buffer_cleanup(&extra);
    }
    json_free(answer);
    buffer_cleanup(&memory);
    testlog_stop(log);
}

// ---------------------------------------------------------------- certificates

static X509 *parse_certificate(struct bytes der)
{
    const uint8_t *at = der.data;
    X509 *certificate = d2i_X509(NULL, &at, (long)der.len);

    assert_non_null(certificate);
    assert_ptr_equal(at, der.data + der.len);
    return certificate;
}

// certificate_of is the precertificate, or the leaf's certificate.
static X509 *certificate_of(const struct testlog_entry *entry)
{
    struct bytes rest = entry->leaf, der;

    if (entry->precert.len > 0) return parse_certificate(entry->precert);
    assert_true(bytes_skip(&rest, 12));
    assert_true(bytes_read_vector(&rest, &der, 3));
    return parse_certificate(der);
}

static int64_t seconds_of(const ASN1_TIME *time)
{
    ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
    int days, seconds;

    assert_int_equal(ASN1_TIME_diff(&days, &seconds, epoch, time), 1);
    ASN1_TIME_free(epoch);
    return (int64_t)days * 86400 + seconds;
}

static void check_names(X509 *certificate, const struct testlog_truth *truth)
{
    GENERAL_NAMES *names =
        X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    size_t dns = 0, addresses = 0;
    char cn[256];
    int len;

    for (size_t i = 0; names != NULL && i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        const ASN1_STRING *value = name->d.ia5;
        struct bytes bytes = bytes_of(ASN1_STRING_get0_data(value),
                                      (size_t)ASN1_STRING_length(value));

        if (name->type == GEN_DNS) {
            assert_true(bytes_equal_text(bytes, truth->dns[dns++]));
        } else {
            assert_int_equal(name->type, GEN_IPADD);
            assert_true(bytes_equal(bytes, truth->addresses[addresses++]));
        }
    }
    assert_int_equal(dns, truth->num_dns);
    assert_int_equal(addresses, truth->num_addresses);
    GENERAL_NAMES_free(names);
    len = X509_NAME_get_text_by_NID(X509_get_subject_name(certificate),
                                    NID_commonName, cn, sizeof cn);
    assert_int_equal(len >= 0, truth->common_name != NULL);
    if (len >= 0) assert_string_equal(cn, truth->common_name);
    assert_int_equal(seconds_of(X509_get0_notBefore(certificate)),
                     truth->not_before);
    assert_int_equal(seconds_of(X509_get0_notAfter(certificate)),
                     truth->not_after);
}

// logged_form is the TBSCertificate without poison or SCT list, as BoringSSL
// encodes it.
static struct sha256_hash logged_form(X509 *certificate)
{
    static const char *const ct[] = {"1.3.6.1.4.1.11129.2.4.2",
                                     "1.3.6.1.4.1.11129.2.4.3"};
    struct sha256_hash hash;
    uint8_t *der = NULL;
    int len;

    for (size_t i = 0; i < COUNT_OF(ct); i++) {
        ASN1_OBJECT *oid = OBJ_txt2obj(ct[i], 1);
        int at = X509_get_ext_by_OBJ(certificate, oid, -1);

        if (at >= 0) X509_EXTENSION_free(X509_delete_ext(certificate, at));
        ASN1_OBJECT_free(oid);
    }
    len = i2d_re_X509_tbs(certificate, &der);
    assert_true(len > 0);
    hash = sha256(bytes_of(der, (size_t)len));
    OPENSSL_free(der);
    return hash;
}

// Every certificate is what was planted, and the forms of one issuance agree:
// the leaf's TBSCertificate, the precertificate's and the final's.
static void certificates_are_what_was_planted(void **state)
{
    enum { NUM = 40 + 32 * 64 }; // whole blocks: no pair is cut off
    struct testlog *log = open_log(
        &(struct testlog_options){.entries = NUM, .seed = 11, .fina = true});
    struct sha256_hash *forms = calloc(NUM, sizeof *forms);
    struct testlog_truth truth;
    struct testlog_entry entry;
    struct buffer memory = {0};
    unsigned names = 0, pairs = 0, finals = 0, bare = 0, most = 0;

    (void)state;
    for (uint64_t i = 0; i < NUM; i++) {
        X509 *certificate;
        struct sha256_hash form;
        size_t slot;

        assert_true(testlog_entry(log, i, &entry, &memory));
        assert_true(testlog_truth(log, i, &truth));
        certificate = certificate_of(&entry);
        check_names(certificate, &truth);
        assert_int_equal(truth.precert, entry.precert.len > 0);
        bare += X509_NAME_entry_count(X509_get_subject_name(certificate)) == 0;
        form = logged_form(certificate);
        if (truth.precert) {
            struct bytes rest = entry.leaf, tbs;
            struct sha256_hash hash;

            assert_true(bytes_skip(&rest, 44));
            assert_true(bytes_read_vector(&rest, &tbs, 3));
            hash = sha256(tbs);
            assert_true(sha256_equal(&hash, &form));
        }
        slot =
            (size_t)(truth.special ? NUM - 1 - truth.issuance : truth.issuance);
        if (forms[slot].bytes[0] != 0 || forms[slot].bytes[1] != 0) {
            assert_true(sha256_equal(&forms[slot], &form));
            pairs++;
        }
        forms[slot] = form;
        finals += !truth.precert;
        if (!truth.special) {
            names += (unsigned)(truth.num_dns + truth.num_addresses);
            if (truth.num_dns > most) most = (unsigned)truth.num_dns;
        }
        X509_free(certificate);
        testlog_truth_cleanup(&truth);
    }
    print_message("%u pairs, %u finals, %u without subject, %.2f names, "
                  "at most %u\n",
                  pairs, finals, bare, (double)names / (NUM - 40), most);
    assert_int_equal(pairs, finals); // no final without its precertificate
    assert_in_range(finals, NUM / 3, NUM / 2);
    assert_in_range(bare, NUM / 10, NUM / 3);
    assert_in_range(names, (NUM - 40) * 17 / 10, (NUM - 40) * 21 / 10);
    assert_in_range(most, 10, 100);
    free(forms);
    buffer_cleanup(&memory);
    testlog_stop(log);
}

// ---------------------------------------------------------------- the incident

static const char *const incident_dates[] = {
    "2024-02-18T11:07:33Z", "2024-09-25T08:04:03Z", "2024-10-04T07:55:38Z",
    "2024-10-04T08:05:48Z", "2024-10-15T06:28:48Z", "2024-11-02T23:45:15Z",
    "2025-03-05T09:12:23Z", "2025-05-24T22:56:21Z", "2025-06-28T23:05:32Z",
    "2025-07-18T07:05:23Z", "2025-07-18T07:13:14Z", "2025-08-26T07:49:00Z"};
static const char *const incident_names[] = {"fina.hr",
                                             "ssltest5",
                                             "test.fina.hr",
                                             "test.hr",
                                             "test1.hr",
                                             "test11.hr",
                                             "test12.hr",
                                             "test5.hr",
                                             "test6",
                                             "test6.hr",
                                             "testssl.fina.hr",
                                             "testssl.finatest.hr",
                                             "testssl.hr",
                                             "testssl1.finatest.hr",
                                             "testssl2.finatest.hr"};

struct incident {
    unsigned precerts[12], finals[12], names[15];
    unsigned rdc2015, rdc2020, in_common_name_only;
    unsigned genuine, rogue, genuine_addresses_8;
};

static X509 *issuer_of(const struct testlog_entry *entry)
{
    struct bytes rest = entry->extra, list, der;

    if (entry->precert.len > 0) assert_true(bytes_read_vector(&rest, &der, 3));
    assert_true(bytes_read_vector(&rest, &list, 3));
    assert_true(bytes_read_vector(&list, &der, 3));
    return parse_certificate(der);
}

static bool signed_by(X509 *certificate, X509 *issuer)
{
    EVP_PKEY *key = X509_get_pubkey(issuer);
    bool ok = key != NULL && X509_verify(certificate, key) == 1;

    EVP_PKEY_free(key);
    return ok;
}

static void text_of(X509_NAME *name, int nid, char out[256])
{
    if (X509_NAME_get_text_by_NID(name, nid, out, 256) < 0) out[0] = '\0';
}

static void check_fina(struct incident *incident, X509 *certificate,
                       const struct testlog_truth *truth)
{
    X509_NAME *subject = X509_get_subject_name(certificate);
    char text[256], time[TEXT_TIME_LEN_MAX], end[TEXT_TIME_LEN_MAX];
    bool found = false;

    text_of(subject, NID_organizationName, text);
    assert_string_equal(text, "TEST D.D.");
    text_of(subject, NID_localityName, text);
    assert_string_equal(text, "ZAGREB");
    (void)text_time_utc(time, seconds_of(X509_get0_notBefore(certificate)));
    (void)text_time_utc(end, seconds_of(X509_get0_notAfter(certificate)));
    for (unsigned i = 0; i < 12; i++) {
        if (strcmp(time, incident_dates[i]) != 0) continue;
        found = true;
        if (truth->precert) {
            incident->precerts[i]++;
        } else {
            incident->finals[i]++;
        }
    }
    assert_true(found);
    time[3]++; // valid one year
    assert_string_equal(time, end);
    for (size_t i = 0; i < truth->num_dns; i++) {
        unsigned known = 0;

        for (unsigned j = 0; j < COUNT_OF(incident_names); j++) {
            if (strcmp(truth->dns[i], incident_names[j]) != 0) continue;
            incident->names[j]++;
            known++;
        }
        assert_int_equal(known, 1);
    }
    text_of(subject, NID_commonName, text);
    if (truth->num_addresses == 0) {
        assert_string_equal(text, "1.1.1.1");
        incident->in_common_name_only++;
    } else {
        assert_int_equal(truth->num_addresses, 1);
        assert_memory_equal(truth->addresses[0].data, "\1\1\1\1", 4);
    }
}

// count_special looks at one entry of the replay.
static void count_special(struct incident *incident,
                          const struct testlog_entry *entry,
                          const struct testlog_truth *truth, X509 *genuine)
{
    X509 *certificate = certificate_of(entry), *issuer = issuer_of(entry);
    bool is_genuine;
    char text[256];

    // Each verifies under the key of its own issuer.
    assert_true(signed_by(certificate, issuer));
    assert_int_equal(X509_NAME_cmp(X509_get_issuer_name(certificate),
                                   X509_get_subject_name(issuer)),
                     0);
    is_genuine = signed_by(certificate, genuine);
    text_of(X509_get_issuer_name(certificate), NID_commonName, text);
    if (strncmp(text, "Fina RDC ", 9) == 0) {
        assert_false(is_genuine);
        incident->rdc2015 += strcmp(text, "Fina RDC 2015") == 0;
        incident->rdc2020 += strcmp(text, "Fina RDC 2020") == 0;
        check_fina(incident, certificate, truth);
    } else { // the genuine issuer's name, whoever signed
        assert_int_equal(X509_NAME_cmp(X509_get_issuer_name(certificate),
                                       X509_get_subject_name(genuine)),
                         0);
        incident->genuine += is_genuine;
        incident->rogue += !is_genuine;
        incident->genuine_addresses_8 += truth->num_addresses == 8;
    }
    X509_free(certificate);
    X509_free(issuer);
}

static void the_incident_is_replayed(void **state)
{
    struct testlog *log = open_log(
        &(struct testlog_options){.entries = 400, .seed = 1, .fina = true});
    struct incident incident = {0};
    struct buffer memory = {0};
    struct testlog_entry entry;
    struct testlog_truth truth;
    struct bytes pem = {0};
    struct err err = {0};
    char dir[] = "/tmp/testlog-XXXXXX", path[64];
    X509 *genuine;
    BIO *bio;

    (void)state;
    assert_non_null(mkdtemp(dir));
    assert_true(testlog_write_files(log, dir, &err));
    (void)snprintf(path, sizeof path, "%s/genuine-issuer.pem", dir);
    pem = read_file(path);
    bio = BIO_new_mem_buf(pem.data, (int)pem.len);
    genuine = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    assert_non_null(genuine);
    for (uint64_t i = 0; i < 400; i++) {
        assert_true(testlog_entry(log, i, &entry, &memory));
        assert_true(testlog_truth(log, i, &truth));
        if (truth.special) {
            count_special(&incident, &entry, &truth, genuine);
        }
        testlog_truth_cleanup(&truth);
    }
    for (unsigned i = 0; i < 12; i++) {
        assert_int_equal(incident.precerts[i], 1);
        assert_int_equal(incident.finals[i], 1);
    }
    for (unsigned i = 0; i < 15; i++) {
        assert_true(incident.names[i] > 0);
    }
    assert_true(incident.rdc2015 > 0 && incident.rdc2020 > 0);
    assert_int_equal(incident.rdc2015 + incident.rdc2020, 24);
    assert_int_equal(incident.in_common_name_only, 2);
    assert_int_equal(incident.genuine, 14);
    assert_int_equal(incident.rogue, 2);
    assert_int_equal(incident.genuine_addresses_8, 16);
    remove_folder(dir);
    X509_free(genuine);
    BIO_free(bio);
    free((void *)(uintptr_t)pem.data);
    buffer_cleanup(&memory);
    testlog_stop(log);
}

// ---------------------------------------------------------------- faults

static bool first_leaf_is_honest(struct testlog *log, uint64_t index,
                                 bool *extra_is)
{
    struct buffer leaf = {0}, extra = {0}, memory = {0};
    struct testlog_entry entry;
    char target[96];
    struct json *answer;
    const struct json *got;
    bool ok;

    (void)snprintf(target, sizeof target,
                   "/rfc6962/ct/v1/get-entries?start=%u&end=%u",
                   (unsigned)index, (unsigned)index);
    answer = fetch_json(log, target);
    got = json_at(json_member(answer, "entries"), 0);
    assert_true(json_base64(json_member(got, "leaf_input"), &leaf));
    assert_true(json_base64(json_member(got, "extra_data"), &extra));
    assert_true(testlog_entry(log, index, &entry, &memory));
    ok = bytes_equal(buffer_bytes(&leaf), entry.leaf);
    *extra_is = bytes_equal(buffer_bytes(&extra), entry.extra);
    json_free(answer);
    buffer_cleanup(&leaf);
    buffer_cleanup(&extra);
    buffer_cleanup(&memory);
    return ok;
}

static const struct {
    const char *faults;
    bool leaf;     // entry 5 is served as it is
    bool extra;    // and what goes with it
    bool root;     // the head has the honest root
    bool verifies; // the head's signature does
} lies[] = {
    {"", true, true, true, true},
    {"flip-entry=5:100", false, true, true, true},
    {"flip-entry=6:100", true, true, true, true},
    {"flip-extra=5:3", true, false, true, true},
    {"flip-extra=4:3", true, true, true, true},
    {"flip-hash=5", true, true, false, true},
    {"unknown-type=5", false, true, false, true},
    {"leaf-index=5", false, true, false, true},
    {"swap=5", false, false, true, true},
    {"swap=4", false, false, true, true},
    {"dup=4", false, false, true, true},
    {"drop=5", false, false, true, true},
    {"drop=6", true, true, true, true},
    {"wrong-range", false, false, true, true},
    {"sth-size=5", true, true, true, false},
    {"sth-time=0", true, true, true, true},
    {"fork", true, true, false, true},
    {"fork=1", true, true, true, true},
    {"sth-badsig", true, true, true, false},
    {"wrong-key", true, true, true, false},
    {"stale", true, true, true, true},
    {"future", true, true, true, true},
};

static void faults_do_what_they_say(void **state)
{
    struct testlog *log = start(
        &(struct testlog_options){.entries = 100, .seed = 1, .batch = 13});
    struct sha256_hash honest = testlog_root(log, 100);

    (void)state;
    for (size_t i = 0; i < COUNT_OF(lies); i++) {
        struct head head;
        bool leaf, extra;

        test_case = lies[i].faults;
        set_faults(log, lies[i].faults);
        leaf = first_leaf_is_honest(log, 5, &extra);
        head = fetch_sth(log);
        CHECK(leaf == lies[i].leaf);
        CHECK(extra == lies[i].extra);
        CHECK(sha256_equal(&head.root, &honest) == lies[i].root);
        CHECK(head.verifies == lies[i].verifies);
    }
    testlog_stop(log);
}

static void heads_change_in_time(void **state)
{
    struct testlog *log =
        start(&(struct testlog_options){.entries = 100, .seed = 1});
    struct sha256_hash honest = testlog_root(log, 100);
    struct head one, two;

    (void)state;
    set_faults(log, "fork=1");
    one = fetch_sth(log);
    two = fetch_sth(log);
    assert_true(sha256_equal(&one.root, &honest));
    assert_false(sha256_equal(&two.root, &honest));
    set_faults(log, "fork-same-size");
    one = fetch_sth(log);
    two = fetch_sth(log);
    assert_true(sha256_equal(&one.root, &honest));
    assert_false(sha256_equal(&two.root, &honest));
    assert_int_equal(one.size, two.size);
    assert_true(two.verifies);
    set_faults(log, "sth-shrink=30");
    assert_int_equal(fetch_sth(log).size, 100);
    assert_int_equal(fetch_sth(log).size, 70);
    testlog_stop(log);
}

static const struct {
    const char *faults;
    const char *target;
    int statuses[3];      // of three requests in a row; 0: no answer
    const char *contains; // in head or body of the last that answered
} answers[] = {
    {"no-proofs",
     "/rfc6962/ct/v1/get-sth-consistency?first=1&second=2",
     {404, 404, 404},
     "no such"},
    {"no-issuers", "/static/issuer/00", {404, 404, 404}, "no such"},
    {"http-429-every=2", "/static/checkpoint", {200, 429, 200}, "127.0.0.1"},
    {"http-503-every=3", "/static/checkpoint", {200, 200, 503}, "no capacity"},
    {"http-500-every=1", "/static/checkpoint", {500, 500, 500}, "deadline"},
    {"html-200-every=1", "/static/checkpoint", {200, 200, 200}, "<!DOCTYPE"},
    {"redirect-every=1", "/static/checkpoint", {302, 302, 302}, "Location:"},
    {"drop-connection-every=2", "/static/checkpoint", {200, 0, 200}, "submit"},
    {"wrong-origin", "/static/checkpoint", {200, 200, 200}, "submitx\n"},
    {"sth-size-text",
     "/rfc6962/ct/v1/get-sth",
     {200, 200, 200},
     "\"tree_size\":\"100\""},
    {"chunked",
     "/static/checkpoint",
     {200, 200, 200},
     "Transfer-Encoding: chunked"},
    {"gzip-json",
     "/rfc6962/ct/v1/get-sth",
     {200, 200, 200},
     "Content-Encoding: gzip"},
    {"zero",
     "/rfc6962/ct/v1/get-entries?start=0&end=9",
     {200, 200, 200},
     "{\"entries\":[]}"},
};

static void faults_of_answers_come_by_turn(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        struct testlog *log = start(&(struct testlog_options){
            .entries = 100, .seed = 1, .faults = answers[i].faults});
        struct buffer last = {0};

        test_case = answers[i].faults;
        for (unsigned j = 0; j < 3; j++) {
            struct reply reply = fetch(log, "%s", answers[i].target);

            CHECK(reply.status == answers[i].statuses[j]);
            buffer_reset(&last);
            if (reply.status != 0) {
                buffer_append(&last,
                              bytes_of(reply.head.data, reply.head.len - 1));
                buffer_append(&last, buffer_bytes(&reply.body));
            }
            reply_cleanup(&reply);
        }
        CHECK(memmem(last.data, last.len, answers[i].contains,
                     strlen(answers[i].contains)) != NULL);
        buffer_cleanup(&last);
        testlog_stop(log);
    }
}

// How much comes where less or more was asked for, or where the body ends
// before its time.
static const struct {
    const char *faults;
    const char *target;
    size_t entries; // of get-entries; 0: not JSON
    size_t body;    // bytes; 0: as many as Content-Length says
} amounts[] = {
    {"", "/rfc6962/ct/v1/get-entries?start=0&end=9", 10, 0},
    {"short=3", "/rfc6962/ct/v1/get-entries?start=0&end=9", 3, 0},
    {"more", "/rfc6962/ct/v1/get-entries?start=0&end=9", 11, 0},
    {"", "/static/tile/0/000.p/100", 0, 3200},
    {"tile-short", "/static/tile/0/000.p/100", 0, 3168},
    {"truncate-body-every=1", "/static/tile/0/000.p/100", 0, 1600},
    {"trail-every=1", "/static/tile/0/000.p/100", 0, 3200 + 43},
    {"trickle-every=1", "/static/tile/0/000.p/1", 0, 32},
};

static void faults_change_amounts(void **state)
{
    struct testlog *log =
        start(&(struct testlog_options){.entries = 100, .seed = 1, .size = 1});

    (void)state;
    testlog_set_size(log, 100);
    for (size_t i = 0; i < COUNT_OF(amounts); i++) {
        struct reply reply;

        test_case = amounts[i].faults;
        set_faults(log, amounts[i].faults);
        if (amounts[i].entries != 0) {
            struct json *answer = fetch_json(log, amounts[i].target);

            CHECK(json_size(json_member(answer, "entries")) ==
                  amounts[i].entries);
            json_free(answer);
        } else {
            reply = fetch(log, "%s", amounts[i].target);
            CHECK(reply.body.len == amounts[i].body);
            reply_cleanup(&reply);
        }
    }
    testlog_stop(log);
}

static void a_hash_tile_lies_alone(void **state)
{
    struct testlog *log =
        start(&(struct testlog_options){.entries = 100, .seed = 1});
    struct sha256_hash *leaves = all_leaves(log, 100);
    struct reply reply;
    char origin[64];
    struct head head;
    unsigned place;

    (void)state;
    set_faults(log, "flip-tile=42");
    reply = fetch(log, "/static/tile/0/000.p/100");
    assert_int_equal(reply.body.len, 3200);
    for (size_t i = 0; i < 100; i++) {
        bool same = memcmp(reply.body.data + 32 * i, leaves[i].bytes, 32) == 0;

        assert_int_equal(same, i != 42);
    }
    reply_cleanup(&reply);
    origin_of(log, origin);
    head = fetch_checkpoint(log, origin, &place);
    assert_true(head.verifies);
    leaves[0] = naive_root(leaves, 100);
    assert_true(sha256_equal(&head.root, &leaves[0]));
    free(leaves);
    testlog_stop(log);
}

static const struct {
    const char *faults;
    enum libdeflate_result result;
    bool gzip;
} packings[] = {
    {"", LIBDEFLATE_SUCCESS, true},
    {"gzip-cut", LIBDEFLATE_BAD_DATA, true},
    {"gzip-crc", LIBDEFLATE_BAD_DATA, true},
    {"gzip-bomb", LIBDEFLATE_INSUFFICIENT_SPACE, true},
    {"no-gzip", LIBDEFLATE_BAD_DATA, false},
};

static void tiles_are_packed_as_asked(void **state)
{
    struct testlog *log =
        start(&(struct testlog_options){.entries = 256, .seed = 1});
    struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
    uint8_t *plain = malloc(4 << 20);

    (void)state;
    for (size_t i = 0; i < COUNT_OF(packings); i++) {
        struct reply reply;
        size_t len;

        test_case = packings[i].faults;
        set_faults(log, packings[i].faults);
        reply = fetch(log, "/static/tile/data/000");
        CHECK(reply.status == 200);
        CHECK(libdeflate_gzip_decompress(d, reply.body.data, reply.body.len,
                                         plain, 4 << 20,
                                         &len) == packings[i].result);
        CHECK((strstr((char *)reply.head.data, "gzip") != NULL) ==
              packings[i].gzip);
        reply_cleanup(&reply);
    }
    libdeflate_free_decompressor(d);
    free(plain);
    testlog_stop(log);
}

// A log that stalls holds its client; it must not hold testlog_stop.
static void stalling_ends_with_the_log(void **state)
{
    static const char request[] = "GET /static/log.v3.json HTTP/1.1\r\n\r\n";
    struct testlog *log = start(&(struct testlog_options){
        .entries = 10, .seed = 1, .faults = "stall-every=1"});
    int fd = connect_to(testlog_port(log));
    char some[16];

    (void)state;
    assert_int_equal(send(fd, request, sizeof request - 1, 0),
                     sizeof request - 1);
    assert_true(recv(fd, some, sizeof some, 0) > 0);
    testlog_stop(log);
    (void)close(fd);
}

static void retry_after_takes_every_form(void **state)
{
    static const char *const forms[] = {"Retry-After: 1\r\n", " GMT\r\n",
                                        " UTC\r\n"};
    struct testlog *log = start(&(struct testlog_options){
        .entries = 10, .seed = 1, .faults = "http-429-every=1"});
    unsigned seen[COUNT_OF(forms)] = {0}, none = 0;

    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        struct reply reply = fetch(log, "/static/checkpoint");
        const char *head = (const char *)reply.head.data;

        assert_int_equal(reply.status, 429);
        none += strstr(head, "Retry-After") == NULL;
        for (size_t j = 0; j < COUNT_OF(forms); j++) {
            seen[j] += strstr(head, forms[j]) != NULL;
        }
        reply_cleanup(&reply);
    }
    assert_int_equal(none, 2);
    for (size_t j = 0; j < COUNT_OF(forms); j++) {
        assert_int_equal(seen[j], 2);
    }
    testlog_stop(log);
}

static void can_be_changed_while_it_runs(void **state)
{
    struct testlog *log =
        start(&(struct testlog_options){.entries = 100, .seed = 1, .size = 40});
    struct json *roots;

    (void)state;
    assert_int_equal(fetch_sth(log).size, 40);
    assert_int_equal(fetch_status(log, "/control/size=70"), 200);
    assert_int_equal(fetch_sth(log).size, 70);
    assert_int_equal(fetch_status(log, "/control/size=1000"), 200);
    assert_int_equal(fetch_sth(log).size, 100);
    assert_int_equal(fetch_status(log, "/control/faults=sth-badsig"), 200);
    assert_false(fetch_sth(log).verifies);
    assert_int_equal(fetch_status(log, "/control/faults="), 200);
    assert_true(fetch_sth(log).verifies);
    assert_int_equal(fetch_status(log, "/control/faults=nonsense"), 400);
    assert_int_equal(testlog_requests(log, "get-sth"), 5);
    assert_int_equal(testlog_requests(log, "get-sth-consistency"), 0);
    roots = fetch_json(log, "/rfc6962/ct/v1/get-roots");
    assert_int_equal(json_size(json_member(roots, "certificates")), 3);
    json_free(roots);
    testlog_stop(log);
}

static void grows_by_itself(void **state)
{
    struct testlog *log = start(&(struct testlog_options){
        .entries = 500, .seed = 1, .size = 10, .growth = 1000});
    struct head head = {0};

    (void)state;
    for (unsigned i = 0; i < 200 && head.size < 500; i++) {
        uint64_t before = head.size;
        struct sha256_hash root;

        head = fetch_sth(log);
        root = testlog_root(log, head.size);
        assert_true(head.size >= before && head.verifies);
        assert_true(sha256_equal(&head.root, &root));
        (void)usleep(10000);
    }
    assert_int_equal(head.size, 500);
    testlog_stop(log);
}

static void both_protocols_can_be_one_log(void **state)
{
    struct sha256_hash a, b, c, d;
    struct testlog *log =
        open_log(&(struct testlog_options){.entries = 10, .same_key = true});
    struct testlog *two = open_log(&(struct testlog_options){.entries = 10});

    (void)state;
    EVP_PKEY_free(key_of(log, TESTLOG_RFC6962, &a));
    EVP_PKEY_free(key_of(log, TESTLOG_STATIC, &b));
    EVP_PKEY_free(key_of(two, TESTLOG_RFC6962, &c));
    EVP_PKEY_free(key_of(two, TESTLOG_STATIC, &d));
    assert_true(sha256_equal(&a, &b));
    assert_false(sha256_equal(&c, &d));
    testlog_stop(log);
    testlog_stop(two);
}

static void proofs_lie_on_demand(void **state)
{
    static const char *const faults[] = {"bad-proofs", "long-proofs",
                                         "short-proofs", "cached-consistency"};
    struct testlog *log =
        start(&(struct testlog_options){.entries = 100, .seed = 1});
    struct sha256_hash root1 = testlog_root(log, 7);
    struct sha256_hash root2 = testlog_root(log, 100), path[64];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(faults); i++) {
        struct json *answer;
        size_t num;

        test_case = faults[i];
        set_faults(log, faults[i]);
        // What is cached is the answer to this question.
        (void)fetch_status(
            log, "/rfc6962/ct/v1/get-sth-consistency?first=3&second=9");
        answer = fetch_json(
            log, "/rfc6962/ct/v1/get-sth-consistency?first=7&second=100");
        num = read_hashes(json_member(answer, "consistency"), path);
        CHECK(!consistent(7, 100, &root1, &root2, path, num));
        json_free(answer);
    }
    testlog_stop(log);
}

static void unknown_faults_are_refused(void **state)
{
    static const struct {
        const char *faults;
        const char *error;
    } wrong[] = {
        {"nonsense", "no fault 'nonsense'"},
        {"zero,flip", "no fault 'flip'"},
        {"zero=1", "fault zero takes no value"},
        {"short", "fault short takes a value"},
        {"short=x", "fault short: not a number"},
        {"flip-entry=1:x", "fault flip-entry: not a number"},
        {"http-429-every=0", "fault http-429-every: every 0th"},
    };
    struct testlog *log = open_log(&(struct testlog_options){.entries = 3});

    (void)state;
    set_faults(log, "");
    set_faults(log, ",zero,,more,");
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        struct err err = {0};

        test_case = wrong[i].faults;
        CHECK(!testlog_set_faults(log, wrong[i].faults, &err));
        assert_string_equal(err.text, wrong[i].error);
    }
    testlog_stop(log);
}

// ---------------------------------------------------------------- real entries

// The roots that came with the data, and both ways of reading it.
static void real_entries_have_their_roots(void **state)
{
    struct testlog *log, *other;
    struct bytes roots;
    char path[4096];

    (void)state;
    SKIP_WITHOUT_DATA();
    (void)snprintf(path, sizeof path, "%s", test_data("static/navigli2025h2"));
    log = open_log(&(struct testlog_options){.read = path});
    (void)snprintf(path, sizeof path, "%s",
                   test_data("static/navigli2025h2/derived/rfc6962"));
    other = open_log(&(struct testlog_options){.read = path});
    roots = read_file(
        test_data("static/navigli2025h2/derived/roots-size-1-to-512.txt"));
    assert_int_equal(testlog_size(log), 512);
    assert_int_equal(testlog_size(other), 512);
    {
        struct bytes rest = roots;

        for (uint64_t size = 1; size <= 512; size++) {
            struct sha256_hash a = testlog_root(log, size);
            struct sha256_hash b = testlog_root(other, size);
            struct buffer wanted = {0};
            struct bytes line = read_line(&rest);
            const uint8_t *space = memrchr(line.data, ' ', line.len);

            if (space != NULL) {
                line.len -= (size_t)(space + 1 - line.data);
                line.data = space + 1;
            }
            assert_true(text_parse_base64(&wanted, line));
            assert_memory_equal(a.bytes, wanted.data, SHA256_LEN);
            assert_memory_equal(b.bytes, wanted.data, SHA256_LEN);
            buffer_cleanup(&wanted);
        }
    }
    free((void *)(uintptr_t)roots.data);
    testlog_stop(log);
    testlog_stop(other);
}

static void folder_of_tiles_reads_back(void **state)
{
    char dir[] = "/tmp/testlog-XXXXXX";
    struct testlog *log = open_log(
        &(struct testlog_options){.entries = 700, .seed = 6, .size = 600});
    struct sha256_hash root = testlog_root(log, 600), again;
    struct buffer a = {0}, b = {0};
    struct testlog_entry x, y;
    struct testlog *back;
    struct err err = {0};

    (void)state;
    assert_non_null(mkdtemp(dir));
    assert_true(testlog_write_tiles(log, dir, &err));
    back = open_log(&(struct testlog_options){.read = dir});
    assert_int_equal(testlog_size(back), 600);
    again = testlog_root(back, 600);
    assert_true(sha256_equal(&root, &again));
    for (uint64_t i = 0; i < 600; i += 37) {
        assert_true(testlog_entry(log, i, &x, &a));
        assert_true(testlog_entry(back, i, &y, &b));
        assert_true(bytes_equal(x.extra, y.extra));
        assert_true(bytes_equal(x.chain, y.chain));
    }
    remove_folder(dir);
    buffer_cleanup(&a);
    buffer_cleanup(&b);
    testlog_stop(log);
    testlog_stop(back);
}

// ---------------------------------------------------------------- the server

static void keeps_connections_and_pipelines(void **state)
{
    static const char one[] = "GET /static/log.v3.json HTTP/1.1\r\n\r\n";
    struct testlog *log =
        start(&(struct testlog_options){.entries = 10, .seed = 1});
    int fd = connect_to(testlog_port(log));
    struct buffer got = {0};
    unsigned answered = 0;

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(send(fd, one, sizeof one - 1, 0), sizeof one - 1);
    }
    while (answered < 3) {
        const uint8_t *at;
        ssize_t num;

        assert_true(buffer_reserve(&got, 4096));
        num = recv(fd, got.data + got.len, 4096, 0);
        assert_true(num > 0);
        got.len += (size_t)num;
        at = got.data;
        answered = 0;
        while ((at = memmem(at, got.len - (size_t)(at - got.data), "}}\n}\n",
                            5)) != NULL) {
            answered++;
            at++;
        }
    }
    assert_int_equal(testlog_requests(log, "log.v3.json"), 3);
    (void)close(fd);
    buffer_cleanup(&got);
    testlog_stop(log);
}

static void speaks_tls_under_its_own_ca(void **state)
{
    struct testlog *log =
        start(&(struct testlog_options){.entries = 10, .seed = 1, .tls = true});
    static const char request[] =
        "GET /static/checkpoint HTTP/1.1\r\nConnection: close\r\n\r\n";
    struct bytes pem = testlog_ca_pem(log);
    BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.len);
    X509 *ca = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    SSL_CTX *ctx = SSL_CTX_new(TLS_method());
    char answer[16] = "";
    int fd = connect_to(testlog_port(log));
    SSL *ssl;

    (void)state;
    assert_true(strncmp(testlog_url(log, TESTLOG_STATIC),
                        "https://127.0.0.1:", 18) == 0);
    assert_non_null(ca);
    assert_int_equal(X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), ca), 1);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    ssl = SSL_new(ctx);
    assert_int_equal(
        X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), "127.0.0.1"), 1);
    assert_int_equal(SSL_set_fd(ssl, fd), 1);
    assert_int_equal(SSL_connect(ssl), 1);
    assert_int_equal(SSL_write(ssl, request, sizeof request - 1),
                     sizeof request - 1);
    assert_true(SSL_read(ssl, answer, 15) > 0);
    assert_string_equal(answer, "HTTP/1.1 200 OK");
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    X509_free(ca);
    BIO_free(bio);
    (void)close(fd);
    testlog_stop(log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(root_is_that_of_naive_recursion),
        cmocka_unit_test(same_seed_gives_same_tree),
        cmocka_unit_test(tree_is_the_same_everywhere),
        cmocka_unit_test(proofs_verify),
        cmocka_unit_test(heads_verify),
        cmocka_unit_test(get_entries_caps_and_aligns),
        cmocka_unit_test(tiles_hold_the_entries),
        cmocka_unit_test(get_entries_holds_the_entries),
        cmocka_unit_test(certificates_are_what_was_planted),
        cmocka_unit_test(the_incident_is_replayed),
        cmocka_unit_test(faults_do_what_they_say),
        cmocka_unit_test(heads_change_in_time),
        cmocka_unit_test(faults_of_answers_come_by_turn),
        cmocka_unit_test(faults_change_amounts),
        cmocka_unit_test(a_hash_tile_lies_alone),
        cmocka_unit_test(stalling_ends_with_the_log),
        cmocka_unit_test(retry_after_takes_every_form),
        cmocka_unit_test(can_be_changed_while_it_runs),
        cmocka_unit_test(grows_by_itself),
        cmocka_unit_test(both_protocols_can_be_one_log),
        cmocka_unit_test(tiles_are_packed_as_asked),
        cmocka_unit_test(proofs_lie_on_demand),
        cmocka_unit_test(unknown_faults_are_refused),
        cmocka_unit_test(real_entries_have_their_roots),
        cmocka_unit_test(folder_of_tiles_reads_back),
        cmocka_unit_test(keeps_connections_and_pipelines),
        cmocka_unit_test(speaks_tls_under_its_own_ca),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
