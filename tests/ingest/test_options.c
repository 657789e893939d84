// test_options.c - the command line: what is taken, and the words of refusal.

#include "ingest/options.h"
#include "tests/support/check.h"

enum { ARGS_MAX = 16 };

// Splits at blanks; the options point into `line`.
static bool parse(struct options *options, char *line, struct err *err)
{
    char *argv[ARGS_MAX] = {(char *)(uintptr_t) "sanct-ingest"};
    char *save = NULL;
    int argc = 1;

    for (char *word = strtok_r(line, " ", &save); word != NULL;
         word = strtok_r(NULL, " ", &save)) {
        assert_true(argc + 1 < ARGS_MAX);
        argv[argc++] = word;
    }
    return ingest_options_parse(options, argc, argv, err);
}

static const struct {
    const char *line;
    const char *error; // NULL: accepted
} cases[] = {
    {"http://log.test/", NULL},
    {"-i dir --log log.json --json --progress none http://log.test/", NULL},
    {"--log log.json", NULL},
    {"--log-list list.json --all", NULL},
    {"--log-list list.json --operator A --operator B --state usable", NULL},
    {"--log-list list.json one two", NULL},
    {"--range 5:6 --keep facts --api static --tls skip u", NULL},
    {"--help", NULL},
    {"--version", NULL},
    {"", "a SOURCE is expected; sanct ingest --help tells more"},
    {"--log-list list.json",
     "a SOURCE is expected; sanct ingest --help tells more"},
    {"a.zip b.zip --check-archive --key k --origin o", NULL},
    {"--all u", "--all, --operator and --state need --log-list"},
    {"--log a --log-list b u", "either --log or --log-list"},
    {"--key a --log-list b u", "--log-list gives the keys: no --key"},
    {"--follow --range 0:1 u", "--follow has no --range"},
    {"--range 6:6 u", "--range 6:6: A:B with A < B is expected"},
    {"--range 6 u", "--range 6: A:B with A < B is expected"},
    {"--range 1:x u", "--range 1:x: A:B with A < B is expected"},
    {"--range -1:2 u", "--range -1:2: A:B with A < B is expected"},
    {"--keep some u", "--keep some: full or facts"},
    {"--api http u", "--api http: rfc6962 or static"},
    {"--tls no u", "--tls no: verify or skip"},
    {"--progress x u", "--progress x: auto or bar or log or json or none"},
    {"--log-format x u", "--log-format x: text, logfmt or json"},
    {"--connections 0 u", "--connections 0: a number from 1 on is expected"},
    {"--connections 257 u",
     "--connections 257: a number from 1 on is expected"},
    {"--threads x u", "--threads x: a number from 1 on is expected"},
    {"--rate 0 u", "--rate 0: requests a second are expected"},
    {"--rate nan u", "--rate nan: requests a second are expected"},
    {"--retry soon u", "--retry soon: a duration like 30s or 10m is expected"},
    {"--poll 5y u", "--poll 5y: a duration like 30s or 10m is expected"},
    {"--memory much u", "--memory much: a size like 512M or 1G is expected"},
    {"--nonsense u", "--nonsense: no such option, or its value is missing; "
                     "sanct ingest --help lists them"},
};

static void accepts_and_rejects(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char *line = strdup(cases[i].line);
        struct options options;
        struct err err = {0};

        assert_non_null(line);
        test_case = cases[i].line;
        CHECK(parse(&options, line, &err) == (cases[i].error == NULL));
        if (strcmp(err.text, cases[i].error ? cases[i].error : "") != 0) {
            print_error("'%s'\n", err.text);
            CHECK(false);
        }
        CHECK(cases[i].error == NULL || err.code == ERR_USAGE);
        free(line);
    }
}

static void has_the_defaults_of_the_contract(void **state)
{
    char line[] = "u";
    struct options options;

    (void)state;
    CHECK(parse(&options, line, NULL));
    CHECK(options.retry_ms == 600000 && options.poll_ms == 30000 &&
          options.partial_after_ms == 300000 && options.memory == 1 << 30 &&
          options.threads >= 1 && options.keep == 0 && options.api == 0);
}

static void reads_durations_and_sizes(void **state)
{
    static const struct {
        const char *text;
        uint64_t duration_ms, size; // UINT64_MAX: refused
    } numbers[] = {
        {"0", 0, 0},
        {"10", 10000, 10},
        {"250ms", 250, UINT64_MAX},
        {"1.5h", 5400000, UINT64_MAX},
        {"10m", 600000, 10 << 20},
        {"2d", 172800000, UINT64_MAX},
        {"64K", UINT64_MAX, 64 << 10},
        {"1G", UINT64_MAX, 1 << 30},
        {"3MiB", UINT64_MAX, 3 << 20},
        {"-1", UINT64_MAX, UINT64_MAX},
        {"", UINT64_MAX, UINT64_MAX},
        {"1e30", UINT64_MAX, UINT64_MAX},
        {"inf", UINT64_MAX, UINT64_MAX},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        uint64_t ms = UINT64_MAX, size = UINT64_MAX;

        test_case = numbers[i].text;
        CHECK(ingest_options_parse_duration(&ms, numbers[i].text) ==
              (numbers[i].duration_ms != UINT64_MAX));
        CHECK(ingest_options_parse_size(&size, numbers[i].text) ==
              (numbers[i].size != UINT64_MAX));
        CHECK(ms == numbers[i].duration_ms && size == numbers[i].size);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_and_rejects),
        cmocka_unit_test(has_the_defaults_of_the_contract),
        cmocka_unit_test(reads_durations_and_sizes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
