// testlog_main.c - the test log as a program.

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "bench/corpus.h"
#include "index/base/json.h"
#include "index/base/text.h"
#include "tests/support/faults.h"
#include "tests/support/testlog.h"

static const char usage[] =
    "usage: testlog serve [options] --dir OUT\n"
    "       testlog write [options] DIR\n"
    "       testlog write-archive [options] DIR\n"
    "       testlog truth [options]\n"
    "\n"
    "A small CT log for tests, demo and bench.  serve answers on 127.0.0.1 "
    "under\n"
    "/rfc6962/ and /static/ and writes into OUT: rfc6962.json and static.json "
    "(log\n"
    "objects), genuine-issuer.pem (with --fina), ca.pem (with --tls) and last\n"
    "`ready`, with the port.  write makes a folder of tiles.  truth prints "
    "what was\n"
    "planted in each entry, one JSON object a line.  write-archive makes "
    "000.zip,\n"
    "001.zip ... as retired logs are archived, the first as Zip64.\n"
    "\n"
    "  --entries N         how many to generate (1000)\n"
    "  --seed S            same seed and options, same tree (1)\n"
    "  --name NAME         every certificate bears this name too\n"
    "  --fina              the certificates of the Fina incident are among "
    "them\n"
    "  --corpus            the entries that bench measures with, instead\n"
    "  --read DIR          entries of a real log instead: a folder of tiles, "
    "or of\n"
    "                      get-entries*.json\n"
    "  --size N            serve a tree of N entries first (all)\n"
    "  --growth R          and R entries more every second\n"
    "  --batch N           get-entries gives at most N (256)\n"
    "  --delay-ms D        before every answer\n"
    "  --listen-port P     (any free one)\n"
    "  --tls               HTTPS, with a CA of its own\n"
    "  --same-key          both protocols are one log, of one key\n"
    "  --rsa               RSA keys, not P-256\n"
    "  --no-leaf-index     leaves without extensions, as archived logs have "
    "them\n"
    "  --time MS           the time of every head (now)\n"
    "  --per-zip N         entries a zip holds (16777216)\n"
    "  --memory MIB        for entries and bodies (1536)\n"
    "  --for SECONDS       ends by itself (600)\n"
    "  --fault LIST        NAME, NAME=N or NAME=K:BIT, with commas; may "
    "repeat\n"
    "\n"
    "While it serves, GET /control/size=N and /control/faults=LIST change "
    "them.\n"
    "\n"
    "Faults:\n";

struct arguments {
    struct testlog_options options;
    struct buffer faults;
    const char *dir;
    uint64_t seconds;
    uint64_t per_zip;
    bool corpus;
};

enum testlog_option {
    OPTION_HELP = 256,
    OPTION_ENTRIES,
    OPTION_SEED,
    OPTION_NAME,
    OPTION_FINA,
    OPTION_CORPUS,
    OPTION_READ,
    OPTION_SIZE,
    OPTION_GROWTH,
    OPTION_BATCH,
    OPTION_DELAY_MS,
    OPTION_LISTEN_PORT,
    OPTION_TLS,
    OPTION_SAME_KEY,
    OPTION_RSA,
    OPTION_NO_LEAF_INDEX,
    OPTION_TIME,
    OPTION_MEMORY,
    OPTION_PER_ZIP,
    OPTION_FOR,
    OPTION_FAULT,
    OPTION_DIR,
};

static const struct option long_options[] = {
    {"help", no_argument, NULL, OPTION_HELP},
    {"entries", required_argument, NULL, OPTION_ENTRIES},
    {"seed", required_argument, NULL, OPTION_SEED},
    {"name", required_argument, NULL, OPTION_NAME},
    {"fina", no_argument, NULL, OPTION_FINA},
    {"corpus", no_argument, NULL, OPTION_CORPUS},
    {"read", required_argument, NULL, OPTION_READ},
    {"size", required_argument, NULL, OPTION_SIZE},
    {"growth", required_argument, NULL, OPTION_GROWTH},
    {"batch", required_argument, NULL, OPTION_BATCH},
    {"delay-ms", required_argument, NULL, OPTION_DELAY_MS},
    {"listen-port", required_argument, NULL, OPTION_LISTEN_PORT},
    {"tls", no_argument, NULL, OPTION_TLS},
    {"same-key", no_argument, NULL, OPTION_SAME_KEY},
    {"rsa", no_argument, NULL, OPTION_RSA},
    {"no-leaf-index", no_argument, NULL, OPTION_NO_LEAF_INDEX},
    {"time", required_argument, NULL, OPTION_TIME},
    {"memory", required_argument, NULL, OPTION_MEMORY},
    {"per-zip", required_argument, NULL, OPTION_PER_ZIP},
    {"for", required_argument, NULL, OPTION_FOR},
    {"fault", required_argument, NULL, OPTION_FAULT},
    {"dir", required_argument, NULL, OPTION_DIR},
    {0},
};

