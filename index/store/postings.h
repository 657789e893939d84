// postings.h - a list of postings of one key, packed.
//
//   head         1  low 3 bits how `via` is told, high 5 the number less 1;
//                   31: the number less 32 follows as a varint
//   via             varint, where one value that is no usual one holds for all
//   first id        less the block's first id, big-endian, of fixed length
//   via             varint, where each id has its own
//   rest_len        varint, where there is more than one id
//   rest            a varint for each id less the one before, less 1; each
//                   followed by its via, where each has its own
//
// The usual `via` (a DNS name of the SAN, that and the CN, none, …) are in the
// head and cost nothing.  The first id is of fixed length, so that a reader
// steps over a key's list without reading it.
//
// Order     ids rise, and none comes twice.
// Result    pure.  Readers say only no.

#pragma once

#include "index/base/buffer.h"

enum { POSTINGS_ID_LEN_MAX = 7, POSTINGS_VIA_MAX = UINT16_MAX };
#define POSTINGS_ID_MAX ((UINT64_C(1) << 53) - 1)

// One posting without its key.
struct hit {
    uint64_t id;
    uint32_t via; // bits of enum name_via
};

// postings_id_len is the length that ids below `first_id` + `span` need.
unsigned postings_id_len(uint64_t span);

// postings_append appends as many of the `num` hits as fit into `room` bytes
// and gives their number, which may be 0.  Ids are below first_id +
// 256^id_len.
size_t postings_append(struct buffer *out, size_t room, uint64_t first_id,
                       unsigned id_len, const struct hit *hits, size_t num);

// postings_is_single tells by its head a list of one posting with a usual
// `via`: id_len bytes follow and no more.
static inline bool postings_is_single(uint8_t head)
{
    return head < 6;
}

// postings_skip steps over a list.
MUST_USE bool postings_skip(struct bytes *view, unsigned id_len);

// A list that is being read; it points into the bytes it was read from.
struct postings {
    struct bytes rest;
    struct hit next;
    uint64_t num_left; // `next` and what follows it
    bool via_each;
};

// postings_read takes a list off the front of `view`; what follows its first
// id is not looked at.
MUST_USE bool postings_read(struct postings *list, struct bytes *view,
                            uint64_t first_id, unsigned id_len);

// postings_next gives the next hit; `found` is false at the end.
MUST_USE bool postings_next(struct postings *list, struct hit *hit,
                            bool *found);

// postings_seek_after steps over ids up to and with `id`.
MUST_USE bool postings_seek_after(struct postings *list, uint64_t id);
