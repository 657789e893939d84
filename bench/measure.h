// measure.h - what every benchmark measures with.
//
// Machines are noisy: figures are medians of several runs, and stand beside a
// yardstick that was measured in the same run.

#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "index/base/bytes.h"

enum { MEASURE_RUNS = 5 };

// measure_now_ns reads the monotonic clock, measure_cpu_ns this process's CPU.
static inline uint64_t measure_clock_ns(clockid_t clock)
{
    struct timespec now;

    (void)clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static inline uint64_t measure_now_ns(void)
{
    return measure_clock_ns(CLOCK_MONOTONIC);
}

static inline uint64_t measure_cpu_ns(void)
{
    return measure_clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

static inline int measure_compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

// measure_percentile sorts the values and gives one of them; 50 is the median.
static inline double measure_percentile(double *values, size_t num,
                                        double percent)
{
    size_t position = (size_t)(percent / 100 * (double)(num - 1) + 0.5);

    qsort(values, num, sizeof values[0], measure_compare);
    return num == 0 ? 0 : values[position];
}

// die ends a benchmark that cannot be run.
#define die(...)                                                               \
    do {                                                                       \
        (void)fprintf(stderr, __VA_ARGS__);                                    \
        (void)fprintf(stderr, "\n");                                           \
        exit(1);                                                               \
    } while (0)
