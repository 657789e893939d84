// incident.h - two trees that part at a leaf, heads over them, and evidence of
// what a log did wrong with them.
//
// Lifetime  incident_set_up and incident_tear_down around all tests of a
//           program, incident_make_index and incident_remove_index around each.

#pragma once

#include "index/evidence.h"
#include "tests/support/signer.h"

#define INCIDENT_ORIGIN "log.example/2026h1"

enum { INCIDENT_LEAVES = 40, INCIDENT_FORKED_AT = 5 };

extern struct signer *incident_signer, *incident_stranger;
extern char incident_dir[];
extern struct bytes incident_leaves[2][INCIDENT_LEAVES];
extern struct sha256_hash incident_hashes[2][INCIDENT_LEAVES];

// What the last walk saw.
extern struct incident_seen {
    size_t num, readable, proven;
    char folder[256], sentence[ERR_TEXT_MAX], log_name[256], time[64];
    uint64_t first, end;
    enum evidence_kind kind;
} incident_seen;

int incident_set_up(void **state);
int incident_tear_down(void **state);
int incident_make_index(void **state);
int incident_remove_index(void **state);

// incident_right_side appends the hashes that complete the first `m` of `n`
// leaves.
void incident_right_side(struct merkle_proof *out, uint64_t m,
                         const struct sha256_hash *d, uint64_t n);

// incident_frontier is that of a tree's first `size` leaves.
struct merkle_frontier incident_frontier(size_t tree, uint64_t size);

// incident_head is a signed head; its text goes into `served`.
struct head incident_head(const struct signer *by, enum head_kind kind,
                          size_t tree, uint64_t size, struct buffer *served);

// incident_begin is evidence of that kind, with nothing in it yet.
struct evidence incident_begin(enum evidence_kind kind);

// incident_write keeps it in the index; incident_check_all walks all that is
// kept.
void incident_write(const struct evidence *evidence);
void incident_check_all(void);

// incident_see is the visitor that fills incident_seen.
bool incident_see(void *context, const struct evidence_info *info,
                  struct err *err);

// incident_check keeps one incident in an empty index and walks it.
void incident_check(const struct evidence *evidence, bool proven,
                    const char *sentence);
