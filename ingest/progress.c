// progress.c - see progress.h.

#include "ingest/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "index/base/json.h"
#include "index/base/log.h"
#include "index/base/text.h"
#include "ingest/condition.h"

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

// One log at the moment that is told of.
struct view {
    const char *name;
    struct reader_totals totals;
    double rate;
    bool has_eta;
    uint64_t eta_seconds;
    uint64_t now_ms;
};

static void look(struct view *view, const struct pipeline *pipeline,
                 const struct rates *rates, size_t position, uint64_t now_ms)
{
    uint64_t left;

    *view = (struct view){
        .name = pipeline_config(pipeline, position)->log.name,
        .totals = pipeline_totals(pipeline, position),
        .rate = rates_of(rates, position),
        .now_ms = now_ms,
    };
    left = view->totals.goal - view->totals.done;
    view->has_eta = view->rate > 1e-3 && left > 0;
    if (view->has_eta) {
        view->eta_seconds = (uint64_t)((double)left / view->rate);
    }
}

// Rate, time left, lag and what stands in the way, for a person.
static void append_state(struct buffer *out, const struct view *view)
{
    struct buffer sentence = {0};

    buffer_printf(out, "%.0f/s", view->rate);
    if (view->has_eta) {
        buffer_printf(out, " ETA %" PRIu64 ":%02u:%02u",
                      view->eta_seconds / 3600,
                      (unsigned)(view->eta_seconds / 60 % 60),
                      (unsigned)(view->eta_seconds % 60));
    }
    if (view->totals.goal > view->totals.done) {
        buffer_printf(out, " lag %" PRIu64,
                      view->totals.goal - view->totals.done);
    }
    condition_append(&sentence, &view->totals, view->now_ms);
    if (sentence.len > 0) buffer_append_text(out, ", ");
    buffer_append(out, buffer_bytes(&sentence));
    buffer_cleanup(&sentence);
}

static void append_bar(struct buffer *out, const struct view *view)
{
    const struct reader_totals *totals = &view->totals;
    uint64_t cells = totals->goal == 0
                         ? 0
                         : (uint64_t)((double)totals->done * BAR_CELLS /
                                      (double)totals->goal);

    buffer_printf(out, "%-28.28s [", view->name);
    for (uint64_t i = 0; i < BAR_CELLS; i++) {
        buffer_append_byte(out, i < cells ? '#' : '.');
    }
    buffer_printf(out, "] %" PRIu64 "/%" PRIu64 " ", totals->done,
                  totals->goal);
    append_state(out, view);
    buffer_append_byte(out, '\n');
}

static void draw_bars(const struct pipeline *pipeline,
                      const struct rates *rates, uint64_t now_ms)
{
    struct buffer text = {0};
    unsigned num_lines = 0;

    clear_bars();
    for (size_t i = 0; i < pipeline_num_logs(pipeline) && num_lines < BARS_MAX;
         i++) {
        struct view view;

        look(&view, pipeline, rates, i, now_ms);
        if (view.totals.ended) continue;
        append_bar(&text, &view);
        num_lines++;
    }
    put(&text);
    state.num_lines = num_lines;
    buffer_cleanup(&text);
}

static void append_number_or_null(struct buffer *out, const char *name,
                                  bool has, double value)
{
    buffer_printf(out, ",\"%s\":", name);
    if (has) {
        buffer_printf(out, "%.3f", value);
    } else {
        buffer_append_text(out, "null");
    }
}

static void append_json(struct buffer *out, const struct view *view)
{
    const struct reader_totals *totals = &view->totals;
    uint64_t retry_ms = condition_retry_ms(totals, view->now_ms);
    int64_t wall_now = (int64_t)time(NULL);
    char now_text[TEXT_TIME_LEN_MAX];
    struct buffer sentence = {0};
    double lag_seconds;
    bool has_lag =
        condition_lag_seconds(&lag_seconds, totals, (uint64_t)wall_now * 1000);

    buffer_printf(
        out, "{\"time\":\"%s\",\"log\":", text_time_utc(now_text, wall_now));
    json_append_string(out, bytes_from_text(view->name));
    buffer_printf(out,
                  ",\"done\":%" PRIu64 ",\"goal\":%" PRIu64
                  ",\"entries_per_second\":%.1f",
                  totals->done, totals->goal, view->rate);
    append_number_or_null(out, "eta_seconds", view->has_eta,
                          (double)view->eta_seconds);
    buffer_printf(out, ",\"lag_entries\":%" PRIu64,
                  totals->goal - totals->done);
    append_number_or_null(out, "lag_seconds", has_lag, lag_seconds);
    buffer_printf(out, ",\"state\":\"%s\"",
                  condition_word(condition_of(totals, view->now_ms)));
    append_number_or_null(out, "retry_seconds", retry_ms > 0,
                          (double)retry_ms / 1000);
    condition_append(&sentence, totals, view->now_ms);
    buffer_append_text(out, ",\"message\":");
    json_append_string(out, buffer_bytes(&sentence));
    buffer_printf(out,
                  ",\"requests\":%" PRIu64 ",\"retries\":%" PRIu64
                  ",\"bytes_received\":%" PRIu64 "}\n",
                  totals->live.num_requests, totals->live.num_retries,
                  totals->live.bytes_received);
    buffer_cleanup(&sentence);
}

static void write_lines(const struct pipeline *pipeline,
                        const struct rates *rates, uint64_t now_ms)
{
    for (size_t i = 0; i < pipeline_num_logs(pipeline); i++) {
        struct buffer text = {0};
        struct view view;

        look(&view, pipeline, rates, i, now_ms);
        if (view.totals.ended) continue;
        if (state.kind == PROGRESS_JSON) {
            append_json(&text, &view);
            put(&text);
        } else {
            append_state(&text, &view);
            buffer_append_byte(&text, '\0');
            log_line(LOG_INFO, "%s: %" PRIu64 " of %" PRIu64 ", %s", view.name,
                     view.totals.done, view.totals.goal,
                     buffer_ok(&text) ? (const char *)text.data : "");
        }
        buffer_cleanup(&text);
    }
}

void progress_tick(const struct pipeline *pipeline, const struct rates *rates,
                   uint64_t now_ms)
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
        draw_bars(pipeline, rates, now_ms);
    } else {
        write_lines(pipeline, rates, now_ms);
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
