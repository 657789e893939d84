// entries.h - the entries of a test log, generated or read from disk.
//
// Entries are held in blocks of 256, as tiles have them.  A block that was
// generated may be dropped and made again: it is the same.
//
// Thread    any, once made; the scratch block is the caller's.

#pragma once

#include "index/base/err.h"
#include "tests/support/fina.h"
#include "tests/support/testlog.h"
#include "tests/support/world.h"

enum { ENTRY_BLOCK = 256 };

struct entry_slot {
    uint32_t offset; // of the MerkleTreeLeaf; the precertificate follows it
    uint32_t leaf_len;
    uint32_t precert_len;
    uint32_t chain;
};

struct entry_block {
    size_t num;
    struct entry_slot slots[ENTRY_BLOCK];
    struct buffer data;
};

struct entry_chain {
    struct buffer fingerprints; // SHA-256 of each, nearest first
    struct buffer wire;         // ASN.1CertChain
};

struct entries {
    uint64_t size;
    bool generated;
    bool leaf_index;
    const char *name; // of every certificate of the world; or NULL
    const struct testlog_source *source; // NULL: of the world below
    struct world *world;
    struct fina *fina;              // NULL: without the replay
    uint64_t places[FINA_ENTRIES];  // of the replay, in order
    uint8_t specials[FINA_ENTRIES]; // 2 * issuance + (final)
    size_t num_specials;
    struct entry_chain *chains;
    size_t num_chains;
    struct buffer issuers;     // of all chains: u24 and DER, each once
    struct entry_block **kept; // NULL where it must be made again
    uint64_t num_blocks;
};

// entries_generate readies the entries that the options ask for; none is made
// yet.
MUST_USE bool entries_generate(struct entries *entries,
                               const struct testlog_options *options,
                               struct err *err);

// entries_read reads a folder with tile/data/... and issuer/..., or else with
// get-entries*.json files.
MUST_USE bool entries_read(struct entries *entries, const char *dir,
                           struct err *err);

void entries_cleanup(struct entries *entries);

// entries_block is block `number`, kept or made in `scratch`.
const struct entry_block *entries_block(const struct entries *entries,
                                        uint64_t number,
                                        struct entry_block *scratch);

// entries_keep keeps a copy of a block that was made.
void entries_keep(struct entries *entries, uint64_t number,
                  const struct entry_block *block);

// entry_leaf, entry_precert are the two parts of an entry of a block.
struct bytes entry_leaf(const struct entry_block *block, size_t slot);
struct bytes entry_precert(const struct entry_block *block, size_t slot);

// entries_issue fills the issuance that entry `index` belongs to, and tells
// whether the entry is its precertificate; only where generated.
bool entries_issue(const struct entries *entries, uint64_t index,
                   struct issuance *out);

// entries_add_chain gives the number of a chain, new or known.  Certificates
// may be missing from `wire`, which is then empty.
uint32_t entries_add_chain(struct entries *entries, struct bytes fingerprints,
                           struct bytes wire);

// entries_append adds an entry that was read.
void entries_append(struct entries *entries, struct bytes leaf,
                    struct bytes precert, uint32_t chain);
