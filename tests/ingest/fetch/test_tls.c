// test_tls.c - the codec against a BoringSSL server in the same thread, so that
// every byte between them can be held back, cut or changed.

#include <openssl/bio.h>
#include <openssl/ssl.h>
#include <unistd.h>

#include "ingest/fetch/tls.h"
#include "tests/support/check.h"
#include "tests/support/peer.h"

// Both sides and the wire between them.
struct link {
    struct tls_context *context;
    struct tls_session session;
    struct tls *client;
    SSL_CTX *server_ctx;
    SSL *server;
    BIO *server_in, *server_out;
    struct buffer to_server;
    struct buffer to_client;
    enum tls_progress last;
    struct err err;
};

static void open_client(struct link *link, const char *host)
{
    if (!tls_open(&link->client, link->context, host, &link->session,
                  &link->err)) {
        fail_msg("%s", link->err.text);
    }
}

static void open_server(struct link *link)
{
    link->server = SSL_new(link->server_ctx);
    link->server_in = BIO_new(BIO_s_mem());
    link->server_out = BIO_new(BIO_s_mem());
    SSL_set_bio(link->server, link->server_in, link->server_out);
    SSL_set_accept_state(link->server);
}

static void open_link(struct link *link, const struct peer_options *options,
                      const char *host)
{
    *link = (struct link){0};
    if (!tls_context_open(&link->context, peer_ca_file(), false, &link->err)) {
        fail_msg("%s", link->err.text);
    }
    link->server_ctx = peer_context(options);
    open_client(link, host);
    open_server(link);
}

static void close_ends(struct link *link)
{
    tls_close(link->client);
    SSL_free(link->server);
    buffer_cleanup(&link->to_client);
    buffer_cleanup(&link->to_server);
}

static void close_link(struct link *link)
{
    close_ends(link);
    tls_session_cleanup(&link->session);
    SSL_CTX_free(link->server_ctx);
    tls_context_close(link->context);
}

static void take_from_server(struct link *link)
{
    const uint8_t *data;
    size_t len;

    if (BIO_mem_contents(link->server_out, &data, &len) && len > 0) {
        buffer_append(&link->to_client, bytes_of(data, len));
        BIO_reset(link->server_out);
    }
}

static void give_to_server(struct link *link)
{
    if (link->to_server.len == 0) return;
    assert_int_equal(BIO_write(link->server_in, link->to_server.data,
                               (int)link->to_server.len),
                     link->to_server.len);
    buffer_reset(&link->to_server);
}

// Gives the client up to `most` bytes in a block of just that size.
static void step_client(struct link *link, size_t most)
{
    size_t len = link->to_client.len < most ? link->to_client.len : most;
    struct bytes copy = heap_copy(bytes_of(link->to_client.data, len));
    struct bytes in = copy;

    link->last = tls_handshake(link->client, &in, &link->to_server, &link->err);
    assert_true(link->last != TLS_MORE || in.len == 0);
    buffer_consume(&link->to_client, len - in.len);
    free((void *)copy.data);
}

// Shakes hands, `most` bytes at a time towards the client.
static void shake_hands(struct link *link, size_t most)
{
    for (int i = 0; i < 100000; i++) {
        step_client(link, most);
        if (link->last != TLS_MORE) break;
        give_to_server(link);
        (void)SSL_do_handshake(link->server);
        take_from_server(link);
    }
    give_to_server(link);
    (void)SSL_do_handshake(link->server);
    take_from_server(link);
}

// Reads all that the client can give now into `plain`.
static enum tls_progress read_all(struct link *link, size_t most,
                                  struct buffer *plain)
{
    enum tls_progress progress = TLS_MORE;

    do {
        size_t len = link->to_client.len < most ? link->to_client.len : most;
        struct bytes copy = heap_copy(bytes_of(link->to_client.data, len));
        struct bytes in = copy;
        size_t got;

        do {
            uint8_t *buf = malloc(1000);

            progress = tls_read(link->client, &in, &link->to_server, buf, 1000,
                                &got, &link->err);
            if (progress == TLS_READY) {
                assert_in_range(got, 1, 1000);
                buffer_append(plain, bytes_of(buf, got));
            }
            free(buf);
        } while (progress == TLS_READY);
        buffer_consume(&link->to_client, len - in.len);
        free((void *)copy.data);
    } while (progress == TLS_MORE && link->to_client.len > 0);
    return progress;
}

static void server_says(struct link *link, struct bytes bytes)
{
    assert_int_equal(SSL_write(link->server, bytes.data, (int)bytes.len),
                     bytes.len);
    take_from_server(link);
}

static const struct peer_options plain_options = {.names = "DNS:log.example"};
static const struct peer_options old_options = {.names = "DNS:log.example",
                                                .tls12_only = true};

