// lmdb_parts.h - what the files of lmdb.h share: the only place that includes
// LMDB's own header.
//
//   lmdb_fault.c   damage ends the process with a sentence; errors become one
//   lmdb_env.c     environments and files: open, check, map, sync
//   lmdb_sound.c   which values were found sound of late
//   lmdb.c         transactions, what is read and written in them

#pragma once

#include <limits.h>
#include <lmdb.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/types.h>
#include <time.h>

#include "index/store/lmdb.h"

enum { LMDB_READERS_MAX = 510, DIRECT_UNTRIED = -2 };

struct lmdb {
    struct lmdb *next; // in the list of those open
    MDB_env *env;
    pid_t pid;
    dev_t device;
    ino_t inode;
    bool writable;
    unsigned num_users;
    unsigned num_txns; // under way; the mapping stays while there are any
    pthread_mutex_t mutex;
    size_t page_size;
    const uint8_t *map; // NULL: not found out
    size_t map_size;
    bool is_file;                 // a file of its own, not a folder
    bool is_ours;                 // this user's
    atomic_int direct_fd;         // lmdb_direct_fd; or DIRECT_UNTRIED
    volatile sig_atomic_t broken; // a page of it could not be read
    struct lmdb_sound *sound;     // NULL: not kept
    uint64_t begun_bytes;         // of it, that the kernel was asked to write
    char dir[PATH_MAX];           // the folder, or the file's
    char path[PATH_MAX];          // what LMDB maps
};

struct lmdb_txn {
    struct lmdb *env;
    MDB_txn *txn;
    bool write;
    bool idle;           // reset and not yet renewed
    time_t checked;      // when its file was last known to be there
    size_t last_id;      // of the moment it stands for
    uint64_t used_bytes; // no value ends above
    uint64_t bytes_put;
};

struct lmdb_cursor {
    struct lmdb_txn *txn;
    MDB_cursor *cursor;
};

// How deep this thread is inside LMDB; a fault there is damage.
extern _Thread_local volatile sig_atomic_t lmdb_inside;

#define LMDB_CALL(rc, call) (lmdb_inside++, (rc) = (call), lmdb_inside--)

// Whose file it is there; of no meaning outside.
extern _Thread_local struct lmdb *volatile lmdb_inside_of;

// All environments of the process, changed under the mutex of who opens them:
// a fault is looked up in their mappings.
extern struct lmdb *volatile lmdb_all_open;

// lmdb_guard_install has faults in a mapping end with a sentence.
void lmdb_guard_install(void);

// lmdb_on_assert is what LMDB calls when a page cannot be.
void lmdb_on_assert(MDB_env *env, const char *message);

// lmdb_check_broken fails where a page could not be read before.
bool lmdb_say_broken(const struct lmdb *env, struct err *err);
static inline bool lmdb_check_broken(struct lmdb *env, struct err *err)
{
    lmdb_inside_of = env;
    return !env->broken || lmdb_say_broken(env, err);
}

// lmdb_fail says what `rc` means, and lmdb_fail_write when it was a write that
// may have found the disk full; both return false.
bool lmdb_fail(const struct lmdb *env, uint64_t bytes_put, int rc,
               const char *doing, struct err *err);
bool lmdb_fail_write(const struct lmdb *env, uint64_t bytes_put, int rc,
                     struct err *err);

// lmdb_begin_writing asks the kernel to begin putting on the disk what a file
// got since the last time, so that lmdb_file_sync finds little left to do.
void lmdb_begin_writing(struct lmdb *env);

// lmdb_sound_init has an immutable file that was mapped remember what was found
// sound, while nobody writes to it after `written`.
void lmdb_sound_init(struct lmdb *env, const struct timespec *written);

// lmdb_find_map finds where the file is mapped, after LMDB mapped it anew.
void lmdb_find_map(struct lmdb *env);
