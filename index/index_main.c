// index_main.c - sanct-index: look at an index and check it.

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>

#include "index/base/log.h"
#include "index/base/text.h"
#include "index/check.h"
#include "index/compact_run.h"
#include "index/evidence.h"
#include "index/place.h"
#include "index/show.h"
#include "index/stat.h"
#include "index/version.h"

enum { EXIT_OK = 0, EXIT_USAGE = 2, EXIT_VERIFY = 5, EXIT_INDEX = 6 };

enum {
    OPTION_DEEP = 256,
    OPTION_ALL,
    OPTION_JSON,
    OPTION_FORMAT,
    OPTION_PROGRESS,
    OPTION_LOG_FORMAT,
    OPTION_HELP,
    OPTION_VERSION,
};

struct arguments {
    const char *dir;
    bool deep, all, json;
    const char *format;
    enum compact_show progress;
    char **words; // after the command
    int num_words;
};

static const char usage_text[] =
    "usage: sanct index COMMAND [-i DIR] [options]\n"
    "\n"
    "  stat [--json]                what the index holds, in figures\n"
    "  verify [--deep]              look at every row; --deep: rebuild every\n"
    "                               root and derive every name again\n"
    "  digest [--all]               a hash of the content, however it came\n"
    "  compact                      the fewest files; answers stay the same\n"
    "  unparsed [--json]            entries that could not be read whole\n"
    "  evidence [list|check]        what logs did wrong\n"
    "  evidence clear LOG           let a log go on; the evidence stays\n"
    "  export --format ndjson|pem   every entry, every certificate\n"
    "  head [--json]                the signed heads held, as served\n"
    "\n"
    "  -i, --index DIR              else $SANCT_INDEX, as root "
    "/var/lib/sanct,\n"
    "                               else $XDG_DATA_HOME/sanct, else\n"
    "                               ~/.local/share/sanct\n"
    "  --log-format text|logfmt|json   of messages on stderr\n"
    "  --progress auto|bar|log|json|none\n"
    "  --help, --version\n"
    "\n"
    "exit: 0 done, 2 usage, 5 evidence that does not prove, 6 index,\n"
    "      130 and 143 compact was stopped\n";

static int say(const struct err *err)
{
    log_line(LOG_ERROR, "%s", err->text);
    return err_exit_code(err->code);
}

static int usage(const char *sentence, const char *word)
{
    char shown[128];

    log_line(LOG_ERROR, "%s%s; sanct index --help tells more", sentence,
             text_escape(shown, sizeof shown, bytes_from_text(word)));
    return EXIT_USAGE;
}

// ------------------------------------------------------------ commands

static void print_stat(const struct index_stat *stat, struct snapshot *snapshot)
{
    printf("format    %d\n"
           "entries   %" PRIu64 " (%" PRIu64 " unparsed)\n"
           "keys      %" PRIu64 " in %" PRIu64 " postings\n"
           "files     %" PRIu64 " segments, %" PRIu64 " runs, %" PRIu64
           " entries in the tail\n"
           "bytes     %" PRIu64 " (entries %" PRIu64 ", names %" PRIu64
           " with filters of %" PRIu64 ", other %" PRIu64 ")\n",
           INDEX_FORMAT, stat->entries, stat->unparsed, stat->keys,
           stat->postings, stat->segments, stat->runs, stat->tail_entries,
           stat->bytes_total, stat->bytes_entries, stat->bytes_names,
           stat->bytes_filters, stat->bytes_other);
    for (size_t i = 0; i < snapshot_num_logs(snapshot); i++) {
        const struct index_log *log = snapshot_log(snapshot, i);
        char name[512];

        printf("log       %s: ",
               text_escape(name, sizeof name, bytes_from_text(log->name)));
        if (log->has_head) {
            printf("%" PRIu64 " of %" PRIu64 " held, %" PRIu64 " verified\n",
                   log->indexed, log->head_size, log->verified);
        } else {
            printf("not reached yet\n");
        }
    }
}

static int run_stat(const struct arguments *arguments,
                    struct snapshot *snapshot)
{
    struct buffer text = {0};
    struct index_stat stat;
    struct err err = {0};
    bool ok;

