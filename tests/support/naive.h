// naive.h - what an index should answer, by looking at every posting.
//
// A sorted array of all postings of some logs' entries, in memory.  A moment
// of an index holds those with ids below its next one.
//
// Lifetime  naive_cleanup() it.

#pragma once

#include "index/store/keys.h"
#include "tests/support/made_log.h"

struct naive_row {
    uint8_t key[KEYS_LEN_MAX];
    size_t len;
    uint64_t id;
    uint32_t via;
};

struct naive {
    struct naive_row *rows;
    size_t num, size;
};

// naive_add adds the postings of [first, end), whose ids begin at `id`; when
// all are added, naive_sort puts them in order.
void naive_add(struct naive *naive, const struct made_log *log, uint64_t first,
               uint64_t end, uint64_t id);
void naive_sort(struct naive *naive);
void naive_cleanup(struct naive *naive);

// naive_is_short tells keys that files may hold shortened (run.h): they are
// asked for one by one, and passed over in wider ranges.
bool naive_is_short(struct bytes key);

// naive_next is the first row from position `at` on whose key is of
// [first, end) and whose id is below `end_id`; naive->num when there is none.
// Without `one_key` those that may be short are passed over.
size_t naive_next(const struct naive *naive, size_t at, struct bytes first,
                  struct bytes end, uint64_t end_id, bool one_key);

// naive_after is the position of the first row that comes after (key, id).
size_t naive_after(const struct naive *naive, struct bytes key, uint64_t id);
