// peer.c - see peer.h.

#include "tests/support/peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ec.h>
#include <openssl/ec_key.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct peer {
    struct peer_options options;
    int listener;
    unsigned port;
    SSL_CTX *ctx;
    pthread_t thread;
    pthread_mutex_t lock;
    bool closing;
    unsigned num_conns;
    pthread_t threads[PEER_CONNS_MAX];
    struct peer_conn conns[PEER_CONNS_MAX];
};

static void die(const char *what)
{
    (void)fprintf(stderr, "peer: %s: %s\n", what, strerror(errno));
    abort();
}

// ---------------------------------------------------------------- certificates

static struct {
    EVP_PKEY *key;
    X509 *certificate;
    char path[64];
} ca;

static EVP_PKEY *make_key(void)
{
    EC_KEY *ec = EC_KEY_new_by_curve_name(NID_X9_62_prime256v1);
    EVP_PKEY *key = EVP_PKEY_new();

    if (ec == NULL || key == NULL || !EC_KEY_generate_key(ec) ||
        !EVP_PKEY_assign_EC_KEY(key, ec)) {
        die("key");
    }
    return key;
}

static void add_extension(X509 *certificate, int nid, const char *value)
{
    X509V3_CTX context;
    X509_EXTENSION *extension;

    X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
    extension = X509V3_EXT_nconf_nid(NULL, &context, nid, (char *)value);
    if (extension == NULL || !X509_add_ext(certificate, extension, -1)) {
        die(value);
    }
    X509_EXTENSION_free(extension);
}

static void set_name(X509_NAME *name, const char *text)
{
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const uint8_t *)text,
                               -1, -1, 0);
}

// A certificate for `key`, signed by the CA, or by itself when `signer` is
// NULL.
static X509 *make_certificate(EVP_PKEY *key, const char *name,
                              const char *names, long lifetime,
                              EVP_PKEY *signer, X509 *issuer)
{
    static long serial;
    X509 *made = X509_new();

    X509_set_version(made, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(made), ++serial);
    X509_gmtime_adj(X509_get_notBefore(made), -86400);
    X509_gmtime_adj(X509_get_notAfter(made), lifetime);
    set_name(X509_get_subject_name(made), name);
    X509_set_issuer_name(made,
                         X509_get_subject_name(issuer == NULL ? made : issuer));
    X509_set_pubkey(made, key);
    if (names == NULL) {
        add_extension(made, NID_basic_constraints, "critical,CA:TRUE");
    } else {
        add_extension(made, NID_subject_alt_name, names);
    }
    if (!X509_sign(made, signer == NULL ? key : signer, EVP_sha256())) {
        die("sign");
    }
    return made;
}

static void remove_ca_file(void)
{
    (void)unlink(ca.path);
    EVP_PKEY_free(ca.key);
    X509_free(ca.certificate);
}

const char *peer_ca_file(void)
{
    FILE *file;
    int fd;

    if (ca.key != NULL) return ca.path;
    ca.key = make_key();
    ca.certificate =
        make_certificate(ca.key, "peer CA", NULL, 86400, NULL, NULL);
    (void)snprintf(ca.path, sizeof ca.path, "/tmp/peer_ca.XXXXXX");
    fd = mkstemp(ca.path);
    file = fd < 0 ? NULL : fdopen(fd, "w");
    if (file == NULL || !PEM_write_X509(file, ca.certificate)) die(ca.path);
    (void)fclose(file);
    (void)atexit(remove_ca_file);
    return ca.path;
}

// Takes http/1.1 whatever else is offered.
static int select_alpn(SSL *ssl, const uint8_t **out, uint8_t *out_len,
                       const uint8_t *in, unsigned in_len, void *context)
{
    static const uint8_t wanted[] = "\x08http/1.1";

    (void)ssl;
    (void)context;
    return SSL_select_next_proto((uint8_t **)out, out_len, wanted,
                                 sizeof wanted - 1, in,
                                 in_len) == OPENSSL_NPN_NEGOTIATED
               ? SSL_TLSEXT_ERR_OK
               : SSL_TLSEXT_ERR_NOACK;
}

struct ssl_ctx_st *peer_context(const struct peer_options *options)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_method());
    EVP_PKEY *key = make_key();
    X509 *certificate;

    (void)peer_ca_file();
    certificate = make_certificate(
        key, "peer", options->names, options->expired ? -3600 : 86400,
        options->self_signed ? NULL : ca.key,
        options->self_signed ? NULL : ca.certificate);
    if (!SSL_CTX_use_certificate(ctx, certificate) ||
        !SSL_CTX_use_PrivateKey(ctx, key)) {
        die("certificate");
    }
    if (options->tls12_only) SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
    if (options->tls10_only) {
        SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION);
        SSL_CTX_set_max_proto_version(ctx, TLS1_VERSION);
    }
    SSL_CTX_set_alpn_select_cb(ctx, select_alpn, NULL);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return ctx;
}

// ---------------------------------------------------------------- threads

static bool begin_tls(struct peer_conn *conn)
{
    if (conn->peer->ctx == NULL) return true;
    conn->ssl = SSL_new(conn->peer->ctx);
    SSL_set_fd(conn->ssl, conn->fd);
    return SSL_accept(conn->ssl) == 1;
}