    if (!arguments->json) {
        if (!snapshot_stat(snapshot, &stat, &err)) return say(&err);
        print_stat(&stat, snapshot);
        return EXIT_OK;
    }
    ok = stat_append_json(&text, snapshot, &err);
    if (ok && !buffer_ok(&text)) ok = err_set(&err, ERR_MEMORY, "no memory");
    if (ok) (void)fwrite(text.data, 1, text.len, stdout);
    buffer_cleanup(&text);
    return ok ? EXIT_OK : say(&err);
}

static void on_fault(void *context, const char *sentence)
{
    (void)context;
    printf("%s\n", sentence);
}

static int run_verify(const struct arguments *arguments,
                      struct snapshot *snapshot)
{
    const struct check_options options = {.deep = arguments->deep,
                                          .fault = on_fault};
    struct err err = {0};
    uint64_t num_faults = 0;

    if (!check_verify(snapshot, &options, &num_faults, &err)) return say(&err);
    if (num_faults == 0) return EXIT_OK;
    log_line(LOG_ERROR, "%" PRIu64 " faults", num_faults);
    return EXIT_INDEX;
}

static void print_digest(const struct sha256_hash *hash, const char *word)
{
    for (size_t i = 0; i < SHA256_LEN; i++) {
        printf("%02x", hash->bytes[i]);
    }
    printf("  %s\n", word);
}

static int run_digest(const struct arguments *arguments,
                      struct snapshot *snapshot)
{
    struct sha256_hash authenticated, unauthenticated;
    struct err err = {0};

    if (!check_digest(snapshot, &authenticated, &unauthenticated, &err)) {
        return say(&err);
    }
    print_digest(&authenticated, "authenticated");
    if (arguments->all) print_digest(&unauthenticated, "unauthenticated");
    return EXIT_OK;
}

static int run_unparsed(const struct arguments *arguments,
                        struct snapshot *snapshot)
{
    struct err err = {0};

    return show_unparsed(stdout, snapshot,
                         arguments->json ? SHOW_JSON : SHOW_TEXT, &err)
               ? EXIT_OK
               : say(&err);
}

static int run_export(const struct arguments *arguments,
                      struct snapshot *snapshot)
{
    bool pem = strcmp(arguments->format, "pem") == 0;
    struct err err = {0};

    return show_export(stdout, snapshot, pem ? SHOW_PEM : SHOW_JSON, &err)
               ? EXIT_OK
               : say(&err);
}

static int run_head(const struct arguments *arguments,
                    struct snapshot *snapshot)
{
    struct err err = {0};

    return show_heads(stdout, snapshot, arguments->json ? SHOW_JSON : SHOW_TEXT,
                      &err)
               ? EXIT_OK
               : say(&err);
}

// ------------------------------------------------------------ evidence

struct evidence_show {
    bool checked;
    bool all_proven;
};

static bool on_evidence(void *context, const struct evidence_info *info,
                        struct err *err)
{
    struct evidence_show *show = context;

    (void)err;
    if (!info->readable) {
        show->all_proven = false;
        printf("%s: %s\n", info->folder, info->sentence);
        return true;
    }
    if (show->checked && !info->proven) show->all_proven = false;
    printf("%s: ", info->folder);
    if (info->end > info->first) {
        printf("entries %" PRIu64 "..%" PRIu64 ": ", info->first,
               info->end - 1);
    }
    if (show->checked) {
        printf("%s: %s\n", info->proven ? "proven" : "not proven",
               info->sentence);
    } else {
        printf("expected %s, computed %s\n", info->expected, info->computed);
    }
    return true;
}

static int show_evidence(const char *dir, bool checked)
{
    struct evidence_show show = {.checked = checked, .all_proven = true};
    struct err err = {0};
    bool ok = checked ? evidence_check(dir, on_evidence, &show, &err)
                      : evidence_list(dir, on_evidence, &show, &err);

    if (!ok) return say(&err);
    return checked && !show.all_proven ? EXIT_VERIFY : EXIT_OK;
}

