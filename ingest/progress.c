// progress.c - see progress.h.

#include "ingest/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "index/base/json.h"
#include "index/base/log.h"

enum {
    LINE_EVERY_MS = 10 * 1000,
    BAR_EVERY_MS = 200,
    BAR_CELLS = 24,
    BARS_MAX = 16,
};

static struct {
    enum progress_kind kind;
    unsigned num_lines; // bars that stand on the terminal now
    uint64_t next_ms, begun_ms;
} state;

static void put(const struct buffer *text)
{
    if (write(STDERR_FILENO, text->data, text->len) < 0) {
        // Nobody looks any more: the work goes on.
    }
}

// Takes the bars away; runs under the lock of log.c too.
static void clear_bars(void)
{
    struct buffer text = {0};

    for (; state.num_lines > 0; state.num_lines--) {
        buffer_append_text(&text, "\x1b[1A\x1b[2K");
    }
    put(&text);
    buffer_cleanup(&text);
}

void progress_open(enum progress_kind kind)
{
    const char *term = getenv("TERM");
    bool terminal =
        isatty(STDERR_FILENO) && term != NULL && strcmp(term, "dumb") != 0;

    if (kind == PROGRESS_AUTO) kind = terminal ? PROGRESS_BAR : PROGRESS_LOG;
    state.kind = kind;
    if (kind == PROGRESS_BAR) log_set_hook(clear_bars);
}

void progress_close(void)
{
    if (state.kind != PROGRESS_BAR) return;
    log_set_hook(NULL);
    clear_bars();
}

static double rate_of(const struct reader_totals *totals)
{
    return totals->wall_ms == 0
               ? 0.0
               : (double)totals->entries * 1e3 / (double)totals->wall_ms;
}

static void append_eta(struct buffer *out, const struct reader_totals *totals)
{
    double rate = rate_of(totals);
    uint64_t left = totals->goal - totals->done;
    uint64_t seconds;

    if (rate < 1e-9 || left == 0) return;
    seconds = (uint64_t)((double)left / rate);
    buffer_printf(out, " ETA %" PRIu64 ":%02u:%02u", seconds / 3600,
                  (unsigned)(seconds / 60 % 60), (unsigned)(seconds % 60));
}

static void append_bar(struct buffer *out, const char *name,
                       const struct reader_totals *totals)
{
    uint64_t cells = totals->goal == 0
                         ? 0
                         : (uint64_t)((double)totals->done * BAR_CELLS /
                                      (double)totals->goal);

    buffer_printf(out, "%-28.28s [", name);
    for (uint64_t i = 0; i < BAR_CELLS; i++) {
        buffer_append_byte(out, i < cells ? '#' : '.');
    }
    buffer_printf(out, "] %" PRIu64 "/%" PRIu64 " %.0f/s", totals->done,
                  totals->goal, rate_of(totals));
    append_eta(out, totals);
    buffer_append_byte(out, '\n');
}

static void draw_bars(const struct pipeline *pipeline)
{
    struct buffer text = {0};
    unsigned num_lines = 0;

    clear_bars();
    for (size_t i = 0; i < pipeline_num_logs(pipeline) && num_lines < BARS_MAX;
         i++) {
        struct reader_totals totals = pipeline_totals(pipeline, i);

        if (totals.ended) continue;
        append_bar(&text, pipeline_config(pipeline, i)->log.name, &totals);
        num_lines++;
    }
    put(&text);
    state.num_lines = num_lines;
    buffer_cleanup(&text);
}

static void write_lines(const struct pipeline *pipeline)
{
    for (size_t i = 0; i < pipeline_num_logs(pipeline); i++) {
        struct reader_totals totals = pipeline_totals(pipeline, i);
        const char *name = pipeline_config(pipeline, i)->log.name;
        struct buffer text = {0};

        if (totals.ended) continue;
        if (state.kind == PROGRESS_JSON) {
            buffer_append_text(&text, "{\"log\":");
            json_append_string(&text, bytes_from_text(name));
            buffer_printf(&text,
                          ",\"done\":%" PRIu64 ",\"goal\":%" PRIu64
                          ",\"entries_per_second\":%.1f}\n",
                          totals.done, totals.goal, rate_of(&totals));
            put(&text);
        } else {
            append_eta(&text, &totals);
            buffer_append_byte(&text, '\0');
            log_line(LOG_INFO, "%s: %" PRIu64 " of %" PRIu64 ", %.0f/s%s", name,
                     totals.done, totals.goal, rate_of(&totals),
                     buffer_ok(&text) ? (const char *)text.data : "");
        }
        buffer_cleanup(&text);
    }
}

void progress_tick(const struct pipeline *pipeline, uint64_t now_ms)
{
    bool is_bar = state.kind == PROGRESS_BAR;

    if (state.kind == PROGRESS_NONE) return;
    if (state.begun_ms == 0) {
        state.begun_ms = now_ms;
        state.next_ms = now_ms + (is_bar ? 0 : LINE_EVERY_MS);
    }
    if (now_ms < state.next_ms) return;
    state.next_ms = now_ms + (is_bar ? BAR_EVERY_MS : LINE_EVERY_MS);
    if (is_bar) {
        draw_bars(pipeline);
    } else {
        write_lines(pipeline);
    }
}

uint64_t progress_memory_bytes(void)
{
    FILE *file = fopen("/proc/self/status", "re");
    unsigned long long kib, sum = 0;
    char line[256];

    if (file == NULL) return 0;
    while (fgets(line, sizeof line, file) != NULL) {
        if (sscanf(line, "RssAnon: %llu kB", &kib) == 1 ||
            sscanf(line, "RssShmem: %llu kB", &kib) == 1) {
            sum += kib;
        }
    }
    (void)fclose(file);
    return sum * 1024;
}
