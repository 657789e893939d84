// choice.h - from the command line to the logs that are read.
//
//   --log FILE [SOURCE]      the description there; SOURCE replaces its URL
//   --key KEY SOURCE ...     a URL, or the zips and folders of one log
//   --log-list L NAME ...    logs of the list, or zips and folders found by
//                            their log id
//   --log-list L --all ...
//
// Zips and folders of one log id are one log.  What their log.v3.json says is
// compared, and believed only where --log names it.
//
// Result    ERR_USAGE, ERR_CONFIG, ERR_NETWORK, ERR_VERIFY (a zip that cannot
//           be opened, and no other log than its own): before anything is
//           written.

#pragma once

#include <stdatomic.h>

#include "ingest/options.h"
#include "ingest/parse/log_list.h"
#include "ingest/source/archive.h"

struct chosen_log {
    struct log_description description;
    struct archive *archive; // NULL: description.url
    bool api_known;
};

struct choice {
    struct chosen_log *logs;
    size_t num_logs;
    size_t num_unopened; // zips of a list's logs, said already
    bool has_list;
    struct log_list list; // as read; with `all` logs may have left it
    bool whole;           // the list was asked for as a whole
    bool again;           // made again: what was said once is not said again
    const atomic_bool *stop;
};

// choice_make reads descriptions and lists; choice_cleanup() it.
MUST_USE bool choice_make(struct choice *choice, const struct options *options,
                          struct err *err);

// choice_make_again makes it from the list as it is now, where nothing but a
// list is chosen from, and says nothing of what is passed over; `stop` ends it.
MUST_USE bool choice_make_again(struct choice *choice,
                                const struct options *options,
                                const atomic_bool *stop, struct err *err);

// choice_may_change tells whether the list is worth reading again.
bool choice_may_change(const struct choice *choice);

void choice_cleanup(struct choice *choice);

// choice_check_age refuses a list that is older than the last one that this
// index took from the same place, and remembers this one.
MUST_USE bool choice_check_age(const struct choice *choice,
                               const struct options *options,
                               const char *index_dir, struct err *err);
