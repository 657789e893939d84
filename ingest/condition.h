// condition.h - how a log is doing, in a word for programs and in a sentence
// for persons.                                                          (pure)

#pragma once

#include "index/base/buffer.h"
#include "ingest/reader/reader.h"

enum condition {
    CONDITION_STARTING,
    CONDITION_READING,
    CONDITION_CHECKING,
    CONDITION_FOLLOWING,
    CONDITION_LIMITED, // the log, or another on its host, asked for less
    CONDITION_FAILING, // nothing of use comes
    CONDITION_COMPLETE,
    CONDITION_PARTIAL,
    CONDITION_HALTED,
    NUM_CONDITIONS,
};

// condition_of tells it at a moment of the ring's clock.
enum condition condition_of(const struct reader_totals *totals,
                            uint64_t now_ms);

// condition_retry_ms is how long nothing will be asked; 0: it is being read.
uint64_t condition_retry_ms(const struct reader_totals *totals,
                            uint64_t now_ms);

// condition_word is one word: "reading", "limited".
const char *condition_word(enum condition condition);

// condition_append appends the sentence ("limited by the log, retry in 40 s");
// nothing while it is simply being read.
void condition_append(struct buffer *out, const struct reader_totals *totals,
                      uint64_t now_ms);

// condition_lag_seconds is the age of the newest head that is held, false when
// there is none; `now_ms` counts from 1970 here.
bool condition_lag_seconds(double *seconds, const struct reader_totals *totals,
                           uint64_t now_ms);