static void carries_bytes_both_ways(void **state)
{
    static const struct peer_options *const options[] = {&plain_options,
                                                         &old_options};
    static const char *const versions[] = {"TLSv1.3", "TLSv1.2"};
    static const size_t pieces[] = {1, 7, 100, SIZE_MAX};
    static uint8_t big[50000];

    (void)state;
    for (size_t i = 0; i < sizeof big; i++) {
        big[i] = (uint8_t)(i * 7 + i / 256);
    }
    for (size_t v = 0; v < COUNT_OF(options); v++) {
        for (size_t p = 0; p < COUNT_OF(pieces); p++) {
            struct buffer plain = {0};
            struct link link;
            static uint8_t got[sizeof big];
            const uint8_t *alpn;
            unsigned alpn_len;

            open_link(&link, options[v], "log.example");
            shake_hands(&link, pieces[p]);
            assert_int_equal(link.last, TLS_READY);
            assert_true(
                bytes_starts_with(bytes_from_text(tls_describe(link.client)),
                                  bytes_from_text(versions[v])));
            assert_string_equal(
                SSL_get_servername(link.server, TLSEXT_NAMETYPE_host_name),
                "log.example");
            SSL_get0_alpn_selected(link.server, &alpn, &alpn_len);
            assert_true(bytes_equal_text(bytes_of(alpn, alpn_len), "http/1.1"));

            assert_true(tls_write(link.client, bytes_of(big, sizeof big),
                                  &link.to_server, &link.err));
            give_to_server(&link);
            for (size_t num = 0; num < sizeof big;) {
                int result =
                    SSL_read(link.server, got + num, (int)(sizeof big - num));

                assert_true(result > 0);
                num += (size_t)result;
            }
            assert_memory_equal(got, big, sizeof big);

            server_says(&link, bytes_of(big, sizeof big));
            assert_int_equal(read_all(&link, pieces[p], &plain), TLS_MORE);
            assert_true(
                bytes_equal(buffer_bytes(&plain), bytes_of(big, sizeof big)));
            assert_false(tls_has_pending(link.client));
            SSL_shutdown(link.server);
            take_from_server(&link);
            assert_int_equal(read_all(&link, pieces[p], &plain), TLS_END);
            buffer_cleanup(&plain);
            close_link(&link);
        }
    }
}

// Whatever is cut off: never TLS_END, never more than was sent.
static void no_truncation_is_an_end(void **state)
{
    static const struct peer_options *const options[] = {&plain_options,
                                                         &old_options};

    (void)state;
    for (size_t v = 0; v < COUNT_OF(options); v++) {
        size_t whole = SIZE_MAX;

        for (size_t len = 0; len < whole; len++) {
            struct buffer plain = {0};
            struct link link;

            // Each needs its own keys, so its own handshake: every third.
            if (len > 12 && len % 3 != 0) continue;
            open_link(&link, options[v], "log.example");
            shake_hands(&link, SIZE_MAX);
            assert_int_equal(read_all(&link, SIZE_MAX, &plain), TLS_MORE);
            server_says(&link, bytes_from_text("hello"));
            SSL_shutdown(link.server);
            take_from_server(&link);
            whole = link.to_client.len;
            if (len < whole) {
                link.to_client.len = len;
                assert_int_equal(read_all(&link, SIZE_MAX, &plain), TLS_MORE);
                assert_true(plain.len == 0 ||
                            bytes_equal_text(buffer_bytes(&plain), "hello"));
            }
            buffer_cleanup(&plain);
            close_link(&link);
        }
    }
}

static void a_changed_bit_breaks_it(void **state)
{
    (void)state;
    for (size_t at = 5; at < 27; at++) {
        struct buffer plain = {0};
        struct link link;

        open_link(&link, &plain_options, "log.example");
        shake_hands(&link, SIZE_MAX);
        server_says(&link, bytes_from_text("x")); // with the tickets
        assert_int_equal(read_all(&link, SIZE_MAX, &plain), TLS_MORE);
        buffer_reset(&plain);
        server_says(&link, bytes_from_text("hello"));
        assert_int_equal(link.to_client.len, 27); // 5 + 5 + type + tag
        link.to_client.data[at] ^= 1;
        assert_int_equal(read_all(&link, SIZE_MAX, &plain), TLS_BROKEN);
        assert_string_equal(link.err.text,
                            "tls: reading with 'log.example': "
                            "DECRYPTION_FAILED_OR_BAD_RECORD_MAC");
        assert_int_equal(plain.len, 0);
        assert_true(link.to_server.len > 0); // an alert to be sent
        // And it stays broken.
        assert_int_equal(read_all(&link, SIZE_MAX, &plain), TLS_BROKEN);
        buffer_cleanup(&plain);
        close_link(&link);
    }
}

