// template.h - records told by what sets them apart from a template.
//
// Most of a certificate is the same as in others of its issuer, or random.
// A template is one of them with holes; a record is the template's number and
// what fills the holes, in two streams: `text` (names, lengths, what zstd makes
// smaller) and `raw` (keys, signatures, serial numbers, which nothing does).
// What follows from other facts fills a hole with nothing: dates, the index in
// a static log's extension, a key identifier that is the key's hash.
//
// A body is what is kept of an entry beside its facts and hashes:
//
//   kind 1, bits 1, chain (varint count, numbers), payload (record.h)
//
// A table is learnt by the writer while it writes and saved at its end:
//
//   logs        varint num; 32 bytes each: who signed SCTs
//   templates   varint num; each: varint num of ops; the ops; their constants
//   op          kind, header, tag, prefix, item tag, suffix; varint num;
//               varint len
//
// Order     encoding a body and decoding it take the same facts: index,
//           timestamp, not_before, not_after.
// Thread    a writer belongs to one thread; a table may be shared.
// Result    pure.  A table or streams that are damaged: "no"; nothing is read
//           beyond them, nothing written beyond TEMPLATE_BODY_MAX.

#pragma once

#include "index/entry/record.h"

enum {
    TEMPLATE_BODY_MAX = 32 * 1024, // larger ones are kept as they are
    TEMPLATES_MAX = 8192,
    TEMPLATE_TABLE_MAX = 8 * 1024 * 1024, // bytes of a table
};

// ------------------------------------------------------------ writing

struct template_writer;

MUST_USE bool template_writer_new(struct template_writer **out);
void template_writer_free(struct template_writer *writer);

// template_encode appends what the body of `head_len` bytes and a payload is
// told by, and gives the template's number; 0: by itself, as text.  `issuer` is
// a number of the caller's.  Look at buffer_ok.
uint32_t template_encode(struct template_writer *writer,
                         const struct entry_facts *facts, uint32_t issuer,
                         struct bytes body, size_t head_len,
                         struct buffer *text, struct buffer *raw);

// template_writer_save appends the table.
void template_writer_save(const struct template_writer *writer,
                          struct buffer *out);

// ------------------------------------------------------------ reading

struct templates;

// templates_read takes a table apart, and keeps a copy of it.  False: it is
// damaged, or `*no_memory`.
MUST_USE bool templates_read(struct templates **out, struct bytes table,
                             bool *no_memory);
// templates_bytes is what they take.
size_t templates_bytes(const struct templates *templates);
void templates_free(struct templates *templates);

// template_decode appends the body that was told by `number`, all of `text`
// and the front of `raw`, which is taken off.
MUST_USE bool template_decode(const struct templates *templates,
                              uint32_t number, const struct entry_facts *facts,
                              struct bytes text, struct bytes *raw,
                              struct buffer *out);
