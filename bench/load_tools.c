// load_tools.c - see load_tools.h.

#include "bench/load_tools.h"

#include <stdlib.h>
#include <unistd.h>

#include "bench/asker.h"
#include "bench/constant.h"
#include "bench/measure.h"
#include "bench/process.h"

enum { RUNS = 3, PATH_SIZE = 4096 };

// Requests a second as a tool says; 0 where it is not there or fails.
static double ask_tool(const char *command, const char *before)
{
    FILE *tool = popen(command, "r");
    char line[1024];
    double value = 0;

    while (tool != NULL && fgets(line, sizeof line, tool) != NULL) {
        const char *at = strstr(line, before);

        if (at != NULL) value = strtod(at + strlen(before), NULL);
    }
    if (tool != NULL && pclose(tool) != 0) value = 0;
    return value;
}

static void set(const struct load_tools *tools, const char *name,
                const char *what, double value)
{
    char full[FIGURE_NAME_SIZE];

    (void)snprintf(full, sizeof full, "%s_%s", name, what);
    figures_set(tools->figures, full, value);
}

// The median of three runs in turns, against us and against the constant.
static void compare(const struct load_tools *tools, const char *name,
                    const char *form, const char *before, const char *argument)
{
    double ours[RUNS], theirs[RUNS];
    char command[2 * PATH_SIZE];

    for (int i = 0; i < RUNS; i++) {
        (void)snprintf(command, sizeof command, form, tools->server, argument);
        ours[i] = ask_tool(command, before);
        (void)snprintf(command, sizeof command, form, tools->constant,
                       argument);
        theirs[i] = ask_tool(command, before);
    }
    if (ours[0] <= 0 || theirs[0] <= 0) {
        printf("  %s: skipped, not installed or failed\n", name);
        return;
    }
    set(tools, name, "per_s", measure_percentile(ours, RUNS, 50));
    set(tools, name, "constant_per_s", measure_percentile(theirs, RUNS, 50));
    set(tools, name, "ratio",
        measure_percentile(ours, RUNS, 50) /
            measure_percentile(theirs, RUNS, 50));
}

// Every name once, a line each, as h2load -i takes them.
static void write_targets(const struct load_tools *tools, const char *path)
{
    struct buffer target = {0};
    FILE *file = fopen(path, "we");

    if (file == NULL) die("%s: cannot be written", path);
    for (size_t i = 0; i < tools->num_names; i++) {
        buffer_reset(&target);
        buffer_append_text(&target, "http://sanct");
        asker_target(&target, tools->names[i]);
        buffer_append_byte(&target, '\n');
        (void)fwrite(target.data, 1, target.len, file);
    }
    if (fclose(file) != 0) die("%s: cannot be written", path);
    buffer_cleanup(&target);
}

void load_tools_h2load(const struct load_tools *tools)
{
    struct buffer target = {0};
    char path[PATH_SIZE];

    (void)snprintf(path, sizeof path, "%s/targets", tools->folder);
    write_targets(tools, path);
    compare(tools, "h2load_names",
            "h2load --h1 -B unix:%s -c 32 -m 16 -n 60000 -i '%s' "
            "2>/dev/null",
            "s, ", path);
    (void)unlink(path);

    asker_target(&target, tools->names[0]);
    buffer_append_byte(&target, '\0');
    compare(tools, "h2load",
            "h2load --h1 -B unix:%s -c 32 -m 16 -n 60000 'http://sanct%s' "
            "2>/dev/null",
            "s, ", (const char *)target.data);
    buffer_cleanup(&target);
}

void load_tools_redis(const struct load_tools *tools)
{
    static const char form[] =
        "redis-benchmark -s %s -c 32 -P 16 -n 400000 --csv COUNT '%s' "
        "2>/dev/null";
    char name[512];
    pid_t pid;
    struct buffer answer = {0};

    buffer_append_text(&answer, ":1\r\n");
    pid = constant_start(tools->constant, bytes_from_text("*"),
                         buffer_bytes(&answer));
    (void)snprintf(name, sizeof name, "%.*s", (int)tools->names[0].len,
                   tools->names[0].data);
    compare(tools, "redis_existing", form, "\",\"", name);
    compare(tools, "redis_absent", form, "\",\"", "name.absent.example");
    process_end(pid);
    buffer_cleanup(&answer);
}
