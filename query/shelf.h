// shelf.h - entries that were read a moment ago.
//
// To show an issuance its entries are asked for several times: for their
// issuer's key, their names, their certificate.  A shelf reads those of a short
// answer once, and understands of them what is asked for, when it is.
//
// Lifetime  valid as {0}; shelf_cleanup() frees it.  What it gave is good until
//           shelf_reset(), also under another snapshot.
// Limit     SHELF_ENTRIES_MAX entries and, but for the last of them,
//           SHELF_BYTES_MAX; what finds no place lies in the caller's arena.

#pragma once

#include "index/index.h"

enum { SHELF_ENTRIES_MAX = 16, SHELF_BYTES_MAX = 256 * 1024 };

struct shelf_place {
    uint64_t id;
    struct entry *entry;
    bool has_bytes;
};

struct shelf {
    struct snapshot *snapshot; // to read from; the caller sets it
    unsigned parts;            // enum entry_part: of every entry
    struct arena arena;
    struct shelf_place places[SHELF_ENTRIES_MAX];
    size_t num;
};

// shelf_entry is snapshot_entry of what may have been read before; what is
// asked for later is there for those who had it earlier, too.
MUST_USE bool shelf_entry(struct shelf *shelf, uint64_t id, unsigned parts,
                          const struct entry **entry, bool *has_bytes,
                          struct arena *arena, struct err *err);

// shelf_fetch reads what has no place yet of up to SNAPSHOT_ENTRIES_MAX entries
// whose facts are known, side by side, as far as there are places.
struct shelf_wanted {
    uint64_t id;
    const struct entry_facts *facts;
    unsigned parts; // for shelf_hash
};
MUST_USE bool shelf_fetch(struct shelf *shelf,
                          const struct shelf_wanted *wanted, size_t num,
                          struct err *err);

// shelf_hash takes those hashes of them that are wanted, side by side.
void shelf_hash(struct shelf *shelf, const struct shelf_wanted *wanted,
                size_t num);

// shelf_find finds an entry that has a place; NULL.
const struct entry *shelf_find(const struct shelf *shelf, uint64_t id);

// shelf_reset empties it.
void shelf_reset(struct shelf *shelf);

// shelf_cleanup frees it.
void shelf_cleanup(struct shelf *shelf);