static const struct {
    const char *name;
    struct peer_options server;
    const char *host;
    const char *error; // NULL: accepted
} certificates[] = {
    {"name", {.names = "DNS:log.example"}, "log.example", NULL},
    {"another case", {.names = "DNS:Log.Example"}, "lOG.example", NULL},
    {"trailing dot", {.names = "DNS:log.example"}, "log.example.", NULL},
    {"wildcard", {.names = "DNS:*.example.org"}, "log.example.org", NULL},
    {"second name",
     {.names = "DNS:a.example,DNS:log.example"},
     "log.example",
     NULL},
    {"v4 address", {.names = "IP:192.0.2.1"}, "192.0.2.1", NULL},
    {"v6 address", {.names = "IP:2001:db8::1"}, "2001:db8::1", NULL},
    {"other name",
     {.names = "DNS:other.example"},
     "log.example",
     "tls: certificate of 'log.example': Hostname mismatch"},
    {"parent",
     {.names = "DNS:example"},
     "log.example",
     "tls: certificate of 'log.example': Hostname mismatch"},
    {"wildcard two up",
     {.names = "DNS:*.example.org"},
     "a.b.example.org",
     "tls: certificate of 'a.b.example.org': Hostname mismatch"},
    {"only in the CN",
     {.names = "DNS:other"},
     "peer",
     "tls: certificate of 'peer': Hostname mismatch"},
    {"address as a name",
     {.names = "DNS:192.0.2.1"},
     "192.0.2.1",
     "tls: certificate of '192.0.2.1': IP address mismatch"},
    {"self-signed",
     {.names = "DNS:log.example", .self_signed = true},
     "log.example",
     "tls: certificate of 'log.example': self signed certificate"},
    {"expired",
     {.names = "DNS:log.example", .expired = true},
     "log.example",
     "tls: certificate of 'log.example': certificate has expired"},
    {"TLS 1.0",
     {.names = "DNS:log.example", .tls10_only = true},
     "log.example",
     "tls: handshake with 'log.example': TLSV1_ALERT_PROTOCOL_VERSION"},
};

static void checks_whom_it_talks_to(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(certificates); i++) {
        struct link link;

        test_case = certificates[i].name;
        open_link(&link, &certificates[i].server, certificates[i].host);
        shake_hands(&link, SIZE_MAX);
        if (certificates[i].error == NULL) {
            CHECK(link.last == TLS_READY);
        } else {
            CHECK(link.last == TLS_BROKEN);
            if (strcmp(link.err.text, certificates[i].error) != 0) {
                print_error("got '%s'\n", link.err.text);
            }
            CHECK(strcmp(link.err.text, certificates[i].error) == 0);
        }
        close_link(&link);
    }
}

static void resumes_a_session(void **state)
{
    static const struct peer_options *const options[] = {&plain_options,
                                                         &old_options};

    (void)state;
    for (size_t v = 0; v < COUNT_OF(options); v++) {
        struct buffer plain = {0};
        struct link link;

        open_link(&link, options[v], "log.example");
        for (int i = 0; i < 3; i++) {
            shake_hands(&link, SIZE_MAX);
            assert_int_equal(link.last, TLS_READY);
            assert_int_equal(SSL_session_reused(link.server), i > 0);
            server_says(&link, bytes_from_text("x")); // tickets come with it
            assert_int_equal(read_all(&link, SIZE_MAX, &plain), TLS_MORE);
            assert_non_null(link.session.session);
            close_ends(&link);
            open_client(&link, "log.example");
            open_server(&link);
        }
        buffer_cleanup(&plain);
        close_link(&link);
    }
}

static void follows_key_updates(void **state)
{
    struct buffer plain = {0};
    struct link link;

    (void)state;
    open_link(&link, &plain_options, "log.example");
    shake_hands(&link, SIZE_MAX);
    for (size_t i = 1; i <= 100; i++) {
        assert_true(SSL_key_update(link.server, SSL_KEY_UPDATE_REQUESTED));
        server_says(&link, bytes_from_text("x"));
        assert_int_equal(read_all(&link, SIZE_MAX, &plain), TLS_MORE);
        assert_int_equal(plain.len, i);
    }
    buffer_cleanup(&plain);
    close_link(&link);
}

static void finds_trust_anchors(void **state)
{
    struct tls_context *context;
    struct err err = {0};

    (void)state;
    assert_false(tls_context_open(&context, "/nowhere", false, &err));
    assert_int_equal(err.code, ERR_USAGE);
    assert_string_equal(err.text, "tls: no trust anchors in '/nowhere'");
    assert_false(tls_context_open(&context, "/dev/null", false, &err));
    // The environment is asked when no file is named.
    setenv("SSL_CERT_FILE", "/nowhere/else", 1);
    assert_false(tls_context_open(&context, NULL, false, &err));
    assert_string_equal(err.text, "tls: no trust anchors in '/nowhere/else'");
    setenv("SSL_CERT_FILE", peer_ca_file(), 1);
    assert_true(tls_context_open(&context, NULL, false, &err));
    assert_true(tls_context_check(context, &err));
    tls_context_close(context);
    assert_true(tls_context_open(&context, NULL, true, &err));
    assert_true(tls_context_check(context, &err));
    tls_context_close(context);
    unsetenv("SSL_CERT_FILE");
    tls_context_close(NULL);
    tls_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(carries_bytes_both_ways),
        cmocka_unit_test(no_truncation_is_an_end),
        cmocka_unit_test(a_changed_bit_breaks_it),
        cmocka_unit_test(checks_whom_it_talks_to),
        cmocka_unit_test(resumes_a_session),
        cmocka_unit_test(follows_key_updates),
        cmocka_unit_test(finds_trust_anchors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
