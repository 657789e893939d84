// corpus_site.h - who asks for a certificate: sites, their names, renewals.
//
// Private to the corpus.  Pure.

#pragma once

#include "bench/corpus.h"

enum {
    SITE_NAMES_MAX = 100,
    SITE_SAN_MAX = 110 * CORPUS_NAME_SIZE,
};

// A stream of random numbers that is named by a seed and a number.
struct stream {
    uint64_t state;
};

static inline uint64_t stream_mix(uint64_t z)
{
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static inline struct stream stream_for(uint64_t seed, uint64_t number)
{
    return (struct stream){
        stream_mix(stream_mix(seed + 0x9e3779b97f4a7c15) ^ number)};
}

static inline uint64_t stream_next(struct stream *stream)
{
    return stream_mix(stream->state += 0x9e3779b97f4a7c15);
}

static inline uint64_t stream_below(struct stream *stream, uint64_t limit)
{
    return (uint64_t)((unsigned __int128)stream_next(stream) * limit >> 64);
}

static inline uint8_t *stream_fill(struct stream *stream, uint8_t *out,
                                   size_t len)
{
    for (; len >= 8; len -= 8, out += 8) {
        uint64_t word = stream_next(stream);

        memcpy(out, &word, 8);
    }
    if (len > 0) {
        uint64_t word = stream_next(stream);

        memcpy(out, &word, len);
    }
    return out + len;
}

// How a log of so many issuances is spread over sites.
struct site_plan {
    uint64_t seed;
    uint64_t window;  // sites that are issued for in the same 15 days
    uint64_t renewed; // and how many are in 75
};

// site_plan_of makes the plan of `issuances` over CORPUS_DAYS.
struct site_plan site_plan_of(uint64_t seed, uint64_t issuances);

// What an issuance is for.
struct site {
    uint64_t number; // of the site: decides names and issuer
    uint64_t kind;   // 0..999: what sort of site
    size_t san_len;
    size_t first_len;          // of the first dNSName; 0: none
    uint8_t san[SITE_SAN_MAX]; // GeneralNames, without their SEQUENCE
};

// site_of finds the site of an issuance; its names are written by site_names.
void site_of(struct site *site, const struct site_plan *plan,
             uint64_t issuance);
void site_names(struct site *site);
