// test_resp.c - RESP and lines: what is taken, what is refused, in any split.

#include "tests/support/check.h"

#include "query/server/resp.h"

#define X16 "x x x x x x x x x x x x x x x x"

static const struct {
    const char *name, *wire;
    enum resp_progress progress;
    const char *args; // joined by "|"
    const char *rest; // what is left
} cases[] = {
    {"array", "*2\r\n$5\r\nCOUNT\r\n$3\r\na b\r\n", RESP_COMMAND, "COUNT|a b",
     ""},
    {"array and more", "*1\r\n$4\r\nPING\r\n*1", RESP_COMMAND, "PING", "*1"},
    {"empty argument", "*2\r\n$4\r\nPING\r\n$0\r\n\r\n", RESP_COMMAND, "PING|",
     ""},
    {"newline inside", "*1\r\n$2\r\n\r\n\r\n", RESP_COMMAND, "\r\n", ""},
    {"no arguments", "*0\r\nPING\r\n", RESP_COMMAND, "", "PING\r\n"},
    {"null array", "*-1\r\n", RESP_COMMAND, "", ""},
    {"line", "COUNT 1.1.1.1\r\n", RESP_COMMAND, "COUNT|1.1.1.1", ""},
    {"line, LF alone", "PING\nPING\n", RESP_COMMAND, "PING", "PING\n"},
    {"blanks", "  COUNT \t a  \r\n", RESP_COMMAND, "COUNT|a", ""},
    {"empty line", "\r\nPING\r\n", RESP_COMMAND, "", "PING\r\n"},
    {"no quoting", "COUNT \"cn:A B\"\r\n", RESP_COMMAND, "COUNT|\"cn:A|B\"",
     ""},
    {"star in a line", "COUNT *.a\r\n", RESP_COMMAND, "COUNT|*.a", ""},
    {"16 arguments", "C " X16 "\n", RESP_COMMAND,
     "C|x|x|x|x|x|x|x|x|x|x|x|x|x|x|x|x", ""},
    {"17 arguments", "C " X16 " x\n", RESP_BROKEN,
     "Protocol error: a command has at most 16 arguments", NULL},
    {"array of 18", "*18\r\n", RESP_BROKEN,
     "Protocol error: a command has at most 16 arguments", NULL},
    {"long argument", "*1\r\n$65537\r\n", RESP_BROKEN,
     "Protocol error: an argument has at most 65536 bytes", NULL},
    {"null argument", "*1\r\n$-1\r\n", RESP_BROKEN,
     "Protocol error: an argument has at most 65536 bytes", NULL},
    {"no bulk", "*1\r\n:1\r\n", RESP_BROKEN,
     "Protocol error: a bulk string is expected", NULL},
    {"no number", "*x\r\n", RESP_BROKEN,
     "Protocol error: a length is no number", NULL},
    {"no number at all", "*\r\n", RESP_BROKEN,
     "Protocol error: a length is no number", NULL},
    {"minus alone", "*-\r\n", RESP_BROKEN,
     "Protocol error: a length is no number", NULL},
    {"LF alone", "*11\n", RESP_BROKEN, "Protocol error: a length is no number",
     NULL},
    {"endless number", "*00000000000000000000000000000001", RESP_BROKEN,
     "Protocol error: a length is too long", NULL},
    {"20 digits", "*1\r\n$99999999999999999999\r\n", RESP_BROKEN,
     "Protocol error: a length is no number", NULL},
    {"wrong end", "*1\r\n$4\r\nPINGxx", RESP_BROKEN,
     "Protocol error: a bulk string does not end where it says", NULL},
};

static void check_args(const struct resp_command *command, const char *wanted)
{
    struct buffer joined = {0};

    for (size_t i = 0; i < command->num_args; i++) {
        if (i > 0) buffer_append_byte(&joined, '|');
        buffer_append(&joined, command->args[i]);
    }
    CHECK(bytes_equal_text(buffer_bytes(&joined), wanted));
    buffer_cleanup(&joined);
}

static void reads_and_refuses(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct bytes wire = heap_copy(bytes_from_text(cases[i].wire));
        struct bytes in = wire;
        struct resp_command command;
        struct err err = {0};

        test_case = cases[i].name;
        CHECK(resp_read(&command, &in, &err) == cases[i].progress);
        if (cases[i].progress == RESP_COMMAND) {
            check_args(&command, cases[i].args);
            CHECK(bytes_equal_text(in, cases[i].rest));
        } else {
            CHECK(strcmp(err.text, cases[i].args) == 0);
        }
        free((void *)wire.data);
    }
}

