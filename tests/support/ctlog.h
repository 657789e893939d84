// ctlog.h - the test log itself: a tree, two keys, and what it answers.
//
// Private to the test log: testlog.h is its face.
//
// Thread    ctlog_answer from any number of threads.

#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "tests/support/entries.h"
#include "tests/support/faults.h"
#include "tests/support/hash_tree.h"
#include "tests/support/serve.h"

enum {
    CTLOG_TEXT = 256,
    CTLOG_PUBLISHED_MAX = 4096,
    CTLOG_COUNTERS = 16,
};

// A body that is made once and then sent often.
struct ctlog_body {
    size_t len;
    uint8_t data[];
};

struct ctlog {
    struct testlog_options options;
    struct entries entries;
    struct hash_tree honest;
    struct hash_tree altered; // by faults; empty without
    struct fixed_key *keys[TESTLOG_NUM_APIS];
    char url[TESTLOG_NUM_APIS][CTLOG_TEXT];
    char submission[CTLOG_TEXT]; // of the static one
    char origin[CTLOG_TEXT];
    struct buffer descriptions[TESTLOG_NUM_APIS];
    struct buffer ca_pem;
    struct server *server;

    pthread_rwlock_t lock; // read to answer, written to change faults
    struct faults faults;

    pthread_mutex_t sizes_lock;
    uint64_t size; // at `size_since`, from which it grows
    int64_t size_since_ms;
    uint64_t published[CTLOG_PUBLISHED_MAX];
    size_t num_published;

    _Atomic uint64_t requests;
    _Atomic uint64_t heads;
    _Atomic uint64_t counters[CTLOG_COUNTERS];
    _Atomic size_t memory;              // of kept blocks and bodies
    struct ctlog_body *_Atomic *bodies; // of full data tiles, gzipped

    pthread_mutex_t table_lock;
    uint64_t *table; // hash -> index + 1, made when first asked
    uint64_t table_mask;
    struct buffer first_consistency; // for FAULT_CACHED_CONSISTENCY
};

// What one request sees.
struct ctlog_view {
    struct ctlog *log;
    const struct hash_tree *tree;
    bool altered;
    uint64_t size;
    bool honest; // no fault touches what is served
};

// ctlog_open makes the tree; the urls come with ctlog_describe.
MUST_USE bool ctlog_open(struct ctlog **out,
                         const struct testlog_options *options,
                         struct err *err);
void ctlog_close(struct ctlog *log);

// ctlog_describe sets urls, origin and log objects.
void ctlog_describe(struct ctlog *log, const char *base,
                    const char *submission);

// ctlog_size is that of the tree now; ctlog_set_size changes it.
uint64_t ctlog_size(struct ctlog *log);
void ctlog_set_size(struct ctlog *log, uint64_t size);

// ctlog_set_faults replaces the faults.
MUST_USE bool ctlog_set_faults(struct ctlog *log, const char *text,
                               struct err *err);

// ctlog_was_published tells whether a partial tile belongs to a size that was
// once signed.
bool ctlog_was_published(struct ctlog *log, unsigned level, uint64_t tile,
                         uint64_t width);

// ctlog_answer answers a request: a serve_handler.
void ctlog_answer(void *log, const char *method, const char *target,
                  struct serve_answer *answer);

// ctlog_count counts requests, by one of the names of testlog_requests.
uint64_t ctlog_count(struct ctlog *log, const char *part);

// ctlog_refuse answers with a status and a line of text.
void ctlog_refuse(struct serve_answer *answer, int status, const char *text);

// ctlog_tree_head fills size and time of the next head, and signs it:
// TreeHeadSignature, the 50 bytes of RFC 6962 section 3.5.
struct ctlog_head {
    uint64_t size;
    uint64_t timestamp_ms;
    struct sha256_hash root;
    struct buffer signature; // DigitallySigned
};
void ctlog_tree_head(const struct ctlog_view *view, enum testlog_api api,
                     struct ctlog_head *head);

// ctlog_entry gives leaf and precertificate as this view serves them; both
// live in `memory`.
struct ctlog_entry {
    struct bytes leaf;
    struct bytes precert;
    uint32_t chain;
};
struct ctlog_reader {
    const struct ctlog_view *view;
    struct entry_block scratch;
    uint64_t scratch_number; // of the block in it
    struct buffer memory;    // of altered entries
};
struct ctlog_entry ctlog_read(struct ctlog_reader *reader, uint64_t index);
void ctlog_reader_cleanup(struct ctlog_reader *reader);

// ctlog_extra appends extra_data of an entry.
void ctlog_extra(struct ctlog *log, const struct ctlog_entry *entry,
                 struct buffer *out);

// ctlog_tampered tells whether a fault touches entries from..to-1 as served.
bool ctlog_tampered(const struct ctlog_view *view, uint64_t from, uint64_t to);

// ctlog_rfc6962 answers ct/v1/NAME, ctlog_static a file of the static log.
void ctlog_rfc6962(const struct ctlog_view *view, const char *name,
                   const char *query, struct serve_answer *answer);
void ctlog_static(const struct ctlog_view *view, const char *path,
                  struct serve_answer *answer);

// ctlog_data_tile appends the entries from..from+num-1 as TileLeafs.
void ctlog_data_tile(const struct ctlog_view *view, uint64_t from, uint64_t num,
                     struct buffer *out);

// ctlog_full_tile is the gzipped body of a full data tile, kept where memory
// allows; else it is appended to `out` and the answer is empty.
struct bytes ctlog_full_tile(const struct ctlog_view *view, uint64_t tile,
                             struct buffer *out);

// ctlog_hash_tile appends `num` hashes of a tile of hashes.
void ctlog_hash_tile(const struct ctlog_view *view, unsigned level,
                     uint64_t tile, uint64_t num, struct buffer *out);

// ctlog_checkpoint appends a checkpoint with lines of others around ours.
void ctlog_checkpoint(const struct ctlog_view *view, struct buffer *out);

// ctlog_gzip appends `bytes`, gzipped.
void ctlog_gzip(struct bytes bytes, struct buffer *out);

// ctlog_tile_path writes the path of a tile: "000", "x001/067.p/12"; `num` 0
// is the full one.
void ctlog_tile_path(char out[CTLOG_TEXT], uint64_t tile, uint64_t num);
