// options.c - see options.h.

#include "query/options.h"

#include <getopt.h>
#include <stdio.h>

#include "index/base/text.h"
#include "query/key_file.h"

const char options_usage[] =
    "usage: sanct-query [options] WHAT ...\n"
    "       sanct-query [options] --stdin\n"
    "\n"
    "Every certificate ever issued for WHAT: a DNS name, an address, a prefix\n"
    "192.0.2.0/24, sha256:HEX, tbs:HEX, spki:HEX, serial:HEX, issuer:HEX,\n"
    "cn:TEXT, ip-octets:HEX.\n"
    "\n"
    "  -i, --index DIR          the index to read\n"
    "      --socket PATH        ask a server instead\n"
    "      --subdomains         the name and everything below it\n"
    "      --covering           every certificate that covers the name\n"
    "      --since T, --until T by notBefore: RFC 3339 or a date\n"
    "      --seen-since T       by the log's timestamp\n"
    "      --valid-at T         valid at that time\n"
    "      --unexpired          valid now or later\n"
    "      --issuer TEXT        issuer's name contains TEXT, or is it: =TEXT\n"
    "      --not-issuer TEXT    it does not\n"
    "      --issuer-key HEX|@FILE, --not-issuer-key HEX|@FILE\n"
    "                           SHA-256 of the issuer's key, or a certificate\n"
    "                           or public key\n"
    "      --via KIND           only matches by san-dns, san-ip, cn, ...\n"
    "      --log NAME           seen in this log\n"
    "      --precert, --final   seen as one of them\n"
    "      --limit N            at most N issuances\n"
    "      --after CURSOR       go on where a page ended\n"
    "      --order ORDER        not-before, found or key\n"
    "      --strict             exit 7 unless every log is complete and fresh\n"
    "      --count              only the number of issuances\n"
    "      --json, --ndjson     instead of a table\n"
    "      --pem, --der         the certificates themselves\n"
    "      --stdin              one WHAT a line in, one answer a line out\n"
    "      --progress MODE, --log-format text|logfmt|json\n"
    "      --help, --version\n"
    "\n"
    "Exit status: 0 found, 1 nothing found, 2 usage, 4 no server, 6 index,\n"
    "7 under --strict a log is partial, stale or halted.\n";

// What an option does beside the filters, which go by their names.
enum option_code {
    OPTION_INDEX = 'i',
    OPTION_FILTER = 256, // has a value
    OPTION_FLAG,         // a filter that is on
    OPTION_KEY,          // a filter of issuers' keys
    OPTION_PRECERT,
    OPTION_FINAL,
    OPTION_SOCKET,
    OPTION_STRICT,
    OPTION_COUNT,
    OPTION_JSON,
    OPTION_NDJSON,
    OPTION_PEM,
    OPTION_DER,
    OPTION_STDIN,
    OPTION_PROGRESS,
    OPTION_LOG_FORMAT,
    OPTION_HELP,
    OPTION_VERSION,
};

