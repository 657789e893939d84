// test_options.c - the command line of sanct-query.

#include "query/options.h"

#include <unistd.h>

#include "query/key_file.h"
#include "tests/support/check.h"

enum { ARGS_MAX = 8 };

static bool parse(struct options *options, const char *const *args,
                  struct err *err)
{
    static char words[ARGS_MAX][128];
    static char *argv[ARGS_MAX + 2]; // options keep pointers into it
    int argc = 1;

    memset(argv, 0, sizeof argv);
    argv[0] = words[0];
    (void)snprintf(words[0], sizeof words[0], "sanct-query");
    for (; argc < ARGS_MAX && args[argc - 1] != NULL; argc++) {
        (void)snprintf(words[argc], sizeof words[argc], "%s", args[argc - 1]);
        argv[argc] = words[argc];
    }
    return options_parse(options, argc, argv, err);
}

static const struct {
    const char *args[ARGS_MAX];
    const char *parameters; // NULL: refused
    const char *error;
} cases[] = {
    {{"a.example"}, "", NULL},
    {{"--stdin"}, "", NULL},
    {{"--help"}, "", NULL},
    {{"--version"}, "", NULL},
    {{"--", "-odd"}, "", NULL},
    {{"a", "--subdomains", "b"}, "&subdomains=1", NULL},
    {{"--since", "2024-01-01", "--valid-at=2024-01-02", "a"},
     "&since=2024-01-01&valid_at=2024-01-02",
     NULL},
    {{"--issuer", "A, B&c", "--not-issuer", "=\xc3\xbc", "a"},
     "&issuer=A%2c%20B%26c&not_issuer=%3d%c3%bc",
     NULL},
    {{"--precert", "--via", "cn", "--via", "san-ip", "a"},
     "&type=precert&via=cn&via=san-ip",
     NULL},
    {{"--progress", "none", "--log-format", "json", "a"}, "", NULL},
    {{NULL},
     NULL,
     "WHAT is missing: a name, an address, a prefix or a hash (--help tells"
     " more)"},
    {{"--stdin", "a"},
     NULL,
     "--stdin: WHAT is read from there, not from the command line"},
    {{"--after", "5", "a", "b"}, NULL, "--after: goes with one WHAT"},
    {{"--after", "5", "--stdin"}, NULL, "--after: goes with one WHAT"},
    {{"a", "--nope"}, NULL, "--nope: no such option, or it takes no value"},
    {{"-z", "a"}, NULL, "-z: no such option, or it takes no value"},
    {{"--count=3", "a"},
     NULL,
     "--count=3: no such option, or it takes no value"},
    {{"a", "--limit"}, NULL, "--limit: a value is wanted"},
    {{"a", "-i"}, NULL, "-i: a value is wanted"},
    {{"--limit", "0", "a"},
     NULL,
     "--limit: '0' is no limit: a number from 1 upwards"},
    {{"--limit", "1", "--limit", "2", "a"}, NULL, "--limit: given twice"},
    {{"--limit", "1", "--order", "not-before", "a"},
     NULL,
     "--order: not-before cannot be together with --limit"},
    {{"--subdomains", "--covering", "a"},
     NULL,
     "--subdomains cannot be together with --covering"},
    {{"--precert", "--final", "a"},
     NULL,
     "--final: --precert or --final was given before"},
    {{"--json", "--der", "a"},
     NULL,
     "--der: another output format was given before"},
    {{"--progress", "some", "a"},
     NULL,
     "--progress: 'some' is none of auto, bar, log, json, none"},
    {{"--log-format", "xml", "a"},
     NULL,
     "--log-format: 'xml' is none of text, logfmt, json"},
    {{"--not-issuer-key", "@/nonexistent", "a"},
     NULL,
     "--not-issuer-key: '/nonexistent': No such file or directory"},
    {{"--issuer-key", "ab", "a"},
     NULL,
     "--issuer-key: 'ab' is no SHA-256 of a key: 64 hex digits"},
};

static void reads_and_refuses_command_lines(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct options options;
        struct err err = {0};
        bool ok;

        test_case = cases[i].args[0] ? cases[i].args[0] : "nothing";
        ok = parse(&options, cases[i].args, &err);
        if (strcmp(err.text, cases[i].error ? cases[i].error : "") != 0) {
            print_error("%s\n", err.text);
        }
        CHECK(ok == (cases[i].parameters != NULL));
        CHECK(strcmp(err.text, cases[i].error ? cases[i].error : "") == 0);
        CHECK(!ok || bytes_equal_text(buffer_bytes(&options.parameters),
                                      cases[i].parameters));
        options_cleanup(&options);
    }
}

static void keeps_what_options_say(void **state)
{
    static const char *const args[] = {
        "-i", "/index", "--strict", "--count", "--ndjson", "one", "two", NULL};
    struct options options;
    struct err err = {0};

    (void)state;
    test_case = "options";
    CHECK(parse(&options, args, &err));
    CHECK(strcmp(options.index, "/index") == 0 && options.socket == NULL);
    CHECK(options.strict && options.count && !options.from_stdin);
    CHECK(options.format == OUTPUT_NDJSON && options.num_whats == 2);
    CHECK(strcmp(options.whats[1], "two") == 0);
    options_cleanup(&options);
}

// ------------------------------------------------------------ keys

// A P-256 key and what openssl says of it:
//   openssl pkey -pubin -outform der | sha256sum
static const char spki[] =
    "3059301306072a8648ce3d020106082a8648ce3d030107034200046b17d1f2e12c4247f8bc"
    "e6e563a440f277037d812deb33a0f4a13945d898c2964fe342e2fe1a7f9b8ee7eb4a7c0f9e"
    "162bce33576b315ececbb6406837bf51f5";
static const char spki_pem[] =
    "some text before\n-----BEGIN PUBLIC KEY-----\r\n"
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt\r\n"
    "6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==\r\n"
    "-----END PUBLIC KEY-----\n";

static void reads_keys(void **state)
{
    struct bytes der = from_hex(spki);
    struct sha256_hash want = sha256(der), hash;

    (void)state;
    test_case = "DER";
    CHECK(key_file_parse(&hash, der) && sha256_equal(&hash, &want));
    test_case = "PEM";
    CHECK(key_file_parse(&hash, bytes_from_text(spki_pem)));
    CHECK(sha256_equal(&hash, &want));
    for (size_t len = 0; len < der.len; len++) {
        struct bytes cut = heap_copy(bytes_of(der.data, len));

        test_case = "cut DER";
        CHECK(!key_file_parse(&hash, cut));
        free((void *)cut.data);
    }
    for (size_t len = 0; len < strlen(spki_pem) - 10; len++) {
        struct bytes cut = heap_copy(bytes_of(spki_pem, len));

        test_case = "cut PEM";
        CHECK(!key_file_parse(&hash, cut) || len > strlen(spki_pem) - 20);
        free((void *)cut.data);
    }
    free((void *)der.data);
}

static void reads_the_key_of_a_certificate(void **state)
{
    struct sha256_hash hash;
    struct err err = {0};

    (void)state;
    SKIP_WITHOUT_DATA();
    test_case = "fina-root-ca.der";
    if (!key_file_hash(&hash, test_data("certs/fina/fina-root-ca.der"), &err)) {
        fail_msg("%s", err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_and_refuses_command_lines),
        cmocka_unit_test(keeps_what_options_say),
        cmocka_unit_test(reads_keys),
        cmocka_unit_test(reads_the_key_of_a_certificate),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