static bool is_named(const struct index_log *log, const char *word)
{
    struct buffer base64 = {0};
    uint8_t id[SHA256_LEN];
    bool same;

    if (strcmp(log->name, word) == 0) return true;
    if (text_parse_hex(id, sizeof id, bytes_from_text(word)) &&
        memcmp(id, log->id.bytes, sizeof id) == 0) {
        return true;
    }
    text_append_base64(&base64, sha256_bytes(&log->id));
    same = bytes_equal_text(buffer_bytes(&base64), word);
    buffer_cleanup(&base64);
    return same;
}

static bool clear_logs(struct index *index, const char *word, struct err *err)
{
    struct snapshot *snapshot;
    size_t num_found = 0;
    bool ok;

    if (!snapshot_open(&snapshot, index, err)) return false;
    ok = true;
    for (size_t i = 0; ok && i < snapshot_num_logs(snapshot); i++) {
        const struct index_log *log = snapshot_log(snapshot, i);

        if (!is_named(log, word)) continue;
        num_found++;
        ok = index_set_halt(index, log->number, HALT_NONE, err);
    }
    snapshot_close(snapshot);
    if (ok && num_found == 0) {
        char shown[128];

        ok = err_set(err, ERR_USAGE, "the index has no log '%s'",
                     text_escape(shown, sizeof shown, bytes_from_text(word)));
    }
    return ok;
}

static int run_clear(const char *dir, const char *word)
{
    struct index *index;
    struct err err = {0};
    bool ok;

    // It must exist: opening for writing would make it.
    if (!index_open(&index, dir, INDEX_READ, &err)) return say(&err);
    index_close(index);
    if (!index_open(&index, dir, INDEX_WRITE, &err)) return say(&err);
    ok = clear_logs(index, word, &err);
    index_close(index);
    return ok ? EXIT_OK : say(&err);
}

static int run_evidence(const struct arguments *arguments)
{
    const char *what = arguments->num_words == 0 ? "list" : arguments->words[0];

    if (strcmp(what, "clear") == 0) {
        if (arguments->num_words != 2) return usage("evidence clear: ", "LOG");
        return run_clear(arguments->dir, arguments->words[1]);
    }
    if (arguments->num_words > 1) {
        return usage("one word too many: ", arguments->words[1]);
    }
    if (strcmp(what, "list") == 0) return show_evidence(arguments->dir, false);
    if (strcmp(what, "check") == 0) return show_evidence(arguments->dir, true);
    return usage("evidence knows list, check and clear, not ", what);
}

// ------------------------------------------------------------ dispatch

typedef int run_command(const struct arguments *arguments,
                        struct snapshot *snapshot);

static const struct command {
    const char *name;
    run_command *run; // NULL: it opens the index itself
    bool takes_deep, takes_all, takes_json, takes_format;
} commands[] = {
    {"stat", run_stat, .takes_json = true},
    {"verify", run_verify, .takes_deep = true},
    {"digest", run_digest, .takes_all = true},
    {"unparsed", run_unparsed, .takes_json = true},
    {"export", run_export, .takes_format = true},
    {"head", run_head, .takes_json = true},
    {"evidence", .run = NULL},
    {"compact", .run = NULL},
};

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        if (strcmp(commands[i].name, name) == 0) return &commands[i];
    }
    return NULL;
}

static int run(const struct command *command, const struct arguments *arguments)
{
    struct snapshot *snapshot;
    struct index *index;
    struct err err = {0};
    int code;

    if (strcmp(command->name, "compact") == 0) {
        return compact_run(arguments->dir, arguments->progress);
    }
    if (command->run == NULL) return run_evidence(arguments);
    if (!index_open(&index, arguments->dir, INDEX_READ, &err)) return say(&err);
    if (!snapshot_open(&snapshot, index, &err)) {
        index_close(index);
        return say(&err);
    }
    code = command->run(arguments, snapshot);
    snapshot_close(snapshot);
    index_close(index);
    return code;
}

