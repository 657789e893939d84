// options.c - see options.h.

#include "ingest/options.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "index/base/text.h"

enum {
    RETRY_MS = 10 * 60 * 1000,
    POLL_MS = 30 * 1000,
    PARTIAL_AFTER_MS = 5 * 60 * 1000,
    RELOAD_MS = 6 * 60 * 60 * 1000, // lists change once a day
    CONNECTIONS_MAX = 256,
    THREADS_MAX = 1024,
};

enum option_code {
    OPTION_INDEX = 'i',
    OPTION_HELP = 'h',
    OPTION_VERBOSE = 'v',
    OPTION_LOG = 256,
    OPTION_LOG_LIST,
    OPTION_LOG_LIST_KEY,
    OPTION_UNSIGNED_LIST,
    OPTION_LOG_LIST_OLD,
    OPTION_ALL,
    OPTION_OPERATOR,
    OPTION_STATE,
    OPTION_KEY,
    OPTION_API,
    OPTION_ORIGIN,
    OPTION_RANGE,
    OPTION_FOLLOW,
    OPTION_POLL,
    OPTION_PARTIAL_AFTER,
    OPTION_RELOAD,
    OPTION_CONNECTIONS,
    OPTION_RATE,
    OPTION_RETRY,
    OPTION_THREADS,
    OPTION_KEEP,
    OPTION_CHECK_ARCHIVE,
    OPTION_CONTACT,
    OPTION_CA_FILE,
    OPTION_TLS,
    OPTION_MEMORY,
    OPTION_BIND,
    OPTION_PROXY,
    OPTION_METRICS,
    OPTION_JSON,
    OPTION_PROGRESS,
    OPTION_LOG_FORMAT,
    OPTION_VERSION,
};

static const struct option known[] = {
    {"index", required_argument, NULL, OPTION_INDEX},
    {"log", required_argument, NULL, OPTION_LOG},
    {"log-list", required_argument, NULL, OPTION_LOG_LIST},
    {"log-list-key", required_argument, NULL, OPTION_LOG_LIST_KEY},
    {"unsigned-list", no_argument, NULL, OPTION_UNSIGNED_LIST},
    {"log-list-old", no_argument, NULL, OPTION_LOG_LIST_OLD},
    {"all", no_argument, NULL, OPTION_ALL},
    {"operator", required_argument, NULL, OPTION_OPERATOR},
    {"state", required_argument, NULL, OPTION_STATE},
    {"key", required_argument, NULL, OPTION_KEY},
    {"api", required_argument, NULL, OPTION_API},
    {"origin", required_argument, NULL, OPTION_ORIGIN},
    {"range", required_argument, NULL, OPTION_RANGE},
    {"follow", no_argument, NULL, OPTION_FOLLOW},
    {"poll", required_argument, NULL, OPTION_POLL},
    {"partial-after", required_argument, NULL, OPTION_PARTIAL_AFTER},
    {"reload", required_argument, NULL, OPTION_RELOAD},
    {"connections", required_argument, NULL, OPTION_CONNECTIONS},
    {"rate", required_argument, NULL, OPTION_RATE},
    {"retry", required_argument, NULL, OPTION_RETRY},
    {"threads", required_argument, NULL, OPTION_THREADS},
    {"keep", required_argument, NULL, OPTION_KEEP},
    {"check-archive", no_argument, NULL, OPTION_CHECK_ARCHIVE},
    {"contact", required_argument, NULL, OPTION_CONTACT},
    {"ca-file", required_argument, NULL, OPTION_CA_FILE},
    {"tls", required_argument, NULL, OPTION_TLS},
    {"memory", required_argument, NULL, OPTION_MEMORY},
    {"bind", required_argument, NULL, OPTION_BIND},
    {"proxy", required_argument, NULL, OPTION_PROXY},
    {"metrics", required_argument, NULL, OPTION_METRICS},
    {"json", no_argument, NULL, OPTION_JSON},
    {"progress", required_argument, NULL, OPTION_PROGRESS},
    {"log-format", required_argument, NULL, OPTION_LOG_FORMAT},
    {"help", no_argument, NULL, OPTION_HELP},
    {"version", no_argument, NULL, OPTION_VERSION},
    {NULL, 0, NULL, 0},
};

// A number and its unit out of a table; false when either is none.
struct unit {
    const char *name;
    double factor;
};

static bool parse_with_unit(uint64_t *out, const char *text,
                            const struct unit *units, size_t num_units)
{
    double number, value;
    char *end;

    if (!isdigit((unsigned char)text[0])) return false;
    errno = 0;
    number = strtod(text, &end);
    if (errno != 0) return false;
    for (size_t i = 0; i < num_units; i++) {
        if (strcasecmp(end, units[i].name) != 0) continue;
        value = number * units[i].factor;
        if (value > 1e18) return false;
        *out = (uint64_t)value;
        return true;
    }
    return false;
}

