// load_tools.h - h2load and redis-benchmark, against us and against a constant.
//
// Each figure is the median of three runs in turns, set as NAME_per_s,
// NAME_constant_per_s and NAME_ratio.  A tool that is not installed is skipped,
// and said.
//
// Result    what fails ends the program (die).

#pragma once

#include "bench/figures.h"
#include "index/base/bytes.h"

struct load_tools {
    struct figures *figures;
    const char *server;   // its socket
    const char *constant; // the socket of the other
    const char *folder;   // for what is there a moment only
    const struct bytes *names;
    size_t num_names;
};

// load_tools_h2load needs a constant that runs and speaks HTTP: all names, as
// h2load_names, and the first over and over, as h2load.
void load_tools_h2load(const struct load_tools *tools);

// load_tools_redis starts a constant of its own: COUNT of a name that exists,
// and of one that does not.
void load_tools_redis(const struct load_tools *tools);
