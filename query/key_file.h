// key_file.h - the key that @FILE names: a certificate's or a public key, PEM
// or DER.

#pragma once

#include "index/base/err.h"
#include "index/base/sha256.h"

// key_file_hash reads a file and gives the SHA-256 of the SubjectPublicKeyInfo
// in it.  ERR_USAGE: it cannot be read, or holds neither.
MUST_USE bool key_file_hash(struct sha256_hash *hash, const char *path,
                            struct err *err);

// key_file_parse is key_file_hash of bytes at hand.
MUST_USE bool key_file_parse(struct sha256_hash *hash, struct bytes file);
