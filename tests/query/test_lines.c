// test_lines.c - one WHAT per line, in whatever pieces it comes.

#include "query/lines.h"

#include "query/question.h"
#include "tests/support/check.h"

static const struct {
    const char *text;
    const char *lines; // each followed by '|'
} cases[] = {
    {"", ""},          {"\n\n\r\n \t\n", ""},  {"a", "a|"},
    {"a\n", "a|"},     {"a\r\nb\r\n", "a|b|"}, {"a\n\n \nb c\nd", "a|b c|d|"},
    {" a \n", " a |"}, {"a\rb\n", "a\rb|"},    {"\r", ""},
};

static void add(struct buffer *out, struct bytes line)
{
    buffer_append(out, line);
    buffer_append_byte(out, '|');
}

static void splits_in_any_pieces(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        for (size_t piece = 1; piece < 14; piece++) {
            struct bytes text = bytes_from_text(cases[i].text), line;
            struct lines lines = {0};
            struct buffer out = {0};

            test_case = cases[i].text;
            while (text.len > 0) {
                size_t len = text.len < piece ? text.len : piece;
                struct bytes in = heap_copy(bytes_of(text.data, len)), rest;

                CHECK(bytes_skip(&text, len));
                rest = in;
                while (lines_next(&lines, &rest, &line)) {
                    add(&out, line);
                }
                CHECK(rest.len == 0);
                free((void *)in.data);
            }
            if (lines_last(&lines, &line)) add(&out, line);
            CHECK(bytes_equal_text(buffer_bytes(&out), cases[i].lines));
            lines_cleanup(&lines);
            buffer_cleanup(&out);
        }
    }
}

// Of a line that never ends no more is kept than is needed to refuse it.
static void keeps_little_of_a_long_line(void **state)
{
    static uint8_t text[200 * 1024];
    struct lines lines = {0};
    struct bytes in, line;

    (void)state;
    memset(text, 'a', sizeof text);
    for (int i = 0; i < 20; i++) {
        in = bytes_of(text, sizeof text);
        CHECK(!lines_next(&lines, &in, &line));
        CHECK(lines.part.size < 4 * QUESTION_LEN_MAX);
    }
    in = bytes_from_text("\nb\n");
    CHECK(lines_next(&lines, &in, &line));
    CHECK(line.len == QUESTION_LEN_MAX + 1);
    CHECK(lines_next(&lines, &in, &line));
    CHECK(bytes_equal_text(line, "b"));
    text[sizeof text - 1] = '\n';
    in = bytes_of(text, sizeof text);
    CHECK(lines_next(&lines, &in, &line));
    CHECK(line.len == QUESTION_LEN_MAX + 1);
    lines_cleanup(&lines);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(splits_in_any_pieces),
        cmocka_unit_test(keeps_little_of_a_long_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
