#include <math.h>
#include <string.h>

#include "bench/published.h"
#include "index/base/json.h"
#include "tests/support/check.h"

static const char names[] =
    "name,operator,api,entries,as_of,precision,state,bytes,per_request,"
    "requests_per_s,growth,source,limit_source\n";

// Round figures, so that every expected value is reckoned by head.
static const char figures[] =
    "{\"static\":{\"entries_per_s\":100000,\"cpu_ns\":9500,"
    "\"read_bytes\":700,\"disk_bytes\":1000,\"written_bytes\":2000,"
    "\"names_per_1000\":1860},"
    "\"rfc6962\":{\"entries_per_s\":50000,\"cpu_ns\":20000,"
    "\"read_bytes\":6000,\"disk_bytes\":1200,\"written_bytes\":2400,"
    "\"names_per_1000\":1860},"
    "\"archive\":{\"entries_per_s\":200000,\"cpu_ns\":8000,"
    "\"read_bytes\":800,\"disk_bytes\":1100,\"written_bytes\":2200,"
    "\"names_per_1000\":1860},"
    "\"entries\":50000,\"tail_percent\":40,\"facts_bytes\":500,\"disk_bytes_"
    "per_s\":1000000000}";

static struct published_run run_of(const char *text)
{
    struct published_run run;
    struct err err = {0};
    struct json *json;

    CHECK(json_parse(&json, bytes_from_text(text), &err));
    CHECK(published_read_run(&run, json, &err));
    json_free(json);
    return run;
}

static void test_figures_are_read(void **state)
{
    struct published_run run = run_of(figures);

    (void)state;
    CHECK(run.tiles.entries_per_s == 100000);
    CHECK(fabs(run.tiles.cpu_us - 9.5) < 1e-9);
    CHECK(run.rfc6962.read_bytes == 6000);
    CHECK(run.archive.written_bytes == 2200);
    CHECK(fabs(run.archive.names - 1.86) < 1e-9);
    CHECK(run.facts_bytes == 500 && run.disk_bytes_per_s == 1e9);
}

