// tls.c - see tls.h.

#include "ingest/fetch/tls.h"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { HOST_MAX = 256, PLAIN_MAX = 1 << 30 };

struct tls_context {
    SSL_CTX *ctx;
    BIO_METHOD *method;
    bool skip;
    bool has_anchors;
};

struct tls {
    SSL *ssl;
    struct tls_session *session;
    struct bytes *in;   // only during a call
    struct buffer *out; // only during a call
    char host[HOST_MAX];
    char description[96];
};

// Where distributions keep the trust anchors in one file.
static const char *const anchor_files[] = {
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
};

// ---------------------------------------------------------------- transport

static int bio_read(BIO *bio, char *buf, int len)
{
    struct tls *tls = BIO_get_data(bio);
    size_t take = len < 0 ? 0 : (size_t)len;

    BIO_clear_retry_flags(bio);
    if (tls->in == NULL || tls->in->len == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    if (take > tls->in->len) take = tls->in->len;
    memcpy(buf, tls->in->data, take);
    (void)bytes_skip(tls->in, take);
    return (int)take;
}

static int bio_write(BIO *bio, const char *buf, int len)
{
    struct tls *tls = BIO_get_data(bio);

    BIO_clear_retry_flags(bio);
    if (tls->out == NULL || len < 0) return -1;
    buffer_append(tls->out, bytes_of(buf, (size_t)len));
    return buffer_ok(tls->out) ? len : -1;
}

static long bio_control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *make_method(void)
{
    BIO_METHOD *method = BIO_meth_new(0, "sanct");

    if (method != NULL && BIO_meth_set_read(method, bio_read) &&
        BIO_meth_set_write(method, bio_write) &&
        BIO_meth_set_ctrl(method, bio_control)) {
        return method;
    }
    BIO_meth_free(method);
    return NULL;
}

// ---------------------------------------------------------------- context

static bool load_anchors(struct tls_context *context, const char *file,
                         struct err *err)
{
    if (SSL_CTX_load_verify_locations(context->ctx, file, NULL) != 1) {
        ERR_clear_error();
        return err_set(err, ERR_USAGE, "tls: no trust anchors in '%s'", file);
    }
    context->has_anchors = true;
    return true;
}

static bool find_anchors(struct tls_context *context, const char *ca_file,
                         struct err *err)
{
    const char *named = ca_file != NULL ? ca_file : getenv("SSL_CERT_FILE");

    if (context->skip) return true;
    if (named != NULL && named[0] != '\0') {
        return load_anchors(context, named, err);
    }
    for (size_t i = 0; i < COUNT_OF(anchor_files); i++) {
        if (access(anchor_files[i], R_OK) == 0) {
            return load_anchors(context, anchor_files[i], err);
        }
    }
    return true; // plain HTTP needs none: tls_context_check says so
}

// Takes a session over for the next connection to the same host.
static int on_new_session(SSL *ssl, SSL_SESSION *session)
{
    struct tls *tls = SSL_get_app_data(ssl);

    if (tls == NULL || tls->session == NULL) return 0;
    tls_session_cleanup(tls->session);
    tls->session->session = session;
    return 1;
}

bool tls_context_open(struct tls_context **context, const char *ca_file,
                      bool skip, struct err *err)
{
    struct tls_context *made = calloc(1, sizeof *made);

    *context = NULL;
    if (made == NULL) return err_set(err, ERR_MEMORY, "tls: no memory");
    made->skip = skip;
    made->method = make_method();
    made->ctx = SSL_CTX_new(TLS_method());
    if (made->method == NULL || made->ctx == NULL ||
        !SSL_CTX_set_min_proto_version(made->ctx, TLS1_2_VERSION)) {
        tls_context_close(made);
        return err_set(err, ERR_MEMORY, "tls: no memory");
    }
    SSL_CTX_set_session_cache_mode(made->ctx, SSL_SESS_CACHE_CLIENT |
                                                  SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(made->ctx, on_new_session);
    SSL_CTX_set_verify(made->ctx, skip ? SSL_VERIFY_NONE : SSL_VERIFY_PEER,
                       NULL);
    if (!find_anchors(made, ca_file, err)) {
        tls_context_close(made);
        return false;
    }
    *context = made;
    return true;
}

void tls_context_close(struct tls_context *context)
{
    if (context == NULL) return;
    SSL_CTX_free(context->ctx);
    BIO_meth_free(context->method);
    free(context);
}

bool tls_context_check(const struct tls_context *context, struct err *err)
{
    if (context->skip || context->has_anchors) return true;
    return err_set(err, ERR_USAGE,
                   "tls: no trust anchors: none of %s, %s, %s is there; give "
                   "--ca-file or SSL_CERT_FILE",
                   anchor_files[0], anchor_files[1], anchor_files[2]);
}

// ---------------------------------------------------------------- opening

static bool is_address(const char *host)
{
    uint8_t address[16];

    return inet_pton(AF_INET, host, address) == 1 ||
           inet_pton(AF_INET6, host, address) == 1;
}

// Says whom the certificate must name, and to the server whom we want.
static bool set_host(struct tls *tls)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(tls->ssl);
    const char *host = tls->host;

    X509_VERIFY_PARAM_set_hostflags(param,
                                    X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
                                        X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    if (is_address(host)) return X509_VERIFY_PARAM_set1_ip_asc(param, host);
    return X509_VERIFY_PARAM_set1_host(param, host, strlen(host)) &&
           SSL_set_tlsext_host_name(tls->ssl, host);
}

static bool set_up(struct tls *tls, struct tls_context *context)
{
    static const uint8_t protocols[] = "\x08http/1.1";
    BIO *bio;

    tls->ssl = SSL_new(context->ctx);
    if (tls->ssl == NULL) return false;
    bio = BIO_new(context->method);
    if (bio == NULL) return false;
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    SSL_set_bio(tls->ssl, bio, bio);
    SSL_set_app_data(tls->ssl, tls);
    SSL_set_connect_state(tls->ssl);
    if (tls->session != NULL && tls->session->session != NULL) {
        (void)SSL_set_session(tls->ssl, tls->session->session);
    }
    return SSL_set_alpn_protos(tls->ssl, protocols, sizeof protocols - 1) ==
               0 &&
           set_host(tls);
}

bool tls_open(struct tls **tls, struct tls_context *context, const char *host,
              struct tls_session *session, struct err *err)
{
    struct tls *made = calloc(1, sizeof *made);
    size_t len = strlen(host);

    *tls = NULL;
    if (made == NULL) return err_set(err, ERR_MEMORY, "tls: no memory");
    // A trailing dot is for the resolver; no certificate has it.
    if (len > 0 && host[len - 1] == '.') len--;
    if (len >= sizeof made->host) len = sizeof made->host - 1;
    memcpy(made->host, host, len);
    made->session = session;
    if (!set_up(made, context)) {
        ERR_clear_error();
        tls_close(made);
        return err_set(err, ERR_NETWORK, "tls: '%s' cannot be asked for", host);
    }
    *tls = made;
    return true;
}

void tls_close(struct tls *tls)
{
    if (tls == NULL) return;
    SSL_free(tls->ssl);
    free(tls);
}

void tls_session_cleanup(struct tls_session *session)
{
    SSL_SESSION_free(session->session);
    session->session = NULL;
}

// ---------------------------------------------------------------- using

static void attach(struct tls *tls, struct bytes *in, struct buffer *out)
{
    ERR_clear_error();
    tls->in = in;
    tls->out = out;
}

static void detach(struct tls *tls)
{
    tls->in = NULL;
    tls->out = NULL;
}

// Says what the certificate or the protocol failed on.
static enum tls_progress broken(struct tls *tls, const char *what,
                                struct err *err)
{
    long verified = SSL_get_verify_result(tls->ssl);
    uint32_t code = ERR_peek_last_error();
    const char *reason = code == 0 ? NULL : ERR_reason_error_string(code);

    if (ERR_GET_LIB(code) == ERR_LIB_SSL &&
        ERR_GET_REASON(code) == SSL_R_CERTIFICATE_VERIFY_FAILED &&
        verified != X509_V_OK) {
        (void)err_set(err, ERR_NETWORK, "tls: certificate of '%s': %s",
                      tls->host, X509_verify_cert_error_string(verified));
    } else {
        (void)err_set(err, ERR_NETWORK, "tls: %s with '%s': %s", what,
                      tls->host, reason == NULL ? "failed" : reason);
    }
    ERR_clear_error();
    return TLS_BROKEN;
}

enum tls_progress tls_handshake(struct tls *tls, struct bytes *in,
                                struct buffer *out, struct err *err)
{
    enum tls_progress progress = TLS_READY;
    int result, error;

    attach(tls, in, out);
    result = SSL_do_handshake(tls->ssl);
    error = SSL_get_error(tls->ssl, result);
    if (result != 1) {
        progress = error == SSL_ERROR_WANT_READ ? TLS_MORE
                                                : broken(tls, "handshake", err);
    }
    detach(tls);
    return progress;
}

enum tls_progress tls_read(struct tls *tls, struct bytes *in,
                           struct buffer *out, uint8_t *plain, size_t size,
                           size_t *len, struct err *err)
{
    enum tls_progress progress = TLS_READY;
    int result, error;

    attach(tls, in, out);
    result =
        SSL_read(tls->ssl, plain, size > PLAIN_MAX ? PLAIN_MAX : (int)size);
    error = SSL_get_error(tls->ssl, result);
    *len = result > 0 ? (size_t)result : 0;
    if (result <= 0) {
        if (error == SSL_ERROR_WANT_READ) {
            progress = TLS_MORE;
        } else if (error == SSL_ERROR_ZERO_RETURN) {
            progress = TLS_END;
        } else {
            progress = broken(tls, "reading", err);
        }
    }
    detach(tls);
    return progress;
}

bool tls_write(struct tls *tls, struct bytes plain, struct buffer *out,
               struct err *err)
{
    bool written = true;

    attach(tls, NULL, out);
    while (written && plain.len > 0) {
        size_t len = plain.len > PLAIN_MAX ? PLAIN_MAX : plain.len;
        int result = SSL_write(tls->ssl, plain.data, (int)len);

        written = result > 0;
        if (written) (void)bytes_skip(&plain, (size_t)result);
    }
    if (!written) (void)broken(tls, "writing", err);
    detach(tls);
    return written;
}

bool tls_has_pending(const struct tls *tls)
{
    return SSL_has_pending(tls->ssl) != 0;
}

const char *tls_describe(const struct tls *tls)
{
    struct tls *own = (struct tls *)tls;

    (void)snprintf(own->description, sizeof own->description, "%s %s%s",
                   SSL_get_version(tls->ssl), SSL_get_cipher_name(tls->ssl),
                   SSL_session_reused(tls->ssl) ? " resumed" : "");
    return tls->description;
}
