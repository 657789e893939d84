// bulk_segment.h - segments that are written while their set is being filled.
//
//   bulk_feed            issuers get numbers; chunks go to the segment at hand,
//                        which is another one when that has enough entries
//   segment threads      each writes a segment, chunk by chunk as they come,
//                        and gives the memory of their bodies back
//   bulk_wait_segments   waits for them, when no more comes
//
// Bodies are most of what a chunk holds: written as soon as they come they are
// still in the caches, and their memory serves the next.
//
// Order     a set is fed wholly before the next one is: a thread that is at a
//           segment waits for what it lacks.  Until bulk_wait_segments a chunk
//           that was fed is read by its segment's thread, and its bodies are
//           that one's.
// Lock      bulk.flush_mutex.

#pragma once

#include "index/bulk.h"

struct bulk_input; // a chunk that was fed

struct bulk_segment {
    struct bulk_segment *next;    // of its set
    struct bulk_segment *waiting; // the next that has no thread yet
    uint64_t first_id, num_entries;
    struct catalogue_file file;

    // Under the lock.
    struct bulk_input *first, **last; // not written yet
    bool is_whole;                    // no more comes
    bool is_done, ok;
    struct err err; // when it is not ok
};

// bulk_find_first_id finds the first id of a set: what comes after the one
// before it, which may not be written yet.
MUST_USE bool bulk_find_first_id(struct index *index, struct bulk_set *set,
                                 struct err *err);

// bulk_feed gives the segments what they do not have yet of the set; `is_last`:
// no more comes.  After an error the index takes nothing more.
MUST_USE bool bulk_feed(struct index *index, struct bulk_set *set, bool is_last,
                        struct err *err);

// bulk_wait_segments waits until they are written, all well or not.
MUST_USE bool bulk_wait_segments(struct index *index, struct bulk_set *set,
                                 struct err *err);

// bulk_free_segments forgets them, when none is being written.
void bulk_free_segments(struct bulk_set *set);

// bulk_stop_segments ends the threads; what is not whole is given up.
void bulk_stop_segments(struct bulk *bulk);

// bulk_take_spare gives memory for bodies that is not used any more, or none.
struct buffer bulk_take_spare(struct bulk *bulk);
