// watch.h - what a process takes while something is measured.
//
// A thread looks at /proc/self every few milliseconds.
//
// Thread    one watch at a time; start and stop it on the same thread.

#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

struct watch {
    pthread_t thread;
    atomic_bool stop;
    uint64_t begun_ns, cpu_ns, looks, running;

    // After watch_stop:
    uint64_t memory_peak_bytes; // RssAnon and RssShmem: the process's own
    double cores;               // CPU time by the clock
    double runnable;            // threads that ran or wanted to, on average
};

void watch_start(struct watch *watch);
void watch_stop(struct watch *watch);