static const struct option long_options[] = {
    {"index", required_argument, NULL, OPTION_INDEX},
    {"socket", required_argument, NULL, OPTION_SOCKET},
    {"subdomains", no_argument, NULL, OPTION_FLAG},
    {"covering", no_argument, NULL, OPTION_FLAG},
    {"unexpired", no_argument, NULL, OPTION_FLAG},
    {"since", required_argument, NULL, OPTION_FILTER},
    {"until", required_argument, NULL, OPTION_FILTER},
    {"seen-since", required_argument, NULL, OPTION_FILTER},
    {"valid-at", required_argument, NULL, OPTION_FILTER},
    {"issuer", required_argument, NULL, OPTION_FILTER},
    {"not-issuer", required_argument, NULL, OPTION_FILTER},
    {"issuer-key", required_argument, NULL, OPTION_KEY},
    {"not-issuer-key", required_argument, NULL, OPTION_KEY},
    {"via", required_argument, NULL, OPTION_FILTER},
    {"log", required_argument, NULL, OPTION_FILTER},
    {"limit", required_argument, NULL, OPTION_FILTER},
    {"after", required_argument, NULL, OPTION_FILTER},
    {"order", required_argument, NULL, OPTION_FILTER},
    {"precert", no_argument, NULL, OPTION_PRECERT},
    {"final", no_argument, NULL, OPTION_FINAL},
    {"strict", no_argument, NULL, OPTION_STRICT},
    {"count", no_argument, NULL, OPTION_COUNT},
    {"json", no_argument, NULL, OPTION_JSON},
    {"ndjson", no_argument, NULL, OPTION_NDJSON},
    {"pem", no_argument, NULL, OPTION_PEM},
    {"der", no_argument, NULL, OPTION_DER},
    {"stdin", no_argument, NULL, OPTION_STDIN},
    {"progress", required_argument, NULL, OPTION_PROGRESS},
    {"log-format", required_argument, NULL, OPTION_LOG_FORMAT},
    {"help", no_argument, NULL, OPTION_HELP},
    {"version", no_argument, NULL, OPTION_VERSION},
    {0},
};

void options_cleanup(struct options *options)
{
    buffer_cleanup(&options->parameters);
    arena_cleanup(&options->arena);
    *options = (struct options){0};
}

void options_append_encoded(struct buffer *out, struct bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];

        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
            (c >= '0' && c <= '9') || strchr("-._~", c ? c : ' ') != NULL) {
            buffer_append_byte(out, c);
        } else {
            buffer_append_byte(out, '%');
            text_append_hex(out, bytes_of(&c, 1));
        }
    }
}

// Sets a filter, and keeps it as a URL has it.
static bool set_filter(struct options *options, const char *name,
                       struct bytes value, struct err *err)
{
    char parameter[32];
    size_t len = strlen(name);

    for (size_t i = 0; i <= len; i++) {
        parameter[i] = name[i];
        if (name[i] == '-') parameter[i] = '_';
    }
    if (!filters_set(&options->filters, bytes_of(parameter, len), value,
                     &options->arena, err)) {
        return false;
    }
    buffer_printf(&options->parameters, "&%s=", parameter);
    options_append_encoded(&options->parameters, value);
    return buffer_ok(&options->parameters) ||
           err_set(err, ERR_MEMORY, "--%s: no memory left for it", name);
}

// HEX, or the key in a file.
static bool set_key(struct options *options, const char *name,
                    const char *value, struct err *err)
{
    struct sha256_hash hash;
    struct buffer hex = {0};
    bool ok;

    if (value[0] != '@') {
        return set_filter(options, name, bytes_from_text(value), err);
    }
    if (!key_file_hash(&hash, value + 1, err)) {
        return err_wrap(err, "--%s", name);
    }
    text_append_hex(&hex, sha256_bytes(&hash));
    // The hash stays in the filters' own memory: the text is not kept.
    ok = buffer_ok(&hex) && set_filter(options, name, buffer_bytes(&hex), err);
    buffer_cleanup(&hex);
    return ok;
}

static bool set_type(struct options *options, const char *type, struct err *err)
{
    if (options->filters.type != TYPE_ANY) {
        return err_set(err, ERR_USAGE,
                       "--%s: --precert or --final was given before", type);
    }
    return set_filter(options, "type", bytes_from_text(type), err);
}

static bool set_format(struct options *options, enum output_format format,
                       const char *name, struct err *err)
{
    if (options->format != OUTPUT_TABLE && options->format != format) {
        return err_set(err, ERR_USAGE,
                       "--%s: another output format was given before", name);
    }
    options->format = format;
    return true;
}

static bool check_progress(const char *mode, struct err *err)
{
    static const char *const modes[] = {"auto", "bar", "log", "json", "none"};
    char quoted[64];

    for (size_t i = 0; i < COUNT_OF(modes); i++) {
        if (strcmp(mode, modes[i]) == 0) return true;
    }
    return err_set(err, ERR_USAGE,
                   "--progress: '%s' is none of auto, bar, log, json, none",
                   text_escape(quoted, sizeof quoted, bytes_from_text(mode)));
}

