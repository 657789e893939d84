// head.h - what a log signs: a get-sth answer or a checkpoint.
//
// RFC 6962 sections 3.5 and 4.3; C2SP static-ct-api, tlog-checkpoint and
// signed-note (specs: key id and origin select the signature line, all other
// lines are ignored whatever they hold).  Keys are ECDSA P-256 or RSA of at
// least 2048 bits, both with SHA-256 (RFC 6962 section 2.1.4).
//
// Lifetime  a head owns nothing; `served` belongs to the caller.
// Result    ERR_MALFORMED: cannot be read (no answer); ERR_VERIFY: reads well
//           and is not signed by this key or has another origin, and the
//           sentence names what was expected and what came.  Whatever is
//           wrong inside a signature is ERR_VERIFY.
// Limit     HEAD_SERVED_MAX bytes, 2^53 leaves.

#pragma once

#include "index/base/err.h"
#include "index/base/sha256.h"

enum head_kind { HEAD_STH = 1, HEAD_CHECKPOINT = 2 };
enum { HEAD_SERVED_MAX = 1024 * 1024 };

struct head {
    enum head_kind kind;
    uint64_t size;         // leaves
    uint64_t timestamp_ms; // of the signature
    struct sha256_hash root;
    struct bytes served; // the exact bytes, get-sth's JSON or the checkpoint
};

struct log_key; // a log's public key

// log_key_new reads a SubjectPublicKeyInfo: DER, PEM or base64 of the DER.
// ERR_CONFIG when it is none or of another kind.  log_key_free() it.
MUST_USE bool log_key_new(struct log_key **out, struct bytes spki,
                          struct err *err);
void log_key_free(struct log_key *key);

// log_key_id is the log id: SHA-256 of the DER SubjectPublicKeyInfo.
const struct sha256_hash *log_key_id(const struct log_key *key);

// log_key_der is the DER SubjectPublicKeyInfo.
struct bytes log_key_der(const struct log_key *key);

// log_key_verify checks a signature by this key over SHA-256 of `message`;
// `signature` is ECDSA's DER or RSA's block.  Also for log lists (RSA).
MUST_USE bool log_key_verify(const struct log_key *key, struct bytes message,
                             struct bytes signature);

// head_parse_sth reads a get-sth answer and checks its signature.
MUST_USE bool head_parse_sth(struct head *head, struct bytes served,
                             const struct log_key *key, struct err *err);

// head_parse_checkpoint reads a checkpoint and checks that its origin is
// `origin` and that the log's own line (key type 0x05) holds.  Without one any
// origin will do: what was accepted once stands, wherever the log is by now.
MUST_USE bool head_parse_checkpoint(struct head *head, struct bytes served,
                                    const char *origin,
                                    const struct log_key *key, struct err *err);