static int check_arguments(const struct command *command,
                           const struct arguments *arguments)
{
    if (arguments->deep && !command->takes_deep) {
        return usage("--deep goes with verify, not ", command->name);
    }
    if (arguments->all && !command->takes_all) {
        return usage("--all goes with digest, not ", command->name);
    }
    if (arguments->json && !command->takes_json) {
        return usage("--json does not go with ", command->name);
    }
    if (arguments->format != NULL && !command->takes_format) {
        return usage("--format goes with export, not ", command->name);
    }
    if (command->takes_format && (arguments->format == NULL ||
                                  (strcmp(arguments->format, "pem") != 0 &&
                                   strcmp(arguments->format, "ndjson") != 0))) {
        return usage("export needs --format ndjson or ", "pem");
    }
    if (strcmp(command->name, "evidence") != 0 && arguments->num_words > 0) {
        return usage("one word too many: ", arguments->words[0]);
    }
    return EXIT_OK;
}

static bool read_progress(enum compact_show *out, const char *word)
{
    static const char *const words[] = {[COMPACT_AUTO] = "auto",
                                        [COMPACT_BAR] = "bar",
                                        [COMPACT_LOG] = "log",
                                        [COMPACT_JSON] = "json",
                                        [COMPACT_NONE] = "none"};

    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (strcmp(words[i], word) != 0) continue;
        *out = (enum compact_show)i;
        return true;
    }
    return false;
}

// Reads the options; the exit code where the program ends here, else -1.
static int read_options(struct arguments *arguments, int argc, char **argv)
{
    static const struct option options[] = {
        {"index", required_argument, NULL, 'i'},
        {"deep", no_argument, NULL, OPTION_DEEP},
        {"all", no_argument, NULL, OPTION_ALL},
        {"json", no_argument, NULL, OPTION_JSON},
        {"format", required_argument, NULL, OPTION_FORMAT},
        {"progress", required_argument, NULL, OPTION_PROGRESS},
        {"log-format", required_argument, NULL, OPTION_LOG_FORMAT},
        {"help", no_argument, NULL, OPTION_HELP},
        {"version", no_argument, NULL, OPTION_VERSION},
        {0},
    };
    enum log_format format;
    int option;

    opterr = 0;
    while ((option = getopt_long(argc, argv, ":i:", options, NULL)) != -1) {
        switch (option) {
        case 'i':
            arguments->dir = optarg;
            break;
        case OPTION_DEEP:
            arguments->deep = true;
            break;
        case OPTION_ALL:
            arguments->all = true;
            break;
        case OPTION_JSON:
            arguments->json = true;
            break;
        case OPTION_FORMAT:
            arguments->format = optarg;
            break;
        case OPTION_PROGRESS:
            if (!read_progress(&arguments->progress, optarg)) {
                return usage("--progress: ", optarg);
            }
            break;
        case OPTION_LOG_FORMAT:
            if (!log_parse_format(&format, optarg)) {
                return usage("--log-format: ", optarg);
            }
            log_open("sanct-index", format, LOG_INFO);
            break;
        case OPTION_HELP:
            (void)fputs(usage_text, stdout);
            return EXIT_OK;
        case OPTION_VERSION:
            version_print("sanct-index", NULL);
            return EXIT_OK;
        case ':':
            return usage("an argument is missing after ", argv[optind - 1]);
        default:
            return usage("no such option: ", argv[optind - 1]);
        }
    }
    return -1;
}

// What was printed must have arrived.
static int finish(int code)
{
    if (fflush(stdout) == 0 && !ferror(stdout)) return code;
    log_line(LOG_ERROR, "cannot write the answer: %s", strerror(errno));
    return code == EXIT_OK ? EXIT_INDEX : code;
}

int main(int argc, char **argv)
{
    struct arguments arguments = {0};
    const struct command *command;
    int code;

    log_open("sanct-index", LOG_TEXT, LOG_INFO);
    index_allow_files();
    code = read_options(&arguments, argc, argv);
    if (code >= 0) return finish(code);
    if (optind == argc) {
        (void)fputs(usage_text, stderr);
        return EXIT_USAGE;
    }
    command = find_command(argv[optind]);
    if (command == NULL) return usage("no such command: ", argv[optind]);
    arguments.dir = place_of_index(arguments.dir);
    arguments.words = argv + optind + 1;
    arguments.num_words = argc - optind - 1;
    code = check_arguments(command, &arguments);
    return finish(code != EXIT_OK ? code : run(command, &arguments));
}
