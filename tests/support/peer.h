// peer.h - the other side of a connection, as a test wants it to behave.
//
// A peer listens on 127.0.0.1 and runs `serve` in a thread for each connection,
// over TLS where it has a certificate.
//
// Lifetime  peer_close ends all threads, also those that stall.
// Thread    `serve` runs beside the test: it shares only what it locks.

#pragma once

#include <stdatomic.h>

#include "index/base/buffer.h"

struct peer;
struct peer_conn;
typedef void peer_serve(struct peer_conn *conn);

enum { PEER_CONNS_MAX = 256 };

struct peer_options {
    peer_serve *serve;
    const void *context;
    const char *names; // subjectAltName ("DNS:localhost,IP:127.0.0.1"); NULL:
                       // no TLS
    bool self_signed;  // not by the CA of peer_ca_file
    bool expired;
    bool tls12_only; // to be asked for; else whatever both know
    bool tls10_only;
};

struct peer_conn {
    struct peer *peer;
    const void *context;
    int fd;
    void *ssl;      // SSL
    unsigned index; // in the order of being accepted
};

// peer_open listens; ends the program when it cannot.
struct peer *peer_open(const struct peer_options *options);

// peer_close ends it and gives back how many connections there were.
unsigned peer_close(struct peer *peer);

// peer_port is where it listens.
unsigned peer_port(const struct peer *peer);

// peer_num_conns counts the connections so far.
unsigned peer_num_conns(struct peer *peer);

// peer_ca_file is a PEM file of the CA that signs for peers; it goes with the
// program.
const char *peer_ca_file(void);

// peer_context makes the SSL_CTX of a server with such a certificate, for tests
// that carry the bytes themselves; free it with SSL_CTX_free.
struct ssl_ctx_st *peer_context(const struct peer_options *options);

// peer_read_head reads a request's head into `head`; false at the end.
bool peer_read_head(struct peer_conn *conn, struct buffer *head);

// peer_send writes bytes as they are; false when the other side is gone.
bool peer_send(struct peer_conn *conn, struct bytes bytes);

// peer_say writes text.
bool peer_say(struct peer_conn *conn, const char *text);

// peer_stall reads and says nothing until the other side or the test ends it.
void peer_stall(struct peer_conn *conn);

// peer_reset ends the connection with a RST.
void peer_reset(struct peer_conn *conn);

// peer_cut ends TLS without a close_notify: the connection gets its FIN only.
void peer_cut(struct peer_conn *conn);