bool ingest_options_parse_duration(uint64_t *ms, const char *text)
{
    static const struct unit units[] = {
        {"", 1000},    {"s", 1000},   {"ms", 1},      {"m", 60e3},
        {"min", 60e3}, {"h", 3600e3}, {"d", 86400e3},
    };

    return parse_with_unit(ms, text, units, COUNT_OF(units));
}

bool ingest_options_parse_size(uint64_t *bytes, const char *text)
{
    static const struct unit units[] = {
        {"", 1},
        {"B", 1},
        {"K", 1024},
        {"KiB", 1024},
        {"M", 1048576.0},
        {"MiB", 1048576.0},
        {"G", 1073741824.0},
        {"GiB", 1073741824.0},
        {"T", 1099511627776.0},
        {"TiB", 1099511627776.0},
    };

    return parse_with_unit(bytes, text, units, COUNT_OF(units));
}

static bool bad(struct err *err, const char *name, const char *value,
                const char *wanted)
{
    char shown[128];

    return err_set(err, ERR_USAGE, "--%s %s: %s", name,
                   text_escape(shown, sizeof shown, bytes_from_text(value)),
                   wanted);
}

static bool add(struct option_list *list, const char *text, struct err *err)
{
    if (list->num == COUNT_OF(list->texts)) {
        return err_set(err, ERR_USAGE, "more than %d of one kind",
                       OPTIONS_LIST_MAX);
    }
    list->texts[list->num++] = text;
    return true;
}

// One word of a table, by its place.
static bool choose(int *out, const char *name, const char *value,
                   const char *const *words, size_t num_words, struct err *err)
{
    char wanted[128] = "";

    for (size_t i = 0; i < num_words; i++) {
        if (strcmp(value, words[i]) == 0) {
            *out = (int)i;
            return true;
        }
        if (i > 0) strncat(wanted, " or ", sizeof wanted - strlen(wanted) - 1);
        strncat(wanted, words[i], sizeof wanted - strlen(wanted) - 1);
    }
    return bad(err, name, value, wanted);
}

static bool parse_count(unsigned *out, const char *name, const char *value,
                        unsigned max, struct err *err)
{
    uint64_t number;

    if (!text_parse_uint(&number, bytes_from_text(value)) || number == 0 ||
        number > max) {
        return bad(err, name, value, "a number from 1 on is expected");
    }
    *out = (unsigned)number;
    return true;
}

static bool parse_range(struct options *options, const char *value,
                        struct err *err)
{
    const char *colon = strchr(value, ':');

    if (colon == NULL ||
        !text_parse_uint(&options->range_first,
                         bytes_of(value, (size_t)(colon - value))) ||
        !text_parse_uint(&options->range_end, bytes_from_text(colon + 1)) ||
        options->range_first >= options->range_end) {
        return bad(err, "range", value, "A:B with A < B is expected");
    }
    options->has_range = true;
    return true;
}

static bool parse_rate(double *rate, const char *value, struct err *err)
{
    char *end;

    *rate = strtod(value, &end);
    if (*end != '\0' || end == value || !(*rate > 0) || *rate > 1e6) {
        return bad(err, "rate", value, "requests a second are expected");
    }
    return true;
}

static bool parse_ms(uint64_t *ms, const char *name, const char *value,
                     struct err *err)
{
    return ingest_options_parse_duration(ms, value) ||
           bad(err, name, value, "a duration like 30s or 10m is expected");
}

static bool take_choice(struct options *options, int option, const char *value,
                        struct err *err)
{
    static const char *const apis[] = {"rfc6962", "static"};
    static const char *const keeps[] = {"full", "facts"};
    static const char *const tls[] = {"verify", "skip"};
    static const char *const kinds[] = {"auto", "bar", "log", "json", "none"};
    int at;

    switch (option) {
    case OPTION_API:
        if (!choose(&at, "api", value, apis, COUNT_OF(apis), err)) return false;
        options->api = at == 0 ? LOG_API_RFC6962 : LOG_API_STATIC;
        return true;
    case OPTION_KEEP:
        if (!choose(&at, "keep", value, keeps, COUNT_OF(keeps), err)) {
            return false;
        }
        options->keep = at == 0 ? KEEP_FULL : KEEP_FACTS;
        return true;
    case OPTION_TLS:
        if (!choose(&at, "tls", value, tls, COUNT_OF(tls), err)) return false;
        options->tls_skip = at == 1;
        return true;
    case OPTION_PROGRESS:
        if (!choose(&at, "progress", value, kinds, COUNT_OF(kinds), err)) {
            return false;
        }
        options->progress = (enum progress_kind)at;
        return true;
    case OPTION_LOG_FORMAT:
        return log_parse_format(&options->log_format, value) ||
               bad(err, "log-format", value, "text, logfmt or json");
    default:
        return err_set(err, ERR_USAGE, "see sanct ingest --help");
    }
}

