// sample.h - names of an index, some of all.

#pragma once

#include "index/index.h"
#include "tests/support/random.h"

// sample_names takes up to `max` of the index's DNS names, each as likely as
// any other and none twice, into `names`, in `arena`; it gives how many.
size_t sample_names(struct snapshot *snapshot, struct bytes *names, size_t max,
                    struct random *random, struct arena *arena);
