// testlog.h - a small CT log of our own, for tests, demo and bench.
//
// One tree, served over RFC 6962 and over static CT, on 127.0.0.1, as real logs
// do it: grease lines in checkpoints, gzip without being asked, short answers
// at alignment boundaries, partial tiles of published sizes only.  The tree is
// generated (deterministic from a seed) or read from entries on disk.  It is an
// independent oracle: nothing of index/entry, index/store or ingest is in it.
//
//   struct testlog_options options = {.entries = 1000, .seed = 1};
//   struct testlog *log;
//
//   if (!testlog_start(&log, &options, &err)) ...
//   ... testlog_url(log, TESTLOG_STATIC) ...
//   testlog_stop(log);
//
// Lifetime  what a getter returns lives until testlog_stop.
// Thread    every call from any thread; one thread of its own per connection.
// Limit     connections end with testlog_stop, at the latest.

#pragma once

#include "index/base/buffer.h"
#include "index/base/err.h"
#include "index/base/sha256.h"

struct testlog;

enum testlog_api { TESTLOG_RFC6962, TESTLOG_STATIC, TESTLOG_NUM_APIS };

// Entries that come from elsewhere, made again whenever they are asked for, by
// several threads at once.
struct testlog_source {
    void *context;
    size_t num_chains;
    // Appends the fingerprints of a chain, nearest first, and its
    // ASN.1CertChain.
    void (*chain)(void *context, size_t number, struct buffer *fingerprints,
                  struct buffer *wire);
    // Appends entry `index`, its MerkleTreeLeaf and its precertificate if it
    // has one, and gives the leaf's length and the number of its chain.
    void (*entry)(void *context, uint64_t index, struct buffer *out,
                  size_t *leaf_len, size_t *chain);
};

struct testlog_options {
    uint64_t entries; // how many are generated
    uint64_t seed;    // same seed and same options, same tree
    const char *name; // of every certificate besides its own; or NULL
    bool fina;        // the Fina replay is among them: 40 of the entries
    const struct testlog_source *source; // of the entries, instead
    const char *read;  // a folder of tiles or of get-entries JSON, instead
    uint64_t size;     // of the tree served at first; 0: all
    uint64_t growth;   // entries a second by which it grows from there
    unsigned batch;    // cap on get-entries; 0: 256
    unsigned delay_ms; // before every answer
    uint16_t port;     // 0: any free one
    bool tls;
    bool same_key;      // both protocols are one log: same key, same log id
    bool rsa;           // RSA keys for both, else P-256
    bool no_leaf_index; // leaves without extensions, as in archived logs
    uint64_t time_ms;   // of every head; 0: now
    size_t memory_max;  // for entries and bodies; 0: 1.5 GiB
    const char *faults; // "NAME=VALUE,NAME,..."; NULL: none
};

// One entry as the log has it.
struct testlog_entry {
    struct bytes leaf;    // MerkleTreeLeaf
    struct bytes precert; // the submitted precertificate, or empty
    struct bytes extra;   // extra_data of RFC 6962
    struct bytes chain;   // SHA-256 of each issuer, nearest first
};

// What was planted in one generated entry.
enum { TESTLOG_NAMES_MAX = 128 };
struct testlog_truth {
    bool precert;
    bool special;       // of the Fina replay
    uint64_t issuance;  // precertificate and final have the same
    int64_t not_before; // seconds since 1970
    int64_t not_after;
    const char *common_name; // NULL: none
    const char *issuer;      // its common name
    size_t num_dns;          // dNSNames, in order
    const char *dns[TESTLOG_NAMES_MAX];
    size_t num_addresses; // iPAddresses, 4 or 16 bytes each
    struct bytes addresses[TESTLOG_NAMES_MAX];
    char *memory; // testlog_truth_cleanup frees it
};

// testlog_start makes the tree and serves it; testlog_stop() it.
MUST_USE bool testlog_start(struct testlog **out,
                            const struct testlog_options *options,
                            struct err *err);

// testlog_open makes the tree without serving it, as for testlog_write_tiles.
MUST_USE bool testlog_open(struct testlog **out,
                           const struct testlog_options *options,
                           struct err *err);

// testlog_stop ends all connections and frees the log; NULL is fine.
void testlog_stop(struct testlog *log);

// testlog_port is the port it listens on; 0 after testlog_open.
uint16_t testlog_port(const struct testlog *log);

// testlog_url is the prefix that is read from, with a slash at the end.
const char *testlog_url(const struct testlog *log, enum testlog_api api);

// testlog_description is the log object as in a log list, JSON text.
struct bytes testlog_description(const struct testlog *log,
                                 enum testlog_api api);

// testlog_write_files writes rfc6962.json, static.json, genuine-issuer.pem,
// ca.pem (with TLS) and last `ready`, with the port, into folder `dir`.
MUST_USE bool testlog_write_files(struct testlog *log, const char *dir,
                                  struct err *err);

// testlog_write_tiles writes the tree of the present size as a folder of tiles,
// with checkpoint, issuers and log.v3.json.
MUST_USE bool testlog_write_tiles(struct testlog *log, const char *dir,
                                  struct err *err);

// testlog_write_archive writes it as archive zips into folder `dir`, each of
// `per_zip` entries (0: 2^24); ctlog_archive.h.
MUST_USE bool testlog_write_archive(struct testlog *log, const char *dir,
                                    uint64_t per_zip, struct err *err);

// testlog_ca_pem is the certificate to trust for TLS; empty without.
struct bytes testlog_ca_pem(const struct testlog *log);

// testlog_size, testlog_set_size: of the tree served; growing and shrinking.
uint64_t testlog_size(struct testlog *log);
void testlog_set_size(struct testlog *log, uint64_t size);

// testlog_set_faults replaces the faults while it runs; NULL: none.
MUST_USE bool testlog_set_faults(struct testlog *log, const char *faults,
                                 struct err *err);

// testlog_root is the honest tree's root at a size.
struct sha256_hash testlog_root(const struct testlog *log, uint64_t size);

// testlog_requests counts the requests, those answered with a fault included,
// whose path contains `part`: "" for all, "get-sth", "get-sth-consistency",
// "get-entries", "get-proof-by-hash", "get-entry-and-proof", "get-roots",
// "checkpoint", "tile/", "tile/data", "tile/0/", ".p/", "issuer/",
// "log.v3.json", "/rfc6962/" or "/static/"; any other ends the program.
uint64_t testlog_requests(struct testlog *log, const char *part);

// testlog_entry reads an entry; its bytes live in `memory`.
MUST_USE bool testlog_entry(struct testlog *log, uint64_t index,
                            struct testlog_entry *out, struct buffer *memory);

// testlog_truth tells what was planted; false for entries read from disk.
MUST_USE bool testlog_truth(struct testlog *log, uint64_t index,
                            struct testlog_truth *out);
void testlog_truth_cleanup(struct testlog_truth *truth);