static bool take_number(struct options *options, int option, const char *value,
                        struct err *err)
{
    switch (option) {
    case OPTION_RANGE:
        return parse_range(options, value, err);
    case OPTION_POLL:
        return parse_ms(&options->poll_ms, "poll", value, err);
    case OPTION_PARTIAL_AFTER:
        return parse_ms(&options->partial_after_ms, "partial-after", value,
                        err);
    case OPTION_RELOAD:
        return parse_ms(&options->reload_ms, "reload", value, err);
    case OPTION_CONNECTIONS:
        return parse_count(&options->connections, "connections", value,
                           CONNECTIONS_MAX, err);
    case OPTION_RATE:
        return parse_rate(&options->rate, value, err);
    case OPTION_RETRY:
        return parse_ms(&options->retry_ms, "retry", value, err);
    case OPTION_THREADS:
        return parse_count(&options->threads, "threads", value, THREADS_MAX,
                           err);
    case OPTION_MEMORY:
        return ingest_options_parse_size(&options->memory, value) ||
               bad(err, "memory", value, "a size like 512M or 1G is expected");
    default:
        return take_choice(options, option, value, err);
    }
}

static bool take(struct options *options, int option, const char *value,
                 struct err *err)
{
    switch (option) {
    case OPTION_INDEX:
        options->index_dir = value;
        return true;
    case OPTION_HELP:
        return options->help = true;
    case OPTION_VERSION:
        return options->version = true;
    case OPTION_VERBOSE:
        return options->verbose = true;
    case OPTION_LOG:
        options->log_file = value;
        return true;
    case OPTION_LOG_LIST:
        options->log_list = value;
        return true;
    case OPTION_LOG_LIST_KEY:
        options->log_list_key = value;
        return true;
    case OPTION_UNSIGNED_LIST:
        return options->unsigned_list = true;
    case OPTION_LOG_LIST_OLD:
        return options->log_list_old = true;
    case OPTION_ALL:
        return options->all = true;
    case OPTION_OPERATOR:
        return add(&options->operators, value, err);
    case OPTION_STATE:
        options->states = value;
        return true;
    case OPTION_KEY:
        options->key = value;
        return true;
    case OPTION_ORIGIN:
        options->origin = value;
        return true;
    case OPTION_FOLLOW:
        return options->follow = true;
    case OPTION_CONTACT:
        options->contact = value;
        return true;
    case OPTION_CA_FILE:
        options->ca_file = value;
        return true;
    case OPTION_BIND:
        return add(&options->binds, value, err);
    case OPTION_PROXY:
        options->proxy = value;
        return true;
    case OPTION_JSON:
        return options->json = true;
    case OPTION_CHECK_ARCHIVE:
        return options->check_archive = true;
    case OPTION_METRICS:
        options->metrics = value;
        return true;
    default:
        return take_number(options, option, value, err);
    }
}

static bool check_together(const struct options *options, struct err *err)
{
    bool chooses =
        options->all || options->operators.num > 0 || options->states != NULL;

    if (options->help || options->version) return true;
    if (chooses && options->log_list == NULL) {
        return err_set(err, ERR_USAGE,
                       "--all, --operator and --state need --log-list");
    }
    if (options->log_file != NULL && options->log_list != NULL) {
        return err_set(err, ERR_USAGE, "either --log or --log-list");
    }
    if (options->key != NULL && options->log_list != NULL) {
        return err_set(err, ERR_USAGE, "--log-list gives the keys: no --key");
    }
    if (options->follow && options->has_range) {
        return err_set(err, ERR_USAGE, "--follow has no --range");
    }
    if (options->sources.num == 0 && options->log_file == NULL && !chooses) {
        return err_set(err, ERR_USAGE,
                       "a SOURCE is expected; sanct ingest --help tells more");
    }
    return true;
}

bool ingest_options_parse(struct options *options, int argc, char **argv,
                          struct err *err)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    int option;

    *options = (struct options){
        .retry_ms = RETRY_MS,
        .poll_ms = POLL_MS,
        .partial_after_ms = PARTIAL_AFTER_MS,
        .reload_ms = RELOAD_MS,
        .threads = processors > 0 ? (unsigned)processors : 1,
        .memory = UINT64_C(1) << 30,
    };
    opterr = 0;
    optind = 1;
    while ((option = getopt_long(argc, argv, "i:hv", known, NULL)) != -1) {
        if (option == '?') {
            char shown[128];
            const char *text = argv[optind > 1 ? optind - 1 : optind];

            return err_set(
                err, ERR_USAGE,
                "%s: no such option, or its value is missing; "
                "sanct ingest --help lists them",
                text_escape(shown, sizeof shown, bytes_from_text(text)));
        }
        if (!take(options, option, optarg, err)) return false;
    }
    for (int i = optind; i < argc; i++) {
        if (!add(&options->sources, argv[i], err)) return false;
    }
    return check_together(options, err);
}
