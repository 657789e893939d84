// process.h - what the kernel knows of this process and of the page cache.

#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "index/base/bytes.h"

// process_memory is RssAnon + RssShmem of this process, in bytes.
uint64_t process_memory(void);

// process_reads is how many bytes this process has caused to be read from the
// disk; UINT64_MAX where the kernel does not tell.
uint64_t process_reads(void);

// process_cpu_ns is the CPU that all threads of a process have had so far, in
// nanoseconds; process_own_memory its RssAnon, in bytes.
uint64_t process_cpu_ns(pid_t pid);
uint64_t process_own_memory(pid_t pid);

// process_end asks a child to end, and waits until it has.
void process_end(pid_t pid);

// A watch looks at process_memory all the time, on a thread of its own.
struct watch {
    pthread_t thread;
    _Atomic bool stop;
    _Atomic uint64_t peak;
};
void watch_start(struct watch *watch);
uint64_t watch_stop(struct watch *watch);

// The LMDB files of an index, by what their pages are.
struct tree_pages {
    uint64_t files, bytes;
    uint64_t tree, blocks;                   // pages: trees, overflow
    uint64_t resident_tree, resident_blocks; // of them in the page cache
};

// process_evict drops the files below `dir` from the page cache; what others
// have mapped may stay.
void process_evict(const char *dir);

// process_walk_trees reads every page of the trees of all files, and no other,
// and counts; `resident` is looked up before that.
struct tree_pages process_walk_trees(const char *dir);
