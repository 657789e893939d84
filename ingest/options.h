// options.h - the command line of sanct-ingest (CLI.md). (pure)
//
// Result    ERR_USAGE names the option.
// Lifetime  texts point into argv.

#pragma once

#include "index/base/log.h"
#include "index/index.h"

enum progress_kind {
    PROGRESS_AUTO,
    PROGRESS_BAR,
    PROGRESS_LOG,
    PROGRESS_JSON,
    PROGRESS_NONE,
};

enum { OPTIONS_LIST_MAX = 4096 };

struct option_list {
    const char *texts[OPTIONS_LIST_MAX];
    size_t num;
};

struct options {
    bool help, version, verbose;
    const char *index_dir;
    const char *log_file;
    const char *log_list, *log_list_key;
    bool unsigned_list, log_list_old;
    bool all;
    struct option_list operators;
    const char *states;
    const char *key;
    enum log_api api; // 0: not said
    const char *origin;
    bool has_range;
    uint64_t range_first, range_end;
    bool follow;
    uint64_t poll_ms, partial_after_ms, reload_ms;
    unsigned connections; // 0: not said
    double rate;          // 0: no limit
    uint64_t retry_ms;
    unsigned threads;
    enum index_keep keep; // 0: not said
    const char *contact, *ca_file, *proxy;
    bool tls_skip;
    uint64_t memory;
    struct option_list binds;
    const char *metrics; // socket; NULL: none
    bool check_archive;
    bool json;
    enum progress_kind progress;
    enum log_format log_format;
    struct option_list sources;
};

// ingest_options_parse reads the arguments after the program's name.
MUST_USE bool ingest_options_parse(struct options *options, int argc,
                                   char **argv, struct err *err);

// ingest_options_parse_duration reads "10m", "30s", "1.5h", "250ms", "0"; a
// number alone means seconds.
MUST_USE bool ingest_options_parse_duration(uint64_t *ms, const char *text);

// ingest_options_parse_size reads "1G", "512M", "64KiB", "1000000".
MUST_USE bool ingest_options_parse_size(uint64_t *bytes, const char *text);
