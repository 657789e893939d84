// answer.h - a question and a snapshot in, issuances out.
//
//   answer_open(&answer, &question, snapshot, now_ms, &err);
//   while (answer_next(answer, snapshot, &step, &issuance, &err) &&
//          step != ANSWER_END) {
//       if (step == ANSWER_ISSUANCE) show(issuance);
//   }
//   answer_close(answer);
//
// An issuance is a precertificate and its certificate in however many logs:
// entries of one log-form TBSCertificate and one issuer key.  It is shown
// whole, whichever of its entries the question found.
//
// Lifetime  the question, its filters and arena outlive the answer.  An
//           issuance is good until the next call.  No snapshot is held: each
//           call brings one, and a renewed one is as good, since an index only
//           grows and an answer looks at what had an id when it was opened.
//           Whoever waits (for a client to read) calls answer_park, closes or
//           renews the snapshot, and goes on with another; a process that has
//           forgotten the answer asks again with the last page's cursor.
// Order     CLI.md "--order": whole answers by not_before, then tbs_sha256,
//           above ANSWER_SORTED_MAX issuances as found; pages of one name as
//           found, of a range by key.
// Result    ERR_USAGE: a log that the index has not, a cursor that is none.
//           ERR_INDEX: a damaged record; the answer is then over.
//           ERR_COLD, where the snapshot has a gate (index/store/gate.h):
//           answer_next is called again once the block is there.
// Thread    the snapshot's.
// Limit     each call looks at a bounded number of postings and then says
//           ANSWER_WORKING, so a server's thread can turn to others.  Memory:
//           some 100 bytes for each of ANSWER_SORTED_MAX issuances, plus the
//           one issuance that is being shown.

#pragma once

#include "index/index.h"
#include "query/question.h"

enum { ANSWER_SORTED_MAX = 100000 };

// One entry of an issuance.
struct sighting {
    uint64_t id;
    const struct index_log *log; // of the snapshot
    struct entry_facts facts;    // index and timestamp: from here
    // May be shared with other sightings of the same certificate.  Of its
    // hashes only certificate_sha256 is there for certain, and what
    // answer_want asked for.
    const struct entry *entry;
    bool has_bytes; // the certificate's bytes are kept
};

// A name of an issuance that the question asked for, and one way it matched.
struct match {
    struct bytes name; // as shown, not yet escaped
    uint32_t via;      // one bit of enum name_via
};

enum key_verified { KEY_NOT_TRIED, KEY_VERIFIED, KEY_REFUTED };

struct issuance {
    uint64_t id;
    struct memo *memo; // the snapshot's
    bool has_tbs, has_spki;
    struct sha256_hash tbs;     // where has_tbs
    struct sha256_hash spki;    // where has_spki
    struct sighting *sightings; // by certificate, log id, index: those of one
                                // certificate lie together
    size_t num_sightings;
    const struct sighting *shown; // whose certificate stands for all: the
                                  // first final, else the first
    struct match *matches;        // sorted by name, then the word of via
    size_t num_matches;
    bool has_issuer_key;
    struct sha256_hash issuer_key;
    enum key_verified key_verified;
    struct sha256_hash *issuers; // issuers' certificates: sorted, once each
    size_t num_issuers;
    uint32_t flags; // enum name_flag
};

enum answer_step { ANSWER_WORKING, ANSWER_ISSUANCE, ANSWER_END };

struct answer;

// answer_open begins an answer.
MUST_USE bool answer_open(struct answer **out, const struct question *question,
                          struct snapshot *snapshot, uint64_t now_ms,
                          struct err *err);

// answer_open_count begins a count: answer_next then gives no issuance, limit,
// after and order are ignored, and answer_count is exact at the end.
MUST_USE bool answer_open_count(struct answer **out,
                                const struct question *question,
                                struct snapshot *snapshot, uint64_t now_ms,
                                struct err *err);

// answer_open_count_rest is that, but counts only what lies behind `after`.
MUST_USE bool answer_open_count_rest(struct answer **out,
                                     const struct question *question,
                                     struct snapshot *snapshot, uint64_t now_ms,
                                     struct err *err);

// answer_set_sorted_max makes it behave, before its first answer_next, as if
// ANSWER_SORTED_MAX were `most`: so tests need no 100,000 issuances.
void answer_set_sorted_max(struct answer *answer, size_t most);

// answer_want asks for parts (enum entry_part) of each entry that is shown, for
// a shape that needs them; before the first answer_next.
void answer_want(struct answer *answer, unsigned parts);

// answer_close ends it at any point; NULL is fine.
void answer_close(struct answer *answer);

// answer_next does a bounded piece of work and says what came of it.
MUST_USE bool answer_next(struct answer *answer, struct snapshot *snapshot,
                          enum answer_step *step,
                          const struct issuance **issuance, struct err *err);

// answer_park lets go of what it holds of the snapshot; the next answer_next
// may bring another.
void answer_park(struct answer *answer);

// answer_question is the question.
const struct question *answer_question(const struct answer *answer);

// After ANSWER_END:
// answer_has_count tells whether the total is known: not of a cut page nor of
// those after it.  answer_count is the total, or how many were given.
bool answer_has_count(const struct answer *answer);
uint64_t answer_count(const struct answer *answer);

// answer_cursor is what `after` takes for the next page; empty when nothing
// was cut.
struct bytes answer_cursor(const struct answer *answer);

// answer_order_found tells whether a whole answer was too long to be sorted
// and came in the order found.  Known at the first issuance.
bool answer_order_found(const struct answer *answer);

// Of an answer in the order found, known at its first issuance or its end:
// answer_page_len counts the issuances that it gives (of one over
// ANSWER_SORTED_MAX: at least as many), answer_page_id is the id of one.
size_t answer_page_len(const struct answer *answer);
uint64_t answer_page_id(const struct answer *answer, size_t position);

// answer_position is what `after` takes to go on behind the issuance at hand,
// in the order found.
uint64_t answer_position(const struct answer *answer);

// coverage_is_whole tells whether every log is complete and fresh at `now_ms`;
// an index without logs is not.
bool coverage_is_whole(const struct snapshot *snapshot, uint64_t now_ms);

// sighting_der is the certificate or precertificate as logged; false where it
// is not kept.
MUST_USE bool sighting_der(const struct sighting *sighting, struct bytes *der);
