// lmdb.h - the only door to LMDB: an environment, its transactions, cursors.
//
// LMDB believes its file: a file cut short is a SIGBUS, a damaged page a
// failed assertion, a full disk EIO (FAULTS.md section 2).  Here the length is
// checked at open, values are kept inside the file, errors become sentences,
// and what still faults inside the mapping ends the process with a sentence
// and exit code 6.
//
// Lifetime  what a read gives lives until its transaction ends or is renewed,
//           in a write transaction until the next write.
// Order     a commit is on the disk when it returns (default sync mode).
// Thread    an environment may be shared; a transaction and its cursors belong
//           to one thread at a time, a write transaction to the one that began
//           it.  Opening a folder twice in a process shares the environment.
// Result    ERR_INDEX with a sentence, ERR_MEMORY.  After a failed commit the
//           outcome is unknown: close and open again.
// Limit     keys of 1 to 511 bytes.

#pragma once

#include "index/base/err.h"

struct lmdb;        // an environment: a folder with data.mdb and lock.mdb
struct lmdb_txn;    // one moment of it
struct lmdb_cursor; // a place in one of its databases
typedef unsigned lmdb_db;

// Every exit that says "the index is damaged" bears this code (CLI.md).
enum { LMDB_EXIT_DAMAGED = 6 };

enum lmdb_mode { LMDB_READ, LMDB_WRITE, LMDB_CREATE };

enum lmdb_order {
    LMDB_ORDER_BYTES, // keys sort as memcmp does, a prefix first
    // Keys end in a number of LMDB_ID_LEN bytes: what stands before it sorts
    // first, then the number.  (As bytes alone "ab" || id would fall among the
    // numbers of "a".)
    LMDB_ORDER_ID,
};
enum { LMDB_ID_LEN = 7 };

// lmdb_open opens the environment in the folder `dir`; LMDB_CREATE makes it
// there.  What another byte order, page size or LMDB format wrote is refused.
MUST_USE bool lmdb_open(struct lmdb **out, const char *dir, enum lmdb_mode mode,
                        struct err *err);
void lmdb_close(struct lmdb *env);

// lmdb_file_create makes a file of its own, without a folder and without
// locks, that one thread writes once.  Nothing of it is on the disk before
// lmdb_file_sync: not what was committed either.  ERR_INDEX where it exists.
MUST_USE bool lmdb_file_create(struct lmdb **out, const char *path,
                               struct err *err);

// lmdb_file_sync puts the file and its name on the disk.
MUST_USE bool lmdb_file_sync(struct lmdb *env, struct err *err);

// lmdb_file_open opens such a file for reading.  It must not change any more;
// it may be unlinked.
MUST_USE bool lmdb_file_open(struct lmdb **out, const char *path,
                             struct err *err);

// lmdb_begin starts a transaction; end it with lmdb_commit or lmdb_abort.  A
// second writer in the process waits.
MUST_USE bool lmdb_begin(struct lmdb_txn **out, struct lmdb *env, bool write,
                         struct err *err);

// lmdb_commit ends it and, when it wrote, puts it on the disk.
MUST_USE bool lmdb_commit(struct lmdb_txn *txn, struct err *err);
void lmdb_abort(struct lmdb_txn *txn);

// lmdb_renew moves a reader to the newest state; its cursors must be closed.
// When it fails the reader can only be aborted.
MUST_USE bool lmdb_renew(struct lmdb_txn *txn, bool *changed, struct err *err);

// lmdb_park lets go of a reader's moment and keeps the reader, so that
// lmdb_renew costs next to nothing; its cursors must be closed.
void lmdb_park(struct lmdb_txn *txn);

// lmdb_db_open opens a database by name; a writer makes what is missing.
MUST_USE bool lmdb_db_open(struct lmdb_txn *txn, const char *name,
                           enum lmdb_order order, lmdb_db *db, struct err *err);

// lmdb_get finds a value; `found` tells whether there is one.  A value of more
// than half a page is not touched, only named: see block.h.
MUST_USE bool lmdb_get(struct lmdb_txn *txn, lmdb_db db, struct bytes key,
                       struct bytes *value, bool *found, struct err *err);

// lmdb_put stores a value, over an older one.
MUST_USE bool lmdb_put(struct lmdb_txn *txn, lmdb_db db, struct bytes key,
                       struct bytes value, struct err *err);

// lmdb_append makes room for a value of `len` bytes under a key above all
// others; the caller fills it before the next call.
MUST_USE bool lmdb_append(struct lmdb_txn *txn, lmdb_db db, struct bytes key,
                          size_t len, uint8_t **space, struct err *err);