static void test_figures_are_refused(void **state)
{
    static const struct {
        const char *cut, *with, *says;
    } cases[] = {
        {"\"archive\"", "\"other\"", "figures: no entries_per_s"},
        {"\"cpu_ns\":20000", "\"cpu_ns\":-1", "figures: no cpu_ns"},
        {"\"tail_percent\"", "\"tail\"", "figures: no tail_percent"},
        {"\"facts_bytes\"", "\"facts\"", "figures: no facts_bytes"},
        {"_per_s\":50000", "_per_s\":0", "figures: rfc6962 read nothing"},
        {":1000000000}", ":0}", "figures: the disk took nothing"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *at = strstr(figures, cases[i].cut);
        struct buffer text = {0};
        struct published_run run;
        struct err err = {0};
        struct json *json;

        test_case = cases[i].says;
        CHECK(at != NULL);
        buffer_append(&text, bytes_of(figures, (size_t)(at - figures)));
        buffer_append_text(&text, cases[i].with);
        buffer_append_text(&text, at + strlen(cases[i].cut));
        CHECK(json_parse(&json, buffer_bytes(&text), &err));
        CHECK(!published_read_run(&run, json, &err));
        CHECK(strcmp(err.text, cases[i].says) == 0);
        json_free(json);
        buffer_cleanup(&text);
    }
}

static void test_rows_are_refused(void **state)
{
    static const struct {
        const char *row, *says;
    } cases[] = {
        {"", "1 fields, not 13"},
        {"A,B,static,1,2026-01-01,exact,live,,,,,S", "12 fields, not 13"},
        {"A,B,static,1,2026-01-01,exact,live,,,,,S,,", "more than 13 fields"},
        {",B,static,1,2026-01-01,exact,live,,,,,S,", "not a row of a log"},
        {"A,,static,1,2026-01-01,exact,live,,,,,S,", "not a row of a log"},
        {"A,B,tiles,1,2026-01-01,exact,live,,,,,S,", "not a row of a log"},
        {"A,B,static,,2026-01-01,exact,live,,,,,S,", "not a row of a log"},
        {"A,B,static,1e9,2026-01-01,exact,live,,,,,S,", "not a row of a log"},
        {"A,B,static,1,2026-13-01,exact,live,,,,,S,", "not a row of a log"},
        {"A,B,static,1,2026,exact,live,,,,,S,", "not a row of a log"},
        {"A,B,static,1,2026-01-01,about,live,,,,,S,", "not a row of a log"},
        {"A,B,static,1,2026-01-01,exact,dead,,,,,S,", "not a row of a log"},
        {"A,B,static,1,2026-01-01,exact,live,-1,,,,S,", "not a row of a log"},
        {"A,B,static,1,2026-01-01,exact,live,,x,,,S,", "not a row of a log"},
        {"A,B,static,1,2026-01-01,exact,live,,,1.5,,S,", "not a row of a log"},
        {"A,B,static,1,2026-01-01,exact,live,,,,,,", "not a row of a log"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct bytes row = heap_copy(bytes_from_text(cases[i].row));
        struct published_log log;
        struct err err = {0};

        test_case = cases[i].row;
        CHECK(!published_read_log(&log, row, &err));
        CHECK(strcmp(err.text, cases[i].says) == 0);
        free((void *)(uintptr_t)row.data);
    }
}

static bool near(double value, double expected)
{
    return fabs(value - expected) <= 1e-9 * fabs(expected);
}

static void test_costs(void **state)
{
    static const struct {
        const char *row;
        double network_s, archive_s, limit_s, gigabit_s, disk_s, full_bytes;
        enum published_bound bound;
    } cases[] = {
        // At its limit of 2,560 a second.
        {"A,B,static,1024000000,2026-01-01,exact,live,,256,10,,S,L", 10240, -1,
         400000, 5890.048, 2048, 1.024e12, PUBLISHED_LIMIT},
        // It grows by 560 of those.
        {"A,B,static,1000000000,2026-01-01,exact,live,,256,10,560,S,L", 10000,
         -1, 500000, 5752, 2000, 1e12, PUBLISHED_LIMIT},
        // It grows by as much as it gives.
        {"A,B,static,1000000000,2026-01-01,exact,live,,256,10,2560,S,L", 10000,
         -1, HUGE_VAL, 5752, 2000, 1e12, PUBLISHED_LIMIT},
        // No limit is known: the machine, or the link, whichever is slower.
        {"A,B,static,1000000000,2026-01-01,exact,live,,256,,,S,L", 10000, -1,
         -1, 5752, 2000, 1e12, PUBLISHED_CPU},
        {"A,B,rfc6962,1000000000,2026-01-01,exact,live,,,,,S,", 20000, -1, -1,
         47576, 2400, 1.2e12, PUBLISHED_LINK},
        {"A,B,static,1000000000,2026-01-01,exact,live,2000,,,,S,", 10000, -1,
         -1, 16000, 2000, 1e12, PUBLISHED_LINK},
        // An archive has no limit; its index is the archive's.
        {"A,B,rfc6962,1000000000,2026-01-01,bound,archived,,256,10,,S,L", 20000,
         5000, 390625, 6232, 2200, 1.1e12, PUBLISHED_LINK},
        {"A,B,static,1000000000,2026-01-01,bound,retired,500,,,,S,", 10000,
         5000, -1, 4000, 2200, 1.1e12, PUBLISHED_CPU},
    };
    struct published_run run = run_of(figures);

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct published_total total = {0};
        struct published_cost cost;
        struct published_log log;
        struct err err = {0};

        test_case = cases[i].row;
        CHECK(published_read_log(&log, bytes_from_text(cases[i].row), &err));
        cost = published_cost_of(&log, &run, &total);
        CHECK(near(cost.network_s, cases[i].network_s));
        CHECK(near(cost.archive_s, cases[i].archive_s));
        CHECK(isinf(cases[i].limit_s) ? isinf(cost.limit_s)
                                      : near(cost.limit_s, cases[i].limit_s));
        CHECK(near(cost.gigabit_s, cases[i].gigabit_s));
        CHECK(near(cost.disk_s, cases[i].disk_s));
        CHECK(near(cost.full_bytes, cases[i].full_bytes));
        CHECK(near(cost.facts_bytes, log.entries * 500));
        CHECK(cost.bound == cases[i].bound);
        CHECK(total.num_logs == 1 && total.entries == log.entries);
    }
}

static void test_a_slow_disk_binds(void **state)
{
    struct published_run run = run_of(figures);
    struct published_total total = {0};
    struct published_log log;
    struct err err = {0};

    (void)state;
    run.disk_bytes_per_s = 1e8;
    CHECK(published_read_log(
        &log,
        bytes_from_text("A,B,static,1000000000,2026-01-01,exact,live,,,,,S,"),
        &err));
    CHECK(published_cost_of(&log, &run, &total).bound == PUBLISHED_DISK);
}

static void test_golden(void **state)
{
    static const char rows[] =
        "# a note\n"
        "\n"
        "Argon,Google,rfc6962,360000000,2026-10-05,bound,live,5000,32,20,140,"
        "S,L\n"
        "Tuscolo,Geomys,static,720000000,2026-01-17,estimate,archived,800,,,,"
        "S,\n"
        "Tiny,Let's Encrypt,static,36000,2025-12-12,exact,live,,256,1,256,S,"
        "L\n";
    static const char golden[] =
        "  Argon            Google        rfc6962 >   360.00  2026-10-05"
        "      2.0        -      640      8.3     4.0    0.40"
        "     432     180  limit\n"
        "  Tuscolo          Geomys        static  ~   720.00  2026-01-17"
        "      2.0      1.0        -        -     1.3    0.13"
        "     792     360  link\n"
        "  Tiny             Let's Encrypt static        0.04  2025-12-12"
        "     0.00        -      256    never    0.00    0.00"
        "    0.04    0.02  limit\n"
        "\n"
        "  All 3 together: 1.08 billion entries; 2.4 TB to read (0.2 days at "
        "1 Gbit/s, 0.0 at 10), 1.2 TB of index full or 0.5 facts;\n"
        "  0.1 days of this machine; and at the live logs' limits, side by "
        "side, 8 days (0 have none published, 1 outgrow theirs).\n";
    struct published_run run = run_of(figures);
    struct buffer csv = {0}, out = {0};
    struct err err = {0};
    size_t width = 0;

    (void)state;
    buffer_append_text(&csv, names);
    buffer_append_text(&csv, rows);
    CHECK(published_write(&out, buffer_bytes(&csv), &run, &err));
    for (size_t i = 0; i < out.len; i++) {
        width = out.data[i] == '\n' ? 0 : width + 1;
        CHECK(width <= PUBLISHED_WIDTH_MAX);
    }
    buffer_append_byte(&out, 0);
    CHECK(strstr((const char *)out.data, golden) != NULL);
    CHECK(strstr((const char *)out.data,
                 "  static CT        100000 entries/s, 9.5 us of CPU, 700 "
                 "bytes read, 1000 of index, 2000 written, 1.86 names") !=
          NULL);
    CHECK(strstr((const char *)out.data,
                 "as 50000 entries left it, 40 % of them still in the tail") !=
          NULL);
    buffer_append_text(&csv, "Short,row\n");
    CHECK(!published_write(&out, buffer_bytes(&csv), &run, &err));
    CHECK(strcmp(err.text, "line 7: 2 fields, not 13") == 0);
    buffer_cleanup(&csv);
    buffer_cleanup(&out);
}

// The project's own file: every row is good, no log is there twice.
static void test_the_file(void **state)
{
    struct bytes file = read_file("bench/published_logs.csv"), rest = file;
    struct bytes seen[100];
    size_t num = 0, skipped = 0;

    (void)state;
    while (rest.len > 0) {
        const uint8_t *end = memchr(rest.data, '\n', rest.len);
        struct published_log log;
        struct bytes line;
        struct err err = {0};

        CHECK(end != NULL);
        CHECK(bytes_read_take(&rest, &line, (size_t)(end - rest.data)));
        CHECK(bytes_skip(&rest, 1));
        if (bytes_starts_with(line, bytes_from_text("#")) ||
            bytes_starts_with(line, bytes_from_text("name,"))) {
            skipped++;
            continue;
        }
        CHECK(published_read_log(&log, line, &err));
        for (size_t i = 0; i < num; i++) {
            CHECK(!bytes_equal(seen[i], log.name));
        }
        CHECK(num < sizeof seen / sizeof seen[0]);
        seen[num++] = log.name;
    }
    CHECK(num >= 25 && skipped > 1);
    free((void *)(uintptr_t)file.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_figures_are_read),
        cmocka_unit_test(test_figures_are_refused),
        cmocka_unit_test(test_rows_are_refused),
        cmocka_unit_test(test_costs),
        cmocka_unit_test(test_a_slow_disk_binds),
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_the_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