static bool set_log_format(struct options *options, const char *word,
                           struct err *err)
{
    char quoted[64];

    return log_parse_format(&options->log_format, word) ||
           err_set(err, ERR_USAGE,
                   "--log-format: '%s' is none of text, logfmt, json",
                   text_escape(quoted, sizeof quoted, bytes_from_text(word)));
}

static bool set_option(struct options *options, int option, const char *name,
                       const char *value, struct err *err)
{
    switch (option) {
    case OPTION_INDEX:
        options->index = value;
        return true;
    case OPTION_FILTER:
        return set_filter(options, name, bytes_from_text(value), err);
    case OPTION_FLAG:
        return set_filter(options, name, bytes_from_text("1"), err);
    case OPTION_KEY:
        return set_key(options, name, value, err);
    case OPTION_PRECERT:
    case OPTION_FINAL:
        return set_type(options, name, err);
    case OPTION_SOCKET:
        options->socket = value;
        return true;
    case OPTION_STRICT:
        options->strict = true;
        return true;
    case OPTION_COUNT:
        options->count = true;
        return true;
    case OPTION_JSON:
        return set_format(options, OUTPUT_JSON, name, err);
    case OPTION_NDJSON:
        return set_format(options, OUTPUT_NDJSON, name, err);
    case OPTION_PEM:
        return set_format(options, OUTPUT_PEM, name, err);
    case OPTION_DER:
        return set_format(options, OUTPUT_DER, name, err);
    case OPTION_STDIN:
        options->from_stdin = true;
        return true;
    case OPTION_PROGRESS:
        return check_progress(value, err);
    case OPTION_LOG_FORMAT:
        return set_log_format(options, value, err);
    case OPTION_HELP:
        options->help = true;
        return true;
    case OPTION_VERSION:
        options->version = true;
        return true;
    default:
        return false;
    }
}

static bool bad_option(int got, char **argv, struct err *err)
{
    char quoted[64];
    const char *word = argv[optind - 1];
    char letter[] = {'-', (char)optopt, '\0'};

    // Of a short option among others only the letter is known.
    if (optopt > 0 && optopt < 256 && strncmp(word, "--", 2) != 0) {
        word = letter;
    }
    (void)text_escape(quoted, sizeof quoted, bytes_from_text(word));
    return err_set(err, ERR_USAGE,
                   got == ':' ? "%s: a value is wanted"
                              : "%s: no such option, or it takes no value",
                   quoted);
}

static bool check(const struct options *options, struct err *err)
{
    if (options->help || options->version) return true;
    if (options->from_stdin && options->num_whats > 0) {
        return err_set(err, ERR_USAGE,
                       "--stdin: WHAT is read from there, not"
                       " from the command line");
    }
    if (!options->from_stdin && options->num_whats == 0) {
        return err_set(err, ERR_USAGE,
                       "WHAT is missing: a name, an address, a prefix or a"
                       " hash (--help tells more)");
    }
    if (options->filters.has_after &&
        (options->from_stdin || options->num_whats > 1)) {
        return err_set(err, ERR_USAGE, "--after: goes with one WHAT");
    }
    return filters_check(&options->filters, err);
}

bool options_parse(struct options *options, int argc, char **argv,
                   struct err *err)
{
    int at = -1, got;

    *options = (struct options){.filters = {.as_options = true}};
    opterr = 0;
    optind = 0;
    while ((got = getopt_long(argc, argv, ":i:", long_options, &at)) != -1) {
        const char *name = at >= 0 ? long_options[at].name : "index";

        if (got == '?' || got == ':') return bad_option(got, argv, err);
        if (!set_option(options, got, name, optarg, err)) return false;
        at = -1;
    }
    options->whats = argv + optind;
    options->num_whats = (size_t)(argc - optind);
    return check(options, err);
}
