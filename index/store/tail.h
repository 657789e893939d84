// tail.h - the newest entries and their names, inserted the ordinary way.
//
//   entries   id(7) -> record (record.h)
//   keys      key, id(7) -> posting (posting.h)
//   issuers   'f' fingerprint -> number, first id that knew it
//             'n' number(4) -> fingerprint
//             'd' fingerprint -> certificate
//
// A final certificate is found by its issuer's key when the certificate that
// its chain names first is held and bears the issuer's name; chains are not
// covered by the tree, so the posting is marked VIA_UNAUTHENTICATED.  Entries
// from "first id that knew it" on had that certificate at hand.
//
// Result    every value carries a checksum; damage is ERR_INDEX.

#pragma once

#include "index/base/arena.h"
#include "index/entry/record.h"
#include "index/store/catalogue.h"
#include "index/store/chunk.h"
#include "index/store/lmdb.h"

struct tail {
    lmdb_db entries, keys, issuers;
};

// tail_open opens the tables; a writer makes them.
MUST_USE bool tail_open(struct tail *tail, struct lmdb_txn *txn,
                        struct err *err);

// tail_append stores a chunk's entries from id counts->next_id on, and
// their keys; updates `counts`.
MUST_USE bool tail_append(const struct tail *tail, struct lmdb_txn *txn,
                          struct chunk *chunk, struct catalogue_counts *counts,
                          struct err *err);

// tail_empty takes all entries and keys away; issuers stay.
MUST_USE bool tail_empty(const struct tail *tail, struct lmdb_txn *txn,
                         struct catalogue_counts *counts, struct err *err);

// tail_number_issuer gives the index's number of an issuer, a new one if need
// be.
MUST_USE bool tail_number_issuer(const struct tail *tail, struct lmdb_txn *txn,
                                 const struct sha256_hash *fingerprint,
                                 struct catalogue_counts *counts,
                                 uint32_t *number, struct err *err);

// tail_number_issuers gives those of a chunk's issuers; free() them, also when
// it failed.
MUST_USE bool tail_number_issuers(const struct tail *tail, struct lmdb_txn *txn,
                                  const struct chunk *chunk,
                                  struct catalogue_counts *counts,
                                  uint32_t **numbers, struct err *err);

// What issuers' keys were found to be, {0} at first: for one transaction, and
// chunks that stay as they are meanwhile.
enum { TAIL_ISSUERS_KEPT = 64 };
struct tail_issuer_memory {
    struct {
        const struct sha256_hash *issuer; // NULL: none
        struct bytes name;
        bool found;
        struct sha256_hash key_sha256;
    } kept[TAIL_ISSUERS_KEPT];
};

// tail_each_issuer_key visits the issuer keys of a chunk's final certificates:
// `entry` is the position in the chunk.
typedef bool tail_key_visit(void *context, struct bytes key, uint64_t entry,
                            struct err *err);
MUST_USE bool tail_each_issuer_key(const struct tail *tail,
                                   struct lmdb_txn *txn,
                                   const struct chunk *chunk,
                                   struct tail_issuer_memory *memory,
                                   tail_key_visit *visit, void *context,
                                   struct err *err);

// tail_add_issuer keeps a certificate under its fingerprint.
MUST_USE bool tail_add_issuer(const struct tail *tail, struct lmdb_txn *txn,
                              struct bytes der, struct catalogue_counts *counts,
                              struct err *err);

// tail_issuer gives an issuer's certificate and the first id that knew it.
MUST_USE bool tail_issuer(const struct tail *tail, struct lmdb_txn *txn,
                          const struct sha256_hash *fingerprint,
                          struct bytes *der, uint64_t *known_from, bool *found,
                          struct err *err);

// tail_issuer_key gives the SHA-256 of the public key of the certificate
// `fingerprint` when it is held and its subject is `issuer_name`.
MUST_USE bool tail_issuer_key(const struct tail *tail, struct lmdb_txn *txn,
                              const struct sha256_hash *fingerprint,
                              struct bytes issuer_name,
                              struct sha256_hash *key_sha256,
                              uint64_t *known_from, bool *found,
                              struct err *err);

// tail_read finds an entry's record and takes it apart; ERR_NOT_FOUND.
MUST_USE bool tail_read(const struct tail *tail, struct lmdb_txn *txn,
                        uint64_t id, struct record *record, struct err *err);

// tail_issuer_number gives the fingerprint of the issuer that records call by
// this number.
MUST_USE bool tail_issuer_number(const struct tail *tail, struct lmdb_txn *txn,
                                 uint64_t number,
                                 struct sha256_hash *fingerprint,
                                 struct err *err);