static void waits_for_every_truncation(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        size_t whole;

        if (cases[i].progress != RESP_COMMAND) continue;
        test_case = cases[i].name;
        whole = strlen(cases[i].wire) - strlen(cases[i].rest);
        for (size_t len = 0; len < whole; len++) {
            struct bytes wire = heap_copy(bytes_of(cases[i].wire, len));
            struct bytes in = wire;
            struct resp_command command;
            struct err err = {0};

            CHECK(resp_read(&command, &in, &err) == RESP_MORE);
            CHECK(in.data == wire.data && in.len == len);
            free((void *)wire.data);
        }
    }
}

static void limits_lines_and_arguments(void **state)
{
    struct buffer wire = {0};
    struct resp_command command;
    struct err err = {0};
    struct bytes in;

    (void)state;
    buffer_append_text(&wire, "COUNT ");
    for (size_t i = 0; i < RESP_ARG_MAX; i++) {
        buffer_append_byte(&wire, 'a');
    }
    in = buffer_bytes(&wire);
    CHECK(resp_read(&command, &in, &err) == RESP_MORE);
    buffer_append_byte(&wire, '\n');
    in = buffer_bytes(&wire);
    CHECK(resp_read(&command, &in, &err) == RESP_COMMAND);
    CHECK(command.num_args == 2 && command.args[1].len == RESP_ARG_MAX);
    wire.data[wire.len - 1] = 'a';
    buffer_append_byte(&wire, '\n');
    in = buffer_bytes(&wire);
    CHECK(resp_read(&command, &in, &err) == RESP_BROKEN);
    while (wire.len <= RESP_LINE_MAX) {
        buffer_append_byte(&wire, ' ');
    }
    in = bytes_of(wire.data, RESP_LINE_MAX + 1);
    wire.data[6 + RESP_ARG_MAX + 1] = ' ';
    CHECK(resp_read(&command, &in, &err) == RESP_BROKEN);
    CHECK(strcmp(err.text, "Protocol error: a line is too long") == 0);
    buffer_cleanup(&wire);
}

static const struct {
    const char *wire;
    enum resp_dialect dialect;
} sniffed[] = {
    {"*1\r\n", DIALECT_RESP},
    {"GET / HTTP/1.1", DIALECT_HTTP},
    {"GET /", DIALECT_HTTP},
    {"PUT http://x/", DIALECT_HTTP},
    {"OPTIONS * HTTP/1.1", DIALECT_HTTP},
    {"OPTIONS *", DIALECT_UNKNOWN},
    {"OPTIONS *.x", DIALECT_RESP},
    {"COUNT *.example.com\r\n", DIALECT_RESP},
    {"COUNT * \r\n", DIALECT_RESP},
    {"COUNT h", DIALECT_UNKNOWN},
    {"COUNT hello.example\r\n", DIALECT_RESP},
    {"COUNT http://x\r\n", DIALECT_HTTP},
    {"get / HTTP/1.1", DIALECT_RESP},
    {"PING\r\n", DIALECT_RESP},
    {"PING", DIALECT_UNKNOWN},
    {"PING ", DIALECT_UNKNOWN},
    {"", DIALECT_UNKNOWN},
    {"\r\nGET / HTTP/1.1", DIALECT_RESP},
    {" GET / HTTP/1.1", DIALECT_RESP},
    {"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", DIALECT_RESP},
    {"\x16\x03\x01", DIALECT_RESP},
};

// A prefix is never taken for another dialect than the whole.
static void tells_dialects_apart(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(sniffed); i++) {
        struct bytes wire = bytes_from_text(sniffed[i].wire);

        test_case = sniffed[i].wire;
        CHECK(resp_sniff(wire) == sniffed[i].dialect);
        for (; wire.len > 0; wire.len--) {
            enum resp_dialect dialect = resp_sniff(wire);

            CHECK(dialect == DIALECT_UNKNOWN || dialect == sniffed[i].dialect);
        }
    }
}

static void writes_what_a_line_can_hold(void **state)
{
    struct buffer out = {0};

    (void)state;
    resp_write_simple(&out, "OK");
    resp_write_int(&out, 0);
    resp_write_int(&out, UINT64_MAX);
    resp_write_null(&out);
    resp_write_array(&out, 12);
    resp_write_bulk(&out, bytes_of("a\r\nb", 4));
    resp_write_error(&out, "ERR", "no\r\n+such\x80thing");
    CHECK(
        bytes_equal_text(buffer_bytes(&out),
                         "+OK\r\n:0\r\n:18446744073709551615\r\n$-1\r\n*12\r\n"
                         "$4\r\na\r\nb\r\n-ERR no??+such?thing\r\n"));
    buffer_cleanup(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_and_refuses),
        cmocka_unit_test(waits_for_every_truncation),
        cmocka_unit_test(limits_lines_and_arguments),
        cmocka_unit_test(tells_dialects_apart),
        cmocka_unit_test(writes_what_a_line_can_hold),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
