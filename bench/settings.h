// settings.h - what the environment asks of a benchmark.
//
//   BENCH_ENTRIES   how many (1,000,000)
//   BENCH_KEEP      full or facts (full)
//   BENCH_THREADS   that parse and encode (2)
//   BENCH_MEMORY    as --memory, in MiB (1024)
//   BENCH_PART      how many entries a call loads at most (all): a load goes on
//                   where it ended, after a kill too
//   BENCH_NAIVE     postings that the yardsticks take in at most (4,000,000)

#pragma once

#include <string.h>

#include "bench/corpus.h"
#include "bench/measure.h"
#include "index/index.h"

enum { SETTINGS_SEED = 8 };

struct settings {
    uint64_t entries, part, naive;
    enum index_keep keep;
    unsigned threads;
    uint64_t memory;
};

static inline uint64_t settings_number(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    char *end;
    uint64_t number;

    if (text == NULL || *text == '\0') return otherwise;
    number = strtoull(text, &end, 10);
    if (*end != '\0' || number == 0) die("%s: not a number: %s", name, text);
    return number;
}

static inline struct settings settings_read(void)
{
    const char *keep = getenv("BENCH_KEEP");
    struct settings settings = {
        .entries = settings_number("BENCH_ENTRIES", 1000000),
        .part = settings_number("BENCH_PART", UINT64_MAX),
        .naive = settings_number("BENCH_NAIVE", 4000000),
        .keep = KEEP_FULL,
        .threads = (unsigned)settings_number("BENCH_THREADS", 2),
        .memory = settings_number("BENCH_MEMORY", 1024) << 20,
    };

    if (keep != NULL && strcmp(keep, "facts") == 0) settings.keep = KEEP_FACTS;
    index_allow_files();
    return settings;
}

// settings_corpus makes the entries that all programs of a run speak of.
static inline struct corpus *settings_corpus(const struct settings *settings)
{
    struct corpus *corpus = corpus_new(&(struct corpus_options){
        .entries = settings->entries, .seed = SETTINGS_SEED});

    if (corpus == NULL) die("no memory");
    return corpus;
}
