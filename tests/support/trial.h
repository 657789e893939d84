// trial.h - a load, merges and a compaction that are disturbed, and what must
// be left of them.
//
// One small index in a folder of its own; the work is the same every time and
// goes on where it stopped.
//
// Order     trial_begin, then any number of: trial_work (in a child that may
//           die of it), trial_check, trial_reset; trial_end.
// Result    what is wrong ends the test.

#pragma once

#include "index/base/err.h"

// trial_begin makes the logs and does the work once, undisturbed, to know its
// digest; the folder is empty again.
void trial_begin(void);
void trial_end(void);

// trial_work appends what the index does not hold yet, to the tail and to
// files, merges and compacts.
MUST_USE bool trial_work(struct err *err);

// trial_fork runs `child` in a process of its own and gives its exit code.
int trial_fork(void (*child)(void));

// trial_check looks at what is left: a sound index of whole chunks, or none
// where nothing had begun, whose answers are those of its moment; `done`: all
// of it, compacted, with the digest of the undisturbed run.
void trial_check(bool done);

// trial_reset removes the folder.
void trial_reset(void);
