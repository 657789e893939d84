// segment.h - an immutable file of the entries of one range of ids.
//
// An LMDB file without a folder:
//
//   records     last id(7) -> block: several records
//   facts       last id(7) -> block: what filters and grouping need
//   meta        "segment"    -> struct segment_stat, the seed, as a block
//               "templates"  -> a table (template.h), as a block: varint
//                               length, zstd
//               "dictionary" -> zstd dictionary, where there is one, as a block
//
// Facts (facts.h) are read in constant time, by id, without decompressing a
// certificate.  What a fact tells is not in the record again.
//
// A block of records has as many as fill two pages, or one that is larger:
//
//   checksum     8
//   num             varint, how many records
//   frames          frame.h; of each record: its body by a template, and to
//                   the end of raw, of RECORD_FACTS, what the facts do not
//                   tell of the group, and the hashes of record.h
//
// The group's hash is told by 8 bytes under a seed of the index's (equal for
// all segments, secret): segment_group().  Nobody can make two issuances look
// like one, as a prefix of the hash would let a CA.  With the other 24 bytes of
// the hash it gives the first 8 back.
//
// Lifetime  what a reader gives lives until its next call; a file that was
//           unlinked stays readable until it is closed.
// Thread    a segment may be shared; a reader and a writer belong to one
//           thread at a time.
// Result    damage is ERR_INDEX and names the file; an id that is not in the
//           range ERR_NOT_FOUND.

#pragma once

#include "index/entry/record.h"
#include "index/store/block.h"
#include "index/store/facts.h"
#include "index/store/gate.h"
#include "index/store/segment_shared.h"

struct segment_stat {
    uint64_t first_id, end_id; // ids are of [first_id, end_id)
    uint64_t group_seed;
    uint64_t plain_bytes; // of all payloads
    uint64_t record_blocks, fact_blocks;
    uint64_t bytes; // the file's length
};

// segment_group tells a group apart from others under the index's seed.
uint64_t segment_group(uint64_t group_seed, const struct sha256_hash *group);

// ------------------------------------------------------------ writing

struct segment_writer;

// segment_writer_open makes the file `path`, which must not exist, for entries
// from `first_id` on.  The first records wait in memory, up to some MiB,
// until templates were learnt from them, and, where `dictionary` is empty, a
// dictionary.
MUST_USE bool segment_writer_open(struct segment_writer **out, const char *path,
                                  uint64_t first_id, uint64_t group_seed,
                                  struct bytes dictionary, struct err *err);

// segment_writer_dictionary is what it was given or learnt, once it is
// finished and until it is closed: for the next segment of entries like these.
struct bytes segment_writer_dictionary(const struct segment_writer *writer);

// segment_writer_add adds the next id's entry: its record as record_of set it,
// with the chain (the index's numbers), and the payload as it is before
// compression.  `issuer` is a number of the caller's, told by the facts: what
// an issuer's filter is answered by.  A record that came out of a segment may
// lack its group (zeros); then facts.group_mark tells it.
MUST_USE bool segment_writer_add(struct segment_writer *writer,
                                 const struct record *record, uint32_t issuer,
                                 struct bytes plain, struct err *err);

// segment_writer_finish writes what is left and puts file and folder on the
// disk; close the writer afterwards.
MUST_USE bool segment_writer_finish(struct segment_writer *writer,
                                    struct segment_stat *stat, struct err *err);

// segment_writer_close ends it; the file of a writer that was not finished is
// removed.
void segment_writer_close(struct segment_writer *writer);

// ------------------------------------------------------------ reading

struct segment;

// segment_open opens a file.
MUST_USE bool segment_open(struct segment **out, const char *path,
                           struct err *err);
void segment_close(struct segment *segment);
const struct segment_stat *segment_stat(const struct segment *segment);

struct segment_reader;

// segment_reader_open makes a reader, which has what is `shared` to itself
// during a call.  With the first record that it reads come the templates and
// the dictionary, for as long as the segment has readers.
MUST_USE bool segment_reader_open(struct segment_reader **out,
                                  struct segment *segment,
                                  struct segment_shared *shared,
                                  struct err *err);
void segment_reader_close(struct segment_reader *reader);

// segment_reader_trust has it take for sound what anybody found sound of late
// (lmdb_was_sound).
void segment_reader_trust(struct segment_reader *reader);

// segment_reader_bytes is about what it takes, and its segment for its sake.
size_t segment_reader_bytes(const struct segment_reader *reader);

// segment_reader_set_gate has `gate` asked for every block; NULL: nobody is.
void segment_reader_set_gate(struct segment_reader *reader, struct gate *gate);

// segment_expect tells the gate that an id will be asked for.
void segment_expect(struct segment_reader *reader, uint64_t id);

// segment_find_blocks finds the blocks of an id's facts and record, for calls
// that follow soon; only trees are touched.  segment_bring_near has the
// processor fetch what is looked at first of blocks that were found: it waits
// only for the first of several that are asked for in a row.
void segment_find_blocks(struct segment_reader *reader, uint64_t id,
                         bool with_record);
void segment_bring_near(const struct segment_reader *reader, uint64_t id);

// segment_facts_block and segment_record_block name the block that an id's
// facts or record are in, without touching it: only the tree is.  They are what
// segment_expect tells the gate.
MUST_USE bool segment_facts_block(struct segment_reader *reader, uint64_t id,
                                  struct bytes *block, struct err *err);
MUST_USE bool segment_record_block(struct segment_reader *reader, uint64_t id,
                                   struct bytes *block, struct err *err);

// segment_read_facts reads an id's facts.
MUST_USE bool segment_read_facts(struct segment_reader *reader, uint64_t id,
                                 struct segment_facts *facts, struct err *err);

// segment_take_facts tells them as all others are told: the group by its mark.
void segment_take_facts(struct entry_facts *out,
                        const struct segment_facts *facts);

// segment_read reads an id's record and its plain payload, as
// record_read_payload takes them; record->payload is the same.  Of
// RECORD_FULL facts.group is not kept (it is zero): entry_understand finds it
// in the certificate.
MUST_USE bool segment_read(struct segment_reader *reader, uint64_t id,
                           struct record *record, struct bytes *plain,
                           struct err *err);

// Where a record lies: good as long as the segment is open and what a gate
// fetched.
struct segment_record_place {
    struct frame frame;
    const uint8_t *in_file; // where its packed bytes lie in the file's mapping
    size_t at;              // in the frame
};

// segment_locate finds a record, and has what segment_read_at looks at fetched
// without waiting: so several are on their way at once.
MUST_USE bool segment_locate(struct segment_reader *reader, uint64_t id,
                             struct segment_record_place *out, struct err *err);

// segment_read_at is segment_read of a record that was located; `facts` are
// the entry's, as segment_take_facts tells them.
MUST_USE bool segment_read_at(struct segment_reader *reader, uint64_t id,
                              const struct entry_facts *facts,
                              const struct segment_record_place *place,
                              struct record *record, struct bytes *plain,
                              struct err *err);