static void *serve_one(void *context)
{
    struct peer_conn *conn = context;

    if (begin_tls(conn)) conn->peer->options.serve(conn);
    pthread_mutex_lock(&conn->peer->lock);
    if (conn->ssl != NULL) {
        SSL_shutdown(conn->ssl);
        SSL_free(conn->ssl);
    }
    if (conn->fd >= 0) (void)close(conn->fd);
    conn->fd = -1;
    conn->ssl = NULL;
    pthread_mutex_unlock(&conn->peer->lock);
    return NULL;
}

static void *listen_on(void *context)
{
    struct peer *peer = context;

    for (;;) {
        int fd = accept4(peer->listener, NULL, NULL, SOCK_CLOEXEC), one = 1;
        struct peer_conn *conn;

        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        pthread_mutex_lock(&peer->lock);
        if (fd < 0 || peer->closing || peer->num_conns == PEER_CONNS_MAX) {
            if (fd >= 0) (void)close(fd);
            pthread_mutex_unlock(&peer->lock);
            return NULL;
        }
        conn = &peer->conns[peer->num_conns];
        *conn = (struct peer_conn){.peer = peer,
                                   .context = peer->options.context,
                                   .fd = fd,
                                   .index = peer->num_conns};
        if (pthread_create(&peer->threads[peer->num_conns], NULL, serve_one,
                           conn) != 0) {
            die("thread");
        }
        peer->num_conns++;
        pthread_mutex_unlock(&peer->lock);
    }
}

struct peer *peer_open(const struct peer_options *options)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    struct peer *peer = calloc(1, sizeof *peer);

    if (peer == NULL) die("memory");
    peer->options = *options;
    if (options->names != NULL) peer->ctx = peer_context(options);
    pthread_mutex_init(&peer->lock, NULL);
    peer->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(peer->listener, (void *)&address, sizeof address) != 0 ||
        listen(peer->listener, 128) != 0 ||
        getsockname(peer->listener, (void *)&address, &len) != 0) {
        die("listen");
    }
    peer->port = ntohs(address.sin_port);
    if (pthread_create(&peer->thread, NULL, listen_on, peer) != 0) {
        die("thread");
    }
    return peer;
}

unsigned peer_close(struct peer *peer)
{
    unsigned num;

    pthread_mutex_lock(&peer->lock);
    peer->closing = true;
    (void)shutdown(peer->listener, SHUT_RDWR);
    for (unsigned i = 0; i < peer->num_conns; i++) {
        if (peer->conns[i].fd >= 0) {
            (void)shutdown(peer->conns[i].fd, SHUT_RDWR);
        }
    }
    pthread_mutex_unlock(&peer->lock);
    pthread_join(peer->thread, NULL);
    num = peer->num_conns;
    for (unsigned i = 0; i < num; i++) {
        pthread_join(peer->threads[i], NULL);
    }
    (void)close(peer->listener);
    SSL_CTX_free(peer->ctx);
    pthread_mutex_destroy(&peer->lock);
    free(peer);
    return num;
}

unsigned peer_port(const struct peer *peer)
{
    return peer->port;
}

unsigned peer_num_conns(struct peer *peer)
{
    unsigned num;

    pthread_mutex_lock(&peer->lock);
    num = peer->num_conns;
    pthread_mutex_unlock(&peer->lock);
    return num;
}

// ---------------------------------------------------------------- talking

static int read_some(struct peer_conn *conn, uint8_t *buf, size_t len)
{
    if (conn->ssl != NULL) return SSL_read(conn->ssl, buf, (int)len);
    return (int)recv(conn->fd, buf, len, 0);
}

bool peer_read_head(struct peer_conn *conn, struct buffer *head)
{
    buffer_reset(head);
    for (;;) {
        uint8_t byte;

        if (read_some(conn, &byte, 1) != 1) return false;
        buffer_append_byte(head, byte);
        if (head->len >= 4 &&
            memcmp(head->data + head->len - 4, "\r\n\r\n", 4) == 0) {
            return true;
        }
    }
}

bool peer_send(struct peer_conn *conn, struct bytes bytes)
{
    while (bytes.len > 0) {
        int result =
            conn->ssl != NULL
                ? SSL_write(conn->ssl, bytes.data, (int)bytes.len)
                : (int)send(conn->fd, bytes.data, bytes.len, MSG_NOSIGNAL);

        if (result <= 0) return false;
        (void)bytes_skip(&bytes, (size_t)result);
    }
    return true;
}

bool peer_say(struct peer_conn *conn, const char *text)
{
    return peer_send(conn, bytes_from_text(text));
}

void peer_stall(struct peer_conn *conn)
{
    uint8_t byte;

    while (read_some(conn, &byte, 1) > 0) {
    }
}

void peer_reset(struct peer_conn *conn)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};

    (void)setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    peer_cut(conn);
}

void peer_cut(struct peer_conn *conn)
{
    pthread_mutex_lock(&conn->peer->lock);
    if (conn->ssl != NULL) SSL_set_quiet_shutdown(conn->ssl, 1);
    (void)close(conn->fd);
    conn->fd = -1;
    pthread_mutex_unlock(&conn->peer->lock);
}
