// tls.h - the only door to BoringSSL's TLS: a codec, without sockets.
//
// Ciphertext comes in as a view and is taken off it; what must go out is
// appended to a buffer.  TLS 1.2 and 1.3, ALPN http/1.1, the host is verified
// unless told otherwise.
//
// Lifetime  a tls keeps neither `in` nor `out` after a call, and refers to its
//           context and session until tls_close.
// Order     tls_handshake until TLS_READY, then tls_read and tls_write.
// Result    TLS_END is the other side's close_notify.  A transport that ends
//           without it has truncated what it carried: the caller knows.
// Thread    a context serves all, a tls and a session one at a time.

#pragma once

#include "index/base/buffer.h"
#include "index/base/err.h"

struct tls;         // opaque
struct tls_context; // opaque

enum tls_progress {
    TLS_MORE,   // all of `in` is taken and more is needed
    TLS_READY,  // the handshake is done, or plaintext is there
    TLS_END,    // close_notify
    TLS_BROKEN, // `err` says why; `out` may hold an alert to send
};

// The last session with one host, offered at the next handshake.
struct tls_session {
    void *session; // SSL_SESSION; NULL: none yet
};

// tls_context_open reads the trust anchors: `ca_file`, else $SSL_CERT_FILE,
// else the system's; none with `skip`.  ERR_USAGE when a file that was named
// cannot be used.
MUST_USE bool tls_context_open(struct tls_context **context,
                               const char *ca_file, bool skip, struct err *err);

// tls_context_close frees it, after every tls.
void tls_context_close(struct tls_context *context);

// tls_context_check says whether a server could be verified at all: false when
// the system has no trust anchors.
MUST_USE bool tls_context_check(const struct tls_context *context,
                                struct err *err);

// tls_open makes the client's side of a connection to `host`, a name or an
// address, and remembers its session in `session`.
MUST_USE bool tls_open(struct tls **tls, struct tls_context *context,
                       const char *host, struct tls_session *session,
                       struct err *err);

// tls_close frees it.
void tls_close(struct tls *tls);

// tls_session_cleanup forgets a session, after every tls that refers to it.
void tls_session_cleanup(struct tls_session *session);

// tls_handshake goes as far as `in` allows.
MUST_USE enum tls_progress tls_handshake(struct tls *tls, struct bytes *in,
                                         struct buffer *out, struct err *err);

// tls_read decrypts up to `size` bytes into `plain`, `len` of them on
// TLS_READY.
MUST_USE enum tls_progress tls_read(struct tls *tls, struct bytes *in,
                                    struct buffer *out, uint8_t *plain,
                                    size_t size, size_t *len, struct err *err);

// tls_write encrypts all of `plain` to the end of `out`.
MUST_USE bool tls_write(struct tls *tls, struct bytes plain, struct buffer *out,
                        struct err *err);

// tls_has_pending tells whether bytes that came in are not read yet.
bool tls_has_pending(const struct tls *tls);

// tls_describe says in a few words what was agreed on, for logs.
const char *tls_describe(const struct tls *tls);
