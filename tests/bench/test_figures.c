#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench/figures.h"
#include "index/base/json.h"
#include "tests/support/check.h"

static char dir[] = "/tmp/test_figures.XXXXXX";
static char path[64], json_path[72];

static void read_text(const char *from, char *out, size_t size)
{
    FILE *file = fopen(from, "r");
    size_t len;

    CHECK(file != NULL);
    len = fread(out, 1, size - 1, file);
    out[len] = '\0';
    CHECK(fclose(file) == 0);
}

static void programs_add_to_one_file(void **state)
{
    struct figures first, second;
    char text[512];
    double value;

    (void)state;
    figures_read(&first, path); // there is none yet
    CHECK(first.num == 0);
    figures_set(&first, "cpu_us", 4.25);
    figures_set(&first, "nothing", NAN);
    figures_write(&first);
    figures_read(&second, path);
    figures_set(&second, "bytes", 460);
    figures_set(&second, "cpu_us", 4.5);
    figures_write(&second);
    figures_read(&first, path);
    CHECK(first.num == 2);
    CHECK(figures_get(&first, "cpu_us", &value) && value == 4.5);
    CHECK(figures_or(&first, "bytes", 1) == 460);
    CHECK(figures_or(&first, "nothing", 1) == 1);
    read_text(path, text, sizeof text);
    CHECK(strcmp(text, "cpu_us\t4.5\nbytes\t460\n") == 0);
}

static void they_are_json_too(void **state)
{
    struct figures figures;
    struct err err = {0};
    struct json *json;
    char text[512];
    uint64_t bytes;

    (void)state;
    figures_read(&figures, path);
    figures_set(&figures, "bytes", 460);
    figures_write(&figures);
    read_text(json_path, text, sizeof text);
    CHECK(json_parse(&json, bytes_from_text(text), &err));
    CHECK(json_uint(json_member(json, "bytes"), &bytes) && bytes == 460);
    json_free(json);
}

// The table goes to standard output, here into a file.
static void goals_are_met_or_not(void **state)
{
    static const struct {
        enum figure_goal kind;
        double goal;
        const char *met;
    } cases[] = {
        {GOAL_AT_MOST, 5, " yes "}, {GOAL_AT_MOST, 4.5, " yes "},
        {GOAL_AT_MOST, 4, " no "},  {GOAL_AT_LEAST, 4, " yes "},
        {GOAL_AT_LEAST, 5, " no "},
    };
    struct figures figures = {.path = path};
    char text[512], table[72];
    int out = dup(STDOUT_FILENO);

    (void)state;
    (void)snprintf(table, sizeof table, "%s.table", path);
    figures_set(&figures, "cpu_us", 4.5);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct figure_row row = {"CPU",         "cpu_us",      "us",
                                 cases[i].kind, cases[i].goal, "beside"};

        CHECK(freopen(table, "w", stdout) != NULL);
        table_row(&figures, &row);
        row.name = "other";
        table_row(&figures, &row);
        CHECK(fflush(stdout) == 0);
        CHECK(dup2(out, STDOUT_FILENO) >= 0);
        read_text(table, text, sizeof text);
        CHECK(strstr(text, "4.50 us") != NULL);
        CHECK(strstr(text, cases[i].met) != NULL);
        CHECK(strstr(text, "not measured") != NULL);
    }
    CHECK(unlink(table) == 0 && close(out) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(programs_add_to_one_file),
        cmocka_unit_test(they_are_json_too),
        cmocka_unit_test(goals_are_met_or_not),
    };
    int failed;

    if (mkdtemp(dir) == NULL) return 1;
    (void)snprintf(path, sizeof path, "%s/f.tsv", dir);
    (void)snprintf(json_path, sizeof json_path, "%s.json", path);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)unlink(path);
    (void)unlink(json_path);
    (void)rmdir(dir);
    return failed;
}
