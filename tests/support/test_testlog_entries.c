// test_testlog_entries.c - what the test log serves, against the ground truth.

#include "tests/support/testlog.h"

#include <libdeflate.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/folder.h"
#include "tests/support/plain_tree.h"
#include "tests/support/visitor.h"

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
    struct testlog *log = visitor_start(
        &(struct testlog_options){.entries = 300, .seed = 1, .batch = 64});

    (void)state;
    for (size_t i = 0; i < COUNT_OF(ranges); i++) {
        char target[128];
        struct json *answer;

        test_case = ranges[i].name;
        (void)snprintf(target, sizeof target,
                       "/rfc6962/ct/v1/get-entries?start=%u&end=%u",
                       ranges[i].start, ranges[i].end);
        CHECK(visitor_status(log, target) == ranges[i].status);
        if (ranges[i].status != 200) continue;
        answer = visitor_json(log, target);
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
    struct visitor_reply data =
        visitor_fetch(log, "/static/tile/data/%s", path);
    struct visitor_reply hashes = visitor_fetch(log, "/static/tile/0/%s", path);
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
            struct sha256_hash hash = plain_leaf(entry.leaf);

            assert_memory_equal(hash.bytes, hashes.body.data + i * SHA256_LEN,
                                SHA256_LEN);
        }
    }
    assert_int_equal(rest.len, 0);
    buffer_cleanup(&plain);
    buffer_cleanup(&memory);
    visitor_reply_cleanup(&data);
    visitor_reply_cleanup(&hashes);
}

static void tiles_hold_the_entries(void **state)
{
    struct testlog *log = visitor_start(&(struct testlog_options){
        .entries = 700, .seed = 9, .size = 300, .fina = true});

    (void)state;
    check_tile(log, "000", 0, 256);
    check_tile(log, "001.p/44", 256, 44);
    assert_int_equal(visitor_status(log, "/static/tile/0/001.p/43"), 404);
    assert_int_equal(visitor_status(log, "/static/tile/0/001"), 404);
    assert_int_equal(visitor_status(log, "/static/tile/0/000.p/12"), 404);
    assert_int_equal(visitor_status(log, "/static/tile/1/000.p/1"), 200);
    assert_int_equal(visitor_status(log, "/static/tile/1/000"), 404);
    assert_int_equal(visitor_status(log, "/static/tile/0/0"), 404);
    assert_int_equal(visitor_status(log, "/static/tile/9/000"), 404);
    testlog_set_size(log, 700);
    check_tile(log, "001.p/44", 256, 44); // published before: there still
    check_tile(log, "001", 256, 256);
    check_tile(log, "002.p/188", 512, 188);
    visitor_set_faults(log, "no-partials");
    assert_int_equal(visitor_status(log, "/static/tile/0/001.p/44"), 404);
    assert_int_equal(visitor_status(log, "/static/tile/0/002.p/188"), 200);
    assert_int_equal(testlog_requests(log, "tile/data"), 5);
    testlog_stop(log);
}

// Both protocols tell the same: get-entries as JSON against the ground truth.
static void get_entries_holds_the_entries(void **state)
{
    struct testlog *log =
        visitor_start(&(struct testlog_options){.entries = 256, .seed = 9});
    struct json *answer =
        visitor_json(log, "/rfc6962/ct/v1/get-entries?start=0&end=255");
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

static void folder_of_tiles_reads_back(void **state)
{
    char dir[FOLDER_LEN];
    struct testlog *log = visitor_open(
        &(struct testlog_options){.entries = 700, .seed = 6, .size = 600});
    struct sha256_hash root = testlog_root(log, 600), again;
    struct buffer a = {0}, b = {0};
    struct testlog_entry x, y;
    struct testlog *back;
    struct err err = {0};

    (void)state;
    folder_make(dir);
    assert_true(testlog_write_tiles(log, dir, &err));
    back = visitor_open(&(struct testlog_options){.read = dir});
    assert_int_equal(testlog_size(back), 600);
    again = testlog_root(back, 600);
    assert_true(sha256_equal(&root, &again));
    for (uint64_t i = 0; i < 600; i += 37) {
        assert_true(testlog_entry(log, i, &x, &a));
        assert_true(testlog_entry(back, i, &y, &b));
        assert_true(bytes_equal(x.extra, y.extra));
        assert_true(bytes_equal(x.chain, y.chain));
    }
    folder_remove(dir);
    buffer_cleanup(&a);
    buffer_cleanup(&b);
    testlog_stop(log);
    testlog_stop(back);
}

// ---------------------------------------------------------------- the server

static void can_be_changed_while_it_runs(void **state)
{
    struct testlog *log = visitor_start(
        &(struct testlog_options){.entries = 100, .seed = 1, .size = 40});
    struct json *roots;

    (void)state;
    assert_int_equal(visitor_sth(log).size, 40);
    assert_int_equal(visitor_status(log, "/control/size=70"), 200);
    assert_int_equal(visitor_sth(log).size, 70);
    assert_int_equal(visitor_status(log, "/control/size=1000"), 200);
    assert_int_equal(visitor_sth(log).size, 100);
    assert_int_equal(visitor_status(log, "/control/faults=sth-badsig"), 200);
    assert_false(visitor_sth(log).verifies);
    assert_int_equal(visitor_status(log, "/control/faults="), 200);
    assert_true(visitor_sth(log).verifies);
    assert_int_equal(visitor_status(log, "/control/faults=nonsense"), 400);
    assert_int_equal(testlog_requests(log, "get-sth"), 5);
    assert_int_equal(testlog_requests(log, "get-sth-consistency"), 0);
    roots = visitor_json(log, "/rfc6962/ct/v1/get-roots");
    assert_int_equal(json_size(json_member(roots, "certificates")), 3);
    json_free(roots);
    testlog_stop(log);
}

static void keeps_connections_and_pipelines(void **state)
{
    static const char one[] = "GET /static/log.v3.json HTTP/1.1\r\n\r\n";
    struct testlog *log =
        visitor_start(&(struct testlog_options){.entries = 10, .seed = 1});
    int fd = visitor_connect(testlog_port(log));
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
    struct testlog *log = visitor_start(
        &(struct testlog_options){.entries = 10, .seed = 1, .tls = true});
    static const char request[] =
        "GET /static/checkpoint HTTP/1.1\r\nConnection: close\r\n\r\n";
    struct bytes pem = testlog_ca_pem(log);
    BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.len);
    X509 *ca = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    SSL_CTX *ctx = SSL_CTX_new(TLS_method());
    char answer[16] = "";
    int fd = visitor_connect(testlog_port(log));
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
        cmocka_unit_test(get_entries_caps_and_aligns),
        cmocka_unit_test(tiles_hold_the_entries),
        cmocka_unit_test(get_entries_holds_the_entries),
        cmocka_unit_test(folder_of_tiles_reads_back),
        cmocka_unit_test(can_be_changed_while_it_runs),
        cmocka_unit_test(keeps_connections_and_pipelines),
        cmocka_unit_test(speaks_tls_under_its_own_ca),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