static int fail(const char *text)
{
    (void)fprintf(stderr, "testlog: %s\n", text);
    return 2;
}

static int help(void)
{
    struct buffer text = {0};

    buffer_append_text(&text, usage);
    faults_help(&text);
    (void)fwrite(text.data, 1, text.len, stdout);
    buffer_cleanup(&text);
    return 0;
}

// set_number sets what takes a number; false when the option takes none.
static bool set_number(struct arguments *arguments, int option, uint64_t number)
{
    struct testlog_options *options = &arguments->options;

    switch (option) {
    case OPTION_ENTRIES:
        options->entries = number;
        return true;
    case OPTION_SEED:
        options->seed = number;
        return true;
    case OPTION_SIZE:
        options->size = number;
        return true;
    case OPTION_GROWTH:
        options->growth = number;
        return true;
    case OPTION_BATCH:
        options->batch = (unsigned)number;
        return true;
    case OPTION_DELAY_MS:
        options->delay_ms = (unsigned)number;
        return true;
    case OPTION_LISTEN_PORT:
        options->port = (uint16_t)number;
        return true;
    case OPTION_TIME:
        options->time_ms = number;
        return true;
    case OPTION_MEMORY:
        options->memory_max = (size_t)number << 20;
        return true;
    case OPTION_PER_ZIP:
        arguments->per_zip = number;
        return true;
    case OPTION_FOR:
        arguments->seconds = number;
        return true;
    default:
        return false;
    }
}

static bool set_option(struct arguments *arguments, int option)
{
    struct testlog_options *options = &arguments->options;
    uint64_t number = 0;

    switch (option) {
    case OPTION_FINA:
        options->fina = true;
        return true;
    case OPTION_CORPUS:
        arguments->corpus = true;
        return true;
    case OPTION_TLS:
        options->tls = true;
        return true;
    case OPTION_SAME_KEY:
        options->same_key = true;
        return true;
    case OPTION_RSA:
        options->rsa = true;
        return true;
    case OPTION_NAME:
        options->name = optarg;
        return true;
    case OPTION_NO_LEAF_INDEX:
        options->no_leaf_index = true;
        return true;
    case OPTION_READ:
        options->read = optarg;
        return true;
    case OPTION_DIR:
        arguments->dir = optarg;
        return true;
    case OPTION_FAULT:
        buffer_append_text(&arguments->faults, optarg);
        buffer_append_text(&arguments->faults, ",");
        return true;
    default:
        return optarg != NULL &&
               text_parse_uint(&number, bytes_from_text(optarg)) &&
               set_number(arguments, option, number);
    }
}

static void corpus_chain_of(void *context, size_t number,
                            struct buffer *fingerprints, struct buffer *wire)
{
    size_t num;
    const struct sha256_hash *chain =
        corpus_chain(context, (unsigned)number, &num);

    for (size_t i = 0; i < num; i++) {
        buffer_append(fingerprints, sha256_bytes(&chain[i]));
    }
    corpus_chain_wire(context, (unsigned)number, wire);
}

static void corpus_entry_of(void *context, uint64_t index, struct buffer *out,
                            size_t *leaf_len, size_t *chain)
{
    struct corpus_entry entry;

    corpus_append(context, index, out, &entry);
    *leaf_len = entry.leaf_len;
    *chain = entry.issuer;
}

// wait_for_the_end sleeps for so many seconds, or until a signal.
static void wait_for_the_end(uint64_t seconds)
{
    struct timespec until = {.tv_sec = (time_t)seconds};
    sigset_t ends;

    (void)sigemptyset(&ends);
    (void)sigaddset(&ends, SIGINT);
    (void)sigaddset(&ends, SIGTERM);
    while (sigtimedwait(&ends, NULL, &until) < 0 && errno == EINTR) {
    }
}

static bool serve(const struct arguments *arguments, struct err *err)
{
    struct testlog *log;
    sigset_t ends;
    bool ok;

    (void)sigemptyset(&ends); // blocked in every thread: the main one waits
    (void)sigaddset(&ends, SIGINT);
    (void)sigaddset(&ends, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &ends, NULL);
    if (!testlog_start(&log, &arguments->options, err)) return false;
    ok = testlog_write_files(log, arguments->dir, err);
    if (ok) {
        (void)printf("%s\n%s\n", testlog_url(log, TESTLOG_RFC6962),
                     testlog_url(log, TESTLOG_STATIC));
        (void)fflush(stdout);
        wait_for_the_end(arguments->seconds);
    }
    testlog_stop(log);
    return ok;
}

