// clock.h - the two clocks of the server.

#pragma once

#include <stdint.h>
#include <time.h>

// clock_wall_ms is the time of day in milliseconds since 1970, as it was at the
// last tick of the kernel: up to 10 ms ago.
static inline uint64_t clock_wall_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME_COARSE, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

// clock_ns only goes forward: to measure by.
static inline uint64_t clock_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}