// lmdb_delete removes a key if it is there.
MUST_USE bool lmdb_delete(struct lmdb_txn *txn, lmdb_db db, struct bytes key,
                          struct err *err);

// lmdb_empty removes all keys of a database.
MUST_USE bool lmdb_empty(struct lmdb_txn *txn, lmdb_db db, struct err *err);

// lmdb_cursor_open makes a cursor; close it before its transaction ends.
MUST_USE bool lmdb_cursor_open(struct lmdb_cursor **out, struct lmdb_txn *txn,
                               lmdb_db db, struct err *err);
void lmdb_cursor_close(struct lmdb_cursor *cursor);

enum lmdb_move {
    LMDB_FIRST,
    LMDB_LAST,
    LMDB_NEXT,
    LMDB_PREV,
    LMDB_SEEK, // to the first key that is not below the one given
};

// lmdb_cursor_move moves it; `key` is read by LMDB_SEEK and set to the key
// found.  Without one `found` is false.
MUST_USE bool lmdb_cursor_move(struct lmdb_cursor *cursor, enum lmdb_move move,
                               struct bytes *key, struct bytes *value,
                               bool *found, struct err *err);

// lmdb_cursor_put stores through a cursor, which then stands there.
MUST_USE bool lmdb_cursor_put(struct lmdb_cursor *cursor, struct bytes key,
                              struct bytes value, struct err *err);

// lmdb_db_size counts a database's items and the bytes of its pages.
MUST_USE bool lmdb_db_size(struct lmdb_txn *txn, lmdb_db db, uint64_t *items,
                           uint64_t *bytes, struct err *err);

// lmdb_size_bytes is the length of the file.
uint64_t lmdb_size_bytes(const struct lmdb *env);

// Where a value lies in its file.
struct lmdb_place {
    int fd;
    uint64_t offset;
    const uint8_t *map; // of the whole file
    size_t map_size;
    bool is_ours; // its owner may ask the kernel what is in memory
};

// lmdb_place_of tells it; false where it is not known.
MUST_USE bool lmdb_place_of(const struct lmdb *env, const uint8_t *at,
                            struct lmdb_place *place);

// lmdb_direct_fd is a descriptor of an immutable file whose reads go past the
// page cache (offset, length and memory in whole pages); -1: there is none.
// Opened when it is first asked for; lmdb_close closes it.
int lmdb_direct_fd(struct lmdb *env);

// lmdb_note_sound notes that a value of an immutable file agrees with its
// checksum under its key; lmdb_was_sound tells for a minute that it did, and no
// longer than until somebody writes to the file (seen within some
// milliseconds). Whoever answers questions checks a block once in that time,
// not each time; whoever verifies asks nobody.  lmdb_forget_sound is for who
// finds that it is no longer in memory and has it read anew.  Known are values
// that have pages of their own; two bytes a page.
void lmdb_note_sound(const struct lmdb *env, struct bytes key,
                     struct bytes value);
bool lmdb_was_sound(const struct lmdb *env, struct bytes key,
                    struct bytes value);
void lmdb_forget_sound(const struct lmdb *env, struct bytes value);

// lmdb_path is the name of the file.
const char *lmdb_path(const struct lmdb *env);

// lmdb_try does `work` so that a page of an immutable file that cannot be read
// (cut short, a failing disk) ends not the process but the work, as ERR_INDEX
// and a sentence.  The file counts as broken from then on: nothing more is read
// from it.  Cursors, transactions and what was built upon them may be in any
// state after that and can only be closed; lmdb_num_faults counts for this
// thread, so that their owner sees it.
typedef bool lmdb_work(void *context, struct err *err);
MUST_USE bool lmdb_try(lmdb_work *work, void *context, struct err *err);
uint64_t lmdb_num_faults(void);

// lmdb_is_broken tells whether a file counts as broken.
bool lmdb_is_broken(const struct lmdb *env);

// lmdb_touch does `work`, the first that touches some pages, so that under an
// lmdb_try nothing else is broken off and all is left in order.
MUST_USE bool lmdb_touch(lmdb_work *work, void *context, struct err *err);

// lmdb_check_readers frees the places of readers that died, whose snapshots
// would make the file grow.  Cheap; a writer calls it now and then.
void lmdb_check_readers(struct lmdb *env);

// lmdb_version is the library's version, "0.9.24".
const char *lmdb_version(void);
