// corpus_parts.h - what stands behind a corpus: issuers, and the pieces that
// all certificates of one share.
//
// Private to the corpus.

#pragma once

#include "bench/corpus_site.h"
#include "tests/support/authority.h"
#include "tests/support/world.h"

enum { CORPUS_ROOTS = 3, CORPUS_LOGS = 6, CORPUS_PERCENT = 100 };
enum key_id { KEY_ID_SHA1, KEY_ID_SHA256 };

#define OID(text) bytes_of(text, sizeof(text) - 1)

struct pieces {
    struct authority authority;
    enum fixed_key_kind kind; // it signs with
    enum key_id key_id;       // of the keys that it certifies
    int64_t days;
    struct sha256_hash chain[2];
    struct buffer algorithm; // AlgorithmIdentifier of the signature
    struct buffer before;    // extensions up to the subject key identifier
    struct buffer after;     // and the rest, but for names and CT's own
};

struct corpus {
    uint64_t seed;
    uint64_t issuances;
    struct site_plan plan;
    struct authority roots[CORPUS_ROOTS];
    struct pieces pieces[CORPUS_ISSUERS];
    struct world *world; // real points; NULL: random bytes
    uint8_t log_ids[CORPUS_LOGS][SHA256_LEN];
    uint8_t by_weight[CORPUS_PERCENT]; // issuers
};

// corpus_make_issuers fills what concerns issuers, from corpus->seed.
void corpus_make_issuers(struct corpus *corpus);
void corpus_free_issuers(struct corpus *corpus);
