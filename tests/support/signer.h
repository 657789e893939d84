// signer.h - a log's private key, for tests that need heads of their own.
//
// It signs as RFC 6962 sections 2.1.4 and 3.5 and C2SP static-ct-api say, and
// shares no code with the reader that it tests.
//
// Result    what fails ends the test.

#pragma once

#include "index/base/sha256.h"
#include "tests/support/check.h"

struct signer; // a key pair

// signer_new_p256 and signer_new_rsa make one; signer_free() it.
struct signer *signer_new_p256(void);
struct signer *signer_new_rsa(int bits);
void signer_free(struct signer *signer);

// signer_key is the DER SubjectPublicKeyInfo, good as long as the signer.
struct bytes signer_key(const struct signer *signer);

// signer_sign appends a bare signature over SHA-256 of `message`.
void signer_sign(const struct signer *signer, struct buffer *out,
                 struct bytes message);

// signer_tree_head appends DigitallySigned of a tree head.
void signer_tree_head(const struct signer *signer, struct buffer *out,
                      uint64_t timestamp_ms, uint64_t size,
                      const struct sha256_hash *root);

// signer_sth appends a get-sth answer.
void signer_sth(const struct signer *signer, struct buffer *out,
                uint64_t timestamp_ms, uint64_t size,
                const struct sha256_hash *root);

// signer_line appends a checkpoint's signature line.
void signer_line(const struct signer *signer, struct buffer *out,
                 const char *origin, uint64_t timestamp_ms, uint64_t size,
                 const struct sha256_hash *root);

// signer_checkpoint appends a checkpoint with one signature line.
void signer_checkpoint(const struct signer *signer, struct buffer *out,
                       const char *origin, uint64_t timestamp_ms, uint64_t size,
                       const struct sha256_hash *root);