static bool write_archive(const struct arguments *arguments, struct err *err)
{
    struct testlog *log;
    bool ok;

    if (!testlog_open(&log, &arguments->options, err)) return false;
    ok = testlog_write_archive(log, arguments->dir, arguments->per_zip, err);
    testlog_stop(log);
    return ok;
}

static bool write_tiles(const struct arguments *arguments, struct err *err)
{
    struct testlog *log;
    bool ok;

    if (!testlog_open(&log, &arguments->options, err)) return false;
    ok = testlog_write_tiles(log, arguments->dir, err);
    testlog_stop(log);
    return ok;
}

static void print_truth(uint64_t index, const struct testlog_truth *truth)
{
    struct buffer line = {0};

    buffer_printf(&line, "{\"index\":%llu,\"issuance\":\"%s%llu\",\"type\":",
                  (unsigned long long)index, truth->special ? "special-" : "",
                  (unsigned long long)truth->issuance);
    buffer_append_text(&line, truth->precert ? "\"precert\"" : "\"final\"");
    buffer_printf(&line, ",\"not_before\":%lld,\"not_after\":%lld",
                  (long long)truth->not_before, (long long)truth->not_after);
    buffer_append_text(&line, ",\"issuer\":");
    json_append_string(&line, bytes_from_text(truth->issuer));
    if (truth->common_name != NULL) {
        buffer_append_text(&line, ",\"cn\":");
        json_append_string(&line, bytes_from_text(truth->common_name));
    }
    buffer_append_text(&line, ",\"dns\":[");
    for (size_t i = 0; i < truth->num_dns; i++) {
        if (i > 0) buffer_append_byte(&line, ',');
        json_append_string(&line, bytes_from_text(truth->dns[i]));
    }
    buffer_append_text(&line, "],\"ip\":[");
    for (size_t i = 0; i < truth->num_addresses; i++) {
        buffer_append_text(&line, i > 0 ? ",\"" : "\"");
        text_append_hex(&line, truth->addresses[i]);
        buffer_append_byte(&line, '"');
    }
    buffer_append_text(&line, "]}\n");
    (void)fwrite(line.data, 1, line.len, stdout);
    buffer_cleanup(&line);
}

static bool print_all(const struct arguments *arguments, struct err *err)
{
    struct testlog *log;
    struct testlog_truth truth;

    if (!testlog_open(&log, &arguments->options, err)) return false;
    for (uint64_t i = 0; testlog_truth(log, i, &truth); i++) {
        print_truth(i, &truth);
        testlog_truth_cleanup(&truth);
    }
    testlog_stop(log);
    return true;
}

int main(int argc, char **argv)
{
    struct testlog_source source = {.num_chains = CORPUS_ISSUERS,
                                    .chain = corpus_chain_of,
                                    .entry = corpus_entry_of};
    struct arguments arguments = {
        .options = {.entries = 1000, .seed = 1},
        .seconds = 600,
    };
    const char *command;
    struct err err = {0};
    int option;
    bool ok;

    while ((option = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
        if (option == OPTION_HELP || option == 'h') return help();
        if (option == '?') return 2; // getopt has said why
        if (!set_option(&arguments, option)) return fail("not a number");
    }
    if (optind == argc) return fail("serve, write or truth? --help tells");
    command = argv[optind++];
    buffer_append_byte(&arguments.faults, '\0');
    arguments.options.faults = (const char *)arguments.faults.data;
    if (optind < argc && arguments.dir == NULL) arguments.dir = argv[optind];
    if (arguments.corpus) {
        // Readers may look at keys: points of the curve.
        source.context = corpus_new(
            &(struct corpus_options){.entries = arguments.options.entries,
                                     .seed = arguments.options.seed,
                                     .real_points = true});
        if (source.context == NULL) return fail("no memory");
        arguments.options.source = &source;
    }
    if (strcmp(command, "truth") == 0) {
        ok = print_all(&arguments, &err);
    } else if (arguments.dir == NULL) {
        ok = err_set(&err, ERR_USAGE, "a folder is needed");
    } else if (strcmp(command, "serve") == 0) {
        ok = serve(&arguments, &err);
    } else if (strcmp(command, "write") == 0) {
        ok = write_tiles(&arguments, &err);
    } else if (strcmp(command, "write-archive") == 0) {
        ok = write_archive(&arguments, &err);
    } else {
        ok = err_set(&err, ERR_USAGE, "no command '%s'", command);
    }
    buffer_cleanup(&arguments.faults);
    corpus_free(source.context);
    return ok ? 0 : fail(err.text);
}
