// facts.h - what filters and grouping need of some hundred entries: columns.
//
//   checksum     8
//   num          2  entries; the block is stored under the last one's id
//   columns      for each: how many different values (0: not told), bits a
//                value; then the lowest value or the different ones, 8 bytes
//                each
//   bits         for each column: each entry's value less the lowest, or its
//                place among the different ones
//   zeros        8
//
// So a fact is read in constant time, by its place, and a column that is the
// same throughout costs nothing.
//
// Order     by id, without a gap.
// Result    pure.  Damage is "no".

#pragma once

#include "index/base/buffer.h"
#include "index/entry/record.h"

enum { FACTS_COLUMNS = 9, FACTS_VALUES_MAX = 32, FACTS_NUM_MAX = 2048 };

// What is kept of an entry.
struct segment_facts {
    uint32_t log;
    uint64_t index;
    uint64_t timestamp_ms;
    enum leaf_type type;
    int64_t not_before, not_after; // or CERT_TIME_UNREADABLE
    uint32_t flags;                // enum name_flag
    bool has_tbs;                  // the group is a TBSCertificate's
    uint64_t group;                // segment_group() of entry_facts.group
    uint32_t issuer;               // a number of the caller's
};

struct facts_column {
    uint64_t values[FACTS_NUM_MAX];
    uint64_t low, high;
    uint64_t different[FACTS_VALUES_MAX]; // sorted by first appearance
    size_t num_different; // above FACTS_VALUES_MAX: too many to list
};

// A block that is being written; begin it as {0} or with facts_begin.
struct facts_builder {
    size_t num;
    uint64_t first_id;
    struct facts_column columns[FACTS_COLUMNS];
    struct buffer block;
};

void facts_begin(struct facts_builder *builder, uint64_t first_id);

// facts_add adds the next id's facts; false: the block is full, end it.
bool facts_add(struct facts_builder *builder,
               const struct segment_facts *facts);

// facts_end packs and seals the block, stored under `key`; good until
// facts_begin.  False: no memory.
MUST_USE bool facts_end(struct facts_builder *builder, struct bytes key,
                        struct bytes *block);
void facts_cleanup(struct facts_builder *builder);

// facts_num reads how many entries the content of a block has.
MUST_USE bool facts_num(struct bytes content, uint64_t *num);

// facts_read reads the facts of `id` from the content of a block (block_open)
// that ends with `last_id`; false where it is damaged or does not hold the id.
MUST_USE bool facts_read(struct segment_facts *facts, struct bytes content,
                         uint64_t last_id, uint64_t id);
